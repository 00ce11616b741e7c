"""What a judgement of an SLO is, the chances it is given, and how a ratio of counts is decided."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from golive.bounds import Bounds, interval, sequence
from golive.slis import Slis
from golive.slo_settings import Slo
from golive.tallies import RouteTally, Tally

_WINDOWS = 5
"""``fail_chance`` is shared among the four weights and the sum over all of them."""
WHOLE, REST = 1 / 2, 1 / 6
"""... and in each: half to the errors of all routes together, the rest in three: errors by
route and between windows, latency in the window and between windows, burn."""
_NEAR = 0.99
"""A window this near to the longest is the longest: clocks and looks are not exact."""


class Decision(StrEnum):
    """Good, bad, and everything else: too few requests, nothing seen, not yet."""

    GOOD = "good"
    BAD = "bad"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Judged:
    """One judgement. ``value``, ``low``, ``high`` and ``limit`` have one unit: a ratio, seconds, or a burn factor.

    ``low`` and ``high`` are the bounds that decided; a latency in the last bucket is ``inf``, and so is its ``high``;
    ``value`` is ``nan`` where nothing was to be judged (JSON knows neither). ``count``: of how many requests.
    ``words`` begin with ``what``.
    """

    what: str
    decision: Decision
    value: float
    low: float
    high: float
    limit: float
    count: float
    words: str


@dataclass(frozen=True, slots=True)
class Chances:
    """How often each bound may be wrong."""

    look: float
    """Condemning by a confidence sequence, at any of all looks."""
    fail: float
    """Condemning by the interval at this planned end."""
    good: float
    """Passing by the interval at this planned end."""


def chances(slis: Slis, slo: Slo, share: float) -> Chances:
    """Of one judgement that has ``share`` of its window's chance to condemn.

    Half of it is for the looks, half for the planned ends. Passing needs no share: every judgement must pass.
    """
    mine, planned = slo.fail_chance / _WINDOWS * share / 2, _planned(slis, slo)
    return Chances(mine, mine / planned, slo.pass_chance / planned)


def ends(window_seconds: float, max_window_seconds: float) -> tuple[float, ...]:
    """The planned ends of a window in seconds: doubled each time; the last is the longest that it may become."""
    found = [window_seconds]
    while found[-1] < max_window_seconds * _NEAR:
        found.append(min(2 * found[-1], max_window_seconds))
    return tuple(found)


def _planned(slis: Slis, slo: Slo) -> int:
    """How many planned ends the window has in all: those that it had, and those to come from here."""
    return max(1, slis.ends) + len(ends(max(slis.seconds, 1e-3), slo.max_window_seconds)) - 1


def last_end(slis: Slis, slo: Slo) -> bool:
    """Whether the window cannot be extended any more."""
    return slis.final and _planned(slis, slo) == max(1, slis.ends)


def overall(judged: Iterable[Judged]) -> Decision:
    """Bad if any is, good if all are."""
    found = {one.decision for one in judged}
    if Decision.BAD in found:
        return Decision.BAD
    return Decision.GOOD if found == {Decision.GOOD} else Decision.OPEN


def condemned_before(slis: Slis, what: str) -> bool:
    """Whether this very limit was decided against the canary at an earlier look: what is decided stays decided."""
    return slis.early.startswith(f"{what} ")


def countable(bad: float, total: float) -> bool:
    """Whether these can be counts at all; ``nan`` stands for what was not told."""
    return 0 <= bad <= total < math.inf


def impossible(tally: RouteTally | Tally) -> str:
    """Why these cannot be counts, in words; empty where they can. Each for itself: a sum may hide a negative one."""
    bad, unknown, total = tally.errors, tally.unknown, tally.requests
    if bad >= 0 and unknown >= 0 and countable(bad + unknown, total):
        return ""
    more = f" and {unknown:g} that may be" if unknown else ""
    return f"{bad:g} 5xx{more} of {total:g} answers cannot be"


def bounds_of(bad: float, total: float, limit: float, slis: Slis, chance: Chances) -> tuple[Decision, Bounds]:
    """Decide ``bad`` of ``total`` requests against ``limit``, and with which bounds.

    A sequence condemns at any look. At a planned end the interval decides: under the limit good, over it bad.
    """
    ever = sequence(bad, total, chance.look)
    if ever.low > limit or not slis.final:
        return (Decision.BAD if ever.low > limit else Decision.OPEN), ever
    once = at_end(bad, total, chance)
    if once.low > limit:
        return Decision.BAD, once
    return (Decision.GOOD if once.high < limit else Decision.OPEN), once


def at_end(bad: float, total: float, chance: Chances) -> Bounds:
    """The bounds of a planned end: each side with the chance of what it decides."""
    return Bounds(interval(bad, total, chance.fail).low, interval(bad, total, chance.good).high)


def hidden(slis: Slis, decision: Decision) -> Decision:
    """Who saw nothing at the end, or not all, cannot say good; what was surely bad before stays so."""
    return Decision.OPEN if (slis.blind or slis.lost) and decision is Decision.GOOD else decision


def missing(slis: Slis, decision: Decision) -> str:
    """What is missing to decide, as the end of a sentence; empty when it is decided."""
    if decision is not Decision.OPEN:
        return ""
    if slis.blind:
        return f"; not to be seen at the end: {slis.blind}"
    if slis.lost:
        return f"; not all of its answers were counted: {'; '.join(slis.lost)}"
    return "; too few answers to decide" if slis.final else "; not decided yet"
