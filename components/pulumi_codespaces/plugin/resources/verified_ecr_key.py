"""`VerifiedEcrKey`: passes an access key on only after it has logged in to its registries."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ...clients.ecr import AccessKey, verify_key
from ...rules.iam_users import delete_key_command
from ...values import UNKNOWN, Secret, Unknown, is_unknown, plain_text, reveal
from ..failures import Failure
from ..properties.shapes import known_items, known_texts, raise_if, sent_map
from ..properties.verified import EcrKeyInputs, EcrKeyState
from ..resource import Computed, Difference

if TYPE_CHECKING:
    from ..properties.shapes import TextMap
    from ..run import Run

_TIMEOUT_SECONDS = 180


class VerifiedEcrKey(Computed[EcrKeyInputs, EcrKeyState]):
    """An access key that is proven before any other resource gets it.

    Inputs: `accessKeyId`, `secretAccessKey`, `servers`, `probeImages`, `verify` and `timeoutSeconds`. Further inputs
    serve to find unmanaged access keys: `userName`, `slotKeys` (slot -> id of the managed key) and `userKeys` (the keys
    that AWS lists for the user, id -> date of creation).
    """

    token = "codespaces:index:VerifiedEcrKey"

    async def check(self, run: Run, urn: str, old: EcrKeyInputs | None, new: EcrKeyInputs) -> EcrKeyInputs:
        """Refuse a user that has an unmanaged access key."""
        if not run.minting.get(new.user_name or ""):
            raise_if(*_orphans(new, old.slot_keys if old else None))
        return new

    async def difference(self, run: Run, urn: str, state: EcrKeyState, new: EcrKeyInputs) -> Difference:
        """Compare everything that a verification depends on."""
        return Difference(state.changes(new))

    async def compute(self, run: Run, urn: str, new: EcrKeyInputs, *, preview: bool) -> EcrKeyState:
        """Log in with the key, and pass it on."""
        key = new.key
        if preview:
            return replace(key, secret_access_key=Secret(UNKNOWN)) if is_unknown(key.access_key_id) else key
        if key.verify:
            seconds, servers = reveal(key.timeout_seconds), known_texts(key.servers)
            access_key = AccessKey(plain_text(key.access_key_id), plain_text(key.secret_access_key))
            await verify_key(
                access_key,
                servers=servers,
                images=known_texts(key.probe_images),
                timeout_seconds=seconds if isinstance(seconds, (int, float)) and seconds else _TIMEOUT_SECONDS,
                progress=run.status_line(urn),
            )
            run.proven.update((access_key.id, server) for server in servers)
        return key


def _orphans(inputs: EcrKeyInputs, remembered: TextMap) -> list[Failure]:
    """Find access keys of the user that no slot holds or held: created by hand, or by a run that was killed.

    IAM allows a user two keys, so an unmanaged key blocks every later rotation with LimitExceeded. In a run that renews
    a slot, an unmanaged key cannot be distinguished from the key that is about to be replaced.
    """
    if is_unknown(sent_map(inputs.user_keys)) or isinstance(inputs.slot_keys, Unknown):
        return []
    managed = {*known_items(inputs.slot_keys).values(), *known_items(remembered).values()}
    return [
        Failure(
            "",
            f"user {inputs.user_name} has an access key {key} (made {created}) that this stack does not manage: a run "
            "was killed while it made the key, or somebody made it by hand. IAM allows two keys a user, so it blocks a "
            f"rotation. If nothing uses it: {delete_key_command(str(inputs.user_name), key)}",
        )
        for key, created in sorted(known_items(inputs.user_keys).items())
        if key not in managed
    ]
