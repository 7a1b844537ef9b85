"""Warnings of credentials that grow old or end."""

from __future__ import annotations

from datetime import datetime, timezone

import pulumi

from .errors import refusing
from .rules.lifetimes import checked_end, days_left, moment


def warn_of_age(component: pulumi.Resource, created_at: pulumi.Output[str], max_days: pulumi.Input[int]) -> None:
    """Warn in every preview and update if an access key is older than so many days."""

    def warn(created: str, limit: int) -> None:
        days = (_now() - moment(created)).days
        if days > limit:
            pulumi.log.warn(
                f"the access key is {days} days old, and at most {limit} are wanted: raise key_generation by one.",
                component,
            )

    pulumi.Output.all(created_at, max_days).apply(lambda it: warn(*it))


def warn_of_end(
    component: pulumi.Resource, name: str, expires_at: pulumi.Input[str], server: pulumi.Output[str]
) -> pulumi.Output[str]:
    """Warn in every preview and update of the last 14 days of a registry's credentials; gives when they end.

    Of a token of Amazon ECR, which every update renews, only the end is told.

    Raises:
        InvalidArgument: `expires_at` is no time; an Output's is told once it is known.
    """

    def warn(known: str, registry: str) -> str:
        with refusing(f"RegistryLogin {name}"):
            ends = checked_end(known)
        days = days_left(ends, _now(), registry)
        if days is None:
            return known
        if days < 0:
            pulumi.log.warn(f"the credentials ended at {known}: codespaces cannot log in; give new ones.", component)
        else:
            pulumi.log.warn(f"the credentials end in {days} days, at {known}; give new ones.", component)
        return known

    if isinstance(expires_at, str):
        with refusing(f"RegistryLogin {name}"):
            checked_end(expires_at)
    return pulumi.Output.all(expires_at, server).apply(lambda known: warn(known[0], known[1]))


def _now() -> datetime:
    return datetime.now(timezone.utc)
