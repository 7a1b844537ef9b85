"""The helper that runs the CLI for the tests of the engine."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from rig.stack import kill_beside

if TYPE_CHECKING:
    from pathlib import Path

WRITER = """
import sys, time
while True:
    with open(sys.argv[1], "w") as file:
        for part in ('{"a":', ' 1', '}'):
            time.sleep(0.002)
            file.write(part)
            file.flush()
    time.sleep(0.001)
"""


def test_a_process_is_killed_when_its_files_are_whole(tmp_path: Path) -> None:
    file, written_before = tmp_path / "state.json.attrs", tmp_path / "state.json"
    written_before.write_text("{}")
    for number in range(10):
        with subprocess.Popen([sys.executable, "-c", WRITER, file], text=True) as run:
            time.sleep(0.05 + number / 1000)
            kill_beside(run, written_before, file)
            assert run.wait(120) == -9
            assert json.loads(file.read_text()) == {"a": 1}
            kill_beside(run, written_before, file)


def test_a_file_that_is_never_whole(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, text=True) as run:
        with pytest.raises(AssertionError, match=r"state\.json have not been whole for 0\.2 s"):
            kill_beside(run, tmp_path / "state.json", seconds=0.2)
        assert run.poll() is None
