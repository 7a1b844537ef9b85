from __future__ import annotations

from base64 import b64decode, b64encode
from typing import TYPE_CHECKING

import pytest
from github_support import Clock, client, seed

from rig.github import Event, GitHubStandIn

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

WEB = "/repos/acme/web"
PROPERTIES = [
    {"property_name": "team", "value_type": "single_select", "allowed_values": ["pay", "core"]},
    {"property_name": "tier", "value_type": "string", "default_value": "bronze"},
]


@pytest.fixture
def github() -> Iterator[GitHubStandIn]:
    teams = {"Platform Team": {"id": 900, "members": {"dev": "member"}, "repositories": {"api": "push"}}}
    packages = [
        {"name": "acme/base", "repository": "api"},
        {"name": "tool", "package_type": "npm", "visibility": "public"},
    ]
    given = seed(teams=teams, packages=packages, custom_properties=PROPERTIES)
    with GitHubStandIn(given, clock=Clock()) as one:
        yield one


@pytest.fixture
def api(github: GitHubStandIn) -> Iterator[httpx.Client]:
    with client(github) as one:
        yield one


def names(response: httpx.Response) -> list[str]:
    return [item["name"] for item in response.json()]


def test_accounts(api: httpx.Client) -> None:
    assert api.get("/orgs/acme").json()["id"] == api.get("/users/ACME").json()["id"] == 501
    assert api.get("/organizations/501").json()["plan"]["name"] == "team"
    assert api.get("/users/acme").json()["type"] == "Organization"
    assert api.get("/user").json()["login"] == "platform"
    assert api.get("/users/platform").json()["type"] == "User"
    assert api.get("/users/nobody").status_code == api.get("/orgs/nobody").status_code == 404


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("type=all&sort=full_name", ["api", "docs", "old", "web"]),
        ("type=private&sort=full_name", ["api", "old", "web"]),
        ("type=public", ["docs"]),
        ("type=forks", []),
        ("sort=full_name&direction=desc", ["web", "old", "docs", "api"]),
        ("", ["old", "docs", "api", "web"]),
        ("direction=asc&per_page=2&page=2", ["docs", "old"]),
    ],
)
def test_list_of_an_organization(api: httpx.Client, query: str, expected: list[str]) -> None:
    assert names(api.get(f"/orgs/acme/repos?{query}")) == expected


def test_page_size_is_bounded(github: GitHubStandIn, api: httpx.Client) -> None:
    for number in range(150):
        github.organization("acme").create_repository(f"r{number}")
    assert len(api.get("/orgs/acme/repos").json()) == 30
    full = api.get("/orgs/acme/repos?per_page=500")
    assert len(full.json()) == 100
    assert full.links["last"]["url"].endswith("/organizations/501/repos?per_page=500&page=2")
    assert api.get("/orgs/acme/repos?page=9").json() == []


def test_repository_by_name_and_number(github: GitHubStandIn, api: httpx.Client) -> None:
    by_name = api.get("/repos/ACME/Web").json()
    assert by_name == api.get("/repositories/11").json()
    shown = {key: by_name[key] for key in ("id", "full_name", "private", "visibility", "archived", "topics")}
    assert shown == {
        "id": 11,
        "full_name": "acme/web",
        "private": True,
        "visibility": "private",
        "archived": False,
        "topics": ["payments"],
    }
    assert by_name["custom_properties"] == {"team": "pay"}
    assert by_name["url"] == f"{github.url}/repos/acme/web"
    assert api.get("/repositories/999").status_code == 404


def test_create(github: GitHubStandIn, api: httpx.Client) -> None:
    events: list[Event] = []
    github.observers.append(events.append)
    body = {"name": "new site!", "visibility": "private", "description": "d", "has_wiki": False, "auto_init": True}
    created = api.post("/orgs/acme/repos", json=body)
    assert (created.status_code, created.json()["full_name"]) == (201, "acme/new-site-")
    assert created.headers["location"] == f"{github.url}/repos/acme/new-site-"
    made = github.repository("acme/new-site-")
    assert (made.private, made.settings["description"], made.settings["has_wiki"]) == (True, "d", False)
    assert made.files == {"README.md": b"# new-site-"}
    assert api.get(f"/repositories/{made.id}").json()["created_at"] == "2026-05-01T12:00:00Z"
    assert events == [Event("repository.created", "acme", "new-site-")]
    taken = api.post("/orgs/acme/repos", json={"name": "WEB"})
    assert (taken.status_code, taken.json()["message"]) == (422, "Repository creation failed.")
    assert taken.json()["errors"][0]["message"] == "name already exists on this account"
    assert api.post("/orgs/acme/repos", json={}).json()["message"] == 'Invalid request.\n\n"name" wasn\'t supplied.'
    internal = api.post("/orgs/acme/repos", json={"name": "x", "visibility": "internal"})
    assert internal.status_code == 422


def test_update(api: httpx.Client) -> None:
    body = {"description": "shop", "private": False, "has_issues": False, "default_branch": "trunk"}
    shown = api.patch(WEB, json=body).json()
    assert {key: shown[key] for key in body} == body
    assert shown["visibility"] == "public"
    wrong = api.patch(WEB, json={"has_issues": "yes"})
    assert wrong.json()["message"] == "Invalid request.\n\nFor 'properties/has_issues', \"yes\" is not a boolean."
    assert api.patch(WEB, json={"name": "api"}).status_code == 422


def test_renamed_repository_is_led_to(github: GitHubStandIn, api: httpx.Client) -> None:
    assert api.patch(WEB, json={"name": "site"}).json()["name"] == "site"
    moved = api.get(f"{WEB}?x=1")
    location = f"{github.url}/repositories/11?x=1"
    assert (moved.status_code, moved.headers["location"]) == (301, location)
    assert (moved.json()["message"], moved.json()["url"]) == ("Moved Permanently", location)
    assert api.get(WEB, follow_redirects=True).json()["full_name"] == "acme/site"
    assert api.get(f"{WEB}/topics", follow_redirects=True).json() == {"names": ["payments"]}
    kept = api.put(f"{WEB}/topics", json={"names": ["a"]})
    assert (kept.status_code, kept.headers["location"]) == (307, f"{github.url}/repositories/11/topics")
    assert github.repository("acme/site").topics == ["payments"]
    with client(github, "public-only") as other:
        assert other.get(WEB).status_code == 404
    github.organization("acme").create_repository("web")
    assert api.get(WEB).json()["id"] != 11


def test_rename_from_outside(github: GitHubStandIn, api: httpx.Client) -> None:
    events: list[Event] = []
    github.observers.append(events.append)
    github.repository("acme/web").rename("site")
    assert events == [Event("repository.renamed", "acme", "site")]
    assert api.get("/repositories/11").json()["name"] == "site"
    assert list(github.organization("acme").repositories) == ["api", "docs", "old", "site"]


def test_archived_repository_is_read_only(github: GitHubStandIn, api: httpx.Client) -> None:
    github.repository("acme/web").archive()
    refused = [
        api.patch(WEB, json={"description": "x"}),
        api.put(f"{WEB}/topics", json={"names": []}),
        api.put(f"{WEB}/contents/a", json={"message": "m", "content": ""}),
    ]
    assert {(answer.status_code, answer.json()["message"]) for answer in refused} == {
        (403, "Repository was archived so is read-only.")
    }
    assert api.patch(WEB, json={"archived": False}).json()["archived"] is False


def test_delete(github: GitHubStandIn, api: httpx.Client) -> None:
    assert api.delete(WEB).status_code == 204
    assert api.get(WEB).status_code == api.get("/repositories/11").status_code == 404
    assert "web" not in github.organization("acme").repositories


def test_topics(github: GitHubStandIn, api: httpx.Client) -> None:
    assert api.put(f"{WEB}/topics", json={"names": ["b", "A", "b"]}).json() == {"names": ["b", "a"]}
    assert github.repository("acme/web").topics == ["b", "a"]
    assert api.put(f"{WEB}/topics", json={"names": ["no spaces"]}).status_code == 422


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("org:acme topic:payments", ["web"]),
        ("org:acme is:public", ["docs"]),
        ("org:acme archived:true", ["old"]),
        ("org:acme -archived:true we", ["web"]),
        ("props.team:core", ["api"]),
        ("user:umbrella", ["lab"]),
        ("repo:acme/api", ["api"]),
        ("nothing-like-it", []),
    ],
)
def test_search(api: httpx.Client, query: str, expected: list[str]) -> None:
    found = api.get("/search/repositories", params={"q": query}).json()
    assert ([repository["name"] for repository in found["items"]], found["total_count"]) == (expected, len(expected))


def test_search_that_is_not_known(api: httpx.Client) -> None:
    assert api.get("/search/repositories").status_code == 422
    assert api.get("/search/repositories?q=stars:%3E5").status_code == 422


def test_definitions_of_custom_properties(github: GitHubStandIn, api: httpx.Client) -> None:
    schema = "/orgs/acme/properties/schema"
    assert [definition["property_name"] for definition in api.get(schema).json()] == ["team", "tier"]
    made = api.put(f"{schema}/owner", json={"value_type": "string", "description": "who"})
    assert (made.status_code, made.json()["description"], made.json()["required"]) == (200, "who", False)
    assert api.put(f"{schema}/owner", json={"value_type": "colour"}).status_code == 422
    several = {"properties": [{"property_name": "x", "value_type": "true_false"}]}
    assert names_of_properties(api.patch(schema, json=several)) == ["x"]
    assert api.delete(f"{schema}/team").status_code == 204
    assert api.get(f"{schema}/team").status_code == 404
    assert github.repository("acme/web").properties == {}


def names_of_properties(response: httpx.Response) -> list[str]:
    return [definition["property_name"] for definition in response.json()]


def test_values_of_custom_properties(github: GitHubStandIn, api: httpx.Client) -> None:
    values = "/orgs/acme/properties/values"
    first = api.get(f"{values}?per_page=1").json()
    assert first == [
        {
            "repository_id": 11,
            "repository_name": "web",
            "repository_full_name": "acme/web",
            "properties": [{"property_name": "team", "value": "pay"}, {"property_name": "tier", "value": "bronze"}],
        }
    ]
    found = api.get(values, params={"repository_query": "props.team:core"}).json()
    assert [repository["repository_name"] for repository in found] == ["api"]
    change = {"repository_names": ["web", "docs"], "properties": [{"property_name": "team", "value": "core"}]}
    assert api.patch(values, json=change).status_code == 204
    assert github.repository("acme/docs").properties == {"team": "core"}
    one = {"properties": [{"property_name": "team", "value": None}]}
    assert api.patch(f"{WEB}/properties/values", json=one).status_code == 204
    assert api.get(f"{WEB}/properties/values").json()[0] == {"property_name": "team", "value": None}
    for bad in ({"property_name": "team", "value": "x"}, {"property_name": "none", "value": "x"}):
        assert api.patch(f"{WEB}/properties/values", json={"properties": [bad]}).status_code == 422


def test_teams(github: GitHubStandIn, api: httpx.Client) -> None:
    team = "/orgs/acme/teams/platform-team"
    assert names(api.get("/orgs/acme/teams")) == ["Platform Team"]
    assert api.get(team).json() == api.get("/organizations/501/team/900").json() == api.get("/teams/900").json()
    assert [member["login"] for member in api.get(f"{team}/members").json()] == ["dev"]
    made = api.post("/orgs/acme/teams", json={"name": "New Team", "parent_team_id": 900, "privacy": "closed"}).json()
    assert (made["slug"], made["parent"]["id"], made["members_count"]) == ("new-team", 900, 1)
    assert api.post("/orgs/acme/teams", json={"name": "new team"}).status_code == 422
    assert api.patch("/orgs/acme/teams/new-team", json={"name": "Newer"}).json()["slug"] == "newer"
    gone = api.delete(f"/teams/{made['id']}")
    assert gone.status_code == 204
    assert f'<{github.url}/organizations/501/team/{made["id"]}>; rel="alternate"' in gone.headers["link"]
    assert list(github.organization("acme").teams) == ["platform-team"]


def test_repositories_of_a_team(github: GitHubStandIn, api: httpx.Client) -> None:
    team = "/organizations/501/team/900"
    accept = {"Accept": "application/vnd.github.v3.repository+json"}
    assert api.get(f"{team}/repos/acme/web").status_code == 404
    assert api.put(f"{team}/repos/acme/web", json={"permission": "maintain"}).status_code == 204
    assert api.get(f"{team}/repos/acme/web").status_code == 204
    shown = api.get(f"{team}/repos/acme/web", headers=accept).json()
    assert (shown["role_name"], shown["permissions"]["push"], shown["permissions"]["admin"]) == (
        "maintain",
        True,
        False,
    )
    assert names(api.get(f"{team}/repos")) == ["web", "api"]
    assert [(entry["slug"], entry["permission"]) for entry in api.get(f"{WEB}/teams").json()] == [
        ("platform-team", "maintain")
    ]
    assert api.put(f"{team}/repos/acme/web", json={"permission": "king"}).status_code == 422
    assert api.put(f"{team}/repos/umbrella/lab", json={"permission": "pull"}).status_code == 422
    assert api.delete(f"{team}/repos/acme/web").status_code == 204
    assert github.organization("acme").teams["platform-team"].repositories == {12: "push"}


def test_collaborators(github: GitHubStandIn, api: httpx.Client) -> None:
    at = f"{WEB}/collaborators"
    assert api.put(f"{at}/bob", json={"permission": "triage"}).status_code == 204
    assert [(collaborator["login"], collaborator["role_name"]) for collaborator in api.get(at).json()] == [
        ("bob", "triage")
    ]
    assert api.get(f"{at}/bob/permission").json()["permission"] == "admin"  # no members listed: everybody is an owner
    github.organization("acme").members = {"platform": "admin"}
    assert api.get(f"{at}/bob/permission").json()["permission"] == "read"
    assert api.get(f"{at}/bob").status_code == 204
    assert api.get(f"{at}/eve").status_code == 404
    invited = api.put(f"{at}/eve", json={"permission": "push"})
    assert (invited.status_code, invited.json()["permissions"]) == (201, "write")
    assert [invitation["invitee"]["login"] for invitation in api.get(f"{WEB}/invitations").json()] == ["eve"]
    assert api.delete(f"{WEB}/invitations/{invited.json()['id']}").status_code == 204
    assert api.get(f"{WEB}/invitations").json() == []
    assert api.delete(f"{at}/bob").status_code == 204
    assert github.repository("acme/web").collaborators == {}


def test_alerts(api: httpx.Client) -> None:
    at = f"{WEB}/vulnerability-alerts"
    statuses = [api.get(at), api.put(at), api.get(at), api.delete(at), api.get(at)]
    assert [response.status_code for response in statuses] == [404, 204, 204, 204, 404]


def test_files(github: GitHubStandIn, api: httpx.Client) -> None:
    at = f"{WEB}/contents/.devcontainer/devcontainer.json"
    text = b'{"image": "x"}\n' * 5
    assert api.get(at).json()["message"] == "This repository is empty."
    made = api.put(at, json={"message": "add", "content": b64encode(text).decode()})
    assert made.status_code == 201
    shown = api.get(at).json()
    assert b64decode(shown["content"]) == text
    assert (shown["size"], shown["encoding"], len(shown["content"].splitlines()[0])) == (75, "base64", 60)
    assert api.get(at, headers={"Accept": "application/vnd.github.raw"}).content == text
    assert [(entry["name"], entry["type"]) for entry in api.get(f"{WEB}/contents/").json()] == [
        (".devcontainer", "dir")
    ]
    assert names(api.get(f"{WEB}/contents/.devcontainer?ref=main")) == ["devcontainer.json"]
    new = {"message": "change", "content": b64encode(b"{}").decode()}
    assert api.put(at, json=new).status_code == 422
    stale = api.put(at, json=new | {"sha": "0" * 40})
    assert (stale.status_code, stale.json()["message"]) == (
        409,
        f"{at.split('contents/')[1]} does not match {'0' * 40}",
    )
    changed = api.put(at, json=new | {"sha": shown["sha"]})
    assert (changed.status_code, changed.json()["commit"]["parents"][0]["sha"]) == (200, made.json()["commit"]["sha"])
    history = api.get(f"{WEB}/commits?path=.devcontainer/devcontainer.json").json()
    assert [commit["commit"]["message"] for commit in history] == ["change", "add"]
    assert api.get(f"{WEB}/commits/{history[1]['sha']}").json()["files"][0]["sha"] == shown["sha"]
    assert api.get(f"{WEB}/branches/main").json()["commit"]["sha"] == history[0]["sha"]
    assert api.put(f"{WEB}/contents/b", json=new | {"branch": "other"}).status_code == 404
    gone = api.request("DELETE", at, json={"message": "rm", "sha": changed.json()["content"]["sha"]})
    assert (gone.status_code, gone.json()["content"]) == (200, None)
    assert github.repository("acme/web").files == {}


def test_packages(api: httpx.Client) -> None:
    listed = api.get("/orgs/acme/packages?package_type=container").json()
    assert [(package["name"], package["repository"]["name"], package["visibility"]) for package in listed] == [
        ("acme/base", "api", "private")
    ]
    assert api.get("/orgs/acme/packages/container/acme%2Fbase").json() == listed[0]
    assert "repository" not in api.get("/orgs/acme/packages/npm/tool").json()
    assert api.get("/orgs/acme/packages").status_code == 400
    assert api.get("/orgs/acme/packages/npm/none").status_code == 404


def test_what_the_stand_in_does_not_have(github: GitHubStandIn, api: httpx.Client) -> None:
    missing = api.get("/repos/acme/web/issues")
    assert (missing.status_code, missing.json()) == (
        404,
        {"message": "Not Found", "documentation_url": "https://docs.github.com/rest", "status": "404"},
    )
    assert github.unserved == ["GET /repos/acme/web/issues"]


def test_queries_of_gh(api: httpx.Client) -> None:
    both = 'query MapRepositoryNames { a: repository(owner: "acme", name: "web") { databaseId } b: repository(owner: "acme", name: "none") { databaseId } }'  # noqa: E501
    answer = api.post("/api/graphql", json={"query": both}).json()
    assert answer["data"] == {"a": {"databaseId": 11}, "b": None}
    assert answer["errors"][0]["message"] == "Could not resolve to a Repository with the name 'acme/none'."
    me = api.post("/graphql", json={"query": "query UserCurrent{viewer{login}}"}).json()
    assert me == {"data": {"viewer": {"login": "platform"}}}
    other = api.post("/graphql", json={"query": "{ viewer { login email } }"}).json()
    assert "data" not in other
