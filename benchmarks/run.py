"""Figures: sandbox start, the suite's share of a preflight, collection against bare pytest (rollback.py has the rest).

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
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
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


if __name__ == "__main__":
    main()
