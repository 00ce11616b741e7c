"""The canary beside the stable version at the same time: the difference of their error ratios, surely worse or not."""

from __future__ import annotations

import math

from golive.bounds import difference
from golive.slis import Slis
from golive.slo_judged import Decision, Judged, hidden, impossible, missing
from golive.slo_settings import Slo
from golive.slo_words import bounded, many, percent

_WEIGHTS = 3
"""Compared at 10, 25 and 50 %: at 100 % there is nothing beside it."""


def compare(slis: Slis, slo: Slo) -> Judged:
    """The canary's error ratio less that of the others, with bounds that hold at every look.

    Bad if surely more than ``compare_worse``. Good if it is not, and both were asked often enough to say anything: once
    for each error that the limit allows (200 times at 0.5 %). That it is below the limit is not said here: the errors'
    own judgement asks for that.
    """
    what, limit = "5xx beside the stable version", slo.compare_worse
    told = f"limit +{percent(limit, math.inf)}"
    bad, total, other = slis.canary.errors, slis.canary.requests, slis.others.requests
    other_bad = slis.others.errors + slis.others.unknown  # whatever speaks for the canary
    sides = {"canary": slis.canary, "stable": slis.others}
    why = "; ".join(f"{name} {wrong}" for name, side in sides.items() if (wrong := impossible(side)))
    if why or not total or not other:
        why = why or f"canary {many(total)} answers, stable {many(other)}: nothing to compare"
        words = f"{what} is not known: {why}, {told}{missing(slis, Decision.OPEN)}"
        return Judged(what, Decision.OPEN, math.nan, -1.0, 1.0, limit, 0.0, words)
    found = difference(bad, total, other_bad, other, slo.fail_chance / _WEIGHTS)
    if found.low > limit:
        decision = Decision.BAD
    else:
        most = bad + slis.canary.unknown
        worse = difference(most, total, slis.others.errors, other, slo.fail_chance / _WEIGHTS).low > limit
        enough = min(total, other) >= 1 / slo.error_limit
        decision = Decision.GOOD if enough and not worse else Decision.OPEN
    decision, value = hidden(slis, decision), bad / total - other_bad / other
    words = (
        f"{what} {bounded(value, found.low, found.high, limit, '+')}: "
        f"canary {percent(bad / total, math.inf)} of {many(total)} answers, "
        f"stable {percent(other_bad / other, math.inf)} of {many(other)}, {told}{missing(slis, decision)}"
    )
    return Judged(what, decision, value, found.low, found.high, limit, total, words)
