"""What a test in another process can ask of the stand-in, under `/_rig/`, on this machine only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .shapes import stamp

if TYPE_CHECKING:
    from .server import GitHubStandIn
    from .state import Cloud, Organization, Repository, SecretHolder

_LOOPBACK = ("127.0.0.1", "localhost")


def snapshot(cloud: Cloud, *, values: bool) -> dict[str, Any]:
    """The state in the form of a seed, with the values of secrets only where they are asked for."""
    with cloud.lock:
        homes = {home.login: _organization(home, values=values) for home in cloud.organizations.values()}
        users = {user.login: {"id": user.id, "secrets": _secrets(user, values=values)} for user in cloud.users.values()}
    return {"organizations": homes, "users": users}


def _organization(home: Organization, *, values: bool) -> dict[str, Any]:
    names = {repository.id: repository.name for repository in home.repositories.values()}
    teams = {
        team.name: {
            "id": team.id,
            "members": team.members,
            "repositories": {names[number]: role for number, role in team.repositories.items()},
        }
        for team in home.teams.values()
    }
    return {
        "id": home.id,
        "plan": home.plan,
        "members": home.members,
        "custom_properties": list(home.custom_properties.values()),
        "repositories": {
            repository.name: _repository(repository, values=values) for repository in home.repositories.values()
        },
        "secrets": _secrets(home, values=values),
        "teams": teams,
    }


def _repository(one: Repository, *, values: bool) -> dict[str, Any]:
    return {
        "id": one.id,
        "visibility": one.visibility,
        "archived": one.archived,
        "topics": one.topics,
        "properties": one.properties,
        "default_branch": one.default_branch,
        "collaborators": one.collaborators,
        "files": {path: content.decode(errors="replace") for path, content in one.files.items()},
        "secrets": _secrets(one, values=values),
    }


def _secrets(holder: SecretHolder, *, values: bool) -> dict[str, Any]:
    known = holder.cloud.repositories_by_id
    return {
        secret.name: {
            **({"value": secret.value} if values else {}),
            "visibility": secret.visibility,
            "repositories": sorted(known[number].full_name for number in secret.repository_ids),
            "created_at": stamp(secret.created_at),
            "updated_at": stamp(secret.updated_at),
        }
        for secret in holder.secrets.values()
    }


def control(github: GitHubStandIn) -> Starlette:
    """The application behind `/_rig/`."""

    async def state(request: Request) -> Response:
        return JSONResponse(snapshot(github.cloud, values=request.query_params.get("values") == "1"))

    async def seed(request: Request) -> Response:
        github.seed(await request.json())
        return Response(status_code=204)

    async def requests(request: Request) -> Response:
        if request.method == "DELETE":
            github.clear_requests()
            return Response(status_code=204)
        shown = [{key: value for key, value in vars(entry).items() if key != "raw"} for entry in github.requests]
        return JSONResponse(shown)

    async def faults(request: Request) -> Response:
        if request.method == "DELETE":
            github.faults.clear()
        else:
            github.faults.add(**await request.json())
        return Response(status_code=204)

    async def contract(_: Request) -> Response:
        return JSONResponse({"failures": github.contract_failures, "unserved": github.unserved})

    async def rotate_key(request: Request) -> Response:
        github.rotate_public_key(request.path_params["organization"])
        return Response(status_code=204)

    async def settings(request: Request) -> Response:
        given = await request.json()
        unknown = given.keys() - {"latency", "selection_moves_updated_at"}
        if unknown:
            return JSONResponse({"error": f"no such setting: {', '.join(sorted(unknown))}"}, 400)
        for name, value in given.items():
            setattr(github, name, value)
        return Response(status_code=204)

    async def guarded(scope: Any, receive: Any, send: Any) -> None:
        # A web page in a browser of this machine could reach the port under a host name of its own.
        host = Request(scope).headers.get("host", "").rsplit(":", 1)[0]
        await (routed if host in _LOOPBACK else Response("loopback only", 403))(scope, receive, send)

    routed = Starlette(
        routes=[
            Route("/_rig/state", state),
            Route("/_rig/seed", seed, methods=["POST"]),
            Route("/_rig/requests", requests, methods=["GET", "DELETE"]),
            Route("/_rig/faults", faults, methods=["POST", "DELETE"]),
            Route("/_rig/contract", contract),
            Route("/_rig/keys/{organization}", rotate_key, methods=["POST"]),
            Route("/_rig/settings", settings, methods=["PATCH"]),
        ]
    )
    return guarded  # type: ignore[return-value]
