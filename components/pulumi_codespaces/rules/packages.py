"""Who may read a package of GitHub Packages from a codespace, by what; and what is left to do by hand.

GitHub has no API that grants a repository's codespaces a package, changes a package's visibility, or makes it inherit
its access: these are made on the package's settings page. What can be told is by which of GitHub's rules a codespace
gets access without that, and if by none, what exactly has to be clicked.

Sources: https://docs.github.com/en/packages/learn-github-packages/configuring-a-packages-access-control-and-visibility,
https://docs.github.com/en/codespaces/reference/allowing-your-codespace-to-access-a-private-registry,
https://docs.github.com/en/codespaces/managing-your-codespaces/managing-repository-access-for-your-codespaces
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

from . import RuleViolation
from .suggestions import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

GRANULAR_TYPES = ("container", "npm", "nuget", "rubygems")
"""Package registries whose packages have access settings of their own; those of Maven and Gradle have their
repository's (https://docs.github.com/en/packages/learn-github-packages/about-permissions-for-github-packages)."""
VISIBILITIES = ("private", "internal", "public")
DEVCONTAINER_PATHS = (".devcontainer/devcontainer.json", ".devcontainer.json")
"""Where a repository's development container is described
(https://containers.dev/implementors/spec/#devcontainerjson)."""
_TEXT = r'"(?:\\.|[^"\\])*(?:"|\\?\Z)'
_TEXT_OR_COMMENT = re.compile(rf"{_TEXT}|//[^\n]*|/\*.*?(?:\*/|\Z)", re.DOTALL)
_TEXT_OR_LAST_COMMA = re.compile(rf"{_TEXT}|,(?=\s*[}}\]])", re.DOTALL)
_PERMISSIONS = {"read": "pull", "triage": "triage", "write": "push", "maintain": "maintain", "admin": "admin"}
_SETTINGS_PAGE = (
    "https://docs.github.com/en/packages/learn-github-packages/configuring-a-packages-access-control-and-visibility"
)


class Way(Enum):
    """By what the codespaces of a repository may read a package."""

    SAME_REPOSITORY = "the package inherits the access of this repository"
    INTERNAL = "the package is internal, and so is whoever may start a codespace of a repository that is not public"
    PUBLIC = "the package is public"
    DEVCONTAINER = "its devcontainer.json asks for the package's repository"
    BY_HAND = "only if it is added on the package's settings page"


@dataclass(frozen=True)
class Package:
    """A package as the program declares it.

    Attributes:
        organization: whose it is.
        kind: one of `GRANULAR_TYPES`.
        name: its name; a container's may have `/` in it.
        repository: the repository it is linked to; "" for none.
        visibility: `private`, `internal` or `public`.
        inherits: whether it inherits the access of that repository.
    """

    organization: str
    kind: str
    name: str
    repository: str
    visibility: str
    inherits: bool

    @property
    def settings_url(self) -> str:
        """Where its access is managed."""
        return f"https://github.com/orgs/{self.organization}/packages/{self.kind}/{quote(self.name, safe='')}/settings"


@dataclass(frozen=True)
class Reader:
    """A repository whose codespaces are to read a package.

    Attributes:
        name: its name.
        public: whether it is public.
        asks: whether its committed devcontainer.json asks for the package's repository; None where it has none.
    """

    name: str
    public: bool
    asks: bool | None = None


@dataclass(frozen=True)
class Click:
    """Something that only a person can do.

    Attributes:
        what: in the words of the page.
        url: the page.
    """

    what: str
    url: str


def check_package(package: Package) -> None:
    """Check a declared package.

    Raises:
        RuleViolation: there can be no such package, or it would have no access settings.
    """
    if package.kind not in GRANULAR_TYPES:
        if package.kind in ("maven", "gradle"):
            raise RuleViolation(
                "package_type",
                f"package_type {package.kind!r}: such packages have no access settings of their own; who may read the "
                "repository may read them. Give the codespaces access to the repository.",
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
            "repository is missing: a package that inherits its access is linked to the repository that it inherits it "
            "from. Name that, or set inherits to false.",
        )


def permissions_of(argument: str, roles: Mapping[str, str], repository: str) -> dict[str, str]:
    """The roles that a package's readers have on its repository, in the words of GitHub's API.

    Args:
        argument: `teams` or `users`.
        roles: who -> read, triage, write, maintain or admin.
        repository: the repository that the package is linked to; "" for none.

    Raises:
        RuleViolation: there is no repository, or no such role
            (https://docs.github.com/en/organizations/managing-user-access-to-your-organizations-repositories/managing-repository-roles/repository-roles-for-an-organization).
    """
    for who, role in roles.items():
        if not repository:
            raise RuleViolation(argument, f"{argument}: roles are given on a repository; name it in `repository`.")
        if role not in _PERMISSIONS:
            hint = did_you_mean(role, _PERMISSIONS) or "."
            raise RuleViolation(
                f"{argument}.{who}", f"{argument}.{who} {role!r}: must be one of {', '.join(_PERMISSIONS)}{hint}"
            )
    return {who: _PERMISSIONS[role] for who, role in roles.items()}


def way(package: Package, reader: Reader) -> Way:
    """By what the codespaces of a repository may read a package, if everything is as declared."""
    if package.visibility == "public":
        return Way.PUBLIC
    if package.inherits and reader.name.lower() == package.repository.lower():
        return Way.SAME_REPOSITORY
    if package.visibility == "internal" and not reader.public:
        return Way.INTERNAL
    # What a devcontainer.json asks for is access to the repository, which only a package that inherits has in common.
    if package.inherits and reader.asks:
        return Way.DEVCONTAINER
    return Way.BY_HAND


def clicks(package: Package, ways: Mapping[str, Way], *, linked: bool, same_visibility: bool) -> list[Click]:
    """What is left to do by hand, in this order.

    Args:
        package: the package as declared.
        ways: repository -> by what its codespaces may read it.
        linked: whether it is linked to the repository that is declared.
        same_visibility: whether it has the visibility that is declared.
    """
    url = package.settings_url
    todo: list[Click] = []
    if not linked and package.repository:
        todo.append(Click(f"Connect repository: {package.organization}/{package.repository}", url))
    if not same_visibility:
        todo.append(Click(f"Danger Zone, Change visibility: {package.visibility}", url))
    if package.inherits and any(how in (Way.SAME_REPOSITORY, Way.DEVCONTAINER) for how in ways.values()):
        todo.append(Click("Inherit access from source repository: on (GitHub does not tell whether it is)", url))
    todo += [
        Click(f"Manage Codespaces access, Add repository: {package.organization}/{name}", url)
        for name, how in sorted(ways.items())
        if how is Way.BY_HAND
    ]
    return todo


def permission_block(package: Package) -> dict[str, Any]:
    """What a devcontainer.json has to hold for its codespaces to read the packages of a repository."""
    repository = f"{package.organization}/{package.repository}"
    return {"customizations": {"codespaces": {"repositories": {repository: {"permissions": {"packages": "read"}}}}}}


def asks_for(devcontainer: str, package: Package) -> bool:
    """Whether a devcontainer.json asks for access to the packages of a package's repository.

    Args:
        devcontainer: the file's text: JSON with comments and trailing commas.
        package: the package.

    Raises:
        RuleViolation: it is no JSON.
    """
    asked = read_devcontainer(devcontainer)
    for key in ("customizations", "codespaces", "repositories"):
        asked = cast("dict[str, Any]", asked).get(key) if isinstance(asked, dict) else None
    if not isinstance(asked, dict):
        return False
    wanted = {f"{package.organization}/{package.repository}".lower(), f"{package.organization}/*".lower()}
    entries = cast("dict[str, Any]", asked)
    return any(_reads_packages(entry) for name, entry in entries.items() if name.lower() in wanted)


def read_devcontainer(text: str) -> Any:
    """What a devcontainer.json says.

    Raises:
        RuleViolation: it is no JSON.
    """
    try:
        return json.loads(without_comments(text))
    except (ValueError, RecursionError) as error:
        raise RuleViolation("", f"devcontainer.json is no JSON: {error}") from None


def without_comments(text: str) -> str:
    """JSON with comments as plain JSON (https://code.visualstudio.com/docs/languages/json#_json-with-comments)."""
    # Whoever may write to a repository writes this text, so it is read once from left to right and never again.
    plain = _TEXT_OR_COMMENT.sub(lambda found: found[0] if found[0].startswith('"') else " ", text)
    return _TEXT_OR_LAST_COMMA.sub(lambda found: found[0] if found[0].startswith('"') else "", plain)


def _reads_packages(entry: Any) -> bool:
    permissions: Any = cast("dict[str, Any]", entry).get("permissions") if isinstance(entry, dict) else None
    if permissions in ("read-all", "write-all"):
        return True
    return isinstance(permissions, dict) and cast("dict[str, Any]", permissions).get("packages") == "read"


def differences(package: Package, linked_to: str | None, visibility: str) -> list[str]:
    """Where a package is not as it is declared, in sentences.

    Args:
        package: as declared.
        linked_to: the repository that it is linked to; None for none.
        visibility: the visibility that it has.
    """
    found: list[str] = []
    if (linked_to or "").lower() != package.repository.lower():
        there = f"is linked to {linked_to}" if linked_to else "is linked to no repository"
        wanted = f"repository {package.repository}" if package.repository else "none"
        found.append(f"package {package.name} {there}, and {wanted} is declared ({_SETTINGS_PAGE})")
    if visibility != package.visibility:
        found.append(f"package {package.name} is {visibility}, and {package.visibility} is declared ({_SETTINGS_PAGE})")
    return found
