"""Organizations, users, teams and packages, and the API's own address book and limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from .routing import NOT_FOUND, Answer, Call, Refusal, failed, operation
from .shapes import ROLES, account, full_team, last_modified, organization, package, profile, team, team_repository

if TYPE_CHECKING:
    from .state import Organization, Repository, Team

_TEAM_SCOPES = ("admin:org", "repo")
_READ_TEAM_SCOPES = ("admin:org", "read:org", "repo", "user", "write:org")
_TEAM = "/orgs/{org}/teams/{team_slug}"
_TEAM_REPOSITORY = _TEAM + "/repos/{owner}/{repo}"
_PACKAGE_TYPES = ("npm", "maven", "rubygems", "docker", "nuget", "container")
_PACKAGES_DENIED = "You need at least read:packages scope to {} packages."


@operation("GET", "/orgs/{org}", access="anyone")
def get_organization(call: Call) -> Answer:
    """An organization."""
    home, token = call.organization, call.caller.token
    if token is None or token.kind != "classic":
        return Answer(200, organization(call, home, for_owner=False))
    owner = call.caller.has_scope("admin:org", "repo", "user") and home.is_owner(token.login)
    return Answer(200, organization(call, home, for_owner=owner))


@operation("GET", "/users/{username}", access="anyone")
def get_account(call: Call) -> Answer:
    """A person or an organization: both are users here and differ in `type`."""
    login = call.parameters["username"].lower()
    found = call.cloud.organizations.get(login) or call.cloud.users.get(login)
    if found is None:
        raise Refusal(404, NOT_FOUND)
    return Answer(200, profile(call, found))


@operation("GET", "/user", permission="metadata")
def get_me(call: Call) -> Answer:
    """The person behind the token."""
    token = call.caller.token
    if token is None or token.login is None:
        raise Refusal(403, "Resource not accessible by integration")
    shown = profile(call, call.cloud.user(token.login))
    return Answer(200, shown)


@operation("GET", "/", access="anyone")
def get_root(call: Call) -> Answer:
    """The address book of the API, which clients ask to see their scopes."""
    names = {
        "current_user_url": "/user",
        "current_user_authorizations_html_url": "/settings/connections/applications{/client_id}",
        "authorizations_url": "/authorizations",
        "code_search_url": "/search/code?q={query}{&page,per_page,sort,order}",
        "commit_search_url": "/search/commits?q={query}{&page,per_page,sort,order}",
        "emails_url": "/user/emails",
        "emojis_url": "/emojis",
        "events_url": "/events",
        "feeds_url": "/feeds",
        "followers_url": "/user/followers",
        "following_url": "/user/following{/target}",
        "gists_url": "/gists{/gist_id}",
        "issue_search_url": "/search/issues?q={query}{&page,per_page,sort,order}",
        "issues_url": "/issues",
        "keys_url": "/user/keys",
        "label_search_url": "/search/labels?q={query}&repository_id={repository_id}{&page,per_page}",
        "notifications_url": "/notifications",
        "organization_url": "/orgs/{org}",
        "organization_repositories_url": "/orgs/{org}/repos{?type,page,per_page,sort}",
        "organization_teams_url": "/orgs/{org}/teams",
        "public_gists_url": "/gists/public",
        "rate_limit_url": "/rate_limit",
        "repository_url": "/repos/{owner}/{repo}",
        "repository_search_url": "/search/repositories?q={query}{&page,per_page,sort,order}",
        "current_user_repositories_url": "/user/repos{?type,page,per_page,sort}",
        "starred_url": "/user/starred{/owner}{/repo}",
        "starred_gists_url": "/gists/starred",
        "user_url": "/users/{user}",
        "user_organizations_url": "/user/orgs",
        "user_repositories_url": "/users/{user}/repos{?type,page,per_page,sort}",
        "user_search_url": "/search/users?q={query}{&page,per_page,sort,order}",
    }
    return Answer(200, {name: call.base + path for name, path in names.items()})


@operation("GET", "/rate_limit", access="anyone", resource="")
def get_rate_limit(call: Call) -> Answer:
    """The remaining requests of each limit; asking costs nothing."""
    resources = {name: call.limits.state(call.caller, name) for name in ("core", "search", "graphql", "codespaces")}
    return Answer(200, {"resources": resources, "rate": resources["core"]})


@operation("GET", "/orgs/{org}/teams", scopes=("admin:org", "read:org", "write:org"), permission="members")
def list_teams(call: Call) -> Answer:
    """The teams of an organization."""
    shown, link = call.page(sorted(call.organization.teams.values(), key=lambda listed: listed.slug))
    return Answer(200, [team(call, listed) for listed in shown], link)


def _team(call: Call) -> Team:
    found = call.organization.teams.get(call.parameters["team_slug"].lower())
    if found is None:
        raise Refusal(404, NOT_FOUND)
    return found


@operation("POST", "/orgs/{org}/teams", scopes=_TEAM_SCOPES, permission="members")
def create_team(call: Call) -> Answer:
    """Create a team; who does it with a personal token becomes its maintainer."""
    home = call.organization
    call.need("name")
    name = cast("str", call.sent("name", str))
    if "-".join(name.lower().split()) in home.teams:
        error = {"resource": "Team", "code": "already_exists", "field": "name"}
        raise Refusal(422, "Validation Failed", errors=[error])
    login = call.caller.token.login if call.caller.token else None
    made = home.create_team(
        name,
        description=call.sent("description", str),
        privacy=call.sent("privacy", str) or "secret",
        notification_setting=call.sent("notification_setting", str) or "notifications_enabled",
        permission=call.sent("permission", str) or "pull",
        parent=_parent(call, home),
        members={login: "maintainer"} if login else {},
        created_at=call.now,
        updated_at=call.now,
    )
    location = f"{call.base}/organizations/{home.id}/team/{made.id}"
    return Answer(201, full_team(call, made), {"Location": location})


def _parent(call: Call, home: Organization) -> Team | None:
    number = call.sent("parent_team_id", int)
    if number is None:
        return None
    found = next((candidate for candidate in home.teams.values() if candidate.id == number), None)
    if found is None:
        raise failed("Team", "Parent team not found", field="parent_team_id")
    return found


@operation("GET", _TEAM, scopes=_READ_TEAM_SCOPES, permission="members")
def get_team(call: Call) -> Answer:
    """One team."""
    one = _team(call)
    return Answer(200, full_team(call, one), last_modified(one.updated_at))


@operation("PATCH", _TEAM, scopes=_TEAM_SCOPES, permission="members")
def update_team(call: Call) -> Answer:
    """Change a team."""
    one, home = _team(call), call.organization
    for name in ("description", "privacy", "notification_setting", "permission"):
        value = call.sent(name, str)
        if value is not None:
            setattr(one, name, value)
    if "parent_team_id" in (call.body or {}):
        one.parent = _parent(call, home)
    name = call.sent("name", str)
    if name and name != one.name:
        del home.teams[one.slug]
        one.name, one.slug = name, "-".join(name.lower().split())
        home.teams[one.slug] = one
    one.updated_at = call.now
    call.cloud.changed("team.changed", home.login, one.slug)
    return Answer(200, full_team(call, one))


@operation("DELETE", _TEAM, scopes=_TEAM_SCOPES, permission="members")
def delete_team(call: Call) -> Answer:
    """Delete a team."""
    one, home = _team(call), call.organization
    del home.teams[one.slug]
    call.cloud.changed("team.changed", home.login, one.slug)
    return Answer(204)


@operation("GET", _TEAM + "/members", scopes=("admin:org", "read:org", "write:org"), permission="members")
def list_team_members(call: Call) -> Answer:
    """The members of a team."""
    role = call.query.get("role", "all")
    logins = [login for login, has in sorted(_team(call).members.items()) if role in ("all", has)]
    shown, link = call.page(logins)
    return Answer(200, [account(call, call.cloud.user(login)) for login in shown], link)


@operation("DELETE", _TEAM + "/memberships/{username}", scopes=("admin:org",), permission="members")
def remove_team_member(call: Call) -> Answer:
    """Take a person out of a team."""
    _team(call).members.pop(call.parameters["username"], None)
    return Answer(204)


@operation("GET", _TEAM + "/repos", scopes=_READ_TEAM_SCOPES, permission="members")
def list_team_repositories(call: Call) -> Answer:
    """The repositories that a team has a role on."""
    one = _team(call)
    shown, link = call.page(sorted(one.repositories))
    found = [(call.cloud.repositories_by_id[number], one.repositories[number]) for number in shown]
    return Answer(200, [team_repository(call, each, role) for each, role in found], link)


def _team_repository(call: Call) -> tuple[Team, Repository]:
    return _team(call), call.repository()


@operation("GET", _TEAM_REPOSITORY, scopes=_READ_TEAM_SCOPES, permission="members")
def get_team_repository(call: Call) -> Answer:
    """Whether a team has a role on a repository, and which, where the Accept header asks for it."""
    one, repository = _team_repository(call)
    role = one.repositories.get(repository.id)
    if role is None:
        raise Refusal(404, NOT_FOUND)
    if "repository+json" in call.accept:
        return Answer(200, team_repository(call, repository, role))
    return Answer(204)


@operation("PUT", _TEAM_REPOSITORY, scopes=_TEAM_SCOPES, permission="members")
def put_team_repository(call: Call) -> Answer:
    """Give a team a role on a repository."""
    one, repository = _team_repository(call)
    if repository.organization is not one.organization:
        raise failed("Team", "The repository belongs to another organization")
    role = call.sent("permission", str) or one.permission
    if role not in ROLES:
        raise Refusal(422, f"{role} is not a valid permission.")
    one.repositories[repository.id] = role
    call.cloud.changed("team.repository", one.organization.login, one.slug, repository.name)
    return Answer(204)


@operation("DELETE", _TEAM_REPOSITORY, scopes=_TEAM_SCOPES, permission="members")
def delete_team_repository(call: Call) -> Answer:
    """Take a team's role on a repository away."""
    one, repository = _team_repository(call)
    one.repositories.pop(repository.id, None)
    call.cloud.changed("team.repository", one.organization.login, one.slug, repository.name)
    return Answer(204)


@operation(
    "GET",
    "/orgs/{org}/packages",
    scopes=("read:packages",),
    permission="packages",
    denied=_PACKAGES_DENIED.format("list"),
)
def list_packages(call: Call) -> Answer:
    """The packages of one type."""
    home, kind = call.organization, call.query.get("package_type")
    if kind not in _PACKAGE_TYPES:
        raise Refusal(400, "Package type is required and must be one of: " + ", ".join(_PACKAGE_TYPES))
    visibility = call.query.get("visibility")
    found = [item for item in home.packages if item.package_type == kind and visibility in (None, item.visibility)]
    shown, link = call.page(found)
    return Answer(200, [package(call, home, item) for item in shown], link)


@operation(
    "GET",
    "/orgs/{org}/packages/{package_type}/{package_name}",
    scopes=("read:packages",),
    permission="packages",
    denied=_PACKAGES_DENIED.format("get"),
)
def get_package(call: Call) -> Answer:
    """One package."""
    home = call.organization
    kind, name = call.parameters["package_type"], call.parameters["package_name"]
    for item in home.packages:
        if (item.package_type, item.name) == (kind, name):
            return Answer(200, package(call, home, item))
    raise Refusal(404, "Package not found.")
