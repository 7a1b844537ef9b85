"""`PackageCheck`: by what codespaces may read a package, and what is left to do by hand; it changes nothing."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from ...rules import RuleViolation
from ...rules.packages import (
    DEVCONTAINER_PATHS,
    Package,
    Reader,
    Way,
    asks_for,
    check_package,
    clicks,
    differences,
    permission_block,
    way,
)
from ...rules.selection import Declared, check_repository_name
from ..failures import CloudError, Failure, InvalidInputs
from ..resource import Difference, Resource, Stored, check_map, map_changes, raise_if
from ..run import Run, Severity
from ..values import UNKNOWN, Properties, Unknown, Value, is_id, is_text, is_unknown, plain_map, reveal
from .repository_selection import enough_repositories

if TYPE_CHECKING:
    from ..github_client import GitHub
    from ..resource import Change

_TEXTS = ("package", "packageType", "repository", "visibility", "onMismatch")
_FOUND = ("ways", "byHand", "clicks", "settingsUrl", "devcontainer", "differences")
_CONCURRENT = 5


class PackageCheck(Resource):
    """Compares a package with what is declared of it, and tells of each repository by what it may read the package.

    Inputs: `package`, `packageType`, `repository` (that it is linked to; "" for none), `visibility`, `inherits` (its
    access from that repository, which GitHub does not tell), `selectedRepositories` (name -> id), and `onMismatch`:
    `fail` or `warn`. What is found stays among the inputs, so that a preview shows what became different.
    """

    token = "codespaces:index:PackageCheck"

    async def check(self, run: Run, urn: str, old: Properties, new: Properties) -> Properties:
        inputs: Properties = {name: reveal(value) for name, value in new.items() if name not in _FOUND}
        inputs.setdefault("inherits", True)
        inputs.setdefault("repository", "")
        inputs.setdefault("onMismatch", "warn")
        raise_if(*_shape_failures(inputs))
        declared = {name: inputs[name] for name in (*_TEXTS, "inherits")}
        if (
            not run.configuration.complete
            or is_unknown(declared)
            or isinstance(inputs["selectedRepositories"], Unknown)
        ):
            return inputs | dict.fromkeys(_FOUND, UNKNOWN)
        package = Package(
            run.configuration.owner,
            inputs["packageType"],
            inputs["package"],
            inputs["repository"],
            inputs["visibility"],
            inherits=inputs["inherits"],
        )
        try:
            check_package(package)
            for name in plain_map(inputs["selectedRepositories"]):
                check_repository_name(name, "selected_repositories")
        except RuleViolation as violation:
            raise InvalidInputs(Failure("", str(violation))) from violation
        found, linked, same = await self._compare(run, urn, package)
        if found and inputs["onMismatch"] == "fail":
            raise InvalidInputs(*(Failure("", f"{one}.") for one in found))
        for one in found:
            run.log(Severity.WARNING, urn, f"{one}.")
        members = plain_map(inputs["selectedRepositories"])
        ways = await self._ways(run, urn, package, list(members))
        return inputs | {
            "ways": {name: how.value for name, how in ways.items()},
            "byHand": {name: members[name] for name, how in ways.items() if how is Way.BY_HAND},
            "clicks": [asdict(one) for one in clicks(package, ways, linked=linked, same_visibility=same)],
            "settingsUrl": package.settings_url,
            "devcontainer": json.dumps(permission_block(package)) if package.repository else "",
            "differences": found,
        }

    async def _compare(self, run: Run, urn: str, package: Package) -> tuple[list[str], bool, bool]:
        """Where the package is not as declared; whether it is linked, and of the visibility, as declared."""
        try:
            return await compared(run.github, package)
        except CloudError as error:
            if error.status != 403:
                raise
            run.log(Severity.WARNING, urn, f"whether package {package.name} is as declared cannot be checked: {error}")
            return [], True, True

    async def _ways(self, run: Run, urn: str, package: Package, names: list[str]) -> dict[str, Way]:
        listed = await enough_repositories(run, Declared(names=tuple(names)), {})
        public = {one.name.lower(): one.visibility == "public" for one in listed}
        gate = asyncio.Semaphore(_CONCURRENT)

        async def one(name: str) -> Way:
            reader = Reader(name, public.get(name.lower(), False))
            how = way(package, reader)
            if how is not Way.BY_HAND or not package.inherits:
                return how
            async with gate:
                return way(package, replace(reader, asks=await self._asks(run, urn, package, name)))

        ways = await asyncio.gather(*(one(name) for name in names))
        return dict(zip(names, ways, strict=True))

    async def _asks(self, run: Run, urn: str, package: Package, name: str) -> bool | None:
        """Whether the committed devcontainer.json of a repository asks for the package's repository."""
        try:
            for path in DEVCONTAINER_PATHS:
                text = await run.github.file(name, path)
                if text is not None:
                    return asks_for(text, package)
        except (CloudError, RuleViolation) as error:
            run.log(Severity.WARNING, urn, f"whether the devcontainer.json of {name} asks for it was not seen: {error}")
        return None

    async def difference(self, run: Run, urn: str, state: Properties, new: Properties) -> Difference:
        changes: dict[str, Change] = {}
        for name in ("selectedRepositories", "ways"):
            changes |= map_changes(name, state.get(name), new.get(name))
        for name in (*_TEXTS, "inherits", "clicks", "settingsUrl", "devcontainer", "differences"):
            if is_unknown(new.get(name)) or reveal(state.get(name)) != new.get(name):
                changes[name] = "update"
        return Difference(changes)

    async def create(self, run: Run, urn: str, new: Properties, *, preview: bool) -> tuple[str, Properties]:
        return urn.rsplit("::", 1)[-1], dict(new)

    async def read(self, run: Run, urn: str, identifier: str, inputs: Properties, state: Properties) -> Stored | None:
        return Stored(identifier, inputs, state)

    async def update(
        self, run: Run, urn: str, identifier: str, state: Properties, new: Properties, *, preview: bool
    ) -> Properties:
        return dict(new)

    async def delete(self, run: Run, urn: str, identifier: str, state: Properties) -> None:
        """Nothing was made, so nothing is removed."""


async def compared(github: GitHub, package: Package) -> tuple[list[str], bool, bool]:
    """Where a package is not as declared, in sentences; whether it is linked, and of the visibility, as declared.

    Raises:
        CloudError: GitHub refused; a package that is not there is none of that.
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


def _shape_failures(inputs: Properties) -> list[Failure]:
    failures = [Failure("", f"{name} must be a text.") for name in _TEXTS if not is_text(inputs.get(name))]
    if not isinstance(inputs["inherits"], (bool, Unknown)):
        failures.append(Failure("", "inherits must be true or false."))
    if inputs.get("onMismatch") not in ("fail", "warn") and is_text(inputs.get("onMismatch")):
        failures.append(Failure("", "on_mismatch must be fail or warn."))
    inputs.setdefault("selectedRepositories", {})
    given: Value = inputs["selectedRepositories"]
    return failures + check_map("selected_repositories", given, is_id, "the id of a repository (a whole number)")
