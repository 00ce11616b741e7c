"""Figures: sandbox start, the suite's share of a preflight, collection against bare pytest, failure to abort and proof.

``python benchmarks/run.py [--times N]`` prints a table; nothing is asserted. It starts its own sandbox.
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
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from golive.access import resolve
from golive.cluster import Cluster
from golive.config import load
from golive.types import dig, number, text

ROOT = Path(__file__).resolve().parent.parent
_ROLLOUT = "/apis/argoproj.io/v1alpha1/namespaces/maestro/rollouts/maestro-server"
_PYTEST = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--times", type=int, default=5, help="how often each thing is measured (default 5)")
    times: int = arguments.parse_args().times
    print(
        f"{os.cpu_count()} CPUs, Python {sys.version.split()[0]}, {datetime.now(UTC):%Y-%m-%d}; "
        f"median of {times} (least to most)"
    )
    with tempfile.TemporaryDirectory(prefix="golive-bench-", ignore_cleanup_errors=True) as folder:
        scratch = Path(folder)
        row("sandbox up (everything cached)", measure(lambda: sandbox_start(scratch), times))
        collection(scratch, times)
        sandbox("up", "--detach", "--rate", "20", at=scratch / "w")
        try:
            preflight(scratch, times)
            rollbacks(scratch, times)
        finally:
            sandbox("down", at=scratch / "w")


def row(what: str, seconds: list[float]) -> None:
    print(f"{what:58} {statistics.median(seconds):7.2f} s   ({min(seconds):.2f} to {max(seconds):.2f})", flush=True)


def measure(work: Callable[[], None], times: int) -> list[float]:
    found = []
    for _ in range(times):
        began = time.monotonic()
        work()
        found.append(time.monotonic() - began)
    return found


def quiet(*argv: str, env: dict[str, str] | None = None, cwd: Path = ROOT) -> None:
    subprocess.run(argv, cwd=cwd, capture_output=True, check=False, timeout=300, env={**os.environ, **(env or {})})


def sandbox(*words: str, at: Path) -> None:
    argv = [sys.executable, "-m", "golive_sandbox.cli", *words, "--dir", str(at)]
    subprocess.run(argv, capture_output=True, check=True, timeout=300)


def sandbox_start(scratch: Path) -> None:
    """Up, and down again; the way down is a second or two of it."""
    sandbox("up", "--detach", "--rate", "20", at=scratch / "start")
    sandbox("down", at=scratch / "start")


def collection(scratch: Path, times: int) -> None:
    """Collecting the criteria against six empty tests in a pytest without plugins."""
    bare = scratch / "bare"
    bare.mkdir()
    tests = "\n".join(f"def test_{number}() -> None:\n    pass\n" for number in range(6))
    (bare / "test_bare.py").write_text(tests, encoding="utf-8")
    (bare / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    alone = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    none = measure(lambda: quiet(*_PYTEST, "-q", "--collect-only", env=alone, cwd=bare), times)
    ours = measure(lambda: quiet(*_PYTEST, "-q", "--collect-only"), times)
    row("collect six empty tests, pytest without plugins", none)
    row("collect the criteria, everything installed", ours)
    print(f"{'ratio':58} {statistics.median(ours) / statistics.median(none):7.2f}")


def preflight(scratch: Path, times: int) -> None:
    """A whole preflight, and how much of it the criteria themselves take, answers of the API server included."""
    config, criteria = scratch / "w" / "golive.toml", []

    def once() -> None:
        reports = Path(tempfile.mkdtemp(dir=scratch))
        quiet(*_PYTEST, "-q", "-m", "preflight", f"--golive-config={config}", f"--golive-report-dir={reports}")
        verdict = json.loads((reports / "verdict.json").read_text(encoding="utf-8"))
        assert verdict["verdict"] == "GO"
        criteria.append(sum(float(one["seconds"]) for one in verdict["criteria"]))

    row("preflight, from command to GO", measure(once, times))
    row("  of it the criteria, with the API server's answers", criteria)


def rollbacks(scratch: Path, times: int) -> None:
    """From the failing outcome until an independent client sees the abort, beside the plugin's own abort."""
    world, seen, proven = scratch / "w", [], []
    for _ in range(times):
        sandbox("break", "canary-at-25", at=world)
        sandbox("break", "role-empty", at=world)
        reports = Path(tempfile.mkdtemp(dir=scratch))
        argv = [*_PYTEST, "-q", "-m", "preflight"]
        argv += [f"--golive-config={world / 'golive.toml'}", f"--golive-report-dir={reports}"]
        at = weightless(world, lambda argv=argv: quiet(*argv))  # type: ignore[misc]
        seen.append(at - failed_at(reports))
        verdict = json.loads((reports / "verdict.json").read_text(encoding="utf-8"))
        assert verdict["rollback"]["proven"] is True
        proven.append(float(verdict["rollback"]["seconds"]["to_stable"]))
        for fault in ("role-empty", "canary-at-25"):
            sandbox("heal", fault, at=world)
    row("failing outcome -> weight 0, seen by another client", seen)
    row("failing outcome -> every leg of the rollback proven", proven)
    row("kubectl argo rollouts abort -> weight 0, same client", [plugin_abort(world) for _ in range(times)])


def plugin_abort(world: Path) -> float:
    """The neighbour: the plugin's abort alone, which restores nothing and proves nothing."""
    sandbox("break", "canary-at-25", at=world)
    env = {"KUBECONFIG": str(world / "kubeconfig"), "PATH": f"{world / 'bin'}:{os.environ['PATH']}"}
    began = time.time()
    at = weightless(world, lambda: quiet("kubectl", "argo", "rollouts", "abort", "maestro-server", env=env))
    sandbox("heal", "canary-at-25", at=world)
    return at - began


def weightless(world: Path, work: Callable[[], None]) -> float:
    """Run ``work``; the time of day at which a client that polls without pause saw the canary without weight."""
    settings = load(world / "golive.toml")
    access = resolve(settings.target.kubeconfig, settings.target.context)
    client = Cluster(access, uid=settings.target.cluster_uid, request_seconds=5, requests_per_second=1000)
    doing = threading.Thread(target=work)
    doing.start()
    give_up = time.monotonic() + 60
    while number(client.get(_ROLLOUT), "status", "canary", "weights", "canary", "weight") != 0:
        assert time.monotonic() < give_up, "the canary kept its weight"
    at = time.time()
    doing.join()
    return at


def failed_at(reports: Path) -> float:
    """When the failing outcome was journalled."""
    (journal,) = reports.glob("record/*/*/journal.jsonl")
    entries = [json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines()]
    failed = [one for one in entries if one["kind"] == "outcome" and text(one, "data", "outcome") == "failed"]
    return datetime.fromisoformat(str(dig(failed[0], "time"))).timestamp()


if __name__ == "__main__":
    main()
