"""The way of a request: prefix and numeric ids, who calls, limits, faults, the operation, ETags, headers, the log."""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
import time
import traceback
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote

from .contract import Contract, Sample
from .faults import Action, FaultRequest, Faults, When
from .routing import NOT_FOUND, Answer, Call, Refusal, find
from .tokens import Caller

if TYPE_CHECKING:
    from .limits import Limits
    from .state import Cloud
    from .tokens import Tokens

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

PREFIX = "/api/v3"
API_VERSIONS = ("2022-11-28", "2026-03-10")
"""What clients may ask for; the answers have the form of the first, which has all that the second has and more.

Source: https://docs.github.com/rest/about-the-rest-api/api-versions
"""

_VARY = "Accept-Encoding, Accept, X-Requested-With"
_TRICKLE_SECONDS = 0.05
_PAGE_OF_DEPRECATION = "https://developer.github.com/changes/2020-01-21-moving-the-team-api-endpoints/"


@dataclass
class Exchange:
    """One request and its outcome.

    Attributes:
        number: from 1, in the order of arrival.
        at: when it arrived, in seconds since the epoch.
        path: without `/api/v3`, numeric ids replaced by names.
        query: as sent.
        token_label: who called; never the token.
        body: the JSON that was sent (values are sealed in it), None where there was none.
        raw: the request as sent, head and body, but for the Authorization header; a test can search it for what must
            not travel.
        handled_at: when it had taken effect; None for a request that was refused by a fault before that.
        status: of the answer that was sent; None where none was.
        answered_at: when the answer set out, or the connection was given up.
        fault: the kind of fault that hit it.
    """

    number: int
    at: float
    method: str
    path: str
    query: str
    token_label: str
    body: Any
    raw: bytes = field(repr=False)
    handled_at: float | None = None
    status: int | None = None
    answered_at: float | None = None
    fault: str | None = None


class _Request:
    """A request, read and understood.

    Attributes:
        path: without prefix, names instead of numeric ids.
        known: whether what its numeric ids stand for exists.
        operation: None where the stand-in has none for it.
        refused: why the token was not accepted.
    """

    def __init__(self, scope: Scope, body: bytes, cloud: Cloud, tokens: Tokens) -> None:
        self.scope, self.body = scope, body
        self.headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        self.method: str = "GET" if scope["method"] == "HEAD" else scope["method"]
        target: str = scope["raw_path"].decode("ascii")
        if "://" in target:  # a client with this server as its proxy names the host too
            target = "/" + target.split("://", 1)[1].partition("/")[2]
        prefixed = target == PREFIX or target.startswith(f"{PREFIX}/")
        self.target = (target[len(PREFIX) :] or "/") if prefixed else target
        if self.target == "/api/graphql":  # where GitHub Enterprise Server has it
            self.target = "/graphql"
        self.query: str = scope["query_string"].decode("ascii")
        self.base = f"{scope['scheme']}://{self.headers.get('host', '')}" + (PREFIX if prefixed else "")
        with cloud.lock:
            path = with_names(self.target, cloud)
            self.known, self.path = path is not None, path or self.target
            self.operation, self.parameters = find(self.method, self.path) or (None, {})
            self.refused: Refusal | None = None
            try:
                self.caller = tokens.caller(self.headers.get("authorization"))
            except Refusal as refusal:
                self.caller, self.refused = Caller(None), refusal
        try:
            self.json: Any = json.loads(body) if body else None
        except ValueError:
            self.json = None

    @property
    def resource(self) -> str:
        """The rate limit that it draws on; empty where it costs nothing."""
        return self.operation.resource if self.operation else "core"

    def json_object(self) -> dict[str, Any] | None:
        """The body of a write, which must be a JSON object where there is one."""
        if not self.body or self.method == "GET":
            return None
        if self.json is None and self.body.strip() != b"null":
            raise Refusal(400, "Problems parsing JSON")
        sent: object = self.json
        if isinstance(sent, dict):
            return cast("dict[str, Any]", sent)
        raise Refusal(400, "Body should be a JSON object")

    def raw(self) -> bytes:
        """The request as sent, but for who sent it."""
        lines = [f"{self.scope['method']} {self.target}?{self.query}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items() if name != "authorization"]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + self.body


def with_names(target: str, cloud: Cloud) -> str | None:
    """A path with names for the numbers that GitHub takes too; None for an unknown number."""
    parts = target.split("/")
    number = int(parts[2]) if len(parts) > 2 and parts[2].isdecimal() else -1
    if parts[1] == "repositories":
        repository = cloud.repositories_by_id.get(number)
        return "/".join(["/repos", repository.full_name, *parts[3:]]) if repository else None
    if parts[1] == "organizations":
        home = next((organization for organization in cloud.organizations.values() if organization.id == number), None)
        if home and len(parts) > 4 and parts[3] == "team":
            team = next((candidate for candidate in home.teams.values() if str(candidate.id) == parts[4]), None)
            return "/".join(["/orgs", home.login, "teams", team.slug, *parts[5:]]) if team else None
        return "/".join(["/orgs", home.login, *parts[3:]]) if home else None
    if parts[1] == "teams":
        teams = ((home, team) for home in cloud.organizations.values() for team in home.teams.values())
        found = next(((home, team) for home, team in teams if team.id == number), None)
        return "/".join(["/orgs", found[0].login, "teams", found[1].slug, *parts[3:]]) if found else None
    return target


class Front:
    """The ASGI application.

    Attributes:
        requests: the exchanges so far.
        finished: called after every exchange.
        latency: seconds added to every answer, half of them before the request is handled.
        unserved: requests that no operation here answers, though one of GitHub may.
        reset_connection: ends the connection of a request without another word.
        stopping: set when the server is about to stop.
    """

    def __init__(self, cloud: Cloud, tokens: Tokens, limits: Limits, *, check_contract: bool) -> None:
        self.cloud, self.tokens, self.limits = cloud, tokens, limits
        self.faults = Faults()
        self.contract = Contract(enabled=check_contract)
        self.requests: list[Exchange] = []
        self.finished: list[Callable[[Exchange], object]] = []
        self.unserved: list[str] = []
        self.latency = 0.0
        self.reset_connection: Callable[[Scope], None] = lambda _: None
        self.stopping = asyncio.Event()
        self._count = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = _Request(scope, await _body(receive), self.cloud, self.tokens)
        exchange = self._arrived(request)
        if self.latency:
            await asyncio.sleep(self.latency / 2)
        action = self._decide(exchange, None, "before")
        if action and action.kind == "delay":
            await self._pause(action.seconds)
        if action and not action.handles:
            answer = self._faulty(action, request)
        else:
            with self.cloud.lock:
                answer = self._handle(request)
                exchange.handled_at = time.time()
                action = self._decide(exchange, answer.status, "after") or action
            if action and action.kind == "status_after":
                answer = self._faulty(action, request)
        if self.latency:
            await asyncio.sleep(self.latency / 2)
        if action and action.kind.startswith(("reset", "hang")):
            if action.kind.startswith("hang"):
                await self._pause(action.seconds, receive)
            self.reset_connection(scope)
            await receive()
            exchange.answered_at = time.time()
        else:
            by_fault = action is not None and action.kind != "delay"
            trickle = action.seconds if action and action.kind == "trickle" else 0.0
            await self._send(send, request, exchange, answer, by_fault=by_fault, trickle=trickle)
        for listener in self.finished:
            listener(exchange)

    def _arrived(self, request: _Request) -> Exchange:
        self._count += 1
        label = "unknown token" if request.refused else request.caller.label
        exchange = Exchange(
            self._count, time.time(), request.method, request.path, request.query, label, request.json, request.raw()
        )
        self.requests.append(exchange)
        return exchange

    def _decide(self, exchange: Exchange, status: int | None, when: When) -> Action | None:
        request = FaultRequest(
            exchange.number, exchange.method, exchange.path, exchange.query, exchange.body, exchange.token_label, status
        )
        action = self.faults.decide(request, when)
        if action:
            exchange.fault = action.kind
        return action

    async def _pause(self, seconds: float, receive: Receive | None = None) -> None:
        """Until the time is over, the stand-in stops, or, given its channel, the client gives up."""
        waits: list[asyncio.Future[Any]] = [asyncio.ensure_future(self.stopping.wait())]
        if receive:
            waits.append(asyncio.ensure_future(receive()))
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()

    def _faulty(self, action: Action, request: _Request) -> Answer:
        """The answer that a fault gives."""
        if action.kind == "primary_limit":
            self.limits.exhaust(request.caller, request.resource or "core", action.reset_in)
            return self.limits.primary_refusal(request.caller, action.status or 403).answer(None)
        if action.kind == "secondary_limit":
            return self.limits.secondary_refusal(action.retry_after, action.status or 403).answer(None)
        status = action.status or 500
        if isinstance(action.body, bytes):
            return Answer(status, None, dict(action.headers), (action.body, "text/html"))
        answer = Refusal(status, action.message or "Server Error", headers=action.headers).answer(None)
        if action.body is not None:
            answer.body = action.body
        return answer

    def _handle(self, request: _Request) -> Answer:
        alternate = _successor(request, self.cloud)
        try:
            answer = self._operate(request)
        except Refusal as refusal:
            answer = refusal.answer(request.operation)
        except Exception:  # noqa: BLE001 - a fault of the stand-in must fail the test, whatever the client makes of it
            self.contract.broken(f"{request.method} {request.path}: the stand-in failed\n{traceback.format_exc()}")
            request.operation = None
            return Refusal(500, "Server Error").answer(None)
        if alternate and answer.status < 400:
            answer.headers["Link"] = alternate
        return answer

    def _operate(self, request: _Request) -> Answer:
        operation, caller = request.operation, request.caller
        version = request.headers.get("x-github-api-version")
        if version not in (None, *API_VERSIONS):
            raise Refusal(400, f"{version} is not a supported version; supported are {', '.join(API_VERSIONS)}")
        if request.refused:
            raise request.refused
        if request.resource:
            self.limits.spend(caller, request.resource, request.method)
        if operation is None:
            if request.known:
                self.unserved.append(f"{request.method} {request.path}")
            raise Refusal(404, NOT_FOUND)
        parameters = {name: unquote(value) for name, value in request.parameters.items()}
        caller.check(operation, self.cloud.organizations.get(parameters.get("org", "").lower()))
        call = Call(
            self.cloud,
            self.tokens,
            self.limits,
            caller,
            operation,
            request.path,
            parameters,
            request.query,
            request.base,
            request.json_object(),
            request.headers.get("accept", ""),
        )
        return operation.handler(call)

    async def _send(
        self,
        send: Send,
        request: _Request,
        exchange: Exchange,
        answer: Answer,
        *,
        by_fault: bool,
        trickle: float,
    ) -> None:
        operation, caller = request.operation, request.caller
        body, media_type = _rendered(answer)
        headers = self._headers(request, answer)
        if body:
            headers["Content-Type"] = media_type
        if body and answer.status < 400:
            headers["Vary"] = f"Accept, Authorization, Cookie, X-GitHub-OTP, {_VARY}"
        status = answer.status
        if operation and not by_fault and status in (200, 201) and body:
            tag = f'"{hashlib.sha256(body).hexdigest()}"'
            headers["ETag"] = f"W/{tag}" if request.method == "GET" else tag
            headers["Cache-Control"] = "private, max-age=60, s-maxage=60"
            known = request.headers.get("if-none-match", "")
            if request.method == "GET" and tag in [etag.strip().removeprefix("W/") for etag in known.split(",")]:
                status, body = 304, b""
                del headers["Content-Type"]
                if operation.resource:
                    self.limits.refund(caller, operation.resource)
                    headers |= self.limits.headers(caller, operation.resource)
        exchange.status = status
        if operation and not by_fault and not answer.raw:
            sample = Sample(
                request.method, operation.path, exchange.path, request.query, request.body, status, body, media_type
            )
            self.contract.note(sample, request.base)
        if status not in (204, 304) and not trickle:
            headers["Content-Length"] = str(len(body))
        encoded = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
        # Before the client can know of the answer: it may look for this as soon as it does.
        exchange.answered_at = time.time()
        await send({"type": "http.response.start", "status": status, "headers": encoded})
        for _ in range(round(trickle / _TRICKLE_SECONDS) if body else 0):
            await send({"type": "http.response.body", "body": b" ", "more_body": True})
            await self._pause(_TRICKLE_SECONDS)
        await send({"type": "http.response.body", "body": body})

    def _headers(self, request: _Request, answer: Answer) -> dict[str, str]:
        headers = {
            "Server": "github.com",
            "Date": format_datetime(self.cloud.now(), usegmt=True),
            "Vary": _VARY,
            "X-GitHub-Media-Type": "github.v3; format=json",
            "X-GitHub-Api-Version-Selected": request.headers.get("x-github-api-version", API_VERSIONS[0]),
            "X-GitHub-Request-Id": secrets.token_hex(10).upper(),
        }
        headers |= request.caller.headers(request.operation)
        headers |= self.limits.headers(request.caller, request.resource or "core")
        return headers | answer.headers


def _rendered(answer: Answer) -> tuple[bytes, str]:
    if answer.raw:
        return answer.raw
    if answer.body is None:
        return b"", "application/json; charset=utf-8"
    text = json.dumps(answer.body, separators=(",", ":"), ensure_ascii=False)
    return text.encode(errors="surrogatepass"), "application/json; charset=utf-8"


def _successor(request: _Request, cloud: Cloud) -> str | None:
    """The Link header of a path that names a team by its number alone, which says that it is old."""
    if not request.target.startswith("/teams/"):
        return None
    home = cloud.organizations.get(request.parameters.get("org", "").lower())
    if home is None:
        return None
    instead = request.base + request.target.replace("/teams/", f"/organizations/{home.id}/team/", 1)
    return f'<{_PAGE_OF_DEPRECATION}>; rel="deprecation"; type="text/html", <{instead}>; rel="alternate"'


async def _body(receive: Receive) -> bytes:
    parts: list[bytes] = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if message["type"] != "http.request" or not message.get("more_body"):
            return b"".join(parts)
