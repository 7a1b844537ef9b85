"""`KeyRotation`: which of a user's two access keys is renewed and which is published; see `rules.rotation`."""

from __future__ import annotations

import re
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
from ...rules.selection import check_repository_name
from ..failures import CloudError, Failure, InvalidInputs, PluginError
from ..resource import Difference, Resource, Stored, check_list, raise_if
from ..values import UNKNOWN, Properties, Value, is_text, is_unknown, reveal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..resource import Change
    from ..run import Run
    from ..secret_client import Place

_IMPORTED_SLOT = re.compile(r"(?P<slot>[ab]):(?P<generation>[1-9][0-9]*):(?P<serial>[1-9][0-9]*)")
_DECISION = ("slots", "current", "published", "statuses", "serial", "at")


class KeyRotation(Resource):
    """The state of a key rotation. It touches no cloud itself: the access keys and the secrets follow its outputs.

    Inputs: `generation`, `keepPreviousKey`, `prefixes` (of the registries that carry the key), `repository` (that has
    the secrets; "" for the organization), `userName`, `userPath`, `adoptExisting` (whether it may begin where the
    secrets are there already).
    Check decides, and leaves its decision among the inputs, which is what it gets to see of the past: so a preview
    shows the very slot that is going to be renewed, and a refusal comes while previewing.
    """

    token = "codespaces:index:KeyRotation"

    async def check(self, run: Run, urn: str, old: Properties, new: Properties) -> Properties:
        inputs: Properties = {name: reveal(value) for name, value in new.items() if name not in _DECISION}
        inputs.setdefault("keepPreviousKey", True)
        inputs.setdefault("adoptExisting", False)
        inputs.setdefault("repository", "")
        if is_unknown({name: value for name, value in inputs.items() if name != "repository"}):
            raise InvalidInputs(
                Failure(
                    "",
                    "key_generation, keep_previous_key, the secret prefixes and the user's name must be plain values, "
                    "not Outputs of resources that are not made yet: a preview has to tell which key is replaced.",
                )
            )
        raise_if(*_shape_failures(inputs))
        # When the engine replaces a resource it checks again, without the past.
        past = run.past.setdefault(urn, reveal(old)) if old else run.past.get(urn, {})
        _check_same_user(past, inputs)
        try:
            inputs["generation"] = check_generation(inputs.get("generation"))
            if inputs["repository"] and not is_unknown(inputs["repository"]):
                check_repository_name(inputs["repository"], "repository")
            if not run.configuration.complete:
                return inputs | {name: past.get(name, UNKNOWN) for name in _DECISION}
            marks = await _marks(run, inputs)
            before = _rotation(past) if "slots" in past and not is_unknown(past["slots"]) else None
            if before is None and marks and not inputs["adoptExisting"]:
                raise _unknown_past(run.secrets_of(inputs["repository"]).place, urn, marks)
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
        if "userName" in inputs:  # what was just imported does not tell it
            run.minting[inputs["userName"]] = _renewed(before, after)
        return inputs | _decision(after)

    async def difference(self, run: Run, urn: str, state: Properties, new: Properties) -> Difference:
        changes: dict[str, Change] = {}
        for name in ("generation", "keepPreviousKey", "prefixes", "current", "published"):
            if reveal(state.get(name)) != new.get(name):
                changes[name] = "update"
        for slot in SLOTS:
            for part in ("slots", "statuses"):
                before: Properties = reveal(state.get(part)) or {}
                after: Value = new.get(part)
                if is_unknown(after) or before.get(slot) != after[slot]:
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
        rotation = _imported(identifier)
        given: Properties = {"generation": rotation.generation, "keepPreviousKey": True} | _decision(rotation)
        return Stored(identifier, given, given | {"owner": run.configuration.owner})

    async def delete(self, run: Run, urn: str, identifier: str, state: Properties) -> None:
        """Nothing was made, so nothing is removed."""


def _shape_failures(inputs: Properties) -> list[Failure]:
    failures = check_list("prefixes", inputs.get("prefixes"))
    for name in ("keepPreviousKey", "adoptExisting"):
        if not isinstance(inputs[name], bool):
            failures.append(Failure("", f"{name} must be true or false."))
    if not is_text(inputs["repository"]):
        failures.append(Failure("", "repository must be the name of a repository."))
    for name in ("userName", "userPath"):
        if not isinstance(inputs.get(name, ""), str):
            failures.append(Failure("", f"{name} must be a text."))
    return failures


def _unknown_past(place: Place, urn: str, marks: Mapping[str, str]) -> InvalidInputs:
    """Why no rotation begins where its secrets are there already: it would renew the very key that they hold.

    With --replace, and for a resource under another URN, the engine tells nothing of the past.
    """
    there = ", ".join(f"{name} (last changed {stamp})" for name, stamp in sorted(marks.items()))
    return InvalidInputs(
        Failure(
            "",
            f"{place} has these secrets already, and this rotation does not know whose "
            f"key they hold: {there}. If something else made them, choose another secret_prefix, or set "
            "adopt_existing to take them over. If this stack made them: a component that gets another name needs an "
            "alias (pulumi.ResourceOptions(aliases=[pulumi.Alias(name=…)])); a rotation must stay out of --replace; "
            "one that is no more in the state comes back by `pulumi import codespaces:index:KeyRotation "
            f"{urn.rsplit('::', 1)[-1]} a:3:3,b:2:2 --parent component=<its URN> --protect=false`, with the published "
            "slot first, each slot with the generation and the serial of its key, which is the replacementTrigger of "
            "its aws.iam.AccessKey in `pulumi stack export`.",
        )
    )


def _renewed(before: Rotation | None, after: Rotation) -> set[str]:
    """The slots whose key is replaced, so that AWS may list one more key that was theirs.

    At generation 1 slot b has none, and a rotation that is only being made has no key at all.
    """
    if before is None:
        return set()
    declared = SLOTS[:1] if before.generation == 1 else SLOTS
    return {slot for slot in declared if before.slots[slot].serial != after.slots[slot].serial}


def _imported(identifier: str) -> Rotation:
    """The state that an import describes: the published slot first, then the other one if its key exists.

    Raises:
        PluginError: it is described otherwise.
    """
    found = [_IMPORTED_SLOT.fullmatch(part.strip()) for part in identifier.split(",")]
    slots: dict[SlotName, Slot] = {
        "a" if one["slot"] == "a" else "b": Slot(int(one["generation"]), int(one["serial"])) for one in found if one
    }
    serials = {slot.serial for slot in slots.values()}
    if None in found or len(slots) != len(found) or len(serials) != len(slots):
        raise PluginError(
            f"cannot import {identifier!r}: write the published slot with the generation and the serial of its key, "
            "then the other slot if its key exists, such as 'a:3:3,b:2:2' or 'a:1:1'. The serial of a key is what "
            "`pulumi stack export` shows as the replacementTrigger of its aws.iam.AccessKey; with another one the next "
            "update would replace the key."
        )
    current = next(iter(slots))
    return Rotation(
        generation=slots[current].generation,
        slots={slot: slots.get(slot, Slot()) for slot in SLOTS},
        current=current,
        published=current,
        serial=max(serials),
        at={},
        statuses={slot: "Active" if slot in slots else "Inactive" for slot in SLOTS},
    )


def _triples(inputs: Properties) -> list[Triple]:
    prefixes: list[str] = inputs.get("prefixes") or []
    return [Triple(prefix) for prefix in prefixes]


async def _marks(run: Run, inputs: Properties) -> dict[str, str]:
    if is_unknown(inputs["repository"]):
        return {}
    try:
        listed = await run.secrets_of(inputs["repository"]).secrets()
    except CloudError as error:
        if inputs["repository"] and error.status == 404:
            # It may be made in this very update. If it is not, the secrets' own resource says so.
            return {}
        raise
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
                    f"{argument} {inputs.get(name)!r}: the user was made as {past[name]!r}, and renaming it would "
                    "delete both of its access keys while codespaces hold one. Set it back; to move to another user, "
                    "add a second EcrPullAccess with a secret_prefix of its own, wait until codespaces were restarted, "
                    "and remove the first.",
                )
            )
