"""What the suite costs while it waits at a weight: API requests a minute, and the memory of its processes over time.

``python benchmarks/waiting.py [--minutes 60]`` prints a line a minute; nothing is asserted. It starts its own sandbox.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_FLOW = 'flow_schema="global-default"'  # people; controllers and service accounts have schemas of their own
_COUNTER = "apiserver_flowcontrol_dispatched_requests_total"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--minutes", type=float, default=60.0, help="how long to wait at the first weight")
    arguments.add_argument("--look", type=float, default=2.0, help="canary.look_seconds (production's default: 2)")
    asked = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="golive-bench-", ignore_cleanup_errors=True) as folder:
        world = Path(folder) / "w"
        sandbox("up", "--detach", "--rate", "20", at=world)
        try:
            watch(world, asked.minutes, asked.look)
        finally:
            sandbox("down", at=world)


def sandbox(*words: str, at: Path) -> None:
    argv = [sys.executable, "-m", "golive_sandbox.cli", *words, "--dir", str(at)]
    subprocess.run(argv, capture_output=True, check=True, timeout=300)


def watch(world: Path, minutes: float, look: float) -> None:
    settings = world / "golive.toml"
    slow = {"window_seconds": minutes * 60, "look_seconds": look, "renew_seconds": 5.0, "requests_per_second": 10.0}
    words = settings.read_text(encoding="utf-8")
    for key, value in slow.items():
        words, times = re.subn(rf"(?m)^{key} = .*$", f"{key} = {value}", words)
        assert times == 1, key
    settings.write_text(words, encoding="utf-8")
    reports = world.parent / "reports"
    argv = [sys.executable, "-m", "pytest", "-q", "-m", "preflight or canary", "-p", "no:cacheprovider"]
    argv += [f"--golive-config={settings}", f"--golive-report-dir={reports}"]
    suite = subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
    try:
        until_waiting(reports)
        print("minute  API requests a minute   pytest MiB   watchdog MiB", flush=True)
        began, before = time.monotonic(), requests(world)
        for minute in range(1, int(minutes) + 1):
            time.sleep(max(began + minute * 60 - time.monotonic(), 0))
            now = requests(world)
            memory = "".join(f"{resident(pid):13.1f}" for pid in (suite.pid, *watchdogs(suite.pid)))
            print(f"{minute:6}  {now - before:22.0f}{memory}", flush=True)
            before = now
    finally:
        suite.terminate()
        suite.wait(timeout=120)


def until_waiting(reports: Path) -> None:
    give_up = time.monotonic() + 120
    while not any("applied" in one.read_text(encoding="utf-8") for one in reports.glob("record/*/*/journal.jsonl")):
        assert time.monotonic() < give_up, "the canary was not applied"
        time.sleep(0.5)


def requests(world: Path) -> float:
    """Requests of ordinary users so far, as the API server counts them."""
    argv = [str(world / "bin" / "kubectl"), f"--kubeconfig={world / 'kubeconfig'}", "get", "--raw", "/metrics"]
    told = subprocess.run(argv, capture_output=True, check=True, text=True, timeout=60).stdout
    rows = [row for row in told.splitlines() if row.startswith(_COUNTER) and _FLOW in row]
    return sum(float(row.rpartition(" ")[2]) for row in rows)


def watchdogs(driver: int) -> list[int]:
    children = Path(f"/proc/{driver}/task/{driver}/children").read_text(encoding="utf-8").split()
    return [int(pid) for pid in children if b"golive.watchdog" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def resident(pid: int) -> float:
    """MiB in memory."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


if __name__ == "__main__":
    main()
