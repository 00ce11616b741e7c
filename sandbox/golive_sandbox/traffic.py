"""The traffic of one world: a child process that asks through the ingress at a constant rate, and its counters."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from golive_sandbox import waiting
from golive_sandbox.envoy import Envoy
from golive_sandbox.errors import SandboxError
from golive_sandbox.processes import Child, Registry
from golive_sandbox.types import Json, dig, items, mapping, number, text

DEFAULT_RATE, SMALL_RATE = 700.0, 20.0
"""Requests a second: what a canary needs to be decided in seconds (see ``[slo]`` of ``world/settings.py``), and what
shows that a world works."""
MOST_RATE = 20_000.0
_PROGRAM = Path(__file__).resolve().parent / "programs" / "traffic.py"
_START_SECONDS = 20.0
_ANSWER_SECONDS = 15.0  # a pause waits for what is in flight, at most 10 s
_STOP_SECONDS = 2.0
_LONGEST_LINE = 1 << 26  # bytes: an hour of quarters of a second


@dataclass(frozen=True, slots=True)
class Place:
    """What all worlds' traffic shares: the way in, the cluster network, sockets, logs, the record of processes."""

    envoy: Envoy
    network_port: int
    """The loopback port of the cluster network's proxy."""
    sockets: Path
    logs: Path
    registry: Registry


@dataclass(frozen=True, slots=True)
class Counts:
    """What a generator has seen since its start."""

    rate: float
    paused: bool
    sent: int
    in_flight: int
    by_version: dict[str, int]
    """Answers by the version that gave them; the empty string is the ingress itself (404, 503)."""
    failed: int
    """Requests without an answer, and answers of 400 and above: it asks for nothing that is not there."""
    report: Json
    """Everything: ``counts`` by version, status and route, and ``errors`` by reason."""

    @classmethod
    def of(cls, report: Json) -> Counts:
        """Read a report of the program's."""
        versions: dict[str, int] = {}
        failed = sum(count for count in mapping(report, "errors").values() if isinstance(count, int))
        for row in items(report, "counts"):
            version = text(row, "version")
            versions[version] = versions.get(version, 0) + number(row, "count")
            failed += number(row, "count") if number(row, "status") >= 400 else 0
        rate = dig(report, "rate")
        return cls(
            float(rate) if isinstance(rate, int | float) else 0.0,
            dig(report, "paused") is True,
            number(report, "sent"),
            number(report, "in_flight"),
            versions,
            failed,
            report,
        )


class Traffic:
    """The generator of the world ``name``, whose clients say ``host``. Make one with ``start``."""

    def __init__(self, name: str, host: str, child: Child, socket: Path) -> None:
        self.name = name
        self.host = host
        self._child = child
        self._socket = socket

    @classmethod
    async def start(cls, place: Place, name: str, host: str, rate: float) -> Traffic:
        """Start asking, ``rate`` times a second. Raises ``SandboxError`` when it does not start."""
        # A world's name may be long, a unix socket's path may not.
        socket = place.sockets / f"t{secrets.token_hex(4)}.sock"
        env = {
            "TRAFFIC_PORT": str(place.envoy.port),
            "TRAFFIC_HOST": host,
            "TRAFFIC_RATE": str(rate),
            "TRAFFIC_CONTROL": str(socket),
        }
        log = place.logs / f"traffic-{name}.log"
        child = await Child.start(
            f"traffic-{name}",
            [sys.executable, "-I", "-S", "-B", str(_PROGRAM)],
            folder=place.logs,
            log=log,
            registry=place.registry,
            env=env,
        )
        traffic = cls(name, host, child, socket)
        try:
            await waiting.wait_for(f"traffic of {name}", traffic._listening, bool, deadline=_START_SECONDS, every=0.02)
        except BaseException:
            await traffic.stop()
            raise
        return traffic

    async def stop(self) -> None:
        """End it."""
        await self._child.stop(_STOP_SECONDS)
        self._socket.unlink(missing_ok=True)

    async def counts(self) -> Counts:
        """What it has counted so far."""
        return await self._ask({"do": "counts"})

    async def pause(self) -> Counts:
        """Ask no more; returns when every request is answered (or given up, after 10 s)."""
        return await self._ask({"do": "pause"})

    async def resume(self) -> Counts:
        """Go on."""
        return await self._ask({"do": "resume"})

    async def set_rate(self, rate: float) -> Counts:
        """Ask ``rate`` times a second from now on."""
        return await self._ask({"do": "rate", "rate": rate})

    async def versions(self, since: float) -> Json:
        """Who answered since then (unix seconds), as ``timeline.Timeline`` reads it."""
        return await self._line({"do": "versions", "since": since})

    @asynccontextmanager
    async def paused(self) -> AsyncIterator[Counts]:
        """Paused while the block runs."""
        try:
            yield await self.pause()
        finally:
            await self.resume()

    async def describe(self) -> str:
        """One line for people."""
        try:
            now = await self.counts()
        except SandboxError as silent:
            return str(silent)
        state = "paused" if now.paused else f"{now.rate:g} requests/s"
        return f"{state}, {now.sent} sent, {now.failed} failed"

    async def _listening(self) -> bool:
        if self._child.exit_code is not None:
            raise SandboxError(f"traffic of {self.name} ended at its start:\n{self._child.last_words()}")
        return self._socket.exists()

    async def _ask(self, request: Json) -> Counts:
        return Counts.of(await self._line(request))

    async def _line(self, request: Json) -> Json:
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                reader, writer = await asyncio.open_unix_connection(self._socket, limit=_LONGEST_LINE)
                with contextlib.closing(writer):
                    writer.write(json.dumps(request).encode() + b"\n")
                    answer: Json = json.loads(await reader.readline() or b'{"error": "it ended"}')
        except (OSError, TimeoutError) as silent:
            raise SandboxError(
                f"traffic of {self.name} does not answer ({silent!r}): see {self._child.log}"
            ) from silent
        if "error" in answer:
            raise SandboxError(f"traffic of {self.name}: {text(answer, 'error')}")
        return answer
