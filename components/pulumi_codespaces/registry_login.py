"""`RegistryLogin`: codespaces log in to any registry with given credentials."""

# No `from __future__ import annotations` here: the schema is inferred from these annotations at run time.
from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
from typing_extensions import NotRequired, TypedDict

from .errors import refusing
from .lifetimes import warn_of_end
from .one_repository import OneRepository
from .publishing import check_readers, publish, summary_of
from .repositories import SelectedRepositories
from .resources import VerifiedLogin, Visibility
from .rules.registries import check_server
from .rules.secret_names import Triple, prefix_from


class RegistryLoginArgs(TypedDict):
    """A registry, the credentials for it, and who may use them."""

    server: pulumi.Input[str]
    """The registry's host, such as `acme.azurecr.io`, without scheme or path; Docker Hub is
    `https://index.docker.io/v1/`."""
    user: pulumi.Input[str]
    """The user name to log in with."""
    password: pulumi.Input[str]
    """The password or token to log in with. It is stored encrypted in the state."""
    selected_repositories: NotRequired[SelectedRepositories | None]
    """Name -> id of the repositories whose codespaces log in; in Python also a list of names or `github.Repository`
    objects."""
    visibility: NotRequired[Visibility | None]
    """SELECTED (default), or PRIVATE or ALL repositories of the organization instead of `selected_repositories`."""
    repository: NotRequired[OneRepository | None]
    """The one repository that gets the secrets, instead of the organization: its name; in Python also a
    `github.Repository`."""
    repository_id: NotRequired[pulumi.Input[int] | None]
    """The id of `repository`, where the program makes it in the same update and names it only."""
    secret_prefix: NotRequired[str | None]
    """What the names of the secrets begin with; from the component's name by default (`payments-acr` gives
    PAYMENTS_ACR)."""
    probe_images: NotRequired[Sequence[str] | None]
    """Images of the registry (`repository:tag`, or with the registry's host) that the credentials must be able to read
    before they are published."""
    verify: NotRequired[bool | None]
    """Whether to log in before publishing; default true. Turn it off for a registry that cannot be reached
    from here."""
    expires_at: NotRequired[pulumi.Input[str] | None]
    """When the credentials end (RFC 3339), if they do: shown in the summary, and every preview of the last 14 days
    warns."""
    adopt_existing: NotRequired[bool | None]
    """Take over secrets of these names that exist already. Their values are overwritten. It acts once."""


class RegistryLogin(pulumi.ComponentResource):
    """Codespaces of the selected repositories log in to a registry with the credentials given.

    It grants nothing in the registry. GitHub logs a codespace in to a registry when it finds three secrets
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
    """All of it, and the repositories whose codespaces log in, in one map: for a stack output. It holds no secret."""

    def __init__(self, name: str, args: RegistryLoginArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        with refusing(f"RegistryLogin {name}"):
            server = _checked_server(name, args["server"])
            triple = Triple(prefix_from(name, args.get("secret_prefix")))
            check_readers(args)
        super().__init__("codespaces:index:RegistryLogin", name, None, opts)
        login = VerifiedLogin(
            f"{name}-login",
            {
                "server": server,
                "user": args["user"],
                "password": args["password"],
                "probe_images": args.get("probe_images") or [],
                "verify": args.get("verify") is not False,
            },
            pulumi.ResourceOptions(parent=self),
        )
        readers = publish(
            self,
            name,
            args,
            {triple.user: login.user, triple.password: login.password, triple.server: server},
            adopt_existing=bool(args.get("adopt_existing")),
        )
        self.secret_names = pulumi.Output.from_input(list(triple.names))
        self.server = pulumi.Output.from_input(server)
        outputs: dict[str, pulumi.Output[Any]] = {"secretNames": self.secret_names, "server": self.server}
        expires_at = args.get("expires_at")
        ends = {} if expires_at is None else {"expiresAt": warn_of_end(self, name, expires_at, self.server)}
        self.summary = summary_of({**outputs, **ends}, readers)
        self.register_outputs(outputs)


def _checked_server(name: str, server: pulumi.Input[str]) -> pulumi.Input[str]:
    """The server as it was given; one that is not known yet is checked once it is."""

    def check(known: str) -> str:
        with refusing(f"RegistryLogin {name}"):
            check_server(known)
        return known

    return check(server) if isinstance(server, str) else pulumi.Output.from_input(server).apply(check)
