"""Warnings about credentials that are old or expire."""

from __future__ import annotations

from datetime import datetime, timezone

import pulumi

from .errors import refusing
from .rules.lifetimes import checked_end, days_left, moment


def warn_of_age(component: pulumi.Resource, created_at: pulumi.Output[str], max_days: pulumi.Input[int]) -> None:
    """Warn in every preview and update if an access key is older than `max_days`."""

    def warn(created: str, limit: int) -> None:
        days = (_now() - moment(created)).days
        if days > limit:
            pulumi.log.warn(
                f"the access key is {days} days old, and at most {limit} are wanted: raise key_generation by one.",
                component,
            )

    pulumi.Output.all(created_at, max_days).apply(lambda values: warn(*values))


def warn_of_end(
    component: pulumi.Resource, name: str, expires_at: pulumi.Input[str], server: pulumi.Output[str]
) -> pulumi.Output[str]:
    """Warn in every preview and update in the last 14 days before a registry's credentials expire.

    A token of Amazon ECR is renewed by every update, so there is a warning only after it has expired.

    Returns:
        `expires_at`, checked.

    Raises:
        InvalidArgument: `expires_at` is not a time. The value of an Output is checked once it is known.
    """

    def warn(end: str, registry: str) -> str:
        with refusing(f"RegistryLogin {name}"):
            end_time = checked_end(end)
        days = days_left(end_time, _now(), registry)
        if days is None:
            return end
        if days < 0:
            pulumi.log.warn(f"the credentials ended at {end}: codespaces cannot log in; give new ones.", component)
        else:
            pulumi.log.warn(f"the credentials end in {days} days, at {end}; give new ones.", component)
        return end

    if isinstance(expires_at, str):
        with refusing(f"RegistryLogin {name}"):
            checked_end(expires_at)
    return pulumi.Output.all(expires_at, server).apply(lambda values: warn(*values))


def _now() -> datetime:
    return datetime.now(timezone.utc)
