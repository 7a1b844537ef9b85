"""Logging in and reading manifests, at registries that ask for the password and at such that ask for a token."""

from __future__ import annotations

import asyncio
import functools
from typing import TYPE_CHECKING

import httpx
import pytest

from pulumi_codespaces.clients.errors import CloudError
from pulumi_codespaces.clients.registry import NO_SUCH_IMAGE, RegistryCredentials, split_image, try_login
from pulumi_codespaces.rules.registries import DOCKER_HUB
from rig.aws import LocalAws

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

PASSWORD = "CANARY-password"
HOSTS = ["acme.azurecr.io", "ghcr.io", "index.docker.io"]


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalAws]:
    with LocalAws() as aws:
        for host in HOSTS:
            aws.registries.add(host, "user", PASSWORD, ["team/app"]).push_image("team/secret")
        yield aws


@pytest.fixture
def network(aws: LocalAws, monkeypatch: pytest.MonkeyPatch) -> LocalAws:
    for name, value in aws.environment.items():
        monkeypatch.setenv(name, value)
    aws.clear_requests()
    return aws


def login(server: str = HOSTS[0], password: str = PASSWORD, images: Sequence[str] = ()) -> str:
    """Log in; gives what was wrong."""
    try:
        asyncio.run(try_login(RegistryCredentials(server, "user", password), images))
    except CloudError as error:
        problem = f"{error} [{error.status}]"
    else:
        problem = ""
    assert password not in problem
    return problem


@pytest.mark.parametrize("server", [*HOSTS[:2], DOCKER_HUB])
def test_registries_of_every_kind(network: LocalAws, server: str) -> None:
    del network
    assert login(server) == ""
    assert login(server, images=["team/app", "team/app:latest"]) == ""
    refused = login(server, "wrong")
    assert refused.startswith(f"the registry {server} refuses the login (401")
    assert refused.endswith("[401]")
    missing = login(server, images=["team/app:missing"])
    assert missing == (
        f"reading team/app:missing from {server} is refused: the image does not exist; probe_images must list "
        f"existing images [{NO_SUCH_IMAGE}]"
    )
    assert login(server, images=["team/app", "team/secret"]).startswith(f"reading team/secret from {server} is refused")


def test_a_registry_that_is_not_there(network: LocalAws) -> None:
    refused = login("gone.azurecr.io")
    assert refused == "the registry gone.azurecr.io does not answer (ProxyError) [0]"
    assert network.refused_hosts.pop() == "gone.azurecr.io:443"


@pytest.mark.parametrize(
    ("image", "parts"),
    [
        ("team/app", ("team/app", "latest")),
        ("team/app:v1", ("team/app", "v1")),
        ("team/app@sha256:0a", ("team/app", "sha256:0a")),
        ("team/app:v1@sha256:0a", ("team/app", "sha256:0a")),
    ],
)
def test_image_references(image: str, parts: tuple[str, str]) -> None:
    assert split_image(image) == parts


def answering(monkeypatch: pytest.MonkeyPatch, answer: Callable[[httpx.Request], httpx.Response]) -> None:
    """Registries that nobody runs: every request is answered by a function."""
    transport = httpx.MockTransport(answer)
    monkeypatch.setattr(httpx, "AsyncClient", functools.partial(httpx.AsyncClient, transport=transport))


@pytest.mark.parametrize(
    ("realm", "token", "message"),
    [
        (
            "http://auth.example/token",
            {"token": "t"},
            "the address of its token service, 'http://auth.example/token', does not begin with https",
        ),
        (
            "https://auth.example/token",
            {"other": 1},
            "its token service https://auth.example/token answers without a token",
        ),
        ("https://auth.example/token", [], "its token service https://auth.example/token answers without a token"),
        ("https://auth.example/token", None, "its token service https://auth.example/token answers without a token"),
    ],
)
def test_token_services_that_are_no_use(
    monkeypatch: pytest.MonkeyPatch, realm: str, token: object, message: str
) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/token":
            return httpx.Response(200, text="<html>") if token is None else httpx.Response(200, json=token)
        return httpx.Response(401, headers={"www-authenticate": f'Bearer realm="{realm}",service="s"'})

    answering(monkeypatch, answer)
    assert login("registry.example") == f"the registry registry.example refuses the login: {message} [0]"


def test_a_token_is_asked_for_with_the_right_of_each_image(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, str]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/token":
            asked.append(dict(request.url.params))
            return httpx.Response(200, json={"access_token": "good"})
        if request.headers["authorization"] == "Bearer good":
            return httpx.Response(200, json={})
        return httpx.Response(401, headers={"WWW-Authenticate": 'Bearer realm="https://a.example/token",service="s"'})

    answering(monkeypatch, answer)
    assert login("registry.example", images=["team/app:v1"]) == ""
    assert asked == [
        {"service": "s", "account": "user"},
        {"service": "s", "account": "user", "scope": "repository:team/app:pull"},
    ]


def test_credentials_do_not_follow_a_redirection_to_another_host(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, str | None] = {}

    def answer(request: httpx.Request) -> httpx.Response:
        seen[request.url.host] = request.headers.get("authorization")
        if request.url.host == "registry.example":
            return httpx.Response(307, headers={"location": "https://elsewhere.example/v2/"})
        return httpx.Response(200, json={})

    answering(monkeypatch, answer)
    assert login("registry.example") == ""
    assert seen["registry.example"] is not None
    assert seen["elsewhere.example"] is None


def test_a_login_does_not_show_its_password() -> None:
    assert PASSWORD not in repr(RegistryCredentials("ghcr.io", "user", PASSWORD))
