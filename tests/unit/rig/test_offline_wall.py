"""What only a machine without internet needs is apart: the tests and the rig work without `tests/rig/offline`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
ENTRANCE = "tests/rig/engine.sh"
# They run its tests, do without it, or are about this wall.
MAY_NAME_IT = {
    ".github/workflows/ci.yml",
    "tests/pytest.ini",
    "tests/unit/rig/engine_script_support.py",
    "tests/unit/rig/test_engine_script.py",
    "tests/unit/rig/test_offline_wall.py",
}
TEXT = {".py", ".sh", ".ini", ".toml", ".txt", ".yml", ".yaml", ".json", ""}
SKIPPED = re.compile(r"\.(?!github$).*|node_modules|venv|__pycache__|offline")
PARTS = ("aws_plugin", "language_host", "protocol_only")


def sources(folder: Path) -> list[Path]:
    """The scripts, programs and settings outside of the wall."""
    found: list[Path] = []
    for path in folder.iterdir():
        if path.is_dir() and not SKIPPED.fullmatch(path.name):
            found += sources(path)
        elif path.is_file() and path.suffix in TEXT:
            found.append(path)
    return found


def names_it(text: str) -> bool:
    """Whether a text imports a part of the folder, or has its path."""
    parts = "|".join(PARTS)
    imports = rf"^\s*(from|import) +[\w.]*\b(offline|{parts})\b|^\s*from +(rig|\.+) +import.*\boffline\b"
    return re.search(rf"{imports}|\boffline/|\brig/offline\b", text, re.MULTILINE) is not None


def test_one_script_alone_leads_into_it():
    named = {str(path.relative_to(ROOT)) for path in sources(ROOT) if names_it(path.read_text(errors="replace"))}
    assert named == {ENTRANCE, *MAY_NAME_IT}


def test_that_script_loads_one_file_of_it():
    script = (ROOT / ENTRANCE).read_text()
    assert re.findall(r"^\s*source (.*)$", script, re.MULTILINE) == ['"$RIG/offline/build.sh"']
    assert len(re.findall(r"^\s*load_offline$", script, re.MULTILINE)) == 2


@pytest.mark.parametrize(
    "line",
    [
        "from rig.offline.aws_plugin.values import decode",
        "    import rig.offline.protocol_only",
        "from rig import offline",
        "from .offline import aws_plugin",
        "from . import offline",
        "from protocol_only import import_protocol_only",
        'SCRIPT = ROOT / "tests/rig/offline/build.sh"',
        'FOLDER = ROOT / "tests/rig/offline"',
    ],
)
def test_every_way_to_name_it_is_noticed(line):
    assert names_it(f"import os\n{line}\n")
