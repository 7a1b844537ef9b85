"""`RepositorySecrets`: Codespaces secrets of one repository that belong together, written as one unit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...rules import RuleViolation
from ...rules.secret_names import mixed_logins
from ...rules.selection import Declared, check_repository_name, is_repository_name, resolve
from ..failures import CloudError, Failure, PluginError
from ..resource import Difference, same_owner
from ..run import Severity
from ..secret_writer import Readers
from ..values import UNKNOWN, Properties, is_id, is_text, is_unknown, plain_map, reveal
from .repository_selection import enough_repositories
from .secret_set import SecretSet

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ...rules.selection import Repository
    from ..resource import Change, Stored
    from ..run import Run
    from ..secret_client import SecretInfo, Secrets


class RepositorySecrets(SecretSet):
    """Codespaces secrets of one repository.

    Inputs: `repository`, as the program names it, and `repositoryId` where the program makes the repository itself.
    Check adds `repositoryName`, its name of today: a repository that is renamed is followed by its id.
    """

    token = "codespaces:index:RepositorySecrets"
    reader_inputs = ("repository", "repositoryId", "repositoryName")

    def secrets_of(self, run: Run, properties: Properties) -> Secrets | None:
        name, number = properties.get("repositoryName"), properties.get("repositoryId")
        return None if name is None or is_unknown(name) or is_unknown(number) else run.secrets_of(reveal(name))

    def shape_failures(self, inputs: Properties) -> list[Failure]:
        for name in ("repository", "repositoryId"):
            inputs[name] = reveal(inputs.get(name))
        # Nothing is resolved while the secrets are not known.
        inputs["repositoryName"] = UNKNOWN
        failures: list[Failure] = []
        if not is_text(inputs["repository"]):
            failures.append(Failure("", "repository must be the name of a repository, such as 'web'."))
        if inputs["repositoryId"] is not None and not is_id(inputs["repositoryId"]):
            failures.append(Failure("", "repository_id must be the id of a repository (a whole number)."))
        return failures

    async def resolve(self, run: Run, urn: str, before: Properties, inputs: Properties) -> list[Failure]:
        name, number = inputs["repository"], inputs["repositoryId"]
        inputs["repositoryName"] = name
        if is_unknown(name):
            return []
        try:
            check_repository_name(name, "repository")
            if is_unknown(number) or not run.configuration.complete:
                return []
            if number is not None:
                # GitHub would lead what is written under the old name to the new owner's repository.
                found = await run.github.repository_by_id(int(number))
                return [_left_out(name, "transferred", [found])] if found and found.moved_to else []
            declared = Declared(names=(name,))
            same = before.get("repository") == name and not is_unknown(before.get("repositoryId"))
            seen: dict[str, int] = {name: before["repositoryId"]} if same and before.get("repositoryId") else {}
            listing = await enough_repositories(run, declared, seen)
            unseen, doubt = run.github.unseen_repositories(), run.github.may_overlook()
            resolution = resolve(declared, listing, seen, run.configuration.owner, unseen, doubt=doubt)
        except RuleViolation as violation:
            return [Failure("", str(violation).replace("names[0]", "repository").replace("`ids`", "`repository_id`"))]
        if name not in resolution.repositories:
            return [_left_out(name, resolution.skipped[name], listing)]
        inputs["repositoryId"] = resolution.repositories[name]
        inputs["repositoryName"] = resolution.renamed.get(name, name)
        for warning in resolution.warnings:
            run.log(Severity.WARNING, urn, warning.replace("in the selection", "in the program"))
        return []

    def readers(self, properties: Properties) -> Readers:
        return Readers("")

    def claimed_readers(self, inputs: Properties) -> tuple[str, dict[str, int | None]]:
        number = inputs["repositoryId"]
        return "selected", {inputs["repositoryName"]: None if number is None else int(number)}

    def reader_changes(self, state: Properties, new: Properties) -> dict[str, Change]:
        changes: dict[str, Change] = {}
        for name in ("repository", "repositoryName"):
            if is_unknown(new[name]) or reveal(state.get(name)) != new[name]:
                changes[name] = "update"
        return changes

    async def difference(self, run: Run, urn: str, state: Properties, new: Properties) -> Difference:
        if self.is_elsewhere(state, new):
            return Difference({"repository": "update"}, replaces=["repository"])
        return await super().difference(run, urn, state, new)

    def is_elsewhere(self, before: Properties, new: Properties) -> bool:
        """Whether the secrets belong to another repository now, and not to one that was only renamed."""
        old, number = reveal(before.get("repositoryId")), new.get("repositoryId")
        return bool(before) and number is not None and (is_unknown(number) or old != number)

    async def live_readers(
        self, secrets: Secrets, names: list[str], live: Mapping[str, SecretInfo], where: Properties
    ) -> Properties:
        return {name: where.get(name) for name in self.reader_inputs}

    async def read(self, run: Run, urn: str, identifier: str, inputs: Properties, state: Properties) -> Stored | None:
        if state:
            found = await _found(run, urn, state)
            if found is None or found.moved_to:
                return None
            state = state | {"repositoryName": found.name}
        return await super().read(run, urn, identifier, inputs, state)

    async def delete(self, run: Run, urn: str, identifier: str, state: Properties) -> None:
        same_owner(run, state)
        # By now its name may be that of another repository.
        found = await _found(run, urn, state)
        if found is None:
            return
        try:
            await self.delete_from(run, urn, run.secrets_of(found.name, found.moved_to), state)
        except CloudError as error:
            if error.status != 404:
                raise
            # Secrets go with their repository, which may have gone since it was looked up.
            if found.moved_to:
                run.log(
                    Severity.WARNING,
                    urn,
                    f"the secrets went along with the repository to {found.moved_to}/{found.name}, where these "
                    "credentials cannot delete them; renew the credentials that they hold.",
                )
            elif await _found(run, urn, state, fresh=True):
                raise

    async def other_levels(self, run: Run, state: Properties, new: Properties) -> list[Secrets]:
        """The organization, where there are new secrets."""
        return [] if {*plain_map(new["secrets"])} <= {*plain_map(state.get("secrets"))} else [run.secrets_of()]

    async def reaching(self, other: Secrets, names: set[str], new: Properties) -> set[str]:
        """Those of the organization's secrets that this repository may read; only what may be mixed is asked for."""
        listed, number = await other.secrets(), new["repositoryId"]
        mixed = {name for triple in mixed_logins(names, plain_map(new["secrets"])) for name in triple.names}
        kept: set[str] = set()
        for name in mixed & names:
            selected = name in listed and listed[name].visibility == "selected"
            if not selected or int(number) in await other.secret_repositories(name):
                kept.add(name)
        return kept

    def identifier(self, inputs: Properties) -> str:
        return f"{reveal(inputs['repositoryName'])}:{','.join(sorted(plain_map(inputs['secrets'])))}"

    async def identified(self, run: Run, identifier: str) -> tuple[Properties, list[str]]:
        repository, colon, names = identifier.partition(":")
        named = colon and is_repository_name(repository)
        found = await run.github.repositories_named([repository]) if named else []
        if not found:
            what = f"organization {run.configuration.owner} has no repository {repository!r}" if colon else "no names"
            raise PluginError(
                f"cannot import {identifier!r}: {what}. Write the repository and the names of the secrets, such as "
                "'web:NPM_TOKEN,OTHER'."
            )
        where: Properties = {"repository": repository, "repositoryId": found[0].id, "repositoryName": found[0].name}
        return where, [name.strip().upper() for name in names.split(",") if name.strip()]


async def _found(run: Run, urn: str, state: Properties, *, fresh: bool = False) -> Repository | None:
    """The repository of a state, by its id; None where it is gone.

    Raises:
        PluginError: it is not found, and these credentials may just not see it.
    """
    number = int(reveal(state["repositoryId"]))
    found = await run.github.repository_by_id(number, fresh=fresh)
    doubt = "" if found else run.github.may_overlook()
    if doubt:
        raise PluginError(
            f"repository {reveal(state['repositoryName'])} (id {number}) of organization {run.configuration.owner} is "
            f"not found, which does not mean that it is gone with its secrets: {doubt}. Give the credentials access to "
            f"it; or, if it is gone, let the stack forget its secrets: pulumi state delete '{urn}'"
        )
    return found


def _left_out(name: str, why: str, found: Iterable[Repository]) -> Failure:
    """Why a repository gets no secrets.

    Source of what becomes of those that it had: https://docs.github.com/en/repositories/creating-and-managing-repositories/transferring-a-repository
    """
    owner = next((one.moved_to for one in found if one.moved_to), "")
    if not owner:
        return Failure("", f"repository {name!r} is {why}: no codespace starts from it.")
    return Failure(
        "",
        f"repository {name!r} was transferred to {owner}, and the secrets in it went along. Remove it from the "
        "program, and renew the credentials that they hold.",
    )
