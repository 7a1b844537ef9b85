"""`tests/pythons.sh` with stand-ins for the Pythons of a machine and for `engine.sh`: nothing is installed here."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[2]

# Says which version it is, and that it has the module ensurepip; in an environment it writes down what it runs instead.
PYTHON = """#!/bin/bash
case "$*" in
  *ensurepip*) [[ -z "{version}" ]] && exit 1; echo "{version}" ;;
  *) echo "${{VIRTUAL_ENV##*/}} $MACHINE_EXAMPLES $PWD $*" >>"$LOG"; exit "${{PYTEST_EXIT:-0}}" ;;
esac
"""
# Makes an environment that is named after the interpreter and the packages, and fails for the name in FAILS.
ENGINE = """#!/bin/bash
[[ $1 == --environment ]] || exit 2
name=$("$2" -I -c "import ensurepip")-$(basename "$3" .txt)
[[ $name != "${FAILS:-}" ]] || { echo "engine: no wheel" >&2; exit 1; }
mkdir -p "$ENVIRONMENTS/$name/bin"
cp "$(command -v python3 || command -v python3.12)" "$ENVIRONMENTS/$name/bin/python"
echo "engine: making it"
echo "$ENVIRONMENTS/$name"
"""


@dataclass
class Machine:
    """A clone, a PATH with nothing but what the script needs, and interpreters of these versions."""

    root: Path
    tests: Path = field(init=False)

    def __post_init__(self) -> None:
        self.tests = self.root / "clone/tests"
        (self.tests / "rig").mkdir(parents=True)
        (self.root / "bin").mkdir()
        shutil.copy2(TESTS / "pythons.sh", self.tests)
        self._executable(self.tests / "rig/engine.sh", ENGINE)
        for tool in ("bash", "basename", "cp", "dirname", "mkdir"):
            found = shutil.which(tool)
            assert found is not None
            (self.root / "bin" / tool).symlink_to(found)

    def python(self, version: str, name: str = "") -> None:
        """Put an interpreter on PATH as `python3.X`, or at this place in the home folder."""
        place = self.root / "home" / name if name else self.root / "bin" / f"python{version}"
        self._executable(place, PYTHON.format(version=version))

    def python3(self, version: str) -> None:
        """Put the interpreter on PATH on which the main run of the tests takes place."""
        self._executable(self.root / "bin/python3", PYTHON.format(version=version))

    def run(self, *arguments: str, **extra: str) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": str(self.root / "bin"),
            "HOME": str(self.root / "home"),
            "LOG": str(self.root / "log"),
            "ENVIRONMENTS": str(self.root / "environments"),
            **extra,
        }
        command = [self.tests / "pythons.sh", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    @property
    def runs(self) -> list[str]:
        """The environments that the tests ran in, in order."""
        log = self.root / "log"
        return [line.split()[0] for line in log.read_text().splitlines()] if log.exists() else []

    def _executable(self, path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.mark.parametrize(
    ("versions", "main", "runs"),
    [
        (
            ["3.10", "3.11", "3.12", "3.13"],
            "3.11",
            ["3.10-constraints-oldest", "3.12-constraints", "3.13-constraints-newest"],
        ),
        (["3.10", "3.11", "3.12"], "3.10", ["3.10-constraints-oldest", "3.11-constraints", "3.12-constraints-newest"]),
        (["3.12", "3.13"], "3.13", ["3.12-constraints-oldest", "3.13-constraints-newest"]),
        (["3.12"], "3.12", ["3.12-constraints-oldest", "3.12-constraints-newest"]),
        (["3.13", "3.14"], "3.14", ["3.13-constraints-oldest", "3.14-constraints-newest"]),
        (["3.14"], "3.14", ["3.14-constraints-newest"]),
        (["3.9", "3.12", "3.15"], "3.9", ["3.12-constraints-oldest", "3.12-constraints-newest"]),
    ],
)
def test_each_python_runs_once_the_outer_ones_with_other_packages(
    machine: Machine, versions: list[str], main: str, runs: list[str]
) -> None:
    for version in versions:
        machine.python(version)
    machine.python3(main)
    ran = machine.run()
    assert (ran.returncode, ran.stderr) == (0, "")
    assert machine.runs == runs
    said = [f"pythons: Python {name} with {packages}.txt" for name, _, packages in (run.partition("-") for run in runs)]
    assert ran.stdout.splitlines() == said


def test_it_runs_the_tests_of_the_product_and_passes_arguments_on(machine: Machine) -> None:
    machine.python3("3.11")
    machine.python("3.12")
    machine.run("-k", "a name")
    machine.run(MACHINE_EXAMPLES="500")
    tests = machine.tests
    lines = (machine.root / "log").read_text().splitlines()
    assert [line.split()[1] for line in lines] == ["20", "20", "500", "500"]
    assert lines[0] == (
        f"3.12-constraints-oldest 20 {tests} -m pytest -c {tests}/pytest.ini --rootdir {tests} "
        f"-n auto --dist worksteal -m not once {tests}/unit --ignore {tests}/unit/rig -k a name"
    )


def test_pyenv_has_what_path_has_not(machine: Machine) -> None:
    machine.python3("3.11")
    # One that pyenv leads to nothing, one without ensurepip, and one without the lock that C extensions are built for.
    machine.python("", "../bin/python3.10")
    machine.python("3.10", ".pyenv/versions/3.10.13/bin/python")
    machine.python("", ".pyenv/versions/3.12.1/bin/python")
    machine.python("3.13t", ".pyenv/versions/3.13.0t/bin/python")
    machine.python("3.13", "elsewhere/versions/3.13.0/bin/python")
    assert machine.run().returncode == 0
    assert machine.runs == ["3.10-constraints-oldest", "3.10-constraints-newest"]
    assert machine.run(PYENV_ROOT=str(machine.root / "home/elsewhere")).returncode == 0
    assert machine.runs[2:] == ["3.13-constraints-oldest", "3.13-constraints-newest"]


def test_one_that_fails_fails_all_and_stops_none(machine: Machine) -> None:
    machine.python3("3.11")
    for version in ("3.10", "3.12", "3.13"):
        machine.python(version)
    ran = machine.run(FAILS="3.10-constraints-oldest")
    assert (ran.returncode, ran.stderr) == (1, "engine: no wheel\n")
    assert machine.runs == ["3.12-constraints", "3.13-constraints-newest"]
    assert machine.run(PYTEST_EXIT="3").returncode == 3
    assert len(machine.runs) == 5


def test_a_machine_without_a_python_that_can_make_environments_is_told(machine: Machine) -> None:
    machine.python("", "../bin/python3.12")
    ran = machine.run()
    where = f"neither on PATH nor in {machine.root}/home/.pyenv"
    assert (ran.returncode, ran.stdout) == (1, f"pythons: no Python >= 3.10 with the module ensurepip, {where}\n")
    assert machine.runs == []
