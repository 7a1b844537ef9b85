"""The linters of GitHub Actions workflows: actionlint for what does not work, zizmor for what is risky."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from .stack import tools_folder


def lint(*paths: Path) -> tuple[list[int], str]:
    """Run both on some workflows; return their exit codes, and what they said."""
    actionlint = [tools_folder() / "actionlint", "-no-color", "-shellcheck=", "-pyflakes="]
    zizmor = [
        Path(sys.executable).with_name("zizmor"),
        "--offline",
        "--no-config",
        "--no-progress",
        "--persona=auditor",
        "--strict-collection",
        "--color=never",
        "--quiet",
    ]
    ran = [
        subprocess.run([*tool, *paths], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        for tool in (actionlint, zizmor)
    ]
    return [linter.returncode for linter in ran], "\n".join(linter.stdout for linter in ran)
