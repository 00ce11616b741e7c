"""The demo maestro-server: what the sandbox rolls out. Standard library only, ready in well under 0.2 s.

Answers on port 4000 of its own pod address: ``/healthz``, ``/readyz``, ``/metrics``, ``POST /api/maestro/v1/invoke``.
Logs JSON lines with trace ids on stdout, and no personal data in them.

Environment: BIND_ADDRESS (required), PORT, APP_VERSION, POD_NAME; for faults MAESTRO_ERROR_RATIO (0 to 1),
MAESTRO_DELAY_MS, MAESTRO_NOT_READY (any text), MAESTRO_LOG_PII (any text: leaves personal data in the log).
"""

import asyncio
import contextlib
import json
import os
import random
import re
import signal
import sys
import time

VERSION = os.environ.get("APP_VERSION", "0.0.0")
POD = os.environ.get("POD_NAME") or os.environ.get("HOSTNAME", "")
ERROR_RATIO = float(os.environ.get("MAESTRO_ERROR_RATIO") or 0)
DELAY = float(os.environ.get("MAESTRO_DELAY_MS") or 0) / 1000
NOT_READY = bool(os.environ.get("MAESTRO_NOT_READY"))
LOG_PII = bool(os.environ.get("MAESTRO_LOG_PII"))
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
MOST_BODY = 1 << 20
IDLE_SECONDS = 75
DRAIN_SECONDS = 5.0
INVOKE = "/api/maestro/v1/invoke"
REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed", 413: "Content Too Large",
           500: "Internal Server Error", 503: "Service Unavailable"}  # fmt: skip
PERSONAL = (
    (re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"), "[email]"),
    (re.compile(r"\b\d{3}-\d{2}-\d{4}\b"), "[ssn]"),
    (re.compile(r"(?<!\w)\+?\d[\d ().-]{7,}\d(?!\w)"), "[phone]"),
)
SENSITIVE = re.compile(r"(?i)e-?mail|phone|ssn|social|passw|secret|token|name$|address|birth")

Answer = tuple[int, str, bytes]


class Metrics:
    """Request counters and durations, in Prometheus' text format."""

    def __init__(self) -> None:
        self.requests: dict[tuple[str, int], int] = {}
        self.buckets: dict[str, list[int]] = {}
        self.sums: dict[str, float] = {}
        self.started = time.time()

    def observe(self, route: str, code: int, seconds: float) -> None:
        """Count one answered request."""
        self.requests[route, code] = self.requests.get((route, code), 0) + 1
        counts = self.buckets.setdefault(route, [0] * (len(BUCKETS) + 1))
        counts[next((at for at, limit in enumerate(BUCKETS) if seconds <= limit), len(BUCKETS))] += 1
        self.sums[route] = self.sums.get(route, 0.0) + seconds

    def render(self) -> str:
        """Everything, one sample a line."""
        lines = ["# HELP build_info What runs here.", "# TYPE build_info gauge", f'build_info{{version="{VERSION}"}} 1']
        lines += ["# HELP process_start_time_seconds Start of the process, unix time.",
                  "# TYPE process_start_time_seconds gauge", f"process_start_time_seconds {self.started:.3f}",
                  "# HELP http_requests_total Requests answered.", "# TYPE http_requests_total counter"]  # fmt: skip
        for (route, code), count in sorted(self.requests.items()):
            lines.append(f'http_requests_total{{route="{route}",code="{code}"}} {count}')
        lines += ["# HELP http_request_duration_seconds Time from request to answer.",
                  "# TYPE http_request_duration_seconds histogram"]  # fmt: skip
        for route, counts in sorted(self.buckets.items()):
            lines += self._histogram(route, counts)
        return "\n".join(lines) + "\n"

    def _histogram(self, route: str, counts: list[int]) -> list[str]:
        lines, total, name = [], 0, "http_request_duration_seconds"
        for limit, count in zip((*BUCKETS, "+Inf"), counts, strict=True):
            total += count
            lines.append(f'{name}_bucket{{route="{route}",le="{limit}"}} {total}')
        return [
            *lines,
            f'{name}_sum{{route="{route}"}} {self.sums[route]:.6f}',
            f'{name}_count{{route="{route}"}} {total}',
        ]


METRICS = Metrics()


def redact(value: object) -> object:
    """``value`` without personal data: sensitive fields and anything that looks like an address or a number."""
    if isinstance(value, dict):
        return {key: "[redacted]" if SENSITIVE.search(str(key)) else redact(one) for key, one in value.items()}
    if isinstance(value, list):
        return [redact(one) for one in value]
    if isinstance(value, str):
        for pattern, mark in PERSONAL:
            value = pattern.sub(mark, value)
    return value


def log(level: str, message: str, **fields: object) -> None:
    """One JSON line on stdout."""
    now = time.time()
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1000):03d}Z"
    line = {"time": stamp, "level": level, "message": message, "version": VERSION, "pod": POD, **fields}
    sys.stdout.write(json.dumps(line, separators=(",", ":")) + "\n")
    sys.stdout.flush()


def trace_id(headers: dict[str, str]) -> str:
    """The caller's trace id (W3C traceparent), or a new one."""
    parts = headers.get("traceparent", "").split("-")
    if len(parts) == 4 and re.fullmatch(r"[0-9a-f]{32}", parts[1]):
        return parts[1]
    return f"{random.getrandbits(128):032x}"


def as_json(code: int, **fields: object) -> Answer:
    """A JSON answer."""
    return code, "application/json", json.dumps(fields, separators=(",", ":")).encode()


async def invoke(headers: dict[str, str], body: bytes, trace: str) -> Answer:
    """The one call of the API: JSON object in, JSON object out."""
    if DELAY:
        await asyncio.sleep(DELAY)
    try:
        request = json.loads(body or b"{}")
    except ValueError:
        request = None
    if not isinstance(request, dict):
        return as_json(400, error="expected a JSON object", traceId=trace)
    if ERROR_RATIO and random.random() < ERROR_RATIO:
        log("error", "invoke failed", traceId=trace, route=INVOKE, code=500)
        return as_json(500, error="injected fault", traceId=trace)
    log("info", "invoke", traceId=trace, route=INVOKE, code=200, request=request if LOG_PII else redact(request))
    return as_json(200, ok=True, version=VERSION, pod=POD, traceId=trace)


class Server:
    """Accepts connections until SIGTERM; then finishes what is under way and ends with exit code 0."""

    def __init__(self) -> None:
        self.ending = asyncio.Event()
        self.busy = 0
        self.idle = asyncio.Event()
        self.idle.set()
        self.open: set[asyncio.StreamWriter] = set()

    async def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[str, Answer]:
        """The route (for the counters) and what to answer."""
        path = path.partition("?")[0]
        if path == "/healthz":
            return path, (200, "text/plain", b"ok\n")
        if path == "/readyz":
            if NOT_READY or self.ending.is_set():
                return path, (503, "text/plain", b"not ready\n")
            return path, (200, "text/plain", b"ok\n")
        if path == "/metrics":
            return path, (200, "text/plain; version=0.0.4; charset=utf-8", METRICS.render().encode())
        if path == INVOKE:
            if method != "POST":
                return path, as_json(405, error="expected POST")
            return path, await invoke(headers, body, trace_id(headers))
        return "other", as_json(404, error="no such route")

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, kept open between requests."""
        self.open.add(writer)
        try:
            while not self.ending.is_set() and await self.one(reader, writer):
                pass
        except (OSError, EOFError, ValueError, asyncio.LimitOverrunError, TimeoutError):
            pass  # the client went away, was silent, or does not speak HTTP
        finally:
            self.open.discard(writer)
            writer.close()

    async def one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; whether the connection stays."""
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), IDLE_SECONDS)
        began = time.perf_counter()
        first, *lines = head.decode("latin-1").split("\r\n")
        method, path, _ = first.split(" ", 2)
        headers = {key.strip().lower(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length") or 0)
        self.busy += 1
        self.idle.clear()
        try:
            if length > MOST_BODY or "chunked" in headers.get("transfer-encoding", ""):
                route, reply = "other", as_json(413, error=f"expected at most {MOST_BODY} bytes with a Content-Length")
                stays = False
            else:
                route, reply = await self.answer(method, path, headers, await reader.readexactly(length))
                stays = headers.get("connection", "").lower() != "close" and not self.ending.is_set()
            METRICS.observe(route, reply[0], time.perf_counter() - began)
            write(writer, reply, stays)
            await writer.drain()
        finally:
            self.busy -= 1
            if not self.busy:
                self.idle.set()
        return stays

    async def run(self) -> None:
        """From listening to the end."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.ending.set)
        host, port = os.environ["BIND_ADDRESS"], int(os.environ.get("PORT") or 4000)
        server = await asyncio.start_server(self.serve, host, port)
        log("info", "listening", address=host, port=port)
        await self.ending.wait()
        server.close()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.idle.wait(), DRAIN_SECONDS)
        for writer in self.open:
            writer.close()
        log("info", "ended")


def write(writer: asyncio.StreamWriter, reply: Answer, stays: bool) -> None:
    """Send an answer."""
    code, kind, body = reply
    head = f"HTTP/1.1 {code} {REASONS[code]}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
    head += f"X-Maestro-Version: {VERSION}\r\nConnection: {'keep-alive' if stays else 'close'}\r\n\r\n"
    writer.write(head.encode() + body)


if __name__ == "__main__":
    asyncio.run(Server().run())
