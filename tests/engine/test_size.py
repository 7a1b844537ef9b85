"""The largest number of registries that GitHub allows, and organizations with thousands of repositories.

`benchmarks/size.py` compares the times with stock resources.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmarks import large
from benchmarks.measuring import names, organization
from rig.cloud import LocalCloud
from rig.codespace import start_codespace
from rig.github import GitHubStandIn

from .conftest import SEED, TOKEN
from .secret_programs import HEAD, program, triple, values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rig.stack import Stack

REQUESTS = 140
"""The most that an update of 33 registries may send to GitHub."""
SELECTED, IN_ALL = 250, 260
ONE_MORE = """
codespaces.RegistryLogin("one-more", {"server": "more.azurecr.io", "user": "u", "password": "p",
    "selected_repositories": selected, "verify": False})
"""


@pytest.fixture
def cloud() -> Iterator[LocalCloud]:
    with LocalCloud(large.seed(IN_ALL), docker="http") as together:
        yield together
        assert together.github.unserved == []
        assert together.aws.refused_hosts == []


def logged_in(cloud: LocalCloud) -> set[str]:
    """The registries that a new codespace logs in to."""
    with start_codespace(cloud.github, cloud.aws, f"acme/{names(1)[0]}", docker="http") as codespace:
        return {login.server for login in codespace.logins if login.ok}


def update(cloud: LocalCloud, stack: Stack, text: str) -> int:
    """Update the stack; returns the number of requests to GitHub."""
    stack.write(text)
    cloud.github.clear_requests()
    stack.up()
    return len(cloud.github.requests)


def test_33_registries_for_250_repositories(cloud: LocalCloud, new_cloud_stack: Callable[..., Stack]) -> None:
    everybody = large.by_name(SELECTED)
    stack = new_cloud_stack(large.logins(1, everybody))
    assert update(cloud, stack, large.logins(1, everybody)) <= REQUESTS
    secrets = cloud.github.organization("acme").secrets
    assert len(secrets) == 99
    assert {len(secret.repository_ids) for secret in secrets.values()} == {SELECTED}
    assert logged_in(cloud) == set(large.HOSTS)

    for host in large.HOSTS:
        cloud.aws.registries.add(host, "pull", large.password(2), ["team/app"])
    assert logged_in(cloud) == set()
    assert update(cloud, stack, large.logins(2, everybody)) <= REQUESTS
    assert logged_in(cloud) == set(large.HOSTS)

    stack.write(large.logins(2, everybody) + ONE_MORE)
    refused = stack.preview(check=False)
    assert "102 of 100; 33 of 33 registries used" in "".join(
        diagnostic["message"] for diagnostic in refused.digest["diagnostics"]
    )


def test_keys_of_33_registries_in_one_account(cloud: LocalCloud, new_cloud_stack: Callable[..., Stack]) -> None:
    """One user and its keys open the registries of all Regions."""
    everybody = large.by_name(SELECTED)
    stack = new_cloud_stack(large.one_key(1, everybody))
    assert update(cloud, stack, large.one_key(1, everybody)) <= REQUESTS
    hosts = logged_in(cloud)
    assert len(hosts) == len(large.REGIONS)
    before = {name: secret.value for name, secret in cloud.github.organization("acme").secrets.items()}
    assert update(cloud, stack, large.one_key(2, everybody)) <= REQUESTS
    assert logged_in(cloud) == hosts
    after = {name: secret.value for name, secret in cloud.github.organization("acme").secrets.items()}
    assert {name for name in after if after[name] == before[name]} == {
        name for name in after if name.endswith("SERVER")
    }


def test_1000_of_5000_repositories_by_topic_and_by_name(new_stack: Callable[..., Stack]) -> None:
    seed = organization(5000, "payments", 1000)
    tokens = {TOKEN: SEED["tokens"][TOKEN]}
    # Checking 150 pages of repositories against GitHub's description would take longer than the rest of the test.
    with GitHubStandIn({**seed, "tokens": tokens}, check_contract=False) as github:
        environment = {"GITHUB_OWNER": "acme", "GITHUB_TOKEN": TOKEN, "GITHUB_BASE_URL": f"{github.url}/"}

        def text(selection: str) -> str:
            selected = f"selected = codespaces.RepositorySelection('selected', {selection})\n"
            return program(triple(), "selected.repositories").replace(HEAD, HEAD + selected)

        stack = new_stack(text("{'topics': ['payments']}"), environment)
        stack.up()
        assert values(github) == triple()
        chosen = {len(secret.repository_ids) for secret in github.organization("acme").secrets.values()}
        assert chosen == {1000}
        # 50 pages of repositories, the listing before and after, the public key, and the three writes.
        assert len(github.requests) == 56

        github.clear_requests()
        stack.write(text(large.by_name(1000)))
        assert [step["urn"].rsplit("::", 1)[-1] for step in stack.preview().steps] == ["selected"]
        assert len(github.requests) == 51

        github.repository("acme/repository-1234").topics.append("payments")
        stack.write(text("{'topics': ['payments']}"))
        assert stack.preview().step("token")["detailedDiff"] == {
            'selectedRepositories["repository-1234"]': {"kind": "add", "inputDiff": False}
        }
