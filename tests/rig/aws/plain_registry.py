"""Registries that are not ECR: Distribution, behind the doors of the registries that it stands for.

Some ask for the password with every call (Basic): the door here looks at it. Some only for a token that is good for a
few minutes (Bearer): Distribution itself asks for tokens and looks at them, and they are handed out here.
Source: https://distribution.github.io/distribution/spec/auth/token/.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import threading
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Literal
from urllib.parse import parse_qsl

from .api import Answer
from .calls import AwsCall
from .distribution import TOKEN_LIFETIME_SECONDS, Access, Content, Distribution
from .oci import Image, build_image
from .registry import V2_PATH

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from .core import Core
    from .serving import Scope

Challenge = Literal["basic", "bearer"]

_DOCKER_HUB = ("index.docker.io", "registry-1.docker.io", "docker.io", "auth.docker.io")
_TOKEN_PATH = "/token"
_READING = ("pull",)
_FORWARDED = ("accept", "content-type", "content-range", "range")
_RETURNED = ("content-type", "content-range", "docker-", "location", "range", "link", "www-authenticate")


@dataclass
class PlainRegistry:
    """A registry with one user, or more of the same rights.

    Attributes:
        host: its name, as it stands in the names of images.
        others: further users and their passwords.
        password: change it to make the one before worthless.
        repositories: the names that the user may read and write; None for all.
        challenge: how it asks for credentials.
        content: what it holds.
        read_only: whether it refuses every push, as to a user who may only pull.
    """

    host: str
    user: str
    password: str = field(repr=False)
    repositories: frozenset[str] | None
    challenge: Challenge
    service: str
    content: Content
    _distribution: Distribution = field(repr=False)
    others: dict[str, str] = field(default_factory=dict[str, str], repr=False)
    read_only: bool = False

    def push_image(self, repository: str, tag: str = "latest", content: str | None = None) -> Image:
        """Put an image there.

        Args:
            repository: its name, which need not be one of those that the user may read.
            tag: the tag of the image.
            content: of the one file in it; the image's name if left out.
        """
        image = build_image(content or f"{self.host}/{repository}:{tag}\n")
        token = self._distribution.signer.sign(self.service, "rig", [(repository, ("pull", "push"))])
        self._distribution.push(self.host, repository, tag, image, token)
        return image

    def accepts(self, user: str, password: str) -> bool:
        """Whether these are the credentials."""
        expected = {**self.others, self.user: self.password}.get(user, "")
        return bool(expected) and hmac.compare_digest(expected.encode(), password.encode())

    def may_use(self, repository: str) -> bool:
        """Whether the user may read and write a repository."""
        return self.repositories is None or repository in self.repositories

    def find_image(self, repository: str, reference: str) -> tuple[str, list[str]] | None:
        """An image's digest, and the digests of its parts that are missing or broken; None without the image."""
        return self.content.find_image(repository, reference)

    # -- its doors

    def refusal(self, repository: str | None, method: str, authorization: str) -> Answer | None:
        """Why a registry that asks for the password refuses a request."""
        if not self.accepts(*_basic(authorization)):
            answer = _error(401, "UNAUTHORIZED", "authentication required")
            answer.headers.append(("www-authenticate", f'Basic realm="{self.host}"'))
            return answer
        writes = self.read_only and method not in ("GET", "HEAD")
        if repository is not None and (writes or not self.may_use(repository)):
            return _error(403, "DENIED", "requested access to the resource is denied")
        return None

    def token(self, authorization: str, query: str) -> Answer:
        """A token for the requested scopes that the user may have."""
        user, password = _basic(authorization)
        if not self.accepts(user, password):
            return _error(401, "UNAUTHORIZED", "incorrect username or password")
        scopes = [scope.split(":") for name, value in parse_qsl(query) if name == "scope" for scope in value.split()]
        accesses: list[Access] = [
            (scope[1], _READING if self.read_only else tuple(scope[2].split(",")))
            for scope in scopes
            if len(scope) == 3 and self.may_use(scope[1])
        ]
        token = self._distribution.signer.sign(self.service, user, accesses)
        content = {
            "token": token,
            "access_token": token,
            "expires_in": TOKEN_LIFETIME_SECONDS,
            "issued_at": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        return _json(200, content)


class PlainRegistries:
    """The registries that were added."""

    def __init__(self, core: Core, folder: Path) -> None:
        self._core = core
        self._distribution = Distribution(folder)
        self._adding = threading.Lock()
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
        hub = host in _DOCKER_HUB
        names = _DOCKER_HUB if hub else (host,)
        challenge = challenge or ("bearer" if hub or host == "ghcr.io" else "basic")
        realm = f"https://{'auth.docker.io' if hub else host}{_TOKEN_PATH}" if challenge == "bearer" else ""
        service = "registry.docker.io" if hub else host
        allowed = None if repositories is None else frozenset(repositories)
        with self._adding:
            content = self._distribution.add(names[0], realm=realm, service=service)
        registry = PlainRegistry(names[0], user, password, allowed, challenge, service, content, self._distribution)
        for repository in sorted(allowed or ()):
            registry.push_image(repository)
        for name in names:
            self._by_name[name] = registry
        return registry

    def find(self, host: str) -> PlainRegistry | None:
        """The registry that answers to a host name."""
        return self._by_name.get(host)

    def close(self) -> None:
        """End the process that serves them."""
        self._distribution.close()

    async def answer(self, host: str, scope: Scope, headers: dict[str, str], body: bytes) -> Answer:
        """Answer a request for one of them."""
        registry = self.find(host)
        if registry is None:
            return Answer(421, f"{host}: no such registry here\n".encode(), [("content-type", "text/plain")])
        call = AwsCall(self._core.now(), "registry", "Login", parameters={"host": registry.host})
        self._core.registry_requests.append(call)
        answer = await self._answer(registry, scope, headers, body, call)
        call.status = answer.status
        return answer

    async def _answer(
        self, registry: PlainRegistry, scope: Scope, headers: dict[str, str], body: bytes, call: AwsCall
    ) -> Answer:
        path, method, query = scope["path"], scope["method"], scope["query_string"].decode()
        authorization = headers.get("authorization", "")
        if path == _TOKEN_PATH and registry.challenge == "bearer":
            call.action = "Token"
            return registry.token(authorization, query)
        match = V2_PATH.fullmatch(path)
        if match:
            call.action = f"{method} {match['kind']}"
            call.parameters |= {"repositoryName": match["name"], "reference": match["rest"]}
        kept = {name: headers[name] for name in _FORWARDED if name in headers} | {"host": registry.host}
        if registry.challenge == "bearer":
            kept["authorization"] = authorization
        else:
            refused = registry.refusal(match["name"] if match else None, method, authorization)
            if refused:
                return refused
        url = f"{self._distribution.url}{path}"
        if query:
            url += f"?{query}"
        response = await self._core.upstream.request(method, url, headers=kept, content=body)
        shown = [(name, value) for name, value in response.headers.items() if name.startswith(_RETURNED)]
        if method == "HEAD":
            shown.append(("content-length", response.headers.get("content-length", "0")))
        return Answer(response.status_code, response.content, shown)


def _basic(authorization: str) -> tuple[str, str]:
    kind, _, value = authorization.partition(" ")
    try:
        user, _, password = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return (user, password) if kind.lower() == "basic" else ("", "")


def _json(status: int, content: object) -> Answer:
    return Answer(status, json.dumps(content).encode(), [("content-type", "application/json")])


def _error(status: int, code: str, message: str) -> Answer:
    return _json(status, {"errors": [{"code": code, "message": message}]})
