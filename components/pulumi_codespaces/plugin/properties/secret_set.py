"""The inputs and the state of `OrganizationSecrets` and `RepositorySecrets`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from ...values import Secret, Unknown, is_text, plain_map, reveal
from ..failures import Failure
from .secret_targets import Target
from .shapes import (
    check_map,
    flag,
    known_items,
    known_texts,
    raise_if,
    text,
    text_map,
    texts,
    without,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...values import Properties, Value
    from .shapes import Flag, Text

SecretMap = dict[str, Secret]
TargetT = TypeVar("TargetT", bound=Target)
ParsedT_co = TypeVar("ParsedT_co", bound=Target, covariant=True)
_INPUTS = ("secrets", "fallback", "publishedAt", "verify", "adoptExisting", "owner")
_STATE = ("secrets", "adoptExisting", "owner", "updatedAt", "unfinished", "readersUnfinished")


class TargetParser(Protocol[ParsedT_co]):
    """Parses a target."""

    @property
    def NAMES(self) -> tuple[str, ...]:  # noqa: N802 - a constant of the classes that parse
        """The properties of the target."""
        ...

    def parse(self, sent: Properties) -> ParsedT_co:
        """Parse properties that an earlier call wrote."""
        ...

    def parse_new(self, sent: Properties) -> tuple[ParsedT_co, list[Failure]]:
        """Parse properties that a program sent; also why they are not of the right kind."""
        ...


@dataclass(frozen=True)
class SecretSetInputs(Generic[TargetT]):
    """The inputs of a set of secrets.

    Attributes:
        target: where they are and who may read them.
        secrets: NAME -> value; UNKNOWN if the names are not known yet.
        adopt_existing: whether the set may take over secrets that exist already.
        owner: the organization, which Check adds.
        fallback: NAME -> the value to put back if a registry's secrets do not become whole.
        published_at: name -> when a key rotation saw the secret written last, as the program sent it, with secret
            marks; None without a rotation.
        verify: whether an access key under rotation is proven before it is written.
        others: inputs that this version does not know.
    """

    target: TargetT
    secrets: SecretMap | Unknown | None
    adopt_existing: Flag = None
    owner: Text = None
    fallback: SecretMap | Unknown | None = None
    published_at: Value = None
    verify: Flag = None
    others: Properties = field(default_factory=dict[str, "Value"])

    def write(self) -> Properties:
        """The properties to send."""
        return {
            **self.others,
            **self.target.write(),
            "secrets": sent_secrets(self.secrets),
            "adoptExisting": self.adopt_existing,
            "owner": self.owner,
            "fallback": sent_secrets(self.fallback),
            "publishedAt": self.published_at,
            "verify": self.verify,
        }

    @property
    def plain(self) -> Mapping[str, Value]:
        """The secrets without marks: NAME -> value, which may be unknown."""
        return _plain(self.secrets)

    @property
    def values(self) -> dict[str, str]:
        """The secrets whose value is known."""
        return known_items(text_map(sent_secrets(self.secrets)))

    @property
    def fallback_values(self) -> dict[str, str]:
        """The known values of `fallback`."""
        return known_items(text_map(sent_secrets(self.fallback)))

    @property
    def published_stamps(self) -> dict[str, str] | None:
        """When a key rotation saw each secret written last; None without a rotation."""
        return None if self.published_at is None else known_items(text_map(self.published_at))


@dataclass(frozen=True)
class SecretSetState(Generic[TargetT]):
    """The state of a set of secrets.

    Attributes:
        target: where they are and who may read them.
        secrets: name -> the value that this resource wrote last.
        adopt_existing: the input of that name.
        owner: the organization.
        updated_at: name -> when this resource last wrote the secret; UNKNOWN in a preview.
        unfinished: the names whose value is uncertain after a failed write; None if no write failed.
        readers_unfinished: whether the readers of some secrets are uncertain; None if no write failed.
        others: outputs that this version does not know.
    """

    target: TargetT
    secrets: SecretMap | Unknown | None
    adopt_existing: Flag = None
    owner: Text = None
    updated_at: dict[str, str] | Unknown | None = None
    unfinished: list[str] | None = None
    readers_unfinished: bool | None = None
    others: Properties = field(default_factory=dict[str, "Value"])

    def write(self) -> Properties:
        """The properties to send."""
        return {
            **self.others,
            **self.target.write(),
            "secrets": sent_secrets(self.secrets),
            "adoptExisting": self.adopt_existing,
            "owner": self.owner,
            "updatedAt": {**self.updated_at} if isinstance(self.updated_at, dict) else self.updated_at,
            "unfinished": None if self.unfinished is None else [*self.unfinished],
            "readersUnfinished": self.readers_unfinished,
        }

    @property
    def plain(self) -> Mapping[str, Value]:
        """The secrets without marks: NAME -> value."""
        return _plain(self.secrets)

    @property
    def values(self) -> dict[str, str]:
        """The values of the secrets."""
        return known_items(text_map(sent_secrets(self.secrets)))

    @property
    def stamps(self) -> dict[str, str]:
        """When this resource last wrote each secret."""
        return self.updated_at if isinstance(self.updated_at, dict) else {}


@dataclass(frozen=True)
class SecretSetInputsParser(Generic[TargetT]):
    """Parses the inputs of a set whose target is parsed by `target`."""

    target: TargetParser[TargetT]

    def parse_new(self, sent: Properties) -> SecretSetInputs[TargetT]:
        """Parse properties that a program sent.

        Raises:
            InvalidInputs: an input is not of the right kind.
        """
        target, failures = self.target.parse_new(sent)
        raise_if(*_shape_failures(sent), *failures)
        return self._parsed(sent, target)

    def parse(self, sent: Properties) -> SecretSetInputs[TargetT]:
        """Parse properties that an earlier call wrote."""
        return self._parsed(sent, self.target.parse(sent))

    def _parsed(self, sent: Properties, target: TargetT) -> SecretSetInputs[TargetT]:
        return SecretSetInputs(
            target,
            secrets=_secret_map(sent.get("secrets")),
            adopt_existing=flag(reveal(sent.get("adoptExisting")) or False),
            owner=text(sent.get("owner")),
            fallback=_secret_map(sent.get("fallback")),
            published_at=sent.get("publishedAt"),
            verify=flag(sent.get("verify")),
            others=without(sent, (*_INPUTS, *self.target.NAMES)),
        )


@dataclass(frozen=True)
class SecretSetStateParser(Generic[TargetT]):
    """Parses the state of a set whose target is parsed by `target`."""

    target: TargetParser[TargetT]

    def parse(self, sent: Properties) -> SecretSetState[TargetT]:
        """Parse properties that an earlier call wrote."""
        stamps, unfinished = reveal(sent.get("updatedAt")), texts(sent.get("unfinished"))
        readers_unfinished = reveal(sent.get("readersUnfinished"))
        return SecretSetState(
            self.target.parse(sent),
            secrets=_secret_map(sent.get("secrets")),
            adopt_existing=flag(sent.get("adoptExisting")),
            owner=text(sent.get("owner")),
            updated_at=known_items(text_map(stamps)) if isinstance(stamps, dict) else None,
            unfinished=None if unfinished is None else known_texts(unfinished),
            readers_unfinished=readers_unfinished if isinstance(readers_unfinished, bool) else None,
            others=without(sent, (*_STATE, *self.target.NAMES)),
        )


def sent_secrets(secrets: SecretMap | Unknown | None) -> Value:
    """The secrets as they are sent."""
    return {**secrets} if isinstance(secrets, dict) else secrets


def _plain(secrets: SecretMap | Unknown | None) -> Properties:
    return plain_map(sent_secrets(secrets))


def _secret_map(sent: Value) -> SecretMap | Unknown | None:
    """Mark each value of a map secret, whatever the program sent.

    An unknown map gets no mark: once known, its values are marked and not the map as a whole, and an update by a plan
    (`--plan`) compares marks.
    """
    if isinstance(sent, Secret):
        return _secret_map(sent.value)
    if isinstance(sent, dict):
        return {name: value if isinstance(value, Secret) else Secret(value) for name, value in sent.items()}
    return sent if isinstance(sent, Unknown) else None


def _shape_failures(sent: Properties) -> list[Failure]:
    secrets = reveal(sent.get("secrets"))
    failures = [
        *check_map("secrets", secrets, lambda value: value is None or is_text(value), "a text"),
        *check_map("fallback", reveal(sent.get("fallback")), is_text, "a text"),
        *check_map("published_at", reveal(sent.get("publishedAt")), is_text, "a text"),
    ]
    if not isinstance(reveal(sent.get("adoptExisting")) or False, (bool, Unknown)):
        failures.append(Failure("", "adopt_existing must be true or false."))
    if secrets is None:
        failures.append(Failure("", "secrets is missing: give at least one NAME and its value."))
    return failures
