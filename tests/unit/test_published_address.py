"""The address that this package is published at is one constant; nothing here leads to a repository nobody chose."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.once

ROOT = Path(__file__).resolve().parents[2]
CONSTANT = "components/pulumi_codespaces/pulumi-plugin.json"
# Examples of this file, and addresses that others make up.
MADE_UP = {
    "tests/engine/test_second_project.py",
    "tests/rig/github/shapes.py",
    "tests/unit/test_package_schema.py",
    "tests/unit/test_plugin_location.py",
    "tests/unit/test_published_address.py",
}
ELSEWHERE = re.compile(
    r"(?:git\+https?|git)://[\w.-]+/|github\.com/[\w-]+/pulumi-codespaces|pulumi-codespaces\s*[=~>]="
)


def files():
    """Path -> text of each file in the repository that is text."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("this is not a clone")
    for name in listed.stdout.splitlines():
        path = ROOT / name
        if path.is_file() and name not in MADE_UP:
            yield name, path.read_text(encoding="utf-8", errors="ignore")


def test_no_other_file_names_an_address():
    server = json.loads((ROOT / CONSTANT).read_text())["server"]
    address = re.sub(r"^\w+://|\.git\b|/components$", "", server)
    found = {
        f"{name}: {match[0]}"
        for name, text in files()
        if name != CONSTANT
        for match in [*ELSEWHERE.finditer(text), *(re.finditer(re.escape(address), text) if address else ())]
    }
    assert found == set()


@pytest.mark.parametrize(
    "line",
    [
        "pulumi-codespaces @ git+https://github.com/acme/copy@v1.0.0#subdirectory=components",
        '"server": "git://github.com/acme/copy/components"',
        "pulumi package add github.com/acme/pulumi-codespaces/components",
        "pulumi-codespaces==1.0.0",
        "pulumi-codespaces ~= 1.0",
    ],
)
def test_an_address_would_be_seen(line):
    """An index is an address too: nobody has to own a name there."""
    assert ELSEWHERE.search(line)
