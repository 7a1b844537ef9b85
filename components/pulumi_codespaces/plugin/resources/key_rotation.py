"""`KeyRotation`: decides which of a user's two access keys to renew and which to publish; see `rules.rotation`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ...clients.errors import ActionableError, CloudError
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
from ...values import UNKNOWN, Properties, Value, is_text, is_unknown, reveal
from ..failures import Failure, InvalidInputs
from ..resource import Difference, Resource, Stored, check_list, raise_if

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...clients.codespaces_secrets import Place
    from ..resource import ChangeKind
    from ..run import Run

_IMPORTED_SLOT = re.compile(r"(?P<slot>[ab]):(?P<generation>[1-9][0-9]*):(?P<serial>[1-9][0-9]*)")
_DECISION = ("slots", "current", "published", "statuses", "serial", "at")


class KeyRotation(Resource):
    """The state of a key rotation. It changes nothing in a cloud: the access keys and the secrets follow its outputs.

    Inputs: `generation`, `keepPreviousKey`, `prefixes` (of the registries that carry the key), `repository` (the one
    that holds the secrets; "" for the organization), `userName`, `userPath`, `adoptExisting` (whether the rotation may
    start although its secrets exist already).
    Check decides, and stores its decision among the inputs, because it sees nothing else of the past. So a preview
    shows exactly the slot that will be renewed, and a refusal comes during the preview.
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
        # Before the engine replaces a resource, it calls Check again without the old inputs.
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
            if before is None:
                after = first_rotation(inputs["generation"], marks)
            else:
                after = next_rotation(
                    before,
                    inputs["generation"],
                    keep_previous_key=inputs["keepPreviousKey"],
                    triples=_triples(inputs),
                    marks=marks,
                )
        except RuleViolation as violation:
            raise InvalidInputs(Failure("", str(violation))) from violation
        if "userName" in inputs:  # the inputs of a rotation that was just imported have no user
            run.minting[inputs["userName"]] = _renewed(before, after)
        return inputs | _decision(after)

    async def difference(self, run: Run, urn: str, state: Properties, new: Properties) -> Difference:
        changes: dict[str, ChangeKind] = {}
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
        imported: Properties = {"generation": rotation.generation, "keepPreviousKey": True} | _decision(rotation)
        return Stored(identifier, imported, imported | {"owner": run.configuration.owner})

    async def delete(self, run: Run, urn: str, identifier: str, state: Properties) -> None:
        """Do nothing: the resource creates nothing."""


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
    """Refuse to start a rotation whose secrets exist already: it would renew the very key that they hold.

    With --replace, and for a resource under another URN, the engine passes no old inputs.
    """
    secrets = ", ".join(f"{name} (last changed {stamp})" for name, stamp in sorted(marks.items()))
    return InvalidInputs(
        Failure(
            "",
            f"{place} has these secrets already, and this rotation does not know whose "
            f"key they hold: {secrets}. If something else made them, choose another secret_prefix, or set "
            "adopt_existing to take them over. If this stack made them: a component that gets another name needs an "
            "alias (pulumi.ResourceOptions(aliases=[pulumi.Alias(name=…)])); a rotation must stay out of --replace; "
            "one that is no more in the state comes back by `pulumi import codespaces:index:KeyRotation "
            f"{urn.rsplit('::', 1)[-1]} a:3:3,b:2:2 --parent component=<its URN> --protect=false`, with the published "
            "slot first, each slot with the generation and the serial of its key, which is the replacementTrigger of "
            "its aws.iam.AccessKey in `pulumi stack export`.",
        )
    )


def _renewed(before: Rotation | None, after: Rotation) -> set[str]:
    """The slots whose key is replaced. During such an update, AWS may list one more key: the slot's previous one.

    At generation 1 slot b has no key, and a new rotation has no keys at all.
    """
    if before is None:
        return set()
    declared = SLOTS[:1] if before.generation == 1 else SLOTS
    return {slot for slot in declared if before.slots[slot].serial != after.slots[slot].serial}


def _imported(identifier: str) -> Rotation:
    """Parse the id of an import: the published slot first, then the other slot if its key exists.

    Raises:
        ActionableError: the id does not have this form.
    """
    matches = [_IMPORTED_SLOT.fullmatch(part.strip()) for part in identifier.split(",")]
    slots: dict[SlotName, Slot] = {
        "a" if match["slot"] == "a" else "b": Slot(int(match["generation"]), int(match["serial"]))
        for match in matches
        if match
    }
    serials = {slot.serial for slot in slots.values()}
    if None in matches or len(slots) != len(matches) or len(serials) != len(slots):
        raise ActionableError(
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
    """Name of each existing secret of the registries -> when it was last written."""
    if is_unknown(inputs["repository"]):
        return {}
    try:
        live = await run.secrets_of(inputs["repository"]).secrets()
    except CloudError as error:
        if inputs["repository"] and error.status == 404:
            # This update may create the repository. If it does not, the resource of the secrets reports that.
            return {}
        raise
    return {name: live[name].updated_at for triple in _triples(inputs) for name in triple.names if name in live}


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
    """Refuse another user, because renaming a user deletes its keys. An imported rotation has no user to compare yet.

    Raises:
        InvalidInputs: the name or the path of the user differs from the last update.
    """
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
