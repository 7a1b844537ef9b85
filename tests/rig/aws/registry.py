"""The registries of ECR: MiniStack's images behind ECR's own doors.

Every call is mapped to the ECR action that it needs and asked of MiniStack's policies, with the ARN of the repository
in the account and Region that the host name says.

Sources: https://docs.aws.amazon.com/AmazonECR/latest/userguide/registry_auth.html; the challenge is in
https://github.com/mayflower/docker-ls/issues/28, the answer to a token of another Region in
https://github.com/aws/aws-cli/issues/5317, that to an expired token in
https://github.com/awslabs/amazon-ecr-credential-helper/issues/286; that layers come from a bucket of Amazon's is in
https://docs.aws.amazon.com/AmazonECR/latest/userguide/vpc-endpoints.html.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode

from .api import Answer, Broken, carry_out
from .calls import AwsCall
from .serving import read_body, respond

if TYPE_CHECKING:
    from .core import Check, Core
    from .plain_registry import PlainRegistries
    from .serving import HttpServer, Receive, Scope, Send

ECR_HOST = re.compile(
    r"(?P<account>\d{12})\.(?:dkr\.ecr(?:-fips)?\.(?P<region>[a-z0-9-]+)\.amazonaws\.(?:com(?:\.cn)?|eu)"
    r"|dkr-ecr(?:-fips)?\.(?P<dual>[a-z0-9-]+)\.on\.(?:aws|amazonwebservices\.com\.cn))"
)
_LAYER_HOST = re.compile(r"prod-(?P<region>[a-z0-9-]+)-starport-layer-bucket\.s3\.[a-z0-9-]+\.amazonaws\.com")
_LAYER_URL_LIFETIME = timedelta(hours=1)
_API_VERSION = ("docker-distribution-api-version", "registry/2.0")


@dataclass(frozen=True)
class EcrRegistry:
    """The registry of an account in a Region."""

    account: str
    region: str

    @property
    def partition(self) -> str:
        """The first part of its ARNs."""
        for prefix, partition in (("cn-", "aws-cn"), ("us-gov-", "aws-us-gov"), ("eusc-", "aws-eusc")):
            if self.region.startswith(prefix):
                return partition
        return "aws"

    @property
    def host(self) -> str:
        """Its plain name."""
        return f"{self.account}.dkr.ecr.{self.region}.amazonaws.com"

    def repository_arn(self, name: str) -> str:
        """The ARN that policies know a repository by."""
        return f"arn:{self.partition}:ecr:{self.region}:{self.account}:repository/{name}"


def parse_ecr_host(host: str) -> EcrRegistry | None:
    """The ECR registry of a host name in any of its forms; None for any other host."""
    match = ECR_HOST.fullmatch(host)
    return EcrRegistry(match["account"], match["region"] or match["dual"]) if match else None


@dataclass(frozen=True)
class _LayerUrl:
    registry: EcrRegistry
    repository: str
    digest: str
    expires_at: datetime


@dataclass(frozen=True)
class _Path:
    action: str
    repository: str
    rest: str


V2_PATH = re.compile(r"/v2/(?P<name>[a-z0-9][a-z0-9._/-]*)/(?P<kind>manifests|blobs/uploads|blobs|tags)/(?P<rest>.*)")
_ACTIONS = {
    ("manifests", "GET"): "BatchGetImage",
    ("manifests", "HEAD"): "BatchGetImage",
    ("manifests", "PUT"): "PutImage",
    ("manifests", "DELETE"): "BatchDeleteImage",
    ("blobs", "GET"): "GetDownloadUrlForLayer",
    ("blobs", "HEAD"): "BatchCheckLayerAvailability",
    ("blobs/uploads", "POST"): "InitiateLayerUpload",
    ("blobs/uploads", "GET"): "UploadLayerPart",
    ("blobs/uploads", "PATCH"): "UploadLayerPart",
    ("blobs/uploads", "PUT"): "CompleteLayerUpload",
    ("blobs/uploads", "DELETE"): "UploadLayerPart",
    ("tags", "GET"): "ListImages",
}


class Registries:
    """The ASGI application of the TLS port: ECR's registries, the bucket of their layers, and all other registries."""

    def __init__(self, core: Core, plain: PlainRegistries) -> None:
        self._core = core
        self._plain = plain
        self._layer_urls: dict[str, _LayerUrl] = {}
        self.server: HttpServer | None = None

    def knows(self, host: str) -> bool:
        """Whether a host name is served here."""
        return bool(ECR_HOST.fullmatch(host) or _LAYER_HOST.fullmatch(host) or self._plain.find(host))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        body = await read_body(receive)
        if body is None:
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        host = headers.get("host", "").lower().removesuffix(":443")
        registry = parse_ecr_host(host)
        try:
            if registry:
                answer = await self._answer_ecr(registry, scope, headers, body)
            elif _LAYER_HOST.fullmatch(host):
                answer = await self._answer_layer(scope, headers)
            else:
                answer = await self._plain.answer(host, scope, headers, body)
        except Broken:
            assert self.server is not None
            await self.server.reset(scope, receive)
            return
        await respond(send, answer.status, answer.headers, answer.body, scope["method"])

    async def _answer_ecr(self, registry: EcrRegistry, scope: Scope, headers: dict[str, str], body: bytes) -> Answer:
        core = self._core
        path = _parse(scope["path"], scope["method"])
        call = AwsCall(core.now(), "registry", path.action if path else "Login", region=registry.region)
        call.account = registry.account
        call.parameters = {"host": registry.host, "repositoryName": path.repository if path else ""}
        if path and path.rest:
            call.parameters["reference"] = path.rest
        core.registry_requests.append(call)

        async def forward() -> Answer:
            refused = await asyncio.to_thread(self._refusal, registry, path, headers.get("authorization", ""), call)
            if refused:
                return refused
            if path is None:
                return (
                    _json(200, {}) if scope["path"] in ("/v2", "/v2/") else _error(404, "UNSUPPORTED", "no such path")
                )
            if path.action == "GetDownloadUrlForLayer":
                return await self._redirect(registry, path)
            return await self._forward(registry, scope, headers, body)

        return await carry_out(core, call, forward, _refuse)

    def _refusal(self, registry: EcrRegistry, path: _Path | None, authorization: str, call: AwsCall) -> Answer | None:
        """Why a call is not allowed. Asked for each call: keys are deleted and policies change while tokens live."""
        password = _basic_password(authorization)
        token = self._core.tokens.find(password) if password else None
        if token is None:
            challenge = f'Basic realm="https://{registry.host}/",service="ecr.amazonaws.com"'
            return Answer(401, b"Not Authorized\n", [("www-authenticate", challenge), ("content-type", "text/plain")])
        call.access_key_id = token.access_key_id
        if token.region != registry.region:
            return Answer(400, b"Bad Request\n", [("content-type", "text/plain")])
        if self._core.now() >= token.expires_at:
            return _error(403, "DENIED", "Your authorization token has expired. Reauthenticate and try again.")
        checks: list[Check] = []
        if path:
            checks = [(f"ecr:{path.action}", registry.repository_arn(path.repository), registry.region, {})]
        said = self._core.authorize(token.access_key_id, checks)
        if said.refused:
            return _error(403, "DENIED", "The security token included in the request is invalid.")
        if path and said.decisions != ("Allow",):
            why = (
                "with an explicit deny in an identity-based policy"
                if said.decisions == ("Deny",)
                else f"because no identity-based policy allows the ecr:{path.action} action"
            )
            return _error(
                403,
                "DENIED",
                f"User: {said.principal} is not authorized to perform: ecr:{path.action} "
                f"on resource: {checks[0][1]} {why}",
            )
        return None

    async def _redirect(self, registry: EcrRegistry, path: _Path) -> Answer:
        """Where a layer is, good for an hour: ECR has its layers fetched from a bucket, without the token."""
        found = await self._blob(registry, path.repository, path.rest, "HEAD")
        if found.status != 200:
            return await self._blob(registry, path.repository, path.rest, "GET")
        signature = secrets.token_hex(32)
        expires = self._core.now() + _LAYER_URL_LIFETIME
        self._layer_urls[signature] = _LayerUrl(registry, path.repository, path.rest, expires)
        host = f"prod-{registry.region}-starport-layer-bucket.s3.{registry.region}.amazonaws.com"
        query = urlencode({"X-Amz-Algorithm": "AWS4-HMAC-SHA256", "X-Amz-Expires": 3600, "X-Amz-Signature": signature})
        location = f"https://{host}/{registry.account}/{path.repository}/{path.rest}?{query}"
        return Answer(307, b"", [("location", location), _API_VERSION])

    async def _answer_layer(self, scope: Scope, headers: dict[str, str]) -> Answer:
        if "authorization" in headers:
            return _s3_error(400, "InvalidArgument", "Only one auth mechanism allowed")
        query = dict(parse_qsl(scope["query_string"].decode()))
        layer = self._layer_urls.get(query.get("X-Amz-Signature", ""))
        if layer is None or not scope["path"].endswith(f"/{layer.repository}/{layer.digest}"):
            return _s3_error(403, "SignatureDoesNotMatch", "The signature does not match.")
        if self._core.now() >= layer.expires_at:
            return _s3_error(403, "AccessDenied", "Request has expired")
        return await self._blob(layer.registry, layer.repository, layer.digest, scope["method"])

    async def _blob(self, registry: EcrRegistry, repository: str, digest: str, method: str) -> Answer:
        response = await self._core.upstream.request(
            method, f"{self._core.emulator.url}/v2/{repository}/blobs/{digest}", headers={"host": registry.host}
        )
        kept = [
            (name, value) for name, value in response.headers.items() if name.startswith(("content-type", "docker-"))
        ]
        if method == "HEAD":
            kept.append(("content-length", response.headers.get("content-length", "0")))
        return Answer(response.status_code, response.content, kept)

    async def _forward(self, registry: EcrRegistry, scope: Scope, headers: dict[str, str], body: bytes) -> Answer:
        query = [
            (name, value) for name, value in parse_qsl(scope["query_string"].decode()) if name not in ("mount", "from")
        ]
        kept = {name: headers[name] for name in ("content-type", "accept", "content-range") if name in headers}
        url = f"{self._core.emulator.url}{scope['path']}"
        if query:
            url += f"?{urlencode(query)}"
        response = await self._core.upstream.request(
            scope["method"],
            url,
            headers=kept | {"host": registry.host},
            content=body,
        )
        wanted = ("content-type", "docker-", "location", "range")
        shown = [(name, value) for name, value in response.headers.items() if name.startswith(wanted)]
        if scope["method"] == "HEAD":
            shown.append(("content-length", response.headers.get("content-length", "0")))
        return Answer(response.status_code, response.content, shown)


def _parse(path: str, method: str) -> _Path | None:
    match = V2_PATH.fullmatch(path)
    action = _ACTIONS.get((match["kind"], method)) if match else None
    return _Path(action, match["name"], match["rest"]) if match and action else None


def _basic_password(authorization: str) -> str | None:
    """The password in a Basic header whose user is AWS."""
    kind, _, value = authorization.partition(" ")
    try:
        user, _, password = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return password if kind.lower() == "basic" and user == "AWS" else None


def _json(status: int, content: object) -> Answer:
    return Answer(status, json.dumps(content).encode(), [("content-type", "application/json"), _API_VERSION])


def _error(status: int, code: str, message: str) -> Answer:
    return _json(status, {"errors": [{"code": code, "message": message}]})


def _refuse(call: AwsCall, status: int, code: str, message: str) -> Answer:
    """An ordered fault in the form of the registry protocol."""
    call.status, call.error = status, code
    return _error(status, "TOOMANYREQUESTS" if code == "Throttling" else code, message)


def _s3_error(status: int, code: str, message: str) -> Answer:
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return Answer(status, body.encode(), [("content-type", "application/xml")])
