"""A stack on the real CLI, in a temporary folder: file backend, own PULUMI_HOME, and what each operation said."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
import venv
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from .prepared import prepared

if TYPE_CHECKING:
    from collections.abc import Mapping

REPOSITORY = Path(__file__).resolve().parents[2]
COMPONENTS = REPOSITORY / "components"
# The virtual environment of the tests, in which programs and the plugin run too.
ENVIRONMENT = Path(sys.prefix)
# The folder of a stack with its plugin, which identifies the plugin's process.
PLUGIN_FOLDER = "codespaces-plugin"
_OFFLINE = {
    "PULUMI_SKIP_UPDATE_CHECK": "true",
    "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
    "PULUMI_DISABLE_REGISTRY_RESOLVE": "true",
    "PULUMI_ERROR_OUTPUT_STRING": "true",
    # The official language host lists packages with pip, which then looks for a newer pip.
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
}
_PLUGIN = """from pulumi_codespaces.plugin.host import main

if __name__ == "__main__":
    main()
"""
_TIMEOUT_SECONDS = 300


@cache
def engine_folder() -> Path:
    """The folder with `pulumi`: from PATH, or prepared by `engine.sh`."""
    found = shutil.which("pulumi")
    if found:
        return Path(found).parent
    return prepared()


@cache
def tools_folder() -> Path:
    """The folder with `actionlint` and `jq`, which `engine.sh` builds when it is first asked for."""
    return prepared("--tools")


@cache
def sdks_folder() -> Path:
    """The folder with `sdks`, which generates SDKs, and `node_modules`; made when first asked for."""
    return prepared("--sdks")


@cache
def yaml_folder() -> Path:
    """The folder with the language host for YAML, which `engine.sh` builds when it is first asked for."""
    return prepared("--yaml")


def _plugins_folder(engine: Path) -> Path:
    """Where `plugins.sh` finds or puts the engine's plugins."""
    built = engine.parent / "plugins"
    return built if built.is_dir() else Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi") / "plugins"


def link_plugins(folder: Path) -> None:
    """Make a plugin folder that has the engine's plugins, and that others may be added to."""
    for file in _plugins_folder(engine_folder()).glob("*/*"):
        (folder / file.parent.name).mkdir(parents=True, exist_ok=True)
        (folder / file.parent.name / file.name).symlink_to(file)


def kill_beside(run: subprocess.Popen[str], *files: Path, seconds: float = 10) -> None:
    """Send SIGKILL to a process at a moment when the JSON files that it writes are whole; do nothing if it has ended.

    Raises:
        AssertionError: they have not been whole for that long.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        run.send_signal(signal.SIGSTOP)
        while (now := _process_state(run.pid)) not in ("T", "Z", ""):
            time.sleep(0.002)
        if now != "T":
            return
        try:
            for file in files:
                json.loads(file.read_bytes())
        except (FileNotFoundError, json.JSONDecodeError):
            run.send_signal(signal.SIGCONT)
            time.sleep(0.005)
        else:
            run.kill()
            return
    raise AssertionError(f"{' and '.join(map(str, files))} have not been whole for {seconds:g} s")


def _process_state(number: int) -> str:
    """The first letter of what `ps` says of a process; empty without the process."""
    said = subprocess.run(["ps", "-o", "state=", "-p", str(number)], capture_output=True, text=True, check=False)
    return said.stdout.strip()[:1]


def write_plugin(folder: Path, *, launcher: bool) -> Path:
    """Make a plugin that runs the code of this clone, which PYTHONPATH leads to, in the environment of the tests.

    Args:
        folder: the folder of the plugin.
        launcher: whether the engine finds an executable there, which it starts itself; else the language host does.
    """
    folder.mkdir()
    (folder / "__main__.py").write_text(_PLUGIN)
    if launcher:
        executable = folder / "pulumi-resource-codespaces"
        executable.write_text(f'#!/bin/sh\nexec "{ENVIRONMENT}/bin/python" "{folder}" "$@"\n')
        executable.chmod(0o755)
    else:
        (folder / "PulumiPlugin.yaml").write_text(json.dumps({"runtime": _python(ENVIRONMENT)}))
    return folder


def copy_components(folder: Path, *, pip: str | None = None) -> Path:
    """Copy the components, with the environment that their PulumiPlugin.yaml names; all that the tests have is in it.

    Args:
        folder: where `components` is made; the environment may lie beside it.
        pip: the code of a pip of its own for the environment.

    Returns:
        The folder of the plugin.
    """
    components = folder / "components"
    shutil.copytree(COMPONENTS, components, ignore=shutil.ignore_patterns("__pycache__", "venv", "build"))
    runtime = yaml.safe_load((components / "PulumiPlugin.yaml").read_text())["runtime"]
    options = runtime.get("options", {}) if isinstance(runtime, dict) else {}
    library = make_environment(components / options.get("virtualenv", "venv"))
    if pip is not None:
        (library / "pip").mkdir()
        # Without it, the plugin of the tests would be found before this one.
        (library / "pip/__init__.py").touch()
        (library / "pip/__main__.py").write_text(pip)
    return components


def make_environment(folder: Path) -> Path:
    """Make a virtual environment with all that the tests have, and return where its packages lie.

    This package is not among them.
    """
    venv.create(folder, symlinks=True)
    library = Path(sysconfig.get_path("purelib", vars={"base": folder, "platbase": folder}))
    (library / "of-the-tests.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    return library


def _is_language_host(words: list[bytes]) -> bool:
    """Whether a command line is that of a language host: of the official one, or of the rig's."""
    return words[0].endswith(b"/pulumi-language-python") or b"language_host" in words


def _python(virtualenv: Path) -> dict[str, Any]:
    return {"name": "python", "options": {"virtualenv": str(virtualenv)}}


def has_frame_of_package(output: str) -> bool:
    """Whether what the CLI printed has a traceback with a line of this package.

    Its paths alone say nothing: a digest names where each resource was declared.
    """
    return re.search(rf'File \\?"{re.escape(str(COMPONENTS))}', output) is not None


@dataclass
class Outcome:
    """What one operation of the CLI did."""

    returncode: int
    output: str
    seconds: float
    digest: dict[str, Any] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        return self.returncode == 0

    @property
    def steps(self) -> list[dict[str, Any]]:
        """The steps of a preview, without those that change nothing."""
        return [step for step in self.digest.get("steps", []) if step["op"] != "same"]

    @property
    def warnings(self) -> list[str]:
        """The warnings of a preview."""
        return [
            diagnostic["message"]
            for diagnostic in self.digest.get("diagnostics", [])
            if diagnostic["severity"] == "warning"
        ]

    def step(self, name: str) -> dict[str, Any]:
        """The only step of a preview whose resource has this name."""
        (found,) = [step for step in self.steps if step["urn"].rsplit("::", 1)[-1] == name]
        return found


class Stack:
    """A project in a temporary folder, and one of its stacks.

    Args:
        folder: holds all files of the project.
        environment: what the CLI and the plugins get beside the paths, such as `LocalCloud.environment`.
        program: the text of `__main__.py`, or the folder of a project, which is copied.
        project: the name of the project; that of a folder is in its Pulumi.yaml.
        virtualenv: the environment of the program.
        plugin: the folder of the plugin, which Pulumi.yaml then names. True: a plugin that runs the code of this clone
            in the environment of the tests. False: none, so that the engine looks for the plugin itself.
        launcher: whether the engine starts that plugin itself, like an installed one; a language host, which starts
            it otherwise, kills it when the engine is gone.
    """

    def __init__(
        self,
        folder: Path,
        environment: Mapping[str, str],
        program: str | Path,
        *,
        project: str = "access",
        name: str = "test",
        backend: Path | None = None,
        virtualenv: Path = ENVIRONMENT,
        plugin: bool | Path = True,
        launcher: bool = False,
    ) -> None:
        self.folder = folder
        self.name = name
        self.program_folder = folder / "program"
        description: dict[str, Any] = {"name": project}
        if isinstance(program, Path):
            shutil.copytree(program, self.program_folder)
            description = yaml.safe_load((self.program_folder / "Pulumi.yaml").read_text())
        else:
            self.program_folder.mkdir(parents=True)
            self.write(program)
        self.project: str = description["name"]
        description["runtime"] = _python(virtualenv)
        description.pop("packages", None)
        description.pop("plugins", None)
        if plugin:
            place = write_plugin(folder / PLUGIN_FOLDER, launcher=launcher) if plugin is True else plugin
            description["plugins"] = {"providers": [{"name": "codespaces", "path": str(place)}]}
        (self.program_folder / "Pulumi.yaml").write_text(json.dumps(description))
        self._backend = backend or folder / "backend"
        self._backend.mkdir(exist_ok=True)
        home = folder / "home"
        (home / ".pulumi").mkdir(parents=True)
        engine = engine_folder()
        (home / ".pulumi/plugins").symlink_to(_plugins_folder(engine))
        self.environment = {
            "PATH": os.pathsep.join(
                [str(engine), str(Path(sys.executable).parent), "/usr/local/bin", "/usr/bin", "/bin"]
            ),
            "HOME": str(home),
            "PULUMI_HOME": str(home / ".pulumi"),
            "PULUMI_BACKEND_URL": f"file://{self._backend}",
            "PULUMI_CONFIG_PASSPHRASE": "passphrase",
            "VIRTUAL_ENV": str(ENVIRONMENT),
            "PYTHONPATH": str(COMPONENTS),
            **_OFFLINE,
            **environment,
        }
        self.run("stack", "init", name)

    @property
    def state_file(self) -> Path:
        """Where the backend keeps the state, secrets encrypted."""
        return self._backend / ".pulumi/stacks" / self.project / f"{self.name}.json"

    @property
    def state_description(self) -> Path:
        """The file that the backend writes beside the state.

        It is the one file that a kill may tear: the state itself is renamed into its place, this one is written there.
        No command can read the stack then ("failed to load checkpoint: EOF"), until it is removed.
        """
        return self.state_file.with_name(f"{self.state_file.name}.attrs")

    def write(self, program: str) -> None:
        """Change the program."""
        (self.program_folder / "__main__.py").write_text(program)

    def configure(self, key: str, value: str, *, secret: bool = False, path: bool = False) -> None:
        """Set a value of the stack's configuration."""
        flags = (["--secret"] if secret else []) + (["--path"] if path else [])
        self.run("config", "set", *flags, key, value)

    def run(self, *arguments: str, check: bool = True, environment: Mapping[str, str] | None = None) -> Outcome:
        """Run the CLI in the project's folder; the output of both streams is in the outcome."""
        started = time.monotonic()
        process = self.start(*arguments, environment=environment)
        try:
            output, _ = process.communicate(timeout=_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            output, _ = process.communicate()
            raise AssertionError(f"pulumi {' '.join(arguments)} hung:\n{output}") from None
        outcome = Outcome(process.returncode, output, time.monotonic() - started)
        if check and not outcome.ok:
            raise AssertionError(f"pulumi {' '.join(arguments)} failed with {outcome.returncode}:\n{output}")
        return outcome

    def start(self, *arguments: str, environment: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """Start the CLI in a process group of its own and return at once."""
        return subprocess.Popen(
            ["pulumi", *arguments, "--non-interactive", "--color", "never"],
            cwd=self.program_folder,
            env={**self.environment, **(environment or {})},
            executable=shutil.which("pulumi", path=self.environment["PATH"]),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def up(self, *arguments: str, check: bool = True) -> Outcome:
        """`pulumi up` without the preview before it."""
        return self.run("up", "--yes", "--skip-preview", *arguments, check=check)

    def preview(self, *arguments: str, check: bool = True) -> Outcome:
        """`pulumi preview --json`."""
        outcome = self.run("preview", "--json", *arguments, check=False)
        start = outcome.output.find("{\n")
        if start >= 0:
            outcome.digest, _ = json.JSONDecoder().raw_decode(outcome.output[start:])
        if check and not outcome.ok:
            raise AssertionError(f"preview failed:\n{outcome.output}")
        return outcome

    def refresh(self, *arguments: str, check: bool = True) -> Outcome:
        """`pulumi refresh`."""
        return self.run("refresh", "--yes", "--skip-preview", *arguments, check=check)

    def destroy(self, *arguments: str, check: bool = True) -> Outcome:
        """`pulumi destroy`."""
        return self.run("destroy", "--yes", "--skip-preview", *arguments, check=check)

    def kill(self, run: subprocess.Popen[str]) -> None:
        """Send SIGKILL to the CLI alone, at a moment when its state is whole.

        One in the middle of writing it is not what a test of the program is about.
        """
        kill_beside(run, self.state_file, self.state_description)

    def processes(self) -> list[int]:
        """The processes that the CLI and its children have started for this stack and that still run (needs /proc).

        Language hosts are not among them. They change nothing, and the official one may stay for five minutes after its
        engine was killed.
        """
        mark = f"PULUMI_HOME={self.environment['PULUMI_HOME']}".encode()
        found: list[int] = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                words = (folder / "cmdline").read_bytes().split(b"\0")
                # That of a process which has ended and was not waited for is empty.
                if mark in (folder / "environ").read_bytes().split(b"\0") and not _is_language_host(words):
                    found.append(int(folder.name))
            except OSError:
                continue
        return found

    def outputs(self) -> dict[str, Any]:
        """The stack's outputs."""
        return json.loads(self.run("stack", "output", "--json").output)

    def resources(self) -> list[dict[str, Any]]:
        """The resources in the state, secrets as they are stored."""
        deployment = json.loads(self.run("stack", "export").output)["deployment"]
        return deployment.get("resources") or []

    def resource(self, name: str) -> dict[str, Any]:
        """The only resource in the state that has this name."""
        (found,) = [resource for resource in self.resources() if resource["urn"].rsplit("::", 1)[-1] == name]
        return found
