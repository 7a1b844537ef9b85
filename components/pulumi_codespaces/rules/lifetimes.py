"""When credentials are old, and when they end."""

from __future__ import annotations

from datetime import datetime, timedelta

from . import RuleViolation

_NOTICE = timedelta(days=14)
_RENEWED = timedelta(hours=12)
"""What ends sooner is renewed by every update (https://docs.aws.amazon.com/AmazonECR/latest/userguide/registry_auth.html)."""


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


def days_left(ends: datetime, now: datetime) -> int | None:
    """How many whole days are left, where that is to be told: 0 or more in the last 14, -1 after the end; else None."""
    left = ends - now
    if left <= timedelta():
        return -1
    return left.days if _RENEWED < left <= _NOTICE else None
