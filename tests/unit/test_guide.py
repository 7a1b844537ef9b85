"""The README's table of GitHub's guide: what it names is there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TABLE = re.search(r"\*\*The guide, row by row.*?\n\n(.*?)\n\n", (ROOT / "README.md").read_text(), re.DOTALL)
ROWS = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in TABLE[1].splitlines()[2:]] if TABLE else []


def test_every_row_has_a_test_and_an_example_but_what_is_left_out():
    assert len(ROWS) == 19
    assert [row[0] for row in ROWS if "-" in (row[2], row[3])] == ["… of a user"]


def test_the_tests_are_there():
    for row in ROWS:
        for name, parameter, file in re.findall(r"\[`(\w+)(?:\[([^`]+)\])?`\]\(([^)]+)\)", row[2]):
            text = (ROOT / file).read_text()
            assert f"def {name}(" in text, row
            assert not parameter or f'"{parameter}"' in text, row


def test_the_examples_are_there():
    for row in ROWS:
        for name, folder in re.findall(r"\[([\w-]+)\]\((examples/[^)]+)\)", row[3]):
            assert folder == f"examples/{name}"
            assert (ROOT / folder / "Pulumi.yaml").is_file(), row
