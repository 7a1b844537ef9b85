"""`VerifiedLogin`: what Check finds in credentials, before anything logs in."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from pulumi_codespaces.clients import ecr as ecr_client
from pulumi_codespaces.clients.credentials import Configuration
from pulumi_codespaces.clients.errors import ActionableError, CloudError
from pulumi_codespaces.clients.github_token import TokenInfo, token_info
from pulumi_codespaces.plugin.failures import InvalidInputs
from pulumi_codespaces.plugin.resources import RESOURCES, verified_login
from pulumi_codespaces.plugin.run import Run, Severity
from pulumi_codespaces.values import UNKNOWN, Secret, reveal
from rig.github import GitHubStandIn

if TYPE_CHECKING:
    from collections.abc import Iterator

GOOD, BARE, FOREIGN = "ghp_CANARYgood", "ghp_CANARYbare", "ghp_CANARYunknown"
SEED = {
    "organizations": {"acme": {"id": 1}},
    "tokens": {
        GOOD: {"scopes": ["read:packages"], "login": "Bot"},
        BARE: {"scopes": ["repo"], "login": "bot"},
    },
}
LOGIN = RESOURCES["codespaces:index:VerifiedLogin"]
URN = "urn:pulumi:test::access::codespaces:index:RegistryLogin$codespaces:index:VerifiedLogin::ghcr-login"
LACKS = (
    "password of GitHub Container registry: the token lacks the scope read:packages (its scopes: repo); give a classic "
    "personal access token with the scope read:packages "
    "(https://docs.github.com/en/packages/working-with-a-github-packages-registry/working-with-the-container-registry)."
)
UNKNOWN_TOKEN = "the token for ghcr.io is wrong, expired or revoked: GitHub does not know it."


@pytest.fixture(scope="module")
def github() -> Iterator[GitHubStandIn]:
    with GitHubStandIn(SEED) as github:
        yield github
        assert github.unserved == []


def login(password: Any = GOOD, **changes: Any) -> dict[str, Any]:
    given = {"server": "ghcr.io", "user": "bot", "password": password, "probeImages": [], "verify": True}
    return {**given, **changes}


def check(url: str, new: dict[str, Any], old: dict[str, Any] | None = None) -> tuple[dict[str, Any], list[str]]:
    """Check inputs; gives them, and the warnings."""
    warnings: list[str] = []

    def log(severity: Severity, urn: str, text: str) -> None:
        assert (severity, urn) == (Severity.WARNING, URN)
        warnings.append(text)

    run = Run(Configuration("acme", f"{url}/api/v3/" if url else "", "ghp_other", complete=bool(url)), log)
    checked = asyncio.run(LOGIN.check(run, URN, old or {}, new))
    assert "CANARY" not in "".join(warnings)
    return checked, warnings


@pytest.mark.parametrize(("password", "problem"), [(BARE, LACKS), (FOREIGN, UNKNOWN_TOKEN)])
def test_a_token_that_cannot_read_packages(github: GitHubStandIn, password: str, problem: str) -> None:
    """It is refused, unless codespaces have it already: then it must not hold up what else the program does."""
    for old in ({}, login(GOOD)):
        with pytest.raises(InvalidInputs) as refused:
            check(github.url, login(password), old)
        assert [(failure.path, failure.reason) for failure in refused.value.failures] == [("", problem)]
    checked, warnings = check(github.url, login(password), login(Secret(password), user=Secret("bot")))
    assert warnings == [f"codespaces cannot pull: {problem}"]
    assert checked["password"] == Secret(password)


def test_whose_token_it_is(github: GitHubStandIn) -> None:
    assert check(github.url, login(user="BOT"))[1] == []
    assert check(github.url, login(user="alice"))[1] == [
        (
            "the token for ghcr.io is Bot's, and `user` names somebody else: the registry looks at the token alone, so "
            "that it works."
        )
    ]


@pytest.mark.parametrize(
    ("url", "new"),
    [
        ("", login(BARE)),
        ("stand-in", login(BARE, verify=False)),
        ("stand-in", login(UNKNOWN)),
        ("stand-in", login("CANARY")),
        ("stand-in", login(BARE, server="registry.corp.example")),
    ],
)
def test_github_is_asked_only_where_it_knows(github: GitHubStandIn, url: str, new: dict[str, Any]) -> None:
    github.clear_requests()
    assert check(github.url if url else "", new)[1] == []
    assert github.requests == []


def test_a_github_that_does_not_answer_is_no_reason_to_refuse() -> None:
    assert check("http://127.0.0.1:9", login(BARE))[1] == [
        "whether the token for ghcr.io may read packages was not seen: GitHub does not answer (ConnectError)."
    ]


def test_the_key_of_a_google_service_account_comes_out_on_one_line() -> None:
    key = {"type": "service_account", "private_key": "CANARY\n", "client_email": "p@acme.example"}
    given = login(json.dumps(key, indent=2), server="us-docker.pkg.dev", user="_json_key")
    checked, warnings = check("", given)
    assert reveal(checked["password"]) == json.dumps(key)
    assert isinstance(checked["password"], Secret)
    assert warnings == []


@pytest.mark.parametrize(
    ("answer", "info"),
    [
        (httpx.Response(200, json={"login": "bot"}), TokenInfo("bot", None)),
        (
            httpx.Response(200, json={"login": "bot"}, headers={"X-OAuth-Scopes": ""}),
            TokenInfo("bot", frozenset()),
        ),
        (
            httpx.Response(200, json={"login": "bot"}, headers={"X-OAuth-Scopes": "repo, read:packages"}),
            TokenInfo("bot", frozenset(("repo", "read:packages"))),
        ),
        (httpx.Response(403, json={}), "GitHub answers 403"),
        (httpx.Response(200, json=[]), "GitHub does not answer with an account"),
        (httpx.Response(200, text="<html>"), "GitHub does not answer with an account"),
    ],
)
def test_what_github_tells_of_a_token(
    monkeypatch: pytest.MonkeyPatch, answer: httpx.Response, info: TokenInfo | str
) -> None:
    asked: list[tuple[str, str]] = []

    def handle(request: httpx.Request) -> httpx.Response:
        asked.append((str(request.url), request.headers["authorization"]))
        return answer

    client = httpx.AsyncClient(transport=httpx.MockTransport(handle))
    monkeypatch.setattr("pulumi_codespaces.clients.github_token.open_client", lambda: client)
    if isinstance(info, str):
        with pytest.raises(CloudError, match=f"^{info}$"):
            asyncio.run(token_info("https://api.github.com/", GOOD))
    else:
        assert asyncio.run(token_info("https://api.github.com/", GOOD)) == info
    assert asked == [("https://api.github.com/user", f"Bearer {GOOD}")]


def test_the_id_of_an_access_key_that_was_given_is_in_no_message(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> str:
        raise CloudError("ecr:GetAuthorizationToken answers UnrecognizedClientException")

    monkeypatch.setattr(ecr_client, "_token", refuse)
    monkeypatch.setattr(verified_login, "_KEY_SECONDS", 0.1)
    said: list[str] = []
    run = Run(Configuration(complete=False), lambda _, __, text: said.append(text))
    server = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
    new = login(Secret("CANARYpassword"), server=server, user=Secret("AKIACANARY0000000000"))
    with pytest.raises(ActionableError, match=r"^the access key does not work after 0 s: ecr:Get") as refused:
        asyncio.run(LOGIN.create(run, URN, new, preview=False))
    assert said == [
        "waiting for AWS to accept the access key (0 s): ecr:GetAuthorizationToken answers UnrecognizedClientException"
    ]
    assert "CANARY" not in str(refused.value)
