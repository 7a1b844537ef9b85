"""The stand-in as a whole: state, front and a server in a thread of its own."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvicorn
from typing_extensions import Self
from uvicorn.protocols.http.h11_impl import H11Protocol

from . import apps, contents, graphql, organizations, properties, repositories, secrets
from .control import control
from .front import Exchange, Front, Receive, Scope, Send
from .limits import Limits
from .state import Cloud, Event, Organization, Repository
from .tokens import Tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime
    from types import TracebackType

    from .faults import Faults

OPERATION_MODULES = (apps, contents, graphql, organizations, properties, repositories, secrets)
"""Importing them has entered what they serve into the table of operations."""

_START_TIMEOUT = 10.0
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class GitHubStandIn:
    """GitHub's REST API on 127.0.0.1, under `/` and `/api/v3`.

    Use it as a context manager, or call `start` and `stop`. Its state may be read and changed from any thread; hold
    `lock` where several steps must see the same state.

    Args:
        seed: organizations, users, tokens and Apps, in the form that the package shows.
        port: 0 for a free one.
        check_contract: whether exchanges are checked against GitHub's description; leaving the context fails on a
            breach.
        latency: seconds added to every answer.
        clock: returns the current time as an aware datetime; by default the machine's.
        requests_log: a file that gets a line of JSON for every exchange.

    Attributes:
        requests: the exchanges so far, in the order of arrival.
        faults: what goes wrong on order.
        limits: the rate limits.
        tokens: who may call.
        observers: called in the server's thread after every change of state.
        unserved: requests for operations that the stand-in does not have.
    """

    def __init__(
        self,
        seed: Mapping[str, Any] | None = None,
        *,
        port: int = 0,
        check_contract: bool = True,
        latency: float = 0.0,
        clock: Callable[[], datetime] | None = None,
        requests_log: str | Path | None = None,
    ) -> None:
        self.cloud = Cloud(clock)
        self.tokens = Tokens(self.cloud)
        self.limits = Limits(self.cloud)
        self._front = Front(self.cloud, self.tokens, self.limits, check_contract=check_contract)
        self._front.latency = latency
        self.faults: Faults = self._front.faults
        self._port = port
        self._requests_log = requests_log
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._control = control(self)
        if seed:
            self.seed(seed)

    @property
    def url(self) -> str:
        """Where it listens, without a slash at the end; only while it runs."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def lock(self) -> threading.RLock:
        """Holds the state still."""
        return self.cloud.lock

    @property
    def requests(self) -> list[Exchange]:
        """The exchanges so far, in the order of arrival."""
        return self._front.requests

    @property
    def unserved(self) -> list[str]:
        """Requests for operations that the stand-in does not have."""
        return self._front.unserved

    @property
    def observers(self) -> list[Callable[[Event], object]]:
        """Called in the server's thread after every change of state."""
        return self.cloud.observers

    @property
    def contract_failures(self) -> list[str]:
        """Where an exchange so far broke GitHub's description; empty is good."""
        return self._front.contract.failures()

    @property
    def latency(self) -> float:
        """Seconds added to every answer, half of them before the request is handled."""
        return self._front.latency

    @latency.setter
    def latency(self, seconds: float) -> None:
        self._front.latency = seconds

    @property
    def clock(self) -> Callable[[], datetime]:
        """Tells the time, as an aware datetime."""
        return self.cloud.clock

    @clock.setter
    def clock(self, clock: Callable[[], datetime]) -> None:
        self.cloud.clock = clock

    @property
    def selection_moves_updated_at(self) -> bool:
        """Whether a change of the selected repositories alone moves a secret's `updated_at`."""
        return self.cloud.selection_moves_updated_at

    @selection_moves_updated_at.setter
    def selection_moves_updated_at(self, moves: bool) -> None:
        self.cloud.selection_moves_updated_at = moves

    def seed(self, seed: Mapping[str, Any]) -> None:
        """Add what a seed describes to the state."""
        with self.lock:
            self.cloud.seed(seed)
            self.tokens.seed(seed)

    def organization(self, login: str) -> Organization:
        """An organization; raises KeyError for an unknown one."""
        return self.cloud.organization(login)

    def repository(self, full_name: str) -> Repository:
        """A repository by `organization/name`; raises KeyError for an unknown one."""
        return self.cloud.repository(full_name)

    def rotate_public_key(self, login: str) -> None:
        """Give an organization a new key to seal secrets with."""
        self.organization(login).rotate_public_key()

    def clear_requests(self) -> None:
        """Forget the exchanges so far."""
        self._front.requests.clear()

    def start(self) -> Self:
        """Listen, and return when requests are answered."""
        # Made with the protocol's number: asyncio leaves TCP_NODELAY out without it, and each request takes 40 ms more.
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", self._port))
        except OSError as error:
            listener.close()
            raise OSError(
                error.errno, f"{error.strerror}: port {self._port} of 127.0.0.1; 0 takes a free one"
            ) from None
        self._port = listener.getsockname()[1]
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(listener, ready), name="github-stand-in", daemon=True)
        self._thread.start()
        if not ready.wait(_START_TIMEOUT):
            raise TimeoutError(f"the GitHub stand-in did not start within {_START_TIMEOUT:g} s")
        return self

    def stop(self) -> None:
        """Close the connections and the port; harmless where it does not run."""
        if self._loop and self._thread:
            self._loop.call_soon_threadsafe(self._front.stopping.set)
            self._thread.join()
        self._loop = self._thread = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()
        failures = self.contract_failures
        if failures and error is None:
            raise AssertionError("exchanges break GitHub's OpenAPI description:\n" + "\n".join(failures))

    def _run(self, listener: socket.socket, ready: threading.Event) -> None:
        asyncio.run(self._serve(listener, ready))

    async def _serve(self, listener: socket.socket, ready: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._front.stopping = asyncio.Event()
        connections: dict[object, H11Protocol] = {}

        class Connection(H11Protocol):
            """Remembered by its client's address, so that it can be reset."""

            def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
                super().connection_made(transport)
                connections[self.client] = self

            def connection_lost(self, exc: Exception | None) -> None:
                connections.pop(self.client, None)
                super().connection_lost(exc)

        def reset(scope: Scope) -> None:
            connection = connections.get(tuple(scope["client"]))
            if connection:
                connection.transport.get_extra_info("socket").setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE
                )
                connection.transport.abort()

        self._front.reset_connection = reset
        config = uvicorn.Config(
            self._route, http=Connection, ws="none", lifespan="off", log_config=None, access_log=False,
            date_header=False, server_header=False, timeout_keep_alive=120, interface="asgi3", proxy_headers=False,
        )  # fmt: skip
        config.load()
        server = uvicorn.Server(config)
        server.lifespan = config.lifespan_class(config)
        log = Path(self._requests_log).open("a", encoding="utf-8") if self._requests_log else None  # noqa: ASYNC230, SIM115
        self._front.finished = [lambda exchange: (log.write(_line(exchange)), log.flush())] if log else []
        try:
            await server.startup(sockets=[listener])
            ready.set()
            await self._front.stopping.wait()
            for each in server.servers:
                each.close()
            for connection in list(connections.values()):
                connection.transport.abort()
            await asyncio.gather(*server.server_state.tasks, return_exceptions=True)
        finally:
            listener.close()
            if log:
                log.close()

    async def _route(self, scope: Scope, receive: Receive, send: Send) -> None:
        inside = scope["path"].startswith("/_rig/")
        await (self._control if inside else self._front)(scope, receive, send)


def _line(exchange: Exchange) -> str:
    shown = {name: value for name, value in vars(exchange).items() if name != "raw"}
    return json.dumps(shown) + "\n"
