"""GitHub Apps: who they are, where they are installed, and the tokens of their installations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .routing import NOT_FOUND, Answer, Call, Refusal, operation
from .shapes import account, minimal_repository, node_id, stamp
from .state import SEEDED_AT

if TYPE_CHECKING:
    from .tokens import App, Installation


def _app(call: Call) -> App:
    app = call.caller.token.app if call.caller.token else None
    if app is None:
        raise Refusal(401, "A JSON web token could not be decoded")
    return app


@operation("GET", "/app", access="app")
def get_app(call: Call) -> Answer:
    """The App that signed the request."""
    app = _app(call)
    granted = next(iter(app.installations.values())).permissions if app.installations else {}
    home = call.cloud.organizations.get(next(iter(call.cloud.organizations), ""))
    shown: dict[str, Any] = {
        "id": app.id,
        "client_id": f"Iv1.{app.id:016x}",
        "slug": app.slug,
        "node_id": node_id("Integration", app.id),
        "owner": account(call, home or call.cloud.user("platform")),
        "name": app.slug,
        "description": "",
        "external_url": "https://example.com",
        "html_url": f"https://github.com/apps/{app.slug}",
        "created_at": stamp(SEEDED_AT),
        "updated_at": stamp(SEEDED_AT),
        "permissions": granted,
        "events": [],
        "installations_count": len(app.installations),
    }
    return Answer(200, shown)


def _shown(call: Call, app: App, one: Installation) -> dict[str, Any]:
    home = call.cloud.organization(one.account)
    return {
        "id": one.id,
        "client_id": f"Iv1.{app.id:016x}",
        "account": account(call, home),
        "repository_selection": "all" if one.repository_ids is None else "selected",
        "access_tokens_url": f"{call.base}/app/installations/{one.id}/access_tokens",
        "repositories_url": f"{call.base}/installation/repositories",
        "html_url": f"https://github.com/organizations/{home.login}/settings/installations/{one.id}",
        "app_id": app.id,
        "app_slug": app.slug,
        "target_id": home.id,
        "target_type": "Organization",
        "permissions": one.permissions,
        "events": [],
        "created_at": stamp(SEEDED_AT),
        "updated_at": stamp(SEEDED_AT),
        "single_file_name": None,
        "has_multiple_single_files": False,
        "single_file_paths": [],
        "suspended_by": None,
        "suspended_at": None,
    }


@operation("GET", "/app/installations", access="app")
def list_installations(call: Call) -> Answer:
    """Where the App is installed."""
    app = _app(call)
    shown, link = call.page([app.installations[number] for number in sorted(app.installations)])
    return Answer(200, [_shown(call, app, installation) for installation in shown], link)


def _installation(call: Call) -> tuple[App, Installation]:
    app = _app(call)
    text = call.parameters["installation_id"]
    found = app.installations.get(int(text)) if text.isdecimal() else None
    if found is None:
        raise Refusal(404, "Integration not found")
    return app, found


@operation("GET", "/app/installations/{installation_id}", access="app")
def get_installation(call: Call) -> Answer:
    """One installation."""
    return Answer(200, _shown(call, *_installation(call)))


@operation("GET", "/orgs/{org}/installation", access="app")
def get_organization_installation(call: Call) -> Answer:
    """The App's installation on an organization."""
    app, home = _app(call), call.organization
    for installation in app.installations.values():
        if installation.account.lower() == home.login.lower():
            return Answer(200, _shown(call, app, installation))
    raise Refusal(404, NOT_FOUND)


@operation("POST", "/app/installations/{installation_id}/access_tokens", access="app")
def create_token(call: Call) -> Answer:
    """A token of an installation, narrowed to the repositories and permissions that the body names."""
    app, one = _installation(call)
    if one.suspended:
        raise Refusal(403, "This installation has been suspended")
    value, token = call.tokens.issue(app, one, call.body or {})
    shown: dict[str, Any] = {
        "token": value,
        "expires_at": stamp(token.expires_at or call.now),
        "permissions": token.permissions,
        "repository_selection": "all" if token.repository_ids is None else "selected",
    }
    if token.repository_ids is not None and (call.body or {}).keys() & {"repositories", "repository_ids"}:
        found = [call.cloud.repositories_by_id[number] for number in sorted(token.repository_ids)]
        shown["repositories"] = [minimal_repository(call, each) for each in found]
    return Answer(201, shown)


@operation("GET", "/installation/repositories")
def list_repositories(call: Call) -> Answer:
    """The repositories that an installation sees."""
    token = call.caller.token
    if token is None or token.kind != "installation":
        need = "You must authenticate with an installation access token"
        raise Refusal(403, f"{need} in order to list repositories for an installation.")
    home = call.cloud.organization(token.owner or "")
    seen = [
        repository
        for repository in home.repositories.values()
        if token.repository_ids is None or repository.id in token.repository_ids
    ]
    shown, link = call.page(sorted(seen, key=lambda repository: repository.id))
    body = {
        "total_count": len(seen),
        "repository_selection": "all" if token.repository_ids is None else "selected",
        "repositories": [minimal_repository(call, repository) for repository in shown],
    }
    return Answer(200, body, link)
