"""Installs a launcher for the plugin of this package into the plugin folder of the Pulumi CLI.

Nothing is downloaded. The launcher starts the interpreter of this environment by its path, so one environment serves
all projects of the user. After an environment is moved or deleted, `codespaces plugin install` has to run again.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from ..rules.wording import one_line
from ..version import PACKAGE, VERSION

_INSTALL = "codespaces plugin install"


class NotInstalled(Exception):
    """The CLI did not install the plugin. The message says why, and what to do."""


def launcher(python: str) -> str:
    """A shell script that starts the plugin with an interpreter, or says what to do if the interpreter is gone."""
    gone = f"pulumi-codespaces {VERSION}: {python} does not exist. Run `{_INSTALL}` in the environment of your program."
    return f"""#!/bin/sh
# Made by `{_INSTALL}` of pulumi-codespaces {VERSION}.
if ! [ -x {shlex.quote(python)} ]; then
  printf '%s\\n' {shlex.quote(gone)} >&2
  exit 1
fi
PYTHONSAFEPATH=1 exec {shlex.quote(python)} -m pulumi_codespaces.plugin "$@"
"""


def install() -> str:
    """Install the plugin for the interpreter that runs this function.

    Returns:
        A sentence about what was installed.

    Raises:
        NotInstalled: the Pulumi CLI is not on PATH or failed, or the system is Windows, where the CLI starts no shell
            scripts as plugins.
    """
    if os.name == "nt":
        raise NotInstalled(
            "Windows does not start shell scripts as plugins; name the plugin's folder in Pulumi.yaml instead, as in "
            "examples/platform-repository."
        )
    with TemporaryDirectory() as folder:
        file = Path(folder) / f"pulumi-resource-{PACKAGE}"
        file.write_text(launcher(sys.executable), encoding="utf-8")
        file.chmod(0o755)
        command = ["pulumi", "plugin", "install", "resource", PACKAGE, VERSION, "--file", str(file), "--reinstall"]
        try:
            process = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)
        except FileNotFoundError:
            raise NotInstalled("`pulumi` is not on PATH (https://www.pulumi.com/docs/iac/download-install/).") from None
    if process.returncode:
        raise NotInstalled(f"`{' '.join(command[:6])}` failed: {one_line(process.stderr)}")
    return f"Installed the plugin {PACKAGE} {VERSION}, which runs with {sys.executable}."
