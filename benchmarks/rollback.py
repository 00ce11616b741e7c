"""Failing outcome to abort to rollback proven, beside the controller's own share and beside kubectl's plugin.

``python benchmarks/rollback.py [--times N]`` prints a table; nothing is asserted. It starts its own sandbox. "Seen by a
client" is what a client that polls the API without pause sees: it is the same in every row.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from golive import argo
from golive.access import resolve
from golive.cluster import Cluster
from golive.config import load
from golive.templates import template_of
from golive.types import Json, dig, text

ROOT = Path(__file__).resolve().parent.parent
_ROLLOUT = argo.rollout_path("maestro", "maestro-server")
_PYTEST = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--times", type=int, default=5, help="how often each thing is measured (default 5)")
    times: int = arguments.parse_args().times
    with tempfile.TemporaryDirectory(prefix="golive-bench-", ignore_cleanup_errors=True) as folder:
        bench = Bench(Path(folder) / "w", times)
        bench.sandbox("up", "--detach")
        try:
            for state in ("canary-at-25", "canary-at-100"):
                bench.canary(state)
            bench.promoted()
        finally:
            bench.sandbox("down")


class Bench:
    """A sandbox in ``world`` and how often each thing is measured there."""

    def __init__(self, world: Path, times: int) -> None:
        self.world, self.times = world, times

    def sandbox(self, *words: str) -> None:
        argv = [sys.executable, "-m", "golive_sandbox.cli", *words, "--dir", str(self.world)]
        subprocess.run(argv, capture_output=True, check=True, timeout=300)

    def client(self) -> Cluster:
        settings = load(self.world / "golive.toml")
        access = resolve(settings.target.kubeconfig, settings.target.context)
        return Cluster(access, uid=settings.target.cluster_uid, request_seconds=5, requests_per_second=1000)

    def again(self, state: str, once: Callable[[], tuple[float, ...]]) -> list[tuple[float, ...]]:
        """``once`` in a world in that state, several times."""
        found = []
        for _ in range(self.times):
            self.sandbox("break", state)
            found.append(once())
            self.sandbox("heal", state)
        return found

    def canary(self, state: str) -> None:
        rows("the controller alone, abort", ("weight 0", "restored, Healthy"), self.again(state, self.controller))
        rows("kubectl argo rollouts abort", ("weight 0", "status --watch ends"), self.again(state, self.plugin))
        names = ("abort accepted", "weight 0", "every leg proven")
        rows(f"the suite, failing outcome, {state}", names, self.again(state, self.suite))

    def promoted(self) -> None:
        """Walked and promoted by the suite, so that its record knows the version before; then a p0 fails."""
        found = []
        for _ in range(self.times):
            reports = Path(tempfile.mkdtemp(dir=self.world.parent))
            self.session("preflight or canary or acceptance or promote", reports)
            self.sandbox("break", "role-empty")
            self.session("preflight", reports)
            self.sandbox("heal", "role-empty")
            found.append((taken(reports, "to_request"), taken(reports, "to_stable")))
            self.sandbox("reset")
        rows("the suite, failing outcome, after promotion", ("restore accepted", "every leg proven"), found)

    def session(self, stages: str, reports: Path) -> None:
        argv = [*_PYTEST, "-m", stages, f"--golive-config={self.world / 'golive.toml'}"]
        argv.append(f"--golive-report-dir={reports}")
        subprocess.run(argv, cwd=ROOT, capture_output=True, check=False, timeout=300)

    def controller(self) -> tuple[float, ...]:
        """The two writes of a rollback, sent as soon as they can be."""
        client = self.client()
        view = argo.parse(client.get(_ROLLOUT))
        sets = client.list("/apis/apps/v1/namespaces/maestro/replicasets")
        stable = next(one for one in sets if text(one, "metadata", "labels", argo.HASH) == view.stable_hash)
        began = time.monotonic()
        argo.abort(client, _ROLLOUT, view)
        until(client, lambda now: now.aborted and now.canary_weight == 0)
        weightless = time.monotonic()
        argo.restore(client, _ROLLOUT, argo.parse(client.get(_ROLLOUT)), template_of(stable, view.canary))
        until(client, lambda now: now.observed and now.phase == "Healthy" and now.current_hash == now.stable_hash)
        return weightless - began, time.monotonic() - began

    def plugin(self) -> tuple[float, ...]:
        """The neighbour: it aborts, and its watch ends as soon as the Rollout is Degraded; it restores nothing."""
        env = {**os.environ, "KUBECONFIG": str(self.world / "kubeconfig")}
        env["PATH"] = f"{self.world / 'bin'}:{env['PATH']}"
        began = time.time()

        def work() -> None:
            for words in (("abort", "maestro-server"), ("status", "maestro-server", "--watch", "--timeout", "60s")):
                argv = ["kubectl", "argo", "rollouts", *words]
                subprocess.run(argv, capture_output=True, check=False, timeout=90, env=env)

        at = self.weightless(work)
        return at - began, time.time() - began

    def suite(self) -> tuple[float, ...]:
        """A p0 fails in a preflight."""
        self.sandbox("break", "role-empty")
        reports = Path(tempfile.mkdtemp(dir=self.world.parent))
        at = self.weightless(lambda: self.session("preflight", reports))
        self.sandbox("heal", "role-empty")
        return taken(reports, "to_request"), at - failed_at(reports), taken(reports, "to_stable")

    def weightless(self, work: Callable[[], object]) -> float:
        """Run ``work``; the time of day at which the client saw the canary without weight."""
        client = self.client()
        doing = threading.Thread(target=work)
        doing.start()
        until(client, lambda now: now.canary_weight == 0)
        at = time.time()
        doing.join()
        return at


def until(client: Cluster, ok: Callable[[argo.RolloutView], bool]) -> None:
    give_up = time.monotonic() + 60
    while not ok(argo.parse(client.get(_ROLLOUT))):
        assert time.monotonic() < give_up, "not seen"


def taken(reports: Path, what: str) -> float:
    """One of the rollback's ``seconds``, as the verdict tells them."""
    verdict: Json = json.loads((reports / "verdict.json").read_text(encoding="utf-8"))
    assert dig(verdict, "rollback", "proven") is True, verdict["rollback"]
    found = dig(verdict, "rollback", "seconds", what)
    assert isinstance(found, float | int)
    return float(found)


def failed_at(reports: Path) -> float:
    """When the failing outcome was journalled."""
    (journal,) = reports.glob("record/*/*/journal.jsonl")
    entries = [json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines()]
    failed = [one for one in entries if one["kind"] == "outcome" and text(one, "data", "outcome") == "failed"]
    return datetime.fromisoformat(str(dig(failed[0], "time"))).timestamp()


def rows(what: str, names: tuple[str, ...], found: Sequence[tuple[float, ...]]) -> None:
    for name, seconds in zip(names, zip(*found, strict=True), strict=True):
        least, most = min(seconds), max(seconds)
        title = f"{what} -> {name}"
        print(f"{title:75} {statistics.median(seconds):6.2f} s   ({least:.2f} to {most:.2f})", flush=True)


if __name__ == "__main__":
    main()
