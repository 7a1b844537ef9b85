"""How codespaces get access to a package of GitHub Packages, and what remains to do by hand.

GitHub has no API to give a repository's codespaces access to a package, to change a package's visibility, or to make it
inherit access: people do that on the package's settings page. This module determines which of GitHub's rules already
gives a codespace access. If none does, it lists exactly what to click.

Sources: https://docs.github.com/en/packages/learn-github-packages/configuring-a-packages-access-control-and-visibility,
https://docs.github.com/en/codespaces/reference/allowing-your-codespace-to-access-a-private-registry,
https://docs.github.com/en/codespaces/managing-your-codespaces/managing-repository-access-for-your-codespaces
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from . import RuleViolation
from .suggestions import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

GRANULAR_TYPES = ("container", "npm", "nuget", "rubygems")
"""Package registries whose packages have access settings of their own. Maven and Gradle packages have the access
settings of their repository
(https://docs.github.com/en/packages/learn-github-packages/about-permissions-for-github-packages)."""
VISIBILITIES = ("private", "internal", "public")
_PERMISSIONS = {"read": "pull", "triage": "triage", "write": "push", "maintain": "maintain", "admin": "admin"}
_SETTINGS_PAGE = (
    "https://docs.github.com/en/packages/learn-github-packages/configuring-a-packages-access-control-and-visibility"
)


class AccessPath(Enum):
    """The rule that gives the codespaces of a repository access to a package."""

    SAME_REPOSITORY = "the package inherits the access of this repository"
    INTERNAL = "the package is internal, and so is whoever may start a codespace of a repository that is not public"
    PUBLIC = "the package is public"
    DEVCONTAINER = "its devcontainer.json asks for the package's repository"
    BY_HAND = "only if it is added on the package's settings page"


@dataclass(frozen=True)
class Package:
    """A package as the program declares it.

    Attributes:
        organization: the organization that owns it.
        kind: one of `GRANULAR_TYPES`.
        name: its name; the name of a container may contain `/`.
        repository: the repository it is linked to; "" for none.
        visibility: `private`, `internal` or `public`.
        inherits: whether it inherits access from that repository.
    """

    organization: str
    kind: str
    name: str
    repository: str
    visibility: str
    inherits: bool

    @property
    def settings_url(self) -> str:
        """The address of the package's settings page."""
        return f"https://github.com/orgs/{self.organization}/packages/{self.kind}/{quote(self.name, safe='')}/settings"


@dataclass(frozen=True)
class Reader:
    """A repository whose codespaces are to read a package.

    Attributes:
        name: its name.
        public: whether it is public.
        asks: whether its committed devcontainer.json asks for the package's repository; None if it has no such file.
    """

    name: str
    public: bool
    asks: bool | None = None


@dataclass(frozen=True)
class Click:
    """A step that only a person can do.

    Attributes:
        what: the step, in the words of the page.
        url: the page.
    """

    what: str
    url: str


def check_package(package: Package) -> None:
    """Check a declared package.

    Raises:
        RuleViolation: GitHub cannot have such a package, or the package would have no access settings of its own.
    """
    if package.kind not in GRANULAR_TYPES:
        if package.kind in ("maven", "gradle"):
            raise RuleViolation(
                "package_type",
                f"package_type {package.kind!r}: such packages have no access settings of their own; everybody who can "
                "read the repository can read them. Give the codespaces access to the repository.",
            )
        hint = did_you_mean(package.kind, GRANULAR_TYPES) or "."
        raise RuleViolation(
            "package_type", f"package_type {package.kind!r}: must be one of {', '.join(GRANULAR_TYPES)}{hint}"
        )
    if package.visibility not in VISIBILITIES:
        hint = did_you_mean(package.visibility, VISIBILITIES) or "."
        raise RuleViolation(
            "visibility", f"visibility {package.visibility!r}: must be one of {', '.join(VISIBILITIES)}{hint}"
        )
    if not package.name or re.search(r"\s", package.name) or package.name.startswith("/"):
        raise RuleViolation(
            "package", f"package {package.name!r}: write its name without the organization and without a tag."
        )
    if package.inherits and not package.repository:
        raise RuleViolation(
            "repository",
            "repository is missing: a package that inherits access must be linked to a repository. Name the "
            "repository, or set inherits to false.",
        )


def permissions_by_role(argument: str, roles: Mapping[str, str], repository: str) -> dict[str, str]:
    """Translate the roles of a package's readers on its repository into the permissions of GitHub's API.

    Args:
        argument: `teams` or `users`.
        roles: team or user -> read, triage, write, maintain or admin.
        repository: the repository that the package is linked to; "" for none.

    Raises:
        RuleViolation: `repository` is empty, or GitHub does not have the role
            (https://docs.github.com/en/organizations/managing-user-access-to-your-organizations-repositories/managing-repository-roles/repository-roles-for-an-organization).
    """
    for reader, role in roles.items():
        if not repository:
            raise RuleViolation(
                argument, f"{argument}: a role applies to a repository; name the repository in `repository`."
            )
        if role not in _PERMISSIONS:
            hint = did_you_mean(role, _PERMISSIONS) or "."
            raise RuleViolation(
                f"{argument}.{reader}", f"{argument}.{reader} {role!r}: must be one of {', '.join(_PERMISSIONS)}{hint}"
            )
    return {reader: _PERMISSIONS[role] for reader, role in roles.items()}


def access_path(package: Package, reader: Reader) -> AccessPath:
    """How the codespaces of a repository get access to a package, if everything is as declared."""
    if package.visibility == "public":
        return AccessPath.PUBLIC
    if package.inherits and reader.name.lower() == package.repository.lower():
        return AccessPath.SAME_REPOSITORY
    if package.visibility == "internal" and not reader.public:
        return AccessPath.INTERNAL
    # A devcontainer.json asks for access to a repository; only a package that inherits access comes with it.
    if package.inherits and reader.asks:
        return AccessPath.DEVCONTAINER
    return AccessPath.BY_HAND


def clicks(
    package: Package, access_paths: Mapping[str, AccessPath], *, linked: bool, same_visibility: bool
) -> list[Click]:
    """List what remains to do by hand, in order.

    Args:
        package: the package as declared.
        access_paths: repository -> how its codespaces get access to the package.
        linked: whether it is linked to the declared repository.
        same_visibility: whether it has the declared visibility.
    """
    url = package.settings_url
    todo: list[Click] = []
    if not linked and package.repository:
        todo.append(Click(f"Connect repository: {package.organization}/{package.repository}", url))
    if not same_visibility:
        todo.append(Click(f"Danger Zone, Change visibility: {package.visibility}", url))
    needs_inheritance = (AccessPath.SAME_REPOSITORY, AccessPath.DEVCONTAINER)
    if package.inherits and any(path in needs_inheritance for path in access_paths.values()):
        todo.append(Click("Inherit access from source repository: on (GitHub does not tell whether it is)", url))
    todo += [
        Click(f"Manage Codespaces access, Add repository: {package.organization}/{name}", url)
        for name, path in sorted(access_paths.items())
        if path is AccessPath.BY_HAND
    ]
    return todo


def permission_block(package: Package) -> dict[str, Any]:
    """The part of a devcontainer.json that lets its codespaces read the packages of a repository."""
    repository = f"{package.organization}/{package.repository}"
    return {"customizations": {"codespaces": {"repositories": {repository: {"permissions": {"packages": "read"}}}}}}


def differences(package: Package, linked_to: str | None, visibility: str) -> list[str]:
    """Describe in sentences where a package differs from its declaration.

    Args:
        package: the package as declared.
        linked_to: the repository that it is linked to; None for none.
        visibility: the visibility that it has.
    """
    sentences: list[str] = []
    if (linked_to or "").lower() != package.repository.lower():
        actual = f"is linked to {linked_to}" if linked_to else "is linked to no repository"
        wanted = f"repository {package.repository}" if package.repository else "no repository"
        sentences.append(f"package {package.name} {actual}, but {wanted} is declared ({_SETTINGS_PAGE})")
    if visibility != package.visibility:
        sentences.append(
            f"package {package.name} is {visibility}, but {package.visibility} is declared ({_SETTINGS_PAGE})"
        )
    return sentences
