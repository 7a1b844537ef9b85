"""The inputs and the state of a `KeyRotation`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ...rules.rotation import SLOTS, Rotation, Slot
from ...values import UNKNOWN, Unknown, is_text, is_unknown, plain_map, plain_text
from ..failures import Failure
from .shapes import check_list, known_items, known_texts, optional_text, raise_if, text, text_map, texts, without

if TYPE_CHECKING:
    from ...rules.rotation import SlotName, Status
    from ...values import Properties, Value
    from .shapes import ChangeKind, Text

_DECISION = ("slots", "current", "published", "statuses", "serial", "at")
_DECLARED = ("generation", "keepPreviousKey", "adoptExisting", "prefixes", "repository", "userName", "userPath")


@dataclass(frozen=True)
class RotationInputs:
    """The inputs of a rotation; None for a missing one. `KeyRotation` describes them.

    Attributes:
        generation: the generation that the program asks for; Check accepts only a whole number.
        decision: what Check decided; UNKNOWN if it could not decide.
        others: inputs that this version does not know.
    """

    generation: Value = None
    keep_previous_key: bool | None = None
    adopt_existing: bool | None = None
    prefixes: list[str] | None = None
    repository: Text = None
    user_name: str | None = None
    user_path: str | None = None
    decision: Rotation | Unknown | None = None
    others: Properties = field(default_factory=dict[str, "Value"])

    @classmethod
    def parse_new(cls, sent: Properties) -> RotationInputs:
        """Parse properties that a program sent. A decision among them is not taken over.

        Raises:
            InvalidInputs: an input is not of the right kind, or not known yet.
        """
        plain = plain_map(without(sent, _DECISION))
        plain.setdefault("keepPreviousKey", True)
        plain.setdefault("adoptExisting", False)
        plain.setdefault("repository", "")
        if is_unknown(without(plain, ("repository",))):
            raise_if(
                Failure(
                    "",
                    "key_generation, keep_previous_key, the secret prefixes and the user's name must be plain values, "
                    "not Outputs of resources that are not made yet: a preview has to tell which key is replaced.",
                )
            )
        raise_if(*_shape_failures(plain))
        return cls.parse(plain)

    @classmethod
    def parse(cls, sent: Properties) -> RotationInputs:
        """Parse properties that an earlier call wrote."""
        plain = plain_map(sent)
        keep, adopt, prefixes = plain.get("keepPreviousKey"), plain.get("adoptExisting"), texts(plain.get("prefixes"))
        return cls(
            generation=plain.get("generation"),
            keep_previous_key=keep if isinstance(keep, bool) else None,
            adopt_existing=adopt if isinstance(adopt, bool) else None,
            prefixes=None if prefixes is None else known_texts(prefixes),
            repository=text(plain.get("repository")),
            user_name=optional_text(plain.get("userName")),
            user_path=optional_text(plain.get("userPath")),
            decision=_decision(plain),
            others=without(plain, (*_DECISION, *_DECLARED)),
        )

    def write(self) -> Properties:
        """The properties to send."""
        return {
            **self.others,
            "generation": self.generation,
            "keepPreviousKey": self.keep_previous_key,
            "adoptExisting": self.adopt_existing,
            "prefixes": None if self.prefixes is None else [*self.prefixes],
            "repository": self.repository,
            "userName": self.user_name,
            "userPath": self.user_path,
            **_written(self.decision),
        }


@dataclass(frozen=True)
class RotationState:
    """The state of a rotation: its inputs, and the organization that it is for."""

    inputs: RotationInputs
    owner: str = ""

    @classmethod
    def parse(cls, sent: Properties) -> RotationState:
        """Parse properties that an earlier call wrote."""
        return cls(RotationInputs.parse(sent), plain_text(sent.get("owner")))

    def write(self) -> Properties:
        """The properties to send."""
        return {**self.inputs.write(), "owner": self.owner}


def changes(old: RotationInputs, new: RotationInputs) -> dict[str, ChangeKind]:
    """The changes between two updates, by property path."""
    before, after = old.write(), new.write()
    result: dict[str, ChangeKind] = {
        name: "update"
        for name in ("generation", "keepPreviousKey", "prefixes", "current", "published")
        if before.get(name) != after.get(name)
    }
    for slot in SLOTS:
        for part in ("slots", "statuses"):
            if is_unknown(after[part]) or plain_map(before.get(part)).get(slot) != plain_map(after[part]).get(slot):
                result[f"{part}.{slot}"] = "update"
    return result


def written(rotation: Rotation) -> Properties:
    """A decision as properties."""
    return {
        "slots": {
            slot: {"generation": rotation.slots[slot].generation, "serial": rotation.slots[slot].serial}
            for slot in SLOTS
        },
        "current": rotation.current,
        "published": rotation.published or "",
        "serial": rotation.serial,
        "at": {**rotation.at},
        "statuses": {**rotation.statuses},
    }


def _written(decision: Rotation | Unknown | None) -> Properties:
    if isinstance(decision, Rotation):
        return written(decision)
    return dict.fromkeys(_DECISION, decision)


def _decision(plain: Properties) -> Rotation | Unknown | None:
    slots = plain.get("slots")
    if slots is None:
        return None
    if is_unknown(slots):
        return UNKNOWN
    published = plain_text(plain.get("published"))
    return Rotation(
        generation=_number(plain.get("generation")),
        slots={slot: _slot(plain_map(slots).get(slot)) for slot in SLOTS},
        current=_slot_name(plain.get("current")),
        published=_slot_name(published) if published else None,
        serial=_number(plain.get("serial")),
        at=known_items(text_map(plain.get("at"))),
        statuses={slot: _status(plain_map(plain.get("statuses")).get(slot)) for slot in SLOTS},
    )


def _slot(value: Value) -> Slot:
    plain = plain_map(value)
    return Slot(_number(plain.get("generation")), _number(plain.get("serial")))


def _slot_name(value: Value) -> SlotName:
    return "a" if value == "a" else "b"


def _status(value: Value) -> Status:
    return "Active" if value == "Active" else "Inactive"


def _number(value: Value) -> int:
    return int(value) if isinstance(value, (int, float)) else 0


def _shape_failures(inputs: Properties) -> list[Failure]:
    return [
        *check_list("prefixes", inputs.get("prefixes")),
        *(
            Failure("", f"{name} must be true or false.")
            for name in ("keepPreviousKey", "adoptExisting")
            if not isinstance(inputs[name], bool)
        ),
        *([] if is_text(inputs["repository"]) else [Failure("", "repository must be the name of a repository.")]),
        *(
            Failure("", f"{name} must be a text.")
            for name in ("userName", "userPath")
            if not isinstance(inputs.get(name, ""), str)
        ),
    ]
