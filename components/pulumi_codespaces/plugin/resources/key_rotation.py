"""`KeyRotation`: decides which of a user's two access keys to renew and which to publish; see `rules.rotation`."""

from __future__ import annotations

import re
from dataclasses import replace
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
from ...values import UNKNOWN, Unknown
from ..failures import Failure, InvalidInputs
from ..properties.key_rotation import RotationInputs, RotationState, changes
from ..resource import Computed, Difference, Reading

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ...clients.codespaces_secrets import Place
    from ..run import Run

_IMPORTED_SLOT = re.compile(r"(?P<slot>[ab]):(?P<generation>[1-9][0-9]*):(?P<serial>[1-9][0-9]*)")


class KeyRotation(Computed[RotationInputs, RotationState]):
    """The state of a key rotation. It changes nothing in a cloud: the access keys and the secrets follow its outputs.

    Inputs: `generation`, `keepPreviousKey`, `prefixes` (of the registries that carry the key), `repository` (the
    repository of the secrets; "" for the organization), `userName`, `userPath`, `adoptExisting` (whether the rotation
    may start although its secrets exist already).
    Check decides, and stores its decision among the inputs, because it sees nothing else of the past. So a preview
    shows exactly the slot that will be renewed, and a refusal comes during the preview.
    """

    token = "codespaces:index:KeyRotation"
    remembers_inputs = True

    async def check(self, run: Run, urn: str, old: RotationInputs | None, new: RotationInputs) -> RotationInputs:
        """Decide which key to renew and which to publish."""
        if old:
            _check_same_user(old, new)
        try:
            checked = replace(new, generation=check_generation(new.generation))
            if isinstance(new.repository, str) and new.repository:
                check_repository_name(new.repository, "repository")
            if not run.configuration.complete:
                return replace(checked, decision=(old.decision if old else None) or UNKNOWN)
            before = old.decision if old and isinstance(old.decision, Rotation) else None
            after = await self._decide(run, urn, before, checked)
        except RuleViolation as violation:
            raise InvalidInputs(Failure("", str(violation))) from violation
        if new.user_name is not None:  # the inputs of a rotation that was just imported have no user
            run.minting[new.user_name] = _renewed(before, after)
        return replace(checked, decision=after)

    async def _decide(self, run: Run, urn: str, before: Rotation | None, inputs: RotationInputs) -> Rotation:
        generation, triples = check_generation(inputs.generation), [Triple(prefix) for prefix in inputs.prefixes or ()]
        marks = await _marks(run, inputs, triples)
        if before is None:
            if marks and not inputs.adopt_existing and isinstance(inputs.repository, str):
                raise _unknown_past(run.secrets_of(inputs.repository).place, urn, marks)
            return first_rotation(generation, marks)
        return next_rotation(
            before, generation, keep_previous_key=bool(inputs.keep_previous_key), triples=triples, marks=marks
        )

    async def difference(self, run: Run, urn: str, state: RotationState, new: RotationInputs) -> Difference:
        """Compare the inputs and the decision."""
        return Difference(changes(state.inputs, new))

    def identifier(self, urn: str, new: RotationInputs) -> str:
        """The id of a new rotation: the name of the user."""
        return new.user_name or ""

    async def compute(self, run: Run, urn: str, new: RotationInputs, *, preview: bool) -> RotationState:
        """Record the decision of Check."""
        return RotationState(new, run.configuration.owner)

    async def read(
        self, run: Run, urn: str, identifier: str, inputs: RotationInputs | None, state: RotationState | None
    ) -> Reading[RotationInputs | None, RotationState | None]:
        """Return the rotation as it is; for an import, parse it from the id."""
        if state:
            return Reading(identifier, inputs, state)
        rotation = _imported(identifier)
        imported = RotationInputs(generation=rotation.generation, keep_previous_key=True, decision=rotation)
        return Reading(identifier, imported, RotationState(imported, run.configuration.owner))


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


async def _marks(run: Run, inputs: RotationInputs, triples: list[Triple]) -> dict[str, str]:
    """Name of each existing secret of the registries -> when it was last written."""
    repository = inputs.repository
    if repository is None or isinstance(repository, Unknown):
        return {}
    try:
        live = await run.secrets_of(repository).secrets()
    except CloudError as error:
        if repository and error.status == 404:
            # This update may create the repository. If it does not, the resource of the secrets reports that.
            return {}
        raise
    return {name: live[name].updated_at for triple in triples for name in triple.names if name in live}


def _check_same_user(past: RotationInputs, inputs: RotationInputs) -> None:
    """Refuse another user, because renaming a user deletes its keys. An imported rotation has no user to compare yet.

    Raises:
        InvalidInputs: the name or the path of the user differs from the last update.
    """
    for path, argument, before, after in (
        ("userName", "user_name", past.user_name, inputs.user_name),
        ("userPath", "user_path", past.user_path, inputs.user_path),
    ):
        if before is not None and before != after:
            raise InvalidInputs(
                Failure(
                    path,
                    f"{argument} {after!r}: the user was made as {before!r}, and renaming it would "
                    "delete both of its access keys while codespaces hold one. Set it back; to move to another user, "
                    "add a second EcrPullAccess with a secret_prefix of its own, wait until codespaces were restarted, "
                    "and remove the first.",
                )
            )
