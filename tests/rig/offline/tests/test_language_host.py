"""The language host: what it runs in which environment, and in which words it fails.

Tests that take `start` name the function of the official host that they hold the rig's host against: those in `main.go`
of `pulumi-language-python` and in its package `toolchain`. With PULUMI_CODESPACES_LANGUAGE_HOST=official they hold the
`pulumi-language-python` on PATH, of release 3.260, against the same expectations.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import venv
from contextlib import AbstractContextManager, contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import grpc
import pytest
from google.protobuf import empty_pb2
from language_host_support import (
    OFFLINE,
    OWN,
    Call,
    Host,
    alive,
    calls,
    command,
    details,
    environment_of,
    executable,
    implementations,
    stand_in,
    started,
    wait_until,
)
from pulumi.runtime.proto import analyzer_pb2, analyzer_pb2_grpc, language_pb2, plugin_pb2

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

# Notes how it was started, says something, and ends at once or when it is killed.
PROGRAM = """
import json, os, pathlib, signal, sys, time
notes = pathlib.Path(os.environ["NOTES"])
environment = dict(os.environ)
seen = {"arguments": sys.orig_argv[1:], "folder": os.getcwd(), "environment": environment}
(notes / "seen").write_text(json.dumps(seen))
for number in (signal.SIGINT, signal.SIGTERM):
    def stop(received, _frame):
        (notes / "stopped").open("a").write(signal.Signals(received).name + chr(10))
        os._exit(int(os.environ.get("STOPPED", "0")))
    signal.signal(number, stop)
print("hello", flush=True)
print("world", file=sys.stderr, flush=True)
(notes / "pid").write_text(str(os.getpid()))
time.sleep(float(os.environ.get("SECONDS", "0")))
sys.exit(int(os.environ.get("STATUS", "0")))
"""
# In place of the engine: starts a host (the arguments from the second on), and through the host a plugin (the first).
ENGINE_OF_A_PLUGIN = """
import subprocess, sys
import grpc
from pulumi.runtime.proto import language_pb2, language_pb2_grpc
host = subprocess.Popen(sys.argv[2:], stdout=subprocess.PIPE, text=True)
stub = language_pb2_grpc.LanguageRuntimeStub(grpc.insecure_channel(f"127.0.0.1:{int(host.stdout.readline())}"))
info = language_pb2.ProgramInfo(root_directory=sys.argv[1], program_directory=sys.argv[1], entry_point=".")
list(stub.RunPlugin(language_pb2.RunPluginRequest(info=info)))
"""
EXEC = "problem executing {} (could not run language executor): "
NO_FILE = "fork/exec {}: no such file or directory"


Started = AbstractContextManager[Host]


class Start(Protocol):
    def __call__(self, *arguments: str, address: str | None = None, **variables: str) -> Started: ...


@pytest.fixture(params=implementations())
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "executor").write_text(PROGRAM)
    return folder


@pytest.fixture
def start(kind: str, notes: Path) -> Start:
    def start(*arguments: str, address: str | None = None, **variables: str) -> AbstractContextManager[Host]:
        return started(notes, *arguments, kind=kind, address=address, **variables)

    return start


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The folder of a project or plugin."""
    folder = tmp_path / "root"
    folder.mkdir()
    (folder / "__main__.py").write_text(PROGRAM)
    return folder


def python(file: Path) -> Path:
    """Make a Python that can be distinguished from others."""
    return executable(file, f'#!/bin/sh\nWHICH={file} exec "{OWN}" "$@"\n')


def path_with(folder: Path) -> str:
    """A PATH that begins with a folder."""
    return f"{folder}:/usr/bin:/bin"


class TestProgram:
    """`Run`."""

    @pytest.mark.parametrize("option", ["env", "../root/env", "{root}/env"], ids=["relative", "with ..", "absolute"])
    def test_it_runs_in_the_environment_of_the_option(self, start: Start, root: Path, notes: Path, option: str) -> None:
        """`pip.Command`, `ActivateVirtualEnv`."""
        chosen = python(root / "env/bin/python")
        with start(VIRTUAL_ENV="/active", PYTHONHOME="", PATH=path_with(notes)) as host:
            assert host.run(root, {"virtualenv": option.format(root=root)}) == language_pb2.RunResponse()
        environment = host.seen()["environment"]
        assert environment["WHICH"] == str(chosen)
        assert environment["VIRTUAL_ENV"] == str(root / "env")
        assert environment["PATH"].startswith(f"{root / 'env/bin'}:{notes}:")
        assert "PYTHONHOME" not in environment

    def test_without_the_option_it_runs_with_python3_on_path(self, start: Start, root: Path, tmp_path: Path) -> None:
        """`CommandPath`: VIRTUAL_ENV alone activates nothing."""
        active, chosen = tmp_path / "active", python(tmp_path / "bin/python3")
        python(active / "bin/python3")
        python(tmp_path / "bin/python")
        with start(VIRTUAL_ENV=str(active), PATH=path_with(tmp_path / "bin")) as host:
            assert host.run(root) == language_pb2.RunResponse()
        environment = host.seen()["environment"]
        assert (environment["WHICH"], environment["VIRTUAL_ENV"]) == (str(chosen), str(active))

    def test_python_stands_in_for_python3(self, start: Start, root: Path, tmp_path: Path) -> None:
        """`CommandPath`."""
        chosen = python(tmp_path / "bin/python")
        with start(PATH=str(tmp_path / "bin")) as host:
            assert host.run(root) == language_pb2.RunResponse()
        assert host.seen()["environment"]["WHICH"] == str(chosen)

    def test_a_variable_names_another_python(self, start: Start, root: Path, tmp_path: Path) -> None:
        """`CommandPath`."""
        python(tmp_path / "bin/python3")
        chosen = python(tmp_path / "bin/python9")
        with start(PATH=path_with(tmp_path / "bin"), PULUMI_PYTHON_CMD="python9") as host:
            assert host.run(root) == language_pb2.RunResponse()
        assert host.seen()["environment"]["WHICH"] == str(chosen)

    @pytest.mark.parametrize(("named", "shown"), [("", '"python3" "python"'), ("python9", '"python9"')])
    def test_no_python_on_path(self, start: Start, root: Path, tmp_path: Path, named: str, shown: str) -> None:
        """`CommandPath`."""
        with start(PATH=str(tmp_path), PULUMI_PYTHON_CMD=named) as host, pytest.raises(grpc.RpcError) as error:
            host.run(root)
        assert details(error) == (
            f"failed to locate any of [{shown}] on your PATH. Have you installed Python 3.6 or greater?"
        )

    @pytest.mark.parametrize("there", [False, True])
    def test_an_environment_that_is_not_one(self, start: Start, root: Path, there: bool) -> None:
        """`ValidateVenv`, `NewVirtualEnvError`."""
        if there:
            (root / "env/lib").mkdir(parents=True)
        with start() as host, pytest.raises(grpc.RpcError) as error:
            host.run(root, {"virtualenv": "env"})
        what = "doesn't appear to be a virtual environment" if there else "doesn't exist"
        assert details(error) == (
            f'The \'virtualenv\' option in Pulumi.yaml is set to "env", but "{root}/env" {what}; '
            "run the following commands to create the virtual environment and install dependencies into it:\n\n"
            f"    1. python3 -m venv {root}/env\n"
            f"    2. {root}/env/bin/python -m pip install --upgrade pip setuptools wheel\n"
            f"    3. {root}/env/bin/python -m pip install -r requirements.txt\n\n\n"
            "For more information see: https://www.pulumi.com/docs/intro/languages/python/#virtual-environments"
        )

    def test_a_python_that_cannot_be_started(self, start: Start, root: Path) -> None:
        """`Run`; the reason is that of Go's `os/exec`."""
        broken = python(root / "env/bin/python")
        broken.chmod(0o644)
        with start() as host:
            response = host.run(root, {"virtualenv": "env"})
        assert response.error == EXEC.format("program") + f"fork/exec {broken}: permission denied"

    def test_the_arguments_of_the_executor(self, start: Start, root: Path, notes: Path) -> None:
        """`constructArguments`; the program has its folder from `--pwd`, and its output is not made unbuffered."""
        info = language_pb2.ProgramInfo(
            root_directory=str(root), program_directory=str(root / "main"), entry_point="app.py"
        )
        python(root / "env/bin/python")
        info.options.update({"virtualenv": "env"})
        with start() as host:
            host.run(
                root, info=info, monitor_address="m:1", pwd=str(root / "main"), dryRun=True, parallel=4,
                organization="o", args=["x"],
            )  # fmt: skip
        arguments = host.seen()["arguments"]
        assert arguments.pop(arguments.index("--engine") + 1).startswith("127.0.0.1:")
        words = "--monitor m:1 --engine --project tiny --root_directory {} --stack dev --pwd {}/main --dry_run true"
        words += " --parallel 4 --organization o app.py x"
        assert arguments == [str(notes / "executor"), *(word.format(root) for word in words.split())]

    def test_the_arguments_that_are_left_out(self, start: Start, root: Path, notes: Path) -> None:
        """`constructArguments`."""
        python(root / "env/bin/python")
        with start() as host:
            host.run(root, {"virtualenv": "env"}, pwd="", project="", stack="")
        arguments = host.seen()["arguments"][3:]
        assert arguments == ["--root_directory", str(root), "--dry_run", "false", "--parallel", "0", "."]

    def test_it_gets_its_configuration_in_its_environment(self, start: Start, root: Path) -> None:
        """`constructConfig`, `constructConfigSecretKeys`."""
        python(root / "env/bin/python")
        with start(PULUMI_CONFIG="old", PULUMI_CONFIG_SECRET_KEYS="old") as host:
            host.run(root, {"virtualenv": "env"}, config={"tiny:a": "1"}, configSecretKeys=["tiny:a"])
            configured = host.seen()["environment"]
            host.run(root, {"virtualenv": "env"})
            without = host.seen()["environment"]
        assert json.loads(configured["PULUMI_CONFIG"]) == {"tiny:a": "1"}
        assert json.loads(configured["PULUMI_CONFIG_SECRET_KEYS"]) == ["tiny:a"]
        assert (without["PULUMI_CONFIG"], without["PULUMI_CONFIG_SECRET_KEYS"]) == ("old", "[]")

    @pytest.mark.parametrize(
        ("status", "response"),
        [
            ("1", language_pb2.RunResponse(error="program exited with non-zero exit code: 1")),
            ("32", language_pb2.RunResponse(bail=True)),
        ],
    )
    def test_a_failed_program(self, start: Start, root: Path, status: str, response: Any) -> None:
        """`Run`."""
        python(root / "env/bin/python")
        with start(STATUS=status) as host:
            assert host.run(root, {"virtualenv": "env"}) == response

    def test_a_program_that_was_killed(self, start: Start, root: Path) -> None:
        """`Run`."""
        python(root / "env/bin/python")
        with start(SECONDS="60") as host:
            call = host.stub.Run.future(host.run_request(root, {"virtualenv": "env"}))
            os.kill(host.child(), signal.SIGKILL)
            assert call.result(10) == language_pb2.RunResponse(error="program exited with non-zero exit code: -1")

    @pytest.mark.parametrize(
        ("status", "error"),
        [
            ("0", EXEC.format("program") + "context canceled"),
            ("1", "program exited with non-zero exit code: 1"),
        ],
    )
    def test_cancel_interrupts_it(self, start: Start, root: Path, notes: Path, status: str, error: str) -> None:
        """`Cancel`, and its effect on `Run`."""
        python(root / "env/bin/python")
        with start(SECONDS="60", STOPPED=status) as host:
            call = host.stub.Run.future(host.run_request(root, {"virtualenv": "env"}))
            host.child()
            host.stub.Cancel(empty_pb2.Empty())
            assert call.result(10) == language_pb2.RunResponse(error=error)
        assert (notes / "stopped").read_text() == "SIGINT\n"

    def test_it_is_interrupted_when_the_engine_drops_it(self, start: Start, root: Path, notes: Path) -> None:
        """`Run`: the end of the request is a cancellation too."""
        python(root / "env/bin/python")
        with start(SECONDS="60") as host:
            call = host.stub.Run.future(host.run_request(root, {"virtualenv": "env"}))
            child = host.child()
            call.cancel()
            wait_until(lambda: not alive(child))
        assert (notes / "stopped").read_text() == "SIGINT\n"

    def test_the_engine_must_be_known(self, start: Start, root: Path) -> None:
        """`connectToEngine`, `Handshake`."""
        python(root / "env/bin/python")
        with start(address="") as host:
            for call in (host.run, lambda *given: list(host.run_plugin(given[0], options=given[1]))):
                with pytest.raises(grpc.RpcError) as error:
                    call(root, {"virtualenv": "env"})
                assert details(error) == "when debugging or running explicitly, must call Handshake before Run"
            host.stub.Handshake(language_pb2.LanguageHandshakeRequest(engine_address="127.0.0.1:1"))
            assert host.run(root, {"virtualenv": "env"}) == language_pb2.RunResponse()
        assert host.seen()["arguments"][1:3] == ["--engine", "127.0.0.1:1"]


class TestOptions:
    @pytest.mark.parametrize(
        ("options", "text"),
        [
            ({"virtualenv": 1}, "virtualenv option must be a string"),
            ({"typechecker": True}, "typechecker option must be a string"),
            ({"toolchain": ["pip"]}, "toolchain option must be a string"),
            ({"toolchain": "conda"}, "unsupported toolchain option: conda"),
            ({"toolchain": ""}, "unsupported toolchain option: "),
            ({"typechecker": "ty"}, "unsupported typechecker option: ty"),
        ],
    )
    def test_a_wrong_one_is_refused(self, start: Start, root: Path, options: dict[str, object], text: str) -> None:
        """`parseOptions`, in every call that takes options."""
        with start() as host:
            info = host.info(root, options)
            for refused in (
                lambda: host.required(root, options),
                lambda: host.run(root, options),
                lambda: list(host.run_plugin(root, options=options)),
                lambda: host.install(root, options),
                lambda: host.stub.About(language_pb2.AboutRequest(info=info)),
                lambda: host.stub.Template(language_pb2.TemplateRequest(info=info)),
                lambda: host.stub.GetProgramDependencies(language_pb2.GetProgramDependenciesRequest(info=info)),
            ):
                with pytest.raises(grpc.RpcError) as error:
                    refused()
                assert details(error) == text


NO_UV = "Could not find `uv` executable.\nInstall uv and make sure it is in your PATH."
NO_POETRY = (
    "Could not find `poetry` executable.\n"
    "Install poetry and make sure it is in your PATH, or set the toolchain option in Pulumi.yaml to `pip`."
)


class TestToolchain:
    """`ResolveToolchain`, `newUv`, `newPoetry`."""

    @pytest.mark.parametrize(
        ("files", "options", "text"),
        [
            (["root/uv.lock"], {}, NO_UV),
            (["uv.lock"], {}, NO_UV),
            (["root/poetry.lock"], {}, NO_POETRY),
            (["poetry.lock"], {}, NO_POETRY),
            (["uv.lock", "root/poetry.lock"], {}, NO_UV),
            ([], {"toolchain": "uv"}, NO_UV),
            ([], {"toolchain": "poetry"}, NO_POETRY),
        ],
    )
    def test_lock_files_decide(
        self, start: Start, root: Path, files: list[str], options: dict[str, str], text: str
    ) -> None:
        for file in files:
            (root.parent / file).touch()
        python(root.parent / "bin/python3")
        with start(PATH=str(root.parent / "bin")) as host:
            with pytest.raises(grpc.RpcError) as error:
                host.run(root, options)
            assert details(error) == text
            assert host.run(root, {"toolchain": "pip"}) == language_pb2.RunResponse()

    @pytest.mark.parametrize(
        ("said", "text"),
        [
            ("echo uv 0.4.25", "uv version uv 0.4.25 is less than the minimum required version 0.4.26"),
            ("echo nothing", 'unexpected output from `uv --version`: "nothing"'),
            ("exit 3", "failed to get uv version: exit status 3"),
        ],
    )
    def test_a_uv_that_is_of_no_use(self, start: Start, root: Path, notes: Path, said: str, text: str) -> None:
        """`newUv`, `ParseUvVersion`."""
        stand_in(root.parent / "bin/uv", notes, said)
        with start(PATH=path_with(root.parent / "bin")) as host, pytest.raises(grpc.RpcError) as error:
            host.run(root, {"toolchain": "uv"})
        assert details(error) == text


UV = """
case "$1" in
  --version) echo "uv ${UV_VERSION:-0.9.5} (of the tests)" ;;
  venv) mkdir -p "$4/bin" && ln -sf "$TOOLS/python" "$4/bin/python" ;;
  sync) [ -z "$SYNC_FAILS" ] || { echo "no network" >&2; exit 2; }; echo synchronized; echo "1 package" >&2 ;;
  init) touch pyproject.toml ;;
esac
"""
LOCK = """
version = 1
[[package]]
name = "root"
version = "0.1.0"
source = { virtual = "." }
[[package]]
name = "Pulumi_Mine"
version = "1.2.3"
source = { registry = "https://pypi.org/simple" }
[[package]]
name = "other"
version = "4.5.6"
source = { registry = "https://pypi.org/simple" }
"""
PROJECT = '[project]\nname = "root"\ndependencies = ["other>=4"]\n'


class TestUv:
    @pytest.fixture
    def tools(self, tmp_path: Path, notes: Path) -> Path:
        """A folder for PATH with a stand-in of uv, whose environments have a Python that lists nothing of its own."""
        stand_in(tmp_path / "tools/uv", notes, UV)
        python(tmp_path / "tools/python")
        return tmp_path / "tools"

    def test_a_program(self, start: Start, root: Path, notes: Path, tools: Path) -> None:
        """`uv.Command`: it brings the environment up to date first."""
        (root / "pyproject.toml").write_text(PROJECT)
        (root / "uv.lock").write_text(LOCK)
        chosen = python(root / ".venv/bin/python")
        with start(PATH=path_with(tools)) as host:
            assert host.run(root) == language_pb2.RunResponse()
        version, sync = calls(notes)
        assert version.arguments == "--version"
        assert (sync.arguments, sync.folder, sync.uv_environment) == (
            "sync --inexact", str(root), str(root / ".venv"),
        )  # fmt: skip
        seen = host.seen()
        assert seen["environment"]["WHICH"] == str(chosen)
        assert (seen["folder"], seen["environment"]["VIRTUAL_ENV"]) == (str(root), str(root / ".venv"))

    def test_where_its_environment_is(self, start: Start, root: Path, tools: Path) -> None:
        """`newUv`: beside uv.lock, else beside pyproject.toml, else in the folder; unless option or variable say."""
        uv = {"toolchain": "uv"}

        def place(host: Host, options: dict[str, str]) -> str:
            with pytest.raises(grpc.RpcError) as error:
                host.run(root, options)
            return details(error)

        with start(PATH=path_with(tools)) as host:
            assert place(host, uv) == f"'{root}/.venv' is not a virtualenv"
            (root.parent / "pyproject.toml").touch()
            assert place(host, uv) == f"'{root.parent}/.venv' is not a virtualenv"
            (root / "uv.lock").touch()
            assert place(host, {}) == f"'{root}/.venv' is not a virtualenv"
            assert place(host, {"virtualenv": "env"}) == f"'{root}/env' is not a virtualenv"
        with start(PATH=path_with(tools), UV_PROJECT_ENVIRONMENT="of-uv") as host:
            assert place(host, uv) == f"'{root}/of-uv' is not a virtualenv"
            assert place(host, {**uv, "virtualenv": "env"}) == f"'{root}/env' is not a virtualenv"

    def test_a_plugin_has_the_environment_of_uv_not_venv(self, start: Start, root: Path, tools: Path) -> None:
        """`parseOptions`: the default `venv` is for pip; with a lock file that is found, it is `venv` all the same."""
        python(root / ".venv/bin/python")
        with start(PATH=path_with(tools)) as host:
            assert [r.exitcode for r in host.run_plugin(root, options={"toolchain": "uv"})][-1] == 0
            assert host.seen()["environment"]["WHICH"] == str(root / ".venv/bin/python")
            (root / "uv.lock").touch()
            with pytest.raises(grpc.RpcError) as error:
                list(host.run_plugin(root))
            assert details(error) == EXEC.format("plugin program") + NO_FILE.format(root / "venv/bin/python")

    def test_what_it_requires(self, start: Start, root: Path, notes: Path, tools: Path) -> None:
        """`uv.EnsureVenv`, `uv.ListPackages`, `uvVirtualPackages`; names and versions come from uv.lock."""
        (root / "uv.lock").write_text(LOCK)
        package = root / "site/pulumi_mine"
        package.mkdir(parents=True)
        (root / "site/pulumi_mine-9.9.9.dist-info").mkdir()
        (root / "site/pulumi_mine-9.9.9.dist-info/METADATA").write_text("Name: pulumi-mine\nVersion: 9.9.9\n")
        (package / "pulumi-plugin.json").write_text('{"resource": true, "server": "https://mine"}')
        with start(PATH=path_with(tools), TOOLS=str(tools), PYTHONPATH=str(root / "site")) as host:
            assert host.required(root) == {"mine": ("v1.2.3", "https://mine")}
        assert [call.arguments for call in calls(notes)][:2] == [
            "--version",
            f"venv --quiet --allow-existing {root}/.venv",
        ]

    @pytest.mark.parametrize(("transitive", "names"), [(True, ["pulumi-mine", "other"]), (False, ["other"])])
    def test_its_dependencies(self, start: Start, root: Path, tools: Path, transitive: bool, names: list[str]) -> None:
        """`listPackagesFromLockFile`, `filterDirectPythonDependencies`."""
        (root / "uv.lock").write_text(LOCK)
        (root / "pyproject.toml").write_text(PROJECT)
        with start(PATH=path_with(tools)) as host:
            request = language_pb2.GetProgramDependenciesRequest(
                info=host.info(root), transitiveDependencies=transitive
            )
            response = host.stub.GetProgramDependencies(request)
        assert [dependency.name for dependency in response.dependencies] == names

    def test_without_a_lock_file_nothing_can_be_listed(self, start: Start, root: Path, tools: Path) -> None:
        """`uv.ListPackages`."""
        with start(PATH=path_with(tools), TOOLS=str(tools)) as host, pytest.raises(grpc.RpcError) as error:
            host.required(root, {"toolchain": "uv"})
        assert details(error) == "could not find uv.lock: file does not exist"

    def test_a_failed_sync(self, start: Start, root: Path, tools: Path) -> None:
        """`uv.Command`, `ErrorWithStderr`."""
        (root / "pyproject.toml").write_text(PROJECT)
        python(root / ".venv/bin/python")
        with start(PATH=path_with(tools), SYNC_FAILS="1") as host, pytest.raises(grpc.RpcError) as error:
            host.run(root, {"toolchain": "uv"})
        assert details(error) == "error creating virtual environment: exit status 2: no network\n"

    def test_a_pyproject_without_a_project(self, start: Start, root: Path, tools: Path) -> None:
        """`checkPyprojectHasProject`."""
        (root / "pyproject.toml").write_text("[tool.x]\n")
        python(root / ".venv/bin/python")
        with start(PATH=path_with(tools)) as host, pytest.raises(grpc.RpcError) as error:
            host.run(root, {"toolchain": "uv"})
        assert details(error) == (
            f"{root}/pyproject.toml is missing a [project] section, which uv requires to install dependencies; "
            "add a [project] section with a name and dependencies to use the uv toolchain"
        )

    def test_an_installation_with_a_lock_file(self, start: Start, root: Path, notes: Path, tools: Path) -> None:
        """`uv.InstallDependencies`."""
        (root / "uv.lock").write_text(LOCK)
        with start(PATH=path_with(tools)) as host:
            shown = host.install(root)
            assert sorted(shown.splitlines()) == sorted(
                ["Installing dependencies...", "", "synchronized", "1 package", "Finished installing dependencies", ""]
            )
        assert [(call.arguments, call.folder) for call in calls(notes)][1:] == [("sync", str(root))]

    @pytest.mark.parametrize(
        ("version", "init", "add"),
        [("0.9.5", "--bare", " --no-workspace"), ("0.7.0", "--bare", ""), ("0.5.0", "--no-readme", "")],
    )
    def test_an_installation_of_requirements(
        self, start: Start, root: Path, notes: Path, tools: Path, version: str, init: str, add: str
    ) -> None:
        """`uv.PrepareProject`: requirements.txt becomes pyproject.toml."""
        (root / "Pulumi.yaml").write_text("name: tiny\nruntime: python\n")
        (root / "requirements.txt").write_text("pulumi\n")
        with start(PATH=path_with(tools), UV_VERSION=version) as host:
            # The stand-in writes no [project].
            with pytest.raises(grpc.RpcError) as error:
                host.install(root, {"toolchain": "uv"})
            assert details(error).startswith(f"{root}/pyproject.toml is missing a [project] section")
        assert [(call.arguments, call.folder) for call in calls(notes)][1:] == [
            (f"init {init} --no-package --no-pin-python --name tiny", str(root)),
            (f"add --no-sync -r {root}/requirements.txt{add}", str(root)),
        ]
        assert not (root / "requirements.txt").exists()

    def test_a_template(self, start: Start, root: Path, notes: Path, tools: Path) -> None:
        """`Template`, `uv.PrepareProject`: a pyproject.toml without a project gets one."""
        (root / "pyproject.toml").write_text("[tool.x]\n")
        (root / "requirements.txt").write_text("pulumi\n")
        with start(PATH=path_with(tools)) as host:
            info = host.info(root, {"toolchain": "uv"})
            host.stub.Template(language_pb2.TemplateRequest(info=info, project_name="mine"))
            host.stub.Template(language_pb2.TemplateRequest(info=info, project_name="again"))
        assert (root / "pyproject.toml").read_text() == (
            '[tool.x]\n\n[project]\nname = "mine"\nversion = "0.1.0"\ndependencies = []\n'
        )
        assert [call.arguments for call in calls(notes) if call.arguments != "--version"] == [
            f"add --no-sync -r {root}/requirements.txt --no-workspace"
        ]


class TestPlugin:
    """`RunPlugin`."""

    def test_it_runs_in_its_own_environment(self, start: Start, root: Path, tmp_path: Path) -> None:
        """`parseOptions` with isPlugin: never in the active environment, never in that of the program or the host."""
        default = python(root / "venv/bin/python")
        named = python(tmp_path / "named/bin/python")
        python(tmp_path / "active/bin/python3")
        with start(VIRTUAL_ENV=str(tmp_path / "active"), PATH=path_with(tmp_path / "active/bin")) as host:
            for options, chosen in (
                ({}, default), ({"toolchain": "pip"}, default), ({"virtualenv": ""}, default),
                ({"virtualenv": "../named"}, named), ({"virtualenv": str(tmp_path / "named")}, named),
            ):  # fmt: skip
                list(host.run_plugin(root, options=options))
                assert host.seen()["environment"]["WHICH"] == str(chosen)

    @pytest.mark.parametrize(("options", "place"), [({}, "venv"), ({"virtualenv": "env"}, "env")])
    def test_without_its_environment_it_does_not_run(
        self, start: Start, root: Path, options: dict[str, str], place: str
    ) -> None:
        """`RunPlugin`: no other Python stands in, and nothing is made or installed."""
        with start() as host, pytest.raises(grpc.RpcError) as error:
            list(host.run_plugin(root, options=options))
        assert details(error) == EXEC.format("plugin program") + NO_FILE.format(root / place / "bin/python")
        assert not (root / place).exists()

    def test_how_it_is_started(self, start: Start, root: Path, tmp_path: Path) -> None:
        """`RunPlugin`: the engine's variables win over its environment, and its output is buffered."""
        python(root / "venv/bin/python")
        variables = {"VIRTUAL_ENV": "/shell", "PYTHONPATH": "/modules", "PATH": "/usr/bin:/bin"}
        with start(OF_HOST="1", VIRTUAL_ENV="/host") as host:
            list(host.run_plugin(root, "--flag", "127.0.0.1:5", pwd=tmp_path, **variables))
        seen = host.seen()
        assert seen["arguments"] == [str(root), "--flag", "127.0.0.1:5"]
        assert seen["folder"] == str(tmp_path)
        environment = seen["environment"]
        assert {name: environment[name] for name in variables} == variables
        assert environment["OF_HOST"] == "1"

    @pytest.mark.parametrize(("status", "last"), [("0", []), ("7", [7])])
    def test_it_passes_on_output_and_status(self, start: Start, root: Path, status: str, last: list[int]) -> None:
        """`RunPlugin`: the status 0 is not reported."""
        python(root / "venv/bin/python")
        with start() as host:
            responses = list(host.run_plugin(root, STATUS=status))
        assert b"".join(response.stdout for response in responses) == b"hello\n"
        assert b"".join(response.stderr for response in responses) == b"world\n"
        assert [response.exitcode for response in responses if response.WhichOneof("output") == "exitcode"] == last

    def test_one_that_was_killed(self, start: Start, root: Path) -> None:
        """`RunPlugin`."""
        python(root / "venv/bin/python")
        with start() as host:
            responses = host.run_plugin(root, SECONDS="60")
            os.kill(host.child(), signal.SIGKILL)
            assert list(responses)[-1] == language_pb2.RunPluginResponse(exitcode=-1)

    def test_it_is_killed_when_the_engine_drops_it(self, start: Start, root: Path, notes: Path) -> None:
        """`RunPlugin` by `exec.CommandContext`: it is not asked to stop."""
        python(root / "venv/bin/python")
        with start() as host:
            responses = host.run_plugin(root, SECONDS="60")
            next(responses)
            child = host.child()
            host.stub.Cancel(empty_pb2.Empty())
            assert alive(child)
            responses.cancel()
            wait_until(lambda: not alive(child))
        assert not (notes / "stopped").exists()

    def test_it_is_killed_with_the_engine(self, kind: str, root: Path, notes: Path) -> None:
        """`RunPlugin`: with the engine its calls end."""
        python(root / "venv/bin/python")
        arguments = [OWN, "-c", ENGINE_OF_A_PLUGIN, str(root), *command(kind, notes / "executor", "127.0.0.1:1")]
        with subprocess.Popen(arguments, env=environment_of(notes, SECONDS="60"), start_new_session=True) as process:
            try:
                wait_until(lambda: (notes / "pid").exists() and (notes / "pid").read_text())
                child = int((notes / "pid").read_text())
                process.kill()
                wait_until(lambda: not alive(child))
            finally:
                os.killpg(process.pid, signal.SIGKILL)
        assert not (notes / "stopped").exists()

    def test_a_folder_that_is_not_there(self, start: Start, root: Path) -> None:
        """`RunPlugin`; the reason is that of Go's `os/exec`."""
        python(root / "venv/bin/python")
        with start() as host, pytest.raises(grpc.RpcError) as error:
            list(host.run_plugin(root, pwd=root / "gone"))
        assert details(error) == EXEC.format("plugin program") + f"chdir {root}/gone: no such file or directory"

    def test_a_package_without_a_main(self, start: Start, root: Path, notes: Path) -> None:
        """`RunPlugin`, `IsBuildablePackage`: `pulumi.run.plugin` runs it by its name."""
        (root / "__main__.py").unlink()
        stand_in(root / "venv/bin/python", notes, "echo 1")
        with start() as host:
            for text in ("", '[project]\nname = "mine"\n', '[build-system]\nbuild-backend = "x"\n'):
                if text:
                    (root / "pyproject.toml").write_text(text)
                with pytest.raises(grpc.RpcError) as error:
                    list(host.run_plugin(root))
                assert details(error) == (
                    "plugin is not runnable, it provides neither __main__.py nor a buildable pyproject.toml"
                )
            calls(notes)
            (root / "pyproject.toml").write_text('[project]\nname = "mine"\n[build-system]\nbuild-backend = "x"\n')
            list(host.run_plugin(root, "127.0.0.1:5"))
        check, run = calls(notes)
        assert check.arguments == "-c import pulumi.run.plugin"
        assert (run.arguments, run.folder) == ("-m pulumi.run.plugin mine 127.0.0.1:5", str(root))

    def test_a_package_with_an_sdk_that_cannot_run_it(self, start: Start, root: Path, notes: Path) -> None:
        """`RunPlugin`: its folder is run, and Python reports what is missing."""
        (root / "__main__.py").unlink()
        (root / "pyproject.toml").write_text('[project]\nname = "mine"\n[build-system]\nbuild-backend = "x"\n')
        fails = "case $1 in -c) echo ModuleNotFoundError: No module named pulumi.run >&2; exit 1;; esac"
        stand_in(root / "venv/bin/python", notes, fails)
        with start() as host:
            list(host.run_plugin(root, "127.0.0.1:5"))
        assert [call.arguments for call in calls(notes)] == ["-c import pulumi.run.plugin", f"{root} 127.0.0.1:5"]

    def test_a_broken_pyproject(self, start: Start, root: Path, notes: Path) -> None:
        """`LoadPyproject`."""
        (root / "__main__.py").unlink()
        stand_in(root / "venv/bin/python", notes)
        (root / "pyproject.toml").write_text("[project\n")
        with start() as host, pytest.raises(grpc.RpcError) as error:
            list(host.run_plugin(root))
        # The rest is the parser's.
        text = "checking if plugin is a buildable package: parsing pyproject.toml: unmarshaling pyproject.toml: "
        assert details(error).startswith(text)


# A policy pack: notes how it was started, prints its port and more, and serves a little.
PACK = """
import json, os, pathlib, sys, time
from concurrent import futures
import grpc
from pulumi.runtime.proto import analyzer_pb2, analyzer_pb2_grpc, plugin_pb2

notes = pathlib.Path(os.environ["NOTES"])
seen = {"arguments": json.loads(os.environ["ARGUMENTS"]), "folder": os.getcwd(), "environment": dict(os.environ)}
(notes / "seen").write_text(json.dumps(seen))
if "SAYS" in os.environ:
    print(os.environ["SAYS"], flush=True)
    sys.exit()
if "STATUS" in os.environ:
    sys.exit(int(os.environ["STATUS"]))

class Pack(analyzer_pb2_grpc.AnalyzerServicer):
    def ConfigureStack(self, request, context):
        if os.environ.get("OLD"):
            context.abort(grpc.StatusCode.UNIMPLEMENTED, "what is that?")
        if os.environ.get("REFUSES"):
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "no such stack")
        (notes / "configured").write_text(request.stack)
        return analyzer_pb2.AnalyzerStackConfigureResponse()

    def GetPluginInfo(self, request, context):
        return plugin_pb2.PluginInfo(version="1.2.3")

    def Analyze(self, request, context):
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, f"not {request.urn}")

server = grpc.server(futures.ThreadPoolExecutor(4))
analyzer_pb2_grpc.add_AnalyzerServicer_to_server(Pack(), server)
port = server.add_insecure_port("127.0.0.1:0")
server.start()
print(port, flush=True)
sys.stdout.write("more\\n")  # `print` writes the end of the line apart, with -u
sys.stdout.flush()
(notes / "pid").write_text(str(os.getpid()))
server.wait_for_termination()
"""


class TestPolicyPack:
    """`RunPlugin` of the kind `analyzer`, and `PolicyProxy`."""

    @pytest.fixture
    def tools(self, tmp_path: Path) -> Path:
        """A folder for PATH whose python3 is a policy pack."""
        (tmp_path / "pack.py").write_text(PACK)
        self.pack(tmp_path / "bin/python3")
        return tmp_path / "bin"

    def pack(self, file: Path) -> Path:
        """Make a Python that is a policy pack, but for the official host's question what it can import."""
        arguments = f"""ARGUMENTS=$({OWN} -c 'import json, sys; print(json.dumps(sys.argv[1:]))' "$@")"""
        pack = file.parents[1] / "pack.py" if file.name == "python3" else file.parents[3] / "pack.py"
        question = 'case "$1" in -c) exit 0 ;; esac'
        return executable(file, f"#!/bin/sh\n{question}\nexport WHICH={file}\n{arguments} exec {OWN} {pack}\n")

    @contextmanager
    def running(
        self, host: Host, root: Path, *, options: Mapping[str, object] | None = None, **variables: str
    ) -> Generator[tuple[Any, Any]]:
        """A pack as the engine runs it, before it is configured: what it prints, and the service at its port."""
        responses = host.run_plugin(root, "127.0.0.1:5", kind="analyzer", pwd=root.parent, options=options, **variables)
        with grpc.insecure_channel(f"127.0.0.1:{int(next(responses).stdout)}") as channel:
            analyzer: Any = analyzer_pb2_grpc.AnalyzerStub(channel)
            analyzer.Handshake(analyzer_pb2.AnalyzerHandshakeRequest())
            yield responses, analyzer
            responses.cancel()
            if (host.notes / "pid").exists():
                wait_until(lambda: not alive(host.child()))

    def stack(self, **fields: Any) -> analyzer_pb2.AnalyzerStackConfigureRequest:
        return analyzer_pb2.AnalyzerStackConfigureRequest(project="tiny", stack="dev", **fields)

    def test_it_starts_when_the_stack_is_known(self, start: Start, root: Path, notes: Path, tools: Path) -> None:
        """`AwaitConfiguration`, `Attach`; without an option it runs with the Python on PATH, as programs do."""
        with start(PATH=path_with(tools)) as host, self.running(host, root) as (responses, analyzer):
            assert not (notes / "seen").exists()
            analyzer.ConfigureStack(self.stack(organization="acme", dry_run=True, config={"tiny:a": "1"}))
            assert analyzer.GetPluginInfo(empty_pb2.Empty()).version == "1.2.3"
            seen = host.seen()
            assert seen["arguments"] == ["-u", "-m", "pulumi.policy", "127.0.0.1:5", str(root)]
            assert seen["folder"] == str(root)
            environment = seen["environment"]
            assert environment["WHICH"] == str(tools / "python3")
            names = ("ORGANIZATION", "PROJECT", "STACK", "DRY_RUN")
            assert [environment[f"PULUMI_{name}"] for name in names] == ["acme", "tiny", "dev", "true"]
            assert json.loads(environment["PULUMI_CONFIG"]) == {"tiny:a": "1"}
            assert (notes / "configured").read_text() == "dev"
            assert next(responses).stdout == b"more\n"

    def test_it_runs_in_the_environment_of_its_option(self, start: Start, root: Path, tools: Path) -> None:
        """`pip.Command`."""
        chosen = self.pack(root / "venv/bin/python")
        with (
            start(PATH=path_with(tools)) as host,
            self.running(host, root, options={"virtualenv": "venv"}, OF_ENGINE="1") as (_responses, analyzer),
        ):
            analyzer.ConfigureStack(self.stack())
            analyzer.GetPluginInfo(empty_pb2.Empty())
            environment = host.seen()["environment"]
            assert (environment["WHICH"], environment["VIRTUAL_ENV"]) == (str(chosen), str(root / "venv"))
            assert environment["OF_ENGINE"] == "1"
            assert environment["PULUMI_DRY_RUN"] == "false"
            assert "PULUMI_ORGANIZATION" not in environment
            assert "PULUMI_CONFIG" not in environment

    def test_without_a_stack_it_starts_at_the_first_question(self, start: Start, root: Path, tools: Path) -> None:
        """`awaitClient`, for `pulumi policy publish`."""
        with start(PATH=path_with(tools)) as host, self.running(host, root, OLD="1") as (_responses, analyzer):
            assert analyzer.GetPluginInfo(empty_pb2.Empty()).version == "1.2.3"
            assert not [name for name in host.seen()["environment"] if name in ("PULUMI_STACK", "PULUMI_DRY_RUN")]

    def test_its_errors_are_passed_on(self, start: Start, root: Path, tools: Path) -> None:
        """`Analyze`."""
        with start(PATH=path_with(tools)) as host, self.running(host, root) as (_responses, analyzer):
            with pytest.raises(grpc.RpcError) as error:
                analyzer.Analyze(analyzer_pb2.AnalyzeRequest(urn="mine"))
            assert (error.value.code(), error.value.details()) == (grpc.StatusCode.FAILED_PRECONDITION, "not mine")

    def test_a_refused_configuration(self, start: Start, root: Path, tools: Path) -> None:
        """`Attach`."""
        text = "policy pack configuration failed: rpc error: code = InvalidArgument desc = no such stack"
        with start(PATH=path_with(tools)) as host, self.running(host, root, REFUSES="1") as (responses, analyzer):
            analyzer.ConfigureStack(self.stack())
            with pytest.raises(grpc.RpcError) as error:
                list(responses)
            attach = "could not attach policy pack proxy: "
            shown = details(error, grpc.StatusCode.INVALID_ARGUMENT)
            assert shown == EXEC.format("plugin program") + attach + text

    @pytest.mark.parametrize(
        ("says", "reason"), [("word", "expected integer"), ("", "unexpected newline")], ids=["a word", "an empty line"]
    )
    def test_one_without_a_port(self, start: Start, root: Path, tools: Path, says: str, reason: str) -> None:
        """`Attach`."""
        with start(PATH=path_with(tools)) as host, self.running(host, root, SAYS=says) as (responses, analyzer):
            analyzer.ConfigureStack(self.stack())
            with pytest.raises(grpc.RpcError) as error:
                list(responses)
            attach = "could not attach policy pack proxy: could not read policy pack port: "
            assert details(error) == EXEC.format("plugin program") + attach + reason

    def test_one_that_says_nothing(self, start: Start, root: Path, tools: Path) -> None:
        """`Attach`."""
        with start(PATH=path_with(tools)) as host, self.running(host, root, STATUS="3") as (responses, analyzer):
            with pytest.raises(grpc.RpcError) as error:
                analyzer.GetPluginInfo(empty_pb2.Empty())
            port = "could not read policy pack port: "
            assert details(error).startswith(f"policy pack not started: {port}")
            with pytest.raises(grpc.RpcError) as error:
                list(responses)
            # With Go, the end of the output and that of the pipe race.
            attach = f"could not attach policy pack proxy: {port}"
            assert details(error).startswith(EXEC.format("plugin program") + attach)

    def test_one_whose_environment_is_missing(self, start: Start, root: Path, tools: Path) -> None:
        """`RunPlugin`."""
        with (
            start(PATH=path_with(tools)) as host,
            self.running(host, root, options={"virtualenv": "venv"}) as (responses, analyzer),
        ):
            analyzer.ConfigureStack(self.stack())
            with pytest.raises(grpc.RpcError) as error:
                list(responses)
            assert details(error) == EXEC.format("plugin program") + NO_FILE.format(root / "venv/bin/python")


def distribution(folder: Path, name: str, version: str, plugin: str | None = None, **more: str) -> None:
    """Install a package into a folder: its metadata and, in its module, its pulumi-plugin.json."""
    module = name.replace("-", "_")
    metadata = folder / f"{module}-{version}.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (folder / module).mkdir()
    if plugin is not None:
        (folder / module / "pulumi-plugin.json").write_text(plugin)


# Makes environments of copies of itself, lists nothing, and has a pip that says what it is for.
MAKER = """
case "$*" in
  "-m venv "*) mkdir -p "$3/bin"; cp "$0" "$3/bin/python"; echo made; [ -z "$VENV_FAILS" ] || exit 1 ;;
  --version) echo Python 3.12.1 ;;
  *"list --format json"*) echo '[]' ;;
  -c*) echo '{"packages": [], "plugins": {}}' ;;
  *--upgrade*) echo upgraded; echo careful >&2 ;;
  *) echo installed; [ -z "$INSTALL_FAILS" ] || { echo no network >&2; exit 1; } ;;
esac
"""


UPGRADE = "-m pip install --upgrade pip setuptools wheel"
REQUIREMENTS = "-m pip install -r requirements.txt"


class TestRequiredPackages:
    """`GetRequiredPackages`."""

    def test_plugins_of_what_is_installed(self, start: Start, root: Path) -> None:
        """`listPulumiPackageInfos`, `packageDependencyFromPluginJSON`; a folder without metadata is not installed."""
        site = root / "site"
        resource = '{"resource": true, "server": "git://x"'
        distribution(site, "pulumi-mine", "2.0.0", resource + ', "version": "1.0.0"}')
        distribution(site, "Pulumi_Named", "2.0.0", resource + ', "name": "thing", "version": "v3.0.0"}')
        distribution(site, "plain", "2.0.0", resource + "}")
        distribution(site, "pulumi-by-its-name", "2.0.0")
        distribution(site, "pulumi-none", "2.0.0", '{"resource": false, "name": "none", "version": "1.0.0"}')
        distribution(site, "pulumi-silent", "2.0.0", '{"name": "silent"}')
        distribution(site, "pulumi-policy", "2.0.0")
        distribution(site, "pulumi-esc-sdk", "2.0.0")
        distribution(site, "something", "2.0.0")
        (site / "pulumi_folder").mkdir()
        (site / "pulumi_folder/pulumi-plugin.json").write_text(resource + "}")
        with start(PATH=path_with(Path(OWN).parent), PYTHONPATH=str(site)) as host:
            assert host.required(root) == {
                "mine": ("v1.0.0", "git://x"),
                "thing": ("v3.0.0", "git://x"),
                "plain": ("v2.0.0", "git://x"),
                "by-its-name": ("v2.0.0", ""),
                "aws": ("v7.51.1", ""),
                "github": ("v6.15.0", ""),
            }

    def test_a_parameterized_plugin(self, start: Start, root: Path) -> None:
        """`packageDependencyFromPluginJSON`."""
        described = {"resource": True, "name": "terraform", "version": "1.0.0"}
        for place in ("parameterization", "extensionParameterization"):
            described[place] = {"name": place[:3], "version": "2.0.0", "value": "aGk="}
        distribution(root / "site", "pulumi-mine", "3.0.0", json.dumps(described))
        with start(PATH=path_with(Path(OWN).parent), PYTHONPATH=str(root / "site")) as host:
            request = language_pb2.GetRequiredPackagesRequest(info=host.info(root))
            packages = host.stub.GetRequiredPackages(request).packages
        (package,) = [package for package in packages if package.name == "terraform"]
        assert package.parameterization == plugin_pb2.PackageParameterization(name="par", version="2.0.0", value=b"hi")
        assert package.extension == plugin_pb2.PackageParameterization(name="ext", version="2.0.0", value=b"hi")

    def test_the_version_of_a_plugin_is_that_of_its_package(self, start: Start, root: Path) -> None:
        """`determinePluginVersion`; a package whose version it cannot translate is left out."""
        versions = {
            "1": "v1.0.0", "1.2": "v1.2.0", "1.2.3": "v1.2.3", "1.2.3.4": "v1.2.3.4", "1.2a3": "v1.2.0-alpha.3",
            "1.2.3b4": "v1.2.3-beta.4", "1.2.3rc4": "v1.2.3-rc.4", "1.2.post3": "v1.2.0+post3",
            "1.2.3.dev4": "v1.2.3+dev4", "1.2.3a4.post5.dev6": "v1.2.3-alpha.4+post5dev6",
            "1.2.3-rc.4": "v1.2.3-rc.4", "1.2.3-beta": "v1.2.3-beta.0", "v1.2": "v1.2.0",
            "1!2.3.4": None, "1.2.3+local": None,
        }  # fmt: skip
        for number, version in enumerate(versions):
            distribution(root / "site", f"pulumi-case{number}", version)
        with start(PATH=path_with(Path(OWN).parent), PYTHONPATH=str(root / "site")) as host:
            required = host.required(root)
        translated = {version: required.get(f"case{number}") for number, version in enumerate(versions)}
        assert translated == {version: expected and (expected, "") for version, expected in versions.items()}

    def test_a_broken_description(self, start: Start, root: Path) -> None:
        """`listPulumiPackageInfos`."""
        distribution(root / "site", "pulumi-mine", "1.0.0", "{")
        with (
            start(PATH=path_with(Path(OWN).parent), PYTHONPATH=str(root / "site")) as host,
            pytest.raises(grpc.RpcError) as error,
        ):
            host.required(root)
        # The rest is the parser's.
        assert details(error).startswith("failed to parse pulumi-plugin.json for pulumi-mine: ")

    @pytest.mark.parametrize("option", [False, True])
    def test_an_environment_without_pip(self, start: Start, root: Path, option: bool) -> None:
        """`pip.ListPackages`."""
        venv.create(root / "env", symlinks=True, with_pip=False)
        with start(PATH=path_with(root / "env/bin")) as host, pytest.raises(grpc.RpcError) as error:
            host.required(root, {"virtualenv": "env"} if option else {})
        name = "python" if option else "python3"
        assert details(error) == f"calling `{root}/env/bin/{name} -m pip list --format json`: exit status 1"

    @pytest.mark.parametrize("empty", [False, True], ids=["missing", "empty"])
    def test_an_environment_is_made(self, start: Start, root: Path, tmp_path: Path, notes: Path, empty: bool) -> None:
        """`pip.EnsureVenv`, `InstallDependencies` of pip.go, `createEngineWriters`."""
        maker = stand_in(tmp_path / "bin/python3", notes, MAKER)
        (root / "requirements.txt").write_text("pulumi\n")
        if empty:
            (root / "env").mkdir()
        with start(PATH=path_with(tmp_path / "bin")) as host:
            assert host.required(root, {"virtualenv": "env"}) == {}
            made, upgraded, installed, *_ = calls(notes)
            assert host.required(root, {"virtualenv": "env"}) == {}
            assert not [call for call in calls(notes) if "venv" in call.arguments or "install" in call.arguments]
            logged = host.engine.logged
        assert (made.executable, made.arguments) == (str(maker), f"-m venv {root}/env")
        own = f"{root}/env/bin/python"
        activated = {"folder": str(root), "virtualenv": f"{root}/env", "first_on_path": f"{root}/env/bin"}
        assert upgraded == Call(own, UPGRADE, uv_environment="", **activated)
        assert installed == Call(own, REQUIREMENTS, uv_environment="", **activated)
        assert "".join(message for severity, message, _ in logged if severity == "INFO") == (
            "Creating virtual environment...\nFinished creating virtual environment\n"
            "Updating pip, setuptools, and wheel in virtual environment...\nupgraded\nFinished updating\n"
            "Installing dependencies in virtual environment...\ninstalled\nFinished installing dependencies\n"
        )
        assert [message for severity, message, _ in logged if severity == "ERROR"] == ["careful\n"]
        assert {ephemeral for *_, ephemeral in logged} == {True}

    @pytest.mark.parametrize(
        ("fails", "text"),
        [
            ("VENV_FAILS", "creating virtual environment at '{root}/env': exit status 1"),
            (
                "INSTALL_FAILS",
                f"installing dependencies via '{{root}}/env/bin/python {REQUIREMENTS}': exit status 1: no network",
            ),
        ],
    )
    def test_an_environment_cannot_be_made(
        self, start: Start, root: Path, tmp_path: Path, notes: Path, fails: str, text: str
    ) -> None:
        """`InstallDependencies` of pip.go."""
        stand_in(tmp_path / "bin/python3", notes, MAKER)
        (root / "requirements.txt").write_text("pulumi\n")
        with start(PATH=path_with(tmp_path / "bin"), **{fails: "1"}) as host:
            with pytest.raises(grpc.RpcError) as error:
                host.required(root, {"virtualenv": "env"})
            assert details(error) == text.format(root=root)
            shown = [message for severity, message, _ in host.engine.logged if severity == "ERROR"]
            assert ("made\n\n" in shown) is (fails == "VENV_FAILS")

    def test_a_folder_that_is_no_environment_is_left_alone(self, start: Start, root: Path) -> None:
        """`pip.EnsureVenv`, `validateVersion`."""
        (root / "env/lib").mkdir(parents=True)
        with start() as host:
            with pytest.raises(grpc.RpcError) as error:
                host.required(root, {"virtualenv": "env"})
            host.process.kill()
            _, shown = host.process.communicate()
        missing = NO_FILE.format(root / "env/bin/python")
        assert details(error) == f"calling `{root}/env/bin/python -m pip list --format json`: {missing}"
        assert shown == f"Failed to resolve python version command: {missing}\n"

    def test_no_python_on_path(self, start: Start, root: Path, tmp_path: Path) -> None:
        """`validateVersion`, `CommandPath`."""
        with start(PATH=str(tmp_path)) as host:
            with pytest.raises(grpc.RpcError) as error:
                host.required(root)
            host.process.kill()
            _, shown = host.process.communicate()
        text = 'failed to locate any of ["python3" "python"] on your PATH. Have you installed Python 3.6 or greater?'
        assert (details(error), shown) == (text, f"Failed to create python version command: {text}\n")

    def test_a_file_in_the_place_of_the_environment(self, start: Start, root: Path) -> None:
        """`pip.EnsureVenv`."""
        (root / "env").touch()
        with start() as host, pytest.raises(grpc.RpcError) as error:
            host.required(root, {"virtualenv": "env"})
        assert details(error) == (
            f"the 'virtualenv' option in Pulumi.yaml is set to \"{root}/env\" but it is not a directory"
        )

    @pytest.mark.parametrize(
        ("version", "shown"),
        [
            ("Python 3.12.1", ""),
            ("Python 3.14.0rc1", ""),
            ("Python 3.14.0a1", "Failed to parse python version: '3.14.0a1'\n"),
            ("Python 3.6.9", "Pulumi does not support Python 3.6.9. Please upgrade to at least 3.7.0\n"),
        ],
    )
    def test_a_python_that_is_too_old_is_told(
        self, start: Start, root: Path, notes: Path, version: str, shown: str
    ) -> None:
        """`validateVersion`."""
        stand_in(root / "env/bin/python", notes, MAKER.replace("Python 3.12.1", version))
        with start() as host:
            assert host.required(root, {"virtualenv": "env"}) == {}
            host.process.kill()
            assert host.process.communicate() == ("", shown)


class TestDependencies:
    def test_all_and_those_that_nothing_requires(self, start: Start, root: Path) -> None:
        """`GetProgramDependencies`, `pip.ListPackages`."""
        with start(PATH=path_with(Path(OWN).parent)) as host:
            names: list[set[str]] = []
            for transitive in (True, False):
                request = language_pb2.GetProgramDependenciesRequest(
                    info=host.info(root), transitiveDependencies=transitive
                )
                response = host.stub.GetProgramDependencies(request)
                names.append({dependency.name for dependency in response.dependencies})
        everything, chosen = names
        assert {"pulumi", "pulumi-aws", "grpcio", "pytest"} <= everything
        assert chosen < everything
        assert "grpcio" not in chosen

    def test_without_pip(self, start: Start, root: Path) -> None:
        """`GetProgramDependencies`."""
        with start() as host:
            request = language_pb2.GetProgramDependenciesRequest(info=host.info(root, {"virtualenv": "env"}))
            with pytest.raises(grpc.RpcError) as error:
                host.stub.GetProgramDependencies(request)
        listing = f"calling `{root}/env/bin/python -m pip list --format json --not-required`: "
        missing = NO_FILE.format(root / "env/bin/python")
        assert details(error) == f"failed to get python dependencies: {listing}{missing}"


class TestInstallation:
    """`InstallDependencies`."""

    def test_of_a_program(self, start: Start, root: Path, tmp_path: Path, notes: Path) -> None:
        """`InstallDependencies` of pip.go; an environment that is there is made again and kept."""
        stand_in(tmp_path / "bin/python3", notes, MAKER)
        (root / "requirements.txt").write_text("pulumi\n")
        with start(PATH=path_with(tmp_path / "bin")) as host:
            for _ in range(2):
                shown = host.install(root, {"virtualenv": "env"})
                assert sorted(shown.splitlines()) == sorted(
                    [
                        "Installing dependencies...", "",
                        "Creating virtual environment...", "Finished creating virtual environment",
                        "Updating pip, setuptools, and wheel in virtual environment...", "upgraded", "careful",
                        "Finished updating",
                        "Installing dependencies in virtual environment...", "installed",
                        "Finished installing dependencies",
                        "Finished installing dependencies", "",
                    ]
                )  # fmt: skip
                assert [call.arguments for call in calls(notes)] == [
                    f"-m venv {root}/env",
                    UPGRADE,
                    REQUIREMENTS,
                ]

    def test_of_a_program_without_an_environment_and_requirements(
        self, start: Start, root: Path, tmp_path: Path, notes: Path
    ) -> None:
        """`InstallDependencies` of pip.go: into the Python on PATH."""
        ambient = stand_in(tmp_path / "bin/python3", notes, MAKER)
        with start(PATH=path_with(tmp_path / "bin"), VIRTUAL_ENV="/active") as host:
            host.install(root)
        assert calls(notes) == [Call(str(ambient), UPGRADE, str(root), "", "", "bin")]

    @pytest.mark.parametrize("buildable", [False, True])
    def test_of_a_plugin(self, start: Start, root: Path, tmp_path: Path, notes: Path, buildable: bool) -> None:
        """A plugin that is a package is installed into its environment, after what it requires of pip."""
        stand_in(tmp_path / "bin/python3", notes, MAKER)
        if buildable:
            (root / "pyproject.toml").write_text('[project]\nname = "mine"\n[build-system]\nbuild-backend = "x"\n')
        with start(PATH=path_with(tmp_path / "bin")) as host:
            host.install(root, plugin=True)
        made = [f"-m venv {root}/venv", UPGRADE]
        package = [*made, f"-m pip install {root}"] if buildable else []
        assert [call.arguments for call in calls(notes)] == [*package, *made]

    def test_a_plugin_that_cannot_be_installed(self, start: Start, root: Path, tmp_path: Path, notes: Path) -> None:
        """`InstallDependencies`."""
        stand_in(tmp_path / "bin/python3", notes, MAKER)
        (root / "pyproject.toml").write_text('[project]\nname = "mine"\n[build-system]\nbuild-backend = "x"\n')
        with start(PATH=path_with(tmp_path / "bin"), INSTALL_FAILS="1") as host:
            with pytest.raises(grpc.RpcError) as error:
                host.install(root, plugin=True)
            assert details(error) == "installing package: exit status 1"
        with start(PATH=path_with(tmp_path / "bin"), VENV_FAILS="1") as host:
            with pytest.raises(grpc.RpcError) as error:
                host.install(root, {"virtualenv": "other"}, plugin=True)
            shown = f"creating virtual environment at '{root}/other': exit status 1"
            assert details(error) == f"creating virtual environment: {shown}"


class TestQuestions:
    def test_about(self, start: Start, root: Path, tmp_path: Path, notes: Path) -> None:
        """`About`."""
        # The official host asks pip, the rig's one the metadata of pip.
        asked = 'case "$*" in *pip*--version) echo pip 25.3 from /x; exit ;; *version*pip*) echo 25.3; exit ;; esac'
        stand_in(root / "env/bin/python", notes, f'{asked}; exec {OWN} "$@"')
        own = ".".join(map(str, sys.version_info[:3]))
        with start(PATH=path_with(Path(OWN).parent)) as host:
            info = host.info(root, {"virtualenv": "env", "toolchain": "pip", "typechecker": "mypy"})
            named = host.stub.About(language_pb2.AboutRequest(info=info))
            ambient = host.stub.About(language_pb2.AboutRequest(info=host.info(root)))
            without = host.stub.About(language_pb2.AboutRequest())
        assert (named.executable, named.version) == (OWN, own)
        assert dict(named.metadata) == {"toolchain": "Pip", "toolchainVersion": "25.3.0", "typechecker": "Mypy"}
        assert (ambient.executable, ambient.version) == (str(Path(OWN).with_name("python3")), own)
        assert [ambient.metadata[name] for name in ("toolchain", "typechecker")] == ["Auto", "None"]
        assert without.metadata["toolchain"] == "Pip"

    def test_what_a_new_project_is_asked(self, start: Start, root: Path, tmp_path: Path, notes: Path) -> None:
        """`RuntimeOptionsPrompts`, `MakeExecutablePromptChoices`."""
        stand_in(tmp_path / "bin/uv", notes)

        def prompts(host: Host, options: dict[str, str]) -> list[tuple[str, list[tuple[str, str]], str]]:
            request = language_pb2.RuntimeOptionsRequest(info=host.info(root, options))
            return [
                (
                    prompt.key,
                    [(choice.stringValue, choice.displayName) for choice in prompt.choices],
                    prompt.default.stringValue,
                )
                for prompt in host.stub.RuntimeOptionsPrompts(request).prompts
            ]

        with start(PATH=str(tmp_path / "bin")) as host:
            choices = [("pip", "pip"), ("uv", "uv"), ("poetry", "poetry [not found]")]
            assert prompts(host, {}) == [("toolchain", choices, "pip")]
            assert prompts(host, {"toolchain": "pip"}) == [("virtualenv", [("venv", "")], "venv")]
            assert prompts(host, {"toolchain": "pip", "virtualenv": "env"}) == []
            assert prompts(host, {"toolchain": "uv"}) == []

    def test_a_template_for_pip_stays_as_it_is(self, start: Start, root: Path) -> None:
        """`Template`, `pip.PrepareProject`."""
        (root / "requirements.txt").write_text("pulumi\n")
        with start() as host:
            host.stub.Template(language_pb2.TemplateRequest(info=host.info(root), project_name="mine"))
        assert (root / "requirements.txt").read_text() == "pulumi\n"

    def test_plugins_are_not_asked_for_in_the_old_way(self, start: Start) -> None:
        """`GetRequiredPlugins`."""
        with start() as host, pytest.raises(grpc.RpcError) as error:
            host.stub.GetRequiredPlugins(language_pb2.GetRequiredPluginsRequest())
        assert error.value.code() == grpc.StatusCode.UNIMPLEMENTED


class TestRigAlone:
    """Differences between the rig's host and the official one."""

    def test_its_version_is_that_of_the_sdk(self, notes: Path) -> None:
        with started(notes) as host:
            assert host.stub.GetPluginInfo(empty_pb2.Empty()).version == "3.259.0"

    @pytest.mark.parametrize("method", ["GeneratePackage", "GenerateProgram", "GenerateProject", "Link", "Pack"])
    def test_code_is_not_generated(self, notes: Path, method: str) -> None:
        with started(notes) as host:
            with pytest.raises(grpc.RpcError) as error:
                getattr(host.stub, method)(getattr(language_pb2, f"{method}Request")())
            text = f"{method}: this language host only runs Python; a release of Pulumi generates code"
            assert details(error, grpc.StatusCode.UNIMPLEMENTED) == text
            host.process.send_signal(signal.SIGTERM)
            assert host.process.communicate(timeout=120) == ("", "")

    def test_what_is_not_supported_is_refused(self, notes: Path, root: Path, tmp_path: Path) -> None:
        stand_in(tmp_path / "bin/poetry", notes, "echo 'Poetry (version 2.1.0)'")
        text = "the language host of the tests does not support {}: install Pulumi to use its own language host"
        with started(notes, PATH=path_with(tmp_path / "bin")) as host:
            for what, refused in {
                "the toolchain poetry": lambda: host.run(root, {"toolchain": "poetry"}),
                "the option typechecker": lambda: host.run(root, {"typechecker": "mypy"}),
                "debuggers": lambda: host.run(root, attach_debugger=True),
            }.items():
                with pytest.raises(grpc.RpcError) as error:
                    refused()
                assert details(error) == text.format(what)
            request = language_pb2.InstallDependenciesRequest(info=host.info(root), use_language_version_tools=True)
            with pytest.raises(grpc.RpcError) as error:
                list(host.stub.InstallDependencies(request))
            assert details(error) == text.format("language version tools")

    def test_the_listing_is_that_of_pip(self, notes: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """`pip list` is what the official host asks."""
        monkeypatch.setattr(sys, "path", [str(OFFLINE), *sys.path])
        for name, version in (("Odd.Name", "1.0-rc.1"), ("odd-version", "one"), ("argparse", "1.4")):
            distribution(root / "site", name, version)
        distribution(root / "other", "odd-name", "2.0")
        path = f"{root / 'site'}:{root / 'other'}"
        environment = {**environment_of(notes), "PYTHONPATH": path}
        script = import_module("language_host.pip").PRINT_INSTALLED
        listed, printed = (
            json.loads(subprocess.run([OWN, *arguments], env=environment, stdout=subprocess.PIPE, check=True).stdout)
            for arguments in (["-m", "pip", "list", "--format", "json"], ["-c", script])
        )
        by_pip = [(package["name"], package["version"]) for package in listed]
        assert [tuple(package) for package in printed["packages"]] == by_pip
        assert ("Odd.Name", "1.0rc1") in by_pip

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_it_ends_quietly_and_leaves_no_child(self, notes: Path, root: Path, number: signal.Signals) -> None:
        python(root / "venv/bin/python")
        with started(notes, SECONDS="60") as host:
            responses = host.run_plugin(root, SECONDS="60")
            next(responses)
            plugin = host.child()
            (notes / "pid").unlink()
            call = host.stub.Run.future(host.run_request(root, {"virtualenv": "venv"}))
            program = host.child()
            host.process.send_signal(number)
            assert host.process.communicate(timeout=120) == ("hello\n", "world\n")
            assert host.process.returncode == 0
            assert not alive(plugin)
            assert not alive(program)
            call.cancel()
        # The program was interrupted, as `Run` of the official host does; the plugin was killed.
        assert (notes / "stopped").read_text() == "SIGINT\n"

    def test_it_is_quiet_when_it_is_interrupted_while_it_starts(self, tmp_path: Path) -> None:
        # grpc is what it imports first; this one reports its import, and then takes its time.
        (tmp_path / "grpc.py").write_text("import time\nprint('importing', flush=True)\ntime.sleep(60)\n")
        environment = {**os.environ, "PYTHONPATH": f"{OFFLINE}:{tmp_path}"}
        command = [OWN, "-m", "language_host", "executor", "127.0.0.1:1"]
        with subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "importing\n"
            process.send_signal(signal.SIGINT)
            assert process.communicate(timeout=120) == ("", "")
        assert process.returncode == 0

    def test_it_ends_with_the_engine(self, notes: Path) -> None:
        # The shell stands for the engine: it is the parent, and it is killed.
        line = '"$@" & echo $! >&2; wait'
        start = ["/bin/sh", "-c", line, "sh", *command("rig", notes / "executor", "127.0.0.1:1")]
        with subprocess.Popen(start, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as engine:
            assert engine.stdout is not None
            assert engine.stderr is not None
            process = int(engine.stderr.readline())
            assert int(engine.stdout.readline())
            engine.kill()
            wait_until(lambda: not alive(process))


class TestProcesses:
    @pytest.fixture
    def processes(self, monkeypatch: pytest.MonkeyPatch) -> Any:
        monkeypatch.setattr(sys, "path", [str(OFFLINE), *sys.path])
        return import_module("language_host.processes")

    def test_one_that_ignores_its_interruption_is_killed_when_the_grace_is_over(self, processes: Any) -> None:
        deaf = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); print(1, flush=True); time.sleep(60)"
        started = processes.Processes().start(processes.Command([OWN, "-c", deaf], os.environ), piped=True, grace=0.3)
        with started as process:
            process.stdout.readline()
        assert process.returncode == -signal.SIGKILL

    def test_one_that_heeds_its_interruption_is_not_killed(self, processes: Any) -> None:
        obedient = (
            "import os, signal, time; signal.signal(signal.SIGINT, lambda *_: os._exit(7)); print(1, flush=True);"
            " time.sleep(60)"
        )
        started = processes.Processes().start(
            processes.Command([OWN, "-c", obedient], os.environ), piped=True, grace=60
        )
        with started as process:
            process.stdout.readline()
        assert process.returncode == 7

    def test_closed_ones_start_nothing(self, processes: Any) -> None:
        closed = processes.Processes()
        closed.close()
        with (
            pytest.raises(processes.HostError, match=r"^the language host is about to exit$"),
            closed.start(processes.Command([OWN, "-c", ""], os.environ)),
        ):
            pass

    def test_errors_have_the_words_of_go(self, processes: Any, tmp_path: Path) -> None:
        run = processes.Processes().run
        for arguments, text in {
            ("/not/there",): "fork/exec /not/there: no such file or directory",
            ("not-there",): 'exec: "not-there": executable file not found in $PATH',
            ("/bin/sh", "-c", "exit 3"): "exit status 3",
            ("/bin/sh", "-c", "kill -KILL $$"): "signal: killed",
            ("/bin/sh", "-c", "kill -INT $$"): "signal: interrupt",
        }.items():
            with pytest.raises(processes.CommandError) as error:
                run(processes.Command(arguments, os.environ))
            assert str(error.value) == text
        with pytest.raises(processes.CommandError, match=f"^chdir {tmp_path}/gone: no such file or directory$"):
            run(processes.Command(["/bin/sh"], os.environ, f"{tmp_path}/gone"))
