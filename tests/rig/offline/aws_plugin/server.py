"""The gRPC side: the engine's calls in, answers out; and how the process ends."""
# ruff: noqa: N802 - the protocol names the calls

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc, status_pb2

from . import VERSION, configuration, lifecycle
from .clients import Aws
from .configuration import Configuration
from .failures import PartialFailure, ProviderError
from .functions import invoke, missing
from .lifecycle import Autonaming
from .resources import RESOURCES
from .values import decode, encode, reveal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .resource import Resource

# The limit of the engine's own servers (sdk/go/common/util/rpcutil/serve.go); Python's default is 4 MB.
_MAX_MESSAGE_BYTES = 400 * 1024 * 1024
_MAX_THREADS = 64
_FINISH_SECONDS = 5.0
"""How long calls in hand may go on after SIGTERM."""
_WATCH_SECONDS = 1.0
_KINDS = {
    ("add", False): provider_pb2.PropertyDiff.Kind.ADD,
    ("add", True): provider_pb2.PropertyDiff.Kind.ADD_REPLACE,
    ("update", False): provider_pb2.PropertyDiff.Kind.UPDATE,
    ("update", True): provider_pb2.PropertyDiff.Kind.UPDATE_REPLACE,
    ("delete", False): provider_pb2.PropertyDiff.Kind.DELETE,
    ("delete", True): provider_pb2.PropertyDiff.Kind.DELETE_REPLACE,
}


class Server(provider_pb2_grpc.ResourceProviderServicer):
    """Serves one provider instance.

    Args:
        stops_on_cancel: whether the calling engine started this process. A process that an engine
            only attached to (PULUMI_DEBUG_PROVIDERS) serves the next one too.

    Attributes:
        stopping: set when the process is to end as soon as the calls in hand have.
        abandoned: set when nobody waits for these calls any more, so that they need not wait either. A Cancel, which is
            what the engine sends at the first Ctrl-C, does not do that: the real plugin goes on repeating.
    """

    def __init__(self, *, stops_on_cancel: bool = True) -> None:
        self.stopping, self.abandoned = threading.Event(), threading.Event()
        self.in_hand = 0
        self._stops_on_cancel = stops_on_cancel
        self._lock = threading.Lock()
        self._aws = Aws(Configuration(), self.abandoned)

    # The plugin itself

    def Handshake(self, request: Any, context: Any) -> Any:
        del request, context
        return provider_pb2.ProviderHandshakeResponse(supports_autonaming_configuration=True)

    def Attach(self, request: Any, context: Any) -> Any:
        del request, context
        return empty_pb2.Empty()

    def GetPluginInfo(self, request: Any, context: Any) -> Any:
        del request, context
        return plugin_pb2.PluginInfo(version=VERSION)

    def GetSchema(self, request: Any, context: Any) -> Any:
        from .package_schema import package_schema

        with self._answering(context):
            if request.version > 1:
                raise ProviderError(f"unsupported schema version {request.version}")
            return provider_pb2.GetSchemaResponse(schema=json.dumps(package_schema()))

    def GetMapping(self, request: Any, context: Any) -> Any:
        del request, context
        return provider_pb2.GetMappingResponse()

    def Cancel(self, request: Any, context: Any) -> Any:
        del request, context
        if self._stops_on_cancel:
            self.stopping.set()
        return empty_pb2.Empty()

    # The provider instance

    def CheckConfig(self, request: Any, context: Any) -> Any:
        with self._answering(context):
            inputs, reasons = configuration.check(decode(request.news), lambda settings: Aws(settings, self.abandoned))
            failures = [provider_pb2.CheckFailure(reason=reason) for reason in reasons]
            return provider_pb2.CheckResponse(inputs=encode(inputs), failures=failures)

    def DiffConfig(self, request: Any, context: Any) -> Any:
        with self._answering(context):
            # Since release 7, no change of a provider's inputs replaces it, not even another region
            # (https://github.com/pulumi/pulumi-aws/pull/5656).
            old, new = reveal(decode(request.old_inputs)), reveal(decode(request.news))
            names = sorted(name for name in {*old, *new} if old.get(name) != new.get(name))
            changes = provider_pb2.DiffResponse.DIFF_SOME if names else provider_pb2.DiffResponse.DIFF_NONE
            return provider_pb2.DiffResponse(changes=changes, diffs=names)

    def Configure(self, request: Any, context: Any) -> Any:
        with self._answering(context):
            settings = configuration.configure(decode(request.args))
            # Like the real plugin, it connects again although CheckConfig may have done so a moment ago.
            aws = Aws(settings, self.abandoned)
            configuration.connect(aws)
            self._aws = aws
            # As with the real one, the engine sends no marks of secrets, and puts them back itself.
            return provider_pb2.ConfigureResponse(supportsPreview=True, supports_autonaming_configuration=True)

    def Invoke(self, request: Any, context: Any) -> Any:
        with self._answering(context):
            arguments = reveal(decode(request.args))
            reasons = missing(request.tok, arguments)
            if reasons:
                failures = [provider_pb2.CheckFailure(reason=reason) for reason in reasons]
                return provider_pb2.InvokeResponse(failures=failures)
            answer = provider_pb2.InvokeResponse()
            getattr(answer, "return").CopyFrom(encode(invoke(request.tok, self._aws, arguments)))
            return answer

    # Resources

    def Check(self, request: Any, context: Any) -> Any:
        with self._answering(context):
            autonaming = None
            if request.HasField("autonaming"):
                mode = provider_pb2.CheckRequest.AutonamingOptions.Mode.Name(request.autonaming.mode)
                autonaming = Autonaming(mode.lower(), request.autonaming.proposed_name)
            inputs, reasons = lifecycle.check(
                self._resource(request.urn),
                self._aws,
                request.urn,
                reveal(decode(request.olds)),
                reveal(decode(request.news)),
                request.randomSeed,
                autonaming,
            )
            failures = [provider_pb2.CheckFailure(reason=reason) for reason in reasons]
            return provider_pb2.CheckResponse(inputs=encode(inputs), failures=failures)

    def Diff(self, request: Any, context: Any) -> Any:
        with self._answering(context):
            state, news = reveal(decode(request.olds)), reveal(decode(request.news))
            found = lifecycle.difference(self._resource(request.urn), state, news, request.ignoreChanges)
            changes = provider_pb2.DiffResponse.DIFF_SOME if found.changes else provider_pb2.DiffResponse.DIFF_NONE
            return provider_pb2.DiffResponse(
                changes=changes,
                replaces=found.replaces,
                stables=found.stables,
                deleteBeforeReplace=found.delete_before_replace,
                diffs=sorted({lifecycle.top_level(path) for path in found.changes}),
                detailedDiff={
                    path: provider_pb2.PropertyDiff(kind=_KINDS[change]) for path, change in found.changes.items()
                },
                hasDetailedDiff=True,
            )

    def Create(self, request: Any, context: Any) -> Any:
        with self._answering(context):
            identifier, properties = lifecycle.create(
                self._resource(request.urn),
                self._aws,
                request.urn,
                reveal(decode(request.properties)),
                preview=request.preview,
            )
            return provider_pb2.CreateResponse(id=identifier, properties=encode(properties))

    def Read(self, request: Any, context: Any) -> Any:
        with self._answering(context):
            found = lifecycle.read(
                self._resource(request.urn),
                self._aws,
                request.urn,
                request.id,
                reveal(decode(request.inputs)),
                reveal(decode(request.properties)),
            )
            if found is None:
                return provider_pb2.ReadResponse()
            identifier, inputs, properties = found
            return provider_pb2.ReadResponse(id=identifier, inputs=encode(inputs), properties=encode(properties))

    def Update(self, request: Any, context: Any) -> Any:
        with self._answering(context):
            properties = lifecycle.update(
                self._resource(request.urn),
                self._aws,
                request.urn,
                request.id,
                reveal(decode(request.olds)),
                reveal(decode(request.news)),
                request.ignoreChanges,
                preview=request.preview,
            )
            return provider_pb2.UpdateResponse(properties=encode(properties))

    def Delete(self, request: Any, context: Any) -> Any:
        with self._answering(context):
            state = reveal(decode(request.properties))
            lifecycle.delete(self._resource(request.urn), self._aws, request.urn, request.id, state)
            return empty_pb2.Empty()

    def _resource(self, urn: str) -> Resource:
        token = urn.split("::")[2].rsplit("$", maxsplit=1)[-1]
        resource = RESOURCES.get(token)
        if resource is None:
            raise ProviderError(
                f"unrecognized resource type: {token}. This is a stand-in for Pulumi's AWS plugin {VERSION}; it knows "
                f"{', '.join(sorted(RESOURCES))}."
            )
        return resource

    @contextmanager
    def _answering(self, context: Any) -> Iterator[None]:
        """Around the work of one call: counts it while it lasts, and turns exceptions into answers."""
        with self._lock:
            self.in_hand += 1
        try:
            yield
        except PartialFailure as failure:
            _abort_partially(context, failure)
        except ProviderError as error:
            context.abort(grpc.StatusCode.UNKNOWN, str(error))
        except Exception as error:  # noqa: BLE001 - whatever it is, its text may quote a secret
            where = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{os.path.basename(where.filename)}:{where.lineno}"  # noqa: PTH119
            text = f"{type(error).__name__} in {place}: a defect of this stand-in for Pulumi's AWS plugin"
            context.abort(grpc.StatusCode.INTERNAL, text)
        finally:
            with self._lock:
                self.in_hand -= 1


def _abort_partially(context: Any, failure: PartialFailure) -> NoReturn:
    message = str(failure)
    detail = provider_pb2.ErrorResourceInitFailed(
        id=failure.identifier, properties=encode(failure.properties), reasons=[message]
    )
    status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=message)
    status.details.add().Pack(detail)
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(grpc.StatusCode.UNKNOWN, message)
    raise AssertionError


def start(server: Server, address: str = "127.0.0.1:0") -> tuple[grpc.Server, int]:
    """Serve on an address of this machine.

    Returns:
        The gRPC server and its port.
    """
    options = [
        ("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES),
        ("grpc.max_send_message_length", _MAX_MESSAGE_BYTES),
    ]
    listener = grpc.server(ThreadPoolExecutor(_MAX_THREADS), options=options)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(server, listener)
    port = listener.add_insecure_port(address)
    listener.start()
    return listener, port


def serve(arguments: Sequence[str]) -> NoReturn:
    """Serve until the engine says that it is done, or is gone; the port is the first line on standard output.

    Args:
        arguments: as the engine gives them: flags, which are not used, and its address.
    """
    # Before the port is told: whoever has read that may end, and the process would take its new parent for the old one.
    parent = os.getppid()
    engine = next((each for each in arguments if not each.startswith("-")), "")
    server = Server(stops_on_cancel=bool(engine))
    terminated = threading.Event()

    def terminate(_number: int, _frame: object) -> None:
        terminated.set()
        server.abandoned.set()
        server.stopping.set()

    # The engine interrupts its plugins when it has finished, and a terminal everybody: only the engine can tell which
    # calls still matter, so it is Cancel that ends this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, terminate)
    listener, port = start(server)
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    threading.Thread(target=_watch, args=(server, parent, engine), daemon=True).start()
    while not server.stopping.wait(0.5):
        pass
    _finish(server, terminated)
    listener.stop(0.2).wait()
    sys.stdout.flush()
    # A thread that waits for an answer of AWS would be waited for.
    os._exit(0)


def _finish(server: Server, terminated: threading.Event) -> None:
    """Let the calls in hand come to their end, so that nothing is made that no state knows of."""
    deadline: float | None = None
    while server.in_hand:
        if terminated.is_set() and deadline is None:
            deadline = time.monotonic() + _FINISH_SECONDS
        if deadline is not None and time.monotonic() > deadline:
            return
        time.sleep(0.02)


def _watch(server: Server, parent: int, engine: str) -> None:
    """End the process when nobody is left to end it: a killed engine says nothing."""
    missed = 0
    while missed < 3 and os.getppid() == parent:
        time.sleep(_WATCH_SECONDS)
        missed = missed + 1 if engine and not _listens(engine) else 0
    server.abandoned.set()
    server.stopping.set()


def _listens(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=1):
            return True
    except (OSError, ValueError):
        return False
