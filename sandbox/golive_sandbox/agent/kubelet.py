"""The kubelet's API, as far as the API server needs it: logs and port-forward.

Speaks TLS and answers only to a client certificate of the sandbox's own authority, as the API server has one: logs and
open ports of pods are not for every user of the machine. ``exec`` and ``attach`` do not exist: processes here have no
namespace to go into. ``kubectl port-forward`` speaks SPDY, which is not served; WebSocket clients are.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

from aiohttp import WSMsgType, web

from golive_sandbox.agent.addresses import on_loopback
from golive_sandbox.agent.containerlogs import ContainerLog, LogQuery, since
from golive_sandbox.agent.containers import Container

_PROTOCOL = "v4.channel.k8s.io"
_DIAL_SECONDS = 5.0
_CHUNK = 1 << 16


class PodHere(Protocol):
    """What the kubelet API needs of a pod."""

    def container(self, name: str) -> Container | None:
        """Its container of that name."""

    def address(self) -> str:
        """Its address in the cluster."""


class Kubelet:
    """Serves the kubelet API of all nodes. ``find(namespace, name)`` is a pod that is here, or ``None``."""

    def __init__(self, find: Callable[[str, str], PodHere | None], tls: ssl.SSLContext) -> None:
        self._find = find
        self._tls = tls
        self._runner: web.AppRunner | None = None

    async def start(self, sockets: Sequence[socket.socket]) -> None:
        """Serve on sockets that listen already."""
        app = web.Application()
        app.router.add_get("/containerLogs/{namespace}/{pod}/{container}", self._logs)
        app.router.add_get("/portForward/{namespace}/{pod}", self._port_forward)
        app.router.add_get("/healthz", _healthz)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2, handler_cancellation=True)
        await self._runner.setup()
        for listener in sockets:
            await web.SockSite(self._runner, listener, ssl_context=self._tls).start()

    async def stop(self) -> None:
        """Close everything, streams under way included."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _logs(self, request: web.Request) -> web.StreamResponse:
        names = request.match_info
        pod = self._pod(request)
        container = pod.container(names["container"])
        if container is None:
            raise web.HTTPNotFound(text=f"container {names['container']} not found in pod {names['pod']}")
        try:
            query = _log_query(request.query)
        except ValueError as bad:
            raise web.HTTPBadRequest(text=f"bad log options: {bad}") from bad
        log = _choose(container, names["pod"], previous=request.query.get("previous") == "true")
        answer = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await answer.prepare(request)
        with contextlib.suppress(ConnectionError):  # the reader went away, which ends a follow
            async for piece in log.read(query):
                await answer.write(piece)
            await answer.write_eof()
        return answer

    async def _port_forward(self, request: web.Request) -> web.StreamResponse:
        pod = self._pod(request)
        # As a kubelet reads it: the parameter may be repeated, and one may hold several with commas between them.
        wanted = ",".join(request.query.getall("port", [])).split(",")
        ports = [int(port) for port in wanted if port.isdigit()]
        offered = [one.strip() for one in request.headers.get("Sec-WebSocket-Protocol", "").split(",")]
        if not ports or _PROTOCOL not in offered:
            raise web.HTTPBadRequest(
                text=f"expected ?port=N and WebSocket protocol {_PROTOCOL}, got {offered} (no SPDY)"
            )
        channels = web.WebSocketResponse(protocols=(_PROTOCOL,), max_msg_size=0)
        await channels.prepare(request)
        await _Forward(channels, on_loopback(pod.address())).run(ports)
        return channels

    def _pod(self, request: web.Request) -> PodHere:
        names = request.match_info
        pod = self._find(names["namespace"], names["pod"])
        if pod is None:
            raise web.HTTPNotFound(text=f"pod {names['namespace']}/{names['pod']} is not on this node")
        return pod


class _Forward:
    """One port-forward: channel 2N carries the data of the Nth port, channel 2N+1 its errors."""

    def __init__(self, channels: web.WebSocketResponse, host: str) -> None:
        self._channels = channels
        self._host = host
        self._writers: dict[int, asyncio.StreamWriter] = {}

    async def run(self, ports: Sequence[int]) -> None:
        backends: list[asyncio.Task[None]] = []
        try:
            for number, port in enumerate(ports):
                if (reader := await self._dial(number, port)) is not None:
                    backends.append(asyncio.create_task(self._from_pod(2 * number, reader)))
            receiver = asyncio.create_task(self._from_client())
            ended = asyncio.create_task(_all(backends))
            # The pod closing all its connections ends the forward, as does the client going away.
            await asyncio.wait([receiver, ended], return_when=asyncio.FIRST_COMPLETED)
            for task in (receiver, ended):
                task.cancel()
            await asyncio.gather(receiver, ended, return_exceptions=True)
        finally:
            for writer in self._writers.values():
                writer.close()
            await self._channels.close()

    async def _dial(self, number: int, port: int) -> asyncio.StreamReader | None:
        hello = port.to_bytes(2, "little")
        for channel in (2 * number, 2 * number + 1):
            await self._send(channel, hello)
        try:
            async with asyncio.timeout(_DIAL_SECONDS):
                reader, self._writers[2 * number] = await asyncio.open_connection(self._host, port)
        except OSError as refused:  # a time-out is one, too
            why = str(refused) or f"no connection within {_DIAL_SECONDS:g} s"
            await self._send(2 * number + 1, f"error forwarding port {port}: {why}".encode())
            return None
        return reader

    async def _from_pod(self, channel: int, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(ConnectionError):  # either side went away: the end of this forward
            while chunk := await reader.read(_CHUNK):
                await self._send(channel, chunk)

    async def _from_client(self) -> None:
        async for message in self._channels:
            if message.type is not WSMsgType.BINARY or not message.data:
                continue
            writer = self._writers.get(message.data[0])
            if writer is not None:
                writer.write(message.data[1:])
                with contextlib.suppress(ConnectionError):
                    await writer.drain()

    def _send(self, channel: int, data: bytes) -> Awaitable[None]:
        return self._channels.send_bytes(bytes([channel]) + data)


async def _all(tasks: Sequence[asyncio.Task[None]]) -> None:
    await asyncio.gather(*tasks)


async def _healthz(_: web.Request) -> web.Response:
    return web.Response(text="ok")


def _choose(container: Container, pod: str, *, previous: bool) -> ContainerLog:
    wanted = 2 if previous else 1
    if len(container.logs) < wanted:
        which = "previous terminated " if previous else ""
        raise web.HTTPBadRequest(
            text=f'{which}container "{container.name}" in pod "{pod}" not found: it has no log yet'
        )
    return container.logs[-wanted]


def _log_query(options: Mapping[str, str]) -> LogQuery:
    def count(name: str) -> int | None:
        return int(options[name]) if options.get(name) else None

    return LogQuery(
        follow=options.get("follow") == "true",
        timestamps=options.get("timestamps") == "true",
        tail_lines=count("tailLines"),
        since=since(count("sinceSeconds"), options.get("sinceTime")),
        limit_bytes=count("limitBytes"),
    )
