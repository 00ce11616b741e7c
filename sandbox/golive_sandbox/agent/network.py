"""The cluster network: one small proxy that leads to pods and Services, and to nothing else.

It speaks CONNECT (the API server's egress, and anything with TLS) and plain HTTP with an absolute address, on a
loopback port and on the unix socket that the API server was told. It always answers: the API server has no deadline.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from golive_sandbox.agent.directory import Directory, UnroutableError
from golive_sandbox.errors import SandboxError

_LOG = logging.getLogger(__name__)
_HEAD_SECONDS = 10.0
_DIAL_SECONDS = 5.0
_CHUNK = 1 << 16
_LONGEST_SOCKET_PATH = 107  # bytes, the kernel's limit
_HOP = (b"proxy-", b"connection:", b"keep-alive:")


class _BadRequestError(Exception):
    pass


@dataclass(frozen=True, slots=True)
class _Request:
    host: str
    port: int
    tunnel: bool
    head: bytes  # what goes to the server first; nothing for a tunnel


class Network:
    """The proxy. After ``start``, ``port`` is its loopback port."""

    def __init__(self, directory: Directory, egress: Path) -> None:
        self._directory = directory
        self._egress = egress
        self._servers: list[asyncio.Server] = []
        self._open: set[asyncio.Task[None]] = set()
        self.port = 0

    async def start(self) -> None:
        """Listen. Raises ``SandboxError`` when the socket's path is too long for a unix socket."""
        if len(str(self._egress).encode()) > _LONGEST_SOCKET_PATH:
            raise SandboxError(
                f"{self._egress}: a unix socket's path may have {_LONGEST_SOCKET_PATH} bytes; choose a shorter folder"
            )
        self._egress.unlink(missing_ok=True)
        tcp = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self._servers = [tcp, await asyncio.start_unix_server(self._accept, self._egress)]
        self._egress.chmod(0o600)
        self.port = int(tcp.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Close everything, connections under way included."""
        for server in self._servers:
            server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)
        self._egress.unlink(missing_ok=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A task per connection: a slow or dead peer is nobody else's matter.
        task = asyncio.create_task(self._serve(reader, writer))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            answered = await self._connect(reader, writer)
            if answered is not None:
                await _both_ways((reader, writer), answered)
        except (OSError, EOFError) as lost:
            _LOG.debug("cluster network: %r", lost)
        finally:
            writer.close()

    async def _connect(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        """Dial what was asked for; ``None`` when the answer was a refusal."""
        try:
            async with asyncio.timeout(_HEAD_SECONDS):
                request = _parse(await reader.readuntil(b"\r\n\r\n"))
            where = self._directory.where(request.host, request.port)
            async with asyncio.timeout(_DIAL_SECONDS):
                server = await asyncio.open_connection(*where)
        except _BadRequestError as bad:
            await _refuse(writer, "400 Bad Request", str(bad))
            return None
        except (asyncio.LimitOverrunError, asyncio.IncompleteReadError):
            await _refuse(writer, "400 Bad Request", "expected the head of an HTTP request")
            return None
        except UnroutableError as outside:
            await _refuse(writer, "403 Forbidden", str(outside))
            return None
        except TimeoutError:
            await _refuse(writer, "502 Bad Gateway", f"no connection within {_DIAL_SECONDS:g} s")
            return None
        except OSError as refused:
            await _refuse(writer, "502 Bad Gateway", f"{request.host}:{request.port}: {refused}")
            return None
        if request.tunnel:
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        server[1].write(request.head)
        return server


async def _refuse(writer: asyncio.StreamWriter, status: str, why: str) -> None:
    body = f"golive-sandbox cluster network: {why}\n".encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    writer.write(head.encode() + body)
    await writer.drain()


def _parse(head: bytes) -> _Request:
    first, *headers = head.split(b"\r\n")
    words = first.decode("latin-1").split(" ")
    if len(words) != 3:
        raise _BadRequestError(f"expected METHOD ADDRESS VERSION, got {first[:80]!r}")
    method, target, version = words
    try:
        parts = urlsplit(f"//{target}" if method == "CONNECT" else target)
        host, port = parts.hostname, parts.port
    except ValueError as bad:
        raise _BadRequestError(f"{target[:200]!r}: {bad}") from bad
    if not host or parts.scheme not in ("", "http"):
        raise _BadRequestError(f"expected CONNECT HOST:PORT or {method} http://HOST[:PORT]/PATH, got {target[:200]!r}")
    if method == "CONNECT":
        return _Request(host, port or 443, tunnel=True, head=b"")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return _Request(host, port or 80, tunnel=False, head=_rewritten(f"{method} {path} {version}".encode(), headers))


def _rewritten(first: bytes, headers: Sequence[bytes]) -> bytes:
    """The request as the server expects it. One per connection: the next might be meant for another server."""
    kept = [line for line in headers if line and not line.lower().startswith(_HOP)]
    return b"\r\n".join([first, *kept, b"Connection: close", b"", b""])


Pair = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _both_ways(client: Pair, server: Pair) -> None:
    """Until both directions have ended; the end of one is passed on, and the other goes on."""
    try:
        async with asyncio.TaskGroup() as both:
            both.create_task(_copy(client[0], server[1]))
            both.create_task(_copy(server[0], client[1]))
    except* OSError as lost:
        _LOG.debug("cluster network: %r", lost.exceptions)
    finally:
        server[1].close()


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while chunk := await source.read(_CHUNK):
        target.write(chunk)
        await target.drain()
    with contextlib.suppress(OSError):  # the other side is gone already, so it needs no end
        if target.can_write_eof():
            target.write_eof()
