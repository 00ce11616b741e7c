"""Steady traffic for one world: an open loop at a constant rate, through the ingress, counted by who answered.

Environment: TRAFFIC_PORT (the ingress's, on 127.0.0.1), TRAFFIC_HOST (the Host header), TRAFFIC_RATE (requests a
second), TRAFFIC_CONTROL (a unix socket). On the socket, a line of JSON gets one in answer: ``{"do": "counts"}``,
``{"do": "pause"}`` (answered when nothing is in flight), ``{"do": "resume"}``, ``{"do": "rate", "rate": 20}``,
``{"do": "versions", "since": UNIX}`` (who answered when).

Open loop: a request is sent when it is due, whether or not earlier ones are answered. Standard library only; a request
costs some 60 microseconds, so it is a protocol with a parser of its own and no HTTP client.
"""

import asyncio
import json
import os
import signal
import time
from collections import deque

HOST = "127.0.0.1"
MOST_CONNECTIONS = 1000
ANSWER_SECONDS = 10.0
TICK = 0.005  # seconds; what is due in one tick is sent together
MOST_RATE = 20_000.0
BUCKETS_A_SECOND = 4
KEPT = 3600 * BUCKETS_A_SECOND  # buckets
BODY = b'{"query":"who knows whom","depth":2}'
NOBODY = "-"
"""In the place of a version: no answer. The empty version is an answer of the ingress itself."""
MIX = ("invoke", "tools", "invoke", "runs")
"""The routes, one after another, for ever."""


def request(route: str, host: str) -> bytes:
    """One request as it goes over the line."""
    method, body = ("POST", BODY) if route == "invoke" else ("GET", b"")
    length = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n" if body else ""
    head = f"{method} /api/maestro/v1/{route} HTTP/1.1\r\nHost: {host}\r\n{length}\r\n"
    return head.encode() + body


class Traffic:
    """The loop, its connections and its counters."""

    def __init__(self, port: int, host: str, rate: float) -> None:
        self.port = port
        self.rate = rate
        self.requests = {route: request(route, host) for route in MIX}
        self.idle: deque[Connection] = deque()
        self.open: set[Connection] = set()
        self.connecting: set[asyncio.Future[None]] = set()
        self.counts: dict[tuple[str, int, str], int] = {}
        self.errors: dict[str, int] = {}
        self.buckets: dict[int, dict[str, list[float]]] = {}
        """By quarter of a second and version: answers, those of 500 and above, and when the first and the last came."""
        self.sent = 0
        self.flying = 0
        self.landed = asyncio.Event()
        self.running = asyncio.Event()
        self.running.set()

    async def run(self) -> None:
        """For ever: send what is due, skip what a pause or a stall of this process left undone for over a second."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            if not self.running.is_set() or self.rate == 0:
                await self.running.wait()
                await asyncio.sleep(TICK)
                due = loop.time()
            due = max(due, loop.time() - 1)
            while due <= loop.time() and self.running.is_set() and self.rate:
                self.send(MIX[self.sent % len(MIX)])
                due += 1 / self.rate
            await asyncio.sleep(max(TICK, due - loop.time()))

    def send(self, route: str) -> None:
        """One request, over a connection that is idle or new."""
        self.sent += 1
        self.flying += 1
        if self.idle:
            self.idle.pop().ask(route)
        elif len(self.open) < MOST_CONNECTIONS:
            task = asyncio.ensure_future(self.connect(route))
            self.connecting.add(task)
            task.add_done_callback(self.connecting.discard)
        else:
            self.failed("no connection free")

    async def connect(self, route: str) -> None:
        """Ask over a new connection."""
        try:
            _, connection = await asyncio.get_running_loop().create_connection(
                lambda: Connection(self), HOST, self.port
            )
        except OSError:
            self.failed("not connected")
            return
        connection.ask(route)

    def answered(self, version: str, status: int, route: str) -> None:
        """One request was answered."""
        key = (version, status, route)
        self.counts[key] = self.counts.get(key, 0) + 1
        self.note(version, status >= 500)
        self.land()

    def note(self, version: str, bad: bool) -> None:
        """Who answered in this quarter of a second."""
        at = time.time()
        number = int(at * BUCKETS_A_SECOND)
        bucket = self.buckets.get(number)
        if bucket is None:
            bucket = self.buckets[number] = {}
            while len(self.buckets) > KEPT:
                del self.buckets[next(iter(self.buckets))]
        row = bucket.setdefault(version, [0, 0, at, at])
        row[0] += 1
        row[1] += bad
        row[3] = at

    def failed(self, why: str) -> None:
        """One request was not."""
        self.errors[why] = self.errors.get(why, 0) + 1
        self.note(NOBODY, True)
        self.land()

    def land(self) -> None:
        """One less in flight."""
        self.flying -= 1
        if not self.flying:
            self.landed.set()

    async def pause(self) -> None:
        """Send nothing more; return when everything is answered."""
        self.running.clear()
        while self.flying:
            self.landed.clear()
            await self.landed.wait()

    async def end_late_ones(self) -> None:
        """Give up on what is not answered in time."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(1)
            for connection in list(self.open):
                if connection.route and loop.time() - connection.since > ANSWER_SECONDS:
                    connection.give_up("not answered in time")

    def report(self) -> dict[str, object]:
        """All counters."""
        counts = [
            {"version": version, "status": status, "route": route, "count": count}
            for (version, status, route), count in sorted(self.counts.items())
        ]
        return {"rate": self.rate, "paused": not self.running.is_set(), "sent": self.sent, "in_flight": self.flying,
                "counts": counts, "errors": self.errors}  # fmt: skip

    def versions(self, since: float) -> dict[str, object]:
        """The buckets that end after ``since`` (unix seconds)."""
        first = int(since * BUCKETS_A_SECOND)
        rows = [[number / BUCKETS_A_SECOND, bucket] for number, bucket in self.buckets.items() if number >= first]
        return {"bucket_seconds": 1 / BUCKETS_A_SECOND, "now": time.time(), "buckets": rows}

    async def control(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of the supervisor's."""
        try:
            while line := await reader.readline():
                writer.write(json.dumps(await self.obey(line)).encode() + b"\n")
        except OSError:
            pass  # it went away
        finally:
            writer.close()

    async def obey(self, line: bytes) -> dict[str, object]:
        """One request of the supervisor's; the counters are the answer to each."""
        try:
            asked = json.loads(line)
            word = asked["do"]
            if word == "rate":
                self.rate = rate_of(asked["rate"])
            if word == "versions":
                return self.versions(float(asked["since"]))
        except (ValueError, TypeError, KeyError) as wrong:
            return {"error": f"expected counts, pause, resume, rate or versions; found {line[:80]!r} ({wrong})"}
        if word == "pause":
            await self.pause()
        elif word == "resume":
            self.running.set()
        elif word not in ("counts", "rate"):
            return {"error": f"expected counts, pause, resume, rate or versions; found {word!r}"}
        return self.report()


class Connection(asyncio.Protocol):
    """One connection to the ingress, with one request in flight at most."""

    def __init__(self, traffic: Traffic) -> None:
        self.traffic = traffic
        self.transport: asyncio.Transport
        self.route = ""
        self.since = 0.0
        self.got = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ready to ask."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.traffic.open.add(self)

    def ask(self, route: str) -> None:
        """Send one request."""
        self.route = route
        self.since = asyncio.get_running_loop().time()
        self.transport.write(self.traffic.requests[route])

    def data_received(self, data: bytes) -> None:
        """Count the answer once it is whole."""
        got = self.got = self.got + data if self.got else data
        end = got.find(b"\r\n\r\n")
        if end < 0:
            return
        head = got[: end + 2].lower()
        status, length = head[9:12], value(head, b"\r\ncontent-length:")
        if not (self.route and head.startswith(b"http/1.") and status.isdigit() and length.isdigit()):
            self.give_up("not understood")
            return
        if len(got) < end + 4 + int(length):
            return
        route, self.route, self.got = self.route, "", b""
        self.traffic.answered(value(head, b"\r\nx-maestro-version:"), int(status), route)
        if value(head, b"\r\nconnection:") == "close":
            self.transport.close()
        else:
            self.traffic.idle.append(self)

    def give_up(self, why: str) -> None:
        """End the connection, with or without a request in flight."""
        if self.route:
            self.route = ""
            self.traffic.failed(why)
        self.transport.abort()

    def connection_lost(self, _: Exception | None) -> None:
        """It is no use any more."""
        self.traffic.open.discard(self)
        if self in self.traffic.idle:
            self.traffic.idle.remove(self)
        if self.route:
            self.route = ""
            self.traffic.failed("connection lost")


def value(head: bytes, name: bytes) -> str:
    """A header's value; ``head`` and ``name`` are in lower case."""
    at = head.find(name)
    if at < 0:
        return ""
    start = at + len(name)
    return head[start : head.index(b"\r\n", start)].strip().decode("latin-1")


def rate_of(given: object) -> float:
    """A rate. Raises ``ValueError`` for what is none."""
    if not isinstance(given, str | int | float) or not 0 <= (rate := float(given)) <= MOST_RATE:
        raise ValueError(f"expected 0 to {MOST_RATE:g} requests a second, found {given!r}")
    return rate


async def main() -> None:
    """Run until SIGTERM."""
    traffic = Traffic(int(os.environ["TRAFFIC_PORT"]), os.environ["TRAFFIC_HOST"], rate_of(os.environ["TRAFFIC_RATE"]))
    server = await asyncio.start_unix_server(traffic.control, os.environ["TRAFFIC_CONTROL"])
    os.chmod(os.environ["TRAFFIC_CONTROL"], 0o600)
    loop = asyncio.get_running_loop()
    work = [loop.create_task(traffic.run()), loop.create_task(traffic.end_late_ones())]
    ended = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    end = loop.create_task(ended.wait())
    await asyncio.wait([*work, end], return_when=asyncio.FIRST_COMPLETED)
    server.close()
    for task in work:
        if task.done():
            task.result()  # tells why


if __name__ == "__main__":
    asyncio.run(main())
