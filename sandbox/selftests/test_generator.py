"""The traffic generator alone, against servers that answer well, badly or not at all."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from golive_sandbox import waiting
from golive_sandbox.envoy import Envoy
from golive_sandbox.errors import SandboxError
from golive_sandbox.processes import Registry
from golive_sandbox.timeline import NOBODY, Timeline
from golive_sandbox.traffic import Counts, Place, Traffic
from golive_sandbox.types import Json, items, mapping, text

GOOD = b"HTTP/1.1 200 OK\r\nX-Maestro-Version: 1.0\r\nContent-Length: 2\r\n\r\nok"


def run(tmp_path: Path, answer: bytes | None, look: Callable[[Traffic], Awaitable[None]], rate: float = 200) -> None:
    """Run ``look`` on a generator whose server gives ``answer`` to all (``None``: none), and closes what it cut."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                if b"Content-Length: " in head:
                    await reader.readexactly(int(head.partition(b"Content-Length: ")[2].split(b"\r\n")[0]))
                if answer is None:
                    return
                # In two pieces: an answer need not come in one.
                writer.write(answer[:20])
                await writer.drain()
                writer.write(answer[20:])
        except (OSError, EOFError):
            pass  # the generator ended
        finally:
            writer.close()

    async def whole() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        registry = Registry(tmp_path / "processes.json")
        envoy = Envoy(tmp_path, tmp_path / "e.sock", tmp_path, registry)
        envoy.port = int(server.sockets[0].getsockname()[1])
        traffic = await Traffic.start(Place(envoy, 0, tmp_path, tmp_path, registry), "t", "t.example.test", rate)
        try:
            await look(traffic)
        finally:
            await traffic.stop()
            server.close()
        assert Registry.read(tmp_path / "processes.json") == []

    asyncio.run(whole())


async def until(traffic: Traffic, ok: Callable[[Counts], bool]) -> Counts:
    return await waiting.wait_for("traffic", traffic.counts, ok, deadline=15)


def test_answers_are_counted_by_version_status_and_route_at_the_rate_asked_for(tmp_path: Path) -> None:
    async def look(traffic: Traffic) -> None:
        seen = await until(traffic, lambda now: now.by_version.get("1.0", 0) >= 100)
        assert (seen.rate, seen.failed, list(seen.by_version)) == (200, 0, ["1.0"])
        assert {text(row, "route") for row in items(seen.report, "counts")} == {"invoke", "tools", "runs"}
        paused = await traffic.pause()
        assert paused.sent == paused.by_version["1.0"]
        assert (await traffic.counts()).sent == paused.sent
        await traffic.set_rate(0)
        assert (await traffic.resume()).sent == paused.sent
        await traffic.set_rate(50)
        await until(traffic, lambda now: now.sent > paused.sent)

    run(tmp_path, GOOD, look)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (None, "connection lost"),
        (b"SSH-2.0-OpenSSH_9.6 is no answer to this\r\n\r\n", "not understood"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "not understood"),
        (b"HTTP/1.1 two OK\r\nContent-Length: 0\r\n\r\n", "not understood"),
    ],
)
def test_what_is_no_answer_is_an_error_and_traffic_goes_on(tmp_path: Path, answer: bytes | None, why: str) -> None:
    async def look(traffic: Traffic) -> None:
        seen = await until(traffic, lambda now: now.failed >= 20)
        assert list(mapping(seen.report, "errors")) == [why]
        assert seen.by_version == {}
        assert (await traffic.pause()).in_flight == 0

    run(tmp_path, answer, look)


def test_the_ingress_s_own_503_has_no_version_and_a_closed_connection_is_replaced(tmp_path: Path) -> None:
    async def look(traffic: Traffic) -> None:
        seen = await until(traffic, lambda now: now.failed >= 20)
        assert list(seen.by_version) == [""]
        assert mapping(seen.report, "errors") == {}

    run(tmp_path, b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", look)


def test_who_answered_when_is_told_by_quarters_of_a_second(tmp_path: Path) -> None:
    async def look(traffic: Traffic) -> None:
        began = time.time()
        await until(traffic, lambda now: now.by_version.get("1.0", 0) >= 200)
        paused = await traffic.pause()
        seen = Timeline.of(await traffic.versions(0.0))
        assert seen.answered() == {"1.0": paused.by_version["1.0"]}
        assert seen.failed() == 0
        first, last = seen.first("1.0"), seen.last("1.0")
        assert first is not None
        assert last is not None
        assert first < began + 1 < last + 1 <= seen.now + 1
        assert len(seen.buckets) >= 3
        later = Timeline.of(await traffic.versions(seen.buckets[-1][0]))
        assert later.buckets == seen.buckets[-1:]

    run(tmp_path, GOOD, look)


def test_who_did_not_answer_is_told_too(tmp_path: Path) -> None:
    async def look(traffic: Traffic) -> None:
        await until(traffic, lambda now: now.failed >= 20)
        seen = Timeline.of(await traffic.versions(0.0))
        assert list(seen.answered()) == [NOBODY]
        assert seen.failed() >= 20

    run(tmp_path, None, look)


def test_an_unknown_word_is_refused_and_one_that_ended_is_told(tmp_path: Path) -> None:
    async def look(traffic: Traffic) -> None:
        with pytest.raises(SandboxError, match="expected counts, pause, resume, rate or versions; found"):
            await traffic._ask(_JUMP)
        await traffic.stop()
        with pytest.raises(SandboxError, match="traffic of t does not answer"):
            await traffic.counts()
        assert "does not answer" in await traffic.describe()

    run(tmp_path, GOOD, look)


_JUMP: Json = {"do": "jump"}
