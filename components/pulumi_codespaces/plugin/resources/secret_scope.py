"""The requests to GitHub that differ between the secrets of an organization and of a repository."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from ..properties.secret_set import TargetT

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from ...clients.codespaces_secrets import SecretInfo, Secrets
    from ..failures import Failure
    from ..run import Run


class SecretScope(Protocol[TargetT]):
    """Where the secrets of a set are, and who reads them."""

    @property
    def token(self) -> str:
        """The type token of the resource."""
        ...

    @property
    def reader_properties(self) -> tuple[str, ...]:
        """The properties of the target: the first one names the place or the visibility."""
        ...

    def secrets_of(self, run: Run, target: TargetT) -> Secrets | None:
        """The secrets at a target; None if the place is unknown or not created yet."""
        ...

    async def resolve(self, run: Run, urn: str, old: TargetT | None, new: TargetT) -> TargetT | list[Failure]:
        """Complete the target of new inputs, or say why it breaks a rule; `old` is that of the last update."""
        ...

    async def find(self, run: Run, urn: str, target: TargetT, *, fresh: bool = False) -> tuple[TargetT, Secrets] | None:
        """Find the place of a state: the target under its current name, and the secrets, also after a transfer.

        None if the place no longer exists.

        Raises:
            ActionableError: it is not found, but it may exist without being visible to the credentials.
        """
        ...

    async def read_back(
        self, secrets: Secrets, names: Sequence[str], live: Mapping[str, SecretInfo], target: TargetT, *, imported: bool
    ) -> TargetT:
        """Read from GitHub who may read the secrets; `target` is that of the state, or of the id of an import."""
        ...

    async def other_levels(
        self, run: Run, old: TargetT | None, new: TargetT, *, has_new_names: bool
    ) -> Sequence[Secrets]:
        """The places where a secret of the same name would hide one of these secrets, or be hidden."""
        ...

    async def visible_names(
        self, other: Secrets, names: set[str], target: TargetT, declared: Collection[str]
    ) -> set[str]:
        """Filter names of another level's secrets: keep those that the codespaces of these secrets also get."""
        ...

    async def parse_identifier(self, run: Run, identifier: str) -> tuple[TargetT, list[str]]:
        """Parse the id of an import: the target, and the names of the secrets.

        Raises:
            ActionableError: the place does not exist.
        """
        ...
