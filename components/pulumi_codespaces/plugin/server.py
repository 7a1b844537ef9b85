"""The gRPC side of the plugin: the engine's calls in, the resources' answers out.

The SDK's own base for providers serves components only (`Construct`, `Call`), and its experimental one cannot answer
with values not known yet, which a preview needs; so the calls for custom resources are served here as they come. Every
answer passes through one place that keeps secrets out of failures.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import traceback
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, cast

import grpc
import grpc.aio
from google.protobuf import empty_pb2
from pulumi.provider.server import ProviderServicer
from pulumi.runtime._grpc_settings import _GRPC_CHANNEL_OPTIONS  # pyright: ignore[reportPrivateUsage]
from pulumi.runtime.proto import (
    engine_pb2,
    engine_pb2_grpc,
    plugin_pb2,
    provider_pb2,
    provider_pb2_grpc,
    status_pb2,
)

from ..version import compatible
from . import configuration
from .failures import Failure, InvalidInputs, PartialWrite, PluginError
from .run import Run, Severity
from .values import decode, encode, secret_strings

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping

    from google.protobuf import struct_pb2
    from pulumi.provider import Provider as ComponentHost

    from .resource import Resource
    from .values import Properties, Value

_FINISH_SECONDS = 3.0
"""How long a write in hand may go on after the engine asked to stop."""
_ROLL_BACK_SECONDS = 1.5
"""How long it then has to put back what it wrote."""
_WATCH_SECONDS = 0.2
_LOG_SECONDS = 5.0
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


class Server(ProviderServicer):
    """Serves one provider instance.

    Args:
        components: what constructs the components and knows the schema; made on first use, since it imports the
            components and with them the SDKs of the clouds.
        resources: type token -> resource.
        version: the plugin's version.
        engine_address: where the engine listens for messages; "" until its handshake.
    """

    def __init__(
        self,
        components: Any,
        resources: Mapping[str, Resource],
        version: str,
        engine_address: str,
    ) -> None:
        self._components = components
        self._resources = resources
        self._version = version
        self.args = []
        self.engine_address = engine_address
        self._engine: engine_pb2_grpc.EngineStub | None = None
        self._messages: set[asyncio.Task[None]] = set()
        self._speaking = asyncio.Lock()
        self._run = Run(configuration.Configuration(complete=False), self._log)
        self._writing = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self.stopping = asyncio.Event()

    @property
    def provider(self) -> ComponentHost:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The component host that the SDK's Construct and GetSchema ask."""
        return self._components()

    # -- the plugin itself

    async def Handshake(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.engine_address = request.engine_address or self.engine_address
        return provider_pb2.ProviderHandshakeResponse(accept_secrets=True, accept_resources=True, accept_outputs=True)

    async def Attach(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.engine_address = request.address
        return empty_pb2.Empty()

    async def GetPluginInfo(self, request: Any, context: Any) -> Any:  # noqa: N802
        return plugin_pb2.PluginInfo(version=self._version)

    async def Cancel(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.stopping.set()
        return empty_pb2.Empty()

    async def stopped(self) -> None:
        """Return once the plugin has to end: asked to and nothing is being written any more, or the engine is gone."""
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

    async def _to_the_end(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Do what writes, to its end even if the engine drops the call: half a pair is worse than an unheard answer."""
        self.begin_write()
        task = asyncio.create_task(work)
        task.add_done_callback(lambda _: self.end_write())
        return await asyncio.shield(task)

    def begin_write(self) -> None:
        """Count something that writes."""
        self._writing += 1
        self._idle.clear()

    def end_write(self) -> None:
        """Count something that wrote as done."""
        self._writing -= 1
        if not self._writing:
            self._idle.set()

    @property
    def credentials(self) -> list[str]:
        """The credentials for GitHub, which no message may hold."""
        given = self._run.configuration
        return [one for one in (given.token, given.app_auth and given.app_auth.pem) if one]

    def stop(self) -> None:
        """Ask the plugin to end."""
        self.stopping.set()

    async def _engine_gone(self) -> None:
        """Return when nobody listens at the engine's address any more: an engine that was killed tells nobody."""
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

    async def said(self) -> None:
        """Return once the engine has every message so far.

        A message that comes after the answer to its call may come after the end of the operation, and is lost then.
        """
        await asyncio.gather(*self._messages, return_exceptions=True)

    def _log(self, severity: Severity, urn: str, text: str) -> None:
        if not self.engine_address:
            return
        request = engine_pb2.LogRequest(
            severity=_SEVERITIES[severity], message=text, urn=urn, ephemeral=severity is Severity.STATUS
        )
        task = asyncio.create_task(self._say(request))
        self._messages.add(task)
        task.add_done_callback(self._messages.discard)

    async def _say(self, request: engine_pb2.LogRequest) -> None:
        async with self._speaking:  # one after the other, or they may be shown in another order
            if self._engine is None:
                channel = grpc.aio.insecure_channel(self.engine_address, options=_GRPC_CHANNEL_OPTIONS)
                self._engine = engine_pb2_grpc.EngineStub(channel)
            await cast("Any", self._engine).Log(request, timeout=_LOG_SECONDS)

    # -- the provider instance

    async def CheckConfig(self, request: Any, context: Any) -> Any:  # noqa: N802
        async with _Guard(self, context, request.news):
            given = decode(request.news)
            try:
                self._check_version(given.get("version"))
                inputs = configuration.check(given)
            except InvalidInputs as invalid:
                return _check_response({}, invalid)
            return provider_pb2.CheckResponse(inputs=encode(inputs))

    def _check_version(self, classes: Value) -> None:
        """Refuse classes, or an SDK made from the schema, of another major version; the engine passes theirs on."""
        if isinstance(classes, str) and not compatible(classes, self._version):
            text = (
                f"the program uses version {classes} of this package, but the plugin is version {self._version}: their "
                "major versions must be the same. Install the package of the plugin's version, or let `packages` in "
                "Pulumi.yaml name a plugin of the package's version."
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
            self._run = Run(configuration.configure(decode(request.args)), self._log)
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
            identifier, properties = await self._to_the_end(
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
            properties = await self._to_the_end(
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
            await self._to_the_end(self._resource(request.urn).delete(self._run, request.urn, request.id, state))
            return empty_pb2.Empty()

    def _resource(self, urn: str) -> Resource:
        token = urn.split("::")[2].rsplit("$", maxsplit=1)[-1]
        resource = self._resources.get(token)
        if resource is None:
            raise PluginError(f"unknown resource type {token}; this plugin is version {self._version}.")
        return resource


class _Guard:
    """Around the work of one call: turns exceptions into answers that hold no secret, and counts writes in hand."""

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
            await self._server.said()
        finally:
            if self._writes:
                self._server.end_write()
        if error is None or not isinstance(error, Exception):
            return
        if isinstance(error, PartialWrite):
            await self._abort_partial(error)
        elif isinstance(error, PluginError):
            await self._context.abort(grpc.StatusCode.UNKNOWN, self._without_secrets(str(error)))
        elif not isinstance(error, grpc.aio.AbortError):
            # The text of an exception nobody foresaw may quote anything, so only where it came from is told.
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
        secrets = {secret for secret in (*secret_strings(sent), *self._server.credentials) if len(secret) > 3}
        for secret in sorted(secrets, key=len, reverse=True):
            text = text.replace(secret, "[secret]")
        return text


def _check_response(inputs: Properties, invalid: InvalidInputs) -> Any:
    def shown(path: str) -> str:
        # The engine prints the value of the property that it is told, secret or not; for a path it finds none.
        return path if path in inputs and not any(secret_strings(inputs[path])) else ""

    failures = [provider_pb2.CheckFailure(property=shown(one.path), reason=one.reason) for one in invalid.failures]
    return provider_pb2.CheckResponse(inputs=encode(inputs), failures=failures)


def _top_level(path: str) -> str:
    return path.split(".", 1)[0].split("[", 1)[0]


async def serve(server: Server) -> None:
    """Serve until the engine asks to stop or is gone; the port is the first line on standard output."""
    loop = asyncio.get_running_loop()
    # The CLI interrupts its whole process group when the terminal does, and decides itself what is finished.
    loop.add_signal_handler(signal.SIGINT, lambda: None)
    loop.add_signal_handler(signal.SIGTERM, server.stop)
    grpc_server = grpc.aio.server(options=_GRPC_CHANNEL_OPTIONS)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(server, grpc_server)
    port = grpc_server.add_insecure_port("127.0.0.1:0")
    await grpc_server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    await server.stopped()
    await grpc_server.stop(grace=0.2)
