"""What the resources of one provider instance share while the engine runs: GitHub, messages, and who wrote what."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from .github_client import GitHub
from .secret_client import Place, Secrets

if TYPE_CHECKING:
    from collections.abc import Callable

    from .configuration import Configuration


class Severity(Enum):
    """How the engine shows a message."""

    INFO = "info"
    WARNING = "warning"
    STATUS = "status"
    """Shown in the status line while the resource is worked on, and gone afterwards."""


@dataclass
class Claim:
    """The secrets that one resource of the program declares, as Check saw them.

    Attributes:
        place: whose they are.
        names: the names of its secrets.
        servers: prefix of a registry -> the value of its SERVER secret.
        visibility: `all`, `private` or `selected`.
        repositories: name -> id of those that may read them; a name whose id is not known yet has None.
    """

    place: Place
    names: list[str]
    servers: dict[str, str]
    visibility: str
    repositories: dict[str, int | None]


@dataclass
class Run:
    """One run of a provider instance; every instance is a process of its own and lives as long as one operation.

    Attributes:
        configuration: whom it works for.
        log: tells the person at the terminal something about a resource (its URN, or "").
        claims: URN -> the secrets that resource declares in this run, to find clashes between resources.
        written: place and name of a secret -> URN of the resource that wrote it in this run; what was written must not
            be deleted.
        past: URN -> the inputs of the last update, for resources whose Check needs them when they are replaced.
        minting: name of an IAM user -> the slots that get a new access key in this run.
    """

    configuration: Configuration
    log: Callable[[Severity, str, str], None]
    claims: dict[str, Claim] = field(default_factory=dict[str, Claim])
    written: dict[tuple[Place, str], str] = field(default_factory=dict[tuple[Place, str], str])
    past: dict[str, dict[str, Any]] = field(default_factory=dict[str, "dict[str, Any]"])
    minting: dict[str, set[str]] = field(default_factory=dict[str, "set[str]"])
    _github: GitHub | None = None
    _secrets: dict[str, Secrets] = field(default_factory=dict[str, Secrets])

    def teller(self, urn: str) -> Callable[[str], None]:
        """What puts a text into the status line of a resource (its URN, or "" for that of the stack)."""
        return lambda text: self.log(Severity.STATUS, urn, text)

    def wants(self, place: Place, name: str) -> bool:
        """Whether a resource of the program declares, or wrote in this run, the secret of this name."""
        return name in self.claimed(place) or (place, name) in self.written

    def claimed(self, place: Place) -> set[str]:
        """The names of the secrets of a place that the program declares, as far as it was checked."""
        return {name for claim in self.claims.values() if claim.place == place for name in claim.names}

    def secrets_of(self, repository: str = "", owner: str = "") -> Secrets:
        """The secrets of the organization, or of one repository; `owner` is whose it is, if it was transferred."""
        place = Place(owner or self.configuration.owner, repository)
        key = place.full_name.lower()
        if key not in self._secrets:
            self._secrets[key] = Secrets(self.github, place)
        return self._secrets[key]

    @property
    def github(self) -> GitHub:
        """The client of the organization, made on first use."""
        if self._github is None:
            self._github = GitHub(self.configuration, self.teller(""))
        return self._github

    async def give_up(self) -> None:
        """Wait for no answer any longer, so that what is being written can be put back."""
        if self._github:
            await self._github.give_up()

    async def close(self) -> None:
        """Close what is open."""
        if self._github:
            await self._github.close()
