"""What one look at the SLOs costs as the critical routes grow from 1 to 200: requests, bytes, seconds, our own CPU.

``python benchmarks/routes.py [--times N] [--samples N]``: one real Prometheus asks four pods for each number of routes,
of ten classic buckets each, until every series has ``--samples`` samples (1440: six hours at 15 s, the longest window
of a burn rate). Then the very functions of a look ask it, with the defaults of golive.example.toml.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

from golive.config import Settings, load
from golive.servers import Prometheus
from golive.slo import early
from golive_fixtures.metrics import Metrics
from golive_fixtures.slo_alerts import loaded_rules, read_alerts
from golive_fixtures.slo_looks import BORN, read_burn, read_counts
from golive_fixtures.slo_window import Window
from selftests.hands.clients import client_of
from selftests.hands.monitoring import prometheus, reach
from selftests.hands.servers import Server, always
from selftests.hands.slo_made import GOOD

ROOT = Path(__file__).resolve().parent.parent
SIZES = (1, 10, 50, 100, 200)
PODS = {"maestro-server-new-1": "new", "maestro-server-new-2": "new", "old-1": "old", "old-2": "old"}
EDGES = ("0.1", "0.25", "0.5", "0.75", "1", "1.5", "2.5", "5", "10", "+Inf")
RULES = "groups: [{name: slo, rules: [{alert: Never, expr: vector(0) > 1}]}]"
ANSWERS = {"200": 9_970, "500": 30}
_FAST, _USUAL, _WINDOW = 0.1, 1.0, 300.0
"""Seconds between samples while history is made, and while it is asked; seconds of the window that is judged."""
_FOUND = 5.0
"""Seconds until Prometheus asks what it was told of."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one look."""

    requests: int
    asked: int
    """Characters of PromQL."""
    seconds: float
    """Until all is answered."""
    own: float
    """Our CPU of it, judgement too, seconds."""
    judging: float
    """Adding it to the window and judging that, seconds."""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--times", type=int, default=20, help="how many looks at each size (default 20)")
    arguments.add_argument("--samples", type=int, default=1440, help="of each series (default 1440)")
    given = arguments.parse_args()
    print(f"{os.cpu_count()} CPUs, {datetime.now(UTC):%Y-%m-%d}, {given.samples} samples, median of {given.times}")
    print(f"{'routes':>6} {'series':>7} {'requests':>9} {'PromQL':>9} {'seconds':>9} {'own CPU':>9} {'judging':>9}")
    with tempfile.TemporaryDirectory(prefix="golive-bench-") as folder, exporters() as config:
        (Path(folder) / "rules.yml").write_text(RULES, encoding="utf-8")
        with prometheus(Path(folder), config(_FAST)):
            print(f"making history, {given.samples * _FAST:.0f} s", flush=True)
            threading.Event().wait(_FOUND + given.samples * _FAST)
        with prometheus(Path(folder), config(_USUAL)) as address:
            threading.Event().wait(_FOUND + 3 * _USUAL)  # every pod has told again
            for size in SIZES:
                costs = measured(size, address, Path(folder), given.times)
                print(line(size, costs), flush=True)


def line(size: int, costs: list[Cost]) -> str:
    def middle(what: Callable[[Cost], float]) -> float:
        return statistics.median(map(what, costs))

    series = size * len(PODS) * (2 + len(EDGES))
    counts = f"{middle(lambda one: one.requests):9.0f} {middle(lambda one: one.asked):9.0f}"
    times = [middle(lambda one: one.seconds), middle(lambda one: one.own), middle(lambda one: one.judging)]
    return " ".join((f"{size:6} {series:7} {counts}", *(f"{one:9.4f}" for one in times)))


class Pods(BaseHTTPRequestHandler):
    """The pods of every size: what they tell at ``/SIZE``."""

    bodies: ClassVar[dict[str, bytes]] = {}

    def do_GET(self) -> None:
        told = self.bodies[self.path]
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", f"{len(told)}")
        self.end_headers()
        with contextlib.suppress(ConnectionError):  # a Prometheus that is not there any more
            self.wfile.write(told)

    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""


@contextmanager
def exporters() -> Iterator[Callable[[float], str]]:
    """The pods; gives Prometheus' configuration for a scrape interval (seconds)."""
    Pods.bodies = {f"/{size}": body(size) for size in SIZES}
    with ThreadingHTTPServer(("127.0.0.1", 0), Pods) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        jobs = [
            f'- {{job_name: "{size}-{pod}", metrics_path: /{size}, static_configs: [{{'
            f'targets: ["127.0.0.1:{server.server_port}"], labels: {{pod: {pod}, namespace: n-{size}}}}}]}}'
            for size in SIZES
            for pod in PODS
        ]

        def config(interval: float) -> str:
            every = f"{interval * 1000:.0f}ms"
            return "\n".join(
                (
                    f"global: {{scrape_interval: {every}, scrape_timeout: {every}}}",
                    "rule_files: [rules.yml]",
                    "scrape_configs:",
                    *jobs,
                )
            )

        yield config
        server.shutdown()


def body(size: int) -> bytes:
    """What a pod with so many routes tells."""
    told = []
    for route in routes(size):
        told += [f'http_requests_total{{route="{route}",code="{code}"}} {count}' for code, count in ANSWERS.items()]
        told += [
            f'http_request_duration_seconds_bucket{{route="{route}",le="{edge}"}} {min(10_000, 3_000 + 1_200 * number)}'
            for number, edge in enumerate(EDGES)
        ]
    return ("\n".join(told) + "\n").encode()


def routes(size: int) -> tuple[str, ...]:
    return tuple(f"/api/maestro/v1/route-{number}" for number in range(size))


def settings_of(size: int, address: str) -> Settings:
    """The defaults, with so many critical routes, which are all that counts."""
    example = load(ROOT / "golive.example.toml")
    metrics = example.metrics.model_copy(update={"critical_routes": routes(size)})
    target = example.target.model_copy(update={"namespace": f"n-{size}"})
    slo = example.slo.model_copy(update={"routes": "/api/.+"})
    told = {"metrics": metrics, "target": target, "slo": slo, "prometheus": Prometheus(url=address, rules=("Never",))}
    return example.model_copy(update=told)


def measured(size: int, address: str, folder: Path, times: int) -> list[Cost]:
    settings = settings_of(size, address)
    with Server(always({})) as api, reach(settings.prometheus, client_of(folder, api)) as way:
        metrics = Metrics(way, queries=settings.prometheus.queries_per_look)
        return [look(metrics, settings) for _ in range(times)]


def look(metrics: Metrics, settings: Settings) -> Cost:
    """As ``golive_fixtures.slo_sight`` looks: all that it asks of Prometheus, and what it makes of it."""
    began, cpu = time.monotonic(), time.process_time()
    asking = metrics.look()
    found = read_counts(asking, settings, since=_WINDOW, interval=_USUAL)
    mine = [pod for pod, version in PODS.items() if version == "new"]
    burn, burn_query = read_burn(asking, settings, mine, "new")
    alerts = read_alerts(asking, settings, loaded_rules(asking, settings), found.at - _WINDOW, found.at, ())
    answered, judging = time.monotonic(), time.process_time()
    if {*PODS} != {*found.pods} or alerts:
        raise SystemExit(f"expected {', '.join(PODS)} and no alert, found {', '.join(found.pods)} and {alerts}")
    window = Window(replace(BORN, at=found.at - _WINDOW, pods={}), interval=_USUAL)
    window.versions |= PODS
    window.add(found)
    canary, others = window.tally("new"), window.tally("new", others=True)
    slis = replace(GOOD, canary=canary, others=others, burns=(burn,), before=burn)
    early(slis, settings.slo, settings.metrics.critical_routes)
    over, rows = time.process_time(), asking.described()
    return Cost(len(rows), len(found.query) + len(burn_query), answered - began, over - cpu, over - judging)


if __name__ == "__main__":
    main()
