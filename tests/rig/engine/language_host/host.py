"""Pulumi's language host for Python: the gRPC service that runs Python programs and Python plugins for the engine.

The official one (https://github.com/pulumi/pulumi/tree/master/sdk/python/cmd/pulumi-language-python) is written in Go
and not served as a Go module, so that a CLI built from modules has none. This one runs programs, plugins found by path,
policy packs and dynamic providers. It neither creates virtual environments nor generates code, and says so when it is
asked to.
"""

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent import futures
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, NamedTuple

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import language_pb2, language_pb2_grpc, plugin_pb2
from typing_extensions import override

# Seconds. A plugin that is told to stop may finish a set of writes first. An engine that is alive ends this sooner: it
# kills the process group five seconds after it interrupted it (ExecPlugin in pkg/resource/plugin/plugin.go).
GRACE = 6.0
# What the engine's own servers accept (sdk/go/common/util/rpcutil/serve.go); Python's default is 4 MB.
MAX_MESSAGE_BYTES = 400 * 1024 * 1024
# The exit status by which pulumi-language-python-exec tells that the user has been shown what went wrong.
ALREADY_EXPLAINED = 32
# Each running plugin keeps a thread for as long as it lives. Threads start when they are needed.
MAX_THREADS = 256
NOT_HERE = "this language host only runs Python; a release of Pulumi installs packages and generates code"

_LIST_PACKAGES = """
import importlib.metadata, json, pathlib
found = []
for distribution in importlib.metadata.distributions():
    name = distribution.metadata["Name"]
    if name:
        description = pathlib.Path(distribution.locate_file(name.replace("-", "_")), "pulumi-plugin.json")
        plugin = json.loads(description.read_text(encoding="utf-8")) if description.is_file() else None
        found.append({"name": name, "version": distribution.version, "plugin": plugin})
print(json.dumps(found))
"""


class Interpreter(NamedTuple):
    """A Python executable and the virtual environment it belongs to, if it belongs to one."""

    executable: str
    virtualenv: str | None

    def environment(self, base: Mapping[str, str]) -> dict[str, str]:
        """Returns `base` changed as activating the virtual environment would change it."""
        environment = dict(base)
        if self.virtualenv:
            environment.pop("PYTHONHOME", None)
            environment["VIRTUAL_ENV"] = self.virtualenv
            environment["PATH"] = f"{Path(self.virtualenv, 'bin')}{os.pathsep}{environment.get('PATH', os.defpath)}"
        return environment


def own_interpreter() -> Interpreter:
    """Returns the interpreter that runs this host."""
    return Interpreter(sys.executable, sys.prefix if sys.prefix != sys.base_prefix else None)


def program_interpreter(options: Mapping[str, Any], root: str, environment: Mapping[str, str]) -> Interpreter:
    """Chooses the Python of a program.

    Args:
        options: `runtime.options` of Pulumi.yaml.
        root: The folder of Pulumi.yaml, against which a relative `virtualenv` is taken.
        environment: Environment variables of the host.

    Returns:
        The environment that the option `virtualenv` names, if it exists; else the activated one; else the host's own.
    """
    return _first_environment([options.get("virtualenv"), environment.get("VIRTUAL_ENV")], root)


def plugin_interpreter(options: Mapping[str, Any], folder: str) -> Interpreter:
    """Chooses the Python of a plugin.

    A plugin never runs in the environment that happens to be active, as with the official host.

    Args:
        options: `runtime.options` of PulumiPlugin.yaml.
        folder: The folder of PulumiPlugin.yaml.

    Returns:
        The environment that the option `virtualenv` names (without it, `venv`), if it exists; else the host's own.
    """
    return _first_environment([options.get("virtualenv") or "venv"], folder)


def _first_environment(candidates: Sequence[object], root: str) -> Interpreter:
    for candidate in candidates:
        if isinstance(candidate, str) and candidate:
            virtualenv = Path(root, candidate)
            executable = virtualenv / "bin" / "python"
            if os.access(executable, os.X_OK):
                return Interpreter(str(executable), str(virtualenv))
    return own_interpreter()


def program_arguments(request: language_pb2.RunRequest, engine: str) -> list[str]:
    """Returns the arguments of `pulumi-language-python-exec` for one run of a program."""
    arguments: list[str] = []
    for name, value in (
        ("monitor", request.monitor_address),
        ("engine", engine),
        ("project", request.project),
        ("root_directory", request.info.root_directory),
        ("stack", request.stack),
        ("pwd", request.pwd),
        ("dry_run", "true" if request.dryRun else "false"),
        ("parallel", str(request.parallel)),
        ("organization", request.organization),
    ):
        if value:
            arguments += [f"--{name}", value]
    return [*arguments, str(Path(request.info.program_directory, request.info.entry_point or ".")), *request.args]


class Children:
    """The processes that this host has started, so that none of them outlives it."""

    def __init__(self, grace: float = GRACE) -> None:
        """Starts with none.

        Args:
            grace: Seconds between asking a process to stop and killing it.
        """
        self._grace = grace
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._told: set[subprocess.Popen[bytes]] = set()
        self._closed = False

    @contextlib.contextmanager
    def start(
        self, command: Sequence[str], folder: str, environment: Mapping[str, str], *, piped: bool = False
    ) -> Generator[subprocess.Popen[bytes], None, None]:
        """Starts a process for the time of a `with` block, at whose end it is stopped if it still runs.

        Args:
            command: Executable and arguments.
            folder: Its working directory; empty for that of the host.
            environment: Its environment variables.
            piped: Whether its output can be read from it; else it goes where the output of the host goes.

        Raises:
            OSError: The process could not be started.
            RuntimeError: The host is about to exit.
        """
        output = subprocess.PIPE if piped else None
        with self._lock:
            if self._closed:
                message = "the language host is about to exit"
                raise RuntimeError(message)
            # In the process group of the host, which is what the engine kills if the host itself no longer answers.
            process: subprocess.Popen[bytes] = subprocess.Popen(
                command, cwd=folder or None, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
            self._running.add(process)
        try:
            yield process
        finally:
            self.stop([process])

    def stop(self, processes: Sequence[subprocess.Popen[bytes]]) -> None:
        """Asks processes to stop, once each; kills those that still run when the grace is over; forgets them all."""
        with self._lock:
            not_yet_told = [process for process in processes if process not in self._told]
            self._told.update(not_yet_told)
        for process in not_yet_told:
            _signal(process.terminate)
        end = time.monotonic() + self._grace
        for process in processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, end - time.monotonic()))
            _signal(process.kill)
            process.wait()
        with self._lock:
            self._running.difference_update(processes)
            self._told.difference_update(processes)

    def stop_soon(self, process: subprocess.Popen[bytes]) -> None:
        """Stops a process as `stop` does, without waiting for it."""
        if process.poll() is None:
            threading.Thread(target=self.stop, args=([process],), daemon=True).start()

    def close(self) -> None:
        """Stops everything that runs and lets nothing start any more."""
        with self._lock:
            self._closed = True
            running = list(self._running)
        self.stop(running)


def _signal(send: Callable[[], None]) -> None:
    with contextlib.suppress(ProcessLookupError):
        send()


class LanguageHost(language_pb2_grpc.LanguageRuntimeServicer):
    """The `LanguageRuntime` service (https://github.com/pulumi/pulumi/blob/master/proto/pulumi/language.proto)."""

    def __init__(self, executor: Path, engine: str, children: Children) -> None:
        """Serves one engine.

        Args:
            executor: Path of `pulumi-language-python-exec`.
            engine: The engine's address, `host:port`.
            children: Keeps the processes that are started.
        """
        self._executor = executor
        self._engine = engine
        self._children = children
        self._programs: set[subprocess.Popen[bytes]] = set()
        self._cancelled = threading.Event()

    @override
    def Handshake(
        self, request: language_pb2.LanguageHandshakeRequest, context: grpc.ServicerContext
    ) -> language_pb2.LanguageHandshakeResponse:
        self._engine = request.engine_address or self._engine
        return language_pb2.LanguageHandshakeResponse()

    @override
    def GetPluginInfo(self, request: empty_pb2.Empty, context: grpc.ServicerContext) -> plugin_pb2.PluginInfo:
        return plugin_pb2.PluginInfo(version=version("pulumi"))

    @override
    def About(self, request: language_pb2.AboutRequest, context: grpc.ServicerContext) -> language_pb2.AboutResponse:
        interpreter = _program_interpreter(request.info)
        release = _printed_by(interpreter, "import platform; print(platform.python_version())")
        return language_pb2.AboutResponse(executable=interpreter.executable, version=release.strip())

    @override
    def GetRequiredPackages(
        self, request: language_pb2.GetRequiredPackagesRequest, context: grpc.ServicerContext
    ) -> language_pb2.GetRequiredPackagesResponse:
        packages: list[plugin_pb2.PackageDependency] = []
        for found in _list_packages(_program_interpreter(request.info)):
            plugin = found["plugin"]
            if plugin and plugin.get("resource"):
                release = str(plugin.get("version") or found["version"])
                packages.append(
                    plugin_pb2.PackageDependency(
                        name=plugin.get("name") or found["name"].removeprefix("pulumi-").removeprefix("pulumi_"),
                        kind="resource",
                        version="v" + release.removeprefix("v"),
                        server=plugin.get("server") or "",
                    )
                )
        return language_pb2.GetRequiredPackagesResponse(packages=packages)

    @override
    def GetProgramDependencies(
        self, request: language_pb2.GetProgramDependenciesRequest, context: grpc.ServicerContext
    ) -> language_pb2.GetProgramDependenciesResponse:
        return language_pb2.GetProgramDependenciesResponse(
            dependencies=[
                language_pb2.DependencyInfo(name=found["name"], version=found["version"])
                for found in _list_packages(_program_interpreter(request.info))
            ]
        )

    @override
    def Run(self, request: language_pb2.RunRequest, context: grpc.ServicerContext) -> language_pb2.RunResponse:
        interpreter = _program_interpreter(request.info)
        environment = interpreter.environment(os.environ)
        environment["PULUMI_CONFIG"] = json.dumps(dict(request.config))
        environment["PULUMI_CONFIG_SECRET_KEYS"] = json.dumps(list(request.configSecretKeys))
        command = [interpreter.executable, "-u", str(self._executor), *program_arguments(request, self._engine)]
        with self._children.start(command, request.pwd, environment) as process:
            self._stop_when_dropped(process, context)
            self._programs.add(process)
            if self._cancelled.is_set():
                self._children.stop_soon(process)
            status = process.wait()
            self._programs.discard(process)
        if status == ALREADY_EXPLAINED or (status and self._cancelled.is_set()):
            return language_pb2.RunResponse(bail=True)
        if status:
            return language_pb2.RunResponse(error=f"program {_describe(status)}")
        return language_pb2.RunResponse()

    @override
    def RunPlugin(
        self, request: language_pb2.RunPluginRequest, context: grpc.ServicerContext
    ) -> Iterator[language_pb2.RunPluginResponse]:
        folder = request.info.program_directory
        if not Path(folder, "__main__.py").is_file():
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, f"the Python plugin in {folder} has no __main__.py")
        program = [folder, *request.args]
        if request.kind == "analyzer":
            # A policy pack; the SDK's module tells it the stack and its configuration first.
            program = ["-m", "pulumi.policy", *request.args, folder]
        interpreter = plugin_interpreter(_options(request.info), folder)
        environment = interpreter.environment(dict(entry.split("=", 1) for entry in request.env) or os.environ)
        command = [interpreter.executable, "-u", *program]
        output: queue.SimpleQueue[language_pb2.RunPluginResponse | None] = queue.SimpleQueue()
        with self._children.start(command, request.pwd, environment, piped=True) as process:
            self._stop_when_dropped(process, context)
            for name in ("stdout", "stderr"):
                threading.Thread(target=_pass_on, args=(process, name, output), daemon=True).start()
            for _ in range(2):
                yield from iter(output.get, None)
            status = process.wait()
        yield language_pb2.RunPluginResponse(exitcode=status)

    @override
    def InstallDependencies(
        self, request: language_pb2.InstallDependenciesRequest, context: grpc.ServicerContext
    ) -> Iterator[language_pb2.InstallDependenciesResponse]:
        """Tells what a plugin will run with, which is there; what a program runs with is its owner's to install."""
        if not request.is_plugin:
            context.abort(grpc.StatusCode.UNIMPLEMENTED, f"InstallDependencies: {NOT_HERE}")
        interpreter = plugin_interpreter(_options(request.info), request.info.program_directory)
        said = f"The plugin runs with {interpreter.executable}.\n"
        yield language_pb2.InstallDependenciesResponse(stderr=said.encode())

    @override
    def RuntimeOptionsPrompts(
        self, request: language_pb2.RuntimeOptionsRequest, context: grpc.ServicerContext
    ) -> language_pb2.RuntimeOptionsResponse:
        return language_pb2.RuntimeOptionsResponse()

    @override
    def Cancel(self, request: empty_pb2.Empty, context: grpc.ServicerContext) -> empty_pb2.Empty:
        """Stops programs. Plugins finish what they are at: the engine cancels each of them itself."""
        self._cancelled.set()
        for process in list(self._programs):
            self._children.stop_soon(process)
        return empty_pb2.Empty()

    def _stop_when_dropped(self, process: subprocess.Popen[bytes], context: grpc.ServicerContext) -> None:
        # The engine stops a plugin by dropping the call that runs it.
        if not context.add_callback(lambda: self._children.stop_soon(process)):
            self._children.stop_soon(process)


def _options(info: language_pb2.ProgramInfo) -> dict[str, Any]:
    return dict(info.options.items())


def _program_interpreter(info: language_pb2.ProgramInfo) -> Interpreter:
    return program_interpreter(_options(info), info.root_directory, os.environ)


def _list_packages(interpreter: Interpreter) -> list[dict[str, Any]]:
    return json.loads(_printed_by(interpreter, _LIST_PACKAGES))


def _printed_by(interpreter: Interpreter, code: str) -> str:
    command = [interpreter.executable, "-c", code]
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True).stdout


def _pass_on(
    process: subprocess.Popen[bytes],
    name: Literal["stdout", "stderr"],
    output: "queue.SimpleQueue[language_pb2.RunPluginResponse | None]",
) -> None:
    response = language_pb2.RunPluginResponse
    stream = process.stdout if name == "stdout" else process.stderr
    try:
        while stream and (chunk := os.read(stream.fileno(), 65536)):
            output.put(response(stdout=chunk) if name == "stdout" else response(stderr=chunk))
    finally:
        output.put(None)


def _describe(status: int) -> str:
    if status < 0:
        return f"was ended by {signal.Signals(-status).name}"
    return f"exited with non-zero exit code: {status}"


class _OnlyWhatIsHere(grpc.ServerInterceptor):
    """Answers what the host does not serve with the status that the engine understands and a reason for people."""

    @override
    def intercept_service(self, continuation: Callable[[Any], Any], handler_call_details: Any) -> Any:
        method = handler_call_details.method.rpartition("/")[2]
        if method in vars(LanguageHost):
            return continuation(handler_call_details)

        def refuse(_request: bytes, context: grpc.ServicerContext) -> bytes:
            context.abort(grpc.StatusCode.UNIMPLEMENTED, f"{method}: {NOT_HERE}")

        return grpc.unary_unary_rpc_method_handler(refuse, bytes, bytes)


def serve(executor: Path, arguments: Sequence[str]) -> None:
    """Serves until the engine ends, interrupts or terminates this process; then stops every child and exits with 0.

    Args:
        executor: Path of `pulumi-language-python-exec`.
        arguments: As the engine gives them: flags for logs and traces, which are not used, then the engine's address.
    """
    engine = arguments[-1] if arguments and not arguments[-1].startswith("-") else ""
    children = Children()
    # A pipe, because a signal handler must not take a lock that the interrupted code may hold.
    wait, wake = os.pipe()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: os.write(wake, b"."))
    threading.Thread(target=_wake_at_end_of, args=(os.getppid(), wake), daemon=True).start()

    limits = [(f"grpc.max_{way}_message_length", MAX_MESSAGE_BYTES) for way in ("receive", "send")]
    server = grpc.server(futures.ThreadPoolExecutor(MAX_THREADS), interceptors=[_OnlyWhatIsHere()], options=limits)
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(LanguageHost(executor, engine, children), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    os.read(wait, 1)
    children.close()
    # Threads of calls that have not come to an end would otherwise be waited for.
    os._exit(0)


def _wake_at_end_of(parent: int, wake: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os.write(wake, b".")
