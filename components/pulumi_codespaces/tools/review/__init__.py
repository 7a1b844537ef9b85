"""Describes in sentences how a preview changes access to registries.

A change that a reviewer should look at first is marked as a risk.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from ...rules.wording import one_line
from ...state.access import accesses
from .edges import edges_of
from .keys import key_age_changes, key_changes
from .model import RISKS, Change, Edge, Review
from .packages import role_changes
from .readers import PublicRepositories, moves, readers_changes
from .secret_sets import added, removed, updated

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ...state.access import Access
    from ...state.digest import Digest, Message, Step

__all__ = ["RISKS", "Change", "Edge", "Review", "review"]

_OURS = "codespaces:index:"


def review(digest: Digest, *, max_key_age_days: int = 90, now: datetime | None = None) -> Review:
    """Describe the changes of a preview in sentences.

    Args:
        digest: the preview.
        max_key_age_days: the maximum age of a published key.
        now: the time that the age of keys is measured from; the current time by default.
    """
    before, after = accesses(digest.before), accesses(digest.after)
    public = PublicRepositories.of(digest)
    changes = [
        *_failures(digest.messages),
        *readers_changes(before, after, public),
        *_secret_set_changes(before, after, digest.steps, public),
        *key_age_changes(before, after, max_key_age_days, now or datetime.now(timezone.utc)),
        *role_changes(digest.steps),
    ]
    order = list(RISKS)
    risks = sorted((change for change in changes if change.risk), key=lambda change: order.index(change.risk))
    return Review(
        stack=digest.stack,
        risks=tuple(risks),
        changes=tuple(change for change in changes if not change.risk),
        edges=tuple(edges_of(before, after)),
        others=_others(digest.steps),
        messages=tuple(message for message in digest.messages if message.severity == "warning"),
    )


def _failures(messages: Iterable[Message]) -> Iterable[Change]:
    for message in messages:
        if message.severity == "error":
            resource = f"{message.name}: " if message.name else ""
            yield Change(f"The preview failed: {resource}{one_line(message.text)}", "failed-preview")


def _secret_set_changes(
    before: Mapping[str, Access], after: Mapping[str, Access], steps: Iterable[Step], public: PublicRepositories
) -> Iterable[Change]:
    """The sets of secrets that are added, removed, moved to another organization, or updated."""
    steps_by_urn = {step.resource.urn: step for step in steps}
    for urn in sorted(before.keys() | after.keys()):
        old, new = before.get(urn), after.get(urn)
        if old and new and moves(old, new):
            keeps_user = bool(new.user) and old.user == new.user
            yield from added(new, public, has_user_already=keeps_user)
            yield from removed(old, keeps_user=keeps_user)
            if keeps_user:
                yield from key_changes(old, new, steps_by_urn)
        elif old and new:
            yield from updated(old, new, steps_by_urn)
        elif new:
            yield from added(new, public)
        elif old:
            yield from removed(old)


def _others(steps: Iterable[Step]) -> dict[str, int]:
    """Operation -> the number of resources that the sentences are not about."""
    return dict(sorted(Counter(step.op for step in steps if step.op != "same" and not _is_ours(step)).items()))


def _is_ours(step: Step) -> bool:
    """Whether a resource is a provider, a resource of this package, or a part of one of its components."""
    resource = step.resource
    return resource.type.startswith((_OURS, "pulumi:")) or _OURS in resource.parent
