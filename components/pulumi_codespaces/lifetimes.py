"""Warnings of credentials that grow old or end."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pulumi

from .errors import refusing
from .rules import RuleViolation

_NOTICE = timedelta(days=14)
_RENEWED = timedelta(hours=12)
"""What ends sooner is renewed by every update (https://docs.aws.amazon.com/AmazonECR/latest/userguide/registry_auth.html)."""


def warn_of_age(component: pulumi.Resource, created_at: pulumi.Output[str], max_days: int) -> None:
    """Warn in every preview and update if an access key is older than so many days."""

    def warn(created: str) -> None:
        days = (_now() - _moment(created)).days
        if days > max_days:
            pulumi.log.warn(
                f"the access key is {days} days old, and at most {max_days} are wanted: raise key_generation by one.",
                component,
            )

    created_at.apply(warn)


def warn_of_end(component: pulumi.Resource, name: str, expires_at: pulumi.Input[str]) -> pulumi.Output[str]:
    """Warn in every preview and update of the last 14 days of a registry's credentials; gives when they end.

    Raises:
        InvalidArgument: `expires_at` is no time; an Output's is told once it is known.
    """

    def warn(known: str) -> str:
        with refusing(f"RegistryLogin {name}"):
            ends = _checked(known)
        left = ends - _now()
        if left <= timedelta():
            pulumi.log.warn(f"the credentials ended at {known}: codespaces cannot log in; give new ones.", component)
        elif _RENEWED < left <= _NOTICE:
            pulumi.log.warn(f"the credentials end in {left.days} days, at {known}; give new ones.", component)
        return known

    if isinstance(expires_at, str):
        with refusing(f"RegistryLogin {name}"):
            _checked(expires_at)
    return pulumi.Output.from_input(expires_at).apply(warn)


def _checked(text: str) -> datetime:
    try:
        moment = _moment(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise RuleViolation(
            "expires_at", f"expires_at {text!r}: must be a time with its zone (RFC 3339), like '2027-01-31T00:00:00Z'."
        )
    return moment


def _now() -> datetime:
    return datetime.now(timezone.utc)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
