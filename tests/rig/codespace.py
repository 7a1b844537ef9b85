"""What GitHub does when a codespace starts: it looks for triples of secrets, logs in to their registries, and pulls.

Source: https://docs.github.com/codespaces/reference/allowing-your-codespace-to-access-a-private-registry. What that
page leaves open is decided here and said where it is: the order of logins, and which levels of secrets win.

`start_codespace` does it over the network, with a real `docker login` where there is a docker command. `judge` gives
the same verdict from the state of both clouds, without sockets, for tests that ask after every change.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import tempfile
import weakref
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

import httpx
from typing_extensions import Self

from .aws.oci import MANIFEST_TYPE, MANIFEST_TYPES, Image, build_image, digest_of, parse_image
from .aws.registry import parse_ecr_host

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import TracebackType

    from .aws import LocalAws
    from .github import GitHubStandIn, Repository, Secret, User
    from .github.state import Cloud

Docker = Literal["auto", "cli", "http"]
Puller = Literal["http", "skopeo"]

DOCKER_HUB_SERVER = "https://index.docker.io/v1/"
"""The name under which docker keeps the credentials of Docker Hub."""

_TRIPLE = re.compile(r"(?P<prefix>.+)_CONTAINER_REGISTRY_(?P<part>SERVER|USER|PASSWORD)")
_SWAPPED_SERVER = re.compile(r"\d{12}\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com(\.cn)?")
"""The ECR host names that GitHub's page gives; whether it knows others is not documented."""

_HUB_HOSTS = ("index.docker.io", "docker.io", "registry-1.docker.io")
_COMMAND_SECONDS = 120.0
_REQUEST_SECONDS = 30.0


@dataclass(frozen=True)
class Triple:
    """The three secrets of one registry."""

    prefix: str
    server: str
    user: str
    password: str = field(repr=False)

    @property
    def host(self) -> str:
        """The registry's host name, as it stands in the names of images."""
        return _host(self.server)

    @property
    def is_access_key(self) -> bool:
        """Whether GitHub swaps user and password for a token of ECR."""
        return bool(_SWAPPED_SERVER.fullmatch(self.server)) and self.user != "AWS"


@dataclass(frozen=True)
class Login:
    """How the login with one triple went; `reason` says why it failed."""

    prefix: str
    server: str
    ok: bool
    reason: str = ""


@dataclass(frozen=True)
class Pull:
    """How a pull went; `reason` says why it failed, `digest` what was pulled."""

    ok: bool
    reason: str = ""
    digest: str = ""


class Refused(Exception):
    """A request was refused; the message says why."""


# -- which secrets a codespace gets


def visible_secrets(github: GitHubStandIn | Cloud, repository: str, user: str | None = None) -> dict[str, str]:
    """The Codespaces secrets that a codespace of a repository gets, by name.

    A secret of the repository takes the place of one of the organization with the same name; one of the user takes the
    place of both.

    Args:
        github: the stand-in, or its state.
        repository: `organization/name`.
        user: the owner of the codespace; left out, the codespace has no user's secrets.

    Raises:
        KeyError: the repository does not exist.
    """
    cloud: Any = getattr(github, "cloud", github)
    with cloud.lock:
        found: Repository = cloud.repository(repository)
        home = found.organization
        shared = home.secrets.values() if home.has_codespaces_secrets else ()
        secrets = {secret.name: secret.value for secret in shared if _reaches(secret, found)}
        secrets |= {secret.name: secret.value for secret in found.secrets.values()}
        person: User | None = cloud.users.get(user.lower()) if user else None
        if person:
            secrets |= {
                secret.name: secret.value for secret in person.secrets.values() if found.id in secret.repository_ids
            }
    return secrets


def _reaches(secret: Secret, repository: Repository) -> bool:
    if secret.visibility == "selected":
        return repository.id in secret.repository_ids
    return secret.visibility == "all" or repository.private


def triples(secrets: Mapping[str, str]) -> list[Triple]:
    """The complete triples among secrets, in the order of their prefixes; an empty part is a missing one."""
    parts: dict[str, dict[str, str]] = {}
    for name, value in secrets.items():
        match = _TRIPLE.fullmatch(name)
        if match and value:
            parts.setdefault(match["prefix"], {})[match["part"]] = value
    whole = sorted((prefix, values) for prefix, values in parts.items() if len(values) == 3)
    return [Triple(prefix, values["SERVER"], values["USER"], values["PASSWORD"]) for prefix, values in whole]


def _host(server: str) -> str:
    """The host name that docker takes from a server to log in to."""
    bare = server.partition("://")[2] if "://" in server else server
    host = bare.split("/", 1)[0]
    return "index.docker.io" if host in _HUB_HOSTS else host


def _stored_as(host: str) -> str:
    """The name under which docker keeps the credentials of a host."""
    return DOCKER_HUB_SERVER if host == "index.docker.io" else host


# -- the network around a codespace


@dataclass(frozen=True)
class Network:
    """How a codespace reaches AWS and registries.

    Attributes:
        proxy_url: the proxy for registries; the environment's if None.
        bundle_file: the certificates that programs trust; the system's if None.
        ca_file: those that suffice for requests of this process; `bundle_file` if None.
        ecr_endpoint: of the ECR API; the real one of the Region if None.
        may_swap: whether an access key may do `sts:GetServiceBearerToken` in a Region.
    """

    proxy_url: str | None = None
    bundle_file: Path | None = None
    ca_file: Path | None = None
    ecr_endpoint: str | None = None
    may_swap: Callable[[str, str], bool] = lambda _key, _region: True

    @staticmethod
    def of(aws: LocalAws) -> Network:
        """The network of a local AWS in this process."""
        return Network(
            aws.proxy_url,
            aws.bundle_file,
            aws.ca_file,
            aws.endpoint,
            lambda key, region: aws.allows(key, "sts:GetServiceBearerToken", "*", region),
        )

    @staticmethod
    def of_environment(environment: Mapping[str, str] = os.environ) -> Network:
        """The network that the variables of a local AWS, or of a person's shell, describe."""
        endpoint = environment.get("AWS_ENDPOINT_URL_ECR")
        bundle = environment.get("SSL_CERT_FILE")

        def may_swap(key: str, region: str) -> bool:
            question = {"access_key_id": key, "action": "sts:GetServiceBearerToken", "resource": "*", "region": region}
            response = httpx.post(f"{endpoint}/_rig/allows", json=question, trust_env=False)
            return bool(response.raise_for_status().json()["allowed"])

        return Network(
            environment.get("HTTPS_PROXY"),
            Path(bundle) if bundle else None,
            None,
            endpoint,
            # The real AWS has no call that asks for this permission alone.
            may_swap if endpoint else lambda _key, _region: True,
        )

    @cached_property
    def trust(self) -> ssl.SSLContext:
        """What requests of this process trust."""
        return ssl.create_default_context(cafile=self.ca_file or self.bundle_file)

    def client(self) -> httpx.Client:
        """An HTTP client for registries."""
        return httpx.Client(proxy=self.proxy_url, verify=self.trust, trust_env=False, timeout=_REQUEST_SECONDS)

    def variables(self) -> dict[str, str]:
        """Environment for programs that reach registries."""
        found = {"NO_PROXY": "127.0.0.1,localhost"}
        if self.proxy_url:
            found["HTTPS_PROXY"] = self.proxy_url
        if self.bundle_file:
            found["SSL_CERT_FILE"] = str(self.bundle_file)
        return found


def swap(network: Network, triple: Triple) -> str:
    """Swap an access key for the password of a registry, as GitHub does.

    Raises:
        Refused: AWS does not accept the key, or its user may not.
    """
    sign: Any = import_module("botocore.auth").SigV4Auth
    new_request: Any = import_module("botocore.awsrequest").AWSRequest
    credentials: Any = import_module("botocore.credentials").Credentials
    registry = parse_ecr_host(triple.server)
    assert registry is not None
    request = new_request(
        "POST",
        network.ecr_endpoint or f"https://api.ecr.{registry.region}.amazonaws.com",
        {
            "X-Amz-Target": "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken",
            "Content-Type": "application/x-amz-json-1.1",
        },
        "{}",
    )
    sign(credentials(triple.user, triple.password), "ecr", registry.region).add_auth(request)
    try:
        response = httpx.post(
            f"{request.url}/", headers=dict(request.headers.items()), content=b"{}", timeout=_REQUEST_SECONDS,
            trust_env=network.ecr_endpoint is None, verify=network.trust,
        )  # fmt: skip
    except httpx.HTTPError as error:
        raise Refused(f"ecr:GetAuthorizationToken does not answer ({type(error).__name__})") from None
    if response.status_code != 200:
        code = str(response.status_code)
        with contextlib.suppress(ValueError, LookupError):
            code = response.json()["__type"].rpartition("#")[2]
        raise Refused(f"ecr:GetAuthorizationToken answers {code}")
    if not network.may_swap(triple.user, registry.region):
        raise Refused("sts:GetServiceBearerToken is not allowed")
    token = response.json()["authorizationData"][0]["authorizationToken"]
    return base64.b64decode(token).decode().split(":", 1)[1]


# -- the codespace


class Codespace:
    """A codespace, with the secrets that it got when it started.

    Close it, or use it as a context manager: until then, or until this process ends, its docker configuration is on
    disk.

    Attributes:
        repository: `organization/name`.
        secrets: by name; a codespace keeps them until it is started again.
        logins: how the last round of logins went, one for each triple.
    """

    def __init__(
        self, repository: str, secrets: Mapping[str, str], network: Network, *, docker: Docker = "auto"
    ) -> None:
        """Start it with the secrets given.

        Args:
            repository: `organization/name`.
            secrets: by name.
            network: how it reaches AWS and registries.
            docker: `cli` runs `docker login`, `http` sends the same requests, `auto` takes the command where there is
                one that trusts SSL_CERT_FILE, which on macOS it does not.

        Raises:
            FileNotFoundError: `cli` without a docker command.
        """
        self.repository = repository
        self.secrets = dict(secrets)
        self.logins: list[Login] = []
        self._network = network
        found = shutil.which("docker")
        if docker == "cli" and not found:
            raise FileNotFoundError("docker='cli': there is no docker command on PATH; use docker='http'")
        wanted = docker == "cli" or (docker == "auto" and sys.platform.startswith("linux"))
        self._docker = found if wanted else None
        self._home = Path(tempfile.mkdtemp(prefix="codespace-"))
        self._delete = weakref.finalize(self, shutil.rmtree, self._home, ignore_errors=True)
        self._config = self._home / "config.json"
        # With no entry at all, docker would look for a credential store of the person whose machine this is.
        self._config.write_text(json.dumps({"auths": {"nothing.invalid": {}}}))
        self.resume_login()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Delete it."""
        self._delete()

    def resume_login(self) -> list[Login]:
        """Log in again with the secrets that it has; a login that fails leaves the credentials that were stored."""
        self.logins = [self._login(triple) for triple in triples(self.secrets)]
        return self.logins

    def pull(self, image: str, *, tool: Puller = "http") -> Pull:
        """Pull an image with the credentials that are stored: manifest, configuration and layers, digests verified.

        Args:
            image: `host/repository:tag` or `host/repository@sha256:…`.
            tool: `http` for the requests that docker sends, `skopeo` for that program.

        Raises:
            ValueError: that is not the name of an image.
        """
        try:
            if tool == "skopeo":
                return Pull(True, digest=self._pull_by_skopeo(image))
            return Pull(True, digest=self._pull_by_http(image))
        except Refused as refused:
            return Pull(False, str(refused))

    def push(self, image: str, content: str) -> Pull:
        """Push an image of one text file with the credentials that are stored.

        Args:
            image: `host/repository:tag`.
            content: the text.

        Raises:
            ValueError: that is not the name of an image.
        """
        name, made = parse_image(image), build_image(content)
        with self._network.client() as client:
            registry = _Registry(client, name.host, self._credentials(name.host))
            try:
                registry.ping(name.repository, "pull,push")
                registry.push(name.repository, name.reference, made)
            except Refused as refused:
                return Pull(False, str(refused))
        return Pull(True, digest=made.digest)

    def _login(self, triple: Triple) -> Login:
        try:
            password = triple.password
            if triple.is_access_key:
                password = swap(self._network, triple)
            user = "AWS" if triple.is_access_key else triple.user
            if self._docker:
                self._login_by_docker(triple.server, user, password)
            else:
                self._login_by_http(triple.host, user, password)
        except Refused as refused:
            return Login(triple.prefix, triple.server, ok=False, reason=str(refused))
        return Login(triple.prefix, triple.server, ok=True)

    def _login_by_docker(self, server: str, user: str, password: str) -> None:
        assert self._docker is not None
        self._run([self._docker, "login", "--username", user, "--password-stdin", server], password)

    def _run(self, command: list[str], given: str = "") -> str:
        environment = {
            "PATH": os.environ.get("PATH", ""),
            "HOME": str(self._home),
            "DOCKER_CONFIG": str(self._home),
            # A daemon, where there is one, would log in by itself: with its own proxies, so to the real registry.
            "DOCKER_HOST": "unix:///dev/null/docker.sock",
            **self._network.variables(),
        }
        try:
            done = subprocess.run(
                command, input=given, env=environment, cwd=self._home, capture_output=True, text=True,
                timeout=_COMMAND_SECONDS, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise Refused(f"{Path(command[0]).name} did not end within {_COMMAND_SECONDS:g} s") from None
        if done.returncode != 0:
            said = [line for line in done.stderr.strip().splitlines() if line.strip()]
            raise Refused(said[-1] if said else f"{Path(command[0]).name} ended with {done.returncode}")
        return done.stdout

    def _login_by_http(self, host: str, user: str, password: str) -> None:
        with self._network.client() as client:
            _Registry(client, host, (user, password)).ping()
        stored = json.loads(self._config.read_text())
        value = base64.b64encode(f"{user}:{password}".encode()).decode()
        stored["auths"][_stored_as(host)] = {"auth": value}
        self._config.write_text(json.dumps(stored))

    def _credentials(self, host: str) -> tuple[str, str] | None:
        entry = json.loads(self._config.read_text())["auths"].get(_stored_as(host))
        if not entry:
            return None
        user, _, password = base64.b64decode(entry["auth"]).decode().partition(":")
        return user, password

    def _pull_by_http(self, image: str) -> str:
        name = parse_image(image)
        with self._network.client() as client:
            registry = _Registry(client, name.host, self._credentials(name.host))
            registry.ping(name.repository)
            return registry.pull(name.repository, name.reference)

    def _pull_by_skopeo(self, image: str) -> str:
        skopeo = shutil.which("skopeo")
        if not skopeo:
            raise FileNotFoundError("tool='skopeo': there is no skopeo on PATH; use tool='http'")
        target = self._home / "pulled"
        shutil.rmtree(target, ignore_errors=True)
        self._run([skopeo, "copy", "--authfile", str(self._config), f"docker://{image}", f"dir:{target}"])
        return digest_of((target / "manifest.json").read_bytes())


class _Registry:
    """The requests that docker sends to one registry."""

    def __init__(self, client: httpx.Client, host: str, credentials: tuple[str, str] | None) -> None:
        self._client = client
        self._host = "registry-1.docker.io" if host == "index.docker.io" else host
        self._credentials = credentials
        self._authorization: dict[str, str] = {}

    def ping(self, repository: str | None = None, actions: str = "pull") -> None:
        """Learn how the registry wants credentials, and show them; for a repository where one is named."""
        response = self._get("/v2/")
        if response.status_code == 401:
            self._authorize(response.headers.get("www-authenticate", ""), repository, actions)
            response = self._get("/v2/")
        _check(response, f"login attempt to https://{self._host}/v2/ failed with status: ")

    def pull(self, repository: str, reference: str) -> str:
        """Fetch an image and verify it; gives the digest of its manifest."""
        response = self._get(f"/v2/{repository}/manifests/{reference}", accept=", ".join(MANIFEST_TYPES))
        _check(response)
        digest = digest_of(response.content)
        if reference.startswith("sha256:") and digest != reference:
            raise Refused(f"the manifest of {reference} has the digest {digest}")
        manifest = response.json()
        if "manifests" in manifest:
            return self.pull(repository, manifest["manifests"][0]["digest"])
        for part in (manifest["config"], *manifest["layers"]):
            blob = self._get(f"/v2/{repository}/blobs/{part['digest']}")
            _check(blob)
            if digest_of(blob.content) != part["digest"]:
                raise Refused(f"the blob {part['digest']} has the digest {digest_of(blob.content)}")
        return digest

    def push(self, repository: str, reference: str, image: Image) -> None:
        """Upload an image: each blob to the place that the registry names, then the manifest."""
        for digest, content in image.blobs.items():
            begun = self._send("POST", f"/v2/{repository}/blobs/uploads/", "application/octet-stream", b"")
            _check(begun)
            location = urlsplit(begun.headers["location"])
            query = "&".join(filter(None, [location.query, f"digest={digest}"]))
            _check(self._send("PUT", f"{location.path}?{query}", "application/octet-stream", content))
        _check(self._send("PUT", f"/v2/{repository}/manifests/{reference}", MANIFEST_TYPE, image.manifest))

    def _get(self, path: str, accept: str = "*/*") -> httpx.Response:
        return self._request("GET", path, {"accept": accept})

    def _send(self, method: str, path: str, kind: str, content: bytes) -> httpx.Response:
        return self._request(method, path, {"content-type": kind}, content)

    def _request(self, method: str, path: str, headers: Mapping[str, str], content: bytes = b"") -> httpx.Response:
        url, given = f"https://{self._host}{path}", {**headers, **self._authorization}
        try:
            return self._client.request(method, url, headers=given, content=content, follow_redirects=True)
        except httpx.HTTPError as error:
            raise Refused(f"{self._host} does not answer ({type(error).__name__}: {error})") from None

    def _authorize(self, challenge: str, repository: str | None, actions: str) -> None:
        kind, _, rest = challenge.partition(" ")
        if self._credentials is None and kind.lower() == "basic":
            raise Refused(f"no basic auth credentials for {self._host}")
        basic = httpx.BasicAuth(*self._credentials) if self._credentials else None
        if kind.lower() == "basic" and basic:
            request = next(basic.auth_flow(httpx.Request("GET", f"https://{self._host}")))
            self._authorization = {"authorization": request.headers["authorization"]}
            return
        fields: dict[str, str] = dict(re.findall(r'(\w+)="([^"]*)"', rest))
        realm = fields.get("realm", "")
        if kind.lower() != "bearer" or urlsplit(realm).scheme != "https":
            raise Refused(f"{self._host} asks for credentials in a way docker does not know: {kind or 'not at all'}")
        query = {"service": fields.get("service", "")}
        if repository:
            query["scope"] = f"repository:{repository}:{actions}"
        try:
            response = self._client.get(realm, params=query, auth=basic)
        except httpx.HTTPError as error:
            raise Refused(f"{realm} does not answer ({type(error).__name__})") from None
        _check(response, f"{realm} answers ")
        self._authorization = {"authorization": f"Bearer {response.json()['token']}"}


def _check(response: httpx.Response, prefix: str = "") -> None:
    if response.status_code in (200, 201, 202):
        return
    said = f"{response.status_code} {response.reason_phrase}"
    with contextlib.suppress(ValueError, LookupError, TypeError):
        said += f": {response.json()['errors'][0]['message']}"
    raise Refused(f"{prefix}{said}")


def start_codespace(
    github: GitHubStandIn | Cloud, aws: LocalAws, repository: str, *, user: str | None = None, docker: Docker = "auto"
) -> Codespace:
    """Start a codespace of a repository.

    Args:
        github: the stand-in, or its state.
        aws: the local AWS.
        repository: `organization/name`.
        user: whose codespace it is, for secrets of a user.
        docker: see `Codespace`.

    Raises:
        KeyError: the repository does not exist.
    """
    return Codespace(repository, visible_secrets(github, repository, user), Network.of(aws), docker=docker)


# -- the same verdict without sockets


def judge(
    github: GitHubStandIn | Cloud, aws: LocalAws, repository: str, image: str, *, user: str | None = None
) -> Pull:
    """Whether a codespace of a repository that started now could pull an image.

    It sends nothing: the same questions go straight to MiniStack's policies, and what was answered is remembered until
    AWS changes. Faults that were ordered do not strike it.
    """
    return judge_secrets(visible_secrets(github, repository, user), aws, image)


def judge_secrets(secrets: Mapping[str, str], aws: LocalAws, image: str) -> Pull:
    """The same for a codespace that has these secrets, which may have started long ago, and logs in now."""
    name = parse_image(image)
    candidates = [triple for triple in triples(secrets) if triple.host == name.host]
    if not candidates:
        return Pull(False, f"no basic auth credentials for {name.host}")
    verdict = Pull(False)
    for triple in candidates:
        try:
            # Docker keeps the last login that worked.
            verdict = _judge_triple(triple, aws, name.repository, name.reference)
        except _LoginRefused as refused:
            verdict = verdict if verdict.ok or verdict.reason else Pull(False, str(refused))
    return verdict


class _LoginRefused(Refused):
    """The login failed, so docker keeps what it had."""


def _judge_triple(triple: Triple, aws: LocalAws, repository: str, reference: str) -> Pull:
    registry = parse_ecr_host(triple.host)
    if registry is None:
        return _judge_plain(triple, aws, repository, reference)
    key, secret, needed = triple.user, triple.password, ["ecr:GetAuthorizationToken", "sts:GetServiceBearerToken"]
    if not triple.is_access_key:
        key, secret, needed = aws.token_owner(registry, triple.user, triple.password), None, []
        if not key:
            raise _LoginRefused(f"login attempt to https://{triple.host}/v2/ failed with status: 401 Unauthorized")
    arn = registry.repository_arn(repository)
    asked = [*((action, "*") for action in needed), ("ecr:BatchGetImage", arn), ("ecr:GetDownloadUrlForLayer", arn)]
    said = aws.authorize(key, [(action, resource, registry.region, {}) for action, resource in asked], secret)
    if said.refused:
        raise _LoginRefused(f"ecr:GetAuthorizationToken answers {said.refused}")
    for (action, resource), decision in zip(asked, said.decisions, strict=True):
        if decision != "Allow":
            text = f"{said.principal} may not {action} on {resource} ({decision})"
            if resource == "*":
                raise _LoginRefused(text)
            return Pull(False, text)
    found = aws.find_image(registry, repository, reference)
    if found is None:
        return Pull(False, f"{triple.host}/{repository} has no image {reference}")
    if found.broken:
        return Pull(False, f"{triple.host}/{repository}@{found.digest} is broken: {', '.join(found.broken)}")
    return Pull(True, digest=found.digest)


def _judge_plain(triple: Triple, aws: LocalAws, repository: str, reference: str) -> Pull:
    registry = aws.registries.find(triple.host)
    if registry is None:
        raise _LoginRefused(f"there is no registry {triple.host}")
    if not registry.accepts(triple.user, triple.password):
        raise _LoginRefused(f"login attempt to https://{triple.host}/v2/ failed with status: 401 Unauthorized")
    if not registry.may_use(repository):
        return Pull(False, f"{triple.user} may not read {triple.host}/{repository}")
    found = registry.find_image(repository, reference)
    if found is None:
        return Pull(False, f"{triple.host}/{repository} has no image {reference}")
    digest, broken = found
    return Pull(False, f"{triple.host}/{repository}@{digest} is broken") if broken else Pull(True, digest=digest)


# -- as a program


def main(arguments: Iterable[str] | None = None) -> int:
    """Start a codespace in this process and pull images; 0 if all of them could be pulled, 1 if not."""
    parser = argparse.ArgumentParser(prog="python -m rig.codespace", description=_PROGRAM)
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--github", metavar="URL", help="of the GitHub stand-in; needs --repository")
    source.add_argument("--secrets", metavar="FILE", type=Path, help="a JSON object of secrets by name; - for stdin")
    parser.add_argument("--repository", metavar="ORGANIZATION/NAME", help="whose codespace it is")
    parser.add_argument("--user", help="for secrets of a user")
    parser.add_argument("--docker", choices=("auto", "cli", "http"), default="auto", help="how to log in")
    parser.add_argument("--tool", choices=("http", "skopeo"), default="http", help="how to pull")
    parser.add_argument("images", metavar="IMAGE", nargs="*", help="what to pull after the logins")
    given = parser.parse_args(None if arguments is None else list(arguments))
    if given.github:
        if not given.repository:
            parser.error("--github needs --repository ORGANIZATION/NAME")
        secrets = visible_secrets(_state_of(given.github), given.repository, given.user)
    elif given.secrets:
        secrets = json.loads(sys.stdin.read() if str(given.secrets) == "-" else given.secrets.read_text())
    else:
        secrets = {name: value for name, value in os.environ.items() if _TRIPLE.fullmatch(name)}
    repository = given.repository or "a codespace"
    failed = False
    with Codespace(repository, secrets, Network.of_environment(), docker=given.docker) as codespace:
        if not codespace.logins:
            print(f"{repository}: no registry credentials among {len(secrets)} secrets")
        for login in codespace.logins:
            print(f"{repository}: login to {login.server} ({login.prefix}): {login.reason or 'ok'}")
        for image in given.images:
            pull = codespace.pull(image, tool=given.tool)
            failed |= not pull.ok
            outcome = pull.reason or f"ok, {pull.digest}"
            print(f"{repository}: pull {image}: {outcome}")
    return 1 if failed else 0


_PROGRAM = """
Do what GitHub does when a codespace starts. The secrets come from the GitHub stand-in, from a file, or, as inside a
real codespace, from environment variables named *_CONTAINER_REGISTRY_SERVER, _USER and _PASSWORD. AWS and registries
are reached as AWS_ENDPOINT_URL_ECR, HTTPS_PROXY and SSL_CERT_FILE say.
"""


def _state_of(url: str) -> Cloud:
    """The state of a stand-in in another process."""
    from .github.state import Cloud

    answer = httpx.get(f"{url.rstrip('/')}/_rig/state", params={"values": "1"}, trust_env=False)
    seed: Any = answer.raise_for_status().json()
    cloud = Cloud()
    cloud.seed(seed)
    return cloud


if __name__ == "__main__":
    sys.exit(main())
