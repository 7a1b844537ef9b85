"""Runs single steps of the workflows in examples/platform-repository as GitHub's runner does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from rig.stack import COMPONENTS, REPOSITORY, engine_folder, tools_folder

if TYPE_CHECKING:
    from collections.abc import Mapping

WORKFLOWS = REPOSITORY / "examples/platform-repository/.github/workflows"
POLICIES = REPOSITORY / "examples/platform-repository/policies"
STACK = "prod"
TOKEN = "ghs_workflow"
ME = "acme/platform"


class Runner:
    """A machine that runs steps one by one.

    Attributes:
        folder: the repository that was checked out.
        github: the data behind the `gh` of this machine: comments, issues, and the pull requests that it opened.
        summary: the text that the steps wrote to the summary.
    """

    def __init__(self, folder: Path, checkout: Path, environment: Mapping[str, str] | None = None) -> None:
        self.folder = checkout
        self._temporary = folder / "runner"
        self._binaries = binaries = folder / "bin"
        binaries.mkdir(parents=True)
        self._temporary.mkdir()
        self._state = folder / "github.json"
        self.github = {"comments": [], "issues": [], "pulls": []}
        self.program("gh", f"import runpy\nrunpy.run_path({str(Path(__file__).with_name('gh.py'))!r})\n")
        self.program("codespaces", "from pulumi_codespaces.tools.cli import main\nmain()\n")
        path = [binaries, tools_folder(), engine_folder(), Path(sys.executable).parent]
        self._environment = {
            "HOME": str(folder),
            "GITHUB_REPOSITORY": ME,
            "RUNNER_TEMP": str(self._temporary),
            "PYTHONPATH": str(COMPONENTS),
            "FAKE_GITHUB": str(self._state),
            "FAKE_GITHUB_TOKEN": TOKEN,
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            **(environment or {}),
            "PATH": os.pathsep.join([*map(str, path), os.environ["PATH"]]),
        }

    @property
    def github(self) -> dict[str, Any]:
        return json.loads(self._state.read_text())

    @github.setter
    def github(self, state: dict[str, Any]) -> None:
        self._state.write_text(json.dumps(state))

    @property
    def summary(self) -> str:
        return (self._temporary / "summary").read_text()

    def program(self, name: str, text: str) -> None:
        """Put a program in Python on the machine, before any other of that name."""
        path = self._binaries / name
        path.write_text(f"#!{sys.executable}\n{text}")
        path.chmod(0o755)

    def run(self, workflow: str, name: str, **given: str) -> tuple[int, dict[str, str]]:
        """Run the step of that name; returns its exit code and its outputs.

        Args:
            workflow: the name of its file.
            name: its name.
            given: a value for each variable that the step takes from an expression.
        """
        document = yaml.safe_load((WORKFLOWS / f"{workflow}.yml").read_text())
        (step,) = [step for job in document["jobs"].values() for step in job["steps"] if step.get("name") == name]
        assert document["defaults"] == {"run": {"shell": "bash"}}
        variables: dict[str, str] = step.get("env", {})
        assert sorted(given) == sorted(name for name, value in variables.items() if "${{" in value)
        output, summary = (self._temporary / file for file in ("output", "summary"))
        for file in (output, summary):
            file.write_text("")
        script = self._temporary / "step.sh"
        script.write_text(step["run"])
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", script],
            cwd=self.folder,
            env={
                **self._environment,
                "STACK": STACK,
                "GITHUB_OUTPUT": str(output),
                "GITHUB_STEP_SUMMARY": str(summary),
                **variables,
                **given,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        self.log = done.stdout
        return done.returncode, _outputs(output.read_text())


def _outputs(text: str) -> dict[str, str]:
    """The values in a file of outputs (https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands)."""
    found: dict[str, str] = {}
    lines = iter(text.splitlines())
    for line in lines:
        name, _, end = line.partition("<<")
        value: list[str] = []
        for part in lines:
            if part == end:
                break
            value.append(part)
        else:
            raise AssertionError(f"{name} does not end")
        found[name] = "\n".join(value)
    return found
