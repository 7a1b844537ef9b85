from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from github_support import SECRETS, Clock, client, put, seal, seed
from nacl.public import PrivateKey

from rig.github import Event, GitHubStandIn

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

NOT_SEALED = "Bad request - validation failed due to an improperly encrypted secret"
BAD_NAME = (
    "Secret names can only contain alphanumeric characters ([a-z], [A-Z], [0-9]) or underscores (_). "
    "Spaces are not allowed. Must start with a letter ([a-z], [A-Z]) or underscores (_)."
)


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


def refused(response: httpx.Response, status: int, message: str) -> None:
    assert response.status_code == status
    body = response.json()
    assert (body["message"], body["status"]) == (message, str(status))
    assert body["documentation_url"].startswith("https://docs.github.com/rest/codespaces/")


def test_first_put_creates_and_second_updates(github: GitHubStandIn, api: httpx.Client, clock: Clock) -> None:
    created = put(api, "registry_password", "first")
    assert (created.status_code, created.json()) == (201, {})
    clock.move(90.5)
    updated = put(api, "REGISTRY_PASSWORD", "sécond\n", visibility="private")
    assert (updated.status_code, updated.content) == (204, b"")
    secret = github.organization("acme").secrets["REGISTRY_PASSWORD"]
    assert (secret.value, secret.visibility, secret.repository_ids) == ("sécond\n", "private", set())
    assert api.get(f"{SECRETS}/Registry_Password").json() == {
        "name": "REGISTRY_PASSWORD",
        "created_at": "2026-05-01T12:00:00Z",
        "updated_at": "2026-05-01T12:01:30Z",
        "visibility": "private",
    }


def test_stamps_within_one_second_are_the_same(api: httpx.Client, clock: Clock) -> None:
    put(api, "A")
    before = api.get(f"{SECRETS}/A").json()["updated_at"]
    clock.move(0.5)
    put(api, "A")
    assert api.get(f"{SECRETS}/A").json()["updated_at"] == before
    clock.move(0.5)
    put(api, "A")
    assert api.get(f"{SECRETS}/A").json()["updated_at"] != before


def test_value_of_bytes_that_are_no_text(github: GitHubStandIn, api: httpx.Client) -> None:
    assert put(api, "A", b"\xff\x00z").status_code == 201
    assert github.organization("acme").secrets["A"].value.encode("utf-8", "surrogateescape") == b"\xff\x00z"


def test_value_sealed_otherwise_is_refused(github: GitHubStandIn, api: httpx.Client) -> None:
    key = api.get(f"{SECRETS}/public-key").json()
    other = {"key": PrivateKey.generate().public_key.encode().hex()}
    foreign = seal({"key": api.get("/repos/acme/web/codespaces/secrets/public-key").json()["key"]}, "x")
    assert other["key"] != key["key"]
    for changes in (
        {"key_id": "1"},
        {"encrypted_value": foreign},
        {"encrypted_value": "bm90IHNlYWxlZA=="},
        {"encrypted_value": "not base64"},
    ):
        refused(put(api, "A", **changes), 422, NOT_SEALED)
    assert github.organization("acme").secrets == {}


def test_rotated_public_key(github: GitHubStandIn, api: httpx.Client) -> None:
    before = api.get(f"{SECRETS}/public-key").json()
    github.rotate_public_key("acme")
    after = api.get(f"{SECRETS}/public-key").json()
    assert after["key_id"] != before["key_id"]
    assert after["key"] != before["key"]
    stale = {"encrypted_value": seal(before, "x"), "key_id": before["key_id"]}
    refused(put(api, "A", **stale), 422, NOT_SEALED)
    refused(put(api, "A", encrypted_value=stale["encrypted_value"]), 422, NOT_SEALED)
    assert put(api, "A").status_code == 201


def test_key_is_stable_and_each_repository_has_its_own(api: httpx.Client) -> None:
    paths = [f"{SECRETS}/public-key"] + [f"/repos/acme/{name}/codespaces/secrets/public-key" for name in ("web", "api")]
    keys = [api.get(path).json() for path in (*paths, *paths)]
    assert keys[:3] == keys[3:]
    assert len({key["key"] for key in keys}) == 3
    assert len({key["key_id"] for key in keys}) == 1


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"visibility": None}, 'Invalid request.\n\n"visibility" wasn\'t supplied.'),
        (
            {"encrypted_value": None, "key_id": None},
            'Invalid request.\n\n"encrypted_value", "key_id" weren\'t supplied.',
        ),
        (
            {"visibility": "some"},
            (
                "Invalid request.\n\nFor 'properties/visibility', \"some\" is not a member of "
                '["all", "private", "selected"].'
            ),
        ),
        ({"visibility": 1}, "Invalid request.\n\nFor 'properties/visibility', 1 is not a string."),
        (
            {"visibility": "selected", "selected_repository_ids": ["11"]},
            "Invalid request.\n\nFor 'properties/selected_repository_ids/items', \"11\" is not an integer.",
        ),
        (
            {"visibility": "selected", "selected_repository_ids": [True]},
            "Invalid request.\n\nFor 'properties/selected_repository_ids/items', True is not an integer.",
        ),
        (
            {"visibility": "selected", "selected_repository_ids": [11, 21]},
            "Repository 21 is not one of this organization.",
        ),
        (
            {"visibility": "all", "selected_repository_ids": [11]},
            "selected_repository_ids can only be given when visibility is selected.",
        ),
    ],
)
def test_body_that_is_refused(github: GitHubStandIn, api: httpx.Client, body: dict[str, Any], message: str) -> None:
    refused(put(api, "A", **body), 422, message)
    assert github.organization("acme").secrets == {}


@pytest.mark.parametrize("name", ["1A", "A-B", "A.B", "%C3%84", "A%20B"])
def test_name_that_is_refused(api: httpx.Client, name: str) -> None:
    refused(put(api, name), 422, BAD_NAME)


@pytest.mark.parametrize("name", ["GITHUB_X", "github_x"])
def test_reserved_name(api: httpx.Client, name: str) -> None:
    refused(put(api, name), 422, "Secret names must not start with GITHUB_.")


@pytest.mark.parametrize("name", ["_", "a1", "GITHUBX", "GITHUB"])
def test_name_that_is_taken(api: httpx.Client, name: str) -> None:
    assert put(api, name).status_code == 201


@pytest.mark.parametrize(
    ("content", "message"), [("{", "Problems parsing JSON"), ("[]", "Body should be a JSON object")]
)
def test_body_that_is_no_object(api: httpx.Client, content: str, message: str) -> None:
    refused(api.put(f"{SECRETS}/A", content=content), 400, message)


def test_hundred_secrets_and_no_more(github: GitHubStandIn, api: httpx.Client) -> None:
    home = github.organization("acme")
    for number in range(100):
        home.put_secret(f"S{number}", "x")
    refused(put(api, "ONE_MORE"), 422, "Failed to add secret. You can only have 100 secrets.")
    assert put(api, "S7").status_code == 204
    assert api.delete(f"{SECRETS}/S8").status_code == 204
    assert put(api, "ONE_MORE").status_code == 201


def test_largest_value(api: httpx.Client) -> None:
    assert put(api, "A", "x" * 49_152).status_code == 201
    refused(put(api, "A", "x" * 49_153), 422, "Failed to add secret. Value is too large.")


def test_plan_without_secrets_of_the_organization() -> None:
    with GitHubStandIn(seed(plan="free")) as github, client(github) as api:
        refused(api.get(f"{SECRETS}/public-key"), 404, "Not Found")
        assert api.get("/orgs/acme").status_code == 200
        assert put(api, "A", at="/repos/acme/web/codespaces/secrets").status_code == 201


def test_list_in_pages(github: GitHubStandIn, api: httpx.Client) -> None:
    home = github.organization("acme")
    for name in ("C", "A", "B"):
        home.put_secret(name, "x", "selected", ["web"])
    page = api.get(f"{SECRETS}?per_page=1&page=2")
    assert page.json() == {
        "total_count": 3,
        "secrets": [
            {
                "name": "B",
                "created_at": "2026-05-01T12:00:00Z",
                "updated_at": "2026-05-01T12:00:00Z",
                "visibility": "selected",
                "selected_repositories_url": f"{github.url}/orgs/acme/codespaces/secrets/B/repositories",
            }
        ],
    }
    base = f"{github.url}/organizations/501/codespaces/secrets?per_page=1&page="
    assert page.headers["link"] == (
        f'<{base}1>; rel="prev", <{base}3>; rel="next", <{base}3>; rel="last", <{base}1>; rel="first"'
    )
    walked, url = [], f"{github.url}{SECRETS}?per_page=1"
    while url:
        answer = api.get(url)
        walked += [secret["name"] for secret in answer.json()["secrets"]]
        url = answer.links.get("next", {}).get("url")
    assert walked == ["A", "B", "C"]


def test_links_and_urls_below_the_prefix(github: GitHubStandIn) -> None:
    github.organization("acme").put_secret("A", "x", "selected", ["web"])
    github.organization("acme").put_secret("B", "x")
    with client(github, prefix="/api/v3") as api:
        answer = api.get(f"{SECRETS}?per_page=1")
        assert answer.links["next"]["url"].startswith(f"{github.url}/api/v3/organizations/501/codespaces/secrets?")
        assert answer.json()["secrets"][0]["selected_repositories_url"].startswith(f"{github.url}/api/v3/orgs/acme/")
        assert api.get(answer.links["next"]["url"]).json()["secrets"][0]["name"] == "B"


def ids_of(api: httpx.Client, name: str = "A") -> list[int]:
    return [repository["id"] for repository in api.get(f"{SECRETS}/{name}/repositories").json()["repositories"]]


def test_selected_repositories(github: GitHubStandIn, api: httpx.Client) -> None:
    assert put(api, "A", visibility="selected", selected_repository_ids=[13, 11]).status_code == 201
    assert ids_of(api) == [11, 13]
    assert api.put(f"{SECRETS}/A/repositories", json={"selected_repository_ids": [12]}).status_code == 204
    assert api.put(f"{SECRETS}/A/repositories/14").status_code == 204
    assert ids_of(api) == [12, 14]
    assert api.delete(f"{SECRETS}/A/repositories/12").status_code == 204
    assert github.organization("acme").secrets["A"].repository_ids == {14}
    assert github.organization("acme").secrets["A"].value == "value"
    assert put(api, "A", visibility="selected").status_code == 204
    assert ids_of(api) == []


def test_repositories_of_a_secret_come_in_pages(github: GitHubStandIn, api: httpx.Client) -> None:
    github.organization("acme").put_secret("A", "x", "selected", ["web", "api", "docs"])
    answer = api.get(f"{SECRETS}/A/repositories?per_page=2&page=2")
    assert answer.json()["total_count"] == 3
    assert [repository["full_name"] for repository in answer.json()["repositories"]] == ["acme/docs"]
    assert answer.links.keys() == {"prev", "first"}


def test_selection_of_a_secret_that_selects_none(api: httpx.Client) -> None:
    put(api, "A")
    body = {"selected_repository_ids": [11]}
    assert api.get(f"{SECRETS}/A/repositories").json()["total_count"] == 0
    for response in (
        api.put(f"{SECRETS}/A/repositories", json=body),
        api.put(f"{SECRETS}/A/repositories/11"),
        api.delete(f"{SECRETS}/A/repositories/11"),
    ):
        refused(response, 409, "Conflict")


def test_what_is_not_there(api: httpx.Client) -> None:
    put(api, "A", visibility="selected")
    for response in (
        api.get(f"{SECRETS}/NONE"),
        api.delete(f"{SECRETS}/NONE"),
        api.get(f"{SECRETS}/NONE/repositories"),
        api.put(f"{SECRETS}/NONE/repositories", json={"selected_repository_ids": []}),
        api.put(f"{SECRETS}/A/repositories/21"),
        api.put(f"{SECRETS}/A/repositories/999"),
        api.delete(f"{SECRETS}/A/repositories/web"),
        api.get("/orgs/none/codespaces/secrets"),
        api.get("/repos/acme/none/codespaces/secrets"),
    ):
        refused(response, 404, "Not Found")


@pytest.mark.parametrize("moves", [True, False])
def test_whether_a_selection_moves_the_stamp(
    github: GitHubStandIn, api: httpx.Client, clock: Clock, *, moves: bool
) -> None:
    github.selection_moves_updated_at = moves
    put(api, "A", visibility="selected", selected_repository_ids=[11])
    clock.move(5)
    api.put(f"{SECRETS}/A/repositories", json={"selected_repository_ids": [12]})
    moved = api.get(f"{SECRETS}/A").json()["updated_at"]
    assert moved == ("2026-05-01T12:00:05Z" if moves else "2026-05-01T12:00:00Z")


def test_deleted_repository_leaves_the_selections(api: httpx.Client) -> None:
    put(api, "A", visibility="selected", selected_repository_ids=[11, 12])
    assert api.delete("/repos/acme/web").status_code == 204
    assert ids_of(api) == [12]


def test_secrets_of_a_repository(github: GitHubStandIn, api: httpx.Client) -> None:
    at = "/repos/acme/web/codespaces/secrets"
    assert put(api, "token", "one", at=at, visibility=None).status_code == 201
    assert put(api, "TOKEN", "two", at=at, visibility=None).status_code == 204
    assert github.repository("acme/web").secrets["TOKEN"].value == "two"
    shown = {"name": "TOKEN", "created_at": "2026-05-01T12:00:00Z", "updated_at": "2026-05-01T12:00:00Z"}
    assert api.get(f"{at}/token").json() == shown
    assert api.get("/repositories/11/codespaces/secrets").json() == {"total_count": 1, "secrets": [shown]}
    assert github.organization("acme").secrets == {}
    assert api.delete(f"{at}/token").status_code == 204
    assert api.get(at).json() == {"total_count": 0, "secrets": []}


def test_archived_repository_takes_no_secret(api: httpx.Client) -> None:
    at = "/repos/acme/old/codespaces/secrets"
    refused(put(api, "A", at=at), 403, "Repository was archived so is read-only.")
    assert api.get(at).json() == {"total_count": 0, "secrets": []}


def test_secrets_of_a_user(github: GitHubStandIn, api: httpx.Client) -> None:
    at = "/user/codespaces/secrets"
    body: dict[str, Any] = {"visibility": None, "selected_repository_ids": ["11", 21]}
    assert put(api, "mine", "x", at=at, **body).status_code == 201
    assert api.get(f"{at}/MINE").json() == {
        "name": "MINE",
        "created_at": "2026-05-01T12:00:00Z",
        "updated_at": "2026-05-01T12:00:00Z",
        "visibility": "selected",
        "selected_repositories_url": f"{github.url}/user/codespaces/secrets/MINE/repositories",
    }
    assert [repository["id"] for repository in api.get(f"{at}/MINE/repositories").json()["repositories"]] == [11, 21]
    assert api.delete(f"{at}/MINE/repositories/21").status_code == 204
    assert github.cloud.users["platform"].secrets["MINE"].repository_ids == {11}


def test_observers_hear_of_changes_in_order(github: GitHubStandIn, api: httpx.Client) -> None:
    events: list[Event] = []
    values: list[str] = []
    github.observers.append(events.append)
    github.observers.append(lambda _: values.append(github.organization("acme").secrets["A"].value))
    put(api, "a", "1")
    put(api, "a", "2", visibility="selected")
    api.put(f"{SECRETS}/A/repositories/11")
    github.observers.pop()
    api.delete(f"{SECRETS}/a")
    put(api, "b", at="/repos/acme/web/codespaces/secrets")
    put(api, "bad", key_id="1")
    assert events == [
        Event("secret.created", "acme", "A"),
        Event("secret.updated", "acme", "A"),
        Event("secret.repositories", "acme", "A"),
        Event("secret.deleted", "acme", "A"),
        Event("secret.created", "acme", "B", "web"),
    ]
    assert values == ["1", "2", "2"]


def test_change_from_outside_shows_in_the_stamp(github: GitHubStandIn, api: httpx.Client, clock: Clock) -> None:
    put(api, "A", "ours")
    clock.move(1)
    github.organization("acme").put_secret("a", "theirs", "selected", ["web", "acme/api", 13])
    assert api.get(f"{SECRETS}/A").json()["updated_at"] == "2026-05-01T12:00:01Z"
    assert ids_of(api) == [11, 12, 13]


def test_value_shows_in_no_repr(github: GitHubStandIn) -> None:
    secret = github.organization("acme").put_secret("A", "canary-in-repr")
    assert "canary-in-repr" not in repr(secret)
    assert re.search(r"name='A'", repr(secret))
