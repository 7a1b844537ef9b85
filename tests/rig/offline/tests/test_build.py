"""`tests/rig/offline/build.sh` through `engine.sh`, with stand-ins for Python and Go: nothing is built here."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from unit.rig.engine_script_support import TESTS, Machine, executable

OFFLINE = Path(__file__).resolve().parents[1]
PIN = re.compile(r"^pulumi==([\d.]+)", re.MULTILINE)


class OfflineMachine(Machine):
    """A machine with `offline/` too, in which a program that prints its arguments stands for the AWS plugin."""

    def __post_init__(self) -> None:
        super().__post_init__()
        offline = self.rig / "offline"
        shutil.copytree(OFFLINE, offline, ignore=shutil.ignore_patterns("__pycache__", "tests", "aws_plugin"))
        (offline / "aws_plugin").mkdir()
        (offline / "aws_plugin/__main__.py").write_text("import sys\nprint('aws', *sys.argv[1:])\n")


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return OfflineMachine(tmp_path)


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """A machine on which everything has been built. Tests that use it change nothing on it but add folders."""
    machine = OfflineMachine(tmp_path_factory.mktemp("warm"))
    assert machine.run().returncode == 0
    return machine


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
        "lib/aws_plugin/__main__.py",
        *sorted(f"lib/language_host/{file.name}" for file in (OFFLINE / "language_host").glob("*.py")),
        "lib/protocol_only.py",
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
        ("language_host/host.py", []),
        ("aws_plugin/__main__.py", []),
        ("cli/go.sum", ["cli"]),
        ("github/provider/provider.go", ["github"]),
    ],
)
def test_a_changed_input_makes_a_new_engine_and_builds_only_what_it_belongs_to(
    machine: Machine, changed: str, built: list[str]
) -> None:
    first = machine.run().stdout
    with (machine.rig / "offline" / changed).open("a") as file:
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


@pytest.mark.parametrize("answer", ["echo v3.225.9", "echo v2.999.0", "echo dev", "echo", "exit 1"])
def test_a_pulumi_on_path_that_is_old_or_broken_is_not_used(warm: Machine, tmp_path: Path, answer: str) -> None:
    folder = warm.pulumi(f"old-{tmp_path.name}", answer)
    assert warm.run(PATH=f"{folder}:{warm.bin}").stdout == warm.run().stdout


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
    # The release in the repository stays the pinned one.
    assert "pkg/v3 v3.259.0" in (machine.rig / "offline/cli/go.mod").read_text()


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


def test_an_engine_of_the_cache_on_path_does_not_count_as_installed(machine: Machine) -> None:
    first = machine.run().stdout.strip()
    (machine.rig / "offline/language_host/host.py").write_text("")
    second = machine.run(PATH=f"{first}:{machine.bin}").stdout.strip()
    assert second != first
    assert Path(second).parent.parent == machine.cache


def test_the_language_host_for_yaml_is_built_when_it_is_asked_for(machine: Machine) -> None:
    folder = Path(machine.run("--yaml").stdout.rstrip("\n"))
    assert [path.name for path in folder.iterdir()] == ["pulumi-language-yaml"]
    assert machine.results == ["lock", "python-HASH", "yaml-HASH"]
    assert machine.run("--yaml").stdout == f"{folder}\n"
    assert machine.built == ["yaml"]


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


def test_the_cache_may_have_a_blank_in_its_path(machine: Machine) -> None:
    ran = machine.run(PULUMI_CODESPACES_CACHE=f"{machine.root}/some where")
    engine = Path(ran.stdout.strip()).parent
    launcher = engine / "plugins/resource-aws-v7.51.1/pulumi-resource-aws"
    assert subprocess.run([launcher], capture_output=True, text=True, check=True).stdout == "aws\n"


def test_the_cli_has_the_release_of_the_sdk_that_the_tests_run_with() -> None:
    (built,) = re.findall(r"^CLI_VERSION=(.+)$", (OFFLINE / "build.sh").read_text(), re.MULTILINE)
    assert PIN.findall((TESTS / "requirements.txt").read_text()) == [built]


def test_what_was_built_before_its_source_moved_here_is_not_built_again(machine: Machine) -> None:
    """A build of the CLI takes minutes; its key is of the names that the sources once had."""
    first = machine.run("--yaml").stdout
    shutil.copytree(machine.rig / "offline/yaml", machine.rig / "engine/yaml")
    script = machine.rig / "offline/build.sh"
    script.write_text(script.read_text().replace('-- "$OFFLINE/yaml"', '-- "$RIG/engine/yaml"'))
    assert machine.run("--yaml").stdout == first


def test_these_tests_run_with_all_others() -> None:
    (paths,) = re.findall(r"^testpaths = (.+)$", (TESTS / "pytest.ini").read_text(), re.MULTILINE)
    assert Path(__file__).parent in {TESTS / path for path in paths.split()}
