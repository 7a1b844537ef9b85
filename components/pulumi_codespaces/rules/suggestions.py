"""Guesses the intended name for a mistyped or outdated one."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_CUTOFF = 0.75


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """The end of a message about an unknown name: `; did you mean 'payments-api'?`, or "" if no name is similar.

    Differences in case and separators are ignored (`Payments_API`). Then come typing errors (`paymnets-api`), and then
    words that a rename moved, added or removed (`api-payments`, `payments`).

    Args:
        word: the unknown name.
        choices: the existing names; their order does not matter.
    """
    nearest = _nearest(word, sorted(set(choices)))
    return f"; did you mean {nearest!r}?" if nearest else ""


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


def _is_renamed(words: set[str], other: set[str]) -> bool:
    return bool(other) and (words <= other or other <= words)
