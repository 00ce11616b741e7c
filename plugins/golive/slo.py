"""What the SLOs say of a canary, from counts alone: good, bad, or open, each with how sure that is.

At a look before a planned end (``slis.final`` false) only confidence sequences speak, and only against the canary; at a
planned end exact binomial bounds decide. No requests, nothing seen, counts that cannot be: open, never good.
What was decided at an earlier look (``slis.early``) stays decided. Nothing here asks or reads anything, so that the
record can be judged again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from golive.bounds import Bounds
from golive.slis import Slis
from golive.slo_burn import burn, flaps
from golive.slo_compare import compare
from golive.slo_judged import (
    REST,
    WHOLE,
    Decision,
    Judged,
    bounds_of,
    chances,
    condemned_before,
    ends,
    hidden,
    impossible,
    missing,
    overall,
)
from golive.slo_latency import latency
from golive.slo_settings import Slo
from golive.slo_words import bounded, many, percent
from golive.tallies import RouteTally, Tally, added

__all__ = (
    "Decision",
    "Judged",
    "OverWindow",
    "acceptable",
    "burn",
    "compare",
    "early",
    "ends",
    "errors",
    "latency",
    "over_window",
    "overall",
    "settled",
)


@dataclass(frozen=True, slots=True)
class OverWindow:
    """The same judgements over the sum of all weights' windows."""

    availability: tuple[Judged, ...]
    """As ``errors``, then the alerts' flaps."""
    latency: tuple[Judged, ...]


def errors(slis: Slis, slo: Slo, routes: Sequence[str] | None = None) -> tuple[Judged, ...]:
    """The share of 5xx: all routes together first, then each of the critical ``routes`` (those that were timed).

    Last, where there was any, what was answered between two windows. Only the first can be good; the rest is bad, or it
    is open: ``acceptable`` says what is asked.
    """
    critical = [name for name, one in slis.canary.routes.items() if one.durations] if routes is None else routes
    each = (_errors(f"{name}: 5xx", slis.canary.routes.get(name), slis, slo, len(critical)) for name in critical)
    return _errors("5xx", slis.canary.whole, slis, slo, 0), *each, *_between(slis, slo)


def acceptable(judged: Sequence[Judged]) -> bool:
    """Whether what ``errors`` gave is good: the whole is, and no route is bad."""
    return judged[0].decision is Decision.GOOD and overall(judged) is not Decision.BAD


def early(slis: Slis, slo: Slo, routes: Sequence[str]) -> str:
    """The first p0 limit that is decided against the canary, in words; empty when none is.

    To be asked at every look. With ``slis.final`` (at a planned end) the bounds of that end speak too.
    """
    judged = (*errors(slis, slo, routes), *latency(slis, slo, routes), *burn(slis, slo))
    return next((one.words for one in judged if one.decision is Decision.BAD), "")


def settled(slis: Slis, slo: Slo, routes: Sequence[str]) -> bool:
    """Whether every p0 limit holds for sure at this planned end; otherwise the window is extended."""
    rest = (*latency(slis, slo, routes), *burn(slis, slo))
    return slis.final and acceptable(errors(slis, slo, routes)) and overall(rest) is Decision.GOOD


def over_window(windows: Sequence[Slis], slo: Slo, routes: Sequence[str]) -> OverWindow:
    """Judge the sum of all weights' windows and of what was answered between them: once, at its end.

    Raises ``ValueError`` without a window.
    """
    if not windows:
        raise ValueError("expected the windows of the canary's weights, found none; judge what the record has")
    whole = replace(
        windows[-1],
        canary=added(part for one in windows for part in (one.canary, one.between)),
        between=Tally(),
        others=added(one.others for one in windows),
        seconds=max(slo.max_window_seconds, sum(one.seconds for one in windows)),
        ends=1,
        final=all(one.final for one in windows),
        early=next((one.early for one in windows if one.early), ""),
        blind="; ".join(one.blind for one in windows if one.blind),
        lost=tuple(part for one in windows for part in one.lost),
        alerts=tuple(alert for one in windows for alert in one.alerts),
    )
    turning = flaps(whole.alerts)
    return OverWindow((*errors(whole, slo, routes), turning), latency(whole, slo, routes))


def _between(slis: Slis, slo: Slo) -> tuple[Judged, ...]:
    """What was answered outside of the window: judged as at a look, for it has no planned end."""
    what, tally = "between windows: 5xx", slis.between.whole
    if not tally.requests:
        return ()
    return (_errors(what, tally, replace(slis, final=False), slo, 1),)


def _errors(what: str, tally: RouteTally | None, slis: Slis, slo: Slo, among: int) -> Judged:
    """All routes together, or (with ``among``, how many they are) one of several parts: never good.

    Answers that may be a 5xx are none where it is condemned, and one each where it is to be good.
    """
    bad, total = (tally.errors, tally.requests) if tally else (0.0, 0.0)
    unknown = tally.unknown if tally else 0.0
    limit, told = slo.error_limit, f"limit {percent(slo.error_limit, math.inf)}"
    why = impossible(tally) if tally else ""
    if why or not total:
        why = why or f"no answers in {slis.seconds:g} s"
        blind = missing(slis, Decision.OPEN) if slis.blind else ""
        return Judged(what, Decision.OPEN, math.nan, 0.0, 1.0, limit, 0.0, f"{what} is not known, {told}: {why}{blind}")
    # Half of what the routes have is for what was answered between windows.
    chance = chances(slis, slo, REST / 2 / among if among else WHOLE)
    decision, found = bounds_of(bad, total, limit, slis, chance)
    if unknown and decision is not Decision.BAD:
        worst, most = bounds_of(bad + unknown, total, limit, slis, chance)
        decision = Decision.GOOD if worst is Decision.GOOD else Decision.OPEN
        found = Bounds(found.low, most.high)
    if condemned_before(slis, what):
        decision = Decision.BAD
    decision = hidden(slis, decision)
    open_for = missing(slis, decision)
    if among and decision is Decision.GOOD:
        decision = Decision.OPEN
    told_value = bounded(bad / total, found.low, found.high, limit)
    without = f" ({many(unknown)} that may be a 5xx: one each for passing, none for failing)" if unknown else ""
    words = f"{what} {told_value} of {many(total)} answers{without}, {told}{open_for}"
    return Judged(what, decision, (bad + unknown) / total, found.low, found.high, limit, total, words)
