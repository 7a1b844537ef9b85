"""Numbers in a program's arguments."""

from __future__ import annotations

import pytest

from pulumi_codespaces.rules import RuleViolation
from pulumi_codespaces.rules.numbers import check_whole_number


@pytest.mark.parametrize("value", [3, 3.0])
def test_a_whole_number(value):
    number = check_whole_number("key_generation", value)
    assert (number, type(number)) == (3, int)


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0, "0"), (2.5, "2.5"), (True, "True"), ("3", "'3'"), (None, "(None)"), ([3], "(a list)"), ({}, "(a dict)")],
)
def test_another_value_is_refused(value, shown):
    with pytest.raises(RuleViolation) as refusal:
        check_whole_number("key_generation", value, "; raise it by one")
    assert refusal.value.argument == "key_generation"
    assert str(refusal.value) == (
        f"key_generation {shown}: must be a plain whole number of at least 1; raise it by one."
    )
