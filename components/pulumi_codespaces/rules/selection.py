"""Resolves a selection to repositories, and explains what became of its previous members.

GitHub stores the readers of a secret as repository ids; people write names, topics and custom properties. A rename
keeps the id, so a name that resolved once is followed by its id. A name that never resolved is a mistake.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from . import RuleViolation
from .suggestions import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence


_NAME = re.compile(r"[A-Za-z0-9._-]+")


@dataclass(frozen=True)
class Repository:
    """A repository as GitHub lists it.

    Attributes:
        id: GitHub's number for it, which a rename keeps.
        name: its name without the owner.
        archived: whether it is read-only.
        visibility: `public`, `internal` or `private`.
        topics: its topics, lower-case.
        properties: its custom properties; a property with several values has a list.
        moved_to: the login of the owner that it was transferred to; "" if it belongs to the organization.
    """

    id: int
    name: str
    archived: bool = False
    visibility: str = "private"
    topics: frozenset[str] = frozenset()
    properties: Mapping[str, str | list[str]] = field(default_factory=dict[str, "str | list[str]"])
    moved_to: str = ""


@dataclass(frozen=True)
class Declared:
    """A selection as the program declares it: the union of all its parts.

    Attributes:
        names: repository names of the organization.
        topics: topics, each of which selects every repository that has it.
        properties: name -> value of custom properties, each of which selects every repository that has this value.
        ids: name -> id of repositories whose id the program knows, such as repositories that it creates itself.
    """

    names: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    properties: Mapping[str, str] = field(default_factory=dict[str, str])
    ids: Mapping[str, int] = field(default_factory=dict[str, int])

    @property
    def needs_whole_organization(self) -> bool:
        """Whether resolving the selection requires a list of all the organization's repositories."""
        return bool(self.topics or self.properties)


@dataclass(frozen=True)
class Resolution:
    """The result of resolving a selection.

    Attributes:
        repositories: the members, name -> id. A member declared by name keeps the declared name after a rename. If
            another member has the name already, it becomes `name (id)`, so that neither replaces the other.
        reasons: name of a member that was not declared by name -> the reason it is selected, such as `topic payments`.
        renamed: declared name -> the current name of the repository.
        skipped: declared name -> why it is left out: `archived`, `transferred` or `deleted`. A repository that was
            transferred to where the credentials cannot see it also counts as `deleted`.
        seen: every declared name that ever resolved -> id, which distinguishes a rename or a deletion from a typing
            error. It also holds the names of declared ids that are left out.
        warnings: messages for a reviewer.
    """

    repositories: dict[str, int]
    reasons: dict[str, str]
    renamed: dict[str, str]
    skipped: dict[str, str]
    seen: dict[str, int]
    warnings: list[str]


def check_declared(declared: Declared) -> None:
    """Check a selection before the first request to GitHub.

    Raises:
        RuleViolation: the selection is empty, or a name includes an owner or cannot be the name of a repository.
    """
    if not (declared.names or declared.topics or declared.properties or declared.ids):
        raise RuleViolation(
            "names",
            "the selection is empty: give `names`, `topics`, `properties` or `ids`. A secret that no repository may "
            "read has no use.",
        )
    for index, name in enumerate(declared.names):
        check_repository_name(name, f"names[{index}]")


def check_repository_name(name: str, argument: str) -> None:
    """Check the name of a repository, which becomes a part of an address.

    Raises:
        RuleViolation: the name includes an owner, or cannot be the name of a repository.
    """
    if "/" in name:
        raise RuleViolation(
            argument, f"{argument} {name!r}: write the name without its owner: {name.rstrip('/').rsplit('/')[-1]!r}."
        )
    if not is_repository_name(name):
        raise RuleViolation(
            argument,
            f"{argument} {name!r} is not a valid repository name; GitHub allows letters without accents, digits, '-', "
            "'_' and '.'.",
        )


def is_repository_name(name: str) -> bool:
    """Whether GitHub allows this name for a repository."""
    return bool(_NAME.fullmatch(name)) and name not in (".", "..")


def resolve(
    declared: Declared,
    listing: Iterable[Repository],
    seen: Mapping[str, int],
    organization: str,
    unseen: str = "",
    gone: Collection[int] = (),
    new: Collection[str] = (),
    doubt: str = "",
) -> Resolution:
    """Resolve a selection against the organization's repositories.

    Args:
        declared: the selection.
        listing: the organization's repositories, or at least those that the names and the ids in `seen` may mean, and
            the repositories with these ids that were transferred.
        seen: names that resolved in an earlier update -> id.
        organization: the organization's login, for messages.
        unseen: why the listing may lack repositories; "" if it is complete.
        gone: ids of previous members that neither the organization nor any other visible owner has.
        new: the program's names for repositories whose ids are not known yet; a member selected by topic or property
            does not get such a name.
        doubt: why a name that resolved before and no longer does may still exist; "" if it certainly does not.

    Raises:
        RuleViolation: a name does not exist and never did (the message suggests a similar name); or a name existed and
            may still exist unseen; or not all repositories of a topic or property are visible.
    """
    if unseen and declared.needs_whole_organization:
        raise RuleViolation(
            "",
            f"{unseen}, so topics and custom properties cannot be resolved: repositories that the credentials do not "
            "see would be left out silently. Let the credentials see all repositories, or select by `names` or `ids`.",
        )
    repositories = list(listing)
    owned = [repository for repository in repositories if not repository.moved_to]
    by_name = {repository.name.lower(): repository for repository in owned}
    by_id = {repository.id: repository for repository in repositories}
    result = Resolution({}, {}, {}, {}, {}, [])
    for index, name in enumerate(declared.names):
        if any(name.lower() == other.lower() for other in declared.names[:index]):
            continue
        if not _resolve_name(name, by_name, by_id, seen, result):
            _check_was_deleted(f"names[{index}]", name, owned, seen, organization, unseen, doubt)
    _add_ids(declared, by_id, gone, result)
    _add_selected(declared, owned, new, result)
    return result


def _check_was_deleted(
    argument: str,
    name: str,
    owned: Iterable[Repository],
    seen: Mapping[str, int],
    organization: str,
    unseen: str,
    doubt: str,
) -> None:
    """Check a name that does not resolve. See `resolve` for the other arguments.

    Raises:
        RuleViolation: the repository never existed, or may still exist.
    """
    if name in seen and doubt and not unseen:
        raise RuleViolation(
            argument,
            f"repository {name!r} (id {seen[name]}) of organization {organization} is no longer found, but may "
            f"still exist: {doubt}. Give the credentials access to it; or, if it is gone, remove it from the program.",
        )
    if unseen or name not in seen:
        suggestion = did_you_mean(name, [repository.name for repository in owned])
        perhaps = f" (or {unseen})" if unseen else ""
        raise RuleViolation(
            argument,
            f"organization {organization} has no repository {name!r}{perhaps}{suggestion or '.'} Select a "
            "repository that this program creates in the same update by `ids`.",
        )


def _add_ids(declared: Declared, by_id: Mapping[int, Repository], gone: Collection[int], result: Resolution) -> None:
    """Add the repositories that are declared by id; those that were transferred or deleted are left out."""
    for label, number in declared.ids.items():
        repository = by_id.get(number)
        name = _free_name(label, number, result.seen | result.repositories)
        if repository and repository.moved_to:
            _leave_out(name, repository, result)
        elif number in gone:
            _leave_out(name, number, result)
        else:
            result.repositories[name] = number


def _add_selected(declared: Declared, owned: Iterable[Repository], new: Collection[str], result: Resolution) -> None:
    """Add the repositories that have a declared topic or custom property."""
    for repository in sorted(owned, key=lambda repository: repository.name):
        reason = _reason(repository, declared)
        if reason and not repository.archived and repository.id not in result.repositories.values():
            name = _free_name(repository.name, repository.id, result.repositories | dict.fromkeys(new, 0))
            result.repositories[name] = repository.id
            result.reasons[name] = reason


def _free_name(name: str, number: int, taken: Mapping[str, int]) -> str:
    """The name of a member, extended by its id if another member has the name already."""
    return name if taken.get(name, number) == number else _free_name(f"{name} ({number})", number, taken)


def _resolve_name(
    name: str,
    by_name: Mapping[str, Repository],
    by_id: Mapping[int, Repository],
    seen: Mapping[str, int],
    result: Resolution,
) -> bool:
    """Enter the repository that a name means into the result; False if it does not exist."""
    id_before = seen.get(name)
    repository = by_name.get(name.lower())
    if repository and id_before is not None and id_before != repository.id:
        old = by_id.get(id_before)
        became = "is gone"
        if old:
            became = f"was transferred to {old.moved_to}" if old.moved_to else f"is now called {old.name}"
        result.warnings.append(
            f"{name} is now a different repository: the repository selected so far (id {id_before}) {became}, and the "
            f"repository with id {repository.id}, which has the name now, gets the access."
        )
    if not repository and id_before is not None:
        repository = by_id.get(id_before)
        if repository and repository.moved_to:
            _leave_out(name, repository, result)
            return True
        if repository:
            new_name = repository.name
            result.renamed[name] = new_name
            result.warnings.append(
                f"{name} is now called {new_name} and keeps its access; use {new_name} in the selection."
            )
        else:
            _leave_out(name, id_before, result)
    if not repository:
        return False
    result.seen[name] = repository.id
    if repository.archived:
        result.skipped[name] = "archived"
        result.warnings.append(f"{name} is archived and is left out; remove it from the selection or unarchive it.")
    else:
        result.repositories[name] = repository.id
    return True


def _leave_out(name: str, gone: Repository | int, result: Resolution) -> None:
    """Leave out a repository that was transferred, or the id of a repository that is not visible anywhere."""
    if isinstance(gone, Repository):
        number, why, became = gone.id, "transferred", f"was transferred to {gone.moved_to}"
    else:
        number, why, became = gone, "deleted", "no longer exists in the organization"
    result.seen[name] = number
    result.skipped[name] = why
    result.warnings.append(f"{name} {became} and is left out; remove it from the selection.")


def _reason(repository: Repository, declared: Declared) -> str:
    """The topic or the property by which a repository is selected; "" for none."""
    for topic in declared.topics:
        if topic.lower() in repository.topics:
            return f"topic {topic}"
    for name, value in declared.properties.items():
        actual = repository.properties.get(name)
        if actual == value or (isinstance(actual, list) and value in actual):
            return f"property {name}={value}"
    return ""


def joined_and_left(
    old: Mapping[str, int],
    new: Mapping[str, int],
    reasons: Mapping[str, str],
    declared_before: Sequence[str],
    listing: Iterable[Repository] | None,
) -> list[str]:
    """Describe members that joined or left because of a topic or a property rather than a change of the program.

    Args:
        old: the previous members.
        new: the current members.
        reasons: name of a member that was not declared by name -> the reason it is selected.
        declared_before: the names that the program declared before.
        listing: the organization's repositories and the previous members that were transferred, to explain why a member
            left; None if the program itself changed its topics or properties, which needs no explanation.
    """
    by_id = {repository.id: repository for repository in listing or ()}
    joined = [
        f"{name} joins: it has {reasons[name]}" for name in new if name in reasons and new[name] not in old.values()
    ]
    left = [
        f"{name} leaves: {_why_left(by_id.get(number))}"
        for name, number in old.items()
        if listing is not None and number not in new.values() and name not in declared_before
    ]
    return joined + left


def _why_left(repository: Repository | None) -> str:
    if repository is None:
        return "it no longer exists in the organization"
    if repository.moved_to:
        return f"it was transferred to {repository.moved_to}"
    return "it is archived" if repository.archived else "it no longer has the topic or property that selected it"
