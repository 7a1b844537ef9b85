"""`RepositorySecrets`: Codespaces secrets of one repository that belong together, written as one unit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...clients.errors import ActionableError, CloudError
from ...rules import RuleViolation
from ...rules.secret_names import mixed_logins
from ...rules.selection import Declared, check_repository_name, is_repository_name, resolve
from ...values import UNKNOWN, Properties, is_id, is_text, is_unknown, plain_map, reveal
from ..failures import Failure
from ..resource import Difference, same_owner
from ..run import Severity
from ..secret_writer import SecretReaders
from .repository_selection import enough_repositories
from .secret_set import SecretSet

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ...clients.codespaces_secrets import SecretInfo, Secrets
    from ...rules.selection import Repository
    from ..resource import ChangeKind, Stored
    from ..run import Run


class RepositorySecrets(SecretSet):
    """Codespaces secrets of one repository.

    Inputs: `repository`, its name in the program, and `repositoryId` if the program creates the repository itself.
    Check adds `repositoryName`, its current name: a renamed repository is followed by its id.
    """

    token = "codespaces:index:RepositorySecrets"
    reader_inputs = ("repository", "repositoryId", "repositoryName")

    def secrets_of(self, run: Run, properties: Properties) -> Secrets | None:
        name, number = properties.get("repositoryName"), properties.get("repositoryId")
        return None if name is None or is_unknown(name) or is_unknown(number) else run.secrets_of(reveal(name))

    def shape_failures(self, inputs: Properties) -> list[Failure]:
        for name in ("repository", "repositoryId"):
            inputs[name] = reveal(inputs.get(name))
        # The name is not resolved while the secrets are unknown.
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
                # After a transfer, GitHub redirects writes under the old name to the new owner's repository.
                repository = await run.github.repository_by_id(int(number))
                return [_no_secrets(name, "transferred", [repository])] if repository and repository.moved_to else []
            declared = Declared(names=(name,))
            same = before.get("repository") == name and not is_unknown(before.get("repositoryId"))
            seen: dict[str, int] = {name: before["repositoryId"]} if same and before.get("repositoryId") else {}
            listing = await enough_repositories(run, declared, seen)
            unseen, doubt = run.github.unseen_repositories(), run.github.may_overlook()
            resolution = resolve(declared, listing, seen, run.configuration.owner, unseen, doubt=doubt)
        except RuleViolation as violation:
            return [Failure("", str(violation).replace("names[0]", "repository").replace("`ids`", "`repository_id`"))]
        if name not in resolution.repositories:
            return [_no_secrets(name, resolution.skipped[name], listing)]
        inputs["repositoryId"] = resolution.repositories[name]
        inputs["repositoryName"] = resolution.renamed.get(name, name)
        for warning in resolution.warnings:
            run.log(Severity.WARNING, urn, warning.replace("in the selection", "in the program"))
        return []

    def readers(self, properties: Properties) -> SecretReaders:
        return SecretReaders("")

    def claimed_readers(self, inputs: Properties) -> tuple[str, dict[str, int | None]]:
        number = inputs["repositoryId"]
        return "selected", {inputs["repositoryName"]: None if number is None else int(number)}

    def reader_changes(self, state: Properties, new: Properties) -> dict[str, ChangeKind]:
        changes: dict[str, ChangeKind] = {}
        for name in ("repository", "repositoryName"):
            if is_unknown(new[name]) or reveal(state.get(name)) != new[name]:
                changes[name] = "update"
        return changes

    async def difference(self, run: Run, urn: str, state: Properties, new: Properties) -> Difference:
        if self.is_elsewhere(state, new):
            return Difference({"repository": "update"}, replaces=["repository"])
        return await super().difference(run, urn, state, new)

    def is_elsewhere(self, before: Properties, new: Properties) -> bool:
        """Whether the inputs mean another repository, and not only a new name of the same one."""
        old, number = reveal(before.get("repositoryId")), new.get("repositoryId")
        return bool(before) and number is not None and (is_unknown(number) or old != number)

    async def live_readers(
        self, secrets: Secrets, names: list[str], live: Mapping[str, SecretInfo], location: Properties
    ) -> Properties:
        return {name: location.get(name) for name in self.reader_inputs}

    async def read(self, run: Run, urn: str, identifier: str, inputs: Properties, state: Properties) -> Stored | None:
        if state:
            repository = await _current_repository(run, urn, state)
            if repository is None or repository.moved_to:
                return None
            state = state | {"repositoryName": repository.name}
        return await super().read(run, urn, identifier, inputs, state)

    async def delete(self, run: Run, urn: str, identifier: str, state: Properties) -> None:
        same_owner(run, state)
        # Look the repository up by its id, because another repository may have its name by now.
        repository = await _current_repository(run, urn, state)
        if repository is None:
            return
        try:
            await self.delete_from(run, urn, run.secrets_of(repository.name, repository.moved_to), state)
        except CloudError as error:
            if error.status != 404:
                raise
            # The repository may have been deleted since the lookup, and its secrets with it.
            if repository.moved_to:
                run.log(
                    Severity.WARNING,
                    urn,
                    f"the secrets went along with the repository to {repository.moved_to}/{repository.name}, where "
                    "these credentials cannot delete them; renew the credentials that they hold.",
                )
            elif await _current_repository(run, urn, state, fresh=True):
                raise

    async def other_levels(self, run: Run, state: Properties, new: Properties) -> list[Secrets]:
        """The organization, if there are new secrets; otherwise nothing."""
        return [] if {*plain_map(new["secrets"])} <= {*plain_map(state.get("secrets"))} else [run.secrets_of()]

    async def visible_names(self, other: Secrets, names: set[str], new: Properties) -> set[str]:
        """The organization's secrets that this repository may read, among those that could mix with its own.

        GitHub is asked only for the readers of those secrets.
        """
        live, number = await other.secrets(), new["repositoryId"]
        mixed = {name for triple in mixed_logins(names, plain_map(new["secrets"])) for name in triple.names}
        visible: set[str] = set()
        for name in mixed & names:
            selected = name in live and live[name].visibility == "selected"
            if not selected or int(number) in await other.secret_repositories(name):
                visible.add(name)
        return visible

    def identifier(self, inputs: Properties) -> str:
        return f"{reveal(inputs['repositoryName'])}:{','.join(sorted(plain_map(inputs['secrets'])))}"

    async def parse_identifier(self, run: Run, identifier: str) -> tuple[Properties, list[str]]:
        repository, colon, names = identifier.partition(":")
        is_name = colon and is_repository_name(repository)
        matches = await run.github.repositories_named([repository]) if is_name else []
        if not matches:
            problem = (
                f"organization {run.configuration.owner} has no repository {repository!r}" if colon else "no names"
            )
            raise ActionableError(
                f"cannot import {identifier!r}: {problem}. Write the repository and the names of the secrets, such as "
                "'web:NPM_TOKEN,OTHER'."
            )
        match = matches[0]
        location: Properties = {"repository": repository, "repositoryId": match.id, "repositoryName": match.name}
        return location, [name.strip().upper() for name in names.split(",") if name.strip()]


async def _current_repository(run: Run, urn: str, state: Properties, *, fresh: bool = False) -> Repository | None:
    """Look up the repository of a state by its id; None if it no longer exists.

    Raises:
        ActionableError: GitHub does not find it, but it may exist without being visible to the credentials.
    """
    number = int(reveal(state["repositoryId"]))
    repository = await run.github.repository_by_id(number, fresh=fresh)
    doubt = "" if repository else run.github.may_overlook()
    if doubt:
        raise ActionableError(
            f"repository {reveal(state['repositoryName'])} (id {number}) of organization {run.configuration.owner} is "
            f"not found, which does not mean that it is gone with its secrets: {doubt}. Give the credentials access to "
            f"it; or, if it is gone, let the stack forget its secrets: pulumi state delete '{urn}'"
        )
    return repository


def _no_secrets(name: str, why: str, repositories: Iterable[Repository]) -> Failure:
    """Explain why a repository gets no secrets.

    Source for the secrets of a transferred repository: https://docs.github.com/en/repositories/creating-and-managing-repositories/transferring-a-repository
    """
    owner = next((repository.moved_to for repository in repositories if repository.moved_to), "")
    if not owner:
        return Failure("", f"repository {name!r} is {why}: no codespace starts from it.")
    return Failure(
        "",
        f"repository {name!r} was transferred to {owner}, and the secrets in it went along. Remove it from the "
        "program, and renew the credentials that they hold.",
    )
