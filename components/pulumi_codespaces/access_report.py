"""What `codespaces access` lists: the rows of the stacks, and who may write, as GitHub tells."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .review.access import accesses
from .review.auditing import EVERY, audit, in_order
from .review.digest import read_state

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from .plugin.github_client import GitHub
    from .review.auditing import Row
    from .rules.selection import Repository

_CONCURRENT = 5


def report(
    states: Sequence[str], now: datetime, *, writers: bool, progress: Callable[[str], None] = print
) -> tuple[list[Row], list[str]]:
    """The rows of some stacks.

    Args:
        states: what `pulumi stack export` printed of each.
        now: for the age of keys.
        writers: whether to ask GitHub who may write. A row for every repository becomes one for each of them then.
        progress: told what is being waited for.

    Returns:
        The rows, and what GitHub did not tell.

    Raises:
        NoDigest: it is no state.
    """
    rows = in_order(row for state in states for row in audit(read_state(state), now))
    if not writers:
        return rows, []
    credentials: dict[str, Mapping[str, Any]] = {}
    for state in states:
        credentials = providers_of(state) | credentials
    found, problems = asyncio.run(_with_writers(rows, credentials, progress))
    return in_order(found), problems


def providers_of(state: str) -> dict[str, Mapping[str, Any]]:
    """Organization -> the inputs of the provider by which the stack works in it; the state has them in clear."""
    # They take a moment to load, and only this needs them.
    from .plugin.values import Secret  # noqa: PLC0415

    resources = {one.urn: one for one in read_state(state, Secret).after}
    found: dict[str, Mapping[str, Any]] = {}
    for one in accesses(read_state(state).after).values():
        provider = resources.get(resources[one.urn].provider.rpartition("::")[0])
        found.setdefault(one.owner, provider.inputs if provider else {})
    for one in resources.values():
        provider = resources.get(one.provider.rpartition("::")[0])
        if one.type.startswith("codespaces:index:") and provider:
            found.setdefault(str(provider.inputs.get("owner") or ""), provider.inputs)
    return found


async def _with_writers(
    rows: Iterable[Row], credentials: Mapping[str, Mapping[str, Any]], progress: Callable[[str], None]
) -> tuple[list[Row], list[str]]:
    from .plugin.configuration import configure  # noqa: PLC0415 - as above
    from .plugin.failures import PluginError  # noqa: PLC0415
    from .plugin.github_client import GitHub  # noqa: PLC0415
    from .rules import RuleViolation  # noqa: PLC0415

    by_organization: dict[str, list[Row]] = {}
    for row in rows:
        by_organization.setdefault(row.organization, []).append(row)
    found: list[Row] = []
    problems: list[str] = []
    for organization, some in by_organization.items():
        try:
            github = GitHub(configure({**credentials.get(organization, {}), "owner": organization}), progress)
        except (PluginError, RuleViolation) as error:
            found, problems = found + some, [*problems, f"organization {organization}: {error}"]
            continue
        try:
            known, more = await _of_organization(github, some)
        finally:
            await github.close()
        found, problems = found + known, problems + more
    return found, problems


async def _of_organization(github: GitHub, rows: Sequence[Row]) -> tuple[list[Row], list[str]]:
    from .plugin.failures import CloudError  # noqa: PLC0415 - as above
    from .plugin.writers import writers  # noqa: PLC0415

    gate = asyncio.Semaphore(_CONCURRENT)
    problems: list[str] = []

    async def ask(repository: str) -> tuple[str, ...] | None:
        try:
            async with gate:
                return tuple(await writers(github, repository))
        except CloudError as error:
            problems.append(str(error))
            return None

    everything: list[Repository] = []
    if any(row.repository in EVERY.values() for row in rows):
        try:
            everything = await github.repositories()
        except CloudError as error:
            problems.append(str(error))
    each = [one for row in rows for one in _expanded(row, everything)]
    names = sorted({row.repository for row in each if row.names_one})
    told = dict(zip(names, await asyncio.gather(*map(ask, names)), strict=True))
    return [replace(row, writers=told.get(row.repository)) for row in each], problems


def _expanded(row: Row, everything: Iterable[Repository]) -> list[Row]:
    """A row for each repository that `every` means; an archived one is read-only, so that nobody may write to it."""
    meant = [replace(row, repository=one.name) for one in reached(everything, row.visibility)]
    return meant if row.repository in EVERY.values() and meant else [row]


def reached(everything: Iterable[Repository], visibility: str) -> list[Repository]:
    """The repositories with codespaces that secrets of the visibility `private` or `all` reach, by name."""
    return [
        one
        for one in sorted(everything, key=lambda it: it.name)
        if not one.archived and (visibility == "all" or one.visibility != "public")
    ]
