"""Changes of who may read the packages of a repository."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .model import Change

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ...state.digest import Step

_ROLES = {
    "github:index/teamRepository:TeamRepository": ("team", "teamId"),
    "github:index/repositoryCollaborator:RepositoryCollaborator": ("user", "username"),
}
"""Type of a role -> (what has the role, the property with its name)."""


def role_changes(steps: Iterable[Step]) -> Iterable[Change]:
    """Changed roles on the repository that a package is linked to."""
    for step in steps:
        if step.op == "same" or step.resource.type not in _ROLES or "PackageAccess::" not in step.resource.parent:
            continue
        kind, property_name = _ROLES[step.resource.type]
        inputs = step.resource.inputs
        holder, repository = f"The {kind} `{inputs.get(property_name)}`", inputs.get("repository")
        if step.new is None:
            yield Change(f"{holder} loses its role on `{repository}`, and with it access to the package.")
        else:
            role = inputs.get("permission")
            yield Change(f"{holder} gets the role `{role}` on `{repository}`, and with it access to the package.")
