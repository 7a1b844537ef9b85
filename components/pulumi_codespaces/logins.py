"""Credentials for the registries in GitHub's guide, in the form that each registry expects.

Each function returns arguments for a `RegistryLogin`:

    codespaces.RegistryLogin("acr", {
        **codespaces.azure_container_registry("acme", user=token.name, password=token_password.value),
        "selected_repositories": ["web"],
    })
"""

from __future__ import annotations

from typing import TypedDict

import pulumi

from .errors import refusing
from .rules import RuleViolation
from .rules.registries import DOCKER_HUB, Service, service_of
from .rules.registry_logins import GOOGLE_KEY_USER, one_line_key


class Login(TypedDict):
    """A registry and the credentials for it: a part of `RegistryLoginArgs`."""

    server: pulumi.Input[str]
    user: pulumi.Input[str]
    password: pulumi.Output[str]


class ExpiringLogin(Login):
    """A registry and credentials that expire."""

    expires_at: pulumi.Input[str]


def docker_hub(user: pulumi.Input[str], token: pulumi.Input[str]) -> Login:
    """Docker Hub.

    Args:
        user: a Docker ID, or the organization's name for an organization access token.
        token: an access token with the permission to read (https://docs.docker.com/security/access-tokens/).
    """
    return {"server": DOCKER_HUB, "user": user, "password": pulumi.Output.secret(token)}


def github_container_registry(user: pulumi.Input[str], token: pulumi.Input[str]) -> Login:
    """GitHub's container registry, ghcr.io, for packages that codespaces cannot read without credentials.

    Args:
        user: the login of the token's owner, best a machine user.
        token: a classic token with the scope `read:packages`; GitHub Packages accepts no other kind
            (https://docs.github.com/en/packages/learn-github-packages/introduction-to-github-packages).
    """
    return {"server": "ghcr.io", "user": user, "password": pulumi.Output.secret(token)}


def azure_container_registry(
    registry: pulumi.Input[str], user: pulumi.Input[str], password: pulumi.Input[str]
) -> Login:
    """An Azure Container Registry.

    Args:
        registry: its name, such as `acme`, or its login server, such as `acme.azurecr.io`.
        user: the name of a repository-scoped token, or the application id of a service principal.
        password: the token's password, or the service principal's secret.
    """
    return {"server": _host(registry, ".azurecr.io"), "user": user, "password": pulumi.Output.secret(password)}


def google_artifact_registry(location: pulumi.Input[str], key: pulumi.Input[str]) -> Login:
    """A Google Artifact Registry.

    Args:
        location: a region or multi-region, such as `europe-west1` or `us`, or the host, such as `us-docker.pkg.dev`.
        key: the key of a service account with the role Artifact Registry Reader, in JSON.
    """
    return {"server": _host(location, "-docker.pkg.dev"), "user": GOOGLE_KEY_USER, "password": _google_key(key)}


def google_container_registry(key: pulumi.Input[str], host: str = "gcr.io") -> Login:
    """A Google Container Registry.

    Args:
        key: the key of a service account that may read the registry, in JSON.
        host: `gcr.io`, `us.gcr.io`, `eu.gcr.io` or `asia.gcr.io`.

    Raises:
        InvalidArgument: `host` is not one of these hosts.
    """
    if service_of(host) is not Service.GOOGLE_CONTAINER_REGISTRY:
        with refusing("google_container_registry"):
            raise RuleViolation("host", f"host {host!r}: must be gcr.io, us.gcr.io, eu.gcr.io or asia.gcr.io.")
    return {"server": host, "user": GOOGLE_KEY_USER, "password": _google_key(key)}


def ecr_token(
    registry_id: pulumi.Input[str] | None = None,
    region: pulumi.Input[str] | None = None,
    opts: pulumi.InvokeOutputOptions | None = None,
) -> ExpiringLogin:
    """An Amazon ECR registry, with a token that the AWS provider gets at every preview and update.

    The token has all the rights in ECR that the provider's credentials have, and it expires after 12 hours.
    `EcrPullAccess` has neither drawback.

    Args:
        registry_id: the account of the registry; that of the provider by default.
        region: the Region; that of the provider by default.
        opts: options, such as the provider.
    """
    import pulumi_aws as aws  # noqa: PLC0415 - it takes long to load, and the other registries do without

    token = aws.ecr.get_authorization_token_output(registry_id=registry_id, region=region, opts=opts)
    return {
        "server": token.proxy_endpoint.apply(lambda address: address.removeprefix("https://")),
        "user": token.user_name,
        "password": pulumi.Output.secret(token.password),
        "expires_at": token.expires_at,
    }


def _host(registry: pulumi.Input[str], ending: str) -> pulumi.Input[str]:
    """The host of a registry; plain text if the argument is plain text."""

    def with_ending(name: str) -> str:
        return name if "." in name else name + ending

    if isinstance(registry, str):
        return with_ending(registry)
    return pulumi.Output.from_input(registry).apply(with_ending)


def _google_key(key: pulumi.Input[str]) -> pulumi.Output[str]:
    def on_one_line(text: str) -> str:
        with refusing("the key of a Google service account"):
            return one_line_key(text)

    return pulumi.Output.secret(key).apply(on_one_line)
