"""From the first bad request to the abort: the suite, beside Argo's own analysis alone, on two worlds of one plane.

Both worlds have the same templates, traffic and fault at the same moment, side by side. In the second nobody drives
but this program, which promotes each pause as soon as it is reached. Measured from the first bad answer at the clients
(the fault's own beginning, where no answer is an error) to the abort in the Rollout. ``--json FILE`` keeps every run.
"""

from __future__ import annotations

import argparse
import json
import statistics
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from rooms import Rooms, judge, rooms

from golive_sandbox.scenarios.people import LEASE
from golive_sandbox.timeline import Timeline
from golive_sandbox.traffic import DEFAULT_RATE
from golive_sandbox.types import Json, JsonValue, dig, items, text
from golive_sandbox.world.rollout import NAME

FAULTS = (
    "errors-in-canary",
    "errors-2",
    "errors-on-one-route",
    "late-burst",
    "latency-on-one-route",
    "latency-in-canary",
    "slow-leak",
    "stable-burns",
)
_ABORT = r'jsonpath={.status.abort}{"\n"}'
_MOST_SECONDS = 240.0
_EVERY = 0.3


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--times", type=int, default=5, help="how often each fault is measured (default 5)")
    arguments.add_argument("--only", action="append", choices=FAULTS, help="this fault only; can be repeated")
    arguments.add_argument("--when", default="at-10", help="the fault's moment (default at-10; see also held-at-10)")
    arguments.add_argument("--json", type=Path, metavar="FILE", help="write every run there")
    given = arguments.parse_args()
    rows: list[Json] = []
    with rooms() as running:
        for fault in given.only or FAULTS:
            found = [both(running, fault, given.when, number) for number in range(given.times)]
            rows += [row for pair in found for row in pair]
            for who in ("suite", "argo"):
                line(fault, who, [row for row in rows if (row["fault"], row["who"]) == (fault, who)])
    if given.json is not None:
        kept: list[JsonValue] = [*rows]
        given.json.write_text(json.dumps({"when": given.when, "runs": kept}, indent=1) + "\n", encoding="utf-8")


def line(fault: str, who: str, rows: list[Json]) -> None:
    seconds = [float(one) for row in rows if isinstance(one := row["seconds"], int | float)]
    absent = sum(1 for row in rows if not row["happened"])
    missed = len(rows) - len(seconds) - absent
    told = f"{statistics.median(seconds):6.2f} s   ({min(seconds):.2f} to {max(seconds):.2f})" if seconds else "never"
    told += f"; {missed} of {len(rows)} not taken back" if missed else ""
    told += f"; in {absent} the fault did not come" if absent else ""
    print(f"{fault:24} {who:6} {told}", flush=True)


def both(running: Rooms, fault: str, when: str, number: int) -> list[Json]:
    """One world of each kind at the same time."""
    works: dict[str, Callable[[str, Path], str]] = {
        "suite": lambda _, folder: judge(folder).word,
        "argo": lambda world, folder: alone(running, world, folder),
    }
    with ThreadPoolExecutor(len(works)) as pool:
        asked = {
            who: pool.submit(measure, running, f"{who}-{fault}-{number}", fault, when, work)
            for who, work in works.items()
        }
        return [{"fault": fault, "who": who, "number": number, **one.result()} for who, one in asked.items()]


def measure(running: Rooms, world: str, fault: str, when: str, work: Callable[[str, Path], str]) -> Json:
    with running.world(world, DEFAULT_RATE) as folder:
        with running.following(world, "get", "rollout", NAME, "--watch", "-o", _ABORT) as told:
            running.ask("break", world=world, fault=fault, when=when)
            end = work(world, folder)
        began, aborted = running.fired(world, fault), next((at for at, abort in told if abort == "true"), None)
        bad = None if began is None else first_bad(running.timeline(world), began)
    seconds = None if bad is None or aborted is None else round(aborted - bad, 2)
    return {"seconds": seconds, "end": end, "happened": began is not None}


def first_bad(seen: Timeline, began: float) -> float:
    """When the first bad answer came after the fault ``began``, or that where none was an error; unix seconds."""
    bad = [one.first for _, by in seen.buckets for one in by.values() if one.failed and one.last >= began]
    return max(min(bad, default=began), began)


def alone(running: Rooms, world: str, folder: Path) -> str:
    """Apply the reviewed release, hold its Lease, promote each pause; until Argo aborts or the release is stable."""
    now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    spec = {"holderIdentity": "benchmark", "renewTime": now, "leaseDurationSeconds": 3600}
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": LEASE}, "spec": spec}
    how = ("apply", "--server-side", "--force-conflicts", "--field-manager=golive", "-f")
    running.kubectl(world, *how, "-", given=json.dumps(lease))
    running.kubectl(world, *how, str(folder / "rollout-maestro.yaml"))
    give_up = time.monotonic() + _MOST_SECONDS
    while time.monotonic() < give_up:
        rollout: Json = json.loads(running.kubectl(world, "get", "rollout", NAME, "-o", "json"))
        if dig(rollout, "status", "abort") is True:
            return "aborted"
        if text(rollout, "status", "phase") == "Healthy" and settled(rollout):
            return "live"
        if items(rollout, "status", "pauseConditions"):
            running.kubectl(world, "argo", "rollouts", "promote", NAME)
        threading.Event().wait(_EVERY)
    return "neither"


def settled(rollout: Json) -> bool:
    """Whether the controller has seen the release, and has nothing more to do with it."""
    seen = text(rollout, "status", "observedGeneration") == str(dig(rollout, "metadata", "generation"))
    stable = text(rollout, "status", "stableRS") == text(rollout, "status", "currentPodHash")
    return seen and stable and ":v1.5.0@" in json.dumps(dig(rollout, "spec", "template"))


if __name__ == "__main__":
    main()
