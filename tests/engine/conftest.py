"""The local cloud and stacks on the real CLI."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from rig.cloud import LocalCloud
from rig.github import GitHubStandIn
from rig.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

TOKEN = "ghp_CANARYcanary0123456789token"
REPOSITORIES = ("web", "api", "docs", "infra")
SEED: dict[str, Any] = {
    "organizations": {
        "acme": {
            "id": 1,
            "plan": "team",
            "repositories": {
                name: {"id": 11 + index, "private": True, "topics": ["payments"] if name in ("web", "api") else []}
                for index, name in enumerate(REPOSITORIES)
            },
        },
        "umbrella": {"id": 2, "plan": "team", "repositories": {"lab": {"id": 91, "private": True}}},
    },
    "tokens": {
        TOKEN: {"kind": "classic", "scopes": ["admin:org", "repo"], "login": "platform"},
        "ghp_reader": {"kind": "classic", "scopes": ["read:org", "repo"], "login": "reader"},
        "github_pat_reader": {
            "kind": "fine-grained",
            "owner": "acme",
            "permissions": {"organization_codespaces_secrets": "read", "metadata": "read"},
        },
    },
}


@pytest.fixture
def github() -> Iterator[GitHubStandIn]:
    """GitHub alone, for tests that need no AWS."""
    with GitHubStandIn(SEED) as standing_in:
        yield standing_in
        assert standing_in.unserved == []


@pytest.fixture
def github_environment(github: GitHubStandIn) -> dict[str, str]:
    return {"GITHUB_OWNER": "acme", "GITHUB_TOKEN": TOKEN, "GITHUB_BASE_URL": f"{github.url}/"}


@pytest.fixture
def new_stack(tmp_path: Path, github_environment: Mapping[str, str]) -> Callable[..., Stack]:
    """Make a stack; the environment is GitHub's unless another is given."""
    made = 0

    def make(program: str, environment: Mapping[str, str] | None = None, **options: Any) -> Stack:
        nonlocal made
        made += 1
        given = github_environment if environment is None else environment
        return Stack(tmp_path / f"stack{made}", given, program, **options)

    return make


@pytest.fixture
def cloud() -> Iterator[LocalCloud]:
    """GitHub and AWS. A request that they do not serve, or to a host outside this machine, fails the test."""
    with LocalCloud(docker="http") as together:
        yield together
        assert together.github.unserved == []
        assert together.aws.refused_hosts == []


@pytest.fixture
def new_cloud_stack(tmp_path: Path, cloud: LocalCloud) -> Callable[..., Stack]:
    """Make a stack that works in `cloud`."""
    made = 0

    def make(program: str, *, environment: Mapping[str, str] | None = None, **options: Any) -> Stack:
        nonlocal made
        made += 1
        given = {**cloud.environment, **(environment or {})}
        return Stack(tmp_path / f"cloud-stack{made}", given, program, **options)

    return make
