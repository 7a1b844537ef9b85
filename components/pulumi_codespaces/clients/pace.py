"""Shows the person at the terminal how far a long operation is."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

SECONDS = 2.0
"""Minimum seconds before the first message, and between messages."""


class Pace:
    """The progress of an operation with many steps, shown every few seconds.

    Args:
        show: puts a text into the status line.
        what: the operation, such as `writing secrets`.
        total: how many steps it takes.
    """

    def __init__(self, show: Callable[[str], None], what: str, total: int) -> None:
        self._show = show
        self._what = what
        self._total = total
        self._done = 0
        self._began = self._shown_at = time.monotonic()

    def step(self, steps: int = 1) -> None:
        """Count steps as taken."""
        self._done += steps
        now = time.monotonic()
        if now - self._shown_at >= SECONDS and self._done < self._total:
            self._shown_at = now
            self._show(f"{self._what}: {self._done} of {self._total} ({now - self._began:.0f} s)")
