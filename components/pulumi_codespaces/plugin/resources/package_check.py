"""`PackageCheck`: how codespaces get access to a package, and what remains to do by hand; it changes nothing."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

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
from ...values import UNKNOWN, Properties, Unknown, Value, is_id, is_text, is_unknown, plain_map, reveal
from ..failures import Failure, InvalidInputs
from ..resource import Difference, Resource, Stored, check_map, map_changes, raise_if
from ..run import Run, Severity
from .repository_selection import enough_repositories

if TYPE_CHECKING:
    from ..resource import ChangeKind

_TEXTS = ("package", "packageType", "repository", "visibility", "onMismatch")
_RESULTS = ("ways", "byHand", "clicks", "settingsUrl", "devcontainer", "differences")
_CONCURRENT = 5


class PackageCheck(Resource):
    """Compares a package with its declaration, and determines how each selected repository gets access to it.

    Inputs: `package`, `packageType`, `repository` (the one it is linked to; "" for none), `visibility`, `inherits`
    (whether it inherits access from that repository, which GitHub's API does not return), `selectedRepositories` (name
    -> id), and `onMismatch`: `fail` or `warn`. The results stay among the inputs, so that a preview shows what changed.
    """

    token = "codespaces:index:PackageCheck"

    async def check(self, run: Run, urn: str, old: Properties, new: Properties) -> Properties:
        inputs: Properties = {name: reveal(value) for name, value in new.items() if name not in _RESULTS}
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
            return inputs | dict.fromkeys(_RESULTS, UNKNOWN)
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
        differences, linked, same = await self._compare(run, urn, package)
        if differences and inputs["onMismatch"] == "fail":
            raise InvalidInputs(*(Failure("", f"{difference}.") for difference in differences))
        for difference in differences:
            run.log(Severity.WARNING, urn, f"{difference}.")
        members = plain_map(inputs["selectedRepositories"])
        access_paths = await self._access_paths(run, urn, package, list(members))
        todo = clicks(package, access_paths, linked=linked, same_visibility=same)
        return inputs | {
            "ways": {name: path.value for name, path in access_paths.items()},
            "byHand": {name: members[name] for name, path in access_paths.items() if path is AccessPath.BY_HAND},
            "clicks": [asdict(click) for click in todo],
            "settingsUrl": package.settings_url,
            "devcontainer": json.dumps(permission_block(package)) if package.repository else "",
            "differences": differences,
        }

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
        gate = asyncio.Semaphore(_CONCURRENT)

        async def path_of(name: str) -> AccessPath:
            reader = Reader(name, public.get(name.lower(), False))
            path = access_path(package, reader)
            if path is not AccessPath.BY_HAND or not package.inherits:
                return path
            async with gate:
                return access_path(package, replace(reader, asks=await self._asks(run, urn, package, name)))

        paths = await asyncio.gather(*(path_of(name) for name in names))
        return dict(zip(names, paths, strict=True))

    async def _asks(self, run: Run, urn: str, package: Package, name: str) -> bool | None:
        """Whether a repository's committed devcontainer.json asks for the package's repository.

        None if there is no such file, or if it could not be read, which is logged as a warning.
        """
        try:
            for path in DEVCONTAINER_PATHS:
                text = await run.github.file(name, path)
                if text is not None:
                    return asks_for(text, package)
        except (CloudError, RuleViolation) as error:
            run.log(Severity.WARNING, urn, f"whether the devcontainer.json of {name} asks for it was not seen: {error}")
        return None

    async def difference(self, run: Run, urn: str, state: Properties, new: Properties) -> Difference:
        changes: dict[str, ChangeKind] = {}
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
        """Do nothing: the resource creates nothing."""


def _shape_failures(inputs: Properties) -> list[Failure]:
    failures = [Failure("", f"{name} must be a text.") for name in _TEXTS if not is_text(inputs.get(name))]
    if not isinstance(inputs["inherits"], (bool, Unknown)):
        failures.append(Failure("", "inherits must be true or false."))
    if inputs.get("onMismatch") not in ("fail", "warn") and is_text(inputs.get("onMismatch")):
        failures.append(Failure("", "on_mismatch must be fail or warn."))
    inputs.setdefault("selectedRepositories", {})
    repositories: Value = inputs["selectedRepositories"]
    return failures + check_map("selected_repositories", repositories, is_id, "the id of a repository (a whole number)")
