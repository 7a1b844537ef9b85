"""Tables for a terminal, and plain columns for a pipe."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

_ALARM = "WRONG"


def print_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table; a cell that says WRONG is red."""
    clean = [[_printable(cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        _print_rich(headers, clean)
        return
    lines = [[header.upper() for header in headers], *clean]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headers))]
    for line in lines:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _print_rich(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.box import SIMPLE  # noqa: PLC0415 - for terminals only
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(*headers, box=SIMPLE)
    for row in rows:
        # As `Text`: a bracket in a name is no markup.
        table.add_row(*(Text(cell, style="bold red" if cell == _ALARM else "", overflow="fold") for cell in row))
    Console().print(table)


def _printable(cell: str) -> str:
    """A cell without characters by which a terminal could be told to do something."""
    return "".join(character if character.isprintable() else "?" for character in cell)
