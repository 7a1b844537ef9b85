"""`codespaces plugin install`: the launcher that it passes to the CLI, and its messages if that fails."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from pulumi_codespaces.tools import plugin_install
from pulumi_codespaces.tools.cli import main
from pulumi_codespaces.tools.plugin_install import launcher
from pulumi_codespaces.version import VERSION


def executable(file, text):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    file.chmod(0o755)
    return file


@pytest.fixture
def cli(tmp_path, monkeypatch):
    """Put a `pulumi` on PATH that records its arguments. With `says` it prints that text to stderr and fails."""

    def install(says=""):
        recorded = tmp_path / "kept"
        failure = f"echo '{says}' >&2; exit 1" if says else ""
        script = f'#!/bin/sh\nset -e\necho "$1 $2 $3 $4 $5 $6 $8" >"{recorded}"\ncp "$7" "{recorded}.file"\n{failure}\n'
        executable(tmp_path / "bin/pulumi", script)
        monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
        return recorded

    return install


def run():
    result = CliRunner().invoke(main, ["plugin", "install"])
    return result.exit_code, result.output


def test_the_cli_gets_a_launcher_of_this_environment(cli):
    recorded = cli()
    assert run() == (0, f"Installed the plugin codespaces {VERSION}, which runs with {sys.executable}.\n")
    assert recorded.read_text() == f"plugin install resource codespaces {VERSION} --file --reinstall\n"
    assert Path(f"{recorded}.file").read_text() == launcher(sys.executable)


def test_what_the_cli_says_is_told(cli):
    cli("error: no space left on device")
    assert run() == (
        1,
        f"Error: `pulumi plugin install resource codespaces {VERSION}` failed: error: no space left on device\n",
    )


def test_without_a_cli(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    code, said = run()
    assert (code, said) == (
        1,
        "Error: `pulumi` is not on PATH (https://www.pulumi.com/docs/iac/download-install/).\n",
    )


def test_on_windows(monkeypatch):
    monkeypatch.setattr(plugin_install.os, "name", "nt")
    with pytest.raises(plugin_install.NotInstalled, match=r"name the plugin's folder in Pulumi\.yaml instead"):
        plugin_install.install()


def start(file, python):
    executable(file, launcher(str(python)))
    return subprocess.run([file, "127.0.0.1:1"], capture_output=True, text=True, check=False)


def test_the_launcher_starts_the_plugin_of_its_environment_wherever_it_lies(tmp_path):
    python = executable(tmp_path / 'it\'s "my" venv/bin/python', '#!/bin/sh\necho "$PYTHONSAFEPATH" "$@"\n')
    process = start(tmp_path / "launcher", python)
    assert (process.returncode, process.stdout, process.stderr) == (
        0,
        "1 -m pulumi_codespaces.plugin 127.0.0.1:1\n",
        "",
    )


def test_the_launcher_names_the_command_where_its_environment_is_gone(tmp_path):
    python = tmp_path / "no venv/bin/python"
    process = start(tmp_path / "launcher", python)
    assert (process.returncode, process.stdout) == (1, "")
    assert process.stderr == (
        f"pulumi-codespaces {VERSION}: {python} does not exist. Run `codespaces plugin install` in the environment of "
        "your program.\n"
    )
