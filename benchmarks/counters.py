"""Do the counters agree? Generator, Envoy, the servers' own and Prometheus (where there is one), at each weight.

``python benchmarks/counters.py [--seconds N]`` prints a table and ends with 1 when two of them differ by 1 % or more.
It starts its own sandbox.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
from pathlib import Path

from golive_sandbox import control
from golive_sandbox.folder import Folder
from golive_sandbox.launch import launch
from golive_sandbox.options import Options
from golive_sandbox.types import Json, dig, mapping, number, text

_LIMIT = 0.01
_RELEASE = "1.5.0"


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seconds", type=float, default=60.0, help="of traffic at each weight (default 60)")
    seconds: float = arguments.parse_args().seconds
    with tempfile.TemporaryDirectory(prefix="golive-counters-", ignore_cleanup_errors=True) as scratch:
        launched = launch(Folder(Path(scratch) / "w"), Options(), sys.stdout, detached=False)
        try:
            agree = [row(launched.folder, weight, seconds) for weight in (10, 25, 50, 100)]
        finally:
            launched.stop()
    return 0 if all(agree) else 1


def ask(folder: Folder, do: str, **more: str) -> Json:
    return control.ask(text(folder.running(), "control"), {"do": do, **more}, lambda _: None)


def row(folder: Folder, weight: int, seconds: float) -> bool:
    """Measure at one weight and print it; whether all counters agree."""
    ask(folder, "break", fault=f"canary-at-{weight}")
    found = ask(folder, "agreement", seconds=str(seconds))
    ask(folder, "heal", fault=f"canary-at-{weight}")
    total = {source: sum(counts(found, source).values()) for source in mapping(found, "sources")}
    canary = {source: counts(found, source).get(_RELEASE, 0) for source in total}
    asked = total["generator"]
    share, error = canary["generator"] / asked, math.sqrt(weight / 100 * (1 - weight / 100) / asked)
    counted = "  ".join(f"{source} {canary[source]}/{total[source]}" for source in total)
    worst = difference(found)
    print(
        f"{weight:3} %  canary/all: {counted}  share {share:.2%} (standard error {error:.2%})  "
        f"difference {worst:.3%}  failed {number(found, 'failed')}",
        flush=True,
    )
    return worst < _LIMIT


def counts(found: Json, source: str) -> dict[str, int]:
    sources = mapping(found, "sources", source)
    return {version: number(sources, version) for version in sources}


def difference(found: Json) -> float:
    value = dig(found, "difference")
    return float(value) if isinstance(value, int | float) else 1.0


if __name__ == "__main__":
    sys.exit(main())
