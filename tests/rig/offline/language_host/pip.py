"""The toolchain pip: `pip.go` of the official host."""

import json
import os
import re
from pathlib import Path

from typing_extensions import override

from .processes import Command, CommandError, HostError, Output, Processes
from .toolchain import (
    FIND_PLUGINS,
    Installed,
    Package,
    Toolchain,
    activate,
    ambient_python,
    is_virtualenv,
    normalize,
    quote,
)

# What `pip list` prints, without its half second: distributions by their metadata, the first of a name, sorted.
PRINT_INSTALLED = f"""{FIND_PLUGINS}
import re
if importlib.util.find_spec("pip") is None:
    sys.exit(f"{{sys.executable}}: No module named pip")
normal_version = re.compile(r"\\d+(\\.\\d+)*((a|b|rc)\\d+)?(\\.post\\d+)?(\\.dev\\d+)?")

def version_of(distribution):
    version = distribution.version
    if normal_version.fullmatch(version):
        return version
    from pip._vendor.packaging.version import InvalidVersion, Version
    try:
        return str(Version(version))
    except InvalidVersion:
        return version

packages = {{}}
for distribution in importlib.metadata.distributions(path=[entry for entry in sys.path if entry]):
    name = distribution.metadata["Name"]
    if name:
        packages.setdefault(re.sub("[-_.]+", "-", name).lower(), (name, version_of(distribution)))
for name in ("argparse", "python", "wsgiref"):
    packages.pop(name, None)
plugins = {{name: find_plugin(name) for name in packages}}
print(json.dumps({{"packages": [packages[name] for name in sorted(packages)], "plugins": plugins}}))
"""

_PRINT_VERSION = "from importlib.metadata import version; print(version('pip'))"


class Pip(Toolchain):
    """`pip`: an environment at a path, or whatever Python is on PATH."""

    def __init__(self, processes: Processes, option: str, virtualenv: str) -> None:
        """Follows `newPip`.

        Args:
            processes: Starts commands.
            option: The option `virtualenv` as written.
            virtualenv: Its path, or empty.
        """
        super().__init__(processes)
        self._option = option
        self.virtualenv = virtualenv

    @override
    def command(self, *arguments: str) -> Command:
        if not self.virtualenv:
            return Command((ambient_python(), *arguments), os.environ)
        return Command((f"{self.virtualenv}/bin/python", *arguments), activate(os.environ, self.virtualenv))

    @override
    def ensure_environment(self, folder: str, output: Output) -> None:
        if not self._option or is_virtualenv(self.virtualenv):
            return
        place = Path(self.virtualenv)
        if place.exists() and not place.is_dir():
            raise HostError(
                f"the 'virtualenv' option in Pulumi.yaml is set to {quote(self.virtualenv)} but it is not a directory"
            )
        if not place.exists() or not any(place.iterdir()):
            self.install(folder, output)

    @override
    def validate_environment(self) -> None:
        if self._option and not is_virtualenv(self.virtualenv):
            raise HostError(no_virtualenv(self._option, self.virtualenv))

    @override
    def install(self, folder: str, output: Output) -> None:
        """Follows `InstallDependencies` in pip.go, which says "virtual environment" even without one."""
        if self.virtualenv:
            self._make(output)
        output.line("Updating pip, setuptools, and wheel in virtual environment...")
        upgrade = ("--upgrade", "pip", "setuptools", "wheel")
        self._pip_install("updating pip, setuptools, and wheel", folder, output, *upgrade)
        output.line("Finished updating")
        if not Path(folder, "requirements.txt").exists():
            return
        output.line("Installing dependencies in virtual environment...")
        self._pip_install("installing dependencies", folder, output, "-r", "requirements.txt")
        output.line("Finished installing dependencies")

    def _make(self, output: Output) -> None:
        output.line("Creating virtual environment...")
        if not os.path.isabs(self.virtualenv):  # noqa: PTH117 -- a string as the official host has it
            raise HostError(f"virtual environment path must be absolute: {self.virtualenv}")
        said: list[bytes] = []
        command = Command((ambient_python(), "-m", "venv", self.virtualenv), os.environ)
        try:
            self._processes.run(command, Output(said.append, said.append))
        except CommandError as error:
            if said:
                output.error(b"".join(said) + b"\n")
            raise HostError(f"creating virtual environment at '{self.virtualenv}': {error}") from None
        output.line("Finished creating virtual environment")

    def _pip_install(self, what: str, folder: str, output: Output, *arguments: str) -> None:
        python = f"{self.virtualenv}/bin/python" if self.virtualenv else ambient_python()
        command = Command((python, "-m", "pip", "install", *arguments), activate(os.environ, self.virtualenv), folder)
        errors: list[bytes] = []

        def error(chunk: bytes) -> None:
            errors.append(chunk)
            output.error(chunk)

        try:
            self._processes.run(command, Output(output.info, error))
        except CommandError as failure:
            stderr = b"".join(errors).decode(errors="replace").strip()
            raise HostError(f"{what} via '{command}': {failure}" + (f": {stderr}" if stderr else "")) from None

    @override
    def prepare(self, project: str, folder: str, output: Output | None) -> None:
        pass

    @override
    def installed(self) -> Installed:
        """Lists by `importlib.metadata` of the same Python, with the same result as `pip list` and its failures."""
        try:
            printed = json.loads(self.python("-c", PRINT_INSTALLED))
        except CommandError as error:
            raise HostError(f"calling `{self._list_command(transitive=True)}`: {error}") from None
        packages = [Package(normalize(name), version) for name, version in printed["packages"]]
        return Installed(packages, printed["plugins"])

    @override
    def list_packages(self, *, transitive: bool) -> list[Package]:
        command = self._list_command(transitive=transitive)
        try:
            printed = self._processes.run(command)
        except CommandError as error:
            raise HostError(f"calling `{command}`: {error}") from None
        return [Package(normalize(package["name"]), package["version"]) for package in json.loads(printed)]

    def _list_command(self, *, transitive: bool) -> Command:
        return self.module_command("pip", "list", "--format", "json", *([] if transitive else ["--not-required"]))

    @override
    def version(self) -> str:
        """What `pip --version` says, without starting pip: the engine asks at each of its commands."""
        try:
            printed = self.python("-c", _PRINT_VERSION).decode()
        except HostError:
            return "0.0.0"
        found = re.match(r"(\d+(?:\.\d+)*)", printed)
        return _padded(found[1]) if found else "0.0.0"


def no_virtualenv(option: str, path: str) -> str:
    """Follows `NewVirtualEnvError`."""
    what = "doesn't appear to be a virtual environment" if Path(path).exists() else "doesn't exist"
    python = f"{path}/bin/python"
    return (
        f"The 'virtualenv' option in Pulumi.yaml is set to {quote(option)}, but {quote(path)} {what}; "
        "run the following commands to create the virtual environment and install dependencies into it:\n\n"
        f"    1. python3 -m venv {path}\n"
        f"    2. {python} -m pip install --upgrade pip setuptools wheel\n"
        f"    3. {python} -m pip install -r requirements.txt\n\n\n"
        "For more information see: https://www.pulumi.com/docs/intro/languages/python/#virtual-environments"
    )


def _padded(version: str) -> str:
    return ".".join(str(int(part)) for part in (*version.split("."), "0", "0")[:3])
