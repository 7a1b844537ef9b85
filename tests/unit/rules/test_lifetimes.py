"""When to warn that credentials end."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from pulumi_codespaces.rules import RuleViolation
from pulumi_codespaces.rules.lifetimes import checked_end, days_left

NOW = datetime(2026, 11, 26, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("left", "days", "days_of_a_token"),
    [
        (timedelta(days=14, seconds=1), None, None),
        (timedelta(days=14), 14, 14),
        (timedelta(hours=12, seconds=1), 0, 0),
        (timedelta(hours=12), 0, None),
        (timedelta(seconds=1), 0, None),
        (timedelta(), -1, -1),
        (timedelta(days=-40), -1, -1),
    ],
)
def test_days_that_are_left(left, days, days_of_a_token):
    assert days_left(NOW + left, NOW) == days
    assert days_left(NOW + left, NOW, "acme.azurecr.io") == days
    assert days_left(NOW + left, NOW, "123456789012.dkr.ecr.eu-west-1.amazonaws.com") == days_of_a_token


def test_a_time_with_its_zone():
    assert checked_end("2026-11-26T00:00:00Z") == NOW


@pytest.mark.parametrize("text", ["soon", "2026-11-26T00:00:00"])
def test_what_is_no_time_with_a_zone(text):
    with pytest.raises(RuleViolation) as refused:
        checked_end(text)
    assert str(refused.value) == (
        f"expires_at {text!r}: must be a time with its zone (RFC 3339), like '2027-01-31T00:00:00Z'."
    )
