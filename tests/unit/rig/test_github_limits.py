from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from github_support import SECRETS, Clock, client, put, seed

from rig.github import GitHubStandIn

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

SECONDARY = "https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api#about-secondary-rate-limits"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def github(clock: Clock) -> Iterator[GitHubStandIn]:
    with GitHubStandIn(seed(), clock=clock) as one:
        yield one


@pytest.fixture
def api(github: GitHubStandIn) -> Iterator[httpx.Client]:
    with client(github) as one:
        yield one


def left(response: httpx.Response) -> tuple[str, int, int]:
    headers = response.headers
    return headers["x-ratelimit-resource"], int(headers["x-ratelimit-remaining"]), int(headers["x-ratelimit-used"])


def test_each_resource_counts_by_itself(github: GitHubStandIn, api: httpx.Client) -> None:
    assert left(api.get(SECRETS)) == ("codespaces", 4999, 1)
    assert left(api.get("/repos/acme/web")) == ("core", 4999, 1)
    assert left(api.get(f"{SECRETS}/NONE")) == ("codespaces", 4998, 2)
    assert left(api.get("/search/repositories?q=web")) == ("search", 29, 1)
    with client(github, "no-org") as other:
        assert left(other.get("/repos/acme/web")) == ("core", 4999, 1)


def test_tokens_of_one_person_share_their_limit(github: GitHubStandIn, api: httpx.Client) -> None:
    github.tokens.add("second", login="platform", scopes=("repo",))
    api.get("/user")
    with client(github, "second") as other:
        assert left(other.get("/user")) == ("core", 4998, 2)


def test_nothing_left(github: GitHubStandIn, api: httpx.Client, clock: Clock) -> None:
    github.limits.set("codespaces", 2, window=10)
    assert put(api, "A").status_code == 201
    refused = api.get(f"{SECRETS}/A")
    assert (refused.status_code, left(refused)) == (403, ("codespaces", 0, 2))
    assert refused.json()["message"] == "API rate limit exceeded for user platform."
    reset = int(refused.headers["x-ratelimit-reset"])
    assert reset == clock.now.timestamp() + 10.75
    assert api.get("/user").status_code == 200
    clock.move(9.9)
    assert api.put(f"{SECRETS}/A", json={}).status_code == 403
    clock.move(reset - clock.now.timestamp())
    assert left(api.get(f"{SECRETS}/A")) == ("codespaces", 1, 1)


def test_unchanged_answer_costs_nothing(github: GitHubStandIn, api: httpx.Client) -> None:
    first = api.get(SECRETS)
    assert first.headers["etag"].startswith('W/"')
    for tag in (first.headers["etag"], first.headers["etag"].removeprefix("W/"), f'"x", {first.headers["etag"]}'):
        again = api.get(SECRETS, headers={"If-None-Match": tag})
        assert (again.status_code, again.content, left(again)) == (304, b"", ("codespaces", 4999, 1))
    github.organization("acme").put_secret("A", "x")
    changed = api.get(SECRETS, headers={"If-None-Match": first.headers["etag"]})
    assert (changed.status_code, left(changed)) == (200, ("codespaces", 4998, 2))
    assert changed.headers["etag"] != first.headers["etag"]


def test_asking_for_the_limits_costs_nothing(api: httpx.Client, clock: Clock) -> None:
    api.get(SECRETS)
    for _ in range(2):
        body = api.get("/rate_limit").json()
        assert body["resources"]["core"] == body["rate"] | {"limit": 5000, "used": 0, "remaining": 5000}
        assert body["resources"]["codespaces"]["used"] == 1
        assert body["resources"]["search"]["reset"] == int(clock.now.timestamp() + 61)


def test_points_of_a_minute(github: GitHubStandIn, api: httpx.Client, clock: Clock) -> None:
    github.limits.points_per_minute = 12
    github.limits.retry_after = 7
    assert [api.delete(f"{SECRETS}/NONE").status_code for _ in range(2)] == [404, 404]
    assert [api.get(SECRETS).status_code for _ in range(3)] == [200, 200, 403]
    refused = api.get(SECRETS)
    assert refused.headers["retry-after"] == "7"
    assert refused.json()["documentation_url"] == SECONDARY
    assert refused.json()["message"].startswith("You have exceeded a secondary rate limit.")
    clock.move(60.1)
    assert api.delete(f"{SECRETS}/NONE").status_code == 404


def test_points_of_a_minute_do_not_count_unless_asked_for(api: httpx.Client) -> None:
    assert {api.delete(f"{SECRETS}/NONE").status_code for _ in range(200)} == {404}
