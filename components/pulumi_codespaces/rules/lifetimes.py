"""When credentials are old, and when they end."""

from __future__ import annotations

from datetime import datetime, timedelta

from . import RuleViolation
from .registries import known_registry

_NOTICE = timedelta(days=14)
_TOKEN_LIFETIME = timedelta(hours=12)
"""Of a token of Amazon ECR (https://docs.aws.amazon.com/AmazonECR/latest/userguide/registry_auth.html)."""


def moment(text: str) -> datetime:
    """A time as AWS and GitHub write it.

    Raises:
        ValueError: it is none.
    """
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def checked_end(text: str) -> datetime:
    """When credentials end.

    Raises:
        RuleViolation: it is no time, or has no zone.
    """
    try:
        found = moment(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise RuleViolation(
            "expires_at", f"expires_at {text!r}: must be a time with its zone (RFC 3339), like '2027-01-31T00:00:00Z'."
        )
    return found


def days_left(ends: datetime, now: datetime, server: str = "") -> int | None:
    """How many whole days are left, where that is to be told: 0 or more in the last 14, -1 after the end; else None.

    Args:
        ends: when the credentials end.
        now: the time.
        server: the registry. A token of Amazon ECR is always about to end, and every update renews it.
    """
    left = ends - now
    if left <= timedelta():
        return -1
    registry = known_registry(server)
    is_token = registry is not None and registry.name == "Amazon ECR" and left <= _TOKEN_LIFETIME
    return left.days if left <= _NOTICE and not is_token else None
