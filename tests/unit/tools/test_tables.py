"""Columns in a pipe, and a table in a terminal."""

from __future__ import annotations

import sys

from pulumi_codespaces.tools.tables import print_blocks, print_table

ROWS = [["acme", "WRONG"], ["a[red]b\x1b[31m", "x"]]


def test_in_a_pipe(capsys):
    print_table(["name", "is it"], ROWS)
    assert capsys.readouterr().out.splitlines() == ["NAME          IS IT", "acme          WRONG", "a[red]b?[31m  x"]


def test_in_a_terminal(capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("TERM", "dumb")
    print_table(["name", "is it"], ROWS)
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert lines == ["  name           is it", " " + "─" * 22, "  acme           WRONG", "  a[red]b?[31m   x"]


BLOCKS = [("error a: b\x1b[31m", [("what", "x [red]y"), ("why", "z")]), ("warning c: d", [("fix", "e")])]


def test_blocks_in_a_pipe(capsys):
    print_blocks(BLOCKS, alarming="error")
    assert capsys.readouterr().out.splitlines() == [
        "error a: b?[31m",
        "  what: x [red]y",
        "  why: z",
        "",
        "warning c: d",
        "  fix: e",
    ]


def test_blocks_in_a_terminal(capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setenv("LINES", "20")
    monkeypatch.setenv("TERM", "dumb")
    first = [("what", "one two three four"), ("fix", "x [red]y")]
    print_blocks([("error a: b", first), ("c", [("fix", "d")])], alarming="error")
    assert [line.rstrip() for line in capsys.readouterr().out.splitlines()] == [
        "error a: b",
        "  what  one two",
        "        three four",
        "  fix   x [red]y",
        "",
        "c",
        "  fix  d",
    ]
