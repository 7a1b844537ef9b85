"""The plugin's server in this process, spoken to as the engine does."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import grpc
import grpc.aio
from pulumi.runtime.proto import engine_pb2_grpc, provider_pb2_grpc

from pulumi_codespaces.plugin.server import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from concurrent.futures import Future

URN = "urn:pulumi:test::access::{token}::{name}"


class Engine(engine_pb2_grpc.EngineServicer):
    """Takes the messages that plugins send."""

    def __init__(self) -> None:
        self.said: list[Any] = []
        self.delay = 0.0

    async def Log(self, request: Any, context: Any) -> Any:  # noqa: N802
        from google.protobuf import empty_pb2

        if self.delay:
            await asyncio.sleep(self.delay)
        self.said.append(request)
        return empty_pb2.Empty()


class Plugin:
    """A served plugin: `stub` to call it, `server` and `engine` to look into."""

    def __init__(self, stub: Any, server: Server, engine: Engine, run: Callable[..., Any]) -> None:
        self.stub, self.server, self.engine, self.run = stub, server, engine, run


@contextmanager
def serving(resources: Mapping[str, Any]) -> Iterator[Plugin]:
    """Serve a plugin with these resources in a thread with a loop of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    def run(coroutine: Any) -> Any:
        future: Future[Any] = asyncio.run_coroutine_threadsafe(coroutine, loop)
        return future.result(30)

    async def start() -> tuple[Server, Engine, list[Any], int]:
        engine = Engine()
        listening = grpc.aio.server()
        engine_pb2_grpc.add_EngineServicer_to_server(engine, listening)
        address = f"127.0.0.1:{listening.add_insecure_port('127.0.0.1:0')}"
        await listening.start()
        server = Server(lambda: None, resources, "1.0.0", address)
        grpc_server = grpc.aio.server()
        provider_pb2_grpc.add_ResourceProviderServicer_to_server(server, grpc_server)
        port = grpc_server.add_insecure_port("127.0.0.1:0")
        await grpc_server.start()
        return server, engine, [grpc_server, listening], port

    server, engine, listening, port = run(start())
    channel = grpc.insecure_channel(f"127.0.0.1:{port}")
    try:
        yield Plugin(provider_pb2_grpc.ResourceProviderStub(channel), server, engine, run)
    finally:
        channel.close()
        run(server._run.close())
        for grpc_server in listening:
            run(grpc_server.stop(None))
        run(_close(server))
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _close(server: Server) -> None:
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    del server
