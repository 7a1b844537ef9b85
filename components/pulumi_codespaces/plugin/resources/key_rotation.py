"""`KeyRotation`: which of a user's two access keys is renewed and which is published; see `rules.rotation`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...rules import RuleViolation
from ...rules.rotation import (
    SLOTS,
    Rotation,
    Slot,
    SlotName,
    check_generation,
    first_rotation,
    next_rotation,
)
from ...rules.secret_names import Triple
from ..failures import Failure, InvalidInputs, PluginError
from ..resource import Difference, Resource, Stored
from ..values import UNKNOWN, Properties, is_unknown, reveal

if TYPE_CHECKING:
    from ..resource import Change
    from ..run import Run

_DECISION = ("slots", "current", "published", "statuses", "serial", "at")


class KeyRotation(Resource):
    """The state of a key rotation. It touches no cloud itself: the access keys and the secrets follow its outputs.

    Inputs: `generation`, `keepPreviousKey`, `prefixes` (of the registries that carry the key), `userName`, `userPath`.
    Check decides, and leaves its decision among the inputs, which is what it gets to see of the past: so a preview shows
    the very slot that is going to be renewed, and a refusal comes while previewing.
    """

    token = "codespaces:index:KeyRotation"

    async def check(self, run: Run, urn: str, old: Properties, new: Properties) -> Properties:
        inputs: Properties = {name: reveal(value) for name, value in new.items() if name not in _DECISION}
        inputs.setdefault("keepPreviousKey", True)
        if is_unknown(inputs):
            raise InvalidInputs(
                Failure(
                    "",
                    "key_generation, keep_previous_key, the secret prefixes and the user's name must be plain values, "
                    "not Outputs of resources that are not made yet: a preview has to tell which key is replaced.",
                )
            )
        # When the engine replaces a resource it checks again, without the past.
        past = run.past.setdefault(urn, reveal(old)) if old else run.past.get(urn, {})
        _check_same_user(past, inputs)
        try:
            check_generation(inputs["generation"])
            if not run.configuration.complete:
                return inputs | {name: past.get(name, UNKNOWN) for name in _DECISION}
            marks = await _marks(run, inputs)
            before = _rotation(past) if "slots" in past and not is_unknown(past["slots"]) else None
            after = (
                next_rotation(
                    before,
                    inputs["generation"],
                    keep_previous_key=inputs["keepPreviousKey"],
                    triples=_triples(inputs),
                    marks=marks,
                )
                if before
                else first_rotation(inputs["generation"], marks)
            )
        except RuleViolation as violation:
            raise InvalidInputs(Failure("", str(violation))) from violation
        run.minting[inputs["userName"]] = {
            slot for slot in SLOTS if before is None or before.slots[slot].serial != after.slots[slot].serial
        }
        return inputs | _decision(after)

    async def difference(self, run: Run, urn: str, state: Properties, new: Properties) -> Difference:
        changes: dict[str, Change] = {}
        for name in ("generation", "keepPreviousKey", "prefixes", "current", "published"):
            if reveal(state.get(name)) != new.get(name):
                changes[name] = "update"
        for slot in SLOTS:
            for part in ("slots", "statuses"):
                before, after = reveal(state.get(part)), new.get(part)
                if is_unknown(after) or before[slot] != after[slot]:
                    changes[f"{part}.{slot}"] = "update"
        return Difference(changes)

    async def create(self, run: Run, urn: str, new: Properties, *, preview: bool) -> tuple[str, Properties]:
        return new["userName"], new | {"owner": run.configuration.owner}

    async def update(
        self, run: Run, urn: str, identifier: str, state: Properties, new: Properties, *, preview: bool
    ) -> Properties:
        return new | {"owner": run.configuration.owner}

    async def read(self, run: Run, urn: str, identifier: str, inputs: Properties, state: Properties) -> Stored | None:
        if state:
            return Stored(identifier, inputs, state)
        parts = [part.partition(":") for part in identifier.split(",")]
        slots = {slot: int(number) for slot, _, number in parts if slot in SLOTS and number.isdigit()}
        if len(slots) != len(parts):
            raise PluginError(
                f"cannot import {identifier!r}: write the published slot and its generation, then the other one if its "
                "key exists, such as 'a:3,b:2' or 'a:1'."
            )
        current: SlotName = "a" if parts[0][0] == "a" else "b"
        serials = {slot: index for index, slot in enumerate(reversed(list(slots)), start=1)}
        rotation = Rotation(
            generation=slots[current],
            slots={slot: Slot(slots.get(slot, 0), serials.get(slot, 0)) for slot in SLOTS},
            current=current,
            published=current,
            serial=len(slots),
            at={},
            statuses={slot: "Active" if slot in slots else "Inactive" for slot in SLOTS},
        )
        given: Properties = {"generation": slots[current], "keepPreviousKey": True} | _decision(rotation)
        return Stored(identifier, given, given | {"owner": run.configuration.owner})

    async def delete(self, run: Run, urn: str, identifier: str, state: Properties) -> None:
        """Nothing was made, so nothing is removed."""


def _triples(inputs: Properties) -> list[Triple]:
    return [Triple(prefix) for prefix in inputs.get("prefixes") or []]


async def _marks(run: Run, inputs: Properties) -> dict[str, str]:
    listed = await run.github.secrets()
    return {name: listed[name].updated_at for triple in _triples(inputs) for name in triple.names if name in listed}


def _rotation(state: Properties) -> Rotation:
    plain = reveal(state)
    return Rotation(
        generation=plain["generation"],
        slots={slot: Slot(plain["slots"][slot]["generation"], plain["slots"][slot]["serial"]) for slot in SLOTS},
        current=plain["current"],
        published=plain.get("published") or None,
        serial=plain["serial"],
        at=plain.get("at") or {},
        statuses={slot: plain["statuses"][slot] for slot in SLOTS},
    )


def _decision(rotation: Rotation) -> Properties:
    return {
        "slots": {
            slot: {"generation": rotation.slots[slot].generation, "serial": rotation.slots[slot].serial}
            for slot in SLOTS
        },
        "current": rotation.current,
        "published": rotation.published or "",
        "serial": rotation.serial,
        "at": rotation.at,
        "statuses": dict(rotation.statuses),
    }


def _check_same_user(past: Properties, inputs: Properties) -> None:
    """Refuse another user: its rename would delete the keys, and an imported rotation does not know it yet."""
    for name, argument in (("userName", "user_name"), ("userPath", "user_path")):
        if name in past and past[name] != inputs.get(name):
            raise InvalidInputs(
                Failure(
                    name,
                    f"{argument} {inputs.get(name)!r}: the user was made as {past[name]!r}, and renaming it would delete "
                    "both of its access keys while codespaces hold one. Set it back; to move to another user, add a "
                    "second EcrPullAccess with a secret_prefix of its own, wait until codespaces were restarted, and "
                    "remove the first.",
                )
            )
