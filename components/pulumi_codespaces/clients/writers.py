"""Asks GitHub who may write to a repository, and so read in its codespaces what they log in with."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from .github import Need

if TYPE_CHECKING:
    from .github import GitHub

_COLLABORATORS = Need("repo", "the permission 'Metadata: read' of the repository")
_TEAMS = Need("repo", "the permission 'Administration: read' of the repository")


async def writers(github: GitHub, repository: str) -> list[str]:
    """The people and teams with write access to a repository of the organization.

    Sources: https://docs.github.com/en/rest/collaborators/collaborators#list-repository-collaborators,
    https://docs.github.com/en/rest/repos/repos#list-repository-teams

    Args:
        github: the organization.
        repository: the repository's name.

    Returns:
        Logins, then teams as `organization/team`, each in order.

    Raises:
        CloudError: GitHub refused; the message says what to do.
    """
    path = f"/repos/{github.organization}/{repository}"
    people, teams = await asyncio.gather(
        github.pages(f"{path}/collaborators", None, need=_COLLABORATORS),
        github.pages(f"{path}/teams", None, need=_TEAMS),
    )
    return [
        *sorted(person["login"] for person in people if _may_push(person)),
        *sorted(f"{github.organization}/{team['slug']}" for team in teams if _may_push(team)),
    ]


def _may_push(entry: dict[str, Any]) -> bool:
    permissions: dict[str, bool] = entry.get("permissions") or {}
    return permissions.get("push") is True
