"""`PackageCheck`: how codespaces get access to a package, and what remains to do by hand; it changes nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from ...clients.concurrency import gather_limited
from ...clients.errors import CloudError
from ...clients.packages import compared
from ...rules import RuleViolation
from ...rules.devcontainers import DEVCONTAINER_PATHS, asks_for
from ...rules.packages import (
    AccessPath,
    Package,
    Reader,
    access_path,
    check_package,
    clicks,
    permission_block,
)
from ...rules.selection import Declared, check_repository_name
from ...values import Unknown
from ..failures import Failure, InvalidInputs
from ..properties.package_check import PackageInputs
from ..resource import Computed, Difference
from ..run import Run, Severity
from .repository_selection import enough_repositories

if TYPE_CHECKING:
    from collections.abc import Mapping

_CONCURRENT = 5


class PackageCheck(Computed[PackageInputs, PackageInputs]):
    """Compares a package with its declaration, and determines how each selected repository gets access.

    Inputs: `package`, `packageType`, `repository` (the one it is linked to; "" for none), `visibility`, `inherits`
    (whether it inherits access from that repository, which GitHub's API does not return), `selectedRepositories` (name
    -> id), and `onMismatch`: `fail` or `warn`. The results stay among the inputs, so that a preview shows what changed.
    """

    token = "codespaces:index:PackageCheck"

    async def check(self, run: Run, urn: str, old: PackageInputs | None, new: PackageInputs) -> PackageInputs:
        """Compare the package, and add the results to the inputs."""
        package = _package(run, new)
        members = new.selected_repositories
        if not run.configuration.complete or package is None or isinstance(members, Unknown):
            return new.unresolved()
        try:
            check_package(package)
            for name in members or ():
                check_repository_name(name, "selected_repositories")
        except RuleViolation as violation:
            raise InvalidInputs(Failure("", str(violation))) from violation
        return await self._results(run, urn, package, new, members or {})

    async def _results(
        self, run: Run, urn: str, package: Package, new: PackageInputs, members: Mapping[str, int | Unknown]
    ) -> PackageInputs:
        differences, linked, same = await self._compare(run, urn, package)
        if differences and new.on_mismatch == "fail":
            raise InvalidInputs(*(Failure("", f"{difference}.") for difference in differences))
        for difference in differences:
            run.log(Severity.WARNING, urn, f"{difference}.")
        access_paths = await self._access_paths(run, urn, package, list(members))
        return replace(
            new,
            ways={name: path.value for name, path in access_paths.items()},
            by_hand={name: members[name] for name, path in access_paths.items() if path is AccessPath.BY_HAND},
            clicks=clicks(package, access_paths, linked=linked, same_visibility=same),
            settings_url=package.settings_url,
            devcontainer=json.dumps(permission_block(package)) if package.repository else "",
            differences=[*differences],
        )

    async def _compare(self, run: Run, urn: str, package: Package) -> tuple[list[str], bool, bool]:
        """Compare the package with its declaration.

        Returns:
            The differences as sentences, whether it is linked as declared, and whether it has the declared visibility.
            If the credentials may not read the package, it counts as declared, with a warning.
        """
        try:
            return await compared(run.github, package)
        except CloudError as error:
            if error.status != 403:
                raise
            run.log(Severity.WARNING, urn, f"whether package {package.name} is as declared cannot be checked: {error}")
            return [], True, True

    async def _access_paths(self, run: Run, urn: str, package: Package, names: list[str]) -> dict[str, AccessPath]:
        listing = await enough_repositories(run, Declared(names=tuple(names)), {})
        public = {repository.name.lower(): repository.visibility == "public" for repository in listing}

        async def path_of(name: str) -> AccessPath:
            reader = Reader(name, public.get(name.lower(), False))
            path = access_path(package, reader)
            if path is not AccessPath.BY_HAND or not package.inherits:
                return path
            return access_path(package, replace(reader, asks=await self._asks(run, urn, package, name)))

        paths = await gather_limited(path_of, names, _CONCURRENT)
        return dict(zip(names, paths, strict=True))

    async def _asks(self, run: Run, urn: str, package: Package, name: str) -> bool | None:
        """Whether a repository's committed devcontainer.json asks for the package's repository.

        None if the file does not exist, or could not be read, which is logged as a warning.
        """
        try:
            for path in DEVCONTAINER_PATHS:
                text = await run.github.file(name, path)
                if text is not None:
                    return asks_for(text, package)
        except (CloudError, RuleViolation) as error:
            run.log(Severity.WARNING, urn, f"whether the devcontainer.json of {name} asks for it was not seen: {error}")
        return None

    async def difference(self, run: Run, urn: str, state: PackageInputs, new: PackageInputs) -> Difference:
        """Compare the inputs and the results."""
        return Difference(state.changes(new))

    async def compute(self, run: Run, urn: str, new: PackageInputs, *, preview: bool) -> PackageInputs:
        """Record the results of Check."""
        return new


def _package(run: Run, inputs: PackageInputs) -> Package | None:
    """The declared package; None while one of its inputs is unknown."""
    name, kind, repository, visibility = inputs.package, inputs.package_type, inputs.repository, inputs.visibility
    if (
        not isinstance(name, str)
        or not isinstance(kind, str)
        or not isinstance(repository, str)
        or not isinstance(visibility, str)
        or not isinstance(inputs.inherits, bool)
        or isinstance(inputs.on_mismatch, Unknown)
    ):
        return None
    return Package(run.configuration.owner, kind, name, repository, visibility, inherits=inputs.inherits)
