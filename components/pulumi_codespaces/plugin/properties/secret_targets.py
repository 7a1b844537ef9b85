"""Where a set of secrets is and who may read it: in an organization, or in one repository."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Protocol

from ...rules.suggestions import did_you_mean
from ...values import UNKNOWN, Unknown, is_id, is_text, is_unknown, plain_text, reveal
from ..failures import Failure
from ..secret_writer import SecretReaders
from .shapes import check_map, id_map, known_ids, map_changes, text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from typing_extensions import Self

    from ...values import Properties, Value
    from .shapes import ChangeKind, IdMap, Text

VISIBILITIES = ("all", "private", "selected")


class Target(Protocol):
    """The inputs that say where the secrets are and who may read them."""

    @property
    def readers(self) -> SecretReaders:
        """The readers of the secrets."""
        ...

    @property
    def claimed_readers(self) -> tuple[str, dict[str, int | None]]:
        """The future readers: `all`, `private` or `selected`, and the selected repositories: name -> id if known."""
        ...

    def is_elsewhere(self, new: Self) -> bool:
        """Whether `new` means another place; False if either place is unknown."""
        ...

    def changes(self, new: Self) -> dict[str, ChangeKind]:
        """The changes from this target to `new`, by property path."""
        ...

    def identifier(self, names: Iterable[str]) -> str:
        """The id of a set with these secrets, which is also the id to import it by."""
        ...

    def write(self) -> Properties:
        """The properties to send."""
        ...


@dataclass(frozen=True)
class OrganizationTarget:
    """The secrets of an organization.

    Attributes:
        visibility: `all`, `private` or `selected`.
        selected: the selected repositories as the program sent them, with secret marks: name -> id.
    """

    visibility: Text = None
    selected: Value = None

    NAMES: ClassVar[tuple[str, ...]] = ("visibility", "selectedRepositories")

    @classmethod
    def parse(cls, sent: Properties) -> OrganizationTarget:
        """Parse properties that an earlier call wrote."""
        return cls(text(sent.get("visibility")), sent.get("selectedRepositories"))

    @classmethod
    def parse_new(cls, sent: Properties) -> tuple[OrganizationTarget, list[Failure]]:
        """Parse properties that a program sent; also why they are not of the right kind."""
        visibility, selected = reveal(sent.get("visibility")) or "selected", sent.get("selectedRepositories")
        failures = check_map(
            "selected_repositories", reveal(selected), is_id, "the id of a repository (a whole number)"
        )
        if not is_text(visibility):
            failures.append(Failure("", f"visibility must be one of {', '.join(VISIBILITIES)}."))
        return cls(text(visibility), selected), failures

    def write(self) -> Properties:
        """The properties to send."""
        return {"visibility": self.visibility, "selectedRepositories": self.selected}

    @property
    def repositories(self) -> IdMap:
        """The selected repositories: name -> id."""
        return id_map(self.selected)

    @property
    def readers(self) -> SecretReaders:
        """The readers of the secrets."""
        visibility = plain_text(self.visibility)
        if visibility != "selected":
            return SecretReaders(visibility)
        return SecretReaders(visibility, tuple(sorted({*known_ids(self.repositories).values()})))

    @property
    def claimed_readers(self) -> tuple[str, dict[str, int | None]]:
        """The future readers."""
        selected = self.repositories if isinstance(self.repositories, dict) else {}
        ids = {name: number if isinstance(number, int) else None for name, number in selected.items()}
        return plain_text(self.visibility), ids

    def is_elsewhere(self, new: OrganizationTarget) -> bool:
        """Never: a provider works for one organization."""
        return False

    def changes(self, new: OrganizationTarget) -> dict[str, ChangeKind]:
        """The changes from this target to `new`, by property path."""
        changes = map_changes("selectedRepositories", self.selected, new.selected)
        return changes if self.visibility == new.visibility else {**changes, "visibility": "update"}

    def identifier(self, names: Iterable[str]) -> str:
        """The names of the secrets."""
        return ",".join(sorted(names))

    def failures(self) -> list[Failure]:
        """Why the visibility and the repositories do not fit together."""
        visibility, repositories = self.visibility, self.repositories
        if not isinstance(visibility, str):
            return []
        if visibility not in VISIBILITIES:
            hint = did_you_mean(visibility, VISIBILITIES) or "."
            return [Failure("visibility", f"visibility {visibility!r} must be one of {', '.join(VISIBILITIES)}{hint}")]
        if visibility != "selected" and repositories:
            return [
                Failure(
                    "selectedRepositories",
                    f"selected_repositories are given, but visibility is {visibility}: every "
                    f"{'private ' if visibility == 'private' else ''}repository of the organization would read the "
                    "secrets. Leave out one of the two.",
                )
            ]
        if visibility == "selected" and not repositories:
            return [
                Failure(
                    "selectedRepositories",
                    "selected_repositories is empty, so no codespace could read the secrets. Select at least one "
                    "repository, or set visibility to private or all.",
                )
            ]
        return []


@dataclass(frozen=True)
class RepositoryTarget:
    """The secrets of a repository.

    Attributes:
        repository: its name in the program.
        number: its id; None if only Check looks it up.
        current_name: its current name, which Check looks up.
    """

    repository: Text = None
    number: int | Unknown | None = None
    current_name: Text = None

    NAMES: ClassVar[tuple[str, ...]] = ("repository", "repositoryId", "repositoryName")

    @classmethod
    def parse(cls, sent: Properties) -> RepositoryTarget:
        """Parse properties that an earlier call wrote."""
        number = reveal(sent.get("repositoryId"))
        return cls(
            repository=text(sent.get("repository")),
            number=number if isinstance(number, (int, Unknown)) else None,
            current_name=text(sent.get("repositoryName")),
        )

    @classmethod
    def parse_new(cls, sent: Properties) -> tuple[RepositoryTarget, list[Failure]]:
        """Parse properties that a program sent; also why they are not of the right kind."""
        failures: list[Failure] = []
        if not is_text(reveal(sent.get("repository"))):
            failures.append(Failure("", "repository must be the name of a repository, such as 'web'."))
        number = reveal(sent.get("repositoryId"))
        if number is not None and not is_id(number):
            failures.append(Failure("", "repository_id must be the id of a repository (a whole number)."))
        # The name is not resolved while the secrets are unknown.
        return replace(cls.parse(sent), current_name=UNKNOWN), failures

    def write(self) -> Properties:
        """The properties to send."""
        return {"repository": self.repository, "repositoryId": self.number, "repositoryName": self.current_name}

    @property
    def readers(self) -> SecretReaders:
        """The readers of the secrets: always the repository."""
        return SecretReaders("")

    @property
    def claimed_readers(self) -> tuple[str, dict[str, int | None]]:
        """The future readers: the repository."""
        return "selected", {plain_text(self.current_name): self.number if isinstance(self.number, int) else None}

    def is_elsewhere(self, new: RepositoryTarget) -> bool:
        """Whether `new` means another repository, and not only a new name of the same one."""
        return new.number is not None and (isinstance(new.number, Unknown) or self.number != new.number)

    def changes(self, new: RepositoryTarget) -> dict[str, ChangeKind]:
        """The changes from this target to `new`, by property path."""
        changes: dict[str, ChangeKind] = {}
        for path, before, after in (
            ("repository", self.repository, new.repository),
            ("repositoryName", self.current_name, new.current_name),
        ):
            if is_unknown(after) or before != after:
                changes[path] = "update"
        return changes

    def identifier(self, names: Iterable[str]) -> str:
        """The repository and the names of the secrets."""
        return f"{self.current_name}:{','.join(sorted(names))}"
