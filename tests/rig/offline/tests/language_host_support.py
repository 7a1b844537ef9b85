"""A language host in a process of its own, and what it works on: programs, plugins and stand-ins of Python."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc, language_pb2, language_pb2_grpc

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

OFFLINE = Path(__file__).resolve().parents[1]
OWN = sys.executable
# As build.sh starts it: with its modules on `sys.path`, but not on the PYTHONPATH of what it starts.
LAUNCH = (
    "import runpy, sys; sys.path.insert(0, sys.argv.pop(1)); "
    "runpy.run_module(sys.argv.pop(1), run_name='__main__', alter_sys=True)"
)
# Settings of the machine that would change what a host does.
UNSET = ("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "PULUMI_PYTHON_CMD", "UV_PROJECT_ENVIRONMENT")


def implementations() -> list[str]:
    """The rig's host; and the official one, which every expectation here holds for, if it is asked for."""
    asked = os.environ.get("PULUMI_CODESPACES_LANGUAGE_HOST") == "official"
    return ["rig", "official"] if asked else ["rig"]


def executable(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    file.chmod(0o755)
    return file


def stand_in(file: Path, notes: Path, more: str = "") -> Path:
    """Make a command that notes how it was called; `more` is what it does then, in sh."""
    environment = '"$VIRTUAL_ENV" "$UV_PROJECT_ENVIRONMENT" "${PATH%%:*}"'
    note = f'printf \'%s\\037%s\\037%s\\037%s\\037%s\\037%s\\036\' "$0" "$*" "$PWD" {environment} >>{notes}/calls'
    return executable(file, f"#!/bin/sh\n{note}\n{more}\n")


@dataclass
class Call:
    """How a stand-in was called."""

    executable: str
    arguments: str
    folder: str
    virtualenv: str
    uv_environment: str
    first_on_path: str


def calls(notes: Path) -> list[Call]:
    """The calls of stand-ins, and forget them."""
    file = notes / "calls"
    noted = file.read_text().split("\x1e")[:-1] if file.exists() else []
    file.unlink(missing_ok=True)
    return [Call(*call.split("\x1f")) for call in noted]


class Engine(engine_pb2_grpc.EngineServicer):
    """Keeps what hosts log."""

    def __init__(self) -> None:
        self.logged: list[tuple[str, str, bool]] = []

    def Log(self, request: Any, context: Any) -> empty_pb2.Empty:  # noqa: N802
        self.logged.append((engine_pb2.LogSeverity.Name(request.severity), request.message, request.ephemeral))
        return empty_pb2.Empty()


@dataclass
class Host:
    """A running host."""

    kind: str
    notes: Path
    process: subprocess.Popen[str]
    stub: Any
    engine: Engine = field(default_factory=Engine)

    def info(self, root: Path, options: Mapping[str, object] | None = None, **more: str) -> language_pb2.ProgramInfo:
        info = language_pb2.ProgramInfo(
            **{"root_directory": str(root), "program_directory": str(root), "entry_point": ".", **more}
        )
        info.options.update(options or {})
        return info

    def run(self, root: Path, options: Mapping[str, object] | None = None, **fields: Any) -> Any:
        return self.stub.Run(self.run_request(root, options, **fields))

    def run_request(self, root: Path, options: Mapping[str, object] | None = None, **fields: Any) -> Any:
        info = self.info(root, options)
        return language_pb2.RunRequest(**{"pwd": str(root), "project": "tiny", "stack": "dev", "info": info, **fields})

    def run_plugin(
        self,
        folder: Path,
        *arguments: str,
        kind: str = "resource",
        options: Mapping[str, object] | None = None,
        pwd: Path | None = None,
        **variables: str,
    ) -> Any:
        environment = {"PATH": os.environ["PATH"], "NOTES": str(self.notes), **variables}
        return self.stub.RunPlugin(
            language_pb2.RunPluginRequest(
                pwd=str(pwd or folder),
                kind=kind,
                args=arguments,
                env=[f"{name}={value}" for name, value in environment.items()],
                info=self.info(folder, options),
            )
        )

    def required(self, root: Path, options: Mapping[str, object] | None = None) -> dict[str, tuple[str, str]]:
        """Name -> version and server of the plugins that a program needs."""
        request = language_pb2.GetRequiredPackagesRequest(info=self.info(root, options))
        packages = self.stub.GetRequiredPackages(request).packages
        assert {package.kind for package in packages} <= {"resource"}
        return {package.name: (package.version, package.server) for package in packages}

    def install(self, root: Path, options: Mapping[str, object] | None = None, *, plugin: bool = False) -> str:
        """The output of an installation."""
        info = self.info(root, options)
        responses = self.stub.InstallDependencies(language_pb2.InstallDependenciesRequest(info=info, is_plugin=plugin))
        return b"".join(response.stdout + response.stderr for response in responses).decode()

    def child(self) -> int:
        """The process that a stand-in of a program or plugin has noted."""
        wait_until(lambda: (self.notes / "pid").exists() and (self.notes / "pid").read_text())
        return int((self.notes / "pid").read_text())

    def seen(self) -> dict[str, Any]:
        """What a stand-in of a program or plugin has noted."""
        return json.loads((self.notes / "seen").read_text())


def details(error: Any, code: grpc.StatusCode = grpc.StatusCode.UNKNOWN) -> str:
    """The text of an error; with another code it is often of gRPC's own making."""
    assert error.value.code() == code
    return error.value.details()


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


def command(kind: str, executor: Path, *arguments: str) -> list[str]:
    if kind == "official":
        found = shutil.which("pulumi-language-python")
        assert found is not None
        return [found, "--use-executor", str(executor), *arguments]
    return [OWN, "-I", "-u", "-c", LAUNCH, str(OFFLINE), "language_host", str(executor), *arguments]


def environment_of(notes: Path, **variables: str) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if name not in UNSET}
    return {**inherited, "NOTES": str(notes), **variables}


@contextmanager
def started(
    notes: Path, *arguments: str, kind: str = "rig", address: str | None = None, **variables: str
) -> Generator[Host, None, None]:
    """Start a host; `arguments` come before the address of the engine, by default an engine that keeps logs."""
    engine = Engine()
    server = grpc.server(futures.ThreadPoolExecutor(4))
    engine_pb2_grpc.add_EngineServicer_to_server(engine, server)
    own = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    given = own if address is None else address
    start = command(kind, notes / "executor", *arguments, *([given] if given else []))
    environment = environment_of(notes, **variables)
    try:
        with subprocess.Popen(
            start, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            try:
                assert process.stdout is not None
                with grpc.insecure_channel(f"127.0.0.1:{int(process.stdout.readline())}") as channel:
                    yield Host(kind, notes, process, language_pb2_grpc.LanguageRuntimeStub(channel), engine)
            finally:
                process.kill()
    finally:
        server.stop(None)
