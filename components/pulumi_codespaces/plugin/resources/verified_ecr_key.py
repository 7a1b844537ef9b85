"""`VerifiedEcrKey`: passes an access key on only after it has logged in to its registries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...clients.ecr import AccessKey, verify_key
from ...rules import RuleViolation
from ...rules.iam_users import delete_key_command
from ...rules.registries import parse_ecr_host
from ...values import UNKNOWN, Properties, Secret, Unknown, Value, is_text, is_unknown, reveal
from ..failures import Failure, InvalidInputs
from ..resource import Difference, Resource, Stored, check_list, check_map, raise_if

if TYPE_CHECKING:
    from ..resource import ChangeKind
    from ..run import Run

_TIMEOUT_SECONDS = 180
_VERIFIED = ("accessKeyId", "secretAccessKey", "servers", "probeImages", "verify")


class VerifiedEcrKey(Resource):
    """An access key that is proven before any other resource gets it.

    Inputs: `accessKeyId`, `secretAccessKey`, `servers`, `probeImages`, `verify` and `timeoutSeconds`. Further inputs
    serve to find unmanaged access keys: `userName`, `slotKeys` (slot -> id of the managed key) and `userKeys` (the keys
    that AWS lists for the user, id -> date of creation).
    """

    token = "codespaces:index:VerifiedEcrKey"

    async def check(self, run: Run, urn: str, old: Properties, new: Properties) -> Properties:
        inputs = dict(new)
        secret = inputs.get("secretAccessKey")
        inputs["secretAccessKey"] = secret if isinstance(secret, Secret) else Secret(secret)
        inputs["accessKeyId"] = reveal(inputs.get("accessKeyId"))
        inputs.setdefault("verify", True)
        for name in ("slotKeys", "userKeys", "servers", "probeImages"):
            inputs[name] = reveal(inputs.get(name))
        raise_if(*_shape_failures(inputs))
        if not run.minting.get(inputs.get("userName") or ""):
            failures = _orphans(inputs, reveal(old.get("slotKeys")) or {})
            if failures:
                raise InvalidInputs(*failures)
        return inputs

    async def difference(self, run: Run, urn: str, state: Properties, new: Properties) -> Difference:
        changes: dict[str, ChangeKind] = {}
        for name in _VERIFIED:
            before, after = reveal(state.get(name)), reveal(new.get(name))
            if is_unknown(after) or before != after:
                changes[name] = "update"
        return Difference(changes)

    async def create(self, run: Run, urn: str, new: Properties, *, preview: bool) -> tuple[str, Properties]:
        return urn.rsplit("::", 1)[-1], await self._verified(run, urn, new, preview=preview)

    async def update(
        self, run: Run, urn: str, identifier: str, state: Properties, new: Properties, *, preview: bool
    ) -> Properties:
        return await self._verified(run, urn, new, preview=preview)

    async def _verified(self, run: Run, urn: str, new: Properties, *, preview: bool) -> Properties:
        outputs: Properties = {name: new.get(name) for name in (*_VERIFIED, "timeoutSeconds")}
        if preview:
            if is_unknown(new["accessKeyId"]):
                outputs["secretAccessKey"] = Secret(UNKNOWN)
            return outputs
        if new["verify"]:
            await verify_key(
                AccessKey(new["accessKeyId"], reveal(new["secretAccessKey"])),
                servers=new.get("servers") or [],
                images=new.get("probeImages") or [],
                timeout_seconds=reveal(new.get("timeoutSeconds")) or _TIMEOUT_SECONDS,
                progress=run.status_line(urn),
            )
        return outputs

    async def read(self, run: Run, urn: str, identifier: str, inputs: Properties, state: Properties) -> Stored | None:
        return Stored(identifier, inputs, state)

    async def delete(self, run: Run, urn: str, identifier: str, state: Properties) -> None:
        """Do nothing: the resource creates nothing."""


def _shape_failures(inputs: Properties) -> list[Failure]:
    failures = [
        *check_list("servers", inputs["servers"]),
        *check_list("probe_images", inputs["probeImages"]),
        *check_map("slot_keys", inputs["slotKeys"], is_text, "the id of an access key"),
        *check_map("user_keys", inputs["userKeys"], is_text, "a date"),
    ]
    if not is_text(inputs["accessKeyId"]) or not is_text(reveal(inputs["secretAccessKey"])):
        failures.append(Failure("", "an access key has an id and a secret, both texts."))
    if not isinstance(inputs["verify"], (bool, Unknown)):
        failures.append(Failure("", "verify must be true or false."))
    if not isinstance(inputs.get("userName", ""), str):
        failures.append(Failure("", "user_name must be a text."))
    if failures or isinstance(inputs["servers"], Unknown):
        return failures
    servers: list[Value] = inputs["servers"] or []
    for index, server in enumerate(servers):
        try:
            if isinstance(server, str):
                parse_ecr_host(server, f"servers[{index}]")
        except RuleViolation as violation:
            failures.append(Failure("", str(violation)))
    return failures


def _orphans(inputs: Properties, remembered: Properties) -> list[Failure]:
    """Find access keys of the user that no slot holds or held: created by hand, or by a run that was killed.

    IAM allows a user two keys, so an unmanaged key blocks every later rotation with LimitExceeded. In a run that renews
    a slot, an unmanaged key cannot be distinguished from the key that is about to be replaced.
    """
    if is_unknown(inputs.get("userKeys")) or isinstance(inputs.get("slotKeys"), Unknown):
        return []
    listed: dict[str, str] = inputs.get("userKeys") or {}
    slot_keys: Properties = inputs.get("slotKeys") or {}
    managed = {*(key for key in slot_keys.values() if not is_unknown(key)), *remembered.values()}
    user = inputs.get("userName")
    return [
        Failure(
            "",
            f"user {user} has an access key {key} (made {created}) that this stack does not manage: a run was killed "
            "while it made the key, or somebody made it by hand. IAM allows two keys a user, so it blocks a rotation. "
            f"If nothing uses it: {delete_key_command(str(user), key)}",
        )
        for key, created in sorted(listed.items())
        if key not in managed
    ]
