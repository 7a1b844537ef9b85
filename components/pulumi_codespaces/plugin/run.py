"""The state that the resources of one provider instance share: the GitHub client, messages, and written secrets."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from ..clients.codespaces_secrets import Place, Secrets
from ..clients.github import GitHub

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..clients.credentials import Configuration
    from ..values import Properties


class Severity(Enum):
    """How the engine shows a message."""

    INFO = "info"
    WARNING = "warning"
    STATUS = "status"
    """Shown in the status line of the resource while it is in progress."""


@dataclass
class Claim:
    """The secrets that one resource of the program declares, as seen by Check.

    Attributes:
        place: the organization or the repository that they belong to.
        names: the names of the secrets.
        servers: prefix of a registry -> the value of its SERVER secret.
        visibility: `all`, `private` or `selected`.
        repositories: name -> id of the repositories that may read them; None for an id that is not known yet.
    """

    place: Place
    names: list[str]
    servers: dict[str, str]
    visibility: str
    repositories: dict[str, int | None]


@dataclass
class Run:
    """One run of a provider instance. Each instance is a process of its own that lives for one operation.

    Attributes:
        configuration: the organization and the credentials that it works with.
        log: shows a message about a resource (its URN, or "") to the person at the terminal.
        claims: URN -> the secrets that the resource declares in this run, to find clashes between resources.
        written: place and name of a secret -> URN of the resource that wrote it in this run. These secrets must not be
            deleted.
        past: URN -> the inputs of the last update, for resources whose Check needs them during a replacement.
        proven: id and registry of each access key that worked in this run.
        minting: name of an IAM user -> the slots that get a new access key in this run.
    """

    configuration: Configuration
    log: Callable[[Severity, str, str], None]
    claims: dict[str, Claim] = field(default_factory=dict[str, Claim])
    written: dict[tuple[Place, str], str] = field(default_factory=dict[tuple[Place, str], str])
    past: dict[str, Properties] = field(default_factory=dict[str, "Properties"])
    proven: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    minting: dict[str, set[str]] = field(default_factory=dict[str, "set[str]"])
    _github: GitHub | None = None
    _secrets: dict[str, Secrets] = field(default_factory=dict[str, Secrets])

    def status_line(self, urn: str) -> Callable[[str], None]:
        """A function that shows a text in the status line of a resource (its URN, or "" for the stack)."""
        return lambda text: self.log(Severity.STATUS, urn, text)

    def wants(self, place: Place, name: str) -> bool:
        """Whether a resource of the program declares a secret, or wrote it in this run."""
        return name in self.claimed(place) or (place, name) in self.written

    def claimed(self, place: Place) -> set[str]:
        """The names of a place's secrets that the program declares, in the resources checked so far."""
        return {name for claim in self.claims.values() if claim.place == place for name in claim.names}

    def secrets_of(self, repository: str = "", owner: str = "") -> Secrets:
        """The secrets of the organization, or of a repository; `owner` is its new owner if it was transferred."""
        place = Place(owner or self.configuration.owner, repository)
        key = place.full_name.lower()
        if key not in self._secrets:
            self._secrets[key] = Secrets(self.github, place)
        return self._secrets[key]

    @property
    def github(self) -> GitHub:
        """The GitHub client for the organization, created on first use."""
        if self._github is None:
            self._github = GitHub(self.configuration, self.status_line(""))
        return self._github

    async def give_up(self) -> None:
        """Stop waiting for answers, so that a write in progress can be put back."""
        if self._github:
            await self._github.give_up()

    async def close(self) -> None:
        """Close the connections."""
        if self._github:
            await self._github.close()
