"""The language host: which Python runs what, and that nothing it starts outlives it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from google.protobuf import empty_pb2
from pulumi.runtime.proto import language_pb2, language_pb2_grpc

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

ENGINE = Path(__file__).resolve().parents[2] / "rig" / "engine"
OWN = sys.executable

# Says that it has started, and stops when it is asked to: at once, after a while, or never.
PLUGIN = """
import os, pathlib, signal, sys, time
delay = float(os.environ.get("DELAY", "0"))
signal.signal(signal.SIGINT, signal.SIG_IGN)
def stop(*_):
    pathlib.Path(os.environ["NOTES"], "asked").open("a").write("asked\\n")
    time.sleep(delay)
    os._exit(3)
signal.signal(signal.SIGTERM, stop)
pathlib.Path(os.environ["NOTES"], "pid").write_text(str(os.getpid()))
print("port", *sys.argv[1:], flush=True)
print("hello", file=sys.stderr, flush=True)
if os.environ.get("ENDS"):
    sys.exit(int(os.environ["ENDS"]))
while True:
    time.sleep(60)
"""
# In place of pulumi-language-python-exec.
EXECUTOR = """
import json, os, pathlib, sys, time
notes = pathlib.Path(os.environ["NOTES"])
names = ("PULUMI_CONFIG", "PULUMI_CONFIG_SECRET_KEYS", "VIRTUAL_ENV")
seen = {"arguments": sys.argv[1:], "folder": os.getcwd(), **{name: os.environ.get(name) for name in names}}
(notes / "seen").write_text(json.dumps(seen))
(notes / "pid").write_text(str(os.getpid()))
time.sleep(float(os.environ.get("SECONDS", "0")))
sys.exit(int(os.environ.get("STATUS", "0")))
"""


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(sys, "path", [str(ENGINE), *sys.path])
    return import_module("language_host.host")


def make_environment(folder: Path) -> Path:
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").symlink_to(OWN)
    return folder


class TestInterpreter:
    def test_a_program_runs_in_the_environment_that_its_project_names(self, host: Any, tmp_path: Path) -> None:
        named = make_environment(tmp_path / "env")
        active = make_environment(tmp_path / "active")
        found = host.program_interpreter({"virtualenv": "env"}, str(tmp_path), {"VIRTUAL_ENV": str(active)})
        assert found == (f"{named}/bin/python", str(named))

    def test_an_absolute_path_is_taken_as_it_is(self, host: Any, tmp_path: Path) -> None:
        named = make_environment(tmp_path / "env")
        assert host.program_interpreter({"virtualenv": str(named)}, "/", {}) == (f"{named}/bin/python", str(named))

    @pytest.mark.parametrize("options", [{}, {"virtualenv": "not-there"}, {"virtualenv": ""}, {"toolchain": "pip"}])
    def test_else_in_the_active_one(self, host: Any, tmp_path: Path, options: dict[str, str]) -> None:
        active = make_environment(tmp_path / "active")
        found = host.program_interpreter(options, str(tmp_path), {"VIRTUAL_ENV": str(active)})
        assert found == (f"{active}/bin/python", str(active))

    @pytest.mark.parametrize("active", [{}, {"VIRTUAL_ENV": ""}, {"VIRTUAL_ENV": "/not/there"}])
    def test_else_in_that_of_the_host(self, host: Any, tmp_path: Path, active: dict[str, str]) -> None:
        assert host.program_interpreter({}, str(tmp_path), active) == host.own_interpreter()
        assert host.own_interpreter().executable == OWN

    def test_a_plugin_runs_in_the_environment_that_it_names(self, host: Any, tmp_path: Path) -> None:
        named, default = make_environment(tmp_path / "env"), make_environment(tmp_path / "venv")
        assert host.plugin_interpreter({"virtualenv": "env"}, str(tmp_path)).virtualenv == str(named)
        assert host.plugin_interpreter({}, str(tmp_path)).virtualenv == str(default)

    @pytest.mark.parametrize("options", [{}, {"virtualenv": "not-there"}])
    def test_a_plugin_without_one_runs_in_that_of_the_host_and_never_in_the_active_one(
        self, host: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, str]
    ) -> None:
        monkeypatch.setenv("VIRTUAL_ENV", str(make_environment(tmp_path / "active")))
        assert host.plugin_interpreter(options, str(tmp_path)) == host.own_interpreter()

    def test_its_variables_are_those_of_an_activated_environment(self, host: Any) -> None:
        base = {"PATH": "/bin", "PYTHONHOME": "/old", "VIRTUAL_ENV": "/other", "PYTHONPATH": "components"}
        assert host.Interpreter("/env/bin/python", "/env").environment(base) == {
            "PATH": "/env/bin:/bin",
            "VIRTUAL_ENV": "/env",
            "PYTHONPATH": "components",
        }
        assert host.Interpreter("/usr/bin/python3", None).environment(base) == base


class TestArguments:
    def test_all(self, host: Any) -> None:
        info = language_pb2.ProgramInfo(root_directory="/root", program_directory="/root/main", entry_point="app.py")
        request = language_pb2.RunRequest(
            monitor_address="m:1", project="p", stack="s", pwd="/root", dryRun=True, parallel=4, organization="o",
            args=["x"], info=info,
        )  # fmt: skip
        words = "--monitor m:1 --engine e:2 --project p --root_directory /root --stack s --pwd /root --dry_run true"
        words += " --parallel 4 --organization o /root/main/app.py x"
        assert host.program_arguments(request, "e:2") == words.split()

    def test_what_is_empty_is_left_out_and_the_program_is_its_folder(self, host: Any) -> None:
        request = language_pb2.RunRequest(info=language_pb2.ProgramInfo(program_directory="/root", entry_point="."))
        assert host.program_arguments(request, "") == ["--dry_run", "false", "--parallel", "0", "/root"]


class TestChildren:
    def test_a_process_that_does_not_stop_is_killed_when_the_grace_is_over(self, host: Any) -> None:
        children = host.Children(grace=0.3)
        deaf = (
            "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(60)"
        )
        with children.start([OWN, "-c", deaf], "", os.environ, piped=True) as process:
            process.stdout.readline()
            started = time.monotonic()
        assert process.returncode == -signal.SIGKILL
        assert 0.3 <= time.monotonic() - started < 30
        process.stdout.close()
        process.stderr.close()

    def test_closed_ones_start_nothing(self, host: Any) -> None:
        children = host.Children()
        children.close()
        with (
            pytest.raises(RuntimeError, match=r"^the language host is about to exit$"),
            children.start([OWN, "-c", ""], "", os.environ),
        ):
            pass


class Running:
    """A language host in a process of its own, as the engine starts it."""

    def __init__(self, notes: Path, process: subprocess.Popen[str], channel: grpc.Channel) -> None:
        self.notes = notes
        self.process = process
        self.stub: Any = language_pb2_grpc.LanguageRuntimeStub(channel)

    def child(self) -> int:
        wait_until(lambda: (self.notes / "pid").exists() and (self.notes / "pid").read_text())
        return int((self.notes / "pid").read_text())

    def run_plugin(self, folder: Path, *arguments: str, kind: str = "resource", **variables: str) -> Any:
        environment = {"PATH": os.environ["PATH"], "NOTES": str(self.notes), **variables}
        return self.stub.RunPlugin(
            language_pb2.RunPluginRequest(
                pwd=str(folder),
                kind=kind,
                args=arguments,
                env=[f"{name}={value}" for name, value in environment.items()],
                info=language_pb2.ProgramInfo(
                    root_directory=str(folder), program_directory=str(folder), entry_point="."
                ),
            )
        )


def wait_until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def alive(pid: int) -> bool:
    # One that has ended and that nobody has waited for is not alive; in a container, nobody may ever do so.
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@contextmanager
def started(notes: Path, **variables: str) -> Generator[Running, None, None]:
    executor = notes / "executor"
    executor.write_text(EXECUTOR)
    command = [OWN, "-m", "language_host", str(executor), "--tracing", "x:9", "127.0.0.1:1"]
    environment = {**os.environ, "PYTHONPATH": str(ENGINE), "NOTES": str(notes), **variables}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            with grpc.insecure_channel(f"127.0.0.1:{int(process.stdout.readline())}") as channel:
                yield Running(notes, process, channel)
        finally:
            process.kill()


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    folder = tmp_path / "plugin"
    folder.mkdir()
    (folder / "__main__.py").write_text(PLUGIN)
    return folder


def run_request(folder: Path, **fields: Any) -> language_pb2.RunRequest:
    info = language_pb2.ProgramInfo(root_directory=str(folder), program_directory=str(folder), entry_point=".")
    return language_pb2.RunRequest(pwd=str(folder), project="tiny", stack="dev", info=info, **fields)


class TestRunning:
    def test_a_program_gets_its_configuration_in_its_environment(self, tmp_path: Path) -> None:
        with started(tmp_path, VIRTUAL_ENV="") as running:
            request = run_request(tmp_path, config={"tiny:a": "1"}, configSecretKeys=["tiny:a"], dryRun=True)
            assert running.stub.Run(request) == language_pb2.RunResponse()
        seen = json.loads((tmp_path / "seen").read_text())
        assert json.loads(seen.pop("PULUMI_CONFIG")) == {"tiny:a": "1"}
        assert json.loads(seen.pop("PULUMI_CONFIG_SECRET_KEYS")) == ["tiny:a"]
        assert seen.pop("VIRTUAL_ENV") == sys.prefix
        assert seen.pop("folder") == str(tmp_path)
        assert seen.pop("arguments")[:2] == ["--engine", "127.0.0.1:1"]
        assert seen == {}

    @pytest.mark.parametrize(
        ("status", "response"),
        [
            ("1", language_pb2.RunResponse(error="program exited with non-zero exit code: 1")),
            ("32", language_pb2.RunResponse(bail=True)),
        ],
    )
    def test_a_failed_program(self, tmp_path: Path, status: str, response: language_pb2.RunResponse) -> None:
        with started(tmp_path, STATUS=status) as running:
            assert running.stub.Run(run_request(tmp_path)) == response

    def test_a_program_that_was_killed(self, tmp_path: Path) -> None:
        with started(tmp_path, SECONDS="60") as running:
            call = running.stub.Run.future(run_request(tmp_path))
            os.kill(running.child(), signal.SIGKILL)
            assert call.result(10) == language_pb2.RunResponse(error="program was ended by SIGKILL")

    def test_cancel_stops_programs_but_not_plugins(self, tmp_path: Path, plugin: Path) -> None:
        notes = tmp_path / "notes"
        notes.mkdir()
        with started(tmp_path, SECONDS="60") as running:
            responses = running.run_plugin(plugin, NOTES=str(notes))
            next(responses)
            call = running.stub.Run.future(run_request(tmp_path))
            program = running.child()
            running.stub.Cancel(empty_pb2.Empty())
            assert call.result(10) == language_pb2.RunResponse(bail=True)
            assert not alive(program)
            child = int((notes / "pid").read_text())
            assert alive(child)
            assert not (notes / "asked").exists()
            responses.cancel()
            wait_until(lambda: not alive(child))

    def test_a_plugin_passes_on_what_it_prints_and_how_it_ends(self, tmp_path: Path, plugin: Path) -> None:
        with started(tmp_path) as running:
            responses = list(running.run_plugin(plugin, "127.0.0.1:5", ENDS="7"))
        assert responses[-1] == language_pb2.RunPluginResponse(exitcode=7)
        assert b"".join(response.stdout for response in responses) == b"port 127.0.0.1:5\n"
        assert b"".join(response.stderr for response in responses) == b"hello\n"

    def test_a_policy_pack_is_run_by_the_module_of_the_sdk(self, tmp_path: Path) -> None:
        pack = tmp_path / "pack"
        pack.mkdir()
        (pack / "__main__.py").write_text("import json, sys\nprint(json.dumps([__name__, *sys.orig_argv[1:]]))\n")
        with started(tmp_path) as running:
            responses = list(running.run_plugin(pack, "127.0.0.1:5", kind="analyzer"))
        printed = json.loads(b"".join(response.stdout for response in responses))
        assert printed == ["__main__", "-u", "-m", "pulumi.policy", "127.0.0.1:5", str(pack)]
        assert responses[-1] == language_pb2.RunPluginResponse(exitcode=0)

    def test_a_plugin_without_a_main_is_refused(self, tmp_path: Path) -> None:
        with started(tmp_path) as running, pytest.raises(grpc.RpcError) as error:
            list(running.run_plugin(tmp_path))
        assert error.value.details() == f"the Python plugin in {tmp_path} has no __main__.py"

    def test_a_plugin_is_asked_once_to_stop_when_the_engine_drops_it(self, tmp_path: Path, plugin: Path) -> None:
        with started(tmp_path) as running:
            responses = running.run_plugin(plugin, DELAY="0.5")
            next(responses)
            child = running.child()
            responses.cancel()
            wait_until((tmp_path / "asked").exists)
            running.process.send_signal(signal.SIGINT)
            assert running.process.wait(10) == 0
            assert not alive(child)
        assert (tmp_path / "asked").read_text() == "asked\n"

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_it_ends_quietly_and_leaves_no_child(self, tmp_path: Path, plugin: Path, number: signal.Signals) -> None:
        with started(tmp_path) as running:
            responses = running.run_plugin(plugin, DELAY="0.5")
            next(responses)
            child = running.child()
            running.process.send_signal(number)
            assert running.process.communicate(timeout=10) == ("", "")
            assert running.process.returncode == 0
            assert not alive(child)

    def test_it_is_quiet_when_it_is_interrupted_while_it_starts(self, tmp_path: Path) -> None:
        # grpc is what it imports first; this one tells that it is being imported, and then takes its time.
        (tmp_path / "grpc.py").write_text("import time\nprint('importing', flush=True)\ntime.sleep(60)\n")
        environment = {**os.environ, "PYTHONPATH": f"{ENGINE}:{tmp_path}"}
        command = [OWN, "-m", "language_host", "executor", "127.0.0.1:1"]
        with subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "importing\n"
            process.send_signal(signal.SIGINT)
            assert process.communicate(timeout=10) == ("", "")
        assert process.returncode == 0

    def test_it_ends_with_the_engine_and_takes_its_children_along(self, tmp_path: Path, plugin: Path) -> None:
        # The shell stands for the engine: it is the parent, and it is killed.
        command = f'"{OWN}" -m language_host executor 127.0.0.1:1 & echo $! >&2; wait'
        environment = {**os.environ, "PYTHONPATH": str(ENGINE)}
        with subprocess.Popen(
            ["/bin/sh", "-c", command], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as engine:
            assert engine.stdout is not None
            assert engine.stderr is not None
            process = int(engine.stderr.readline())
            with grpc.insecure_channel(f"127.0.0.1:{int(engine.stdout.readline())}") as channel:
                running = Running(tmp_path, engine, channel)
                responses = running.run_plugin(plugin)
                next(responses)
                child = running.child()
                engine.kill()
                wait_until(lambda: not alive(process) and not alive(child))

    def test_it_names_the_plugins_of_the_packages_that_are_installed(self, tmp_path: Path) -> None:
        # Like `pip list`, which the official host asks: what has metadata is installed, a folder of modules is not.
        for name, plugin in (("mine", '"version": "1.0.0"'), ("unversioned", '"name": "thing"'), ("folder", "")):
            package = tmp_path / "more" / f"pulumi_{name}"
            package.mkdir(parents=True)
            (package / "pulumi-plugin.json").write_text(f'{{"resource": true, "server": "git://x", {plugin}}}')
            if plugin:
                metadata = tmp_path / "more" / f"pulumi_{name}-2.0.0.dist-info"
                metadata.mkdir()
                (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: pulumi-{name}\nVersion: 2.0.0\n")
        with started(tmp_path, VIRTUAL_ENV="", PYTHONPATH=f"{ENGINE}:{tmp_path / 'more'}") as running:
            info = language_pb2.ProgramInfo(root_directory=str(tmp_path))
            response = running.stub.GetRequiredPackages(language_pb2.GetRequiredPackagesRequest(info=info))
            dependencies = running.stub.GetProgramDependencies(language_pb2.GetProgramDependenciesRequest(info=info))
            about = running.stub.About(language_pb2.AboutRequest(info=info))
            plugin_info = running.stub.GetPluginInfo(empty_pb2.Empty())
        packages = sorted((package.name, package.version, package.server) for package in response.packages)
        assert packages == [
            ("aws", "v7.51.1", ""),
            ("github", "v6.15.0", ""),
            ("mine", "v1.0.0", "git://x"),
            ("thing", "v2.0.0", "git://x"),
        ]
        assert {package.kind for package in response.packages} == {"resource"}
        assert "pytest" in {dependency.name for dependency in dependencies.dependencies}
        assert about == language_pb2.AboutResponse(executable=OWN, version=".".join(map(str, sys.version_info[:3])))
        assert plugin_info.version == "3.259.0"

    def test_what_it_does_not_do_is_refused_with_a_reason(self, tmp_path: Path) -> None:
        with started(tmp_path) as running:
            with pytest.raises(grpc.RpcError) as error:
                running.stub.GeneratePackage(language_pb2.GeneratePackageRequest())
            assert error.value.code() == grpc.StatusCode.UNIMPLEMENTED
            assert error.value.details() == (
                "GeneratePackage: this language host only runs Python; a release of Pulumi installs packages and"
                " generates code"
            )
            running.process.send_signal(signal.SIGTERM)
            assert running.process.communicate(timeout=10) == ("", "")
