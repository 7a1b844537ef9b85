"""Addresses of container registries: the hosts of Amazon ECR, and valid values of a SERVER secret.

Sources: https://docs.github.com/en/codespaces/reference/allowing-your-codespace-to-access-a-private-registry,
https://docs.aws.amazon.com/general/latest/gr/ecr.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from . import RuleViolation
from .repository_arns import PARTITIONS, check_account, partition_of

DOCKER_HUB = "https://index.docker.io/v1/"
"""The address of Docker Hub, the only registry that docker and GitHub identify by a URL."""

_GITHUB_PAGE = "https://docs.github.com/en/codespaces/reference/allowing-your-codespace-to-access-a-private-registry"
_DOCKER_HUB_HOSTS = {
    "docker.io",
    "hub.docker.com",
    "index.docker.io",
    "registry-1.docker.io",
    "registry.hub.docker.com",
    "www.docker.io",
}
_CLASSIC_HOST = "<12 digits of the account>.dkr.ecr.<region>.amazonaws.com"
_NO_CLASSIC_HOST = (
    "keep a copy of the images in a registry whose host has that form, or publish a token by RegistryLogin with the "
    "user AWS and renew it within its 12 hours"
)
_RECOGNISED_SUFFIXES = ("amazonaws.com", "amazonaws.com.cn")
_ANY_ECR_HOST = re.compile(
    r"(?P<account>\d{12})\.dkr[.-]ecr(?P<fips>-fips)?\.(?P<region>[a-z0-9-]+)\.(?P<suffix>amazonaws\.(?:com(?:\.cn)?|eu)"
    r"|on\.(?:aws|amazonwebservices\.com\.cn)|sc2s\.sgov\.gov|c2s\.ic\.gov|cloud\.adc-e\.uk|csp\.hci\.ic\.gov)"
)
_HOST_LABEL = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
_HOST = re.compile(rf"(?P<name>{_HOST_LABEL}(?:\.{_HOST_LABEL})*)(?::(?P<port>\d{{1,5}}))?")


@dataclass(frozen=True)
class PrivateEcrRegistry:
    """The private ECR registry of an account in a Region.

    Attributes:
        account: the 12 digits of the AWS account.
        region: the Region, such as `eu-west-1`.
        host: the registry's host name, in the form for which GitHub swaps an access key for a token.
        partition: the AWS partition, such as `aws` or `aws-cn`.
    """

    account: str
    region: str
    host: str
    partition: str


def ecr_registry_host(account: str, region: str, partition: str | None = None) -> str:
    """The host name of an account's private ECR registry, in the form for which GitHub swaps an access key for a token.

    Args:
        account: the account's 12 digits.
        region: the Region.
        partition: the partition; derived from the Region's name by default.

    Raises:
        RuleViolation: the account or the Region is malformed, or it is not known that GitHub recognises the Region's
            hosts.
    """
    check_account(account)
    partition = partition or partition_of(region)
    if partition not in PARTITIONS:
        raise RuleViolation("partition", f"partition {partition!r}: must be one of {', '.join(PARTITIONS)}.")
    host = f"{account}.dkr.ecr.{region}.{PARTITIONS[partition][1]}"
    if PARTITIONS[partition][1] not in _RECOGNISED_SUFFIXES:
        raise RuleViolation("region", _not_recognised("region", region, f"the host {host}", _NO_CLASSIC_HOST))
    return host


def parse_ecr_host(server: str, argument: str = "server") -> PrivateEcrRegistry:
    """Parse the host of a private ECR registry that GitHub recognises.

    GitHub documents `<account>.dkr.ecr.<region>.amazonaws.com`; China's `.amazonaws.com.cn` is its exact counterpart.
    FIPS, dual-stack, sovereign and isolated hosts are refused. If GitHub treated such a host as an ordinary registry,
    it would log in with the access key as if it were a password, and every codespace would fail.

    Raises:
        RuleViolation: the server is not an ECR host, or is an ECR host of another form.
    """
    match = _ANY_ECR_HOST.fullmatch(server)
    if not match:
        way_out = f"write {_CLASSIC_HOST}, in lower case, without scheme, port and path"
        if server == "public.ecr.aws":
            way_out = "public images need no login; to log in anyway, use RegistryLogin"
        raise RuleViolation(
            argument,
            f"{argument} {_safe(server)!r} is not the host of a private ECR registry; {way_out} ({_GITHUB_PAGE}).",
        )
    account, region = match["account"], match["region"]
    partition = partition_of(region, argument)
    suffix = PARTITIONS[partition][1]
    classic = f"{account}.dkr.ecr.{region}.{suffix}"
    if suffix not in _RECOGNISED_SUFFIXES:
        raise RuleViolation(argument, _not_recognised(argument, server, "this host", _NO_CLASSIC_HOST))
    if server != classic:
        raise RuleViolation(
            argument, _not_recognised(argument, server, "this host", f"write {classic!r}, which is the same registry")
        )
    return PrivateEcrRegistry(account, region, server, partition)


def _not_recognised(argument: str, value: str, subject: str, way_out: str) -> str:
    return (
        f"{argument} {value!r}: {subject} is not known to be recognised by GitHub, which swaps an access key for a "
        f"login token where SERVER is {_CLASSIC_HOST} ({_GITHUB_PAGE}); {way_out}."
    )


class Service(Enum):
    """A registry service, under its common name."""

    DOCKER_HUB = "Docker Hub"
    GITHUB = "GitHub Container registry"
    AZURE = "Azure Container Registry"
    AMAZON_ECR = "Amazon ECR"
    GOOGLE_CONTAINER_REGISTRY = "Google Container Registry"
    GOOGLE_ARTIFACT_REGISTRY = "Google Artifact Registry"


@dataclass(frozen=True)
class KnownRegistry:
    """A registry service, and the credentials that `docker login` expects there.

    Attributes:
        service: the service.
        hosts: the pattern of its hosts.
        user: the kinds of user name that it accepts, for messages.
        password: the kinds of password that it accepts, for messages.
        source: the page that documents them.
    """

    service: Service
    hosts: re.Pattern[str]
    user: str
    password: str
    source: str

    @property
    def name(self) -> str:
        """The common name of the service."""
        return self.service.value


_GOOGLE_USER = "_json_key, _json_key_base64 for a key in base64, or oauth2accesstoken for an access token"
_GOOGLE_PASSWORD = "the service account's JSON key, or an access token (it lives for an hour)"
KNOWN_REGISTRIES = (
    KnownRegistry(
        Service.DOCKER_HUB,
        re.compile("index.docker.io".replace(".", r"\.")),
        "a Docker ID, or the organization's name for an organization access token",
        "an access token with the permission to read",
        "https://docs.docker.com/security/access-tokens/",
    ),
    KnownRegistry(
        Service.GITHUB,
        re.compile(r"ghcr\.io|containers\.[a-z0-9-]+\.ghe\.com"),
        "the login of the token's owner",
        "a classic personal access token with the scope read:packages",
        "https://docs.github.com/en/packages/working-with-a-github-packages-registry/working-with-the-container-registry",
    ),
    KnownRegistry(
        Service.AZURE,
        re.compile(r"[a-z0-9]+(-[a-z0-9]+)*\.azurecr\.io"),
        "a service principal's application id, a repository-scoped token's name, or the admin user's name",
        "the service principal's secret, the token's password, or the admin user's password",
        "https://learn.microsoft.com/en-us/azure/container-registry/container-registry-authentication",
    ),
    KnownRegistry(
        Service.AMAZON_ECR,
        _ANY_ECR_HOST,
        "an access key id, which GitHub swaps for a token, or AWS for a token of 12 hours",
        "the secret access key, or the token",
        _GITHUB_PAGE,
    ),
    KnownRegistry(
        Service.GOOGLE_CONTAINER_REGISTRY,
        re.compile(r"((us|eu|asia)\.)?gcr\.io"),
        _GOOGLE_USER,
        _GOOGLE_PASSWORD,
        "https://cloud.google.com/artifact-registry/docs/docker/authentication",
    ),
    KnownRegistry(
        Service.GOOGLE_ARTIFACT_REGISTRY,
        re.compile(r"[a-z0-9]+(-[a-z0-9]+)*-docker\.pkg\.dev"),
        _GOOGLE_USER,
        _GOOGLE_PASSWORD,
        "https://cloud.google.com/artifact-registry/docs/docker/authentication",
    ),
)


def known_registry(server: str) -> KnownRegistry | None:
    """The registry service that a server belongs to, or None."""
    host = _canonical(server)
    return next((registry for registry in KNOWN_REGISTRIES if registry.hosts.fullmatch(host)), None)


def service_of(server: str) -> Service | None:
    """The service that a server belongs to, or None."""
    registry = known_registry(server)
    return registry.service if registry else None


def check_server(server: str, argument: str = "server") -> None:
    """Check the value of a SERVER secret: a host with or without a port, or Docker Hub's literal address.

    docker finds a login by comparing the host of an image with the address of the login, letter by letter.

    Raises:
        RuleViolation: a codespace could not use a login to that address. The message leaves out user names and
            passwords in the address.
    """
    if server == DOCKER_HUB:
        return
    bare = _bare(server).lower()
    problem = _server_problem(server, bare)
    if bare.partition(":")[0] in _DOCKER_HUB_HOSTS:
        problem, bare = "docker keeps the login to Docker Hub under one literal address", DOCKER_HUB
    if problem:
        way_out = f"write {bare!r}" if bare == DOCKER_HUB or not _server_problem(bare, bare) else "write its host name"
        raise RuleViolation(argument, f"{argument} {_safe(server)!r}: {problem}; {way_out} ({_GITHUB_PAGE}).")


def same_registry(server_a: str, server_b: str) -> bool:
    """Whether docker would keep a single login for both servers (https://github.com/docker/cli/issues/5582).

    Addresses that differ only in case, scheme, path or the default port mean the same registry, and so do the several
    names of Docker Hub.
    """
    return _canonical(server_a) == _canonical(server_b)


def split_host(image: str) -> tuple[str, str]:
    """Split an image into its registry and the rest, as docker does."""
    host, slash, name = image.partition("/")
    if slash and (host == "localhost" or set(host) & set(".:")):
        return (DOCKER_HUB if same_registry(host, DOCKER_HUB) else host), name
    return DOCKER_HUB, image if slash else f"library/{image}"


def _canonical(server: str) -> str:
    host = _bare(server).lower().removesuffix(":443")
    return "index.docker.io" if host in _DOCKER_HUB_HOSTS else host


def _bare(server: str) -> str:
    without_user = server.strip().rpartition("@")[2]
    without_scheme = re.sub(r"^[A-Za-z][A-Za-z0-9+.-]*://", "", without_user)
    return re.split(r"[/?#]", without_scheme, maxsplit=1)[0]


def _safe(server: str) -> str:
    """A server for a message, without the parts that may hold a password or a token."""
    if "@" in server:
        server = "…@" + server.rpartition("@")[2]
    return re.split(r"[?#]", server, maxsplit=1)[0]


def _server_problem(server: str, bare: str) -> str | None:
    match = _HOST.fullmatch(bare)
    problems = {
        "it is empty": not server.strip(),
        "it contains white space": any(character.isspace() for character in server),
        "a scheme does not belong here": "://" in server,
        "a user name does not belong here": "@" in server,
        "a path does not belong here": any(character in server.rsplit("://", maxsplit=1)[-1] for character in "/?#"),
        "docker compares hosts letter by letter, and images name them in lower case": server != server.lower(),
        "this is not a valid host name": not match,
    }
    problem = next((text for text, applies in problems.items() if applies), None)
    if problem or not match:
        return problem
    if match["port"] is None and "." not in bare and bare != "localhost":
        return "docker reads a name without a dot as part of an image on Docker Hub, not as a registry"
    if match["port"] is not None and not 1 <= int(match["port"]) <= 65535:
        return "a port is a number from 1 to 65535"
    return None
