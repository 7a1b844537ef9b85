"""`RepositorySelection`: the repositories that may read, declared once and shared by several registries."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ...rules import RuleViolation
from ...rules.selection import Declared, Repository, Resolution, check_declared, joined_and_left, resolve
from ...values import UNKNOWN, Unknown
from ..failures import Failure, InvalidInputs
from ..properties.repository_selection import Members, SelectionInputs, SelectionRules, SelectionState
from ..properties.shapes import known_ids, known_items, known_texts
from ..resource import Computed, Difference, Reading
from ..run import Run, Severity

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

_FEW = 10
"""The most repositories to request one by one; for more, listing the whole organization is cheaper."""


class RepositorySelection(Computed[SelectionInputs, SelectionState]):
    """Resolves names, topics, custom properties and ids to repositories.

    Check resolves them, so that a preview knows the members and a single difference shows who joins and who leaves. The
    result stays among the inputs, because Check sees nothing else of the past: `seen` holds every name that ever
    resolved. `public` lists the public members for a review; a change of `public` alone is not a difference.
    """

    token = "codespaces:index:RepositorySelection"

    async def check(self, run: Run, urn: str, old: SelectionInputs | None, new: SelectionInputs) -> SelectionInputs:
        """Resolve the selection."""
        rules = new.rules
        if not run.configuration.complete or rules.is_unresolvable:
            return SelectionInputs(rules, UNKNOWN)
        try:
            listing, resolution = await _resolved(run, rules, old)
        except RuleViolation as violation:
            raise InvalidInputs(Failure(violation.argument, str(violation))) from violation
        for warning in (*resolution.warnings, *(_moves(old, rules, listing, resolution) if old else ())):
            run.log(Severity.WARNING, urn, warning)
        members = resolution.repositories
        unknown: dict[str, int | Unknown] = {
            f"{name} (new)" if name in members else name: UNKNOWN for name in _unresolved(rules)
        }
        public = {repository.id for repository in listing if repository.visibility == "public"}
        return SelectionInputs(
            rules,
            Members(dict(sorted({**unknown, **members}.items())), resolution.renamed, resolution.skipped),
            seen=resolution.seen,
            public=sorted(name for name, number in members.items() if number in public),
        )

    async def difference(self, run: Run, urn: str, state: SelectionState, new: SelectionInputs) -> Difference:
        """Compare the members, and the rules if the members are the same."""
        return Difference(state.changes(new))

    async def compute(self, run: Run, urn: str, new: SelectionInputs, *, preview: bool) -> SelectionState:
        """Record what Check resolved."""
        return SelectionState(new.rules, new.members)

    async def read(
        self, run: Run, urn: str, identifier: str, inputs: SelectionInputs | None, state: SelectionState | None
    ) -> Reading[SelectionInputs | None, SelectionState | None]:
        """Return the selection as it is; for an import, resolve the names in the id."""
        if state:
            return Reading(identifier, inputs, state)
        names: list[str | Unknown] = [name.strip() for name in identifier.split(",") if name.strip()]
        imported = await self.check(run, urn, None, SelectionInputs(SelectionRules(names=names)))
        return Reading(identifier, imported, SelectionState(imported.rules, imported.members))


async def _resolved(
    run: Run, rules: SelectionRules, old: SelectionInputs | None
) -> tuple[list[Repository], Resolution]:
    """List enough repositories and resolve the rules against them.

    Raises:
        RuleViolation: the selection breaks a rule.
    """
    declared = Declared(
        names=tuple(known_texts(rules.names)),
        topics=tuple(known_texts(rules.topics)),
        properties=known_items(rules.properties),
        ids=known_ids(rules.ids),
    )
    seen = (old.seen if old else None) or {}
    if not rules.ids or declared.names:
        check_declared(declared)
    # GitHub may not find a repository that this update creates; it does find the members of earlier updates.
    members = {*_known_members(old), *seen.values()}
    listing = await enough_repositories(run, declared, seen, members)
    doubt = run.github.may_overlook()
    gone = set[int]() if doubt else members - {repository.id for repository in listing}
    unseen, new = run.github.unseen_repositories(), _unresolved(rules)
    return listing, resolve(declared, listing, seen, run.configuration.owner, unseen, gone, new, doubt)


def _known_members(old: SelectionInputs | None) -> list[int]:
    return [*known_ids(old.members.repositories).values()] if old and isinstance(old.members, Members) else []


def _unresolved(rules: SelectionRules) -> list[str]:
    """The names of repositories that the update creates."""
    return [name for name in rules.ids if name not in known_ids(rules.ids)] if isinstance(rules.ids, dict) else []


def _moves(old: SelectionInputs, rules: SelectionRules, listing: list[Repository], resolution: Resolution) -> list[str]:
    """Describe who joined and who left since the last update; nothing if its members are not all known."""
    before = old.members.repositories if isinstance(old.members, Members) else {}
    known = known_ids(before)
    if not before or len(known) != len(before):
        return []
    ids_before = old.rules.ids if isinstance(old.rules.ids, dict) else {}
    disambiguated = [f"{name} ({number})" for name, number in ids_before.items()]
    declared_before = [*known_texts(old.rules.names), *ids_before, *disambiguated]
    same_rules = old.rules.topics == rules.topics and old.rules.properties == rules.properties
    return joined_and_left(
        known, resolution.repositories, resolution.reasons, declared_before, listing if same_rules else None
    )


async def enough_repositories(
    run: Run, declared: Declared, seen: Mapping[str, int], members: Collection[int] = ()
) -> list[Repository]:
    """List enough repositories to resolve a selection, including those that were transferred to another owner.

    Args:
        run: the run.
        declared: the selection.
        seen: names that resolved in an earlier update -> id.
        members: ids of repositories that were members in an earlier update.
    """
    member_ids = [number for number in declared.ids.values() if number in members]
    if not (declared.names or member_ids or declared.needs_whole_organization):
        return []
    if not declared.needs_whole_organization and len(declared.names) + len(member_ids) <= _FEW:
        few = await _each_alone(run, declared, seen, member_ids)
        if few is not None:
            return few
    listing = await run.github.repositories()
    followed = {*member_ids, *(seen[name] for name in declared.names if name in seen)}
    if declared.needs_whole_organization:
        followed.update(members)
    listing = listing + await _by_id(run, sorted(followed - {repository.id for repository in listing}))
    if not declared.properties:
        return listing
    properties = await run.github.custom_properties()
    return [replace(repository, properties=properties.get(repository.name, {})) for repository in listing]


async def _each_alone(
    run: Run, declared: Declared, seen: Mapping[str, int], member_ids: list[int]
) -> list[Repository] | None:
    """Request each repository of a selection; None if a name is not found and never was."""
    named = await run.github.repositories_named(declared.names)
    ids = {repository.name.lower(): repository.id for repository in named}
    if any(name.lower() not in ids and name not in seen for name in declared.names):
        return None
    moved = [name for name in declared.names if name in seen and ids.get(name.lower()) != seen[name]]
    return named + await _by_id(run, [*(seen[name] for name in moved), *member_ids])


async def _by_id(run: Run, numbers: Iterable[int]) -> list[Repository]:
    repositories = [await run.github.repository_by_id(number) for number in numbers]
    return [repository for repository in repositories if repository]
