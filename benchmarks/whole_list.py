"""Every walk, fault and death of a go-live, several times, each time in another order: the verdicts must not differ.

``python benchmarks/whole_list.py [--times N] [--seed S] [--slo]``; ends with 1 when a test did not pass. The faults
that the SLOs are judged by are another list (``--slo`` adds it). One time takes about half an hour on two cores.
"""

from __future__ import annotations

import argparse
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from golive_sandbox.scenarios import judged

ROOT = Path(__file__).resolve().parent.parent
LISTS = {
    "sandbox/selftests": ("test_walks.py", "test_canary_faults.py", "test_plane_faults.py"),
    "plugins/selftests": (
        "live/test_deaths.py",
        "live/test_driver_death.py",
        "live/test_lost_machine.py",
        "live/test_taking_back.py",
        "live/test_taking_back_gitops.py",
        "live/test_rollback_live.py",
    ),
}
"""Root and files: what walks a canary, and what dies meanwhile."""
AT_ONCE = {"plugins/selftests": ("-n3", "--dist=worksteal")}
"""As ``scripts/check.py`` runs them: they wait more than they compute."""
_NODE = re.compile(r"^(\S+\.py)::(.+)$", re.MULTILINE)


def main() -> int:
    """Run it; 0 when every test passed every time."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--times", type=int, default=3, help="how often (default 3)")
    arguments.add_argument("--seed", type=int, default=0, help="of the first order; the next ones count on (default 0)")
    arguments.add_argument("--slo", action="store_true", help="the scenarios of golive_sandbox.scenarios.judged too")
    given = arguments.parse_args()
    # A shell's background job ignores Ctrl-C, and so do its children: some of the list press it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    less = () if given.slo else tuple(f"[{one.name}]" for one in judged.SCENARIOS)
    good = True
    for seed in range(given.seed, given.seed + given.times):
        for root in LISTS:
            began = time.monotonic()
            code, last = run(root, random.Random(seed), less)
            good = good and code == 0
            print(f"seed {seed}, {root}: exit {code}, {last} ({time.monotonic() - began:.0f} s)", flush=True)
    return 0 if good else 1


def run(root: str, order: random.Random, less: tuple[str, ...]) -> tuple[int, str]:
    """One time, without the cases whose name ends with one of ``less``: pytest's exit code, and its last line."""
    nodes = [one for one in collected(root) if not one.endswith(less)]
    order.shuffle(nodes)
    files = sorted({one.partition("::")[0] for one in nodes})
    order.shuffle(files)  # one after another: each has a sandbox of its own
    nodes.sort(key=lambda one: files.index(one.partition("::")[0]))
    last = ""
    with subprocess.Popen(
        [*pytest(root), "-v", *nodes, *AT_ONCE.get(root, ())], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        for line in running.stdout:  # each test as it ends: half an hour without a word is too long
            print(line, end="", file=sys.stderr, flush=True)
            last = line.strip() or last
    return running.returncode, last


def collected(root: str) -> list[str]:
    """The node ids of a root's list."""
    argv = [*pytest(root), "-q", *(f"{root}/{one}" for one in LISTS[root]), "--collect-only"]
    found = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False).stdout
    return [f"{path if path.startswith(root) else f'{root}/{path}'}::{rest}" for path, rest in _NODE.findall(found)]


def pytest(root: str) -> list[str]:
    """The command for all tests of that root, those marked ``long`` too."""
    return [sys.executable, "-m", "pytest", "-m", "", "-c", f"{root}/pytest.toml", "--color=no"]


if __name__ == "__main__":
    sys.exit(main())
