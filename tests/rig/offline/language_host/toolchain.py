"""How a Python environment is chosen, made and used, as in `sdk/python/toolchain` of the official host.

Each class and function names what it follows. Errors have the official wording, because tests and people read them.
Not here: poetry, Python versions installed by pyenv, and the repetition of a `pip install` that failed for a passing
reason.
"""

import json
import os
import re
import shutil
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from .processes import Command, CommandError, HostError, Output, Processes

# Names of distributions as arguments -> name and path of the plugin description, or an empty path.
FIND_PLUGINS = """
import importlib.metadata, importlib.util, json, os, sys

def find_plugin(name):
    try:
        module = importlib.metadata.distribution(name).metadata["Name"].replace("-", "_")
        spec = importlib.util.find_spec(module)
        for folder in spec.submodule_search_locations or () if spec else ():
            file = os.path.join(str(folder), "pulumi-plugin.json")
            if os.path.isfile(file):
                return file
    except Exception:
        pass
    return ""
"""
_PRINT_PLUGINS = f"{FIND_PLUGINS}\nprint(json.dumps({{name: find_plugin(name) for name in sys.argv[1:]}}))"


class Package(NamedTuple):
    """An installed distribution; its name is normalized."""

    name: str
    version: str


class Installed(NamedTuple):
    """The installed packages and their pulumi-plugin.json: name -> path, empty without such a file."""

    packages: list[Package]
    plugins: dict[str, str]


class About(NamedTuple):
    """Versions, and the executable as it names itself."""

    executable: str
    python: str
    toolchain: str


def search_up(folder: str, name: str) -> str | None:
    """Returns the nearest folder with a file of this name: `folder` or one of its parents."""
    for candidate in (Path(folder), *Path(folder).parents):
        if (candidate / name).exists():
            return str(candidate)
    return None


def is_virtualenv(folder: str) -> bool:
    """Follows `IsVirtualEnv`."""
    return Path(folder, "bin", "python").is_file()


def activate(environment: Mapping[str, str], virtualenv: str) -> dict[str, str]:
    """Follows `ActivateVirtualEnv`."""
    activated = {
        name: value for name, value in environment.items() if name.upper() not in ("PYTHONHOME", "VIRTUAL_ENV")
    }
    folder = os.path.join(virtualenv, "bin")  # noqa: PTH118 -- without an environment the official host adds `bin`
    activated["PATH"] = f"{folder}{os.pathsep}{environment['PATH']}" if "PATH" in environment else folder
    return {**activated, "VIRTUAL_ENV": virtualenv}


def ambient_python() -> str:
    """Follows `CommandPath`: the activated environment comes in by PATH alone, never by VIRTUAL_ENV."""
    chosen = os.environ.get("PULUMI_PYTHON_CMD")
    names = [chosen] if chosen else ["python3", "python"]
    for name in names:
        found = shutil.which(name, path=os.environ.get("PATH", ""))
        if found:
            return found
    quoted = " ".join(map(quote, names))
    raise HostError(f"failed to locate any of [{quoted}] on your PATH. Have you installed Python 3.6 or greater?")


def normalize(name: str) -> str:
    """Follows `normalizePythonPackageName` (PEP 503)."""
    return re.sub("[-_.]+", "-", name.lower())


class Toolchain(ABC):
    """`Toolchain`: what the host asks of pip or uv."""

    def __init__(self, processes: Processes) -> None:
        self._processes = processes

    @abstractmethod
    def command(self, *arguments: str) -> Command:
        """`Command`: runs `python` of the environment."""

    @abstractmethod
    def ensure_environment(self, folder: str, output: Output) -> None:
        """`EnsureVenv`."""

    @abstractmethod
    def validate_environment(self) -> None:
        """`ValidateVenv`."""

    @abstractmethod
    def install(self, folder: str, output: Output) -> None:
        """`InstallDependencies`."""

    @abstractmethod
    def prepare(self, project: str, folder: str, output: Output | None) -> None:
        """`PrepareProject`."""

    @abstractmethod
    def list_packages(self, *, transitive: bool) -> list[Package]:
        """`ListPackages`."""

    @abstractmethod
    def version(self) -> str:
        """The version of the toolchain; `0.0.0` if it is unknown."""

    def installed(self) -> Installed:
        """`ListPackages` of everything, then `readAllPulumiPluginJSONPaths`."""
        packages = self.list_packages(transitive=True)
        plugins: dict[str, str] = {}
        if packages:
            try:
                plugins = json.loads(self.python("-c", _PRINT_PLUGINS, *(package.name for package in packages)))
            except HostError:
                plugins = {}
        return Installed(packages, plugins)

    def module_command(self, module: str, *arguments: str) -> Command:
        """`ModuleCommand`."""
        return self.command("-m", module, *arguments)

    def python(self, *arguments: str) -> bytes:
        """Runs `python` of the environment and returns what it prints."""
        return self._processes.run(self.command(*arguments))

    def about(self) -> About:
        """`About`."""
        try:
            python = parse_python_version(self.python("--version").decode())
        except HostError:
            python = "0.0.0"
        try:
            executable = self.python("-c", "import sys; print(sys.executable)").decode().strip()
        except CommandError as error:
            raise HostError(f"failed to get python executable path: {error}") from None
        return About(executable, python, self.version())


def load_pyproject(folder: str) -> dict[str, Any]:
    """Follows `LoadPyproject`."""
    return load_toml(Path(folder, "pyproject.toml"), "unmarshaling pyproject.toml: {error}")


def is_buildable(folder: str) -> bool:
    """Follows `IsBuildablePackage`."""
    if not Path(folder, "pyproject.toml").exists():
        return False
    try:
        description = load_pyproject(folder)
    except HostError as error:
        raise HostError(f"parsing pyproject.toml: {error}") from None
    has_name = bool(description.get("project", {}).get("name"))
    return has_name and bool(description.get("build-system", {}).get("build-backend"))


def parse_python_version(printed: str) -> str:
    """Follows `ParsePythonVersion`: `Python 3.14.0rc1` -> `3.14.0-rc.1`; `0.0.0` if that is not a version."""
    found = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?(?:(a|b|rc|dev)(\d+))?", printed.strip().removeprefix("Python "))
    if not found:
        return "0.0.0"
    major, minor, patch, kind, number = found.groups()
    names = {"a": "alpha", "b": "beta"}
    return f"{major}.{minor}.{patch or 0}" + (f"-{names.get(kind, kind)}.{number}" if kind else "")


def load_toml(file: Path, invalid: str) -> dict[str, Any]:
    try:
        import tomllib
    except ModuleNotFoundError:
        import tomli as tomllib
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise HostError(f"reading {file}: open {file}: {(error.strerror or '').lower()}") from None
    except tomllib.TOMLDecodeError as error:
        raise HostError(invalid.format(file=file, error=error)) from None


def join(folder: str, path: str) -> str:
    if os.path.isabs(path):  # noqa: PTH117 -- a string as the official host has it
        return path
    return os.path.normpath(os.path.join(folder, path))  # noqa: PTH118 -- Path keeps `..`


def quote(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
