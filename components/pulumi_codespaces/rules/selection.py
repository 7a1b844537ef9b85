"""Which repositories a selection means, and what became of those it meant before.

GitHub keeps the readers of a secret as repository ids; people write names, topics and custom properties. A rename keeps
the id, so what was resolved once is followed by its id; a name that was never seen is a mistake.
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
        properties: its custom properties; a property that takes several values has a list.
        moved_to: the login of the owner that it was transferred to; "" for one of the organization.
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
    """A selection as the program declares it; the union of all its parts is selected.

    Attributes:
        names: repository names of the organization.
        topics: every repository that has one of these topics.
        properties: every repository on which one of these custom properties has this value.
        ids: name -> id of repositories that the program knows already, such as those it creates in the same update.
    """

    names: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    properties: Mapping[str, str] = field(default_factory=dict[str, str])
    ids: Mapping[str, int] = field(default_factory=dict[str, int])

    @property
    def needs_whole_organization(self) -> bool:
        """Whether every repository of the organization must be listed to resolve it."""
        return bool(self.topics or self.properties)


@dataclass(frozen=True)
class Resolution:
    """What a selection means now.

    Attributes:
        repositories: the members, name -> id. A member declared by name keeps the declared name after a rename. Where
            another member has the name already, it is `name (id)`, so that neither takes the place of the other.
        reasons: why a member that was not declared by name is one, such as `topic payments`.
        renamed: declared name -> name that the repository has now.
        skipped: declared name -> why it is left out: `archived`, `transferred`, or `deleted`, as one is called too
            that was transferred out of the credentials' sight.
        seen: every declared name that ever resolved -> id; it tells a rename or a deletion from a typing error. Also
            those of the declared ids that are left out.
        warnings: what a reviewer has to know.
    """

    repositories: dict[str, int]
    reasons: dict[str, str]
    renamed: dict[str, str]
    skipped: dict[str, str]
    seen: dict[str, int]
    warnings: list[str]


def check_declared(declared: Declared) -> None:
    """Check a selection before anything is asked of GitHub.

    Raises:
        RuleViolation: it declares nothing, or a name that carries an owner or that no repository can have.
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
        RuleViolation: it carries an owner, or no repository can have it.
    """
    if "/" in name:
        raise RuleViolation(
            argument, f"{argument} {name!r}: write the name without its owner: {name.rstrip('/').rsplit('/')[-1]!r}."
        )
    if not is_repository_name(name):
        raise RuleViolation(
            argument,
            f"{argument} {name!r}: no repository has this name; GitHub allows letters without accents, digits, '-', "
            "'_' and '.'.",
        )


def is_repository_name(name: str) -> bool:
    """Whether a repository can have this name."""
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
        listing: the organization's repositories, or at least those that the names and the ids in `seen` may mean; and
            those of these ids that were transferred.
        seen: names that resolved in an earlier update -> id.
        organization: the organization's login, for messages.
        unseen: why there may be repositories that the listing lacks; "" where there are none.
        gone: ids of members before that are neither in the organization nor to be seen anywhere else.
        new: what the program calls those whose ids are not known yet; no member by topic or property is called so.
        doubt: why a name that resolved before, and is not found any more, may be there all the same; "" where it is
            gone.

    Raises:
        RuleViolation: a name that neither exists nor ever existed, with a near one in the message; or one that existed
            and may still, unseen; or a topic or property whose repositories cannot all be seen.
    """
    if unseen and declared.needs_whole_organization:
        raise RuleViolation(
            "",
            f"{unseen}, so topics and custom properties cannot be resolved: what cannot be seen would be left out in "
            "silence. Let the credentials see all repositories, or select by `names` or `ids`.",
        )
    repositories = list(listing)
    here = [repository for repository in repositories if not repository.moved_to]
    by_name = {repository.name.lower(): repository for repository in here}
    by_id = {repository.id: repository for repository in repositories}
    result = Resolution({}, {}, {}, {}, {}, [])
    for index, name in enumerate(declared.names):
        if any(name.lower() == other.lower() for other in declared.names[:index]):
            continue
        found = _resolve_name(name, by_name, by_id, seen, result)
        if not found and name in seen and doubt and not unseen:
            raise RuleViolation(
                f"names[{index}]",
                f"repository {name!r} (id {seen[name]}) of organization {organization} is not found any more, which "
                f"does not mean that it is gone: {doubt}. Give the credentials access to it; or, if it is gone, remove "
                "it from the program.",
            )
        if not found and (unseen or name not in seen):
            suggestion = did_you_mean(name, [repository.name for repository in here])
            perhaps = f" (or {unseen})" if unseen else ""
            raise RuleViolation(
                f"names[{index}]",
                f"organization {organization} has no repository {name!r}{perhaps}{suggestion or '.'} A repository that "
                "this program creates in the same update is given by `ids`.",
            )
    for label, number in declared.ids.items():
        found = by_id.get(number)
        name = _free(label, number, result.seen | result.repositories)
        if found and found.moved_to:
            _leave_out(name, found, result)
        elif number in gone:
            _leave_out(name, number, result)
        else:
            result.repositories[name] = number
    for repository in sorted(here, key=lambda one: one.name):
        reason = _reason(repository, declared)
        if reason and not repository.archived and repository.id not in result.repositories.values():
            name = _free(repository.name, repository.id, result.repositories | dict.fromkeys(new, 0))
            result.repositories[name] = repository.id
            result.reasons[name] = reason
    return result


def _free(name: str, number: int, taken: Mapping[str, int]) -> str:
    """What a member is called, where its name may be that of another one already."""
    return name if taken.get(name, number) == number else _free(f"{name} ({number})", number, taken)


def _resolve_name(
    name: str,
    by_name: Mapping[str, Repository],
    by_id: Mapping[int, Repository],
    seen: Mapping[str, int],
    result: Resolution,
) -> bool:
    """Enter what a name means into the result; gives whether there is such a repository."""
    before = seen.get(name)
    found = by_name.get(name.lower())
    if found and before is not None and before != found.id:
        old = by_id.get(before)
        became = "is gone"
        if old:
            became = f"was transferred to {old.moved_to}" if old.moved_to else f"is called {old.name} now"
        result.warnings.append(
            f"{name} is another repository than before: the one selected so far (id {before}) {became}, and the name "
            f"now belongs to id {found.id}, which gets the access."
        )
    if not found and before is not None:
        found = by_id.get(before)
        if found and found.moved_to:
            _leave_out(name, found, result)
            return True
        if found:
            result.renamed[name] = found.name
            result.warnings.append(
                f"{name} is called {found.name} now and keeps its access; write {found.name} in the selection."
            )
        else:
            _leave_out(name, before, result)
    if not found:
        return False
    result.seen[name] = found.id
    if found.archived:
        result.skipped[name] = "archived"
        result.warnings.append(f"{name} is archived and is left out; remove it from the selection or unarchive it.")
    else:
        result.repositories[name] = found.id
    return True


def _leave_out(name: str, gone: Repository | int, result: Resolution) -> None:
    """Leave out one that was transferred, or by its id one that is nowhere to be seen."""
    if isinstance(gone, Repository):
        number, why, became = gone.id, "transferred", f"was transferred to {gone.moved_to}"
    else:
        number, why, became = gone, "deleted", "does not exist in the organization any more"
    result.seen[name] = number
    result.skipped[name] = why
    result.warnings.append(f"{name} {became} and is left out; remove it from the selection.")


def _reason(repository: Repository, declared: Declared) -> str:
    for topic in declared.topics:
        if topic.lower() in repository.topics:
            return f"topic {topic}"
    for name, value in declared.properties.items():
        has = repository.properties.get(name)
        if has == value or (isinstance(has, list) and value in has):
            return f"property {name}={value}"
    return ""


def joined_and_left(
    old: Mapping[str, int],
    new: Mapping[str, int],
    reasons: Mapping[str, str],
    declared_before: Sequence[str],
    listing: Iterable[Repository] | None,
) -> list[str]:
    """Tell which members joined or left by a topic or a property rather than by a change of the program.

    Args:
        old: the members before.
        new: the members now.
        reasons: why a member that was not declared by name is one now.
        declared_before: the names that the program declared before.
        listing: the organization's repositories, and those of the members before that were transferred, to tell why one
            left; None where the program itself changed what selects, which needs no telling.
    """
    found = {repository.id: repository for repository in listing or ()}
    joined = [
        f"{name} joins: it has {reasons[name]}" for name in new if name in reasons and new[name] not in old.values()
    ]
    left = [
        f"{name} leaves: {_why_left(found.get(number))}"
        for name, number in old.items()
        if listing is not None and number not in new.values() and name not in declared_before
    ]
    return joined + left


def _why_left(repository: Repository | None) -> str:
    if repository is None:
        return "it does not exist in the organization any more"
    if repository.moved_to:
        return f"it was transferred to {repository.moved_to}"
    return "it is archived" if repository.archived else "it no longer has the topic or property that selected it"
