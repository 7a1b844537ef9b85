"""The linters, the type checker and the check of the wording, so that one command shows everything."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import wording

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.once


@pytest.mark.parametrize(
    "command",
    [
        ("ruff", "check", "--quiet", "."),
        ("ruff", "format", "--check", "--quiet", "."),
        ("pyright", "-p", "components", "--pythonpath", sys.executable),
    ],
    ids=["ruff check", "ruff format", "pyright strict on components"],
)
def test_is_clean(command):
    tool = Path(sys.executable).with_name(command[0])
    result = subprocess.run([tool, *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_wording_is_plain():
    result = subprocess.run([sys.executable, "tests/wording.py"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_wording_is_found_in_pages_docstrings_comments_and_loops(tmp_path, capsys):
    page = tmp_path / "page.md"
    page.write_text(
        "The table says by\nwhat a repository reads it.\n\n`by whom` is code.\n\n"
        "```\nsecrets thereof\n```\nSecrets thereof.\n"
    )
    module = tmp_path / "module.py"
    module.write_text(
        '"""A key.\n\nIt has not the\nform of a key.\n"""\n\n'
        "# Of which the first is kept.\n"
        'MESSAGE = "the secrets thereof"\n'
        "for one in MESSAGE:\n    print(one)\n"
        "pairs = [key for key, found in {}.items()]\n"
    )
    assert wording.main([str(tmp_path)]) == 1
    places = [line.removeprefix(f"{tmp_path}/").split(": write")[0] for line in capsys.readouterr().out.splitlines()]
    assert places == [
        "module.py:3: 'has not the'",
        "module.py:7: 'Of which'",
        "module.py:9: 'for one in'",
        "module.py:11: 'for found in'",
        "page.md:1: 'by what'",
        "page.md:9: 'thereof'",
    ]


def test_plain_wording_passes(tmp_path, capsys):
    page = tmp_path / "page.md"
    page.write_text("The table shows how each repository gets access. What is a slot?\n")
    (tmp_path / "module.py").write_text('"""A key that has no form of its own."""\n')
    assert wording.main([str(page), str(tmp_path / "module.py")]) == 0
    assert capsys.readouterr().out == ""
