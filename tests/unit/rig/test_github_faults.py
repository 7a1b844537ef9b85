from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import httpx
import pytest
from github_support import SECRETS, Clock, client, put, seal, seed

from rig.github import Action, FaultRequest, GitHubStandIn

if TYPE_CHECKING:
    from collections.abc import Iterator

ONE = "/orgs/*/codespaces/secrets/*"


@pytest.fixture
def github() -> Iterator[GitHubStandIn]:
    with GitHubStandIn(seed()) as one:
        yield one


@pytest.fixture
def api(github: GitHubStandIn) -> Iterator[httpx.Client]:
    with client(github) as one:
        yield one


def names(github: GitHubStandIn) -> list[str]:
    return sorted(github.organization("acme").secrets)


def sealed(api: httpx.Client) -> dict[str, str]:
    key = api.get(f"{SECRETS}/public-key").json()
    return {"encrypted_value": seal(key, "value"), "key_id": key["key_id"]}


def test_nth_request_fails_and_takes_no_effect(github: GitHubStandIn, api: httpx.Client) -> None:
    rule = github.faults.add("PUT", ONE, kind="status", after=1, times=2, status=502)
    statuses = [put(api, name).status_code for name in ("A", "B", "C", "D")]
    assert statuses == [201, 502, 502, 201]
    assert names(github) == ["A", "D"]
    assert (rule.seen, rule.hit) == (4, 2)
    puts = [request for request in github.requests if request.method == "PUT"]
    assert [(request.fault, request.status, request.handled_at is None) for request in puts] == [
        (None, 201, False),
        ("status", 502, True),
        ("status", 502, True),
        (None, 201, False),
    ]


@pytest.mark.parametrize(
    ("method", "pattern", "path", "matches"),
    [
        ("PUT", ONE, "/orgs/acme/codespaces/secrets/A", True),
        ("PUT", ONE, "/orgs/acme/codespaces/secrets/A/repositories", False),
        ("GET", ONE, "/orgs/acme/codespaces/secrets/A", False),
        ("*", "/orgs/acme/**", "/orgs/acme/codespaces/secrets/A/repositories", True),
        ("*", "/orgs/acme/**", "/orgs/acme", True),
        ("*", "/orgs/**/repositories", "/orgs/acme/codespaces/secrets/A/repositories", True),
        ("*", "/orgs/acme/codespaces/secrets/*_SERVER", "/orgs/acme/codespaces/secrets/X_SERVER", True),
        ("*", "/orgs/acme/codespaces/secrets/*_SERVER", "/orgs/acme/codespaces/secrets/X_USER", False),
    ],
)
def test_which_requests_a_rule_is_for(
    github: GitHubStandIn, method: str, pattern: str, path: str, *, matches: bool
) -> None:
    assert github.faults.add(method, pattern, kind="status").matches("PUT", path) is matches


def test_rules_see_prefix_and_numbers_resolved(github: GitHubStandIn, api: httpx.Client) -> None:
    github.faults.add("GET", "/repos/acme/web/topics", kind="status", times=None)
    paths = ("/repos/acme/web/topics", "/api/v3/repos/acme/web/topics", "/repositories/11/topics")
    assert [api.get(path).status_code for path in paths] == [500, 500, 500]
    github.faults.clear()
    assert api.get(paths[2]).status_code == 200


def test_rule_that_is_wrong(github: GitHubStandIn) -> None:
    with pytest.raises(ValueError, match="kind of a fault: 'explode' is none of status, status_after"):
        github.faults.add("GET", "/**", kind="explode")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="methods are in capitals"):
        github.faults.add("put", "/**", kind="status")


def test_error_of_github_and_of_a_proxy(github: GitHubStandIn, api: httpx.Client) -> None:
    github.faults.add("GET", "/user", kind="status", status=503, message="Down", headers={"Retry-After": "2"})
    github.faults.add("GET", "/user", kind="status", status=502, body=b"<html>Unicorn!</html>", after=1)
    first, second = api.get("/user"), api.get("/user")
    assert (first.status_code, first.json()["message"], first.headers["retry-after"]) == (503, "Down", "2")
    assert (second.status_code, second.text, second.headers["content-type"]) == (
        502,
        "<html>Unicorn!</html>",
        "text/html",
    )


def test_error_after_the_effect(github: GitHubStandIn, api: httpx.Client) -> None:
    github.faults.add("PUT", ONE, kind="status_after", status=500)
    assert put(api, "A").status_code == 500
    assert names(github) == ["A"]
    assert put(api, "A").status_code == 204


@pytest.mark.parametrize(("kind", "effect"), [("reset_before", []), ("reset_after", ["A"])])
def test_reset_connection(github: GitHubStandIn, api: httpx.Client, kind: str, effect: list[str]) -> None:
    github.faults.add("PUT", ONE, kind=kind)  # type: ignore[arg-type]
    with pytest.raises(httpx.ReadError, match="Connection reset by peer"):
        put(api, "A")
    assert names(github) == effect
    exchange = github.requests[-1]
    assert (exchange.method, exchange.fault, exchange.status) == ("PUT", kind, None)
    assert (exchange.handled_at is not None) == (kind == "reset_after")
    assert put(api, "B").status_code == 201


@pytest.mark.parametrize(("kind", "effect"), [("hang", []), ("hang_after", ["A"])])
def test_hang_until_the_client_gives_up(github: GitHubStandIn, api: httpx.Client, kind: str, effect: list[str]) -> None:
    github.faults.add("PUT", ONE, kind=kind, seconds=30)  # type: ignore[arg-type]
    body = {"visibility": "all"} | sealed(api)
    with pytest.raises(httpx.ReadTimeout):
        api.put(f"{SECRETS}/A", json=body, timeout=1)
    assert names(github) == effect
    deadline = time.monotonic() + 120
    while github.requests[-1].answered_at is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert github.requests[-1].answered_at is not None
    assert put(api, "B").status_code == 201


def test_hang_is_bounded(github: GitHubStandIn, api: httpx.Client) -> None:
    github.faults.add("GET", "/user", kind="hang", seconds=0.1)
    started = time.monotonic()
    with pytest.raises(httpx.ReadError):
        api.get("/user")
    assert time.monotonic() - started >= 0.1


def test_stop_ends_what_hangs(github: GitHubStandIn, api: httpx.Client) -> None:
    github.faults.add("GET", "/user", kind="hang", seconds=3600)
    failures: list[type[Exception]] = []

    def ask() -> None:
        try:
            api.get("/user")
        except httpx.HTTPError as error:
            failures.append(type(error))

    asking = threading.Thread(target=ask)
    asking.start()
    while not github.requests:
        time.sleep(0.01)
    github.stop()
    asking.join(600)
    assert failures == [httpx.RemoteProtocolError]


def test_delay(github: GitHubStandIn, api: httpx.Client) -> None:
    github.faults.add("PUT", ONE, kind="delay", seconds=0.15)
    started = time.monotonic()
    assert put(api, "A").status_code == 201
    assert time.monotonic() - started >= 0.15
    assert (github.requests[-1].handled_at or 0) - github.requests[-1].at >= 0.15


def test_latency_of_every_answer(github: GitHubStandIn, api: httpx.Client) -> None:
    github.latency = 0.06
    started = time.monotonic()
    assert api.get("/user").status_code == 200
    assert time.monotonic() - started >= 0.06
    exchange = github.requests[-1]
    assert exchange.handled_at is not None
    assert exchange.answered_at is not None
    assert exchange.handled_at - exchange.at >= 0.03
    assert exchange.answered_at - exchange.handled_at >= 0.03


def test_primary_limit(github: GitHubStandIn, api: httpx.Client) -> None:
    clock = Clock()
    github.clock = clock
    github.faults.add("PUT", ONE, kind="primary_limit", reset_in=20)
    refused = put(api, "A")
    assert (refused.status_code, refused.headers["x-ratelimit-remaining"]) == (403, "0")
    assert refused.headers["x-ratelimit-resource"] == "codespaces"
    assert int(refused.headers["x-ratelimit-reset"]) == int(clock.now.timestamp()) + 21
    clock.move(19.9)
    assert api.get(SECRETS).status_code == 403
    clock.move(0.1)
    assert put(api, "A").status_code == 201


def test_secondary_limit(github: GitHubStandIn, api: httpx.Client) -> None:
    github.faults.add("PUT", ONE, kind="secondary_limit", retry_after=3)
    github.faults.add("PUT", ONE, kind="secondary_limit", retry_after=None, status=429, after=1)
    first, second = put(api, "A"), put(api, "A")
    assert (first.status_code, first.headers["retry-after"]) == (403, "3")
    assert first.json()["documentation_url"].endswith("#about-secondary-rate-limits")
    assert (second.status_code, "retry-after" in second.headers) == (429, False)
    assert put(api, "A").status_code == 201


def test_callback_decides_before_the_effect(github: GitHubStandIn, api: httpx.Client) -> None:
    asked: list[FaultRequest] = []

    def third_write(request: FaultRequest) -> Action | None:
        if request.method != "PUT":
            return None
        asked.append(request)
        return Action("status", status=418) if len(asked) == 3 else None

    github.faults.add_callback(third_write)
    assert [put(api, name).status_code for name in "ABCD"] == [201, 201, 418, 201]
    assert names(github) == ["A", "B", "D"]
    assert (asked[0].path, asked[0].token_label, asked[0].status) == (f"{SECRETS}/A", "classic:platform", None)
    assert asked[0].body["visibility"] == "all"
    assert [request.number for request in asked] == [2, 4, 6, 8]


def test_callback_sees_the_effect_before_the_answer(github: GitHubStandIn, api: httpx.Client) -> None:
    seen: list[tuple[int | None, list[str]]] = []

    def after(request: FaultRequest) -> Action | None:
        if request.method != "PUT":
            return None
        seen.append((request.status, names(github)))
        return Action("reset_after")

    github.faults.add_callback(after, when="after")
    with pytest.raises(httpx.ReadError):
        put(api, "A")
    assert seen == [(201, ["A"])]
    github.faults.clear()
    assert put(api, "A").status_code == 204


def test_request_log(github: GitHubStandIn, api: httpx.Client) -> None:
    before = time.time()
    put(api, "A", "canary-value", visibility="selected", selected_repository_ids=[11])
    api.get("/repositories/11/topics", params={"per_page": "5"})
    first, second, third = github.requests
    assert (first.method, first.path, first.status) == ("GET", f"{SECRETS}/public-key", 200)
    assert (second.method, second.path, second.query, second.status) == ("PUT", f"{SECRETS}/A", "", 201)
    assert (second.number, second.token_label, second.fault) == (2, "classic:platform", None)
    assert second.body["selected_repository_ids"] == [11]
    assert second.handled_at is not None
    assert second.answered_at is not None
    assert before <= first.at <= second.at <= second.handled_at <= second.answered_at <= third.at <= time.time()
    assert (third.path, third.query) == ("/repos/acme/web/topics", "per_page=5")
    assert all(b"canary-value" not in request.raw for request in github.requests)
    assert b'"visibility":"selected"' in second.raw
    assert b"user-agent: python-httpx" in second.raw
    assert all(b"owner" not in request.raw for request in github.requests)
    github.clear_requests()
    assert github.requests == []
