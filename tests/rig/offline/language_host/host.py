"""Pulumi's language host for Python: the gRPC service that runs Python programs and Python plugins for the engine.

The official one (https://github.com/pulumi/pulumi/tree/master/sdk/python/cmd/pulumi-language-python) is written in Go
and not served as a Go module, so that a CLI built from modules has none. This one does what the official one does, as
of 3.260, and fails in the same words: it chooses, makes and fills virtual environments, runs programs, plugins, policy
packs and dynamic providers, and reports which plugins a program needs. It runs no debugger and no type checker and
generates no code, and says so when it is asked to.

It deliberately differs in this: it ends at once with the engine, where the official one may stay for five minutes; it
lists packages without starting pip (`toolchain.Pip.installed`); it imports `pulumi.run.plugin` only where the answer
matters, to plugins without a `__main__.py`; and its installations never write to a pseudo-terminal.
"""

import contextlib
import json
import os
import queue
import random
import re
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent import futures
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc, language_pb2, language_pb2_grpc, plugin_pb2
from typing_extensions import override

from .options import NOT_SUPPORTED, PythonOptions, parse_options, resolve_toolchain
from .packages import required_packages
from .processes import Command, CommandError, HostError, Output, Processes, copy
from .toolchain import Toolchain, is_buildable, load_pyproject

if TYPE_CHECKING:
    import subprocess

    from .policy import Port

# Seconds that a program gets after it was interrupted (`cmd.WaitDelay` in `Run`).
GRACE = 5.0
# The limit of the engine's own servers (sdk/go/common/util/rpcutil/serve.go); Python's default is 4 MB.
MAX_MESSAGE_BYTES = 400 * 1024 * 1024
# pulumi-language-python-exec exits with this status when the user has already seen the error.
ALREADY_EXPLAINED = 32
# Each running plugin keeps a thread for as long as it lives. Threads start when they are needed.
MAX_THREADS = 256
NOT_HERE = "this language host only runs Python; a release of Pulumi generates code"
NOT_STARTED = "problem executing {} (could not run language executor): {}"

_LIMITS = [(f"grpc.max_{way}_message_length", MAX_MESSAGE_BYTES) for way in ("receive", "send")]


def program_arguments(request: language_pb2.RunRequest, engine: str) -> list[str]:
    """Follows `constructArguments`: the arguments of `pulumi-language-python-exec` for one run of a program."""
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
    return [*arguments, request.info.entry_point, *request.args]


def warn_of_version(toolchain: Toolchain, processes: Processes) -> None:
    """Follows `validateVersion`: prints, as an error of the engine, that Python is too old or does not start."""
    step = "create"
    try:
        command = toolchain.command("--version")
        step = "resolve"
        printed = processes.run(command).decode()
    except HostError as error:
        print(f"Failed to {step} python version command: {error}", file=sys.stderr)
        return
    release = re.sub(r"-?rc\d+$", "", printed.removeprefix("Python ").strip())
    found = re.fullmatch(r"(\d+)\.(\d+)\.\d+(?:[-+].+)?", release)
    if not found:
        print(f"Failed to parse python version: '{release}'", file=sys.stderr)
    elif (int(found[1]), int(found[2])) < (3, 7):
        print(f"Pulumi does not support Python {release}. Please upgrade to at least 3.7.0", file=sys.stderr)


class LanguageHost(language_pb2_grpc.LanguageRuntimeServicer):
    """The `LanguageRuntime` service (https://github.com/pulumi/pulumi/blob/master/proto/pulumi/language.proto)."""

    def __init__(self, executor: Path, engine: str, processes: Processes) -> None:
        """Serves one engine.

        Args:
            executor: Path of `pulumi-language-python-exec`.
            engine: The engine's address, `host:port`.
            processes: Starts processes.
        """
        self._executor = executor
        self._engine = engine
        self._processes = processes
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
        options = _options(request.info) if request.HasField("info") else PythonOptions(toolchain="pip")
        about = resolve_toolchain(options, self._processes).about()
        return language_pb2.AboutResponse(
            executable=about.executable,
            version=about.python,
            metadata={
                "toolchain": (options.toolchain or "auto").capitalize(),
                "toolchainVersion": about.toolchain,
                "typechecker": (options.typechecker or "none").capitalize(),
            },
        )

    @override
    def GetRequiredPackages(
        self, request: language_pb2.GetRequiredPackagesRequest, context: grpc.ServicerContext
    ) -> language_pb2.GetRequiredPackagesResponse:
        toolchain = self._toolchain(request.info)
        with self._engine_output() as output:
            toolchain.ensure_environment(request.info.program_directory, output)
        warn_of_version(toolchain, self._processes)
        return language_pb2.GetRequiredPackagesResponse(packages=required_packages(toolchain.installed()))

    @override
    def GetProgramDependencies(
        self, request: language_pb2.GetProgramDependenciesRequest, context: grpc.ServicerContext
    ) -> language_pb2.GetProgramDependenciesResponse:
        toolchain = self._toolchain(request.info)
        try:
            packages = toolchain.list_packages(transitive=request.transitiveDependencies)
        except HostError as error:
            raise HostError(f"failed to get python dependencies: {error}") from None
        return language_pb2.GetProgramDependenciesResponse(
            dependencies=[language_pb2.DependencyInfo(name=name, version=version) for name, version in packages]
        )

    @override
    def Run(self, request: language_pb2.RunRequest, context: grpc.ServicerContext) -> language_pb2.RunResponse:
        self._require_engine()
        options = _options(request.info)
        if options.typechecker:
            raise HostError(NOT_SUPPORTED.format("the option typechecker"))
        if request.attach_debugger:
            raise HostError(NOT_SUPPORTED.format("debuggers"))
        toolchain = resolve_toolchain(options, self._processes)
        toolchain.validate_environment()
        command = toolchain.command(str(self._executor), *program_arguments(request, self._engine))
        environment = {
            **command.environment,
            "PULUMI_CONFIG_SECRET_KEYS": json.dumps(list(request.configSecretKeys)),
            **({"PULUMI_CONFIG": json.dumps(dict(request.config))} if request.config else {}),
        }
        try:
            with self._processes.start(command._replace(environment=environment), grace=GRACE) as process:
                self._stop_when_dropped(process, context)
                self._programs.add(process)
                if self._cancelled.is_set():
                    self._processes.stop_soon(process)
                status = process.wait()
                self._programs.discard(process)
        except CommandError as error:
            return language_pb2.RunResponse(error=NOT_STARTED.format("program", error))
        if status == ALREADY_EXPLAINED:
            return language_pb2.RunResponse(bail=True)
        if status:
            return language_pb2.RunResponse(error=f"program exited with non-zero exit code: {max(status, -1)}")
        if self._cancelled.is_set():
            return language_pb2.RunResponse(error=NOT_STARTED.format("program", "context canceled"))
        return language_pb2.RunResponse()

    @override
    def RunPlugin(
        self, request: language_pb2.RunPluginRequest, context: grpc.ServicerContext
    ) -> Iterator[language_pb2.RunPluginResponse]:
        self._require_engine()
        if request.attach_debugger:
            raise HostError(NOT_SUPPORTED.format("debuggers"))
        folder = request.info.program_directory
        is_policy = request.kind == "analyzer"
        options = _options(request.info, plugin=not is_policy)
        toolchain = resolve_toolchain(options, self._processes)
        if not Path(options.root, "__main__.py").exists() and self._has_plugin_module(toolchain):
            arguments = _package_arguments(options.root, request.args)
        elif is_policy:
            arguments = ["-u", "-m", "pulumi.policy", *request.args, folder]
        else:
            arguments = [folder, *request.args]
        command = toolchain.command(*arguments)._replace(folder=folder if is_policy else request.pwd)
        # The engine's variables win: a plugin sees PATH and VIRTUAL_ENV of the shell, not of its own environment.
        handed_on = dict(entry.split("=", 1) for entry in request.env)
        run = self._run_policy_pack if is_policy else self._run_plugin
        status = yield from _stream(
            language_pb2.RunPluginResponse, lambda output: run(command, handed_on, output, context)
        )
        if status:
            yield language_pb2.RunPluginResponse(exitcode=max(status, -1))

    @override
    def InstallDependencies(
        self, request: language_pb2.InstallDependenciesRequest, context: grpc.ServicerContext
    ) -> Iterator[language_pb2.InstallDependenciesResponse]:
        options = _options(request.info, plugin=request.is_plugin)
        if request.use_language_version_tools:
            raise HostError(NOT_SUPPORTED.format("language version tools"))
        folder = request.info.program_directory

        def install(output: Output) -> None:
            output.info(b"Installing dependencies...\n\n")
            toolchain = resolve_toolchain(options, self._processes)
            if request.is_plugin and _is_buildable(folder):
                self._install_package(toolchain, folder, output)
            toolchain.install(folder, output)
            output.info(b"Finished installing dependencies\n\n")

        yield from _stream(language_pb2.InstallDependenciesResponse, install)

    @override
    def RuntimeOptionsPrompts(
        self, request: language_pb2.RuntimeOptionsRequest, context: grpc.ServicerContext
    ) -> language_pb2.RuntimeOptionsResponse:
        options = dict(request.info.options.items())
        if "toolchain" not in options:
            # Those that are on PATH come first.
            others = sorted(("poetry", "uv"), key=lambda name: not shutil.which(name))
            choices = [
                ("pip", "pip"),
                *((name, name if shutil.which(name) else f"{name} [not found]") for name in others),
            ]
            what = "The toolchain to use for installing dependencies and running the program"
            return language_pb2.RuntimeOptionsResponse(prompts=[_prompt("toolchain", what, choices)])
        if options["toolchain"] == "pip" and "virtualenv" not in options:
            prompt = _prompt("virtualenv", "The virtualenv to use", [("venv", "")])
            return language_pb2.RuntimeOptionsResponse(prompts=[prompt])
        return language_pb2.RuntimeOptionsResponse()

    @override
    def Template(
        self, request: language_pb2.TemplateRequest, context: grpc.ServicerContext
    ) -> language_pb2.TemplateResponse:
        self._toolchain(request.info).prepare(request.project_name, request.info.program_directory, None)
        return language_pb2.TemplateResponse()

    @override
    def Cancel(self, request: empty_pb2.Empty, context: grpc.ServicerContext) -> empty_pb2.Empty:
        """Interrupts programs. The engine cancels each plugin itself."""
        self._cancelled.set()
        for process in list(self._programs):
            self._processes.stop_soon(process)
        return empty_pb2.Empty()

    def _toolchain(self, info: language_pb2.ProgramInfo) -> Toolchain:
        return resolve_toolchain(_options(info), self._processes)

    def _require_engine(self) -> None:
        if not self._engine:
            raise HostError("when debugging or running explicitly, must call Handshake before Run")

    @contextlib.contextmanager
    def _engine_output(self) -> Iterator[Output]:
        """Follows `createEngineWriters`: shows output as the engine's own, for as long as it runs."""
        with grpc.insecure_channel(self._engine) as channel:
            engine = engine_pb2_grpc.EngineStub(channel)
            stream = random.getrandbits(31)

            def log(severity: Any, chunk: bytes) -> None:
                text = chunk.decode(errors="replace")
                request = engine_pb2.LogRequest(severity=severity, message=text, streamId=stream, ephemeral=True)
                with contextlib.suppress(grpc.RpcError):
                    engine.Log(request)

            yield Output(lambda chunk: log(engine_pb2.INFO, chunk), lambda chunk: log(engine_pb2.ERROR, chunk))

    def _has_plugin_module(self, toolchain: Toolchain) -> bool:
        try:
            toolchain.python("-c", "import pulumi.run.plugin")
        except CommandError as error:
            return b"ModuleNotFoundError" not in error.stderr
        return True

    def _install_package(self, toolchain: Toolchain, folder: str, output: Output) -> None:
        try:
            toolchain.ensure_environment(folder, output)
        except HostError as error:
            raise HostError(f"creating virtual environment: {error}") from None
        try:
            self._processes.run(toolchain.module_command("pip", "install", folder), output)
        except CommandError as error:
            raise HostError(f"installing package: {error}") from None

    def _run_plugin(
        self, command: Command, handed_on: Mapping[str, str], output: Output, context: grpc.ServicerContext
    ) -> int:
        command = command._replace(environment={**command.environment, **handed_on})
        try:
            with self._processes.start(command, piped=True) as process:
                self._stop_when_dropped(process, context)
                copy(process, output)
                return process.wait()
        except CommandError as error:
            raise HostError(NOT_STARTED.format("plugin program", error)) from None

    def _run_policy_pack(
        self, command: Command, handed_on: Mapping[str, str], output: Output, context: grpc.ServicerContext
    ) -> int:
        from .policy import PolicyProxy, Port

        proxy = PolicyProxy(MAX_THREADS, _LIMITS)
        if not context.add_callback(lambda: proxy.give_up("context canceled")):
            proxy.give_up("context canceled")
        with proxy.running():
            output.line(str(proxy.port))
            try:
                variables = proxy.configuration()
            except HostError as error:
                raise HostError(f"could not get stack configuration: {error}") from None
            command = command._replace(environment={**command.environment, **variables, **handed_on})
            port = Port(output)
            try:
                with self._processes.start(command, piped=True) as process:
                    self._stop_when_dropped(process, context)
                    copying = threading.Thread(target=_copy_pack, args=(process, port), daemon=True)
                    copying.start()
                    try:
                        proxy.attach(port.read())
                    except HostError as error:
                        proxy.give_up(str(error))
                        raise HostError(f"could not attach policy pack proxy: {error}", error.code) from None
                    copying.join()
                    return process.wait()
            except HostError as error:
                raise HostError(NOT_STARTED.format("plugin program", error), error.code) from None

    def _stop_when_dropped(self, process: "subprocess.Popen[bytes]", context: grpc.ServicerContext) -> None:
        # The engine stops a plugin by dropping the call that runs it. When the engine is killed, its calls are dropped.
        if not context.add_callback(lambda: self._processes.stop_soon(process)):
            self._processes.stop_soon(process)


def _options(info: language_pb2.ProgramInfo, *, plugin: bool = False) -> PythonOptions:
    return parse_options(info.root_directory, info.program_directory, dict(info.options.items()), plugin=plugin)


def _is_buildable(folder: str) -> bool:
    try:
        return is_buildable(folder)
    except HostError as error:
        raise HostError(f"checking if plugin is a buildable package: {error}") from None


def _package_arguments(folder: str, arguments: Sequence[str]) -> list[str]:
    if not _is_buildable(folder):
        raise HostError("plugin is not runnable, it provides neither __main__.py nor a buildable pyproject.toml")
    return ["-m", "pulumi.run.plugin", load_pyproject(folder)["project"]["name"], *arguments]


def _copy_pack(process: "subprocess.Popen[bytes]", port: "Port") -> None:
    copy(process, port.output)
    port.end()


def _prompt(key: str, description: str, choices: Sequence[tuple[str, str]]) -> language_pb2.RuntimeOptionPrompt:
    prompt = language_pb2.RuntimeOptionPrompt
    values = [
        prompt.RuntimeOptionValue(promptType=prompt.STRING, stringValue=value, displayName=name)
        for value, name in choices
    ]
    return prompt(key=key, description=description, promptType=prompt.STRING, choices=values, default=values[0])


def _stream(response: Callable[..., Any], work: Callable[[Output], Any]) -> Generator[Any, None, Any]:
    """Yields responses with what `work` writes while it runs; returns what it returns."""
    chunks: queue.SimpleQueue[Any] = queue.SimpleQueue()
    output = Output(lambda chunk: chunks.put(response(stdout=chunk)), lambda chunk: chunks.put(response(stderr=chunk)))
    with futures.ThreadPoolExecutor(1) as pool:
        working = pool.submit(work, output)
        working.add_done_callback(lambda _: chunks.put(None))
        while (chunk := chunks.get()) is not None:
            yield chunk
    return working.result()


class _AsTheOfficialOne(grpc.ServerInterceptor):
    """Answers errors with the status of the official host, and what is not served with a reason for people."""

    @override
    def intercept_service(self, continuation: Callable[[Any], Any], handler_call_details: Any) -> Any:
        method = handler_call_details.method.rpartition("/")[2]

        def refuse(_request: bytes, context: grpc.ServicerContext) -> bytes:
            context.abort(grpc.StatusCode.UNIMPLEMENTED, f"{method}: {NOT_HERE}")
            raise AssertionError("abort does not return")

        if method not in vars(LanguageHost):
            return grpc.unary_unary_rpc_method_handler(refuse, bytes, bytes)
        handler = continuation(handler_call_details)
        serialization = (handler.request_deserializer, handler.response_serializer)
        if handler.response_streaming:
            return grpc.unary_stream_rpc_method_handler(_telling_each(handler.unary_stream), *serialization)
        return grpc.unary_unary_rpc_method_handler(_telling(handler.unary_unary), *serialization)


def _telling(serve: Callable[[Any, grpc.ServicerContext], Any]) -> Callable[[Any, grpc.ServicerContext], Any]:
    def call(request: Any, context: grpc.ServicerContext) -> Any:
        try:
            return serve(request, context)
        except HostError as error:
            context.abort(error.code, str(error))

    return call


def _telling_each(serve: Callable[[Any, grpc.ServicerContext], Any]) -> Callable[[Any, grpc.ServicerContext], Any]:
    def call(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        try:
            yield from serve(request, context)
        except HostError as error:
            context.abort(error.code, str(error))

    return call


def serve(executor: Path, arguments: Sequence[str]) -> None:
    """Serves until the engine ends, interrupts or terminates this process; then stops every child and exits with 0.

    Args:
        executor: Path of `pulumi-language-python-exec`.
        arguments: As the engine gives them: flags for logs and traces, which are not used, then the engine's address.
    """
    engine = arguments[-1] if arguments and not arguments[-1].startswith("-") else ""
    processes = Processes()
    # A pipe, because a signal handler must not take a lock that the interrupted code may hold.
    wait, wake = os.pipe()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: os.write(wake, b"."))
    threading.Thread(target=_wake_at_end_of, args=(os.getppid(), wake), daemon=True).start()

    server = grpc.server(futures.ThreadPoolExecutor(MAX_THREADS), interceptors=[_AsTheOfficialOne()], options=_LIMITS)
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(LanguageHost(executor, engine, processes), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    os.read(wait, 1)
    processes.close()
    # Threads of calls that have not come to an end would otherwise be waited for.
    os._exit(0)


def _wake_at_end_of(parent: int, wake: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os.write(wake, b".")
