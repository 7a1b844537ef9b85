"""Columns in a pipe, and a table in a terminal."""

from __future__ import annotations

import sys

from pulumi_codespaces.tables import print_table

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
