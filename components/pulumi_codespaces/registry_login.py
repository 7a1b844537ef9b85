"""`RegistryLogin`: codespaces log in to any registry with the credentials of the program."""

# No `from __future__ import annotations` here: the schema is inferred from these annotations at run time.
from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
from typing_extensions import NotRequired

from .errors import refusing
from .expiry import warn_of_end
from .later import check_plain, when_known
from .publishing import PublicationArgs, checked_audience, publish, summary_of
from .resources import VerifiedLogin
from .rules.registries import check_server
from .rules.secret_names import Triple, prefix_from

_PLAIN = {
    "secret_prefix": "a preview compares the names of the secrets with those in GitHub",
    "adopt_existing": "a preview reports existing secrets that are in the way",
}
"""Argument -> why it must not be an Output."""


class RegistryLoginArgs(PublicationArgs):
    """A registry, the credentials for it, and the repositories whose codespaces log in."""

    server: pulumi.Input[str]
    """The registry's host, such as `acme.azurecr.io`, without scheme or path; for Docker Hub
    `https://index.docker.io/v1/`."""
    user: pulumi.Input[str]
    """The user name to log in with."""
    password: pulumi.Input[str]
    """The password or token to log in with. The state stores it encrypted."""
    expires_at: NotRequired[pulumi.Input[str] | None]
    """The time at which the credentials expire (RFC 3339). It is in the summary, and every preview of the last 14 days
    warns."""


class RegistryLogin(pulumi.ComponentResource):
    """Codespaces of the selected repositories log in to a registry with the given credentials.

    The component grants nothing in the registry. GitHub logs a codespace in to a registry if it finds three secrets
    `<PREFIX>_CONTAINER_REGISTRY_SERVER`, `_USER` and `_PASSWORD`
    (https://docs.github.com/en/codespaces/reference/allowing-your-codespace-to-access-a-private-registry).

    Raises:
        InvalidArgument: an argument breaks a rule; nothing is registered then.
    """

    secret_names: pulumi.Output[Sequence[str]]
    """The names of the three secrets."""
    server: pulumi.Output[str]
    """The registry."""
    summary: pulumi.Output[Mapping[str, Any]]
    """All outputs, and the repositories whose codespaces log in, in one map: for a stack output. It holds no secret."""

    def __init__(self, name: str, args: RegistryLoginArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        with refusing(f"RegistryLogin {name}"):
            check_plain(args, _PLAIN)
            server = _checked_server(name, args["server"])
            triple = Triple(prefix_from(name, args.get("secret_prefix")))
            audience = checked_audience(args)
        super().__init__("codespaces:index:RegistryLogin", name, None, opts)
        login = VerifiedLogin(
            f"{name}-login",
            {
                "server": server,
                "user": args["user"],
                "password": args["password"],
                "probe_images": args.get("probe_images") or [],
                "verify": when_known(f"RegistryLogin {name}", _is_verified, args.get("verify")),
            },
            pulumi.ResourceOptions(parent=self),
        )
        secrets = {triple.user: login.user, triple.password: login.password, triple.server: server}
        repositories = publish(self, name, audience, secrets)
        self.secret_names = pulumi.Output.from_input(list(triple.names))
        self.server = pulumi.Output.from_input(server)
        outputs: dict[str, pulumi.Output[Any]] = {"secretNames": self.secret_names, "server": self.server}
        expires_at = args.get("expires_at")
        end = {} if expires_at is None else {"expiresAt": warn_of_end(self, name, expires_at, self.server)}
        self.summary = summary_of({**outputs, **end}, repositories)
        self.register_outputs(outputs)


def _is_verified(verify: bool | None) -> bool:
    return verify is not False


def _checked_server(name: str, server: pulumi.Input[str]) -> pulumi.Input[str]:
    """The server. If it is not known yet, it is checked once it is."""

    def check(host: str) -> str:
        check_server(host)
        return host

    return when_known(f"RegistryLogin {name}", check, server)
