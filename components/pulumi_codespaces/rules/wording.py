"""Counting and listing in messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence


def in_words(parts: Sequence[str]) -> str:
    """`a`, `a and b`, or `a, b and c`."""
    return " and ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]]))


def are(things: Collection[str]) -> str:
    """The verb for a number of things: `is` or `are`."""
    return "is" if len(things) == 1 else "are"


def counted(number: int, singular: str, plural: str) -> str:
    """A number with its noun: `1 secret`, `2 secrets`."""
    return f"{number} {singular if number == 1 else plural}"


def shortened(names: Sequence[str]) -> str:
    """The first three names, and the number of the others."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def one_line(text: str) -> str:
    """A text with every run of white space, line ends too, as a single space."""
    return " ".join(text.split())


def a_kind(value: object) -> str:
    """The type of a value with its article: `None`, `a list`, `an Output`."""
    if value is None:
        return "None"
    name = type(value).__name__
    return f"{'an' if name[0] in 'AEIOUaeiou' else 'a'} {name}"
