"""The toolchain uv: `uv.go` of the official host."""

import os
import re
import shutil
from pathlib import Path

from typing_extensions import override

from .processes import Command, CommandError, HostError, Output, Processes, with_stderr
from .toolchain import (
    Package,
    Toolchain,
    activate,
    is_virtualenv,
    join,
    load_pyproject,
    load_toml,
    normalize,
    quote,
    search_up,
)

OLDEST = (0, 4, 26)


class Uv(Toolchain):
    """`uv`: the environment beside uv.lock or pyproject.toml, kept up to date by each command."""

    def __init__(self, processes: Processes, root: str, virtualenv: str) -> None:
        """Follows `newUv`.

        Args:
            processes: Starts commands.
            root: The folder of the program.
            virtualenv: An absolute path, or empty.

        Raises:
            HostError: `uv` is not on PATH, is too old, or does not print its version.
        """
        super().__init__(processes)
        if not shutil.which("uv", path=os.environ.get("PATH", "")):
            raise HostError("Could not find `uv` executable.\nInstall uv and make sure it is in your PATH.")
        self._root = root
        self.virtualenv = virtualenv or self._default_virtualenv()
        try:
            printed = self._processes.run(Command(("uv", "--version"), os.environ)).decode()
        except CommandError as error:
            raise HostError(f"failed to get uv version: {error}") from None
        self._version = parse_uv_version(printed)

    def _default_virtualenv(self) -> str:
        project = search_up(self._root, "uv.lock") or search_up(self._root, "pyproject.toml") or self._root
        return join(project, os.environ.get("UV_PROJECT_ENVIRONMENT") or ".venv")

    @override
    def command(self, *arguments: str) -> Command:
        if search_up(self._root, "pyproject.toml"):
            self._require_project(self._root)
            try:
                self._processes.run(self._uv(self._root, "sync", "--inexact"))
            except CommandError as error:
                raise with_stderr(error, "error creating virtual environment") from None
        python = f"{self.virtualenv}/bin/python"
        return Command((python, *arguments), activate(os.environ, self.virtualenv), self._root)

    @override
    def ensure_environment(self, folder: str, output: Output) -> None:
        if not is_virtualenv(self.virtualenv):
            command = self._uv(folder, "venv", "--quiet", "--allow-existing", self.virtualenv)
            self._run(command, output, "error creating virtual environment")

    @override
    def validate_environment(self) -> None:
        if not is_virtualenv(self.virtualenv):
            raise HostError(f"'{self.virtualenv}' is not a virtualenv")

    @override
    def install(self, folder: str, output: Output) -> None:
        if not search_up(folder, "uv.lock"):
            try:
                self.prepare(_project_name(folder), folder, output)
            except HostError as error:
                raise HostError(f"error preparing project: {error}") from None
        self._require_project(folder)
        self._processes.run(self._uv(folder, "sync"), output)

    @override
    def prepare(self, project: str, folder: str, output: Output | None) -> None:
        place = search_up(folder, "pyproject.toml")
        if place:
            file = Path(place, "pyproject.toml")
            if "project" in load_pyproject(place) or not Path(place, "requirements.txt").exists():
                return
            name = quote(project or Path(place).name)
            with file.open("a") as appended:
                appended.write(f'\n[project]\nname = {name}\nversion = "0.1.0"\ndependencies = []\n')
            self._take_over_requirements(place, output)
            return
        requirements = search_up(folder, "requirements.txt")
        bare = self._version >= (0, 6, 0)
        arguments = ["init", "--bare" if bare else "--no-readme", "--no-package", "--no-pin-python"]
        named = ["--name", project] if project else []
        command = self._uv(requirements or folder, *arguments, *named)
        self._run(command, output, "error initializing python project")
        if requirements:
            self._take_over_requirements(requirements, output)
        if not bare:
            Path(folder, "hello.py").unlink(missing_ok=True)

    def _take_over_requirements(self, folder: str, output: Output | None) -> None:
        file = Path(folder, "requirements.txt")
        workspace = ["--no-workspace"] if self._version >= (0, 8, 0) else []
        command = self._uv(folder, "add", "--no-sync", "-r", str(file), *workspace)
        self._run(command, output, "error installing dependencies from requirements.txt")
        file.unlink()
        if output:
            output.line("Deleted requirements.txt, dependencies for this project are tracked in pyproject.toml")

    def _require_project(self, folder: str) -> None:
        place = search_up(folder, "pyproject.toml")
        if search_up(folder, "uv.lock") or not place or "project" in load_pyproject(place):
            return
        raise HostError(
            f"{place}/pyproject.toml is missing a [project] section, which uv requires to install dependencies; "
            "add a [project] section with a name and dependencies to use the uv toolchain"
        )

    @override
    def list_packages(self, *, transitive: bool) -> list[Package]:
        place = search_up(self._root, "uv.lock")
        if not place:
            raise HostError("could not find uv.lock: file does not exist")
        locked = load_toml(Path(place, "uv.lock"), "could not parse {file}: {error}").get("package", [])
        packages = [
            Package(normalize(package["name"]), package.get("version", ""))
            for package in locked
            if not package.get("source", {}).get("virtual")
        ]
        if transitive:
            return packages
        project = load_pyproject(place).get("project", {})
        optional = project.get("optional-dependencies", {}).values()
        required = [*project.get("dependencies", []), *(name for group in optional for name in group)]
        names = {normalize(re.split(r"[><=~!;\[ ]", requirement.strip(), maxsplit=1)[0]) for requirement in required}
        return [package for package in packages if package.name in names]

    @override
    def version(self) -> str:
        return ".".join(map(str, self._version))

    def _uv(self, folder: str, *arguments: str) -> Command:
        return Command(("uv", *arguments), {**os.environ, "UV_PROJECT_ENVIRONMENT": self.virtualenv}, folder)

    def _run(self, command: Command, output: Output | None, what: str) -> None:
        try:
            self._processes.run(command, output)
        except CommandError as error:
            raise HostError(f"{what}: {error}") from None


def parse_uv_version(printed: str) -> tuple[int, int, int]:
    """Follows `ParseUvVersion`."""
    printed = printed.strip()
    found = re.search(r"uv (\d+)\.(\d+)(?:\.(\d+))?", printed)
    if not found:
        raise HostError(f"unexpected output from `uv --version`: {quote(printed)}")
    version = int(found[1]), int(found[2]), int(found[3] or 0)
    if version < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise HostError(f"uv version {printed} is less than the minimum required version {oldest}")
    return version


def _project_name(folder: str) -> str:
    """The `name` in the nearest Pulumi.yaml; empty without one."""
    import yaml

    place = search_up(folder, "Pulumi.yaml")
    project = yaml.safe_load(Path(place, "Pulumi.yaml").read_text(encoding="utf-8")) if place else None
    return str(project.get("name") or "") if isinstance(project, dict) else ""
