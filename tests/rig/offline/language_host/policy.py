"""The proxy between the engine and a policy pack in Python: `PolicyProxy` in `sdk/policy_proxy.go`.

The engine configures a policy pack after it has started. The SDK of policy packs wants the stack and its configuration
in the environment variables of its process. So the engine gets this proxy first, and the pack starts once the
proxy knows the stack.
"""

import contextlib
import json
import threading
from collections.abc import Callable, Generator
from concurrent import futures
from typing import Any

import grpc
from pulumi.runtime.proto import analyzer_pb2
from typing_extensions import override

from .processes import HostError, Output

_SERVICE = "/pulumirpc.Analyzer/"
# Seconds that calls get after the end of the pack.
_LAST_ANSWERS = 5.0


class PolicyProxy:
    """An `Analyzer` service that passes on every call but `Handshake` and `ConfigureStack`."""

    def __init__(self, threads: int, options: Any) -> None:
        """Serves at once.

        Args:
            threads: How many calls may run at a time.
            options: Options of the gRPC server.
        """
        self._server = grpc.server(futures.ThreadPoolExecutor(threads), [_Calls(self._handle)], options=options)
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()
        self._configuration: futures.Future[bytes | None] = futures.Future()
        self._pack: futures.Future[grpc.Channel] = futures.Future()
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def running(self) -> Generator[None, None, None]:
        """Ends the service at the end of a `with` block."""
        try:
            yield
        finally:
            self.give_up("the policy pack has ended")
            # A call that was given its error just now is still on its way.
            self._server.stop(_LAST_ANSWERS)

    def configuration(self) -> dict[str, str]:
        """Waits for the first call; returns the environment variables that describe the stack to the pack.

        Returns:
            No variables if the first call is not `ConfigureStack`, as in `pulumi policy publish`.
        """
        configured = self._configuration.result()
        if configured is None:
            return {}
        stack = analyzer_pb2.AnalyzerStackConfigureRequest.FromString(configured)
        variables = {
            "PULUMI_ORGANIZATION": stack.organization,
            "PULUMI_PROJECT": stack.project,
            "PULUMI_STACK": stack.stack,
            "PULUMI_DRY_RUN": json.dumps(stack.dry_run),
            "PULUMI_CONFIG": json.dumps(dict(stack.config)) if stack.config else "",
        }
        return {name: value for name, value in variables.items() if value}

    def attach(self, port: int) -> None:
        """Follows `Attach`: connects to the pack and passes on the configuration.

        Raises:
            HostError: The pack refuses its configuration.
        """
        channel = grpc.insecure_channel(f"127.0.0.1:{port}")
        try:
            _call(channel, "ConfigureStack", self._configuration.result() or b"")
        except grpc.RpcError as error:
            # Older SDKs of policy packs do not have the call.
            if error.code() != grpc.StatusCode.UNIMPLEMENTED:
                raise HostError(f"policy pack configuration failed: {_go_text(error)}", error.code()) from None
        self._settle(self._pack.set_result, channel)

    def give_up(self, reason: str) -> None:
        """Answers calls that wait for the pack, and those to come, with an error."""
        self._settle(self._pack.set_exception, HostError(f"policy pack not started: {reason}"))
        self._settle(self._configuration.set_exception, HostError(reason))

    def _settle(self, settle: Callable[[Any], None], value: object) -> None:
        # The first one counts.
        with self._lock, contextlib.suppress(futures.InvalidStateError):
            settle(value)

    def _handle(self, method: str, request: bytes, context: grpc.ServicerContext) -> bytes:
        if method == "Handshake":
            return b""
        if method == "ConfigureStack":
            self._settle(self._configuration.set_result, request)
            return b""
        self._settle(self._configuration.set_result, None)
        try:
            return _call(self._pack.result(), method, request)
        except HostError as error:
            context.abort(grpc.StatusCode.UNKNOWN, str(error))
        except grpc.RpcError as error:
            context.abort(error.code(), error.details() or "")
        raise AssertionError("abort does not return")


class Port:
    """Takes the first line, a port, out of the output of a pack.

    Attributes:
        output: Where to write the output of the pack.
    """

    def __init__(self, output: Output) -> None:
        """Passes on everything behind the line to `output`."""
        self.output = Output(self._write, output.error)
        self._write_rest = output.info
        self._line = b""
        self._port: futures.Future[int] = futures.Future()

    def read(self) -> int:
        """Waits for the port.

        Raises:
            HostError: The output ended before it, or begins with something else.
        """
        return self._port.result()

    def end(self) -> None:
        """Notes the end of the output."""
        if not self._port.done():
            self._fail("unexpected EOF")

    def _write(self, chunk: bytes) -> None:
        if self._port.done():
            self._write_rest(chunk)
            return
        self._line += chunk
        line, end, rest = self._line.partition(b"\n")
        if not end:
            return
        if line.strip().isdigit():
            self._port.set_result(int(line))
        else:
            self._fail("expected integer" if line.strip() else "unexpected newline")
        if rest:
            self._write_rest(rest)

    def _fail(self, reason: str) -> None:
        self._port.set_exception(HostError(f"could not read policy pack port: {reason}"))


class _Calls(grpc.GenericRpcHandler):
    """Hands on the calls of the service as they are, in bytes."""

    def __init__(self, handle: Callable[[str, bytes, grpc.ServicerContext], bytes]) -> None:
        self._handle = handle

    @override
    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        method = handler_call_details.method
        if not method.startswith(_SERVICE):
            return None
        return grpc.unary_unary_rpc_method_handler(
            lambda request, context: self._handle(method.removeprefix(_SERVICE), request, context)
        )


def _go_text(error: Any) -> str:
    """Returns the text of a gRPC error as Go prints it."""
    name = "".join(part.capitalize() for part in error.code().name.split("_"))
    return f"rpc error: code = {name} desc = {error.details()}"


def _call(channel: grpc.Channel, method: str, request: bytes) -> bytes:
    return channel.unary_unary(_SERVICE + method)(request)
