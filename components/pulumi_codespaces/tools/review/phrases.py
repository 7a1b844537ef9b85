"""The parts of the review's sentences: who may do something, what they may do, and where."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...rules.secret_names import triples_in
from ...rules.wording import in_words

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from ...state.access import Access, Readers

MANY = 3
"""The maximum number of names that are all shown."""
_NAMED = 2
"""The number of names shown from a longer list."""


def capital(text: str) -> str:
    """A text that begins a sentence."""
    return text[:1].upper() + text[1:]


def code(names: Iterable[str]) -> list[str]:
    """Names as Markdown code."""
    return [f"`{name}`" for name in names]


def names_text(names: Collection[str]) -> str:
    """All names, in order."""
    return in_words(code(sorted(names)))


def listed(parts: Sequence[str], more: str = "more", *, all_up_to: int = MANY) -> str:
    """The parts, or the first of them and the number of the others.

    Args:
        parts: the parts of a list.
        more: the words after the number of the others.
        all_up_to: the maximum number of parts that are all shown.
    """
    if len(parts) <= all_up_to:
        return in_words(parts)
    return in_words([*parts[:_NAMED], f"{len(parts) - _NAMED} {more}"])


# -- who


def full_name(owner: str, name: str) -> str:
    """A repository's name with its owner, if the owner is known."""
    return name if "/" in name or not owner else f"{owner}/{name}"


def repositories_text(owner: str, names: Collection[str]) -> str:
    """The repositories, a longer list shortened."""
    if not names:
        return "no repository"
    return listed(code(_full_names(owner, names)))


def repository_details(owner: str, names: Collection[str]) -> tuple[str, ...]:
    """All names, if a sentence does not show all of them."""
    return tuple(sorted(code(_full_names(owner, names)))) if len(names) > MANY else ()


def readers_text(owner: str, readers: Readers) -> str:
    """The repositories that may read a set of secrets."""
    if readers.visibility == "all":
        return f"**every repository of `{owner}`, public ones too,**"
    if readers.visibility == "private":
        return f"**every private and internal repository of `{owner}`**"
    if readers.unknown and not readers.names:
        return "repositories that are known only after the update"
    return repositories_text(owner, readers.names)


def _full_names(owner: str, names: Iterable[str]) -> list[str]:
    return sorted(full_name(owner, name) for name in names)


# -- what


def use_text(access: Access) -> str:
    """The access that a set of secrets gives its readers."""
    if not access.prefixes:
        return f"read {secrets_text(access)}"
    images = listed(code(repository_name(arn) for arn in access.repositories), "more repositories")
    return f"pull {images} from {registry_text(access)}" if images else f"pull from {registry_text(access)}"


def uses_text(accesses: Sequence[Access]) -> str:
    """The access that several sets of secrets give their readers."""
    if len(accesses) == 1:
        return use_text(accesses[0])
    by_name = sorted(accesses, key=lambda access: access.name)
    parts = [registry_text(access) if access.prefixes else secrets_text(access) for access in by_name]
    return f"pull from {listed(parts)}"


def secrets_text(access: Access) -> str:
    """The secrets. The three secrets of a registry are shown by one pattern."""
    triples = triples_in(access.secrets)
    others = sorted(set(access.secrets) - {name for triple in triples for name in triple.names})
    patterns = [f"{triple.prefix}_CONTAINER_REGISTRY_*" for triple in triples]
    noun = "the secrets" if len(access.secrets) > 1 else "the secret"
    return f"{noun} {listed(code([*patterns, *others]))}"


def secret_details(access: Access) -> tuple[str, ...]:
    """The names of all secrets."""
    return tuple(code(access.secrets))


# -- where


def registry_text(access: Access) -> str:
    """The hosts of a registry, or the name of its component if the hosts are unknown."""
    if not access.prefixes:
        return f"`{access.name}`"
    if not access.servers:
        return f"the registry of `{access.name}`"
    return listed(code(access.servers), all_up_to=_NAMED)


def repository_name(arn: str) -> str:
    """The name of an ECR repository, or the ARN itself if it has another form."""
    return arn.partition(":repository/")[2] or arn


def codespaces_text(access: Access) -> str:
    """The codespaces that get the secrets."""
    return f"in codespaces of {readers_text(access.owner, access.readers)}"
