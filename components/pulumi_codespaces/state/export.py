"""Reads the state of a stack with the Pulumi CLI."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from ..rules.wording import one_line
from .stack import NoState

if TYPE_CHECKING:
    from pathlib import Path


def exported(stack: str | None, folder: Path, *, show_secrets: bool = False) -> str:
    """The output of `pulumi stack export`, which is kept in memory only.

    Args:
        stack: the stack; None for the selected stack.
        folder: the folder of the project.
        show_secrets: whether secrets are decrypted.

    Raises:
        NoState: the CLI is not on PATH, the stack does not exist, or its secrets cannot be decrypted.
    """
    stack_option = ["--stack", stack] if stack else []
    secrets_option = ["--show-secrets"] if show_secrets else []
    command = ["pulumi", "stack", "export", *stack_option, *secrets_option, "--non-interactive", "--color", "never"]
    try:
        process = subprocess.run(command, cwd=folder, capture_output=True, text=True, encoding="utf-8", check=False)
    except FileNotFoundError:
        raise NoState(
            "`pulumi`, which reads the state, is not on PATH (https://www.pulumi.com/docs/iac/download-install/)."
        ) from None
    if process.returncode:
        raise NoState(f"pulumi stack export failed: {one_line(process.stderr)}")
    return process.stdout
