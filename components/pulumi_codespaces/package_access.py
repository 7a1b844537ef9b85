"""`PackageAccess`: codespaces read a package of GitHub Packages. What no API can grant is checked and listed."""

# No `from __future__ import annotations` here: the schema is inferred from these annotations at run time.
from collections.abc import Mapping, Sequence
from enum import Enum
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pulumi
from typing_extensions import NotRequired, TypedDict

from .errors import refusing
from .later import check_plain, is_later, when_known
from .one_repository import OneRepository, check_repository, name_of
from .repositories import SelectedRepositories, check_selected, selected
from .resources import PackageCheck
from .rules.packages import Package, check_package, permissions_by_role

_PLAIN: dict[str, str] = dict.fromkeys(
    ("teams", "users"), "a role is a resource of its own; only the roles in it may be Outputs"
)
"""Argument -> why it must not be an Output."""


class PackageType(str, Enum):
    """The registries of GitHub Packages whose packages have access settings of their own.

    Source: https://docs.github.com/en/packages/learn-github-packages/about-permissions-for-github-packages
    """

    CONTAINER = "container"
    """The Container registry, ghcr.io."""
    NPM = "npm"
    """The npm registry."""
    NUGET = "nuget"
    """The NuGet registry."""
    RUBYGEMS = "rubygems"
    """The RubyGems registry."""


class PackageVisibility(str, Enum):
    """Users who may read a package without a grant."""

    PRIVATE = "private"
    """Nobody."""
    INTERNAL = "internal"
    """Every member of the enterprise, and the codespaces of repositories that are not public."""
    PUBLIC = "public"
    """Everybody. A package that was public once can never be private again."""


class OnMismatch(str, Enum):
    """The result of a preview if a package is not as declared."""

    WARN = "warn"
    """A warning."""
    FAIL = "fail"
    """The preview fails."""


if TYPE_CHECKING:
    PackageTypeInput = pulumi.Input[PackageType | str]
    PackageVisibilityInput = pulumi.Input[PackageVisibility | str]
    OnMismatchInput = pulumi.Input[OnMismatch | str]
else:
    PackageTypeInput = pulumi.Input[PackageType]
    PackageVisibilityInput = pulumi.Input[PackageVisibility]
    OnMismatchInput = pulumi.Input[OnMismatch]


class PackageAccessArgs(TypedDict):
    """A package as it should be, and the repositories whose codespaces should read it."""

    package: pulumi.Input[str]
    """The name of the package, without the organization: `base/image` for `ghcr.io/acme/base/image`."""
    package_type: NotRequired[PackageTypeInput | None]
    """The registry of GitHub Packages that holds it. Defaults to `container`."""
    repository: NotRequired[OneRepository | None]
    """The repository that the package is linked to: its name; in Python also a `github.Repository`."""
    visibility: NotRequired[PackageVisibilityInput | None]
    """The users who may read the package without a grant. Defaults to `private`."""
    inherits: NotRequired[pulumi.Input[bool] | None]
    """Whether the package inherits the access of that repository. No API of GitHub shows it, so it is not
    checked. Defaults to `true`."""
    selected_repositories: NotRequired[SelectedRepositories | None]
    """The repositories whose codespaces should read the package: name -> id, such as the `repositories` of a
    `RepositorySelection`; in Python also the `RepositorySelection` itself, or a list of names or `github.Repository`
    objects."""
    teams: NotRequired[Mapping[str, pulumi.Input[str]] | None]
    """Roles of teams on the repository, which a package that inherits has too: slug of a team -> `read`, `triage`,
    `write`, `maintain` or `admin`. The GitHub provider manages them."""
    users: NotRequired[Mapping[str, pulumi.Input[str]] | None]
    """Roles of users on the repository: login of a user -> role, as for `teams`."""
    on_mismatch: NotRequired[OnMismatchInput | None]
    """The result of a preview if the package is not as declared. Defaults to `warn`."""


class PackageAccess(pulumi.ComponentResource):
    """Codespaces of the selected repositories read a package.

    No API of GitHub grants a package to the codespaces of a repository, links a package, changes its visibility, or
    makes it inherit access. The component does what the APIs allow: it manages the roles of teams and users on the
    linked repository, which a package inherits, and checks the package in every preview. For each repository it names
    the rule of GitHub that lets its codespaces read the package, and it lists the clicks that are left. It never claims
    a grant that it did not make
    (https://docs.github.com/en/packages/learn-github-packages/configuring-a-packages-access-control-and-visibility).

    Raises:
        InvalidArgument: an argument breaks a rule; nothing is registered then.
    """

    ways: pulumi.Output[Mapping[str, str]]
    """The rule of GitHub that lets the codespaces of each repository read the package: name -> rule."""
    by_hand: pulumi.Output[Mapping[str, int]]
    """The repositories that need a click, or a login of their own: name -> id, such as for a `RegistryLogin`."""
    clicks: pulumi.Output[Sequence[Mapping[str, str]]]
    """The steps that are left to do by hand: `what` to click, and the `url` of the page."""
    devcontainer: pulumi.Output[str]
    """The part of a devcontainer.json that lets codespaces read the packages of the linked repository, in JSON."""
    differences: pulumi.Output[Sequence[str]]
    """The differences between the package and its declaration."""
    summary: pulumi.Output[Mapping[str, Any]]
    """All outputs in one map: for a stack output."""

    def __init__(self, name: str, args: PackageAccessArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        component = f"PackageAccess {name}"
        repository = args.get("repository")
        kind = when_known(component, _value, args.get("package_type"), PackageType.CONTAINER)
        visibility = when_known(component, _value, args.get("visibility"), PackageVisibility.PRIVATE)
        inherits = when_known(component, _inherits, args.get("inherits"))
        with refusing(component):
            check_plain(args, _PLAIN)
            named = _named(repository)
            declared: list[Any] = [kind, args["package"], named, visibility]
            # The plugin checks the package too, once its values are known.
            if not any(is_later(value) for value in (*declared, inherits)):
                check_package(Package("", *declared, inherits=bool(inherits)))
            if repository is not None:
                check_repository(repository)
            check_selected(args.get("selected_repositories"))
            roles = {
                argument: _permissions(component, argument, args.get(argument) or {}, named)
                for argument in ("teams", "users")
            }
        super().__init__("codespaces:index:PackageAccess", name, None, opts)
        linked = None if repository is None else name_of(repository)
        _grant(self, name, linked, roles)
        check = PackageCheck(
            f"{name}-package",
            {
                "package": args["package"],
                "package_type": kind,
                "repository": "" if linked is None else linked,
                "visibility": visibility,
                "inherits": inherits,
                "selected_repositories": selected(args.get("selected_repositories"), f"{name}-repositories", self),
                "on_mismatch": when_known(component, _value, args.get("on_mismatch"), OnMismatch.WARN),
            },
            pulumi.ResourceOptions(parent=self),
        )
        self.ways, self.by_hand, self.clicks = check.ways, check.by_hand, check.clicks
        self.devcontainer, self.differences = check.devcontainer, check.differences
        outputs: dict[str, pulumi.Output[Any]] = {
            "ways": self.ways,
            "byHand": self.by_hand,
            "clicks": self.clicks,
            "devcontainer": self.devcontainer,
            "differences": self.differences,
        }
        self.summary = pulumi.Output.all(**outputs)
        self.register_outputs(outputs)


def _value(choice: str | None, default: PackageType | PackageVisibility | OnMismatch) -> str:
    """The text of a choice. A program may give the text itself; the plugin checks it with everything else."""
    member = choice or default
    return member.value if isinstance(member, Enum) else member


def _inherits(inherits: bool | None) -> bool:
    return inherits is not False


def _named(repository: OneRepository | None) -> str:
    """The name of a repository; a placeholder if it is not known yet; empty without a repository."""
    if repository is None:
        return ""
    return repository if isinstance(repository, str) else "known later"


def _permissions(
    component: str, argument: str, roles: Mapping[str, pulumi.Input[str]], repository: str
) -> dict[str, pulumi.Input[str]]:
    """Team or user -> permission on the repository, as GitHub's API calls it."""

    def permission(name: str, role: str) -> str:
        return permissions_by_role(argument, {name: role}, repository)[name]

    return {name: when_known(component, permission, name, role) for name, role in roles.items()}


def _grant(
    component: pulumi.Resource,
    name: str,
    repository: pulumi.Input[str] | None,
    roles: Mapping[str, Mapping[str, pulumi.Input[str]]],
) -> None:
    """The roles of teams and users on the repository."""
    if not any(roles.values()):
        return
    # It is an extra of this package, because the CLI fetches the plugin of every Pulumi package that is installed.
    github: Any = import_module("pulumi_github")
    opts = pulumi.ResourceOptions(parent=component)
    for team, permission in roles["teams"].items():
        github.TeamRepository(
            f"{name}-team-{team}", repository=repository, team_id=team, permission=permission, opts=opts
        )
    for user, permission in roles["users"].items():
        github.RepositoryCollaborator(
            f"{name}-user-{user}", repository=repository, username=user, permission=permission, opts=opts
        )
