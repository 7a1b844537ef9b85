"""Names, sizes and numbers of Codespaces secrets, and the three secrets that form a registry login.

Sources: https://docs.github.com/en/codespaces/managing-codespaces-for-your-organization/managing-development-environment-secrets-for-your-repository-or-organization
and https://docs.github.com/en/codespaces/reference/allowing-your-codespace-to-access-a-private-registry
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

from . import RuleViolation
from .wording import counted

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

SECRETS_LIMIT = 100
"""The most Codespaces secrets in one organization, and in one repository."""
VALUE_LIMIT_BYTES = 48 * 1024

_SUFFIXES = ("_CONTAINER_REGISTRY_USER", "_CONTAINER_REGISTRY_PASSWORD", "_CONTAINER_REGISTRY_SERVER")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_VARIANTS = {
    "USER": ("USER", "USERNAME", "USER_NAME", "USR", "LOGIN"),
    "PASSWORD": ("PASSWORD", "PASS", "PASSWD", "PWD", "TOKEN", "SECRET"),
    "SERVER": ("SERVER", "LOGIN_SERVER", "HOST", "HOSTNAME", "URL", "ADDRESS", "REGISTRY", "ENDPOINT"),
}
"""Last part of a registry secret's name -> what people write for it."""
_NEAR = 0.8
"""The least likeness, from 0 to 1, at which a part of a name counts as mistyped."""
_TRIPLE_MEMBER = re.compile(r"(.+)(_CONTAINER_REGISTRY_(?:USER|PASSWORD|SERVER))")
_PAGE = (
    "https://docs.github.com/en/codespaces/managing-codespaces-for-your-organization/"
    "managing-development-environment-secrets-for-your-repository-or-organization"
)
_RULES = f"GitHub allows letters without accents, digits and _, and no digit or GITHUB_ at the beginning ({_PAGE})"


@dataclass(frozen=True)
class Triple:
    """The three secrets from which GitHub logs codespaces in to one registry.

    Attributes:
        prefix: the beginning of their names, in upper case as GitHub stores it.
    """

    prefix: str

    @property
    def user(self) -> str:
        """The name of the secret with the user name, or for Amazon ECR the access key id."""
        return self.prefix + _SUFFIXES[0]

    @property
    def password(self) -> str:
        """The name of the secret with the password, or for Amazon ECR the secret access key."""
        return self.prefix + _SUFFIXES[1]

    @property
    def server(self) -> str:
        """The name of the secret with the registry's address."""
        return self.prefix + _SUFFIXES[2]

    @property
    def names(self) -> tuple[str, str, str]:
        """The names in the order of writing. SERVER is last, so that its stamp marks the pair before it as whole."""
        return (self.user, self.password, self.server)


def triples_in(names: Iterable[str]) -> list[Triple]:
    """The complete triples among names of secrets, ordered by prefix. Case does not matter to GitHub."""
    upper = {name.upper() for name in names}
    return [triple for triple in _triples_touched(upper) if upper.issuperset(triple.names)]


def incomplete_triples(names: Iterable[str]) -> dict[Triple, list[str]]:
    """The triples that have only one or two of their secrets, ordered by prefix -> the names that are missing."""
    upper = {name.upper() for name in names}
    missing = {triple: [name for name in triple.names if name not in upper] for triple in _triples_touched(upper)}
    return {triple: names for triple, names in missing.items() if names}


def _triples_touched(names: Iterable[str]) -> list[Triple]:
    """The triples that any of these names, in upper case, belongs to, ordered by prefix."""
    prefixes = {match[1] for name in names if (match := _TRIPLE_MEMBER.fullmatch(name))}
    return [Triple(prefix) for prefix in sorted(prefixes)]


def near_miss(name: str) -> str | None:
    """Guess the name of a registry's secret that a name was meant to be.

    GitHub looks for the exact three endings in its guide, and ignores FOO_CONTAINER_REGISTRY_PASS.

    Returns:
        The name that was probably meant; None if the name is correct, or does not resemble such a name.
    """
    upper = name.upper()
    if _TRIPLE_MEMBER.fullmatch(upper):
        return None
    words = upper.split("_")
    best = (0.0, "")
    for first in range(1, len(words)):
        prefix = "_".join(words[:first])
        for second in range(first + 1, len(words)):
            middle = _likeness("_".join(words[first:second]), "CONTAINER_REGISTRY")
            part, likeness = _nearest_part("_".join(words[second:]))
            if prefix and middle >= _NEAR and likeness >= _NEAR:
                best = max(best, (middle + likeness, f"{prefix}_CONTAINER_REGISTRY_{part}"))
    return best[1] or None


def write_order(names: Iterable[str]) -> list[str]:
    """Sort names into the order of writing: names outside registries first, then each USER, PASSWORD and SERVER.

    PASSWORD directly follows USER, because a codespace that starts between the two writes gets the user of one
    credential and the password of another. The names of an incomplete triple have the same order.
    """

    def key(name: str) -> tuple[str, int, str]:
        member = _TRIPLE_MEMBER.fullmatch(name.upper())
        return (member[1], _SUFFIXES.index(member[2]), name) if member else ("", 0, name)

    return sorted(names, key=key)


def mixed_logins(above: Iterable[str], below: Iterable[str]) -> dict[Triple, list[str]]:
    """Find the registry logins that a codespace would put together from two levels.

    GitHub resolves each secret separately, and the lowest level wins. So if two sets overlap in part, a codespace gets
    the user of one set and the password of the other (see the page on development environment secrets).

    Args:
        above: the names of an organization's secrets.
        below: the names of a repository's secrets.

    Returns:
        Each triple that the two levels together complete, that has names in both levels, and that the repository does
        not complete alone -> its names that both levels have.
    """
    upper, lower = {name.upper() for name in above}, {name.upper() for name in below}
    return {
        triple: shared
        for triple in triples_in(upper | lower)
        if (shared := [name for name in triple.names if name in upper & lower]) and not lower.issuperset(triple.names)
    }


def prefix_from(resource_name: str, secret_prefix: str | None = None) -> str:
    """The prefix of the names of a registry's secrets: `payments-prod` becomes PAYMENTS_PROD.

    Args:
        resource_name: the name of the Pulumi resource.
        secret_prefix: the prefix that the program sets instead, in upper or lower case.

    Raises:
        RuleViolation: the result is not a valid prefix.
    """
    if secret_prefix is not None:
        check_prefix(secret_prefix)
        return secret_prefix.upper()
    prefix = re.sub(r"[-_.:/ ]+", "_", resource_name).strip("_").upper()
    problem = _prefix_problem(prefix)
    if problem:
        raise RuleViolation(
            "secret_prefix",
            f"secret_prefix: the resource name {resource_name!r} gives the prefix {prefix!r}, and {problem}. {_RULES}. "
            "Set secret_prefix, or rename the resource.",
        )
    return prefix


def check_prefix(prefix: str, argument: str = "secret_prefix") -> None:
    """Check the prefix of the names of a registry's secrets.

    Raises:
        RuleViolation: names with this prefix are invalid, or the prefix already has the fixed ending of such names.
    """
    member = _TRIPLE_MEMBER.fullmatch(prefix.upper())
    if member:
        raise RuleViolation(
            argument,
            f"{argument} {prefix!r} is the name of a whole secret; use the part before _CONTAINER_REGISTRY_: "
            f"{member[1]!r}.",
        )
    problem = _prefix_problem(prefix)
    if problem:
        raise RuleViolation(argument, f"{argument} {prefix!r}: {problem}. {_RULES}. Choose another prefix.")


def check_name(name: str, argument: str | None = None) -> None:
    """Check the name of a secret.

    Args:
        name: the name, in upper or lower case.
        argument: the property path for the message; `secrets.<name>` by default, none for an empty name.

    Raises:
        RuleViolation: GitHub would refuse the name.
    """
    problem = _name_problem(name)
    if problem:
        path = argument or (f"secrets.{name}" if name else "")
        raise RuleViolation(path, f"{path or 'secrets'}: the secret's name {name!r} {problem}. {_RULES}. Rename it.")


def check_value_size(name: str, value: str) -> None:
    """Check the size of a secret's value. The message contains the size, but nothing else about the value.

    Raises:
        RuleViolation: the value is larger than GitHub stores.
    """
    size = len(value.encode())
    if size > VALUE_LIMIT_BYTES:
        raise RuleViolation(
            f"secrets.{name}",
            f"secrets.{name}: its value has {size:,} bytes, and GitHub stores at most {VALUE_LIMIT_BYTES:,} (48 KB) "
            "per secret. Keep the data elsewhere and put the credential to fetch it into the secret.",
        )


def check_capacity(existing: Collection[str], added: Collection[str], owner: str, limit: int = SECRETS_LIMIT) -> None:
    """Check that there is room for new secrets.

    Args:
        existing: the names of the existing secrets.
        added: the names that the run adds; names that exist are not counted twice.
        owner: the owner of the secrets: an organization's login, or `owner/repository`.
        limit: the most secrets that the owner can have.

    Raises:
        RuleViolation: there would be more than `limit` secrets. The violation names no argument, because all secrets of
            the run share the room.
    """
    old = {name.upper() for name in existing}
    new = {name.upper() for name in added} - old
    total = len(old) + len(new)
    if total <= limit:
        return
    level, other_level = "organization", "the repositories that use them"
    if "/" in owner:
        level, other_level = "repository", "the organization"
    raise RuleViolation(
        "",
        f"this run adds {counted(len(new), 'secret', 'secrets')} to the {len(old)} of {level} {owner}: {total} of "
        f"{limit}; {len(triples_in(old))} of {limit // 3} registries used. GitHub stores at most {limit} for one "
        f"{level} ({_PAGE}). Delete secrets that nobody reads, or move some to {other_level}.",
    )


def _nearest_part(text: str) -> tuple[str, float]:
    """The last part of a registry secret's name that a text resembles most, and their likeness from 0 to 1."""
    choices = ((part, _likeness(text, variant)) for part, variants in _VARIANTS.items() for variant in variants)
    return max(choices, key=lambda choice: choice[1])


def _likeness(text: str, other: str) -> float:
    return SequenceMatcher(None, text, other).ratio()


def _prefix_problem(prefix: str) -> str | None:
    if prefix.upper() == "GITHUB":
        return "the names would begin with GITHUB_, which is GitHub's own; GHCR is the usual prefix for ghcr.io"
    problem = _name_problem(prefix)
    return f"it {problem}" if problem else None


def _name_problem(name: str) -> str | None:
    if not name:
        return "is empty"
    if name.upper().startswith("GITHUB_"):
        return "begins with GITHUB_, which is GitHub's own"
    if name[0] in "0123456789":
        return "begins with a digit"
    if not _NAME.fullmatch(name):
        strange = "".join(dict.fromkeys(re.sub(r"[A-Za-z0-9_]", "", name)))
        return f"contains {strange!r}"
    return None
