"""`RepositorySecrets`: Codespaces secrets of one repository that belong together, written as one unit."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ...clients.errors import ActionableError
from ...rules import RuleViolation
from ...rules.secret_names import mixed_logins
from ...rules.selection import Declared, check_repository_name, is_repository_name, resolve
from ...values import Unknown
from ..failures import Failure
from ..properties.secret_targets import RepositoryTarget
from ..run import Severity
from .repository_selection import enough_repositories

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from ...clients.codespaces_secrets import SecretInfo, Secrets
    from ...rules.selection import Repository
    from ..run import Run


class RepositoryScope:
    """Secrets of one repository.

    Inputs: `repository`, its name in the program, and `repositoryId` if the program creates the repository itself.
    Check adds `repositoryName`, its current name: a renamed repository is followed by its id.
    """

    token = "codespaces:index:RepositorySecrets"
    reader_properties = RepositoryTarget.NAMES

    def secrets_of(self, run: Run, target: RepositoryTarget) -> Secrets | None:
        """The repository's secrets; None if it is unknown or not created yet."""
        name = target.current_name
        return run.secrets_of(name) if isinstance(name, str) and not isinstance(target.number, Unknown) else None

    async def resolve(
        self, run: Run, urn: str, old: RepositoryTarget | None, new: RepositoryTarget
    ) -> RepositoryTarget | list[Failure]:
        """Look up the id and the current name of the repository."""
        name, number, named = new.repository, new.number, replace(new, current_name=new.repository)
        if not isinstance(name, str):
            return named
        try:
            check_repository_name(name, "repository")
            if isinstance(number, Unknown) or not run.configuration.complete:
                return named
            if number is None:
                return await _looked_up(run, urn, name, old)
            # After a transfer, GitHub redirects writes under the old name to the new owner's repository.
            repository = await run.github.repository_by_id(number)
        except RuleViolation as violation:
            return [Failure("", str(violation).replace("names[0]", "repository").replace("`ids`", "`repository_id`"))]
        return [_no_secrets(name, "transferred", [repository])] if repository and repository.moved_to else named

    async def find(
        self, run: Run, urn: str, target: RepositoryTarget, *, fresh: bool = False
    ) -> tuple[RepositoryTarget, Secrets] | None:
        """Find the repository by its id, because another one may have its name by now."""
        repository = await _current_repository(run, urn, target, fresh=fresh)
        if repository is None:
            return None
        return replace(target, current_name=repository.name), run.secrets_of(repository.name, repository.moved_to)

    async def read_back(
        self,
        secrets: Secrets,
        names: Sequence[str],
        live: Mapping[str, SecretInfo],
        target: RepositoryTarget,
        *,
        imported: bool,
    ) -> RepositoryTarget:
        """The target as it is: the repository alone reads its secrets."""
        return target

    async def other_levels(
        self, run: Run, old: RepositoryTarget | None, new: RepositoryTarget, *, has_new_names: bool
    ) -> list[Secrets]:
        """The organization, if there are new secrets; otherwise nothing."""
        return [run.secrets_of()] if has_new_names else []

    async def visible_names(
        self, other: Secrets, names: set[str], target: RepositoryTarget, declared: Collection[str]
    ) -> set[str]:
        """The organization's secrets that this repository may read, among those that could mix with its own.

        GitHub is asked only for the readers of those secrets.
        """
        live = await other.secrets()
        mixed = {name for triple in mixed_logins(names, declared) for name in triple.names}
        visible: set[str] = set()
        for name in mixed & names:
            selected = name in live and live[name].visibility == "selected"
            if not selected or target.number in await other.secret_repositories(name):
                visible.add(name)
        return visible

    async def parse_identifier(self, run: Run, identifier: str) -> tuple[RepositoryTarget, list[str]]:
        """Parse the name of the repository and the names of the secrets.

        Raises:
            ActionableError: the repository does not exist.
        """
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
        names_listed = [name.strip().upper() for name in names.split(",") if name.strip()]
        return RepositoryTarget(repository, match.id, match.name), names_listed


async def _looked_up(run: Run, urn: str, name: str, old: RepositoryTarget | None) -> RepositoryTarget | list[Failure]:
    """Look up a repository by its name.

    Raises:
        RuleViolation: it does not exist, or may exist unseen.
    """
    declared = Declared(names=(name,))
    seen = {name: old.number} if old and old.repository == name and isinstance(old.number, int) and old.number else {}
    listing = await enough_repositories(run, declared, seen)
    unseen, doubt = run.github.unseen_repositories(), run.github.may_overlook()
    resolution = resolve(declared, listing, seen, run.configuration.owner, unseen, doubt=doubt)
    if name not in resolution.repositories:
        return [_no_secrets(name, resolution.skipped[name], listing)]
    for warning in resolution.warnings:
        run.log(Severity.WARNING, urn, warning.replace("in the selection", "in the program"))
    return RepositoryTarget(name, resolution.repositories[name], resolution.renamed.get(name, name))


async def _current_repository(
    run: Run, urn: str, target: RepositoryTarget, *, fresh: bool = False
) -> Repository | None:
    """Look up the repository of a state by its id; None if it no longer exists.

    Raises:
        ActionableError: GitHub does not find it, but it may exist without being visible to the credentials.
    """
    number = target.number if isinstance(target.number, int) else 0
    repository = await run.github.repository_by_id(number, fresh=fresh)
    doubt = "" if repository else run.github.may_overlook()
    if doubt:
        raise ActionableError(
            f"repository {target.current_name} (id {number}) of organization {run.configuration.owner} is "
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
