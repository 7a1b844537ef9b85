"""`RepositorySelection` against the GitHub stand-in, without an engine: what the credentials do not see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from fault_world import travelled
from operation import Operation

from pulumi_codespaces.plugin.failures import InvalidInputs
from pulumi_codespaces.plugin.resources import RESOURCES
from pulumi_codespaces.values import UNKNOWN
from rig.github import GitHubStandIn

if TYPE_CHECKING:
    from collections.abc import Iterator

TOKEN, FINE_GRAINED = "ghp_x", "github_pat_x"
SEED: dict[str, Any] = {
    "organizations": {
        "acme": {
            "id": 1,
            "plan": "team",
            "repositories": {
                "web": {"id": 11, "private": True, "topics": ["payments"]},
                "api": {"id": 12, "private": True},
            },
        },
    },
    "tokens": {
        TOKEN: {"kind": "classic", "scopes": ["admin:org", "repo"]},
        FINE_GRAINED: {
            "kind": "fine-grained",
            "owner": "acme",
            "permissions": {"metadata": "read"},
            "repositories": ["api"],
        },
    },
}
SELECTION = RESOURCES["codespaces:index:RepositorySelection"]
URN = "urn:pulumi:test::access::codespaces:index:RepositorySelection::x"


@pytest.fixture
def github() -> Iterator[GitHubStandIn]:
    with GitHubStandIn(SEED, check_contract=False) as standing_in:
        yield standing_in


def check(
    github: GitHubStandIn, declared: dict[str, Any], before: dict[str, Any] | None = None, token: str = TOKEN
) -> tuple[dict[str, Any], list[str]]:
    """What a selection resolves to, and the warnings."""
    operation = Operation(github, token)
    resolved = operation.do(SELECTION.check(operation.run, URN, before or {}, travelled(declared)))
    return resolved, operation.warnings


def test_a_name_that_went_out_of_sight_is_not_taken_for_deleted(github: GitHubStandIn) -> None:
    declared = {"names": ["web", "api"]}
    before, _ = check(github, declared)
    with pytest.raises(InvalidInputs) as caught:
        check(github, declared, before, FINE_GRAINED)
    (failure,) = caught.value.failures
    assert failure.path == "names[0]"
    assert failure.reason == (
        "repository 'web' (id 11) of organization acme is no longer found, but may still exist: "
        "GitHub does not say which repositories a fine-grained token or an App's token can see. Give the credentials "
        "access to it; or, if it is gone, remove it from the program."
    )
    resolved, _ = check(github, {"names": ["api"]}, before, FINE_GRAINED)
    assert resolved["repositories"] == {"api": 12}


def test_a_name_that_is_gone_is_left_out(github: GitHubStandIn) -> None:
    declared = {"names": ["web", "api"]}
    before, _ = check(github, declared)
    github.repository("acme/web").delete()
    resolved, warnings = check(github, declared, before)
    assert (resolved["repositories"], resolved["skipped"]) == ({"api": 12}, {"web": "deleted"})
    assert warnings == ["web no longer exists in the organization and is left out; remove it from the selection."]


def test_a_declared_id_that_is_not_known_yet_has_its_name_beside_all_others(github: GitHubStandIn) -> None:
    by_topic, _ = check(github, {"topics": ["payments"], "ids": {"web": UNKNOWN}})
    assert by_topic["repositories"] == {"web": UNKNOWN, "web (11)": 11}
    by_name, _ = check(github, {"names": ["web"], "ids": {"web": UNKNOWN}})
    assert by_name["repositories"] == {"web": 11, "web (new)": UNKNOWN}
