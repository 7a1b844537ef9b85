"""The gRPC side of the plugin: passes the engine's calls to the resources, and their answers back.

The SDK's server for providers serves only components (`Construct`, `Call`). Its experimental one cannot answer with
unknown values, which a preview needs. So this module serves the calls for custom resources itself, and passes those for
components to the SDK. Every answer for custom resources passes through one place that keeps secrets out of failures.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
import traceback
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, cast

import grpc
import grpc.aio
from google.protobuf import empty_pb2

from ..clients.credentials import Configuration
from ..clients.errors import ActionableError
from ..values import secret_strings
from ..version import compatible
from . import configuration
from .failures import Failure, InvalidInputs, PartialWrite
from .protocol import (
    engine_pb2,
    engine_pb2_grpc,
    plugin_pb2,
    provider_pb2,
    provider_pb2_grpc,
    status_pb2,
)
from .run import Run, Severity
from .wire import decode, encode

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Mapping

    from google.protobuf import struct_pb2
    from pulumi.provider.server import ProviderServicer

    from ..values import Properties, Value
    from .endpoint import Endpoint

_FINISH_SECONDS = 3.0
"""How long a write in progress may continue after the engine asked to stop."""
_ROLL_BACK_SECONDS = 1.5
"""How long that write may then take to put back the secrets that it wrote."""
_WATCH_SECONDS = 0.2
_LOG_SECONDS = 5.0
_SCHEMA = Path(__file__).parent.with_name("schema.json")
"""The schema that `package_schema` generates."""
_GRPC_OPTIONS = [
    ("grpc.max_receive_message_length", 400 * 1024 * 1024),
    ("grpc.server_max_unrequested_time_in_server", 30 * 60),
]
"""Those of the SDK (`pulumi.runtime._grpc_settings`)."""
_T = TypeVar("_T")
_KINDS = {
    "add": provider_pb2.PropertyDiff.Kind.ADD,
    "update": provider_pb2.PropertyDiff.Kind.UPDATE,
    "delete": provider_pb2.PropertyDiff.Kind.DELETE,
}
_REPLACING = {
    "add": provider_pb2.PropertyDiff.Kind.ADD_REPLACE,
    "update": provider_pb2.PropertyDiff.Kind.UPDATE_REPLACE,
    "delete": provider_pb2.PropertyDiff.Kind.DELETE_REPLACE,
}
_SEVERITIES = {
    Severity.INFO: engine_pb2.INFO,
    Severity.WARNING: engine_pb2.WARNING,
    Severity.STATUS: engine_pb2.INFO,
}


@cache
def _snake_case_arguments() -> re.Pattern[str]:
    """A pattern of the component arguments whose Python name differs from their name in other languages."""
    resources: dict[str, dict[str, Any]] = json.loads(_SCHEMA.read_text(encoding="utf-8"))["resources"]
    inputs = {name for resource in resources.values() for name in resource["inputProperties"]}
    names = sorted(re.sub("[A-Z]", lambda capital: f"_{capital[0].lower()}", name) for name in inputs)
    return re.compile(rf"\b({'|'.join(name for name in names if '_' in name)})\b")


def in_camel_case(message: str) -> str:
    """Replace the Python names of arguments in a message by their names in other languages."""
    return _snake_case_arguments().sub(lambda name: re.sub("_(.)", lambda letter: letter[1].upper(), name[0]), message)


class Server(provider_pb2_grpc.ResourceProviderServicer):
    """Serves one provider instance.

    Args:
        components: returns the SDK's server of the components. It is called on first use, because it imports Pulumi's
            SDK, the components, and with them the SDKs of the clouds.
        resources: type token -> the endpoint of the resource.
        version: the plugin's version.
        engine_address: where the engine listens for messages; "" until its handshake.
    """

    def __init__(
        self,
        components: Callable[[], ProviderServicer],
        resources: Mapping[str, Endpoint],
        version: str,
        engine_address: str,
    ) -> None:
        self._components = components
        self._resources = resources
        self._version = version
        self.engine_address = engine_address
        self._engine: engine_pb2_grpc.EngineStub | None = None
        self._messages: set[asyncio.Task[None]] = set()
        self._message_lock = asyncio.Lock()
        self._run = Run(Configuration(complete=False), self._log)
        self._writing = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self.stopping = asyncio.Event()

    # -- the plugin itself

    async def Handshake(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.engine_address = request.engine_address or self.engine_address
        return provider_pb2.ProviderHandshakeResponse(accept_secrets=True, accept_resources=True, accept_outputs=True)

    async def Attach(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.engine_address = request.address
        return empty_pb2.Empty()

    async def GetSchema(self, request: Any, context: Any) -> Any:  # noqa: N802
        return provider_pb2.GetSchemaResponse(schema=_SCHEMA.read_text(encoding="utf-8"))

    async def Construct(self, request: Any, context: Any) -> Any:  # noqa: N802
        from pulumi.errors import RunError  # noqa: PLC0415 - imports the SDK, which only components need

        servicer = self._component_servicer()
        try:
            return await servicer.Construct(request, context)
        except RunError as refusal:  # a broken rule, found at once or when an Output became known
            # Without the empty list, the SDK (3.259) fails to answer.
            status = servicer.create_grpc_invalid_properties_status(in_camel_case(str(refusal)), [])
            await context.abort_with_status(status)
            raise

    async def Call(self, request: Any, context: Any) -> Any:  # noqa: N802
        return await self._component_servicer().Call(request, context)

    async def List(self, request: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, "List is not implemented by the provider")
        yield  # makes it a stream

    def _component_servicer(self) -> ProviderServicer:
        servicer = self._components()
        servicer.engine_address = self.engine_address
        return servicer

    async def GetPluginInfo(self, request: Any, context: Any) -> Any:  # noqa: N802
        return plugin_pb2.PluginInfo(version=self._version)

    async def Cancel(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.stopping.set()
        return empty_pb2.Empty()

    async def stopped(self) -> None:
        """Return once the plugin has to end: the engine asked to stop or is gone, and no write is in progress.

        A write that takes too long is stopped first, so that it can be put back.
        """
        watch = asyncio.create_task(self._engine_gone())
        asked = asyncio.create_task(self.stopping.wait())
        await asyncio.wait({watch, asked}, return_when=asyncio.FIRST_COMPLETED)
        if not await self._idle_within(_FINISH_SECONDS):
            await self._run.give_up()
            await self._idle_within(_ROLL_BACK_SECONDS)
        watch.cancel()
        asked.cancel()
        await self._run.close()

    async def _idle_within(self, seconds: float) -> bool:
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._idle.wait(), seconds)
        return self._idle.is_set()

    async def _finish_write(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Finish a write even if the engine drops the call: half a pair is worse than an answer that nobody reads."""
        self.begin_write()
        task = asyncio.create_task(work)
        task.add_done_callback(lambda _: self.end_write())
        return await asyncio.shield(task)

    def begin_write(self) -> None:
        """Count a write in progress."""
        self._writing += 1
        self._idle.clear()

    def end_write(self) -> None:
        """Count a write as done."""
        self._writing -= 1
        if not self._writing:
            self._idle.set()

    @property
    def credentials(self) -> list[str]:
        """The credentials for GitHub, which must not appear in any message."""
        token, app_auth = self._run.configuration.token, self._run.configuration.app_auth
        return [credential for credential in (token, app_auth and app_auth.pem) if credential]

    def stop(self) -> None:
        """Ask the plugin to end."""
        self.stopping.set()

    async def _engine_gone(self) -> None:
        """Return when nobody listens at the engine's address any more: a killed engine does not call `Cancel`."""
        missed = 0
        while missed < 3:
            await asyncio.sleep(_WATCH_SECONDS)
            if not self.engine_address:
                continue
            host, _, port = self.engine_address.rpartition(":")
            try:
                _, writer = await asyncio.wait_for(asyncio.open_connection(host, int(port)), 1)
                writer.close()
                missed = 0
            except (OSError, asyncio.TimeoutError):
                missed += 1

    async def messages_sent(self) -> None:
        """Return once the engine has received every message so far.

        A message sent after the answer to its call may arrive after the end of the operation, and would then be lost.
        """
        await asyncio.gather(*self._messages, return_exceptions=True)

    def _log(self, severity: Severity, urn: str, text: str) -> None:
        if not self.engine_address:
            return
        request = engine_pb2.LogRequest(
            severity=_SEVERITIES[severity], message=text, urn=urn, ephemeral=severity is Severity.STATUS
        )
        task = asyncio.create_task(self._send_message(request))
        self._messages.add(task)
        task.add_done_callback(self._messages.discard)

    async def _send_message(self, request: engine_pb2.LogRequest) -> None:
        async with self._message_lock:  # one after the other, because the engine might show them in another order
            if self._engine is None:
                channel = grpc.aio.insecure_channel(self.engine_address, options=_GRPC_OPTIONS)
                self._engine = engine_pb2_grpc.EngineStub(channel)
            await cast("Any", self._engine).Log(request, timeout=_LOG_SECONDS)

    # -- the provider instance

    async def CheckConfig(self, request: Any, context: Any) -> Any:  # noqa: N802
        async with _Guard(self, context, request.news):
            news = decode(request.news)
            try:
                self._check_version(news.get("version"))
                inputs = configuration.check(news)
            except InvalidInputs as invalid:
                return _check_response({}, invalid)
            return provider_pb2.CheckResponse(inputs=encode(inputs))

    def _check_version(self, program_version: Value) -> None:
        """Refuse a program whose classes, or whose generated SDK, have another major version than the plugin.

        Raises:
            InvalidInputs: the major versions differ.
        """
        if isinstance(program_version, str) and not compatible(program_version, self._version):
            text = (
                f"the program uses version {program_version} of this package, but the plugin is version "
                f"{self._version}: their major versions must be the same. Install one version with `pulumi install`; "
                "where Pulumi.yaml does not name the folder of the plugin, run `codespaces plugin install` then."
            )
            raise InvalidInputs(Failure("", text))

    async def DiffConfig(self, request: Any, context: Any) -> Any:  # noqa: N802
        async with _Guard(self, context, request.news):
            old, new = decode(request.old_inputs), decode(request.news)
            names = configuration.changed(old, new)
            changes = provider_pb2.DiffResponse.DIFF_SOME if names else provider_pb2.DiffResponse.DIFF_NONE
            return provider_pb2.DiffResponse(changes=changes, replaces=configuration.replaces(old, new), diffs=names)

    async def Configure(self, request: Any, context: Any) -> Any:  # noqa: N802
        async with _Guard(self, context, request.args):
            self._run = Run(configuration.read(decode(request.args)), self._log)
            return provider_pb2.ConfigureResponse(
                acceptSecrets=True, supportsPreview=True, acceptResources=True, acceptOutputs=True
            )

    async def Invoke(self, request: Any, context: Any) -> Any:  # noqa: N802
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, f"{request.tok}: this package has no functions")

    # -- custom resources

    async def Check(self, request: Any, context: Any) -> Any:  # noqa: N802
        async with _Guard(self, context, request.olds, request.news):
            resource = self._resource(request.urn)
            try:
                inputs = await resource.check(self._run, request.urn, decode(request.olds), decode(request.news))
            except InvalidInputs as invalid:
                return _check_response(decode(request.news), invalid)
            return provider_pb2.CheckResponse(inputs=encode(inputs))

    async def Diff(self, request: Any, context: Any) -> Any:  # noqa: N802
        async with _Guard(self, context, request.olds, request.news):
            state, news = decode(request.olds), decode(request.news)
            difference = await self._resource(request.urn).difference(self._run, request.urn, state, news)
            changes, replaces = difference.changes, difference.replaces
            return provider_pb2.DiffResponse(
                changes=provider_pb2.DiffResponse.DIFF_SOME if changes else provider_pb2.DiffResponse.DIFF_NONE,
                diffs=sorted({_top_level(path) for path in changes}),
                detailedDiff={
                    path: provider_pb2.PropertyDiff(kind=(_REPLACING if path in replaces else _KINDS)[kind])
                    for path, kind in sorted(changes.items())
                },
                replaces=replaces,
                hasDetailedDiff=True,
            )

    async def Create(self, request: Any, context: Any) -> Any:  # noqa: N802
        async with _Guard(self, context, request.properties, writes=not request.preview):
            identifier, properties = await self._finish_write(
                self._resource(request.urn).create(
                    self._run, request.urn, decode(request.properties), preview=request.preview
                )
            )
            return provider_pb2.CreateResponse(id="" if request.preview else identifier, properties=encode(properties))

    async def Read(self, request: Any, context: Any) -> Any:  # noqa: N802
        async with _Guard(self, context, request.properties, request.inputs):
            stored = await self._resource(request.urn).read(
                self._run, request.urn, request.id, decode(request.inputs), decode(request.properties)
            )
            if stored is None:
                return provider_pb2.ReadResponse()
            return provider_pb2.ReadResponse(
                id=stored.identifier, inputs=encode(stored.inputs), properties=encode(stored.properties)
            )

    async def Update(self, request: Any, context: Any) -> Any:  # noqa: N802
        async with _Guard(self, context, request.olds, request.news, writes=not request.preview):
            properties = await self._finish_write(
                self._resource(request.urn).update(
                    self._run,
                    request.urn,
                    request.id,
                    decode(request.olds),
                    decode(request.news),
                    preview=request.preview,
                )
            )
            return provider_pb2.UpdateResponse(properties=encode(properties))

    async def Delete(self, request: Any, context: Any) -> Any:  # noqa: N802
        async with _Guard(self, context, request.properties, writes=True):
            state = decode(request.properties)
            await self._finish_write(self._resource(request.urn).delete(self._run, request.urn, request.id, state))
            return empty_pb2.Empty()

    def _resource(self, urn: str) -> Endpoint:
        token = urn.split("::")[2].rsplit("$", maxsplit=1)[-1]
        resource = self._resources.get(token)
        if resource is None:
            raise ActionableError(f"unknown resource type {token}; this plugin is version {self._version}.")
        return resource


class _Guard:
    """Wraps one call: turns exceptions into answers without secrets, and counts writes in progress."""

    def __init__(self, server: Server, context: Any, *sent: struct_pb2.Struct, writes: bool = False) -> None:
        self._server = server
        self._context = context
        self._sent = sent
        self._writes = writes

    async def __aenter__(self) -> None:
        if self._writes and self._server.stopping.is_set():
            await self._context.abort(grpc.StatusCode.CANCELLED, "the update was cancelled before this was begun")
        if self._writes:
            self._server.begin_write()

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        try:
            await self._server.messages_sent()
        finally:
            if self._writes:
                self._server.end_write()
        if error is None or not isinstance(error, Exception):
            return
        if isinstance(error, PartialWrite):
            await self._abort_partial(error)
        elif isinstance(error, ActionableError):
            await self._context.abort(grpc.StatusCode.UNKNOWN, self._without_secrets(str(error)))
        elif not isinstance(error, grpc.aio.AbortError):
            # The message of an unexpected exception may contain a secret, so the answer has only its type and place.
            where = traceback.extract_tb(error.__traceback__)[-1]
            text = f"{type(error).__name__} in {os.path.basename(where.filename)}:{where.lineno}; this is a defect."  # noqa: PTH119
            await self._context.abort(grpc.StatusCode.INTERNAL, text)

    async def _abort_partial(self, error: PartialWrite) -> NoReturn:
        message = self._without_secrets(str(error))
        detail = provider_pb2.ErrorResourceInitFailed(
            id=error.identifier,
            properties=encode(error.properties),
            inputs=self._sent[-1] if error.inputs is None else encode(error.inputs),
            reasons=[message],
        )
        status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=message)
        status.details.add().Pack(detail)
        self._context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
        await self._context.abort(grpc.StatusCode.UNKNOWN, message)
        raise AssertionError

    def _without_secrets(self, text: str) -> str:
        sent = [decode(struct) for struct in self._sent]
        secrets = {secret for secret in (*secret_strings([*sent]), *self._server.credentials) if len(secret) > 3}
        for secret in sorted(secrets, key=len, reverse=True):
            text = text.replace(secret, "[secret]")
        return text


def _check_response(inputs: Properties, invalid: InvalidInputs) -> Any:
    def shown(path: str) -> str:
        # The engine prints the value of a top-level property that a failure names, even if it is secret. For a path it
        # finds no value.
        return path if path in inputs and not any(secret_strings(inputs[path])) else ""

    failures = [
        provider_pb2.CheckFailure(property=shown(failure.path), reason=failure.reason) for failure in invalid.failures
    ]
    return provider_pb2.CheckResponse(inputs=encode(inputs), failures=failures)


def _top_level(path: str) -> str:
    return path.split(".", 1)[0].split("[", 1)[0]


async def serve(server: Server) -> None:
    """Serve until the engine asks to stop or is gone. The first line on standard output is the port."""
    loop = asyncio.get_running_loop()
    # Ctrl-C reaches every process of the terminal's group. The engine decides which operations to finish, so the plugin
    # ignores the signal.
    loop.add_signal_handler(signal.SIGINT, lambda: None)
    loop.add_signal_handler(signal.SIGTERM, server.stop)
    grpc_server = grpc.aio.server(options=_GRPC_OPTIONS)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(server, grpc_server)
    port = grpc_server.add_insecure_port("127.0.0.1:0")
    await grpc_server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    await server.stopped()
    await grpc_server.stop(grace=0.2)
