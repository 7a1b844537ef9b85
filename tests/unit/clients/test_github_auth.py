"""Requests in the name of an App's installation."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from pulumi_codespaces.clients.credentials import AppInstallation, Configuration
from pulumi_codespaces.clients.errors import CloudError, OutcomeUnknown
from pulumi_codespaces.clients.github import GitHub, Need
from rig.github import GitHubStandIn

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

TOKENS = "/app/installations/77/access_tokens"
SECRETS = "/orgs/acme/codespaces/secrets"
NEED = Need("admin:org", "'Organization codespaces secrets: write'")
PERMISSIONS = {"organization_codespaces_secrets": "write", "metadata": "read"}


@pytest.fixture(scope="module")
def pem() -> str:
    key = generate_private_key(65537, 2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.fixture
def github(pem: str) -> Iterator[GitHubStandIn]:
    installation = {"account": "acme", "permissions": PERMISSIONS, "repository_selection": "all"}
    seed: dict[str, Any] = {
        "organizations": {"acme": {"id": 1, "plan": "team", "repositories": {"web": {"id": 11, "private": True}}}},
        "apps": {"1234": {"slug": "platform", "private_key_pem": pem, "installations": {"77": installation}}},
    }
    with GitHubStandIn(seed) as standing_in:
        yield standing_in


def run(github: GitHubStandIn, pem: str, work: Callable[[GitHub], Awaitable[None]]) -> GitHub:
    app = AppInstallation("1234", "77", pem)
    client = GitHub(Configuration("acme", f"{github.url}/", None, app), lambda _: None)

    async def with_client() -> None:
        try:
            await work(client)
        finally:
            await client.close()

    asyncio.run(with_client())
    return client


def sent(github: GitHubStandIn) -> list[str]:
    return [f"{request.method} {request.path}" for request in github.requests]


def test_one_token_serves_all_requests(github: GitHubStandIn, pem: str) -> None:
    async def work(client: GitHub) -> None:
        await asyncio.gather(*(client.send("GET", SECRETS, need=NEED) for _ in range(5)))

    client = run(github, pem, work)
    assert sent(github) == [f"POST {TOKENS}", *[f"GET {SECRETS}"] * 5]
    assert (client.grants.permissions, client.grants.repository_selection) == (PERMISSIONS, "all")


def test_a_token_is_renewed_before_it_ends(github: GitHubStandIn, pem: str) -> None:
    github.tokens.installation_lifetime = timedelta(seconds=30)

    async def work(client: GitHub) -> None:
        await client.send("GET", SECRETS, need=NEED)
        await client.send("GET", SECRETS, need=NEED)

    run(github, pem, work)
    assert sent(github) == [f"POST {TOKENS}", f"GET {SECRETS}"] * 2


def test_a_refusal_names_the_request_for_the_token(github: GitHubStandIn, pem: str) -> None:
    github.faults.add("POST", TOKENS, kind="status", status=404)

    async def work(client: GitHub) -> None:
        await client.send("PUT", f"{SECRETS}/S", json={}, need=NEED)

    with pytest.raises(CloudError, match=f"POST {TOKENS}: GitHub answers 404.*has no such installation") as caught:
        run(github, pem, work)
    assert type(caught.value) is CloudError
    assert sent(github) == [f"POST {TOKENS}"]


def test_a_token_that_github_fails_to_give_is_asked_for_again(github: GitHubStandIn, pem: str) -> None:
    github.faults.add("POST", TOKENS, kind="status", status=502)

    async def work(client: GitHub) -> None:
        await client.send("GET", SECRETS, need=NEED)

    run(github, pem, work)
    assert sent(github) == [f"POST {TOKENS}", f"POST {TOKENS}", f"GET {SECRETS}"]


def test_nothing_was_written_if_github_gives_no_token(
    github: GitHubStandIn, pem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pulumi_codespaces.clients.github._TRIES", 1)
    github.faults.add("POST", TOKENS, kind="status", status=502)

    async def work(client: GitHub) -> None:
        await client.send("PUT", f"{SECRETS}/S", json={}, need=NEED)

    with pytest.raises(CloudError, match="GitHub answers 502") as caught:
        run(github, pem, work)
    assert not isinstance(caught.value, OutcomeUnknown)


@pytest.mark.parametrize("body", [b"<html>CANARY</html>", b"[]", b'{"token": "CANARY"}'])
def test_a_token_that_is_not_githubs_is_not_used(github: GitHubStandIn, pem: str, body: bytes) -> None:
    github.faults.add("POST", TOKENS, kind="status", status=201, body=body)

    async def work(client: GitHub) -> None:
        await client.send("GET", SECRETS, need=NEED)

    with pytest.raises(CloudError, match="is not a token of an App's installation and may not be GitHub's") as caught:
        run(github, pem, work)
    assert "CANARY" not in str(caught.value)
    assert sent(github) == [f"POST {TOKENS}"]


def test_a_key_that_signs_nothing_is_told_without_it(github: GitHubStandIn) -> None:
    async def work(client: GitHub) -> None:
        await client.send("GET", SECRETS, need=NEED)

    with pytest.raises(CloudError, match=r"could not be sent \(\w+\): the credentials cannot be used") as caught:
        run(github, "CANARY", work)
    assert "CANARY" not in str(caught.value)
    assert github.requests == []
