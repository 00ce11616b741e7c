"""Bounds of a ratio: wrong no more often than promised, by exact enumeration and by seeded walks with many looks."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golive.bounds import Bounds, difference, interval, sequence

BOTH = pytest.mark.parametrize("bounds", [interval, sequence])
Bounded = Callable[[float, float, float], Bounds]
EXACT = 1e-12


def chance_of(bad: int, total: int, ratio: float) -> float:
    return math.comb(total, bad) * ratio**bad * (1 - ratio) ** (total - bad)


@pytest.mark.parametrize("chance", [1e-4, 0.025, 0.2])
@pytest.mark.parametrize(("bad", "total"), [(0, 10), (1, 10), (3, 7), (5, 1000), (10, 10)])
def test_the_interval_ends_where_the_binomials_tails_have_that_chance(bad: int, total: int, chance: float) -> None:
    found = interval(bad, total, chance)
    above = sum(chance_of(one, total, found.low) for one in range(bad, total + 1))
    below = sum(chance_of(one, total, found.high) for one in range(bad + 1))
    assert found.low == 0 if not bad else above == pytest.approx(chance, rel=1e-6)
    assert found.high == 1 if bad == total else below == pytest.approx(chance, rel=1e-6)


@pytest.mark.parametrize("total", [1, 2, 7, 20, 60])
@pytest.mark.parametrize("chance", [0.01, 0.2])
def test_each_side_of_the_interval_is_wrong_no_more_often_than_promised(total: int, chance: float) -> None:
    found = [interval(bad, total, chance) for bad in range(total + 1)]
    for ratio in (step / 200 for step in range(201)):
        odds = [chance_of(bad, total, ratio) for bad in range(total + 1)]
        assert sum(one for one, bounds in zip(odds, found, strict=True) if bounds.low > ratio) <= chance + EXACT
        assert sum(one for one, bounds in zip(odds, found, strict=True) if bounds.high < ratio) <= chance + EXACT


@pytest.mark.parametrize("ratio", [0.01, 0.05, 0.3, 0.5, 0.9])
@pytest.mark.parametrize("chance", [0.05, 0.2])
def test_the_sequence_is_ever_wrong_no_more_often_than_promised_over_all_paths_of_sixty_steps(
    ratio: float, chance: float
) -> None:
    # Exact: the odds of each count that was never outside so far, and of having ever been.
    inside, ever = {0: 1.0}, 0.0
    for total in range(1, 61):
        after: dict[int, float] = {}
        for bad, odds in inside.items():
            after[bad] = after.get(bad, 0.0) + odds * (1 - ratio)
            after[bad + 1] = after.get(bad + 1, 0.0) + odds * ratio
        out = {bad for bad in after if not (found := sequence(bad, total, chance)).low <= ratio <= found.high}
        ever += sum(after.pop(bad) for bad in out)
        inside = after
    assert ever <= chance
    assert ever > 0 or (ratio, chance) in {(0.01, 0.05), (0.05, 0.05), (0.01, 0.2)}, "so wide that it says nothing"


@pytest.mark.parametrize("ratio", [0.003, 0.005, 0.02])
def test_the_sequence_holds_under_a_look_at_every_step_of_long_walks(ratio: float) -> None:
    told, wrong, walks, chance = cache(sequence), 0, 400, 0.1
    for seed in range(walks):
        draw, bad = random.Random(f"{ratio} {seed}"), 0
        for total in range(1, 1001):
            bad += draw.random() < ratio
            if not told(bad, total, chance).low <= ratio <= told(bad, total, chance).high:
                wrong += 1
                break
    # Three standard errors of so many walks; the exact claim is above.
    assert wrong <= chance * walks + 3 * math.sqrt(chance * walks)


@BOTH
@settings(deadline=None)
@given(st.integers(0, 3000), st.integers(1, 3000), st.sampled_from([1e-5, 0.01, 0.2]))
def test_bounds_hold_the_ratio_and_move_with_the_counts(bounds: Bounded, bad: int, more: int, chance: float) -> None:
    total = bad + more
    found, worse, longer = bounds(bad, total, chance), bounds(bad + 1, total, chance), bounds(bad, total + 1, chance)
    assert 0 <= found.low <= bad / total <= found.high <= 1
    assert (worse.low, worse.high) >= (found.low, found.high)
    assert worse.low >= found.low
    assert worse.high >= found.high
    assert longer.low <= found.low + EXACT
    assert longer.high <= found.high + EXACT
    surer = bounds(bad, total, chance / 10)
    assert surer.low <= found.low
    assert surer.high >= found.high


@BOTH
@pytest.mark.parametrize("bad", [0.0, 0.3, 2.7])
def test_counts_that_prometheus_scaled_lie_between_their_neighbours(bounds: Bounded, bad: float) -> None:
    found, less, more = (bounds(one, 100.5, 0.01) for one in (bad, math.floor(bad), math.ceil(bad)))
    assert less.low <= found.low <= more.low
    assert less.high <= found.high <= more.high


def test_looking_often_costs_little_and_never_less_than_nothing() -> None:
    for bad, total in ((0, 1000), (9, 3000), (25, 8112), (100, 10_000)):
        once, ever = interval(bad, total, 0.01), sequence(bad, total, 0.01)
        assert ever.low <= once.low
        assert ever.high >= once.high
        assert ever.high - ever.low < 2 * (once.high - once.low)


@BOTH
def test_no_requests_say_nothing(bounds: Bounded) -> None:
    assert bounds(0, 0, 0.01) == Bounds(0.0, 1.0)
    assert difference(0, 0, 3, 10, 0.01) == difference(3, 10, 0, 0, 0.01) == Bounds(-1.0, 1.0)


@BOTH
@pytest.mark.parametrize(
    ("bad", "total"), [(2, 1), (-1, 5), (math.nan, 5), (1, math.nan), (1, math.inf), (0, -1), (math.inf, math.inf)]
)
def test_counts_that_cannot_be_are_refused(bounds: Bounded, bad: float, total: float) -> None:
    with pytest.raises(ValueError, match=r"expected counts with 0 <= bad <= total, found bad="):
        bounds(bad, total, 0.01)
    with pytest.raises(ValueError, match="expected counts"):
        difference(1, 2, bad, total, 0.01)


@BOTH
@pytest.mark.parametrize("chance", [0, 1, -0.1, 2, math.nan])
def test_a_chance_that_is_none_is_refused(bounds: Bounded, chance: float) -> None:
    with pytest.raises(ValueError, match="expected a chance between 0 and 1"):
        bounds(1, 10, chance)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 300), st.integers(1, 3000), st.integers(0, 300), st.integers(1, 3000))
def test_a_difference_is_its_own_mirror_and_holds_what_was_seen(a: int, b: int, c: int, d: int) -> None:
    found, back = difference(a, a + b, c, c + d, 0.01), difference(c, c + d, a, a + b, 0.01)
    assert (found.low, found.high) == pytest.approx((-back.high, -back.low), abs=1e-6)
    assert found.low <= a / (a + b) - c / (c + d) <= found.high


def test_a_difference_is_tighter_than_both_sides_bounds_put_together() -> None:
    one, two, found = sequence(30, 10_000, 0.005), sequence(90, 30_000, 0.005), difference(30, 10_000, 90, 30_000, 0.01)
    assert one.low - two.high < found.low < 0 < found.high < one.high - two.low


@pytest.mark.parametrize(("ratio", "other"), [(0.01, 0.01), (0.03, 0.01)])
def test_a_difference_holds_under_looks_all_the_way(ratio: float, other: float) -> None:
    wrong, walks, chance = 0, 30, 0.1
    for seed in range(walks):
        draw, bad, other_bad = random.Random(f"{ratio} {other} {seed}"), 0, 0
        for total in range(100, 801, 100):
            bad += sum(draw.random() < ratio for _ in range(100))
            other_bad += sum(draw.random() < other for _ in range(300))
            found = difference(bad, total, other_bad, 3 * total, chance)
            if not found.low <= ratio - other <= found.high:
                wrong += 1
                break
    assert wrong <= chance * walks
