"""`OrganizationSecrets`: Codespaces secrets of an organization that belong together, written as one unit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...rules.selection import is_repository_name
from ...rules.suggestions import did_you_mean
from ...values import Properties, Value, is_id, is_text, is_unknown, plain_map, reveal
from ..failures import Failure
from ..resource import check_map, map_changes
from ..secret_writer import SecretReaders
from .secret_set import SecretSet

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...clients.codespaces_secrets import SecretInfo, Secrets
    from ..resource import ChangeKind
    from ..run import Run

_VISIBILITIES = ("all", "private", "selected")


class OrganizationSecrets(SecretSet):
    """Codespaces secrets of an organization, for all, its private, or selected repositories."""

    token = "codespaces:index:OrganizationSecrets"
    reader_inputs = ("visibility", "selectedRepositories")

    def secrets_of(self, run: Run, properties: Properties) -> Secrets | None:
        return None if is_unknown(properties.get("visibility")) else run.secrets_of()

    async def resolve(self, run: Run, urn: str, before: Properties, inputs: Properties) -> list[Failure]:
        visibility, repositories = inputs["visibility"], reveal(inputs.get("selectedRepositories"))
        if is_unknown(visibility):
            return []
        if visibility not in _VISIBILITIES:
            hint = did_you_mean(visibility, _VISIBILITIES) or "."
            return [Failure("visibility", f"visibility {visibility!r} must be one of {', '.join(_VISIBILITIES)}{hint}")]
        if visibility != "selected" and repositories:
            return [
                Failure(
                    "selectedRepositories",
                    f"selected_repositories are given, but visibility is {visibility}: every "
                    f"{'private ' if visibility == 'private' else ''}repository of the organization would read the "
                    "secrets. Leave out one of the two.",
                )
            ]
        if visibility == "selected" and not is_unknown(repositories) and not repositories:
            return [
                Failure(
                    "selectedRepositories",
                    "selected_repositories is empty, so no codespace could read the secrets. Select at least one "
                    "repository, or set visibility to private or all.",
                )
            ]
        return []

    def shape_failures(self, inputs: Properties) -> list[Failure]:
        inputs["visibility"] = reveal(inputs.get("visibility")) or "selected"
        failures = check_map(
            "selected_repositories",
            reveal(inputs.get("selectedRepositories")),
            is_id,
            "the id of a repository (a whole number)",
        )
        if not is_text(inputs["visibility"]):
            failures.append(Failure("", f"visibility must be one of {', '.join(_VISIBILITIES)}."))
        return failures

    def is_elsewhere(self, before: Properties, new: Properties) -> bool:
        return False

    def readers(self, properties: Properties) -> SecretReaders:
        visibility = reveal(properties["visibility"])
        repositories: Mapping[str, int] = reveal(properties.get("selectedRepositories")) or {}
        if visibility != "selected":
            return SecretReaders(visibility)
        return SecretReaders(visibility, tuple(sorted({int(number) for number in repositories.values()})))

    def claimed_readers(self, inputs: Properties) -> tuple[str, dict[str, int | None]]:
        selected = plain_map(inputs.get("selectedRepositories"))
        ids = {name: None if is_unknown(number) else int(number) for name, number in selected.items()}
        return inputs["visibility"], ids

    def reader_changes(self, state: Properties, new: Properties) -> dict[str, ChangeKind]:
        changes = map_changes(
            "selectedRepositories", state.get("selectedRepositories"), new.get("selectedRepositories")
        )
        if reveal(state.get("visibility")) != new["visibility"]:
            changes["visibility"] = "update"
        return changes

    async def live_readers(
        self, secrets: Secrets, names: list[str], live: Mapping[str, SecretInfo], location: Properties
    ) -> Properties:
        """The current readers of the secrets. If secrets have different readers, those that differ from the state."""
        expected = self.readers(location) if location else None
        visibility = next(
            (live[name].visibility for name in names if expected and live[name].visibility != expected.visibility),
            live[names[0]].visibility,
        )
        if visibility != "selected":
            return {"visibility": visibility, "selectedRepositories": location.get("selectedRepositories")}
        result: dict[int, str] = {}
        for name in names:
            if live[name].visibility == "selected":
                result = await secrets.secret_repositories(name)
                if expected is None or set(result) != set(expected.repository_ids):
                    break
        declared = plain_map(location.get("selectedRepositories"))
        names_of = {number: name for name, number in declared.items()}
        repositories: dict[str, Value] = {names_of.get(number, name): number for number, name in sorted(result.items())}
        return {"visibility": visibility, "selectedRepositories": repositories}

    async def other_levels(self, run: Run, state: Properties, new: Properties) -> list[Secrets]:
        """The repositories that join; all selected repositories if there are new secrets."""
        if new["visibility"] != "selected" or is_unknown(new.get("selectedRepositories")):
            return []
        earlier_ids = self.readers(state).repository_ids if state else ()
        if {*plain_map(new["secrets"])} - {*plain_map(state.get("secrets"))}:
            earlier_ids = ()
        members = plain_map(new.get("selectedRepositories")).items()
        # Skip repositories that this update creates, which have no secrets yet, and the program's own labels, which are
        # not names of repositories.
        return [
            run.secrets_of(name)
            for name, number in members
            if is_repository_name(name) and not is_unknown(number) and number not in earlier_ids
        ]

    def identifier(self, inputs: Properties) -> str:
        return ",".join(sorted(plain_map(inputs["secrets"])))

    async def parse_identifier(self, run: Run, identifier: str) -> tuple[Properties, list[str]]:
        return {}, [name.strip().upper() for name in identifier.split(",") if name.strip()]
