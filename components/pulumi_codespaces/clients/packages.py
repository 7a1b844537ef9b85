"""Compares packages in GitHub Packages with what is declared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..rules.packages import Package, differences
from .errors import CloudError

if TYPE_CHECKING:
    from .github import GitHub


async def compared(github: GitHub, package: Package) -> tuple[list[str], bool, bool]:
    """Where a package is not as declared, in sentences; whether it is linked, and of the visibility, as declared.

    Raises:
        CloudError: GitHub refused. A package that does not exist is a difference and not an error.
    """
    try:
        there = await github.package(package.kind, package.name)
    except CloudError as error:
        if error.status != 404:
            raise
        missing = f"organization {package.organization} has no {package.kind} package {package.name}"
        return [f"{missing}, or the credentials cannot see it"], False, True
    found = differences(package, there.repository, there.visibility)
    linked = (there.repository or "").lower() == package.repository.lower()
    return found, linked, there.visibility == package.visibility
