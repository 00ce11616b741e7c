"""Thirty healthy releases with noise, each through the whole suite: all must be GO. Ends with 1 where one is not.

A release whose noise did not come proves nothing, and ends it with 1 too.

Noise: a scrape that fails, a pod that is rescheduled, an autoscaler that scales, and 0.3 % errors everywhere, these at
a rate of requests that can tell 0.3 % from the limit of 0.5 %. ``--json FILE`` keeps every release.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rooms import Judged, Rooms, judge, rooms

from golive_sandbox.traffic import DEFAULT_RATE
from golive_sandbox.types import Json, JsonValue

_MUCH = 3000.0


@dataclass(frozen=True, slots=True)
class Noise:
    """A fault that is none, when it happens, what has to be there before, and requests a second that it needs."""

    fault: str
    when: str
    beside: str = ""
    rate: float = DEFAULT_RATE


NOISES = (
    Noise("missed-scrape", "held-at-10"),
    Noise("pod-rescheduled", "at-50"),
    # Without an autoscaler it is somebody who scales, and the release is taken back.
    Noise("hpa-scales", "at-25", beside="hpa-owned"),
    Noise("errors-03", "", rate=_MUCH),
)


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--times", type=int, default=30, help="how many releases (default 30)")
    arguments.add_argument("--at-once", type=int, default=2, help="how many at a time (default 2)")
    arguments.add_argument("--only", choices=[one.fault for one in NOISES], help="this kind of noise only")
    arguments.add_argument("--json", type=Path, metavar="FILE", help="write every release there")
    given = arguments.parse_args()
    kinds = [one for one in NOISES if given.only in (None, one.fault)]
    wanted = [kinds[number % len(kinds)] for number in range(given.times)]
    with rooms() as running, ThreadPoolExecutor(given.at_once) as pool:
        rows = list(pool.map(partial(release, running), range(1, given.times + 1), wanted))
    seen = Counter((str(row["noise"]), str(row["verdict"])) for row in rows)
    for (noise, word), count in sorted(seen.items()):
        print(f"{noise:20} {word:8} {count:3}")
    if given.json is not None:
        kept: list[JsonValue] = [*rows]
        given.json.write_text(json.dumps({"releases": kept}, indent=1) + "\n", encoding="utf-8")
    return 0 if all(row["verdict"] == "GO" and row["exit"] == 0 and row["happened"] for row in rows) else 1


def release(running: Rooms, number: int, noise: Noise) -> Json:
    """One healthy release with its noise."""
    world = f"noisy-{number}"
    with running.world(world, noise.rate) as folder:
        if noise.beside:
            running.ask("break", world=world, fault=noise.beside)
        running.ask("break", world=world, fault=noise.fault, when=noise.when)
        found = judge(folder)
        happened = not noise.when or running.fired(world, noise.fault) is not None
    tell(number, noise, found, happened)
    others: Json = {name: outcome for name, outcome in found.not_passed.items()}
    return {
        "number": number,
        "noise": noise.fault,
        "when": noise.when,
        "happened": happened,
        "verdict": found.word,
        "exit": found.exit,
        "seconds": round(found.seconds, 1),
        "not_passed": others,
        "why": found.why,
    }


def tell(number: int, noise: Noise, found: Judged, happened: bool) -> None:
    first = next((f"{name} {outcome}: {found.why}" for name, outcome in found.not_passed.items()), "")
    why = "" if found.word == "GO" else f" {first[:600]}"
    late = "" if happened else "; the noise did not come"
    print(f"{number:3} {noise.fault:20} {found.word:8} {found.seconds:5.1f} s{why}{late}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
