"""Repositories: lists, creation, changes, topics, collaborators and search."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, cast

from .routing import NOT_FOUND, Answer, Call, Refusal, failed, invalid, operation
from .shapes import (
    ROLE_NAMES,
    ROLES,
    account,
    full_repository,
    last_modified,
    listed_repository,
    minimal_repository,
    node_id,
    repository_team,
    stamp,
)
from .shapes import permissions as permissions_of
from .state import REPOSITORY_SETTINGS, Repository

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_ONE = "/repos/{owner}/{repo}"
_BAD_CHARACTERS = re.compile(r"[^A-Za-z0-9._-]+")
_TOPIC = re.compile(r"[a-z0-9][a-z0-9-]{0,49}")
_SORTS: dict[str, Callable[[Repository], Any]] = {
    "created": lambda repository: (repository.created_at, repository.id),
    "updated": lambda repository: (repository.updated_at, repository.id),
    "pushed": lambda repository: (repository.pushed_at, repository.id),
    "full_name": lambda repository: repository.full_name.lower(),
}
_TYPES: dict[str, Callable[[Repository], bool]] = {
    "all": lambda _: True,
    "public": lambda repository: not repository.private,
    "private": lambda repository: repository.private,
    "forks": lambda repository: repository.fork,
    "sources": lambda repository: not repository.fork,
    "member": lambda _: True,
    "internal": lambda repository: repository.visibility == "internal",
}


@operation("GET", "/orgs/{org}/repos", access="anyone")
def list_repositories(call: Call) -> Answer:
    """The repositories of an organization that the caller sees."""
    sort = call.query.get("sort", "created")
    if sort not in _SORTS:
        sort = "created"
    down = call.query.get("direction", "asc" if sort == "full_name" else "desc") == "desc"
    wanted = _TYPES.get(call.query.get("type", "all"), _TYPES["all"])
    seen = [
        repository
        for repository in call.organization.repositories.values()
        if call.caller.sees(repository) and wanted(repository)
    ]
    shown, link = call.page(sorted(seen, key=_SORTS[sort], reverse=down))
    return Answer(200, [listed_repository(call, repository) for repository in shown], link)


@operation("GET", _ONE, permission="metadata", access="anyone")
def get_repository(call: Call) -> Answer:
    """One repository."""
    one = call.repository()
    return Answer(200, full_repository(call, one), last_modified(one.updated_at))


@operation("POST", "/orgs/{org}/repos", scopes=("public_repo", "repo"), permission="administration", denied=NOT_FOUND)
def create_repository(call: Call) -> Answer:
    """Create a repository of an organization."""
    home = call.organization
    call.need("name")
    name = _BAD_CHARACTERS.sub("-", cast("str", call.sent("name", str)))
    visibility = call.sent("visibility", str) or ("private" if call.sent("private", bool) else "public")
    _check_visibility(call, visibility)
    if visibility != "public" and not call.caller.has_scope("repo"):
        raise Refusal(404, NOT_FOUND)
    if home.repository(name):
        taken = {"resource": "Repository", "code": "custom", "field": "name"}
        error = taken | {"message": "name already exists on this account"}
        raise Refusal(422, "Repository creation failed.", errors=[error])
    properties = cast("dict[str, Any]", call.sent("custom_properties", dict) or {})
    made = home.create_repository(
        name, visibility=visibility, created_at=call.now, properties=properties, **_settings(call)
    )
    if call.sent("auto_init", bool):
        made.commit("README.md", f"# {name}".encode(), "Initial commit")
    return Answer(201, full_repository(call, made), {"Location": f"{call.base}/repos/{made.full_name}"})


def _settings(call: Call) -> dict[str, Any]:
    """The settings in a body; those given as null keep their value."""
    given: dict[str, Any] = {}
    for name, default in REPOSITORY_SETTINGS.items():
        value = call.sent(name, bool if isinstance(default, bool) else str)
        if value is not None:
            given[name] = value
    return given


def _check_visibility(call: Call, visibility: str) -> None:
    home = call.cloud.organization(call.parameters.get("org") or call.parameters["owner"])
    if visibility not in ("public", "private", "internal"):
        raise invalid(f'For \'properties/visibility\', "{visibility}" is not a member of ["public", "private"].')
    if visibility == "internal" and home.plan not in ("enterprise", "business_plus"):
        raise Refusal(422, "Only organizations associated with an enterprise can set visibility to internal")


@operation("PATCH", _ONE, scopes=("public_repo", "repo"), permission="administration", denied=NOT_FOUND)
def update_repository(call: Call) -> Answer:
    """Change a repository: its name, visibility, default branch, settings, or whether it is archived."""
    one = call.repository()
    archived = call.sent("archived", bool)
    if one.archived and archived is not False:
        raise Refusal(403, "Repository was archived so is read-only.")
    name = call.sent("name", str)
    if name and name.lower() != one.name.lower() and one.organization.repository(name):
        raise failed("Repository", "name already exists on this account", field="name")
    visibility = call.sent("visibility", str)
    if visibility is None and (private := call.sent("private", bool)) is not None:
        visibility = "private" if private else "public"
    if visibility:
        _check_visibility(call, visibility)
        one.visibility = visibility
    one.settings |= _settings(call)
    one.default_branch = call.sent("default_branch", str) or one.default_branch
    if archived is not None:
        one.archived = archived
    if name and name != one.name:
        one.rename(name)
    else:
        one.touch()
    return Answer(200, full_repository(call, one))


@operation("DELETE", _ONE, scopes=("delete_repo",), permission="administration")
def delete_repository(call: Call) -> Answer:
    """Delete a repository."""
    call.repository().delete()
    return Answer(204)


@operation("GET", f"{_ONE}/topics", access="anyone")
def get_topics(call: Call) -> Answer:
    """The topics of a repository."""
    return Answer(200, {"names": call.repository().topics})


@operation("PUT", f"{_ONE}/topics", scopes=("public_repo", "repo"), permission="administration", denied=NOT_FOUND)
def put_topics(call: Call) -> Answer:
    """Replace the topics of a repository."""
    one = call.repository(to_write=True)
    call.need("names")
    names = [str(name).lower() for name in cast("list[Any]", call.sent("names", list))]
    if len(names) > 20 or not all(_TOPIC.fullmatch(name) for name in names):
        rule = "Topics must start with a lowercase letter or number, consist of 50 characters or less"
        raise Refusal(422, "Validation Failed", errors=[rule])
    one.topics = list(dict.fromkeys(names))
    one.touch()
    return Answer(200, {"names": one.topics})


@operation("GET", f"{_ONE}/vulnerability-alerts", scopes=("repo",), permission="administration")
def get_vulnerability_alerts(call: Call) -> Answer:
    """204 where alerts are on, 404 where they are off."""
    if not call.repository().vulnerability_alerts:
        raise Refusal(404, "Vulnerability alerts are disabled.")
    return Answer(204)


@operation("PUT", f"{_ONE}/vulnerability-alerts", scopes=("repo",), permission="administration")
@operation("DELETE", f"{_ONE}/vulnerability-alerts", scopes=("repo",), permission="administration")
def set_vulnerability_alerts(call: Call) -> Answer:
    """Turn alerts on or off."""
    call.repository(to_write=True).vulnerability_alerts = call.operation.method == "PUT"
    return Answer(204)


@operation("GET", f"{_ONE}/teams", scopes=("repo",), permission="administration")
def list_teams(call: Call) -> Answer:
    """The teams that have a role on a repository."""
    one = call.repository()
    teams = [team for team in one.organization.teams.values() if one.id in team.repositories]
    shown, link = call.page(teams)
    return Answer(200, [repository_team(call, team, team.repositories[one.id]) for team in shown], link)


@operation("GET", f"{_ONE}/collaborators", scopes=("repo",), permission="metadata")
def list_collaborators(call: Call) -> Answer:
    """The people who were given a role on a repository itself."""
    shown, link = call.page(sorted(call.repository().collaborators.items()))
    return Answer(200, [_collaborator(call, login, role) for login, role in shown], link)


def _collaborator(call: Call, login: str, role: str) -> dict[str, Any]:
    person = account(call, call.cloud.user(login))
    return person | {"permissions": permissions_of(role), "role_name": ROLE_NAMES.get(role, role)}


@operation("GET", f"{_ONE}/collaborators/{{username}}", scopes=("repo",))
def is_collaborator(call: Call) -> Answer:
    """204 for a collaborator or owner, 404 for anybody else."""
    one, login = call.repository(), call.parameters["username"]
    if login not in one.collaborators and not one.organization.is_owner(login):
        raise Refusal(404, f"{login} is not a user")
    return Answer(204)


@operation("GET", f"{_ONE}/collaborators/{{username}}/permission", scopes=("repo",))
def collaborator_permission(call: Call) -> Answer:
    """What a person may do to a repository."""
    one, login = call.repository(), call.parameters["username"]
    role = "admin" if one.organization.is_owner(login) else one.collaborators.get(login)
    level = {"pull": "read", "triage": "read", "push": "write", "maintain": "write", "admin": "admin"}.get(role or "")
    user = _collaborator(call, login, role or "pull")
    return Answer(
        200, {"permission": level or "none", "user": user, "role_name": ROLE_NAMES.get(role or "", role or "none")}
    )


@operation("PUT", f"{_ONE}/collaborators/{{username}}", scopes=("repo",), permission="administration")
def add_collaborator(call: Call) -> Answer:
    """Give a person a role: members of the organization at once, others by an invitation."""
    one, login = call.repository(to_write=True), call.parameters["username"]
    role = call.sent("permission", str) or "push"
    if role not in ROLES:
        raise Refusal(422, f"{role} is not a valid permission.")
    members = one.organization.members
    if not members or login in members or login in one.collaborators:
        one.collaborators[login] = role
        one.cloud.changed("collaborator.changed", one.organization.login, login, one.name)
        return Answer(204)
    number = next((key for key, (invited, _) in one.invitations.items() if invited == login), call.cloud.new_id())
    one.invitations[number] = (login, role)
    return Answer(201, _invitation(call, one, number))


@operation("DELETE", f"{_ONE}/collaborators/{{username}}", scopes=("repo",), permission="administration")
def remove_collaborator(call: Call) -> Answer:
    """Take a person's role away."""
    one, login = call.repository(to_write=True), call.parameters["username"]
    one.collaborators.pop(login, None)
    one.cloud.changed("collaborator.changed", one.organization.login, login, one.name)
    return Answer(204)


def _invitation(call: Call, one: Repository, number: int) -> dict[str, Any]:
    login, role = one.invitations[number]
    return {
        "id": number,
        "node_id": node_id("RepositoryInvitation", number),
        "repository": minimal_repository(call, one),
        "invitee": account(call, call.cloud.user(login)),
        "inviter": account(call, one.organization),
        "permissions": ROLE_NAMES.get(role, role),
        "created_at": stamp(call.now),
        "expired": False,
        "url": f"{call.base}/user/repository_invitations/{number}",
        "html_url": f"https://github.com/{one.full_name}/invitations",
    }


@operation("GET", f"{_ONE}/invitations", scopes=("repo", "repo:invite"), permission="administration")
def list_invitations(call: Call) -> Answer:
    """The invitations that nobody has accepted yet."""
    one = call.repository()
    shown, link = call.page(sorted(one.invitations))
    return Answer(200, [_invitation(call, one, number) for number in shown], link)


@operation("DELETE", f"{_ONE}/invitations/{{invitation_id}}", scopes=("repo",), permission="administration")
def delete_invitation(call: Call) -> Answer:
    """Withdraw an invitation."""
    if call.repository().invitations.pop(int(call.parameters["invitation_id"]), None) is None:
        raise Refusal(404, NOT_FOUND)
    return Answer(204)


@operation("GET", "/search/repositories", access="anyone", resource="search")
def search_repositories(call: Call) -> Answer:
    """Search by words in the name and the qualifiers that `matching` knows; at most 1,000 results, as at GitHub."""
    query = call.query.get("q", "").strip()
    if not query:
        missing = {"resource": "Search", "field": "q", "code": "missing"}
        raise Refusal(422, "Validation Failed", errors=[missing])
    everything = (repository for home in call.cloud.organizations.values() for repository in home.repositories.values())
    found = matching(query, (repository for repository in everything if call.caller.sees(repository)))
    if call.query.get("sort") == "updated":
        found.sort(key=_SORTS["updated"], reverse=call.query.get("order", "desc") == "desc")
    shown, link = call.page(found[:1000])
    items = [minimal_repository(call, repository) | {"score": 1.0} for repository in shown]
    return Answer(200, {"total_count": len(found), "incomplete_results": False, "items": items}, link)


def matching(query: str, repositories: Iterable[Repository]) -> list[Repository]:
    """The repositories that a search finds.

    Args:
        query: words, and `org:`, `user:`, `repo:`, `topic:`, `is:`, `visibility:`, `archived:`, `in:` and
            `props.NAME:`, each negated by a leading `-`.
        repositories: where to look.
    """
    tests = [_test(word) for word in query.split()]
    return [repository for repository in repositories if all(test(repository) for test in tests)]


def _test(word: str) -> Callable[[Repository], bool]:
    negated, word = word.startswith("-"), word.removeprefix("-")
    name, colon, value = word.partition(":")
    value = value.strip('"').lower()

    def holds(one: Repository) -> bool:
        if not colon:
            return word.lower() in one.name.lower()
        if name.startswith("props."):
            actual = one.properties.get(name.removeprefix("props."))
            several = cast("list[Any]", actual if isinstance(actual, list) else [actual])
            return value in [str(item).lower() for item in several]
        facts: dict[str, Iterable[str]] = {
            "org": [one.organization.login.lower()],
            "user": [one.organization.login.lower()],
            "repo": [one.full_name.lower()],
            "topic": one.topics,
            "visibility": [one.visibility],
            "is": [one.visibility, "archived"] if one.archived else [one.visibility],
            "archived": [str(one.archived).lower()],
            "in": ["name", "description", "readme", "topics"],
            "fork": ["false", "true"],
        }
        if name not in facts:
            raise failed("Search", f"the stand-in does not know the qualifier {name!r}", field="q")
        return value in facts[name]

    return lambda repository: holds(repository) != negated
