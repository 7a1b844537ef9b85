from __future__ import annotations

import time
from base64 import b64encode
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from github_support import SECRETS, TLS, Clock, client, json_web_token, put, seed

from rig.github import GitHubStandIn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NO_ADMIN = "You must be an org admin or have the codespaces secrets fine-grained permission."
UNREADABLE = "A JSON web token could not be decoded"
TOKENS = "/app/installations/{}/access_tokens"


@pytest.fixture
def github() -> Iterator[GitHubStandIn]:
    with GitHubStandIn(seed()) as one:
        yield one


def answer(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["message"]


def app_client(github: GitHubStandIn, token: str) -> httpx.Client:
    return httpx.Client(base_url=github.url, headers={"Authorization": f"Bearer {token}"}, verify=TLS)


def installation_token(github: GitHubStandIn, number: int, body: dict[str, object] | None = None) -> str:
    with app_client(github, json_web_token()) as app:
        created = app.post(TOKENS.format(number), json=body or {})
    assert created.status_code == 201
    return created.json()["token"]


def test_unknown_token(github: GitHubStandIn) -> None:
    with client(github, "nobody") as api:
        response = api.get(SECRETS)
        assert answer(response) == (401, "Bad credentials")
        assert "x-oauth-scopes" not in response.headers
        assert api.get("/repos/acme/docs").status_code == 401
    assert [request.token_label for request in github.requests] == ["unknown token"] * 2


def test_revoked_and_expired_tokens(github: GitHubStandIn) -> None:
    github.tokens.add("short", expires_at=datetime.now(timezone.utc) + timedelta(hours=1))
    with client(github, "short") as short, client(github) as owner:
        assert short.get("/user").status_code == 200
        github.clock = lambda: datetime.now(timezone.utc) + timedelta(hours=2)
        assert short.get("/user").status_code == 401
        github.tokens.revoke("owner")
        assert owner.get("/user").status_code == 401


def test_anonymous_caller(github: GitHubStandIn) -> None:
    with client(github, None) as api:
        assert answer(api.get(SECRETS)) == (401, "Requires authentication")
        assert api.get("/repos/acme/docs").json()["permissions"]["push"] is False
        assert answer(api.get("/repos/acme/web")) == (404, "Not Found")
        assert [repository["name"] for repository in api.get("/orgs/acme/repos").json()] == ["docs"]
        assert api.get("/orgs/acme").headers["x-ratelimit-limit"] == "60"


@pytest.mark.parametrize("scheme", ["token owner", "Bearer owner", "Basic " + b64encode(b"me:owner").decode()])
def test_ways_to_send_a_token(github: GitHubStandIn, scheme: str) -> None:
    answered = httpx.get(f"{github.url}/user", headers={"Authorization": scheme})
    assert (answered.status_code, answered.json()["login"]) == (200, "platform")


def test_scopes_are_told(github: GitHubStandIn) -> None:
    with client(github) as api:
        headers = api.get(SECRETS).headers
        assert headers["x-oauth-scopes"] == "admin:org, codespace, delete_repo, read:packages, repo"
        assert headers["x-accepted-oauth-scopes"] == "admin:org"


def test_missing_scope(github: GitHubStandIn) -> None:
    with client(github, "no-org") as api:
        for response in (api.get(SECRETS), api.get(f"{SECRETS}/public-key"), api.delete(f"{SECRETS}/A")):
            assert answer(response) == (403, NO_ADMIN)
            assert response.headers["x-oauth-scopes"] == "repo"
            assert response.headers["x-accepted-oauth-scopes"] == "admin:org"
        assert answer(api.delete("/repos/acme/web")) == (403, "Must have admin rights to Repository.")
        assert answer(api.get("/orgs/acme/packages?package_type=container")) == (
            403,
            "You need at least read:packages scope to list packages.",
        )
        assert answer(api.get("/user/codespaces/secrets")) == (403, "Must have admin rights to Repository.")
        assert api.get("/repos/acme/web").status_code == 200


def test_scope_for_public_repositories_alone(github: GitHubStandIn) -> None:
    with client(github, "public-only") as api:
        assert [repository["name"] for repository in api.get("/orgs/acme/repos").json()] == ["docs"]
        assert answer(api.get("/repos/acme/web")) == (404, "Not Found")
        assert answer(api.post("/orgs/acme/repos", json={"name": "x", "private": True})) == (404, "Not Found")
        assert api.post("/orgs/acme/repos", json={"name": "x"}).status_code == 201


def test_scope_brings_others_along(github: GitHubStandIn) -> None:
    github.tokens.add("writer", scopes=("write:packages", "write:org"))
    with client(github, "writer") as api:
        assert api.get("/orgs/acme/packages?package_type=npm").json() == []
        assert api.get("/orgs/acme/properties/schema").json() == []
        assert answer(api.get(SECRETS)) == (403, NO_ADMIN)


def test_member_who_is_no_owner() -> None:
    with GitHubStandIn(seed(members={"platform": "admin", "dev": "member"})) as github:
        github.tokens.add("member", login="dev", scopes=("admin:org", "repo"))
        github.tokens.add("stranger", login="eve", scopes=("admin:org", "repo"))
        with client(github) as owner, client(github, "member") as member, client(github, "stranger") as stranger:
            assert owner.get(SECRETS).status_code == 200
            assert answer(member.get(SECRETS)) == (403, NO_ADMIN)
            assert member.get("/repos/acme/web").json()["permissions"]["admin"] is False
            refused = member.patch("/repos/acme/web", json={"description": "x"})
            assert answer(refused) == (403, "Must have admin rights to Repository.")
            assert answer(stranger.get("/repos/acme/web")) == (404, "Not Found")


def test_fine_grained_token(github: GitHubStandIn) -> None:
    inaccessible = (403, "Resource not accessible by personal access token")
    with client(github, "fine") as api:
        assert put(api, "A").status_code == 201
        read = api.get(f"{SECRETS}/A")
        assert "x-oauth-scopes" not in read.headers
        assert read.headers["x-accepted-github-permissions"] == "organization_codespaces_secrets=read"
        assert api.get("/repos/acme/web").status_code == 200
        assert answer(api.get("/repos/umbrella/lab")) == (404, "Not Found")
        assert answer(api.get("/orgs/umbrella/codespaces/secrets")) == inaccessible
        assert answer(api.get("/orgs/acme/packages?package_type=npm")) == inaccessible
        assert answer(api.get("/orgs/acme/properties/values")) == inaccessible
    with client(github, "fine-read") as api:
        assert api.get(SECRETS).json()["total_count"] == 1
        refused = api.delete(f"{SECRETS}/A")
        assert answer(refused) == inaccessible
        assert refused.headers["x-accepted-github-permissions"] == "organization_codespaces_secrets=write"
    assert list(github.organization("acme").secrets) == ["A"]


def test_fine_grained_token_of_some_repositories(github: GitHubStandIn) -> None:
    permissions = {"codespaces_secrets": "write"}
    github.tokens.add("some", kind="fine-grained", owner="acme", permissions=permissions, repositories=["api"])
    with client(github, "some") as api:
        assert {repository["name"] for repository in api.get("/orgs/acme/repos").json()} == {"api", "docs"}
        assert put(api, "A", at="/repos/acme/api/codespaces/secrets").status_code == 201
        assert answer(api.get("/repos/acme/web/codespaces/secrets")) == (404, "Not Found")


def test_app_signs_for_itself(github: GitHubStandIn) -> None:
    with app_client(github, json_web_token()) as app:
        assert app.get("/app").json()["slug"] == "platform"
        assert [installation["repository_selection"] for installation in app.get("/app/installations").json()] == [
            "all",
            "selected",
        ]
        assert app.get("/app/installations/78").json()["account"]["login"] == "acme"
        assert app.get("/orgs/acme/installation").json()["id"] == 77
        assert answer(app.post(TOKENS.format(99), json={})) == (404, "Integration not found")
        assert answer(app.get(SECRETS)) == (403, "Resource not accessible by integration")
        assert [request.token_label for request in github.requests][:1] == ["app:1234"]
    with client(github) as api:
        assert answer(api.get("/app")) == (401, UNREADABLE)


@pytest.mark.parametrize(
    ("token", "message"),
    [
        (lambda: json_web_token(generate_private_key(65537, 2048)), UNREADABLE),
        (lambda: json_web_token(iss="99"), UNREADABLE),
        (lambda: json_web_token(exp=None), UNREADABLE),
        (lambda: "a.b.c", UNREADABLE),
        (lambda: json_web_token()[:-4] + "AAAA", UNREADABLE),
        (
            lambda: json_web_token(exp=int(time.time()) + 3600),
            "'Expiration time' claim ('exp') is too far in the future",
        ),
        (
            lambda: json_web_token(issued=time.time() - 3600),
            "'Expiration time' claim ('exp') must be a numeric value representing the future time",
        ),
    ],
)
def test_app_token_that_is_refused(github: GitHubStandIn, token: Callable[[], str], message: str) -> None:
    with app_client(github, token()) as app:
        assert answer(app.post(TOKENS.format(77), json={})) == (401, message)


def test_installation(github: GitHubStandIn) -> None:
    with app_client(github, json_web_token()) as app:
        created = app.post(TOKENS.format(77), json={}).json()
    assert created["repository_selection"] == "all"
    assert created["permissions"] == {"organization_codespaces_secrets": "write", "codespaces_secrets": "write"}
    with client(github, created["token"]) as api:
        assert put(api, "A").status_code == 201
        assert len(api.get("/installation/repositories").json()["repositories"]) == 4
        inaccessible = (403, "Resource not accessible by integration")
        assert answer(api.get("/user/codespaces/secrets")) == inaccessible
        assert answer(api.get("/user")) == inaccessible
        assert answer(api.get("/orgs/acme/properties/values")) == inaccessible
        assert answer(api.get("/orgs/umbrella/codespaces/secrets")) == inaccessible


def test_installation_on_some_repositories(github: GitHubStandIn) -> None:
    with app_client(github, json_web_token()) as app:
        assert app.post(TOKENS.format(78), json={}).json()["repository_selection"] == "selected"
        narrowed = app.post(TOKENS.format(77), json={"repository_ids": [12]}).json()
        assert narrowed["repository_selection"] == "selected"
        assert [repository["name"] for repository in narrowed["repositories"]] == ["api"]
    with client(github, installation_token(github, 78)) as api:
        seen = api.get("/installation/repositories").json()
        assert (seen["total_count"], seen["repository_selection"]) == (1, "selected")
        assert {repository["name"] for repository in api.get("/orgs/acme/repos").json()} == {"web", "docs"}
        assert answer(api.get("/repos/acme/api")) == (404, "Not Found")
        assert answer(api.get("/repositories/12")) == (404, "Not Found")


def test_narrowed_installation_token(github: GitHubStandIn) -> None:
    body = {"repositories": ["api"], "permissions": {"organization_codespaces_secrets": "read"}}
    with client(github, installation_token(github, 77, body)) as api:
        assert [repository["name"] for repository in api.get("/installation/repositories").json()["repositories"]] == [
            "api"
        ]
        assert api.get(SECRETS).status_code == 200
        assert answer(api.delete(f"{SECRETS}/A")) == (403, "Resource not accessible by integration")
    with app_client(github, json_web_token()) as app:
        assert app.post(TOKENS.format(78), json={"repositories": ["api"]}).status_code == 422
        assert app.post(TOKENS.format(77), json={"permissions": {"members": "read"}}).status_code == 422


def test_installation_token_expires() -> None:
    clock = Clock()
    with GitHubStandIn(seed(), clock=clock) as github:
        with app_client(github, json_web_token(issued=clock.now.timestamp())) as app:
            created = app.post(TOKENS.format(77), json={}).json()
        assert created["expires_at"] == "2026-05-01T13:00:00Z"
        with client(github, created["token"]) as api:
            clock.move(3_599)
            assert api.get(SECRETS).status_code == 200
            clock.move(1)
            assert answer(api.get(SECRETS)) == (401, "Bad credentials")


def test_installation_tokens_can_be_ended(github: GitHubStandIn) -> None:
    with client(github, installation_token(github, 77)) as api:
        assert api.get(SECRETS).status_code == 200
        github.tokens.expire_installation_tokens()
        assert api.get(SECRETS).status_code == 401
    with client(github) as api:
        assert api.get(SECRETS).status_code == 200


def test_token_shows_nowhere(github: GitHubStandIn) -> None:
    value = installation_token(github, 77)
    with client(github, value) as api:
        api.get(SECRETS)
    shown = repr(github.requests)
    assert value not in shown
    assert all(value.encode() not in request.raw for request in github.requests)
    assert "installation:77" in shown
