"""The JSON in which GitHub shows accounts, repositories, teams and files, key by key in GitHub's order."""

from __future__ import annotations

from base64 import b64encode
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

from .state import SEEDED_AT, Commit, Organization, Package, Repository, Team, User, blob_sha

if TYPE_CHECKING:
    from datetime import datetime

    from .routing import Call

ROLES = ("pull", "triage", "push", "maintain", "admin")
ROLE_NAMES = {"pull": "read", "push": "write"}

_HTML = "https://github.com"
_TEMPLATES = {
    "archive_url": "/{archive_format}{/ref}",
    "assignees_url": "/assignees{/user}",
    "blobs_url": "/git/blobs{/sha}",
    "branches_url": "/branches{/branch}",
    "collaborators_url": "/collaborators{/collaborator}",
    "comments_url": "/comments{/number}",
    "commits_url": "/commits{/sha}",
    "compare_url": "/compare/{base}...{head}",
    "contents_url": "/contents/{+path}",
    "contributors_url": "/contributors",
    "deployments_url": "/deployments",
    "downloads_url": "/downloads",
    "events_url": "/events",
    "forks_url": "/forks",
    "git_commits_url": "/git/commits{/sha}",
    "git_refs_url": "/git/refs{/sha}",
    "git_tags_url": "/git/tags{/sha}",
    "hooks_url": "/hooks",
    "issue_comment_url": "/issues/comments{/number}",
    "issue_events_url": "/issues/events{/number}",
    "issues_url": "/issues{/number}",
    "keys_url": "/keys{/key_id}",
    "labels_url": "/labels{/name}",
    "languages_url": "/languages",
    "merges_url": "/merges",
    "milestones_url": "/milestones{/number}",
    "notifications_url": "/notifications{?since,all,participating}",
    "pulls_url": "/pulls{/number}",
    "releases_url": "/releases{/id}",
    "stargazers_url": "/stargazers",
    "statuses_url": "/statuses/{sha}",
    "subscribers_url": "/subscribers",
    "subscription_url": "/subscription",
    "tags_url": "/tags",
    "teams_url": "/teams",
    "trees_url": "/git/trees{/sha}",
}
_MINIMAL_SETTINGS = ("is_template", "has_issues", "has_projects", "has_wiki", "has_downloads", "has_discussions")
_FULL_SETTINGS = (
    "allow_merge_commit",
    "allow_squash_merge",
    "allow_rebase_merge",
    "allow_auto_merge",
    "delete_branch_on_merge",
    "allow_update_branch",
    "use_squash_pr_title_as_default",
    "squash_merge_commit_title",
    "squash_merge_commit_message",
    "merge_commit_title",
    "merge_commit_message",
)


def stamp(moment: datetime) -> str:
    """A time in whole seconds of UTC, as in `2024-01-01T00:00:00Z`."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def last_modified(moment: datetime) -> dict[str, str]:
    """The header with the time of the last change."""
    return {"Last-Modified": format_datetime(moment, usegmt=True)}


def node_id(kind: str, number: int) -> str:
    """The id that GraphQL would know something by."""
    return b64encode(f"0{len(kind)}:{kind}{number}".encode()).decode()


def account(call: Call, owner: Organization | User) -> dict[str, Any]:
    """What GitHub calls a simple user, which an organization is too."""
    login, number = owner.login, owner.id
    organization = isinstance(owner, Organization)
    url = f"{call.base}/users/{login}"
    return {
        "login": login,
        "id": number,
        "node_id": node_id("Organization" if organization else "User", number),
        "avatar_url": f"https://avatars.githubusercontent.com/u/{number}?v=4",
        "gravatar_id": "",
        "url": url,
        "html_url": f"{_HTML}/{login}",
        "followers_url": f"{url}/followers",
        "following_url": f"{url}/following{{/other_user}}",
        "gists_url": f"{url}/gists{{/gist_id}}",
        "starred_url": f"{url}/starred{{/owner}}{{/repo}}",
        "subscriptions_url": f"{url}/subscriptions",
        "organizations_url": f"{url}/orgs",
        "repos_url": f"{url}/repos",
        "events_url": f"{url}/events{{/privacy}}",
        "received_events_url": f"{url}/received_events",
        "type": "Organization" if organization else "User",
        "user_view_type": "public",
        "site_admin": False,
    }


def profile(call: Call, owner: Organization | User) -> dict[str, Any]:
    """A public profile."""
    return account(call, owner) | {
        "name": owner.login,
        "company": None,
        "blog": "",
        "location": None,
        "email": None,
        "hireable": None,
        "bio": None,
        "twitter_username": None,
        "public_repos": 0,
        "public_gists": 0,
        "followers": 0,
        "following": 0,
        "created_at": stamp(SEEDED_AT),
        "updated_at": stamp(SEEDED_AT),
    }


def organization(call: Call, home: Organization, *, for_owner: bool) -> dict[str, Any]:
    """An organization; its owners are shown more."""
    url = f"{call.base}/orgs/{home.login}"
    private = sum(repository.private for repository in home.repositories.values())
    shown = {
        "login": home.login,
        "id": home.id,
        "node_id": node_id("Organization", home.id),
        "url": url,
        "repos_url": f"{url}/repos",
        "events_url": f"{url}/events",
        "hooks_url": f"{url}/hooks",
        "issues_url": f"{url}/issues",
        "members_url": f"{url}/members{{/member}}",
        "public_members_url": f"{url}/public_members{{/member}}",
        "avatar_url": f"https://avatars.githubusercontent.com/u/{home.id}?v=4",
        "description": home.description,
        "name": home.name,
        "company": None,
        "blog": "",
        "location": None,
        "email": None,
        "twitter_username": None,
        "is_verified": False,
        "has_organization_projects": True,
        "has_repository_projects": True,
        "public_repos": len(home.repositories) - private,
        "public_gists": 0,
        "followers": 0,
        "following": 0,
        "html_url": f"{_HTML}/{home.login}",
        "created_at": stamp(SEEDED_AT),
        "updated_at": stamp(SEEDED_AT),
        "archived_at": None,
        "type": "Organization",
    }
    if for_owner:
        plan = {"name": home.plan, "space": 976562499, "private_repos": 999999, "filled_seats": 1, "seats": 10}
        shown |= {"total_private_repos": private, "owned_private_repos": private, "plan": plan}
    return shown


def minimal_repository(call: Call, one: Repository) -> dict[str, Any]:
    """A repository as in a list."""
    url = f"{call.base}/repos/{one.full_name}"
    html = f"{_HTML}/{one.full_name}"
    shown: dict[str, Any] = {
        "id": one.id,
        "node_id": node_id("Repository", one.id),
        "name": one.name,
        "full_name": one.full_name,
        "private": one.private,
        "owner": account(call, one.organization),
        "html_url": html,
        "description": one.settings["description"],
        "fork": one.fork,
        "url": url,
    }
    shown.update((name, url + rest) for name, rest in _TEMPLATES.items())
    shown |= {
        "created_at": stamp(one.created_at),
        "updated_at": stamp(one.updated_at),
        "pushed_at": stamp(one.pushed_at),
        "git_url": f"git://github.com/{one.full_name}.git",
        "ssh_url": f"git@github.com:{one.full_name}.git",
        "clone_url": f"{html}.git",
        "svn_url": html,
        "homepage": one.settings["homepage"],
        "size": 0,
        "stargazers_count": 0,
        "watchers_count": 0,
        "language": None,
    }
    shown.update((name, one.settings[name]) for name in _MINIMAL_SETTINGS)
    return shown | {
        "has_pages": False,
        "forks_count": 0,
        "mirror_url": None,
        "archived": one.archived,
        "disabled": False,
        "open_issues_count": 0,
        "license": None,
        "allow_forking": one.settings["allow_forking"],
        "web_commit_signoff_required": one.settings["web_commit_signoff_required"],
        "topics": one.topics,
        "visibility": one.visibility,
        "forks": 0,
        "open_issues": 0,
        "watchers": 0,
        "default_branch": one.default_branch,
    }


def permissions(role: str) -> dict[str, bool]:
    """The five permissions that a role stands for, the strongest first."""
    reach = ROLES.index(role)
    return {name: index <= reach for index, name in reversed(list(enumerate(ROLES)))}


def role_of(call: Call, one: Repository) -> str:
    """The caller's permissions on a repository."""
    token = call.caller.token
    if token is None:
        return "pull"
    if token.kind == "classic":
        if one.organization.is_owner(token.login):
            return "admin"
        return one.collaborators.get(token.login or "", "pull")
    return "admin" if call.caller.may("administration", "write") else "pull"


def listed_repository(call: Call, one: Repository) -> dict[str, Any]:
    """A repository as in the list of an organization."""
    return minimal_repository(call, one) | {
        "permissions": permissions(role_of(call, one)),
        "security_and_analysis": _SECURITY,
        "custom_properties": one.properties,
    }


def full_repository(call: Call, one: Repository) -> dict[str, Any]:
    """A repository by itself."""
    role = role_of(call, one)
    shown = minimal_repository(call, one) | {"permissions": permissions(role), "temp_clone_token": ""}
    if role in ("admin", "maintain", "push"):
        shown.update((name, one.settings[name]) for name in _FULL_SETTINGS)
    shown |= {"custom_properties": one.properties, "organization": account(call, one.organization)}
    if role == "admin":
        shown["security_and_analysis"] = _SECURITY
    return shown | {"network_count": 0, "subscribers_count": 0}


_SECURITY = {
    "secret_scanning": {"status": "disabled"},
    "secret_scanning_push_protection": {"status": "disabled"},
    "dependabot_security_updates": {"status": "disabled"},
}


def team_repository(call: Call, one: Repository, role: str) -> dict[str, Any]:
    """A repository with a team's permissions on it."""
    return minimal_repository(call, one) | {"permissions": permissions(role), "role_name": ROLE_NAMES.get(role, role)}


def team(call: Call, one: Team) -> dict[str, Any]:
    """A team as in a list."""
    home = one.organization
    url = f"{call.base}/organizations/{home.id}/team/{one.id}"
    shown: dict[str, Any] = {
        "name": one.name,
        "id": one.id,
        "node_id": node_id("Team", one.id),
        "slug": one.slug,
        "description": one.description,
        "privacy": one.privacy,
        "notification_setting": one.notification_setting,
        "url": url,
        "html_url": f"{_HTML}/orgs/{home.login}/teams/{one.slug}",
        "members_url": f"{url}/members{{/member}}",
        "repositories_url": f"{url}/repos",
        "type": "organization",
        "organization_id": home.id,
        "permission": one.permission,
        "parent": None,
    }
    if one.parent:
        shown["parent"] = {key: value for key, value in team(call, one.parent).items() if key != "parent"}
    return shown


def full_team(call: Call, one: Team) -> dict[str, Any]:
    """A team by itself."""
    return team(call, one) | {
        "created_at": stamp(one.created_at),
        "updated_at": stamp(one.updated_at),
        "members_count": len(one.members),
        "repos_count": len(one.repositories),
        "organization": organization(call, one.organization, for_owner=False),
    }


def package(call: Call, home: Organization, one: Package) -> dict[str, Any]:
    """A package."""
    shown = {
        "id": one.id,
        "name": one.name,
        "package_type": one.package_type,
        "owner": account(call, home),
        "version_count": one.version_count,
        "visibility": one.visibility,
        "url": f"{call.base}/orgs/{home.login}/packages/{one.package_type}/{one.name}",
        "created_at": stamp(SEEDED_AT),
        "updated_at": stamp(SEEDED_AT),
    }
    linked = call.cloud.repositories_by_id.get(one.repository_id or 0)
    if linked and call.caller.sees(linked):
        shown["repository"] = minimal_repository(call, linked)
    return shown | {"html_url": f"{_HTML}/orgs/{home.login}/packages/{one.package_type}/package/{one.name}"}


def file(call: Call, home: Repository, path: str, content: bytes, *, whole: bool) -> dict[str, Any]:
    """A file of the default branch; `whole` puts its content in, in lines of 60 as GitHub does."""
    url = f"{call.base}/repos/{home.full_name}"
    sha = blob_sha(content)
    place = f"{home.full_name}/blob/{home.default_branch}/{path}"
    links = {
        "self": f"{url}/contents/{path}?ref={home.default_branch}",
        "git": f"{url}/git/blobs/{sha}",
        "html": f"{_HTML}/{place}",
    }
    shown: dict[str, Any] = {
        "name": path.rsplit("/", 1)[-1],
        "path": path,
        "sha": sha,
        "size": len(content),
        "url": links["self"],
        "html_url": links["html"],
        "git_url": links["git"],
        "download_url": f"https://raw.githubusercontent.com/{home.full_name}/{home.default_branch}/{path}",
        "type": "file",
    }
    if whole:
        text = b64encode(content).decode()
        lines = "".join(f"{text[start : start + 60]}\n" for start in range(0, len(text), 60))
        shown |= {"content": lines, "encoding": "base64"}
    return shown | {"_links": links}


def git_commit(call: Call, home: Repository, one: Commit) -> dict[str, Any]:
    """A commit as the answer to a write of a file shows it."""
    url = f"{call.base}/repos/{home.full_name}/git"
    return {
        "sha": one.sha,
        "node_id": node_id("Commit", home.id),
        "url": f"{url}/commits/{one.sha}",
        "html_url": f"{_HTML}/{home.full_name}/commit/{one.sha}",
        "author": dict(one.author),
        "committer": dict(one.committer),
        "tree": {"sha": one.tree, "url": f"{url}/trees/{one.tree}"},
        "message": one.message,
        "parents": _parents(call, home, one, "/git"),
        "verification": _UNSIGNED,
    }


_UNSIGNED = {"verified": False, "reason": "unsigned", "signature": None, "payload": None, "verified_at": None}


def _parents(call: Call, home: Repository, one: Commit, within: str) -> list[dict[str, str]]:
    if one.parent is None:
        return []
    return [
        {
            "sha": one.parent,
            "url": f"{call.base}/repos/{home.full_name}{within}/commits/{one.parent}",
            "html_url": f"{_HTML}/{home.full_name}/commit/{one.parent}",
        }
    ]


def commit(call: Call, home: Repository, one: Commit) -> dict[str, Any]:
    """A commit as the list of commits shows it."""
    url = f"{call.base}/repos/{home.full_name}"
    files: list[dict[str, Any]] = []
    if one.changed and one.changed in one.files:
        content = one.files[one.changed]
        html = f"{_HTML}/{home.full_name}"
        files.append(
            {
                "sha": blob_sha(content),
                "filename": one.changed,
                "status": "modified",
                "additions": 1,
                "deletions": 0,
                "changes": 1,
                "blob_url": f"{html}/blob/{one.sha}/{one.changed}",
                "raw_url": f"{html}/raw/{one.sha}/{one.changed}",
                "contents_url": f"{url}/contents/{one.changed}?ref={one.sha}",
            }
        )
    return {
        "sha": one.sha,
        "node_id": node_id("Commit", home.id),
        "commit": {
            "author": dict(one.author),
            "committer": dict(one.committer),
            "message": one.message,
            "tree": {"sha": one.tree, "url": f"{url}/git/trees/{one.tree}"},
            "url": f"{url}/git/commits/{one.sha}",
            "comment_count": 0,
            "verification": _UNSIGNED,
        },
        "url": f"{url}/commits/{one.sha}",
        "html_url": f"{_HTML}/{home.full_name}/commit/{one.sha}",
        "comments_url": f"{url}/commits/{one.sha}/comments",
        "author": None,
        "committer": None,
        "parents": _parents(call, home, one, ""),
        "stats": {"total": 1, "additions": 1, "deletions": 0},
        "files": files,
    }


def repository_team(call: Call, one: Team, role: str) -> dict[str, Any]:
    """A team with what it may do to a repository."""
    return team(call, one) | {"permission": role, "permissions": permissions(role)}
