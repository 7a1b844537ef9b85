"""An HTTPS proxy that knows registries only, and the certificates for their names."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from pathlib import Path
from typing import TYPE_CHECKING

import trustme

if TYPE_CHECKING:
    from collections.abc import Callable

_LONGEST_REQUEST = 64 * 1024
_HEAD_SECONDS = 30.0
_CHUNK = 64 * 1024
_STOP_SECONDS = 2.0
_SYSTEM_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


class Certificates:
    """A certificate authority of the rig's own, and a certificate for every name that is asked for.

    Attributes:
        ca_file: the authority's certificate alone.
        bundle_file: the same, followed by those that the system trusts, where there are any: for SSL_CERT_FILE.
    """

    def __init__(self, folder: Path) -> None:
        self._authority = trustme.CA(organization_name="pulumi-codespaces rig")
        self._contexts: dict[str, ssl.SSLContext] = {}
        self.ca_file = folder / "rig-ca.pem"
        self.bundle_file = folder / "ca-bundle.pem"
        own = self._authority.cert_pem.bytes()
        self.ca_file.write_bytes(own)
        self.bundle_file.write_bytes(own + _system_bundle())

    def server_context(self) -> ssl.SSLContext:
        """How a server speaks TLS that takes the name from the client's greeting."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.sni_callback = self._choose
        self._certify(context, "rig.invalid")
        return context

    def _certify(self, context: ssl.SSLContext, name: str) -> None:
        self._authority.issue_cert(name).configure_cert(context)  # pyright: ignore[reportUnknownMemberType]

    def _choose(self, connection: ssl.SSLSocket | ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        if name:
            if name not in self._contexts:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                self._certify(context, name)
                self._contexts[name] = context
            connection.context = self._contexts[name]


def _system_bundle() -> bytes:
    paths = [ssl.get_default_verify_paths().cafile, *_SYSTEM_BUNDLES]
    for path in paths:
        if path and Path(path).is_file():
            return Path(path).read_bytes()
    return b""


class Proxy:
    """The proxy.

    Attributes:
        port: on 127.0.0.1.
        refused: the `host:port` of every request that it turned away, in order.
    """

    def __init__(self, knows: Callable[[str], bool], target_port: int) -> None:
        """Make it.

        Args:
            knows: whether a host name is a registry's.
            target_port: of the server on 127.0.0.1 that speaks TLS for all of them.
        """
        self._knows = knows
        self._target_port = target_port
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self.refused: list[str] = []
        self.port = 0

    async def start(self) -> None:
        """Serve from now on."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=_LONGEST_REQUEST)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close all connections and the port."""
        if self._server:
            self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        if self._connections:
            await asyncio.wait(self._connections, timeout=_STOP_SECONDS)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        self._writers.add(writer)
        try:
            await self._tunnel(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.TimeoutError):
            pass
        finally:
            await _close(writer)
            self._writers.discard(writer)
            self._connections.discard(task)

    async def _tunnel(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), _HEAD_SECONDS)
        method, target = ([*head.split(b"\r\n", 1)[0].decode("latin-1").split(" "), "", ""])[:2]
        host, _, port = target.rpartition(":")
        if method != "CONNECT" or port != "443" or not self._knows(host.lower()):
            self.refused.append(target)
            text = f"{target}: this proxy leads to the registries of the local cloud only.\n".encode()
            writer.write(
                b"HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain\r\nConnection: close\r\n"
                b"Content-Length: %d\r\n\r\n%s" % (len(text), text)
            )
            await writer.drain()
            return
        target_reader, target_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        self._writers.add(target_writer)
        try:
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await writer.drain()
            copies = [
                asyncio.create_task(_copy(reader, target_writer)),
                asyncio.create_task(_copy(target_reader, writer)),
            ]
            try:
                await asyncio.gather(*copies)
            finally:
                for copy in copies:
                    copy.cancel()
        finally:
            await _close(target_writer)
            self._writers.discard(target_writer)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(_CHUNK):
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
