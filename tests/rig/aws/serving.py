"""Servers on free ports of 127.0.0.1 in one event loop, which has a thread to itself."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import struct
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    import ssl
    from types import FrameType

Result = TypeVar("Result")
Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_STOP_SECONDS = 5.0


class LoopThread:
    """An event loop in a daemon thread."""

    def __init__(self, name: str) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def call(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Run a coroutine there and wait for it; not from that thread itself."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result()

    def close(self) -> None:
        """Cancel what still runs, and end the thread."""
        with contextlib.suppress(asyncio.CancelledError):
            self.call(self._cancel_all())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(_STOP_SECONDS)
        self.loop.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()

    async def _cancel_all(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self.loop.shutdown_asyncgens()
        await self.loop.shutdown_default_executor()


def end_on_signals() -> threading.Event:
    """An event that SIGINT and SIGTERM set; call it in the main thread."""
    ended = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        ended.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    return ended


def listen() -> socket.socket:
    """A listening socket on a free port of 127.0.0.1."""
    # Made with the protocol's number: without it asyncio leaves Nagle's algorithm on, and answers wait 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen(128)
    return listener


class HttpServer:
    """An ASGI application on a free port.

    Attributes:
        port: on 127.0.0.1.
    """

    def __init__(self, app: App, tls: ssl.SSLContext | None = None) -> None:
        """Bind the port; `start` serves it.

        Args:
            app: what answers.
            tls: how to speak TLS; plain HTTP without it.
        """
        self._transports: dict[tuple[str, int], asyncio.Transport] = {}
        self._socket = listen()
        self.port: int = self._socket.getsockname()[1]

        def factory(_config: uvicorn.Config, _default: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
            assert tls is not None
            return tls

        self._server = uvicorn.Server(
            uvicorn.Config(
                app,  # pyright: ignore[reportArgumentType] - uvicorn types scopes by kind
                http=_protocol(self._transports),
                interface="asgi3",
                lifespan="off",
                log_config=None,
                log_level="error",
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_keep_alive=300,
                timeout_graceful_shutdown=1,
                ssl_context_factory=factory if tls else None,
            )
        )
        self._serving: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Serve from now on."""
        self._serving = asyncio.create_task(self._server.serve(sockets=[self._socket]))
        while not self._server.started:
            if self._serving.done():
                self._serving.result()
                raise RuntimeError("the server ended before it served")
            await asyncio.sleep(0.001)

    async def stop(self) -> None:
        """Close all connections and the port."""
        if self._serving:
            self._server.should_exit = True
            for transport in list(self._transports.values()):
                transport.abort()
            await asyncio.wait([self._serving], timeout=_STOP_SECONDS)
        self._socket.close()

    async def reset(self, scope: Scope, receive: Receive) -> None:
        """Break the connection of a request, as a crashed or cut-off server does."""
        transport = self._transports.get(scope["client"])
        if transport is not None:
            peer: socket.socket | None = transport.get_extra_info("socket")
            if peer is not None:
                # With a linger time of zero the kernel sends RST instead of FIN.
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            transport.abort()
        # An application that returns before uvicorn has noticed the break is reported as faulty.
        while (await receive())["type"] != "http.disconnect":
            pass


def _protocol(transports: dict[tuple[str, int], asyncio.Transport]) -> type[H11Protocol]:
    class Protocol(H11Protocol):
        """Remembers the connection of each client."""

        def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
            super().connection_made(transport)
            if self.client:
                transports[self.client] = transport

        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            if self.client:
                transports.pop(self.client, None)

    return Protocol


async def read_body(receive: Receive) -> bytes | None:
    """The whole body of a request; None where the client went away."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if not message.get("more_body"):
            return bytes(body)


async def respond(send: Send, status: int, headers: list[tuple[str, str]], body: bytes, method: str = "GET") -> None:
    """Send an answer with its length."""
    if not any(name.lower() == "content-length" for name, _ in headers):
        headers = [*headers, ("content-length", str(len(body)))]
    raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": b"" if method == "HEAD" else body})
