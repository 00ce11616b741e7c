"""A latency quantile against its limit, from bucket edges: binomial bounds on the share of requests over an edge.

The quantile is at or under an edge if surely few enough requests took longer than that edge. So the edge just at or
under the limit makes it good, the edge just at or over it makes it bad, and what lies between stays open. It costs
no further chance to ask every edge: whoever is surely over an edge is so over each one below.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

from golive.bounds import Bounds, sequence
from golive.slis import Slis
from golive.slo_judged import (
    REST,
    Chances,
    Decision,
    Judged,
    at_end,
    chances,
    condemned_before,
    hidden,
    last_end,
    missing,
)
from golive.slo_settings import Slo
from golive.slo_words import figure, many
from golive.tallies import Buckets

_BETWEEN = "between windows: "


def latency(slis: Slis, slo: Slo, routes: Sequence[str]) -> tuple[Judged, ...]:
    """Each of the critical ``routes``; value, bounds and limit in seconds. Without requests, or a histogram: open.

    Then those that were surely too slow between two windows, while an approval was waited for, say: judged as at a
    look, for that has no planned end. The others of these say nothing, and need not be good.
    """
    chance = chances(slis, slo, REST / 2 / max(1, len(routes)))  # half for each of the two
    outside = replace(slis, canary=slis.between, final=False)
    between = (_route(outside, slo, route, chance, _BETWEEN) for route in routes)
    bad = (one for one in between if one.decision is Decision.BAD)
    return *(_route(slis, slo, route, chance) for route in routes), *bad


def _route(slis: Slis, slo: Slo, route: str, chance: Chances, when: str = "") -> Judged:
    what, limit = f"{when}{route}: p{slo.latency_quantile * 100:g}", slo.latency_seconds
    tally = slis.canary.routes.get(route)
    buckets = tally.durations if tally else None
    why = _unreadable(buckets, slis)
    if buckets is None or why:
        blind = missing(slis, Decision.OPEN) if slis.blind else ""
        words = f"{what} is not known, limit {limit:g} s: {why}{blind}"
        count = buckets.total if buckets and buckets.total >= 0 else 0.0
        return Judged(what, Decision.OPEN, math.nan, 0.0, math.inf, limit, count, words)
    value = quantile(buckets, slo.latency_quantile)
    decision, low, high = _decided(buckets, slis, slo, chance)
    unseen = math.isinf(value) and last_end(slis, slo)
    if condemned_before(slis, what) or (unseen and decision is Decision.OPEN):
        decision = Decision.BAD
    decision = hidden(slis, decision)
    words = (
        f"{what} {_value(value, buckets, limit)} ({_between(low, high)}) "
        f"of {many(buckets.total)} answers, limit {limit:g} s{_note(buckets, limit)}{missing(slis, decision)}"
    )
    return Judged(what, decision, value, low, high, limit, buckets.total, words)


def quantile(buckets: Buckets, share: float) -> float:
    """The quantile in seconds as Prometheus estimates it, on a straight line within its bucket; ``inf`` in the last."""
    rank, edges, counts = share * buckets.total, buckets.edges, buckets.counts
    at = min(bisect_left(counts, rank), len(edges) - 1)
    if math.isinf(edges[at]):
        return math.inf
    start, before = (edges[at - 1], counts[at - 1]) if at else (0.0, 0.0)
    inside = counts[at] - before
    return start + (edges[at] - start) * ((rank - before) / inside if inside else 1.0)


def _unreadable(buckets: Buckets | None, slis: Slis) -> str:
    """Why there is nothing to judge; empty when there is."""
    if buckets is None or not buckets.edges:
        return "no histogram of its answers was found"
    if not 2 <= len(buckets.edges) == len(buckets.counts) or not math.isinf(buckets.edges[-1]):
        return f"its histogram has no +Inf bucket, or nothing beside it: edges {list(buckets.edges)}"
    falls = [
        *(not a < b for a, b in pairwise(buckets.edges)),
        *(not a <= b for a, b in pairwise(buckets.counts)),
    ]
    if any(falls) or not 0 <= buckets.counts[0] <= buckets.total < math.inf:
        return f"its buckets do not rise: {list(buckets.counts)}"
    return "" if buckets.total else f"no requests to it in {slis.seconds:g} s"


def _decided(buckets: Buckets, slis: Slis, slo: Slo, chance: Chances) -> tuple[Decision, float, float]:
    """The decision, and between which edges the quantile lies by the bounds that decided."""
    last, share = buckets.edges[-2], round(1 - slo.latency_quantile, 12)

    def condemned(low: float) -> bool:
        # Surely beyond the last edge is in +Inf, wherever the limit is.
        return low >= slo.latency_seconds or low == last

    low, high = _edges(buckets, share, lambda over, total: sequence(over, total, chance.look))
    if condemned(low) or not slis.final:
        return (Decision.BAD if condemned(low) else Decision.OPEN), low, high
    low, high = _edges(buckets, share, lambda over, total: at_end(over, total, chance))
    if condemned(low):
        return Decision.BAD, low, high
    return (Decision.GOOD if high <= slo.latency_seconds else Decision.OPEN), low, high


def _edges(buckets: Buckets, share: float, tell: Callable[[float, float], Bounds]) -> tuple[float, float]:
    """The last edge that surely more than ``share`` of the requests are over, and the first that surely fewer are."""
    finite, total = range(len(buckets.edges) - 1), buckets.total

    def over(at: int) -> Bounds:
        # Scaled counts that should be equal may differ in the last digit.
        return tell(max(0.0, total - buckets.counts[at]), total)

    below = bisect_left(finite, True, key=lambda at: over(at).low <= share)
    above = bisect_left(finite, True, key=lambda at: over(at).high < share)
    return (buckets.edges[below - 1] if below else 0.0), buckets.edges[above]


def _between(low: float, high: float) -> str:
    return f"{low:g} to {high:g} s" if high < math.inf else f"over {low:g} s"


def _value(value: float, buckets: Buckets, limit: float) -> str:
    return f"{figure(value, limit)} s" if value < math.inf else f"in +Inf, over {buckets.edges[-2]:g} s"


def _note(buckets: Buckets, limit: float) -> str:
    """What these edges cannot tell about this limit."""
    if not any(edge <= limit for edge in buckets.edges):
        return "; no bucket ends at or under the limit, so it cannot be shown to hold"
    if limit not in buckets.edges:
        return "; no bucket ends at the limit: what lies between its neighbours stays open"
    return ""
