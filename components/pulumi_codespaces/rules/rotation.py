"""The rotation of an IAM user's two access keys, as a state machine.

IAM lets a user hold two access keys (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html), so a
rotation has two slots, `a` and `b`. One holds the key that GitHub publishes, and the other is free to be renewed.

GitHub does not return secret values, so nobody can read back which slot is published. GitHub does return when each
secret was last written. A registry's secrets are always written in the order USER, PASSWORD, SERVER, one right after
another. So if SERVER was written right after its USER and PASSWORD, that is the mark of a pair of credentials that was
published whole. A pair that was put back has no such mark, and a person who edits SERVER later does not create one.

To flip slots on the generation alone would be wrong. Suppose that generation 3 was created but never published, and
generation 4 follows: the flip would renew the slot that codespaces pull with. So a rotation always renews the slot that
is *not* published.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from enum import Enum
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

from . import RuleViolation
from .lifetimes import moment
from .numbers import check_whole_number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .secret_names import Triple

SlotName = Literal["a", "b"]
Status = Literal["Active", "Inactive"]
Marks = dict[str, str]
"""Secret name -> `updated_at` of the secret; a secret that does not exist has no entry."""

SLOTS: tuple[SlotName, SlotName] = ("a", "b")
_LONGEST_GAP = timedelta(minutes=1)
"""The longest time between two writes that count as one right after another. It is longer than the writer's patience
between two writes of a registry's secrets."""


@dataclass(frozen=True)
class Slot:
    """One of the two places for an access key.

    Attributes:
        generation: the generation that the key was created for; 0 for a slot that was never used.
        serial: counts the keys that this rotation creates. A new serial replaces the key; a new generation alone does
            not, because a generation that is used a second time must also get a new key. A slot with serial 0 has an
            unused, Inactive key.
    """

    generation: int = 0
    serial: int = 0


@dataclass(frozen=True)
class Rotation:
    """The state of a rotation between updates.

    Attributes:
        generation: the generation requested at the last decision.
        slots: the two slots.
        current: the slot whose key is to be published.
        published: the slot whose key was published, as of the last decision; None before the first proof.
        serial: the highest serial in use so far.
        at: when each secret of the registries was last written, as of the last decision.
        statuses: the status each slot's access key must have.
    """

    generation: int
    slots: dict[SlotName, Slot]
    current: SlotName
    published: SlotName | None
    serial: int
    at: Marks
    statuses: dict[SlotName, Status]


class Movement(Enum):
    """The changes to one registry's secrets since the last decision."""

    ABSENT = "absent"
    """The secrets did not exist then and do not exist now."""
    UNTOUCHED = "untouched"
    """Nobody wrote the secrets."""
    PUBLISHED = "published"
    """USER, PASSWORD and SERVER were all written, one right after another: the key that was current is published."""
    PARTIAL = "partial"
    """Some secrets were written or deleted, others not: an update was cut short, or somebody wrote by hand."""


def movement(triple: Triple, at: Mapping[str, str], now: Mapping[str, str]) -> Movement:
    """Compare two listings of a registry's secrets.

    Args:
        triple: the registry's three secret names.
        at: secret name -> `updated_at` at the last decision.
        now: the same, in this run.
    """
    moved = [name in now and now[name] != at.get(name) for name in triple.names]
    present = [name in now for name in triple.names]
    if not any(present) and not any(name in at for name in triple.names):
        return Movement.ABSENT
    if all(moved):
        return Movement.PUBLISHED if written_together(triple, now) else Movement.PARTIAL
    return Movement.UNTOUCHED if all(present) and not any(moved) else Movement.PARTIAL


def written_together(triple: Triple, marks: Mapping[str, str]) -> bool:
    """Whether a registry's secrets were last written in the order USER, PASSWORD, SERVER, one right after another."""
    moments = [moment(marks[name]) for name in triple.names if name in marks]
    return len(moments) == len(triple.names) and all(
        timedelta() <= later - earlier <= _LONGEST_GAP for earlier, later in pairwise(moments)
    )


def first_rotation(generation: int, marks: Mapping[str, str]) -> Rotation:
    """The state of a new rotation that starts at `generation`: slot `a` is to be published, `b` is unused."""
    slots: dict[SlotName, Slot] = {"a": Slot(generation, 1), "b": Slot()}
    return Rotation(generation, slots, "a", None, 1, dict(marks), {"a": "Active", "b": "Inactive"})


def next_rotation(
    old: Rotation, generation: int, *, keep_previous_key: bool, triples: Sequence[Triple], marks: Mapping[str, str]
) -> Rotation:
    """Decide what an update does to the two slots.

    Args:
        old: the state of the rotation.
        generation: the requested generation.
        keep_previous_key: whether the previously published key stays Active once the new one is published.
        triples: the registries whose secrets carry the key.
        marks: when each secret was last written, as listed in this run.

    Returns:
        The new state; `old` itself unless the generation changes or a key has to be deactivated or reactivated.

    Raises:
        RuleViolation: the last generation was published only in part, so it is unknown which key codespaces hold; or
            generation 1, which has no slot `b`, is requested while `b` is needed.
    """
    holders = _published_slots(old, triples, marks)
    if generation == old.generation:
        settled = holders == {old.current}
        if not settled and not keep_previous_key:
            return old
        statuses = _statuses(old.slots, old.current, keep_both=keep_previous_key)
        if statuses == old.statuses:
            return old
        if settled:
            return replace(old, published=old.current, at=dict(marks), statuses=statuses)
        return replace(old, statuses=statuses)

    if holders is None or len(holders) > 1:
        raise RuleViolation(
            "key_generation",
            f"key_generation {generation}: generation {old.generation} is not fully published, or somebody changed its "
            "secrets, so it is unknown which key codespaces have. Publish that generation first: run "
            f"`pulumi up` with key_generation {old.generation}, then set {generation} again.",
        )
    published = next(iter(holders), None)
    slots, current, serial = dict(old.slots), old.current, old.serial
    if published and slots[published].generation == generation:
        current = published
    else:
        current = _other(published) if published else current
        serial += 1
        slots[current] = Slot(generation, serial)
    if generation == 1 and "b" in (published, current):
        highest = max(slot.generation for slot in (*slots.values(), *old.slots.values()))
        raise RuleViolation(
            "key_generation",
            "key_generation 1 allows a single key, so going back to it would delete the key in slot b, which "
            f"codespaces may use. Set key_generation to {old.generation}, or to {highest + 1} for a new key.",
        )
    statuses = _statuses(slots, current, keep_both=True)
    return Rotation(generation, slots, current, published, serial, dict(marks), statuses)


def check_generation(generation: object) -> int:
    """Check a generation number.

    Returns:
        The generation as an `int`; a program in another language sends 2.0.

    Raises:
        RuleViolation: the generation is not a whole number of at least 1.
    """
    reason = ", so that a preview shows which key is replaced; raise it by one to rotate the key"
    return check_whole_number("key_generation", generation, reason)


def _published_slots(old: Rotation, triples: Sequence[Triple], marks: Mapping[str, str]) -> set[SlotName] | None:
    """The slots whose keys the registries publish now; None if a registry's secrets were written only in part."""
    holders: set[SlotName] = set()
    for triple in triples:
        moved = movement(triple, old.at, marks)
        if moved is Movement.PARTIAL:
            return None
        if moved is Movement.PUBLISHED:
            holders.add(old.current)
        elif moved is Movement.UNTOUCHED and old.published:
            holders.add(old.published)
    return holders


def _other(slot: SlotName) -> SlotName:
    return "b" if slot == "a" else "a"


def _statuses(slots: Mapping[SlotName, Slot], current: SlotName, *, keep_both: bool) -> dict[SlotName, Status]:
    return {slot: "Active" if slots[slot].serial and (slot == current or keep_both) else "Inactive" for slot in SLOTS}
