"""Registries that are not ECR: a user and a password open them, as `docker login` sends them.

Some ask for the password with every call (Basic), some only for a token that is good for a few minutes (Bearer).
Sources: https://distribution.github.io/distribution/spec/api/ and
https://distribution.github.io/distribution/spec/auth/token/.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import re
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qsl

from .api import Answer
from .calls import AwsCall
from .oci import MANIFEST_TYPE, Image, build_image, digest_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .core import Core
    from .serving import Scope

Challenge = Literal["basic", "bearer"]

_DOCKER_HUB = ("index.docker.io", "registry-1.docker.io", "docker.io", "auth.docker.io")
_TOKEN_LIFETIME = timedelta(minutes=5)
_TOKEN_PATH = "/token"
_V2 = re.compile(r"/v2/(?P<name>[a-z0-9][a-z0-9._/-]*)/(?P<kind>manifests|blobs/uploads|blobs|tags)/(?P<rest>.*)")
_API_VERSION = ("docker-distribution-api-version", "registry/2.0")


@dataclass
class _Repository:
    manifests: dict[str, tuple[bytes, str]] = field(default_factory=dict[str, tuple[bytes, str]])
    tags: dict[str, str] = field(default_factory=dict[str, str])
    blobs: dict[str, bytes] = field(default_factory=dict[str, bytes])
    uploads: dict[str, bytearray] = field(default_factory=dict[str, bytearray])


@dataclass
class PlainRegistry:
    """A registry with one user, or more of the same rights.

    Attributes:
        host: its name, as it stands in the names of images.
        others: further users and their passwords.
        password: change it to make the one before worthless.
        repositories: the names that the user may read and write; None for all.
        challenge: how it asks for credentials.
        read_only: whether it refuses every push, as to a user who may only pull.
    """

    host: str
    user: str
    password: str = field(repr=False)
    repositories: frozenset[str] | None
    challenge: Challenge
    _names: tuple[str, ...]
    others: dict[str, str] = field(default_factory=dict[str, str], repr=False)
    read_only: bool = False
    _content: dict[str, _Repository] = field(default_factory=dict[str, _Repository], repr=False)
    _tokens: dict[str, tuple[frozenset[str], str, datetime]] = field(
        default_factory=dict[str, tuple[frozenset[str], str, datetime]], repr=False
    )

    def push_image(self, repository: str, tag: str = "latest", content: str | None = None) -> Image:
        """Put an image there.

        Args:
            repository: its name, which need not be one of those that the user may read.
            tag: the tag that leads to it.
            content: of the one file in it; the image's name if left out.
        """
        image = build_image(content or f"{self.host}/{repository}:{tag}\n")
        stored = self._content.setdefault(repository, _Repository())
        stored.blobs.update(image.blobs)
        stored.manifests[image.digest] = (image.manifest, MANIFEST_TYPE)
        stored.tags[tag] = image.digest
        return image

    def names(self) -> tuple[str, ...]:
        """All host names that it answers to."""
        return self._names

    def accepts(self, user: str, password: str) -> bool:
        """Whether these are the credentials."""
        expected = {**self.others, self.user: self.password}.get(user, "")
        return bool(expected) and hmac.compare_digest(expected.encode(), password.encode())

    def may_use(self, repository: str) -> bool:
        """Whether the user may read and write a repository."""
        return self.repositories is None or repository in self.repositories

    def find_image(self, repository: str, reference: str) -> tuple[str, list[str]] | None:
        """An image's digest, and the digests of its parts that are missing or broken; None where there is none."""
        stored = self._content.get(repository)
        digest = stored.tags.get(reference, reference) if stored else ""
        if stored is None or digest not in stored.manifests:
            return None
        content = stored.manifests[digest][0]
        if digest_of(content) != digest:
            return digest, [digest]
        manifest = json.loads(content)
        wanted = [manifest["config"]["digest"], *(layer["digest"] for layer in manifest["layers"])]
        return digest, [one for one in wanted if one not in stored.blobs or digest_of(stored.blobs[one]) != one]

    # -- the registry protocol

    def answer(self, host: str, scope: Scope, headers: dict[str, str], body: bytes, call: AwsCall) -> Answer:
        """Answer one request."""
        path, method = scope["path"], scope["method"]
        query = dict(parse_qsl(scope["query_string"].decode(), keep_blank_values=True))
        if path == _TOKEN_PATH and self.challenge == "bearer":
            call.action = "Token"
            return self._token(headers, parse_qsl(scope["query_string"].decode()))
        match = _V2.fullmatch(path)
        if match:
            call.action = f"{method} {match['kind']}"
            call.parameters |= {"repositoryName": match["name"], "reference": match["rest"]}
        repository = match["name"] if match else None
        refused = self._refusal(host, headers.get("authorization", ""), repository, method)
        if refused:
            return refused
        if path in ("/v2", "/v2/", "/v1/"):
            return _json(200, {})
        if match is None:
            return _error(404, "UNSUPPORTED", "no such path")
        reads = method in ("GET", "HEAD")
        if self.read_only and not reads:
            return _error(403, "DENIED", "requested access to the resource is denied")
        stored = self._content.get(match["name"]) if reads else self._content.setdefault(match["name"], _Repository())
        if stored is None:
            return _error(404, "NAME_UNKNOWN", "repository name not known to registry")
        if match["kind"] == "manifests":
            return _manifest(stored, match["name"], match["rest"], method, headers, body)
        if match["kind"] == "tags":
            return _json(200, {"name": match["name"], "tags": sorted(stored.tags)})
        if match["kind"] == "blobs/uploads":
            return _upload(stored, match["name"], match["rest"].strip("/"), method, query, body)
        blob = stored.blobs.get(match["rest"])
        if blob is None:
            return _error(404, "BLOB_UNKNOWN", "blob unknown to registry")
        return _content(blob, "application/octet-stream", match["rest"])

    def _refusal(self, host: str, authorization: str, repository: str | None, method: str) -> Answer | None:
        kind, _, value = authorization.partition(" ")
        if self.challenge == "basic":
            user, password = _basic(authorization)
            if not self.accepts(user, password):
                return _unauthorized(f'Basic realm="{host}"')
            if repository is not None and not self.may_use(repository):
                return _error(403, "DENIED", "requested access to the resource is denied")
            return None
        realm = "auth.docker.io" if self._names == _DOCKER_HUB else self.host
        service = "registry.docker.io" if self._names == _DOCKER_HUB else self.host
        challenge = f'Bearer realm="https://{realm}{_TOKEN_PATH}",service="{service}"'
        actions = "pull" if method in ("GET", "HEAD") else "pull,push"
        if repository is not None:
            challenge += f',scope="repository:{repository}:{actions}"'
        granted, password, expires = self._tokens.get(
            value, (frozenset[str](), "", datetime.min.replace(tzinfo=timezone.utc))
        )
        if kind.lower() != "bearer" or password != self.password or datetime.now(timezone.utc) >= expires:
            return _unauthorized(challenge)
        if repository is not None and repository not in granted:
            return _unauthorized(f'{challenge},error="insufficient_scope"')
        return None

    def _token(self, headers: dict[str, str], query: list[tuple[str, str]]) -> Answer:
        """A token for those of the scopes asked for that the user may have."""
        user, password = _basic(headers.get("authorization", ""))
        if not self.accepts(user, password):
            return _error(401, "UNAUTHORIZED", "incorrect username or password")
        asked = [value.split(":")[1] for name, value in query if name == "scope" and value.count(":") >= 2]
        granted = frozenset(one for one in asked if self.may_use(one))
        token, now = secrets.token_urlsafe(48), datetime.now(timezone.utc)
        self._tokens[token] = (granted, self.password, now + _TOKEN_LIFETIME)
        content = {
            "token": token,
            "access_token": token,
            "expires_in": int(_TOKEN_LIFETIME.total_seconds()),
            "issued_at": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        return _json(200, content)


class PlainRegistries:
    """The registries that were added."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._by_name: dict[str, PlainRegistry] = {}

    def add(
        self,
        host: str,
        user: str,
        password: str,
        repositories: Iterable[str] | None = None,
        *,
        challenge: Challenge | None = None,
    ) -> PlainRegistry:
        """Put a registry behind the proxy.

        Args:
            host: e.g. `acme.azurecr.io`; `index.docker.io` stands for all names of Docker Hub.
            user: who may log in.
            password: with which.
            repositories: the names that the user may read and write; all if left out. An image is put into each.
            challenge: `basic` or `bearer`; left out, Docker Hub and ghcr.io are `bearer`, all others `basic`.
        """
        names = _DOCKER_HUB if host in _DOCKER_HUB else (host,)
        bearer = names == _DOCKER_HUB or host == "ghcr.io"
        allowed = None if repositories is None else frozenset(repositories)
        registry = PlainRegistry(
            names[0], user, password, allowed, challenge or ("bearer" if bearer else "basic"), names
        )
        for repository in sorted(allowed or ()):
            registry.push_image(repository)
        for name in names:
            self._by_name[name] = registry
        return registry

    def find(self, host: str) -> PlainRegistry | None:
        """The registry that answers to a host name."""
        return self._by_name.get(host)

    def answer(self, host: str, scope: Scope, headers: dict[str, str], body: bytes) -> Answer:
        """Answer a request for one of them."""
        registry = self.find(host)
        if registry is None:
            return Answer(421, f"{host}: no such registry here\n".encode(), [("content-type", "text/plain")])
        call = AwsCall(self._core.now(), "registry", "Login", parameters={"host": registry.host})
        self._core.registry_requests.append(call)
        answer = registry.answer(host, scope, headers, body, call)
        call.status = answer.status
        return answer


def _manifest(
    stored: _Repository, name: str, reference: str, method: str, headers: dict[str, str], body: bytes
) -> Answer:
    if method == "PUT":
        digest = digest_of(body)
        if reference.startswith("sha256:") and reference != digest:
            return _error(400, "DIGEST_INVALID", "provided digest did not match uploaded content")
        stored.manifests[digest] = (body, headers.get("content-type", MANIFEST_TYPE))
        if not reference.startswith("sha256:"):
            stored.tags[reference] = digest
        return _created(f"/v2/{name}/manifests/{digest}", digest)
    digest = stored.tags.get(reference, reference)
    if digest not in stored.manifests:
        return _error(404, "MANIFEST_UNKNOWN", "manifest unknown")
    content, media_type = stored.manifests[digest]
    return _content(content, media_type, digest)


def _upload(stored: _Repository, name: str, upload: str, method: str, query: dict[str, Any], body: bytes) -> Answer:
    if method == "POST":
        upload = secrets.token_hex(16)
        stored.uploads[upload] = bytearray()
    elif upload not in stored.uploads:
        return _error(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")
    if method == "DELETE":
        del stored.uploads[upload]
        return Answer(204, b"", [_API_VERSION])
    held = stored.uploads[upload]
    held += body
    digest = query.get("digest")
    if method in ("POST", "PUT") and digest:
        del stored.uploads[upload]
        if digest_of(bytes(held)) != digest:
            return _error(400, "DIGEST_INVALID", "provided digest did not match uploaded content")
        stored.blobs[digest] = bytes(held)
        return _created(f"/v2/{name}/blobs/{digest}", digest)
    location = [("location", f"/v2/{name}/blobs/uploads/{upload}"), ("range", f"0-{max(len(held) - 1, 0)}")]
    return Answer(202, b"", [*location, ("docker-upload-uuid", upload), _API_VERSION])


def _basic(authorization: str) -> tuple[str, str]:
    kind, _, value = authorization.partition(" ")
    try:
        user, _, password = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return (user, password) if kind.lower() == "basic" else ("", "")


def _unauthorized(challenge: str) -> Answer:
    answer = _error(401, "UNAUTHORIZED", "authentication required")
    answer.headers.append(("www-authenticate", challenge))
    return answer


def _created(location: str, digest: str) -> Answer:
    return Answer(201, b"", [("location", location), ("docker-content-digest", digest), _API_VERSION])


def _content(content: bytes, media_type: str, digest: str) -> Answer:
    headers = [("content-type", media_type), ("docker-content-digest", digest), _API_VERSION]
    return Answer(200, content, headers)


def _json(status: int, content: object) -> Answer:
    return Answer(status, json.dumps(content).encode(), [("content-type", "application/json"), _API_VERSION])


def _error(status: int, code: str, message: str) -> Answer:
    return _json(status, {"errors": [{"code": code, "message": message}]})
