"""What `codespaces access` lists: the rows of the stacks, and from GitHub the people who may write."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .access_table import EVERY, audit, in_order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from ..clients.github import GitHub
    from ..rules.selection import Repository
    from ..state.stack import Stack
    from .access_table import Row

_CONCURRENT = 5


def report(
    stacks: Sequence[Stack], now: datetime, *, writers: bool, progress: Callable[[str], None] = print
) -> tuple[list[Row], list[str]]:
    """The rows of some stacks.

    Args:
        stacks: the stacks, with clear secrets if `writers`.
        now: the time that the age of keys is measured from.
        writers: whether to ask GitHub who may write. If so, a row that stands for every repository is replaced by a
            row for each repository.
        progress: called with a message when the run has to wait.

    Returns:
        The rows, and the errors of the requests to GitHub.
    """
    rows = in_order(row for stack in stacks for row in audit(stack, now))
    if not writers:
        return rows, []
    credentials: dict[str, Mapping[str, Any]] = {}
    for stack in stacks:
        credentials = stack.providers | credentials
    rows_with_writers, problems = asyncio.run(_with_writers(rows, credentials, progress))
    return in_order(rows_with_writers), problems


async def _with_writers(
    rows: Iterable[Row], credentials: Mapping[str, Mapping[str, Any]], progress: Callable[[str], None]
) -> tuple[list[Row], list[str]]:
    from ..clients.credentials import configure  # noqa: PLC0415 - as above
    from ..clients.errors import ActionableError  # noqa: PLC0415
    from ..clients.github import GitHub  # noqa: PLC0415
    from ..rules import RuleViolation  # noqa: PLC0415

    by_organization: dict[str, list[Row]] = {}
    for row in rows:
        by_organization.setdefault(row.organization, []).append(row)
    result: list[Row] = []
    problems: list[str] = []
    for organization, organization_rows in by_organization.items():
        try:
            github = GitHub(configure({**credentials.get(organization, {}), "owner": organization}), progress)
        except (ActionableError, RuleViolation) as error:
            result += organization_rows
            problems.append(f"organization {organization}: {error}")
            continue
        try:
            rows_with_writers, errors = await _of_organization(github, organization_rows)
        finally:
            await github.close()
        result += rows_with_writers
        problems += errors
    return result, problems


async def _of_organization(github: GitHub, rows: Sequence[Row]) -> tuple[list[Row], list[str]]:
    from ..clients.concurrency import gather_limited  # noqa: PLC0415 - as above
    from ..clients.errors import CloudError  # noqa: PLC0415
    from ..clients.writers import writers  # noqa: PLC0415

    problems: list[str] = []

    async def ask(repository: str) -> tuple[str, ...] | None:
        try:
            return tuple(await writers(github, repository))
        except CloudError as error:
            problems.append(str(error))
            return None

    repositories: list[Repository] = []
    if any(row.repository in EVERY.values() for row in rows):
        try:
            repositories = await github.repositories()
        except CloudError as error:
            problems.append(str(error))
    single_rows = [single_row for row in rows for single_row in _expanded(row, repositories)]
    names = sorted({row.repository for row in single_rows if row.names_a_repository})
    writers_by_name = dict(zip(names, await gather_limited(ask, names, _CONCURRENT), strict=True))
    return [replace(row, writers=writers_by_name.get(row.repository)) for row in single_rows], problems


def _expanded(row: Row, repositories: Iterable[Repository]) -> list[Row]:
    """A row for each repository that a row of `EVERY` stands for; the row itself if no repository is listed."""
    if row.repository not in EVERY.values():
        return [row]
    single_rows = [replace(row, repository=repository.name) for repository in reached(repositories, row.visibility)]
    return single_rows or [row]


def reached(repositories: Iterable[Repository], visibility: str) -> list[Repository]:
    """The repositories whose codespaces get secrets of the visibility `private` or `all`, by name.

    Archived repositories are left out. They are read-only, so nobody may write to them.
    """
    return [
        repository
        for repository in sorted(repositories, key=lambda repository: repository.name)
        if not repository.archived and (visibility == "all" or repository.visibility != "public")
    ]
