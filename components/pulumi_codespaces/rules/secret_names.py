"""Names, sizes and numbers of Codespaces secrets, and the three of them that make a registry login.

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
"""Codespaces secrets that one organization, and that one repository, can hold."""
VALUE_LIMIT_BYTES = 48 * 1024

_SUFFIXES = ("_CONTAINER_REGISTRY_USER", "_CONTAINER_REGISTRY_PASSWORD", "_CONTAINER_REGISTRY_SERVER")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MEANT = {
    "USER": ("USER", "USERNAME", "USER_NAME", "USR", "LOGIN"),
    "PASSWORD": ("PASSWORD", "PASS", "PASSWD", "PWD", "TOKEN", "SECRET"),
    "SERVER": ("SERVER", "LOGIN_SERVER", "HOST", "HOSTNAME", "URL", "ADDRESS", "REGISTRY", "ENDPOINT"),
}
"""What people write for the last part of such a name."""
_NEAR = 0.8
_TRIPLE_MEMBER = re.compile(r"(.+)(_CONTAINER_REGISTRY_(?:USER|PASSWORD|SERVER))")
_PAGE = (
    "https://docs.github.com/en/codespaces/managing-codespaces-for-your-organization/"
    "managing-development-environment-secrets-for-your-repository-or-organization"
)
_RULES = (
    "GitHub allows letters without accents, digits and _, no digit first, and nothing that begins with GITHUB_ "
    f"({_PAGE})"
)


@dataclass(frozen=True)
class Triple:
    """The three secrets that make GitHub log codespaces in to one registry.

    Attributes:
        prefix: what their names begin with, in upper case as GitHub keeps it.
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
        """The names in the order of writing: SERVER last, whose time stamp then marks the pair before it as whole."""
        return (self.user, self.password, self.server)


def triples_in(names: Iterable[str]) -> list[Triple]:
    """The complete triples among names of secrets, ordered by prefix. Upper and lower case are the same to GitHub."""
    given = {name.upper() for name in names}
    prefixes = sorted({found[1] for name in given if (found := _TRIPLE_MEMBER.fullmatch(name))})
    return [triple for triple in map(Triple, prefixes) if given.issuperset(triple.names)]


def incomplete_triples(names: Iterable[str]) -> dict[Triple, list[str]]:
    """The triples of which one or two secrets are there, ordered by prefix -> the names that are missing."""
    given = {name.upper() for name in names}
    prefixes = sorted({found[1] for name in given if (found := _TRIPLE_MEMBER.fullmatch(name))})
    missing = {triple: [name for name in triple.names if name not in given] for triple in map(Triple, prefixes)}
    return {triple: some for triple, some in missing.items() if some}


def near_miss(name: str) -> str | None:
    """The name of a registry's secret that a name was probably meant to be; None if it is one, or nothing like one.

    GitHub looks for the three endings of its guide, letter by letter, and ignores FOO_CONTAINER_REGISTRY_PASS.
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
            part, last = _meant("_".join(words[second:]))
            if prefix and middle >= _NEAR and last >= _NEAR:
                best = max(best, (middle + last, f"{prefix}_CONTAINER_REGISTRY_{part}"))
    return best[1] or None


def write_order(names: Iterable[str]) -> list[str]:
    """Names in the order of writing: first those of no registry, then each registry's USER, PASSWORD and SERVER.

    USER and PASSWORD follow each other directly, because between the two writes a starting codespace gets the user of
    one credential and the password of another. What there is of an incomplete triple keeps that order too.
    """

    def key(name: str) -> tuple[str, int, str]:
        member = _TRIPLE_MEMBER.fullmatch(name.upper())
        return (member[1], _SUFFIXES.index(member[2]), name) if member else ("", 0, name)

    return sorted(names, key=key)


def mixed_logins(above: Iterable[str], below: Iterable[str]) -> dict[Triple, list[str]]:
    """The registry logins that a codespace would put together from two levels.

    GitHub decides for each secret by itself that the lowest level wins, so that of two sets which overlap in part a
    codespace gets the user of one and the password of the other (see the page on development environment secrets).

    Args:
        above: the names of an organization's secrets.
        below: the names of a repository's.

    Returns:
        Each registry of which both levels together have all three secrets, and neither level decides alone -> its names
        that both have.
    """
    upper, lower = {name.upper() for name in above}, {name.upper() for name in below}
    return {
        triple: shared
        for triple in triples_in(upper | lower)
        if (shared := [name for name in triple.names if name in upper & lower]) and not lower.issuperset(triple.names)
    }


def prefix_from(resource_name: str, secret_prefix: str | None = None) -> str:
    """What the names of a registry's secrets begin with: `payments-prod` gives PAYMENTS_PROD.

    Args:
        resource_name: the name of the Pulumi resource.
        secret_prefix: the prefix that the program asks for instead, in upper or lower case.

    Raises:
        RuleViolation: what results is no valid prefix.
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
            "Set secret_prefix, or name the resource otherwise.",
        )
    return prefix


def check_prefix(prefix: str, argument: str = "secret_prefix") -> None:
    """Check what the names of a registry's secrets are to begin with.

    Raises:
        RuleViolation: names that begin so are invalid, or the registry's part of the names is in the prefix already.
    """
    member = _TRIPLE_MEMBER.fullmatch(prefix.upper())
    if member:
        raise RuleViolation(
            argument,
            f"{argument} {prefix!r} is the name of a whole secret; write what stands before _CONTAINER_REGISTRY_: "
            f"{member[1]!r}.",
        )
    problem = _prefix_problem(prefix)
    if problem:
        raise RuleViolation(argument, f"{argument} {prefix!r}: {problem}. {_RULES}. Choose another prefix.")


def check_name(name: str, argument: str | None = None) -> None:
    """Check the name of a secret.

    Args:
        name: the name, in upper or lower case.
        argument: the property path to name; `secrets.<name>` by default, none for an empty name.

    Raises:
        RuleViolation: GitHub would refuse the name.
    """
    problem = _name_problem(name)
    if problem:
        path = argument or (f"secrets.{name}" if name else "")
        raise RuleViolation(path, f"{path or 'secrets'}: the secret's name {name!r} {problem}. {_RULES}. Rename it.")


def check_value_size(name: str, value: str) -> None:
    """Check the size of a secret's value; the message tells the size and nothing else of the value.

    Raises:
        RuleViolation: it is larger than GitHub stores.
    """
    size = len(value.encode())
    if size > VALUE_LIMIT_BYTES:
        raise RuleViolation(
            f"secrets.{name}",
            f"secrets.{name}: its value has {size:,} bytes, and GitHub stores at most {VALUE_LIMIT_BYTES:,} (48 KB) a "
            "secret. Keep the data elsewhere and put the credential to fetch it into the secret.",
        )


def check_capacity(existing: Collection[str], added: Collection[str], owner: str, limit: int = SECRETS_LIMIT) -> None:
    """Check that new secrets find room.

    Args:
        existing: the names of the secrets that are there.
        added: the names that the run adds; those that exist are not counted twice.
        owner: whose secrets they are: an organization's login, or `owner/repository`.
        limit: how many secrets there may be.

    Raises:
        RuleViolation: there would be more than `limit`; names no argument, since all secrets of the run share the room.
    """
    there = {name.upper() for name in existing}
    new = {name.upper() for name in added} - there
    total = len(there) + len(new)
    if total <= limit:
        return
    level, other_level = "organization", "for the repositories that use them"
    if "/" in owner:
        level, other_level = "repository", "for the organization"
    raise RuleViolation(
        "",
        f"this run adds {counted(len(new), 'secret', 'secrets')} to the {len(there)} of {level} {owner}: {total} of "
        f"{limit}; {len(triples_in(there))} of {limit // 3} registries used. GitHub stores at most {limit} for one "
        f"{level} ({_PAGE}). Delete secrets that nobody reads any more, or keep some {other_level} instead.",
    )


def _meant(last: str) -> tuple[str, float]:
    """What the last part of such a name was meant to be, and how like that it is."""
    choices = ((part, _likeness(last, said)) for part, variants in _MEANT.items() for said in variants)
    return max(choices, key=lambda it: it[1])


def _likeness(one: str, other: str) -> float:
    return SequenceMatcher(None, one, other).ratio()


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
        return f"has {strange!r} in it"
    return None
