"""The demo maestro-server: what the sandbox rolls out. Standard library only, ready in well under 0.2 s.

Answers on port 4000 of its own pod address: ``/healthz``, ``/readyz``, ``/metrics``, and the API's three routes
(``POST /api/maestro/v1/invoke``, ``GET .../tools``, ``GET .../runs``). Logs JSON lines with trace ids on stdout, and no
personal data in them: every request that failed or came with a trace, and a sample of the others.

Environment: BIND_ADDRESS (required), PORT, APP_VERSION, POD_NAME, POD_IP, and MAESTRO_... as ``behaviour.py`` says.
``GET``, ``PUT`` and ``DELETE /-/behaviour`` read, change and reset it while it runs, for who asks the pod itself.
"""

import asyncio
import contextlib
import json
import os
import random
import re
import sys
import time
from collections.abc import Awaitable

# It runs isolated, so that it reads nothing of the user: what is beside it is not found by itself.
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from golive_sandbox.programs.behaviour import INVOKE, RUNS, TOOLS, Behaviour
from golive_sandbox.programs.http1 import Answer, Request, Server, as_json
from golive_sandbox.programs.metrics import Metrics, exposition

VERSION = os.environ.get("APP_VERSION", "0.0.0")
POD = os.environ.get("POD_NAME") or os.environ.get("HOSTNAME", "")
BEHAVIOUR = "/-/behaviour"
LINES_A_SECOND = 10
PERSONAL = (
    (re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"), "[email]"),
    (re.compile(r"\b\d{3}-\d{2}-\d{4}\b"), "[ssn]"),
    (re.compile(r"(?<!\w)\+?\d[\d ().-]{7,}\d(?!\w)"), "[phone]"),
)
SENSITIVE = re.compile(r"(?i)e-?mail|phone|ssn|social|passw|secret|token|name$|address|birth")
TRACE = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
METHODS = {INVOKE: "POST", TOOLS: "GET", RUNS: "GET"}
LISTS = {
    TOOLS: {"tools": [{"name": "search"}, {"name": "summarise"}, {"name": "graph-query"}]},
    RUNS: {"runs": [{"id": "run-1", "state": "done"}, {"id": "run-2", "state": "running"}]},
}


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


class Maestro:
    """The application. Raises ``ValueError`` when the environment asks for a behaviour that cannot be."""

    def __init__(self) -> None:
        self.behaviour = Behaviour(os.environ)
        self.metrics = Metrics(VERSION)
        self.host = os.environ["BIND_ADDRESS"]
        self.port = int(os.environ.get("PORT") or 4000)
        self.server = Server(self.handle, f"X-Maestro-Version: {VERSION}\r\n")
        own = (self.host, os.environ.get("POD_IP", self.host))
        self.own_hosts = {*own, *(f"{address}:{self.port}" for address in own)}
        self.leaking_since = time.monotonic()
        self.crash: asyncio.TimerHandle | None = None
        self.lines = (0, 0)  # the second, and lines logged in it

    async def run(self) -> None:
        """From the start to the end."""
        await asyncio.sleep(self.behaviour.number("start_seconds"))
        self.behave()
        await self.server.run(self.host, self.port, lambda: log("info", "listening", address=self.host, port=self.port))
        log("info", "ended")

    def behave(self) -> None:
        """Begin what a change of behaviour begins."""
        self.leaking_since = time.monotonic()
        if self.crash is not None:
            self.crash.cancel()
            self.crash = None
        if seconds := self.behaviour.number("crash_after_seconds"):
            self.crash = asyncio.get_running_loop().call_later(seconds, os._exit, 1)

    def handle(self, request: Request) -> "Answer | Awaitable[Answer]":
        """Answer one request, at once or later."""
        began = time.perf_counter()
        path = request.path.partition("?")[0]
        route = path if path in METHODS or path in ("/healthz", "/readyz", "/metrics") else "other"
        found = self.api(route, request) if route in METHODS else self.other(path, request)
        if isinstance(found, Answer):
            self.count(route, found.code, began)
            return found
        return self.later(found, route, began)

    async def later(self, found: "Awaitable[Answer]", route: str, began: float) -> Answer:
        """Wait for an answer and count it; one that nobody waits for any more is not counted."""
        answer = await found
        self.count(route, answer.code, began)
        return answer

    def count(self, route: str, code: int, began: float) -> None:
        """One answered request."""
        if not self.behaviour.on("silent"):
            self.metrics.observe(route, code, time.perf_counter() - began)

    def api(self, route: str, request: Request) -> "Answer | Awaitable[Answer]":
        """One of the three routes."""
        if request.method != METHODS[route]:
            return as_json(405, error=f"expected {METHODS[route]}")
        leak = self.behaviour.number("leak_ms_per_second") * (time.monotonic() - self.leaking_since)
        delay = self.behaviour.for_route("delay_ms", route) + leak
        return self.late(route, request, delay / 1000) if delay else self.work(route, request)

    async def late(self, route: str, request: Request, seconds: float) -> Answer:
        """Take that long."""
        await asyncio.sleep(seconds)
        return self.work(route, request)

    def work(self, route: str, request: Request) -> Answer:
        """JSON in, JSON out."""
        asked = request.headers.get("traceparent", "")
        traced = TRACE.fullmatch(asked)
        trace = traced[1] if traced else f"{random.getrandbits(128):032x}"
        body = None
        if route == INVOKE:
            with contextlib.suppress(ValueError):
                body = json.loads(request.body or b"{}")
            if not isinstance(body, dict):
                return as_json(400, error="expected a JSON object", traceId=trace)
        ratio = self.behaviour.for_route("error_ratio", route)
        code = 500 if ratio and random.random() < ratio else 200
        if not self.behaviour.on("silent") and (traced or code == 500 or self.sampled()):
            shown = {} if body is None else {"request": body if self.behaviour.on("log_pii") else redact(body)}
            name = route.rpartition("/")[2]
            level, message = ("info", name) if code == 200 else ("error", f"{name} failed")
            log(level, message, traceId=trace, route=route, code=code, **shown)
        if code == 500:
            return as_json(500, error="injected fault", traceId=trace)
        return as_json(200, ok=True, version=VERSION, pod=POD, traceId=trace, **LISTS.get(route, {}))

    def sampled(self) -> bool:
        """Whether there is room for one more line in this second."""
        second, lines = self.lines
        now = int(time.monotonic())
        self.lines = (now, lines + 1) if now == second else (now, 1)
        return self.lines[1] <= LINES_A_SECOND

    def other(self, path: str, request: Request) -> "Answer | Awaitable[Answer]":
        """What is not the API."""
        if path == "/healthz":
            return Answer(200, "text/plain", b"ok\n")
        if path == "/readyz":
            ready = not self.behaviour.on("not_ready") and not self.server.ending
            return Answer(200, "text/plain", b"ok\n") if ready else Answer(503, "text/plain", b"not ready\n")
        if path == "/metrics":
            return exposition(self.metrics, self.behaviour.metrics)
        if path == BEHAVIOUR and request.headers.get("host") in self.own_hosts:
            return self.talk_of_behaviour(request)
        return as_json(404, error="no such route")

    def talk_of_behaviour(self, request: Request) -> Answer:
        """Read, change or reset how this server behaves."""
        if request.method == "PUT":
            try:
                self.behaviour.change(json.loads(request.body))
            except ValueError as wrong:
                return as_json(400, error=str(wrong))
        elif request.method == "DELETE":
            self.behaviour.reset()
        elif request.method != "GET":
            return as_json(405, error="expected GET, PUT or DELETE")
        if request.method != "GET":
            self.behave()
        return as_json(200, **self.behaviour.values)


if __name__ == "__main__":
    try:
        maestro = Maestro()
    except (ValueError, KeyError) as wrong:
        sys.exit(f"maestro-server: {wrong}")
    asyncio.run(maestro.run())
