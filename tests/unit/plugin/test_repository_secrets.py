"""`RepositorySecrets` against the GitHub stand-in, without an engine: the repository behind a state, and none other."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

import pytest
from fault_world import travelled
from operation import Operation

from pulumi_codespaces.clients.errors import ActionableError, CloudError
from pulumi_codespaces.plugin.failures import InvalidInputs
from pulumi_codespaces.plugin.resources import RESOURCES
from rig.github import GitHubStandIn

if TYPE_CHECKING:
    from collections.abc import Iterator

TOKEN, WITHOUT_SCOPE, FINE_GRAINED = "ghp_x", "ghp_y", "github_pat_x"
SEED: dict[str, Any] = {
    "organizations": {
        "acme": {
            "id": 1,
            "plan": "team",
            "repositories": {"web": {"id": 11, "private": True}, "api": {"id": 12, "private": True}},
        },
        "umbrella": {"id": 2, "plan": "team"},
    },
    "tokens": {
        TOKEN: {"kind": "classic", "scopes": ["admin:org", "repo"]},
        WITHOUT_SCOPE: {"kind": "classic", "scopes": ["admin:org"]},
        FINE_GRAINED: {
            "kind": "fine-grained",
            "owner": "acme",
            "permissions": {"metadata": "read", "codespaces_secrets": "write"},
            "repositories": ["api"],
        },
    },
}
SECRETS = RESOURCES["codespaces:index:RepositorySecrets"]
URN = "urn:pulumi:test::access::codespaces:index:RepositorySecrets::x"
INPUTS = {"secrets": {"NPM": "canary"}, "repository": "web"}
HIDDEN = {
    WITHOUT_SCOPE: "the token lacks the scope repo and sees public repositories only",
    FINE_GRAINED: "GitHub does not say which repositories a fine-grained token or an App's token can see",
}


@pytest.fixture
def github(monkeypatch: pytest.MonkeyPatch) -> Iterator[GitHubStandIn]:
    # Each operation has a client of its own, and reading the certificates takes longer than all the rest.
    certificates = ssl.create_default_context()
    monkeypatch.setattr(ssl, "create_default_context", lambda **_: certificates)
    with GitHubStandIn(SEED, check_contract=False) as standing_in:
        yield standing_in


def create(github: GitHubStandIn) -> dict[str, Any]:
    """Make the secrets in `web`; gives the state."""
    operation = Operation(github, TOKEN)

    async def work() -> dict[str, Any]:
        new = travelled(await SECRETS.check(operation.run, URN, {}, travelled(INPUTS)))
        return travelled((await SECRETS.create(operation.run, URN, new, preview=False))[1])

    return operation.do(work())


def delete(github: GitHubStandIn, state: dict[str, Any], token: str = TOKEN) -> list[str]:
    operation = Operation(github, token)
    operation.do(SECRETS.delete(operation.run, URN, "id", state))
    return operation.warnings


def read(github: GitHubStandIn, state: dict[str, Any], token: str = TOKEN) -> Any:
    operation = Operation(github, token)
    return operation.do(SECRETS.read(operation.run, URN, "id", INPUTS, state))


def held(github: GitHubStandIn, repository: str) -> list[str]:
    return sorted(github.repository(repository).secrets)


def test_a_renamed_repository_loses_the_secrets_and_not_the_one_that_took_its_name(github: GitHubStandIn) -> None:
    state = create(github)
    github.repository("acme/web").rename("shop")
    github.organization("acme").create_repository("web").put_secret("NPM", "somebody else's")
    assert delete(github, state) == []
    assert (held(github, "acme/shop"), held(github, "acme/web")) == ([], ["NPM"])


def test_a_repository_that_is_replaced_by_one_of_its_name_loses_the_secrets(github: GitHubStandIn) -> None:
    state = create(github)
    github.repository("acme/web").rename("shop")
    github.organization("acme").create_repository("web")
    operation = Operation(github, TOKEN)

    async def replace() -> None:
        new = travelled(await SECRETS.check(operation.run, URN, {}, travelled(INPUTS)))
        assert (await SECRETS.difference(operation.run, URN, state, new)).replaces == ["repository"]
        await SECRETS.create(operation.run, URN, new, preview=False)
        await SECRETS.delete(operation.run, URN, "id", state)

    operation.do(replace())
    assert (held(github, "acme/shop"), held(github, "acme/web")) == ([], ["NPM"])


def test_a_transferred_repository_loses_the_secrets_and_not_the_one_that_took_its_name(github: GitHubStandIn) -> None:
    state = create(github)
    github.repository("acme/web").transfer("umbrella")
    github.organization("acme").create_repository("web").put_secret("NPM", "somebody else's")
    assert delete(github, state) == []
    assert (held(github, "umbrella/web"), held(github, "acme/web")) == ([], ["NPM"])


def test_secrets_that_cannot_be_deleted_after_a_transfer_are_told(github: GitHubStandIn) -> None:
    state = create(github)
    github.repository("acme/web").transfer("umbrella")
    github.faults.add("GET", "/repos/umbrella/web/codespaces/secrets", kind="status", status=404)
    (warning,) = delete(github, state)
    assert warning == (
        "the secrets went along with the repository to umbrella/web, where these credentials cannot delete them; renew "
        "the credentials that they hold."
    )


@pytest.mark.parametrize("token", [WITHOUT_SCOPE, FINE_GRAINED])
def test_a_repository_that_went_out_of_sight_is_not_taken_for_gone(github: GitHubStandIn, token: str) -> None:
    state = create(github)
    for work in (read, delete):
        with pytest.raises(ActionableError) as caught:
            work(github, state, token)
        assert str(caught.value) == (
            "repository web (id 11) of organization acme is not found, which does not mean that it is gone with its "
            f"secrets: {HIDDEN[token]}. Give the credentials access to it; or, if it is gone, let the stack forget its "
            f"secrets: pulumi state delete '{URN}'"
        )
    assert held(github, "acme/web") == ["NPM"]


def test_a_repository_that_is_gone_has_no_secrets(github: GitHubStandIn) -> None:
    state = create(github)
    github.repository("acme/web").delete()
    assert read(github, state) is None
    assert delete(github, state) == []


def test_a_repository_that_goes_while_its_secrets_are_deleted_is_gone(github: GitHubStandIn) -> None:
    state = create(github)
    operation = Operation(github, TOKEN)

    async def look_up_first() -> None:
        await operation.run.github.repository_by_id(11)
        github.repository("acme/web").delete()

    operation.do(look_up_first(), SECRETS.delete(operation.run, URN, "id", state))
    assert operation.warnings == []


def test_secrets_of_a_repository_that_is_not_administered_are_not_taken_for_gone(github: GitHubStandIn) -> None:
    """GitHub answers as if there were none."""
    state = create(github)
    github.faults.add("GET", "/repos/acme/web/codespaces/secrets", kind="status", status=404, times=None)
    for work in (read, delete):
        with pytest.raises(CloudError, match="has no such repository, or the credentials may not administer it"):
            work(github, state)


@pytest.mark.parametrize("token", [WITHOUT_SCOPE, FINE_GRAINED])
def test_a_program_whose_repository_went_out_of_sight_is_not_told_that_it_is_deleted(
    github: GitHubStandIn, token: str
) -> None:
    state = create(github)
    operation = Operation(github, token)
    with pytest.raises(InvalidInputs) as caught:
        operation.do(SECRETS.check(operation.run, URN, state, travelled(INPUTS)))
    assert HIDDEN[token] in str(caught.value)
    assert "deleted" not in str(caught.value)
