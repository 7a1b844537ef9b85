"""Reports a broken rule to the program."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pulumi

from .rules import RuleViolation

if TYPE_CHECKING:
    from collections.abc import Generator


class InvalidArgument(pulumi.RunError):
    """An argument or a configuration value breaks a rule.

    The Pulumi CLI shows the message alone, without the program's stack.

    Attributes:
        argument: the argument's path, "" where no single one is at fault.
    """

    def __init__(self, argument: str, message: str) -> None:
        self.argument = argument
        super().__init__(message)


@contextmanager
def refusing(what: str) -> Generator[None]:
    """Turn a broken rule into an `InvalidArgument` that begins with what was being made.

    Raises:
        InvalidArgument: a rule is broken.
    """
    try:
        yield
    except RuleViolation as violation:
        raise InvalidArgument(violation.argument, f"{what}: {violation}") from None
