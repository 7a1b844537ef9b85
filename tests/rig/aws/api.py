"""The AWS API as clients see it: signatures of administrators, faults, delays and the log, in front of MiniStack."""

from __future__ import annotations

import asyncio
import json
import re
import time
import xml.etree.ElementTree as ET
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qs
from uuid import uuid4
from xml.sax.saxutils import escape

from .calls import AwsCall, without_secrets, writes
from .serving import read_body, respond

if TYPE_CHECKING:
    import httpx

    from .core import Core
    from .faults import Fault
    from .serving import App, HttpServer, Receive, Scope, Send

SERVICES = ("iam", "sts", "ecr")
_HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "transfer-encoding", "te", "upgrade", "proxy-connection", "expect"}
)
_AUTHENTICATION_FAILURES = frozenset(
    {
        "InvalidClientTokenId",
        "UnrecognizedClientException",
        "SignatureDoesNotMatch",
        "InvalidSignatureException",
        "IncompleteSignature",
        "IncompleteSignatureException",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidToken",
        "RequestTimeTooSkewed",
    }
)
_NO_TOKEN = "The security token included in the request is invalid."
_CREDENTIAL = re.compile(r"Credential=([^/,\s]*)/(\d{8})/([^/,\s]*)/([^/,\s]*)/aws4_request")
_ROOT_FOR_MINISTACK = re.compile(r"\d{12}|test|")
"""Keys that MiniStack takes for an account's root without asking for a signature."""


@dataclass
class Answer:
    """An answer on its way to the client."""

    status: int
    body: bytes
    headers: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])


class Broken(Exception):
    """The connection is to be broken instead of answered."""


Forward = Callable[[], Awaitable[Answer]]


class Api:
    """The ASGI application of the API port."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self.server: HttpServer | None = None
        self.control: App | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["path"].startswith("/_rig/") and self.control:
            await self.control(scope, receive, send)
            return
        body = await read_body(receive)
        if body is None:
            return
        try:
            answer = await self._answer(scope, body)
        except Broken:
            assert self.server is not None
            await self.server.reset(scope, receive)
            return
        await respond(send, answer.status, answer.headers, answer.body, scope["method"])

    async def _answer(self, scope: Scope, body: bytes) -> Answer:
        core = self._core
        headers = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in scope["headers"]]
        by_name = dict(headers)
        call = AwsCall(core.now(), "", "")
        signed = _CREDENTIAL.search(by_name.get("authorization", ""))
        if signed:
            call.access_key_id, call.region, call.service = signed[1], signed[3], signed[4]
        call.action, call.parameters = _action(scope, by_name, body)
        core.requests.append(call)
        refused = self._refusal(scope, by_name, call, signed is not None)
        if refused:
            return refused
        administrator = core.administrators.get(call.access_key_id)
        call.account = administrator.account if administrator else core.account_of_key(call.access_key_id)
        if administrator:
            failure = _signature_failure(scope, by_name, body, administrator.secret_access_key)
            if failure:
                return refuse(call, *failure)
            headers = [
                (name, value.replace(f"Credential={signed[1]}/", f"Credential={administrator.account}/", 1))
                if name == "authorization" and signed
                else (name, value)
                for name, value in headers
            ]
        elif _ROOT_FOR_MINISTACK.fullmatch(call.access_key_id) or not core.key_visible(call.access_key_id):
            return refuse(call, 403, "InvalidClientTokenId", _NO_TOKEN)

        async def forward() -> Answer:
            return await self._forward(scope, headers, body, call)

        return await carry_out(core, call, forward, refuse)

    def _refusal(self, scope: Scope, headers: Mapping[str, str], call: AwsCall, signed: bool) -> Answer | None:
        if scope["path"] != "/" or scope["method"] not in ("GET", "POST"):
            text = "the local AWS serves the APIs of iam, sts and ecr at / only\n"
            return Answer(404, text.encode(), [("content-type", "text/plain")])
        if not signed or "X-Amz-Credential=" in scope["query_string"].decode():
            call.service = call.service or ("ecr" if "x-amz-target" in headers else "iam")
            return refuse(call, 403, "MissingAuthenticationToken", "Request is missing Authentication Token")
        if call.service not in SERVICES:
            return refuse(
                call, 400, "UnknownService", f"the local AWS serves {', '.join(SERVICES)}, not {call.service}"
            )
        return None

    async def _forward(self, scope: Scope, headers: list[tuple[str, str]], body: bytes, call: AwsCall) -> Answer:
        """Let MiniStack answer, and put right what it gets wrong."""
        core = self._core
        kept = [(name, value) for name, value in headers if name not in _HOP_BY_HOP | {"content-length"}]
        kept.append(("x-forwarded-proto", "https"))
        query = scope["query_string"].decode()
        url = f"{core.emulator.url}/?{query}" if query else f"{core.emulator.url}/"
        response = await core.upstream.request(scope["method"], url, headers=kept, content=body)
        answer = Answer(
            response.status_code,
            response.content,
            [
                (name, value)
                for name, value in response.headers.items()
                if name not in _HOP_BY_HOP | {"content-length", "date", "content-encoding"}
                and not name.startswith("access-control-")
            ],
        )
        code = error_code(answer) if answer.status >= 400 else ""
        if call.service == "ecr" and answer.status == 403:
            # AWS's JSON protocol says 400 to what is not allowed as well.
            answer.status = 400
        if code not in _AUTHENTICATION_FAILURES:
            core.last_used[call.access_key_id] = (core.now(), call.region, call.service)
        if answer.status < 400:
            self._complete(call, answer)
        return answer

    def _complete(self, call: AwsCall, answer: Answer) -> None:
        core = self._core
        if call.action == "CreateAccessKey":
            key_id = text_of(answer.body, "AccessKeyId")
            call.parameters["AccessKeyId"] = key_id
            core.key_created(key_id, call.account)
        elif call.action == "AssumeRole":
            core.remember_key(text_of(answer.body, "AccessKeyId"), call.parameters["RoleArn"].split(":")[4])
        elif call.action in ("GetSessionToken", "GetFederationToken"):
            core.remember_key(text_of(answer.body, "AccessKeyId"), call.account)
        elif call.action == "GetAccessKeyLastUsed":
            answer.body = self._last_used(call.parameters["AccessKeyId"], answer.body)
        elif call.action == "GetAuthorizationToken":
            answer.body = core.tokens.answer(call)

    def _last_used(self, key_id: str, body: bytes) -> bytes:
        used = self._core.last_used.get(key_id)
        if not used:
            return body
        at, region, service = used
        shown = (
            f"<AccessKeyLastUsed><LastUsedDate>{at.astimezone(timezone.utc):%Y-%m-%dT%H:%M:%SZ}</LastUsedDate>"
            f"<Region>{region}</Region><ServiceName>{service}</ServiceName></AccessKeyLastUsed>"
        )
        return re.sub(rb"<AccessKeyLastUsed>.*</AccessKeyLastUsed>", shown.encode(), body, count=1)


async def carry_out(
    core: Core, call: AwsCall, forward: Forward, refusal: Callable[[AwsCall, int, str, str], Answer]
) -> Answer:
    """Let a call take effect, with the faults that were ordered for it, and notify the observers.

    Args:
        core: the state of the stand-in.
        call: what to do; gets its status and error.
        forward: does it.
        refusal: makes an error in the form of the protocol.

    Raises:
        Broken: the connection is to be broken.
    """
    faults = core.faults.due(call)
    await asyncio.sleep(core.latency)
    for fault in faults:
        answer = await _strike(core, call, fault, "before", refusal)
        if answer:
            return answer
    writing = call.written = writes(call.service, call.action)
    if writing:
        core.change_begins()
    try:
        answer = await forward()
    finally:
        if writing:
            core.change_ends()
    call.status, call.error = answer.status, error_code(answer) if answer.status >= 400 else ""
    call.written = writing and answer.status < 400
    if call.written:
        await core.tell(call)
    for fault in faults:
        struck = await _strike(core, call, fault, "after", refusal)
        if struck:
            return struck
    return answer


async def _strike(
    core: Core, call: AwsCall, fault: Fault, when: str, refusal: Callable[[AwsCall, int, str, str], Answer]
) -> Answer | None:
    kind = fault.kind
    if kind == f"reset_{when}":
        call.status = 0
        raise Broken
    if fault.when == when:
        if kind == "delay":
            await asyncio.sleep(fault.seconds)
        elif kind == "hang":
            call.status = 0
            await core.hang(fault.seconds)
            raise Broken
        elif kind == "callback":
            assert fault.callback is not None
            await asyncio.to_thread(fault.callback, call)
        elif kind in ("status", "throttle", "limit", "denied"):
            return refusal(call, fault.status, fault.code, fault.message)
    return None


_JSON_CODES = {
    "InvalidClientTokenId": "UnrecognizedClientException",
    "SignatureDoesNotMatch": "InvalidSignatureException",
    "Throttling": "ThrottlingException",
    "LimitExceeded": "LimitExceededException",
    "AccessDenied": "AccessDeniedException",
    "InternalFailure": "ServerException",
}


def refuse(call: AwsCall, status: int, code: str, message: str) -> Answer:
    """An error in the form of the service's protocol: XML for iam and sts, JSON for ecr."""
    if call.service not in ("iam", "sts"):
        code = _JSON_CODES.get(code, code)
        status = min(status, 400) if status < 500 else status
        content = json.dumps({"__type": code, "message": message}).encode()
        headers = [("content-type", "application/x-amz-json-1.1"), ("x-amzn-requestid", str(uuid4()))]
    else:
        version = "2011-06-15" if call.service == "sts" else "2010-05-08"
        space = f"https://{'sts' if call.service == 'sts' else 'iam'}.amazonaws.com/doc/{version}/"
        side = "Sender" if status < 500 else "Receiver"
        content = (
            f'<ErrorResponse xmlns="{space}"><Error><Type>{side}</Type><Code>{escape(code)}</Code>'
            f"<Message>{escape(message)}</Message></Error><RequestId>{uuid4()}</RequestId></ErrorResponse>"
        ).encode()
        headers = [("content-type", "text/xml")]
    call.status, call.error = status, code
    return Answer(status, content, headers)


def _action(scope: Scope, headers: Mapping[str, str], body: bytes) -> tuple[str, dict[str, Any]]:
    """The action of a request and its parameters, by the query or the JSON protocol."""
    target = headers.get("x-amz-target", "")
    if target:
        try:
            parameters: Any = json.loads(body or b"{}")
        except ValueError:
            parameters = {}
        given_json = cast("dict[str, Any]", parameters) if isinstance(parameters, dict) else {}
        return target.rpartition(".")[2], without_secrets(given_json)
    form = parse_qs(scope["query_string"].decode()) | parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True)
    given = {name: values[0] for name, values in form.items()}
    given.pop("Version", None)
    return given.pop("Action", ""), without_secrets(given)


def _signature_failure(scope: Scope, headers: dict[str, str], body: bytes, secret: str) -> tuple[int, str, str] | None:
    """Verify an administrator's signature, which MiniStack takes on trust."""
    sigv4: Any = import_module("ministack.core.sigv4")
    signature: Any = sigv4.parse_header_signature(headers)
    if isinstance(signature, tuple):
        code, message = cast("tuple[str, str]", signature)
        return 400, code, message
    query = parse_qs(scope["query_string"].decode(), keep_blank_values=True)
    failure = sigv4.request_time_failure(signature) or sigv4.header_signature_failure(
        signature, secret, scope["method"], scope["path"], query, headers, body
    )
    return (403, *failure) if failure else None


def error_code(answer: Answer) -> str:
    """The error code in an answer of any of the protocols; empty without one."""
    if answer.body.lstrip().startswith(b"{"):
        try:
            parsed = json.loads(answer.body)
        except ValueError:
            return ""
        errors = parsed.get("errors")
        return errors[0]["code"] if errors else str(parsed.get("__type", "")).rpartition("#")[2]
    try:
        return text_of(answer.body, "Code")
    except (ET.ParseError, LookupError):
        return ""


def text_of(body: bytes, tag: str) -> str:
    """The text of the first element of that name; raises LookupError without one."""
    for element in ET.fromstring(body).iter():  # noqa: S314 - the rig's own answer
        if element.tag.rpartition("}")[2] == tag:
            return element.text or ""
    raise LookupError(tag)


async def ask_as_root(
    client: httpx.AsyncClient,
    url: str,
    account: str,
    region: str,
    service: str,
    action: str,
    parameters: Mapping[str, Any],
) -> httpx.Response:
    """Call MiniStack as the root of an account, past signatures, faults and the log."""
    date = datetime.now(timezone.utc).strftime("%Y%m%d")
    headers = {
        "authorization": f"AWS4-HMAC-SHA256 Credential={account}/{date}/{region}/{service}/aws4_request, "
        "SignedHeaders=host, Signature=root",
        "x-amz-date": f"{date}T{time.strftime('%H%M%S', time.gmtime())}Z",
    }
    if service == "ecr":
        headers["x-amz-target"] = f"AmazonEC2ContainerRegistry_V20150921.{action}"
        headers["content-type"] = "application/x-amz-json-1.1"
        content: Any = json.dumps(dict(parameters)).encode()
        return await client.post(url, headers=headers, content=content)
    return await client.post(url, headers=headers, data={"Action": action, **parameters})
