"""Guesses what a mistyped or outdated name was meant to be."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_CUTOFF = 0.75


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """The end of a message about an unknown name: `; did you mean 'payments-api'?`, or nothing if none is near.

    Case and separators are looked through (`Payments_API`), then typing errors (`paymnets-api`), then words that a
    rename moved, added or took away (`api-payments`, `payments`).

    Args:
        word: the name that is unknown.
        choices: the names that exist; their order does not matter.
    """
    found = _nearest(word, sorted(set(choices)))
    return f"; did you mean {found!r}?" if found else ""


def _nearest(word: str, choices: list[str]) -> str | None:
    by_plain = {_plain(choice): choice for choice in reversed(choices)}
    for plain in get_close_matches(_plain(word), by_plain, n=1, cutoff=_CUTOFF):
        return by_plain[plain]
    words = _words(word)
    renamed = [choice for choice in choices if words and _is_renamed(words, _words(choice))]
    return min(renamed, key=lambda choice: abs(len(choice) - len(word)), default=None)


def _words(name: str) -> set[str]:
    return set(re.findall(r"[^\W_]+", name.casefold()))


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", name.casefold()) or name


def _is_renamed(one: set[str], other: set[str]) -> bool:
    return bool(other) and (one <= other or other <= one)
