"""Prints tables to a terminal, and plain columns to a pipe."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

_ALARM = "WRONG"


def print_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table. A cell with the text WRONG is red."""
    clean = [[_printable(cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        _print_rich(headers, clean)
        return
    lines = [[header.upper() for header in headers], *clean]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headers))]
    for line in lines:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def print_blocks(blocks: Sequence[tuple[str, Sequence[tuple[str, str]]]], *, alarming: str) -> None:
    """Print blocks of a heading and labelled texts, with an empty line between them.

    Args:
        blocks: the headings, each with pairs of a label and a text.
        alarming: the first word of the headings that are printed in red.
    """
    clean = [(_printable(heading), [(label, _printable(text)) for label, text in lines]) for heading, lines in blocks]
    if sys.stdout.isatty():
        _print_rich_blocks(clean, alarming)
        return
    for index, (heading, lines) in enumerate(clean):
        click.echo(("\n" if index else "") + heading)
        for label, text in lines:
            click.echo(f"  {label}: {text}")


def _print_rich_blocks(blocks: Sequence[tuple[str, Sequence[tuple[str, str]]]], alarming: str) -> None:
    from rich.console import Console  # noqa: PLC0415 - for terminals only
    from rich.padding import Padding  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    console = Console()
    for index, (heading, lines) in enumerate(blocks):
        if index:
            console.print()
        console.print(Text(heading, style="bold red" if heading.startswith(alarming) else "bold"))
        table = Table.grid(padding=(0, 2))
        for label, text in lines:
            table.add_row(Text(label, style="dim"), Text(text, overflow="fold"))
        console.print(Padding(table, (0, 0, 0, 2)))


def _print_rich(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.box import SIMPLE  # noqa: PLC0415 - for terminals only
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(*headers, box=SIMPLE)
    for row in rows:
        # `Text` keeps Rich from reading a bracket in a name as markup.
        table.add_row(*(Text(cell, style="bold red" if cell == _ALARM else "", overflow="fold") for cell in row))
    Console().print(table)


def _printable(cell: str) -> str:
    """The text of a cell without control characters, which could make a terminal do something."""
    return "".join(character if character.isprintable() else "?" for character in cell)
