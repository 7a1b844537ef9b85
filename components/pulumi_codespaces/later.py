"""Arguments whose value a preview may not know."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

import pulumi
from pulumi.output import Unknown

from .errors import refusing
from .rules import RuleViolation

T = TypeVar("T")


def is_later(value: object) -> bool:
    """Whether a preview may not know the value: an Output or an awaitable."""
    return isinstance(value, (pulumi.Output, Awaitable, Unknown))


def check_plain(args: Mapping[str, Any], reasons: Mapping[str, str]) -> None:
    """Check that arguments are plain values.

    Args:
        args: the arguments of a component.
        reasons: argument -> why it must be plain.

    Raises:
        RuleViolation: an argument is an Output.
    """
    for argument, reason in reasons.items():
        if is_later(args.get(argument)):
            raise RuleViolation(
                argument,
                f"{argument} is an Output; it must be a plain value, since {reason}. Write it in the program or in the "
                "configuration of the stack.",
            )


def when_known(component: str, function: Callable[..., T], *values: Any) -> pulumi.Input[T]:
    """The result of a function: a plain value if its arguments are plain, otherwise an Output.

    Args:
        component: the beginning of the message if the function raises a `RuleViolation`.
        function: the function to call with the values.
        values: its arguments. Any of them may be an Output.

    Raises:
        InvalidArgument: a plain argument breaks a rule.
    """

    def call(*plain: Any) -> T:
        with refusing(component):
            return function(*plain)

    if any(is_later(value) for value in values):
        return pulumi.Output.all(*values).apply(lambda plain: call(*plain))
    return call(*values)
