"""Reads the state of a stack by the Pulumi CLI."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class NoState(Exception):
    """The CLI gave no state; says why."""


def exported(stack: str | None, folder: Path, *, show_secrets: bool = False) -> str:
    """What `pulumi stack export` prints; it stays in memory.

    Args:
        stack: the stack; None for the one that is selected.
        folder: the folder of the project.
        show_secrets: whether secrets are decrypted.

    Raises:
        NoState: there is no CLI or no such stack, or its secrets cannot be decrypted.
    """
    named = ["--stack", stack] if stack else []
    shown = ["--show-secrets"] if show_secrets else []
    command = ["pulumi", "stack", "export", *named, *shown, "--non-interactive", "--color", "never"]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, encoding="utf-8", check=False)
    except FileNotFoundError:
        raise NoState(
            "there is no `pulumi` on PATH, by which the state is read (https://www.pulumi.com/docs/iac/download-install/)."
        ) from None
    if done.returncode:
        raise NoState(f"pulumi stack export failed: {' '.join(done.stderr.split())}")
    return done.stdout
