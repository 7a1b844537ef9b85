"""The command line: what it takes, what it prints, and how it exits."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from pulumi_codespaces.cli import main
from pulumi_codespaces.review.changes import RISKS

sys.path.insert(0, str(Path(__file__).parent / "review"))

from preview_digests import digest, ecr

WIDER = digest(ecr(), ecr(repositories=("payments/api", "shared/*")))
FAILED = digest([], [], diagnostics=[{"severity": "error", "message": "no"}])


def run(*arguments, text=None):
    found = CliRunner().invoke(main, arguments, input=text)
    return found.exit_code, found.stdout, found.stderr


def test_it_reads_a_pipe_or_a_file(tmp_path):
    file = tmp_path / "preview.json"
    file.write_text(WIDER)
    code, shown, _ = run("review", str(file))
    assert (code, shown) == (0, run("review", text=WIDER)[1])
    assert shown.startswith("<!-- codespaces review: access/prod -->\n")


@pytest.mark.parametrize(
    ("gates", "code"),
    [(["wider-policy"], 3), (["any"], 3), (["adoption"], 0), (["adoption", "wider-policy"], 3), ([], 0)],
)
def test_gates(gates, code):
    flags = [flag for gate in gates for flag in ("--fail-on", gate)]
    assert run("review", "--format", "text", *flags, text=WIDER)[:2] == (
        code,
        run("review", "--format", "text", text=WIDER)[1],
    )


def test_a_failed_preview_is_told_and_fails():
    code, shown, _ = run("review", "--format", "json", text=FAILED)
    assert code == 1
    assert json.loads(shown)["risks"] == [{"text": "The preview failed: no", "risk": "failed-preview"}]


def test_what_is_no_preview_is_wrong_use():
    code, shown, said = run("review", text="hello")
    assert (code, shown) == (2, "")
    assert said.splitlines()[-1].startswith("Error: this is not what `pulumi preview --json` prints")


def test_the_help_names_every_exit_code_and_every_gate():
    _, shown, _ = run("review", "--help")
    words = " ".join(shown.split())
    assert (
        "0 reviewed; 1 the preview itself failed; 2 wrong use, or no preview; 3 a risk of --fail-on is there" in words
    )
    assert [code for code in RISKS if code not in words.replace("- ", "-")] == []
