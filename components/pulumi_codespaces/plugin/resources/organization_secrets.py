"""`OrganizationSecrets`: Codespaces secrets of an organization that belong together, written as one unit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...rules.selection import is_repository_name
from ...values import Unknown, Value, is_unknown
from ..properties.secret_targets import OrganizationTarget
from ..properties.shapes import known_ids

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from ...clients.codespaces_secrets import SecretInfo, Secrets
    from ..failures import Failure
    from ..run import Run


class OrganizationScope:
    """Secrets of an organization, for all, its private, or selected repositories."""

    token = "codespaces:index:OrganizationSecrets"
    reader_properties = OrganizationTarget.NAMES

    def secrets_of(self, run: Run, target: OrganizationTarget) -> Secrets | None:
        """The organization's secrets; None if the visibility is unknown."""
        return None if isinstance(target.visibility, Unknown) else run.secrets_of()

    async def resolve(
        self, run: Run, urn: str, old: OrganizationTarget | None, new: OrganizationTarget
    ) -> OrganizationTarget | list[Failure]:
        """Check that the visibility and the repositories fit together."""
        return new.failures() or new

    async def find(
        self, run: Run, urn: str, target: OrganizationTarget, *, fresh: bool = False
    ) -> tuple[OrganizationTarget, Secrets] | None:
        """The target as it is: a provider works for one organization."""
        return target, run.secrets_of()

    async def read_back(
        self,
        secrets: Secrets,
        names: Sequence[str],
        live: Mapping[str, SecretInfo],
        target: OrganizationTarget,
        *,
        imported: bool,
    ) -> OrganizationTarget:
        """The current readers of the secrets. If secrets have different readers, those that differ from the state."""
        expected = None if imported else target.readers
        visibility = next(
            (live[name].visibility for name in names if expected and live[name].visibility != expected.visibility),
            live[names[0]].visibility,
        )
        if visibility != "selected":
            return OrganizationTarget(visibility, target.selected)
        expected_ids = set(expected.repository_ids) if expected else None
        readers = await _readers(secrets, [name for name in names if live[name].visibility == "selected"], expected_ids)
        names_of = {number: name for name, number in known_ids(target.repositories).items()}
        selected: Value = {names_of.get(number, name): number for number, name in sorted(readers.items())}
        return OrganizationTarget(visibility, selected)

    async def other_levels(
        self, run: Run, old: OrganizationTarget | None, new: OrganizationTarget, *, has_new_names: bool
    ) -> list[Secrets]:
        """The repositories that join; all selected repositories if there are new secrets."""
        if new.visibility != "selected" or is_unknown(new.selected):
            return []
        earlier_ids = old.readers.repository_ids if old and not has_new_names else ()
        # Skip repositories that this update creates, which have no secrets yet, and the program's own labels, which are
        # not names of repositories.
        return [
            run.secrets_of(name)
            for name, number in known_ids(new.repositories).items()
            if is_repository_name(name) and number not in earlier_ids
        ]

    async def visible_names(
        self, other: Secrets, names: set[str], target: OrganizationTarget, declared: Collection[str]
    ) -> set[str]:
        """All names: the codespaces of a repository get all its secrets."""
        return names

    async def parse_identifier(self, run: Run, identifier: str) -> tuple[OrganizationTarget, list[str]]:
        """Parse the names of the secrets."""
        return OrganizationTarget(), [name.strip().upper() for name in identifier.split(",") if name.strip()]


async def _readers(secrets: Secrets, names: Sequence[str], expected_ids: set[int] | None) -> dict[int, str]:
    """The readers of the first secret that has others than expected, otherwise of the last one: id -> name."""
    readers: dict[int, str] = {}
    for name in names:
        readers = await secrets.secret_repositories(name)
        if expected_ids is None or set(readers) != expected_ids:
            break
    return readers
