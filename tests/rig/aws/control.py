"""What programs in other processes can ask of the local AWS, under `/_rig/` of its API port."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

if TYPE_CHECKING:
    from .calls import AwsCall
    from .core import Check
    from .local import LocalAws
    from .serving import App, Receive, Scope, Send

_LOOPBACK = ("127.0.0.1", "localhost")
_SETTINGS = ("latency", "new_key_delay")


def control(aws: LocalAws) -> App:
    """The application behind `/_rig/`."""

    async def allows(request: Request) -> Response:
        asked = await request.json()
        checks: list[Check] = [(asked["action"], asked["resource"], asked["region"], {})]
        said = await asyncio.to_thread(aws.authorize, asked["access_key_id"], checks)
        return JSONResponse({"allowed": said.decisions == ("Allow",), "refused": said.refused})

    async def state(_: Request) -> Response:
        return JSONResponse(await asyncio.to_thread(snapshot, aws))

    async def seed(request: Request) -> Response:
        await asyncio.to_thread(aws.seed, await request.json())
        return Response(status_code=204)

    async def requests(request: Request) -> Response:
        if request.method == "DELETE":
            aws.clear_requests()
            return Response(status_code=204)
        return JSONResponse({"api": _shown(aws.requests), "registries": _shown(aws.registry_requests)})

    async def faults(request: Request) -> Response:
        if request.method == "DELETE":
            aws.faults.clear()
        else:
            aws.faults.add(**await request.json())
        return Response(status_code=204)

    async def settings(request: Request) -> Response:
        given = await request.json()
        unknown = given.keys() - set(_SETTINGS)
        if unknown:
            known = ", ".join(_SETTINGS)
            return PlainTextResponse(f"no such setting: {', '.join(sorted(unknown))}; there are {known}\n", 400)
        for name, value in given.items():
            setattr(aws, name, float(value))
        return Response(status_code=204)

    async def expire_tokens(_: Request) -> Response:
        aws.expire_tokens()
        return Response(status_code=204)

    routed = Starlette(
        routes=[
            Route("/_rig/allows", allows, methods=["POST"]),
            Route("/_rig/state", state),
            Route("/_rig/seed", seed, methods=["POST"]),
            Route("/_rig/requests", requests, methods=["GET", "DELETE"]),
            Route("/_rig/faults", faults, methods=["POST", "DELETE"]),
            Route("/_rig/settings", settings, methods=["PATCH"]),
            Route("/_rig/expire-tokens", expire_tokens, methods=["POST"]),
        ]
    )

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        # A web page in a browser of this machine could reach the port under a host name of its own.
        host = Request(scope).headers.get("host", "").rsplit(":", 1)[0]
        app: Any = routed if host in _LOOPBACK else PlainTextResponse("loopback only\n", 403)
        await app(scope, receive, send)

    return guarded


def snapshot(aws: LocalAws) -> dict[str, Any]:
    """Users with their policies and keys, repositories with their tags, by account; no secret."""
    return {
        account: {
            "users": {name: asdict(user) for name, user in aws.users(account).items()},
            "policies": aws.managed_policies(account),
            "repositories": [asdict(repository) for repository in aws.repositories(account)],
        }
        for account in aws.accounts
    }


def _shown(calls: list[AwsCall]) -> list[dict[str, Any]]:
    return [{**asdict(call), "at": call.at.isoformat()} for call in calls]
