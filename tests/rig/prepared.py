"""What `engine.sh` prepares when it is first asked for."""

from __future__ import annotations

import subprocess
from pathlib import Path

_SCRIPT = Path(__file__).with_name("engine.sh")


def prepared(*arguments: str) -> Path:
    """The folder that `engine.sh` prints for these arguments."""
    lines = subprocess.run([_SCRIPT, *arguments], stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
    return Path(lines[-1])
