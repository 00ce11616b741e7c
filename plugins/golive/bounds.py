"""How sure a ratio of counts is: bounds at a planned end, bounds that hold at every look, and those of a difference.

Counts need not be whole: Prometheus scales what it adds up to the window asked for.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

_A, _B = 1.0, 100.0
"""The mixture: Beta(1, 100) has ratios of 0.1 to 5 % at heart. Every other choice is as valid, and wider there."""
_STEPS = 60
"""Halvings: more than a double's digits."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Between these the ratio lies."""

    low: float
    high: float


def interval(bad: float, total: float, chance: float) -> Bounds:
    """Of a ratio that is looked at once: each side is wrong at most ``chance`` of the time. ``total`` 0: (0, 1).

    Clopper and Pearson, Biometrika 26 (1934); the binomial's own tails, no approximation. Raises ``ValueError`` for
    counts that cannot be.
    """
    _checked(bad, total, chance)
    if not total:
        return Bounds(0.0, 1.0)
    # Heavy, and needed at the end of a window only.
    from scipy.special import betaincinv

    low = float(betaincinv(bad, total - bad + 1, chance)) if bad else 0.0
    high = float(betaincinv(bad + 1, total - bad, 1 - chance)) if bad < total else 1.0
    return Bounds(low, high)


def sequence(bad: float, total: float, chance: float) -> Bounds:
    """Of a ratio that is looked at as often as one likes: at most ``chance`` of the time it is *ever* outside.

    Robbins' method of mixtures for a Bernoulli mean, with a beta mixture: the likelihood of the counts under
    Beta(a, b), divided by that under p, is a martingale if p is true, so it ever reaches 1 / ``chance`` at most
    ``chance`` of the time (Ville); all p where it has not are within. (Robbins, Ann. Math. Statist. 41 (1970); Howard,
    Ramdas, McAuliffe, Sekhon, Ann. Statist. 49 (2021).) It depends on the counts alone, not on their order.
    ``total`` 0: (0, 1). Raises ``ValueError`` for counts that cannot be.
    """
    _checked(bad, total, chance)
    if not total:
        return Bounds(0.0, 1.0)
    ratio, room = bad / total, -math.log(chance) - _mixed(bad, total)

    def within(other: float) -> bool:
        return _against(bad, total, other) < room

    return Bounds(_outermost(within, ratio, 0.0), _outermost(within, ratio, 1.0))


def difference(bad: float, total: float, other_bad: float, other_total: float, chance: float) -> Bounds:
    """Of the first ratio less the other, looked at as often as one likes: at most ``chance`` it is *ever* outside.

    The product of both sides' martingales is one too, however the requests of the two are interleaved; a difference
    is within if any pair of ratios with it is. Tighter than both sides' own bounds put together. A side without
    requests: (-1, 1). Raises ``ValueError`` for counts that cannot be.
    """
    _checked(bad, total, chance)
    _checked(other_bad, other_total, chance)
    if not total or not other_total:
        return Bounds(-1.0, 1.0)
    room = -math.log(chance) - _mixed(bad, total) - _mixed(other_bad, other_total)
    middle = bad / total - other_bad / other_total

    def within(gap: float) -> bool:
        return _least(bad, total, other_bad, other_total, gap) < room

    return Bounds(_outermost(within, middle, -1.0), _outermost(within, middle, 1.0))


def _checked(bad: float, total: float, chance: float) -> None:
    if not 0 <= bad <= total < math.inf:
        raise ValueError(f"expected counts with 0 <= bad <= total, found bad={bad!r}, total={total!r}")
    if not 0 < chance < 1:
        raise ValueError(f"expected a chance between 0 and 1, found {chance!r}")


def _mixed(bad: float, total: float) -> float:
    """Logarithm of the likelihood of the counts under the mixture."""
    return _beta(_A + bad, _B + total - bad) - _beta(_A, _B)


def _beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def _against(bad: float, total: float, ratio: float) -> float:
    """Minus the logarithm of the likelihood of the counts under ``ratio``: convex, least at ``bad / total``."""
    if (ratio <= 0 and bad) or (ratio >= 1 and bad < total):
        return math.inf
    return -(bad * math.log(ratio) if bad else 0.0) - ((total - bad) * math.log1p(-ratio) if bad < total else 0.0)


def _outermost(within: Callable[[float], bool], inside: float, outside: float) -> float:
    """Where what is within ends, on the way from ``inside`` to ``outside``; never too near."""
    for _ in range(_STEPS):
        middle = (inside + outside) / 2
        if within(middle):
            inside = middle
        else:
            outside = middle
    return outside


def _least(bad: float, total: float, other_bad: float, other_total: float, gap: float) -> float:
    """The least of both sides' ``_against`` over all pairs of ratios with this ``gap``; convex, so by thirds."""
    low, high = max(0.0, -gap), min(1.0, 1.0 - gap)

    def both(other: float) -> float:
        return _against(bad, total, other + gap) + _against(other_bad, other_total, other)

    for _ in range(_STEPS):
        one, two = low + (high - low) / 3, high - (high - low) / 3
        if both(one) <= both(two):
            high = two
        else:
            low = one
    return both((low + high) / 2)
