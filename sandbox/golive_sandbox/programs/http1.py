"""A small HTTP/1.1 server for demo programs: keep-alive, Content-Length bodies, an orderly end. Standard library only.

It is a protocol and no stream reader because every request of the sandbox's traffic passes here: some 60 microseconds.
"""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

MOST_HEAD, MOST_BODY = 1 << 16, 1 << 20
IDLE_SECONDS = 75.0
DRAIN_SECONDS = 5.0
LEAVE_SECONDS = 0.5
"""How long new requests are still answered after SIGTERM: by then no ingress leads here any more."""
_REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed", 413: "Content Too Large",
            500: "Internal Server Error", 503: "Service Unavailable"}  # fmt: skip


@dataclass(frozen=True)
class Request:
    """One request; header names are lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Answer:
    """One answer. ``missing`` bytes are promised by its Content-Length and never sent; the connection ends instead."""

    code: int
    kind: str
    body: bytes
    missing: int = 0


Handler: TypeAlias = Callable[[Request], "Answer | Awaitable[Answer]"]


def as_json(code: int, **fields: object) -> Answer:
    """A JSON answer."""
    return Answer(code, "application/json", json.dumps(fields, separators=(",", ":")).encode())


class Server:
    """Answers with ``handler`` until SIGTERM; then finishes what is under way. ``more`` are headers of every answer."""

    def __init__(self, handler: Handler, more: str = "") -> None:
        self.handler = handler
        self.more = more
        self.ending = False
        self.connections: set[Connection] = set()
        self._end = asyncio.Event()
        self._changed = asyncio.Event()

    async def run(self, host: str, port: int, ready: Callable[[], None]) -> None:
        """From listening to the end."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._end.set)
        server = await loop.create_server(lambda: Connection(self, loop), host, port, backlog=1024)
        sweep = loop.create_task(self._close_idle())
        ready()
        await self._end.wait()
        self.ending = True
        # A pod that is deleted is still asked until the ingress has heard of it. Every answer now closes its
        # connection, and the ingress closes those that are idle: nobody is cut off.
        await self._leave()
        server.close()
        await self._finish(loop.time() + DRAIN_SECONDS)
        sweep.cancel()
        for connection in list(self.connections):
            connection.transport.close()

    def gone(self, connection: Connection) -> None:
        """A connection has ended, or has nothing to do."""
        if connection.transport.is_closing():
            self.connections.discard(connection)
        self._changed.set()

    async def _leave(self) -> None:
        await asyncio.sleep(LEAVE_SECONDS)

    async def _finish(self, give_up: float) -> None:
        loop = asyncio.get_running_loop()
        while any(one.busy for one in self.connections) and loop.time() < give_up:
            self._changed.clear()
            try:
                await asyncio.wait_for(self._changed.wait(), give_up - loop.time())
            except TimeoutError:
                return

    async def _close_idle(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(IDLE_SECONDS / 10)
            for connection in list(self.connections):
                if not connection.busy and loop.time() - connection.since > IDLE_SECONDS:
                    connection.transport.close()


class Connection(asyncio.Protocol):
    """One connection: requests one after another."""

    def __init__(self, server: Server, loop: asyncio.AbstractEventLoop) -> None:
        self.server = server
        self.loop = loop
        self.transport: asyncio.Transport
        self.busy = False
        self.since = loop.time()
        self.began = 0.0
        self._got = b""
        self._working: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.server.connections.add(self)

    def connection_lost(self, _: Exception | None) -> None:
        """Nobody wants the answer any more."""
        if self._working is not None:
            self._working.cancel()
        self.busy = False
        self.server.gone(self)

    def data_received(self, data: bytes) -> None:
        """More of a request, or of several."""
        self._got += data
        if not self.busy:
            self._next()

    def _next(self) -> None:
        while not self.busy and self._got and not self.transport.is_closing():
            end = self._got.find(b"\r\n\r\n")
            if end < 0:
                if len(self._got) > MOST_HEAD:
                    self.transport.close()
                return
            try:
                request, size = _parse(self._got, end)
            except ValueError:
                self.transport.close()  # it does not speak HTTP
                return
            if request is None:
                if size > MOST_BODY:
                    self._send(as_json(413, error=f"expected at most {MOST_BODY} bytes with a Content-Length"), False)
                return
            self._got = self._got[size:]
            self._answer(request)

    def _answer(self, request: Request) -> None:
        self.busy = True
        stays = request.headers.get("connection", "").lower() != "close"
        found = self.server.handler(request)
        if isinstance(found, Answer):
            self._send(found, stays)
        else:
            self._working = asyncio.ensure_future(self._later(found, stays))

    async def _later(self, found: Awaitable[Answer], stays: bool) -> None:
        answer = await found
        self._working = None
        self._send(answer, stays)
        self._next()

    def _send(self, answer: Answer, stays: bool) -> None:
        stays = stays and not self.server.ending and not answer.missing
        head = (
            f"HTTP/1.1 {answer.code} {_REASONS[answer.code]}\r\nContent-Type: {answer.kind}\r\n"
            f"Content-Length: {len(answer.body) + answer.missing}\r\n{self.server.more}"
            f"Connection: {'keep-alive' if stays else 'close'}\r\n\r\n"
        )
        self.transport.write(head.encode() + answer.body)
        self.busy = False
        self.since = self.loop.time()
        if not stays:
            self.transport.close()
        self.server.gone(self)


def _parse(got: bytes, end: int) -> tuple[Request | None, int]:
    """The first request and its size; none while its body is not all there. Raises ``ValueError`` for nonsense."""
    first, *lines = got[:end].decode("latin-1").split("\r\n")
    method, path, _ = first.split(" ", 2)
    headers = {}
    for line in lines:
        key, _, value = line.partition(":")
        headers[key.lower()] = value.strip()
    length = int(headers.get("content-length") or 0)
    if length < 0:
        raise ValueError(f"expected a length, got {length}")
    if length > MOST_BODY or "transfer-encoding" in headers:
        return None, MOST_BODY + 1
    size = end + 4 + length
    return (Request(method, path, headers, got[end + 4 : size]), size) if len(got) >= size else (None, 0)
