"""Numbers in a program's arguments."""

from __future__ import annotations

from . import RuleViolation
from .wording import a_kind


def check_whole_number(argument: str, value: object, reason: str = "") -> int:
    """Check an argument that counts something.

    Args:
        argument: the name of the argument.
        value: its value.
        reason: the end of the message, which says why, or what else to do.

    Returns:
        The number as an `int`; a program in another language sends 2.0.

    Raises:
        RuleViolation: the value is not a whole number of at least 1.
    """
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        shown = repr(value) if isinstance(value, (str, int, float)) else f"({a_kind(value)})"
        raise RuleViolation(argument, f"{argument} {shown}: must be a plain whole number of at least 1{reason}.")
    return value
