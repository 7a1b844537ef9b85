"""`PackageAccess`: codespaces read a package of GitHub Packages; what no API can grant is checked and handed over."""

# No `from __future__ import annotations` here: the schema is inferred from these annotations at run time.
from collections.abc import Mapping, Sequence
from enum import Enum
from importlib import import_module
from typing import Any

import pulumi
from typing_extensions import NotRequired, TypedDict

from .errors import refusing
from .one_repository import OneRepository, check_repository, name_of
from .repositories import SelectedRepositories, check_selected, selected
from .resources import PackageCheck
from .rules.packages import Package, check_package, permissions_of


class PackageType(str, Enum):
    """The registries of GitHub Packages whose packages have access settings of their own.

    Source: https://docs.github.com/en/packages/learn-github-packages/about-permissions-for-github-packages
    """

    CONTAINER = "container"
    NPM = "npm"
    NUGET = "nuget"
    RUBYGEMS = "rubygems"


class PackageVisibility(str, Enum):
    """Who may read a package without being granted it."""

    PRIVATE = "private"
    """Nobody."""
    INTERNAL = "internal"
    """Every member of the enterprise, and the codespaces of repositories that are not public."""
    PUBLIC = "public"
    """Everybody. A package that was public once can never be private again."""


class OnMismatch(str, Enum):
    """What happens in a preview if a package is not as it is declared."""

    WARN = "warn"
    FAIL = "fail"


class PackageAccessArgs(TypedDict):
    """A package as it should be, and whose codespaces should read it."""

    package: str
    """Its name, without the organization: `base/image` for ghcr.io/acme/base/image."""
    package_type: NotRequired[PackageType | None]
    """CONTAINER by default."""
    repository: NotRequired[OneRepository | None]
    """The repository that it is linked to: its name; in Python also a `github.Repository`."""
    visibility: NotRequired[PackageVisibility | None]
    """PRIVATE by default."""
    inherits: NotRequired[bool | None]
    """Whether it inherits the access of that repository; true by default. GitHub does not tell, so nobody checks it."""
    selected_repositories: NotRequired[SelectedRepositories | None]
    """Name -> id of the repositories whose codespaces should read it; in Python also a list of names or
    `github.Repository` objects."""
    teams: NotRequired[Mapping[str, str] | None]
    """Slug of a team -> its role on the repository (read, triage, write, maintain or admin), which a package that
    inherits has too. Managed by `pulumi_github`."""
    users: NotRequired[Mapping[str, str] | None]
    """Login of a user -> the same."""
    on_mismatch: NotRequired[OnMismatch | None]
    """Whether a package that is not as declared is a warning (default) or fails the preview."""


class PackageAccess(pulumi.ComponentResource):
    """Codespaces of the selected repositories read a package.

    GitHub has no API that grants a package to the codespaces of a repository, nor one that links a package, changes its
    visibility or makes it inherit its access. So this manages what can be managed (the roles of teams and users on the
    linked repository, which a package inherits), checks in every preview what can be read, tells of each repository by
    which of GitHub's rules its codespaces read the package, and lists what is left to click. It never claims a grant
    that it did not make
    (https://docs.github.com/en/packages/learn-github-packages/configuring-a-packages-access-control-and-visibility).

    Raises:
        InvalidArgument: an argument breaks a rule; nothing is registered then.
    """

    ways: pulumi.Output[Mapping[str, str]]
    """Repository -> by what its codespaces read the package."""
    by_hand: pulumi.Output[Mapping[str, int]]
    """Those that nothing but a click, or a login of their own, gives access: name -> id. For a `RegistryLogin` with
    `github_container_registry`, for example."""
    clicks: pulumi.Output[Sequence[Mapping[str, str]]]
    """What is left to do by hand: what to click, and the address of the page."""
    devcontainer: pulumi.Output[str]
    """What a devcontainer.json has to hold for its codespaces to read the packages of the linked repository, in
    JSON."""
    differences: pulumi.Output[Sequence[str]]
    """Where the package is not as declared."""
    summary: pulumi.Output[Mapping[str, Any]]
    """All of it in one map: for a stack output."""

    def __init__(self, name: str, args: PackageAccessArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        repository = args.get("repository")
        kind = _value(args.get("package_type"), PackageType.CONTAINER)
        visibility = _value(args.get("visibility"), PackageVisibility.PRIVATE)
        inherits = args.get("inherits") is not False
        with refusing(f"PackageAccess {name}"):
            named = repository if isinstance(repository, str) else "known later" if repository is not None else ""
            check_package(Package("", kind, args["package"], named, visibility, inherits=inherits))
            if repository is not None:
                check_repository(repository)
            check_selected(args.get("selected_repositories"))
            roles = {part: permissions_of(part, args.get(part) or {}, named) for part in ("teams", "users")}
        super().__init__("codespaces:index:PackageAccess", name, None, opts)
        linked = None if repository is None else name_of(repository)
        _grant(self, name, linked, roles)
        found = PackageCheck(
            f"{name}-package",
            {
                "package": args["package"],
                "package_type": kind,
                "repository": "" if linked is None else linked,
                "visibility": visibility,
                "inherits": inherits,
                "selected_repositories": selected(args.get("selected_repositories"), f"{name}-repositories", self),
                "on_mismatch": _value(args.get("on_mismatch"), OnMismatch.WARN),
            },
            pulumi.ResourceOptions(parent=self),
        )
        self.ways, self.by_hand, self.clicks = found.ways, found.by_hand, found.clicks
        self.devcontainer, self.differences = found.devcontainer, found.differences
        outputs: dict[str, pulumi.Output[Any]] = {
            "ways": self.ways,
            "byHand": self.by_hand,
            "clicks": self.clicks,
            "devcontainer": self.devcontainer,
            "differences": self.differences,
        }
        self.summary = pulumi.Output.all(**outputs)
        self.register_outputs(outputs)


def _value(given: str | None, default: PackageType | PackageVisibility | OnMismatch) -> str:
    """The value of a choice, which a program may write as a text; a wrong one is refused with the rest."""
    chosen = given or default
    return chosen.value if isinstance(chosen, Enum) else chosen


def _grant(
    component: pulumi.Resource, name: str, repository: pulumi.Input[str] | None, roles: Mapping[str, Mapping[str, str]]
) -> None:
    """The roles of teams and users on the repository."""
    if not any(roles.values()):
        return
    # An extra of this package: the CLI fetches the plugin of every Pulumi package that is installed.
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
