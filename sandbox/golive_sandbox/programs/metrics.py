"""Request counters and durations in Prometheus' text format, and the ways in which an exporter can be wrong."""

from __future__ import annotations

import asyncio
import bisect
import time
from collections.abc import Awaitable

from golive_sandbox.programs.http1 import Answer

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
MODES = ("ok", "empty", "malformed", "no-slo", "error", "html", "old", "huge", "slow", "cut")
"""What ``/metrics`` may be; ``no-slo`` is without the request series, ``old`` has samples of ten minutes ago."""
TYPE = "text/plain; version=0.0.4; charset=utf-8"
_OLD_SECONDS = 600
_SLOW_SECONDS = 30
_HUGE_BYTES = 32 << 20
_MISSING_BYTES = 4096
_FILLER = b"# filler filler filler filler filler filler filler filler filler\n"
_MALFORMED = b'http_requests_total{route="/api/maestro/v1/invoke",code="200"} a lot\nhttp_requests_total{route="/api'


class Metrics:
    """What was answered, by route and code, and how long it took."""

    def __init__(self, version: str) -> None:
        self.version = version
        self.requests: dict[tuple[str, int], int] = {}
        self.buckets: dict[str, list[int]] = {}
        self.sums: dict[str, float] = {}
        self.started = time.time()

    def observe(self, route: str, code: int, seconds: float) -> None:
        """Count one answered request."""
        self.requests[route, code] = self.requests.get((route, code), 0) + 1
        counts = self.buckets.setdefault(route, [0] * (len(BUCKETS) + 1))
        counts[bisect.bisect_left(BUCKETS, seconds)] += 1
        self.sums[route] = self.sums.get(route, 0.0) + seconds

    def render(self, *, slo: bool = True, age: float = 0) -> bytes:
        """Everything, one sample a line; with an ``age`` in seconds, samples carry the time they would be of."""
        lines = ["# HELP build_info What runs here.", "# TYPE build_info gauge"]
        lines += [f'build_info{{version="{self.version}"}} 1']
        lines += ["# HELP process_start_time_seconds Start of the process, unix time."]
        lines += ["# TYPE process_start_time_seconds gauge", f"process_start_time_seconds {self.started:.3f}"]
        if slo:
            lines += self._requests()
        if age:
            stamp = f" {int((time.time() - age) * 1000)}"
            lines = [line if line.startswith("#") else line + stamp for line in lines]
        return ("\n".join(lines) + "\n").encode()

    def _requests(self) -> list[str]:
        lines = ["# HELP http_requests_total Requests answered.", "# TYPE http_requests_total counter"]
        for (route, code), count in sorted(self.requests.items()):
            lines.append(f'http_requests_total{{route="{route}",code="{code}"}} {count}')
        lines += ["# HELP http_request_duration_seconds Time from request to answer.",
                  "# TYPE http_request_duration_seconds histogram"]  # fmt: skip
        for route, counts in sorted(self.buckets.items()):
            lines += self._histogram(route, counts)
        return lines

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


def exposition(metrics: Metrics, mode: str) -> Answer | Awaitable[Answer]:
    """What ``/metrics`` answers in ``mode``, one of ``MODES``."""
    match mode:
        case "error":
            return Answer(500, "text/plain", b"metrics are out of order\n")
        case "html":
            return Answer(200, "text/html", b"<!doctype html><title>Sign in</title><h1>Sign in</h1>\n")
        case "slow":
            return _slowly(metrics)
        case "cut":
            return Answer(200, TYPE, metrics.render(), missing=_MISSING_BYTES)
    return Answer(200, TYPE, _body(metrics, mode))


def _body(metrics: Metrics, mode: str) -> bytes:
    match mode:
        case "empty":
            return b""
        case "malformed":
            return metrics.render(slo=False) + _MALFORMED
        case "no-slo":
            return metrics.render(slo=False)
        case "old":
            return metrics.render(age=_OLD_SECONDS)
        case "huge":
            return metrics.render() + _FILLER * (_HUGE_BYTES // len(_FILLER))
    return metrics.render()


async def _slowly(metrics: Metrics) -> Answer:
    await asyncio.sleep(_SLOW_SECONDS)
    return Answer(200, TYPE, metrics.render())
