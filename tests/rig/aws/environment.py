"""Files of environment variables for shells: `export NAME='value'`, one a line."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path


def write_environment_file(path: Path, variables: Mapping[str, str], unset: Iterable[str] = ()) -> None:
    """Write a file that `. FILE` takes over, readable by its owner only; it is there whole or not at all."""
    lines = [f"unset {name}\n" for name in unset]
    lines += [f"export {name}={shlex.quote(value)}\n" for name, value in variables.items()]
    half = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.writelines(lines)
    half.replace(path)


def read_environment_file(path: Path) -> dict[str, str]:
    """The variables that such a file exports."""
    exported = (line.partition(" ")[2] for line in path.read_text().splitlines() if line.startswith("export "))
    split = (shlex.split(assignment)[0].partition("=") for assignment in exported)
    return {name: value for name, _, value in split}
