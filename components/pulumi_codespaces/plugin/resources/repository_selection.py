"""`RepositorySelection`: the repositories that may read, declared once and shared by several registries."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ...rules import RuleViolation
from ...rules.selection import Declared, Repository, check_declared, joined_and_left, resolve
from ...values import UNKNOWN, Properties, Unknown, Value, is_id, is_text, is_unknown, plain_map, reveal
from ..failures import Failure, InvalidInputs
from ..resource import Difference, Resource, Stored, check_list, check_map, map_changes, raise_if
from ..run import Run, Severity

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from ..resource import ChangeKind

_FEW = 10
"""The most repositories to request one by one; for more, listing the whole organization is cheaper."""
_DECLARED = ("names", "topics", "properties", "ids")
_RESOLVED = ("repositories", "renamed", "skipped")


class RepositorySelection(Resource):
    """Resolves names, topics, custom properties and ids to repositories.

    Check resolves them, so that a preview knows the members and a single difference shows who joins and who leaves. The
    result stays among the inputs, because Check sees nothing else of the past: `seen` holds every name that ever
    resolved. `public` lists the public members for a review; a change of it alone is not a difference.
    """

    token = "codespaces:index:RepositorySelection"

    async def check(self, run: Run, urn: str, old: Properties, new: Properties) -> Properties:
        inputs: Properties = {name: reveal(new[name]) for name in _DECLARED if new.get(name) is not None}
        raise_if(*_shape_failures(inputs))
        parts = {name: value for name, value in inputs.items() if name != "ids"}
        if not run.configuration.complete or is_unknown(parts) or isinstance(inputs.get("ids"), Unknown):
            return inputs | dict.fromkeys(_RESOLVED, UNKNOWN)
        ids: dict[str, Value] = inputs.get("ids") or {}
        resolved_ids = {name: int(number) for name, number in ids.items() if not is_unknown(number)}
        declared = Declared(
            names=tuple(inputs.get("names") or ()),
            topics=tuple(inputs.get("topics") or ()),
            properties=inputs.get("properties") or {},
            ids=resolved_ids,
        )
        past = reveal(old)
        seen: dict[str, int] = past.get("seen") or {}
        before: dict[str, int] = past.get("repositories") or {}
        try:
            if not ids or declared.names:
                check_declared(declared)
            # GitHub may not find a repository that this update creates; it does find the members of earlier updates.
            members = {int(number) for number in plain_map(before).values() if not is_unknown(number)}
            members.update(seen.values())
            listing = await enough_repositories(run, declared, seen, members)
            doubt = run.github.may_overlook()
            gone = set[int]() if doubt else members - {repository.id for repository in listing}
            unseen = run.github.unseen_repositories()
            unresolved = [name for name in ids if name not in resolved_ids]
            resolution = resolve(declared, listing, seen, run.configuration.owner, unseen, gone, unresolved, doubt)
        except RuleViolation as violation:
            raise InvalidInputs(Failure(violation.argument, str(violation))) from violation
        if before and not is_unknown(before):
            names_before: list[str] = past.get("names") or []
            ids_before = plain_map(past.get("ids"))
            disambiguated = [f"{name} ({number})" for name, number in ids_before.items()]
            declared_before = [*names_before, *ids_before, *disambiguated]
            same_rules = all(past.get(name) == inputs.get(name) for name in ("topics", "properties"))
            resolution.warnings.extend(
                joined_and_left(
                    before,
                    resolution.repositories,
                    resolution.reasons,
                    declared_before,
                    listing if same_rules else None,
                )
            )
        for warning in resolution.warnings:
            run.log(Severity.WARNING, urn, warning)
        members_now = resolution.repositories
        unknown = {f"{name} (new)" if name in members_now else name: ids[name] for name in unresolved}
        repositories: dict[str, Value] = {**unknown, **members_now}
        public = {repository.id for repository in listing if repository.visibility == "public"}
        return inputs | {
            "repositories": dict(sorted(repositories.items())),
            "renamed": resolution.renamed,
            "skipped": resolution.skipped,
            "seen": resolution.seen,
            "public": sorted(name for name, number in members_now.items() if number in public),
        }

    async def difference(self, run: Run, urn: str, state: Properties, new: Properties) -> Difference:
        changes: dict[str, ChangeKind] = {}
        for name in _RESOLVED:
            changes |= map_changes(name, state.get(name), new.get(name))
        if not changes:
            changes = {name: "update" for name in _DECLARED if reveal(state.get(name)) != new.get(name)}
        return Difference(changes)

    async def create(self, run: Run, urn: str, new: Properties, *, preview: bool) -> tuple[str, Properties]:
        return urn.rsplit("::", 1)[-1], _outputs(new)

    async def read(self, run: Run, urn: str, identifier: str, inputs: Properties, state: Properties) -> Stored | None:
        if not state:
            names = [name.strip() for name in identifier.split(",") if name.strip()]
            inputs = await self.check(run, urn, {}, {"names": names})
            state = _outputs(inputs)
        return Stored(identifier, inputs, state)

    async def update(
        self, run: Run, urn: str, identifier: str, state: Properties, new: Properties, *, preview: bool
    ) -> Properties:
        return _outputs(new)

    async def delete(self, run: Run, urn: str, identifier: str, state: Properties) -> None:
        """Do nothing: the resource creates nothing."""


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
        named = await run.github.repositories_named(declared.names)
        ids = {repository.name.lower(): repository.id for repository in named}
        if all(name.lower() in ids or name in seen for name in declared.names):
            moved = [name for name in declared.names if name in seen and ids.get(name.lower()) != seen[name]]
            return named + await _by_id(run, [*(seen[name] for name in moved), *member_ids])
    listing = await run.github.repositories()
    followed = {*member_ids, *(seen[name] for name in declared.names if name in seen)}
    if declared.needs_whole_organization:
        followed.update(members)
    listing = listing + await _by_id(run, sorted(followed - {repository.id for repository in listing}))
    if not declared.properties:
        return listing
    properties = await run.github.custom_properties()
    return [replace(repository, properties=properties.get(repository.name, {})) for repository in listing]


async def _by_id(run: Run, numbers: Iterable[int]) -> list[Repository]:
    repositories = [await run.github.repository_by_id(number) for number in numbers]
    return [repository for repository in repositories if repository]


def _shape_failures(inputs: Properties) -> list[Failure]:
    return [
        *check_list("names", inputs.get("names")),
        *check_list("topics", inputs.get("topics")),
        *check_map("properties", inputs.get("properties"), is_text, "a text"),
        *check_map("ids", inputs.get("ids"), is_id, "the id of a repository (a whole number)"),
    ]


def _outputs(inputs: Properties) -> Properties:
    return {name: value for name, value in inputs.items() if name not in ("seen", "public")}
