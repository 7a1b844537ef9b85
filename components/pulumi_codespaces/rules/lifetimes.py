"""When credentials expire."""

from __future__ import annotations

from datetime import datetime, timedelta

from . import RuleViolation
from .registries import Service, service_of

_NOTICE = timedelta(days=14)
_TOKEN_LIFETIME = timedelta(hours=12)
"""The lifetime of an Amazon ECR token (https://docs.aws.amazon.com/AmazonECR/latest/userguide/registry_auth.html)."""


def moment(text: str) -> datetime:
    """Parse a time as AWS and GitHub write it.

    Raises:
        ValueError: the text is not a time.
    """
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def checked_end(text: str) -> datetime:
    """Parse the time when credentials expire.

    Raises:
        RuleViolation: the text is not a time, or has no time zone.
    """
    try:
        end = moment(text)
    except ValueError:
        end = None
    if end is None or end.tzinfo is None:
        raise RuleViolation(
            "expires_at", f"expires_at {text!r}: must be a time with its zone (RFC 3339), like '2027-01-31T00:00:00Z'."
        )
    return end


def days_left(ends: datetime, now: datetime, server: str = "") -> int | None:
    """The whole days until credentials expire, if that is worth a message.

    Args:
        ends: when the credentials expire.
        now: the current time.
        server: the registry. An Amazon ECR token always expires soon and every update renews it, so it gets no message.

    Returns:
        0 or more in the last 14 days, -1 after the end, None otherwise.
    """
    remaining = ends - now
    if remaining <= timedelta():
        return -1
    is_token = service_of(server) is Service.AMAZON_ECR and remaining <= _TOKEN_LIFETIME
    return remaining.days if remaining <= _NOTICE and not is_token else None
