"""Changes of the access key that codespaces use, and of its user."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .model import Change
from .permissions import permission_changes
from .phrases import registry_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from ...state.access import Access
    from ...state.digest import Step


def key_changes(old: Access, new: Access, steps: Mapping[str, Step]) -> Iterable[Change]:
    """What happens to a user that stays: its permissions, its published key, and the end of a key or of the user.

    Args:
        old: the access before.
        new: the access after.
        steps: URN -> the step of the preview.
    """
    yield from permission_changes(old, new)
    yield from _published_key_changes(old, new)
    yield from _ends(old, new, steps)


def key_age_changes(
    before: Mapping[str, Access], after: Mapping[str, Access], days: int, now: datetime
) -> Iterable[Change]:
    """Published keys that are older than a number of days and that the preview does not replace."""
    for urn, new in sorted(after.items()):
        old = before.get(urn, new)
        age = old.key_age_days(now)
        if age is not None and age > days and not rotates(old, new):
            text = f"The key of `{new.user}` is {age} days old (limit {days}): raise `key_generation` of `{new.name}`."
            yield Change(text, "key-age")


def rotates(old: Access, new: Access) -> bool:
    """Whether a key slot gets a new key."""
    return dict(old.slots) != dict(new.slots)


def _published_key_changes(old: Access, new: Access) -> Iterable[Change]:
    retired = _retired_slot(old, new)
    if rotates(old, new):
        yield _rotation(old, new)
    elif retired:
        yield Change(
            f"The key of `{new.user}` from before the last rotation is retired (slot {retired}): codespaces that "
            f"were not restarted since can no longer pull from {registry_text(new)}.",
            "retired-key",
        )
    elif old.current != new.current:
        yield Change(f"`{new.user}` goes back to the key of generation {new.generation}, which is published again.")


def _retired_slot(old: Access, new: Access) -> str:
    """The first slot whose key is deactivated, or ""."""
    old_statuses = dict(old.statuses)
    slots = (slot for slot, status in new.statuses if status == "Inactive" and old_statuses.get(slot) == "Active")
    return next(slots, "")


def _rotation(old: Access, new: Access) -> Change:
    until = "the next rotation" if new.keeps_previous else "the update after this one"
    generations = "again"
    if old.generation != new.generation:
        generations = f"from generation {old.generation} to {new.generation}"
    text = f"The key of `{new.user}` rotates {generations}; codespaces running now keep working until {until}."
    old_slots = dict(old.slots)
    if any(old_slots.get(slot) not in (0, serial) for slot, serial in new.slots):
        text += " The key from before the last rotation is deleted."
    return Change(text)


def _ends(old: Access, new: Access, steps: Mapping[str, Step]) -> Iterable[Change]:
    """The user, or the key that codespaces use, ends without a rotation."""
    if any("replace" in step.op and _is_user(step, old) for step in steps.values()):
        yield Change(f"The IAM user `{old.user}` is replaced together with its keys.", "replaced-user")
        return
    step = next((step for step in steps.values() if _ends_current_key(step, old, new)), None)
    if step is None:
        return
    key, registry = f"The key of `{old.user}` (slot {old.current})", registry_text(new)
    if "replace" in step.op:
        # IAM allows only two keys per user, so a replacement deletes the old key first.
        text = (
            f"{key} is replaced without a rotation: codespaces running now can no longer pull from {registry} until "
            "they are restarted."
        )
    else:
        text = f"{key} is deleted without a rotation: codespaces can no longer pull from {registry}."
    yield Change(text, "replaced-key")


def _is_user(step: Step, access: Access) -> bool:
    user = step.resource
    return user.type == "aws:iam/user:User" and access.user in (user.inputs.get("name"), user.id)


def _ends_current_key(step: Step, old: Access, new: Access) -> bool:
    """Whether a step ends the key that codespaces use now. A rotation creates the new key in the other slot."""
    key = step.resource
    return (
        key.type == "aws:iam/accessKey:AccessKey"
        and ("replace" in step.op or "delete" in step.op)
        and key.inputs.get("user") == old.user
        and key.name.rpartition("-")[2] == old.current
        and dict(old.slots).get(old.current) == dict(new.slots).get(old.current)
    )
