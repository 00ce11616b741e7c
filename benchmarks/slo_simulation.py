"""How often the SLO judgement is wrong: thousands of releases against ``golive.slo`` itself, beside two simpler gates.

``python benchmarks/slo_simulation.py [--releases N] [--seed N] [--json FILE]`` prints a table; nothing is asserted.
Only the traffic is made up (requests and 5xx of each second, drawn at once for many releases). Each release walks 10,
25, 50 and 100 % with a look every second; what a look or a planned end decides is asked of ``early`` and ``settled``.
They depend on the counts alone, and more answers with as many 5xx never look worse, so for each number of 5xx it is
enough to find the number of answers where they change their mind.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from golive.slis import WINDOWS, Burn, Slis
from golive.slo import early, ends, settled
from golive.slo_settings import Slo
from golive.tallies import Buckets, RouteTally, Tally
from golive.walk_settings import Canary

Counts: TypeAlias = NDArray[np.int64]
Seconds: TypeAlias = NDArray[np.int64]
"""When each release was decided in this window."""
Outcomes: TypeAlias = NDArray[np.int64]

PASSED, FAILED, NOT_PROVEN = 0, 1, 2
WEIGHTS = (0.10, 0.25, 0.50, 1.00)
RATIOS = (0.0, 0.003, 0.004, 0.005, 0.006, 0.01, 0.02, 0.05)
RATES = (20, 50, 200)
"""Requests a second, stable and canary together."""
SLO, ENDS = Slo(), ends(Canary().window_seconds, Slo().max_window_seconds)
ROUTE = "/api/maestro/v1/invoke"
CHUNK = 20
"""Seconds judged at once; a release that is decided needs no more."""
BLOCK = 1000
"""Releases whose traffic is kept at once."""


def measured(answers: float, errors: float, end: int | None) -> Slis:
    """A canary whose one fault is its 5xx, beside a healthy service; ``end``: the planned end that this is, if any."""
    quick = Buckets((0.5, 1.5, math.inf), (0.9 * answers, answers, answers))
    tally = Tally({ROUTE: RouteTally(answers, errors, quick)})
    service = {name: (30.0, 10_000.0) for name in WINDOWS}
    return Slis(
        canary=tally,
        others=Tally(),
        seconds=ENDS[end or 0],
        interval=1.0,
        lag=0.0,
        skew=0.0,
        ends=(end or 0) + 1,
        final=end is not None,
        early="",
        burns=(Burn(0.0, service, (errors, answers)),) * 2,
        before=Burn(0.0, service),
        alerts=(),
        gaps=(),
        blind="",
        asked=(),
    )


def condemned(end: int | None, errors: int, answers: int) -> bool:
    return bool(early(measured(answers, errors, end), SLO, (ROUTE,)))


def unproven(end: int | None, errors: int, answers: int) -> bool:
    return not settled(measured(answers, errors, end), SLO, (ROUTE,))


@dataclass(slots=True)
class Until:
    """For each number of 5xx: up to how many answers ``holds`` is true; -1 where it never is."""

    holds: Callable[[int, int], bool]
    found: list[int] = field(default_factory=list)

    def upto(self, most: int) -> Counts:
        """For 0 to ``most`` 5xx; more 5xx never make it fewer answers."""
        while len(self.found) <= most:
            self.found.append(self._last(len(self.found)))
        return np.array(self.found[: most + 1], dtype=np.int64)

    def _last(self, errors: int) -> int:
        start = max(errors, self.found[-1] if self.found else 0, 1)
        if not self.holds(errors, start):
            return -1
        low, step = start, 16
        while self.holds(errors, low + step):
            low, step = low + step, step * 2
        high = low + step
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self.holds(errors, middle) else (low, middle)
        return low


@dataclass(slots=True)
class Ours:
    """The judgement of ``golive.slo``: looks every second, planned ends, extended while open."""

    look: Until = field(default_factory=lambda: Until(partial(condemned, None)))
    bad: list[Until] = field(default_factory=lambda: [Until(partial(condemned, end)) for end in range(len(ENDS))])
    open: list[Until] = field(default_factory=lambda: [Until(partial(unproven, end)) for end in range(len(ENDS))])

    def __call__(self, answers: Counts, errors: Counts) -> tuple[Outcomes, Seconds]:
        """Decide one window of each release; ``[release, second]``, added up from the window's begin."""
        size, last = answers.shape
        outcome, when = np.full(size, NOT_PROVEN), np.full(size, last)
        going = np.arange(size)
        for begin in range(0, last, CHUNK):
            end = begin + CHUNK
            n, k = answers[going, begin:end], errors[going, begin:end]
            bad = n <= self.look.upto(int(k.max()))[k]
            struck = bad.any(axis=1)
            outcome[going[struck]], when[going[struck]] = FAILED, begin + 1 + bad[struck].argmax(axis=1)
            going = going[~struck]
            if end in ENDS:
                going = self._at_end(ENDS.index(end), end, (answers, errors), (outcome, when), going)
            if not going.size:
                break
        return outcome, when

    def _at_end(
        self, number: int, end: int, counts: tuple[Counts, Counts], told: tuple[Outcomes, Seconds], going: Counts
    ) -> Counts:
        """Decide those still ``going`` at a planned end; those that are not decided go on."""
        if not going.size:
            return going
        n, k = (one[going, end - 1] for one in counts)
        bad = n <= self.bad[number].upto(int(k.max()))[k]
        good = ~bad & (n > self.open[number].upto(int(k.max()))[k])
        outcome, when = told
        outcome[going[bad]], outcome[going[good]] = FAILED, PASSED
        when[going[bad | good]] = end
        left: Counts = going[~(bad | good)]
        return left


def bare(answers: Counts, errors: Counts) -> tuple[Outcomes, Seconds]:
    """A quotient at every look of the window, and nothing else."""
    last = int(ENDS[0])
    bad = errors[:, :last] > SLO.error_limit * answers[:, :last]
    struck = bad.any(axis=1)
    return np.where(struck, FAILED, PASSED), np.where(struck, 1 + bad.argmax(axis=1), last)


def wilson(answers: Counts, errors: Counts) -> tuple[Outcomes, Seconds]:
    """Wilson's 95 % interval, once, at the window's end; with the limit within it, nothing is proven."""
    last, z = int(ENDS[0]), 1.959964
    n = np.maximum(answers[:, last - 1], 1)
    ratio = errors[:, last - 1] / n
    middle, room = (ratio + z * z / (2 * n)), z * np.sqrt(ratio * (1 - ratio) / n + (z / (2 * n)) ** 2)
    low, high = ((middle + sign * room) / (1 + z * z / n) for sign in (-1, 1))
    decided = np.where(low > SLO.error_limit, FAILED, np.where(high < SLO.error_limit, PASSED, NOT_PROVEN))
    return decided, np.full(len(n), last)


Gate: TypeAlias = Callable[[Counts, Counts], tuple[Outcomes, Seconds]]


def walk(gates: dict[str, Gate], ratio: float, rate: float, releases: int, seed: list[int]) -> list[Row]:
    """``releases`` of one true error ratio through all weights, the same traffic for each gate."""
    outcomes = {name: np.full(releases, PASSED) for name in gates}
    seconds = {name: np.zeros(releases, dtype=np.int64) for name in gates}
    for begin in range(0, releases, BLOCK):
        here = slice(begin, min(begin + BLOCK, releases))
        for number, weight in enumerate(WEIGHTS):
            going = {name: outcomes[name][here] == PASSED for name in gates}
            some = np.logical_or.reduce(list(going.values()))
            if not some.any():
                break
            random = np.random.default_rng([*seed, begin, number])
            each = random.poisson(rate * weight, (int(some.sum()), int(ENDS[-1])))
            answers, errors = each.cumsum(axis=1), random.binomial(each, ratio).cumsum(axis=1)
            for name, gate in gates.items():
                mine = going[name][some]
                if mine.any():
                    at = begin + np.flatnonzero(going[name])
                    outcomes[name][at], took = gate(answers[mine], errors[mine])
                    seconds[name][at] += took
    return [Row.of(name, ratio, rate, outcomes[name], seconds[name]) for name in gates]


@dataclass(frozen=True, slots=True)
class Row:
    """How releases of one kind fared at one gate; the median time is from the first weight on, of those decided."""

    gate: str
    ratio: float
    rate: float
    releases: int
    passed: int
    failed: int
    not_proven: int
    median_passed: float | None
    median_failed: float | None

    @classmethod
    def of(cls, gate: str, ratio: float, rate: float, outcomes: Outcomes, seconds: Seconds) -> Row:
        counts = [int((outcomes == one).sum()) for one in (PASSED, FAILED, NOT_PROVEN)]
        middle = [float(np.median(seconds[outcomes == one])) if (outcomes == one).any() else None for one in (0, 1)]
        return cls(gate, ratio, rate, len(outcomes), counts[0], counts[1], counts[2], middle[0], middle[1])

    def outcomes(self) -> str:
        return " / ".join(share(one, self.releases) for one in (self.passed, self.failed, self.not_proven))

    def times(self) -> str:
        return " / ".join("-" if one is None else f"{one:.0f} s" for one in (self.median_passed, self.median_failed))


def line(rows: list[Row]) -> str:
    """One kind of release at all gates; the times are the first one's."""
    first, *others = rows
    beside = " | ".join(one.outcomes() for one in others)
    return f"| {first.rate:g}/s | {first.ratio * 100:g} % | {first.outcomes()} | {first.times()} | {beside} |"


def share(count: int, of: int) -> str:
    """Without rounding to nothing, or to all."""
    return "0" if not count else "all" if count == of else f"{100 * count / of:.4g} %"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--releases", type=int, default=5000, help="of each kind (default 5000)")
    arguments.add_argument("--seed", type=int, default=7, help="the same seed gives the same table (default 7)")
    arguments.add_argument("--json", type=Path, help="write the figures here too")
    given = arguments.parse_args()
    began = time.monotonic()
    gates: dict[str, Gate] = {"golive": Ours(), "Wilson, 300 s": wilson, "bare quotient": bare}
    rows: list[Row] = []
    print("passed / failed / not proven; median times to passed / failed, from 10 % on")
    print("| traffic | true 5xx | golive | times | Wilson at 300 s | bare quotient |")
    print("|---|---|---|---|---|---|")
    for rate in RATES:
        for ratio in RATIOS:
            new = walk(gates, ratio, rate, given.releases, [given.seed, rate, round(ratio * 10_000)])
            print(line(new), flush=True)
            rows += new
    print(f"{given.releases} releases of each kind, seed {given.seed}, {time.monotonic() - began:.0f} s")
    if given.json:
        found = {
            "seed": given.seed,
            "releases": given.releases,
            "ends": list(ENDS),
            "weights": list(WEIGHTS),
            "slo": SLO.model_dump(),
            "rows": [asdict(row) for row in rows],
        }
        given.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
