"""A latency quantile against its limit: only what the bucket edges surely tell, and the last bucket never passes."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golive.slis import Slis
from golive.slo import Decision, early, latency, settled
from golive.slo_judged import Judged
from golive.slo_latency import quantile
from golive.slo_settings import Slo
from golive.tallies import Buckets, RouteTally, Tally
from selftests.judge.slos import quick, slis

SLO = Slo()
GOOD, BAD, OPEN = Decision.GOOD, Decision.BAD, Decision.OPEN
WIDE = (0.5, 1.0, 2.0, math.inf)
"""No edge at the limit of 1.5 s."""
LOW = (0.1, 1.0, math.inf)
"""Every edge under the limit."""
HIGH = (2.5, 5.0, math.inf)
"""Every edge over it."""


def timed(buckets: Buckets | None, *, end: bool = True) -> Slis:
    return replace(slis(end=end), canary=Tally({"/a": RouteTally(1000, 0, buckets)}))


def judged(found: Slis, slo: Slo = SLO) -> Judged:
    return latency(found, slo, ("/a",))[0]


@pytest.mark.parametrize(
    ("buckets", "end", "decision"),
    [
        (quick(1000), True, GOOD),
        (quick(1000), False, OPEN),
        (quick(1000, 20), True, GOOD),
        (quick(1000, 48), True, OPEN),
        (quick(1000, 100), True, BAD),
        (quick(1000, 55), False, OPEN),
        (quick(1000, 150), False, BAD),
        (quick(20, 0), True, OPEN),
        (quick(4, 2), False, OPEN),
        (quick(0), True, OPEN),
        (None, True, OPEN),
        # Between the edges beside the limit nothing is told.
        (Buckets(WIDE, (100, 1000, 1000, 1000)), True, GOOD),
        (Buckets(WIDE, (100, 500, 1000, 1000)), True, OPEN),
        (Buckets(WIDE, (100, 500, 600, 1000)), True, BAD),
        (Buckets(WIDE, (100, 500, 600, 1000)), False, BAD),
        (Buckets((0.5, 1.5, math.inf), (100, 1000, 1000)), True, GOOD),
        (Buckets((0.5, 0.5, math.inf), (1000, 1000, 1000)), True, OPEN),
        (Buckets(HIGH, (1000, 1000, 1000)), True, OPEN),
        (Buckets(HIGH, (100, 1000, 1000)), True, BAD),
        # The last bucket: surely, at any look; else not before the last end.
        (Buckets(LOW, (100, 500, 1000)), False, BAD),
        (Buckets(LOW, (100, 940, 1000)), False, OPEN),
        (Buckets(LOW, (100, 940, 1000)), True, OPEN),
        (Buckets(LOW, (100, 1000, 1000)), True, GOOD),
        # What is no histogram.
        (Buckets((0.5, 1.0), (10, 1000)), True, OPEN),
        (Buckets((math.inf,), (1000,)), True, OPEN),
        (Buckets(LOW, (100, 1000)), True, OPEN),
        (Buckets(LOW, (500, 100, 1000)), True, OPEN),
        (Buckets((1.0, 0.1, math.inf), (100, 500, 1000)), True, OPEN),
        (Buckets(LOW, (math.nan, 1000, 1000)), True, OPEN),
        (Buckets(LOW, (100, 1000, math.nan)), True, OPEN),
        (Buckets(LOW, (-5, 1000, 1000)), True, OPEN),
        (Buckets(LOW, (5, math.inf, math.inf)), True, OPEN),
    ],
)
def test_latency_is_decided_by_bucket_edges(buckets: Buckets | None, end: bool, decision: Decision) -> None:
    assert judged(timed(buckets, end=end)).decision is decision


def test_a_quantile_in_the_last_bucket_fails_at_the_last_end() -> None:
    found = timed(Buckets(LOW, (100, 940, 1000)))
    last = judged(replace(found, ends=3, seconds=900.0))
    assert last.decision is BAD
    assert last.value == math.inf
    assert last.words.startswith("/a: p95 in +Inf, over 1 s (over 0.1 s) of 1 000 answers, limit 1.5 s")
    only = Buckets((2.5, math.inf), (940, 1000))
    assert judged(replace(timed(only), ends=3, seconds=900.0)).decision is BAD


def test_an_edge_at_the_limit_counts_for_both_sides() -> None:
    at_limit = timed(quick(1000, 100))
    assert judged(at_limit).decision is BAD
    assert judged(at_limit).low == 1.5
    assert judged(timed(quick(1000))).high <= 1.5
    nearer = SLO.model_copy(update={"latency_seconds": 1.0})
    assert judged(timed(quick(1000)), nearer).decision is GOOD
    assert judged(timed(quick(1000)), SLO.model_copy(update={"latency_seconds": 0.99})).decision is not BAD


@settings(deadline=None)
@given(st.integers(0, 400), st.integers(0, 2000), st.booleans())
def test_more_slow_answers_are_never_better(slow: int, others: int, end: bool) -> None:
    order = [GOOD, OPEN, BAD]
    here, worse = (order.index(judged(timed(quick(others + 401, slow + extra), end=end)).decision) for extra in (0, 1))
    assert here <= worse


@settings(deadline=None)
@given(st.lists(st.integers(0, 500), min_size=6, max_size=6))
def test_the_quantile_lies_between_its_bounds(each: list[int]) -> None:
    counts = tuple(float(sum(each[: end + 1])) for end in range(6))
    found = judged(timed(Buckets((0.1, 0.5, 1.0, 1.5, 2.5, math.inf), counts)))
    if counts[-1]:
        assert found.low <= found.value <= found.high


@pytest.mark.parametrize(
    ("share", "seconds"), [(0.05, 0.05), (0.1, 0.1), (0.5, 0.5), (0.95, 0.95), (0.9901, math.inf), (1.0, math.inf)]
)
def test_the_value_is_as_prometheus_estimates_it(share: float, seconds: float) -> None:
    # As many answers as hundredths of a second, up to 0.99 s; the last beyond all edges.
    buckets = Buckets((0.1, 0.5, 0.95, 0.99, math.inf), (10, 50, 95, 99, 100))
    assert quantile(buckets, share) == pytest.approx(seconds)


def test_each_critical_route_is_judged_and_one_that_was_not_asked_is_open() -> None:
    found = latency(slis(), SLO, ("/a", "/b"))
    assert [one.decision for one in found] == [GOOD, OPEN]
    assert found[1].words == "/b: p95 is not known, limit 1.5 s: no histogram of its answers was found"
    quiet = replace(slis(), canary=Tally({"/b": RouteTally(0, 0, quick(0))}))
    assert latency(quiet, SLO, ("/b",))[0].words.endswith("no requests to it in 300 s")


def test_what_was_decided_early_stays_decided_and_who_is_blind_never_says_good() -> None:
    told = early(slis(1000, 0, slow=200, end=False), SLO, ("/a",))
    assert told == "/a: p95 2.2 s (1.5 to 2.5 s) of 1 000 answers, limit 1.5 s"
    assert judged(replace(timed(quick(10_000)), early=told)).decision is BAD
    blind = judged(replace(timed(quick(10_000)), blind="gone"))
    assert blind.decision is OPEN
    assert blind.words.endswith("; not to be seen at the end: gone")


def test_edges_that_cannot_tell_say_so() -> None:
    assert "no bucket ends at or under the limit" in judged(timed(Buckets(HIGH, (1000, 1000, 1000)))).words
    assert "no bucket ends at the limit" in judged(timed(Buckets(WIDE, (100, 500, 1000, 1000)))).words
    for buckets in (Buckets((1.5, 2.5, math.inf), (1000, 1000, 1000)), quick(1000)):
        assert "no bucket ends" not in judged(timed(buckets)).words


@pytest.mark.parametrize(("slow", "bad"), [(0, False), (40, False), (150, True)])
def test_what_is_too_slow_between_windows_ends_it_and_nothing_there_must_be_good(slow: int, bad: bool) -> None:
    between = Tally({"/a": RouteTally(1000, 0, quick(1000, slow))})
    found = replace(slis(), between=between)
    first, *rest = latency(found, SLO, ("/a",))
    assert first.decision is GOOD
    assert [one.decision for one in rest] == [BAD] * bad
    assert early(found, SLO, ("/a",)).startswith("between windows: /a: p95 ") is bad
    assert settled(found, SLO, ("/a",)) is not bad


def test_what_was_too_slow_between_windows_stays_decided() -> None:
    between = Tally({"/a": RouteTally(1000, 0, quick(1000))})
    found = replace(slis(), between=between, early="between windows: /a: p95 2 s (1.5 to 2.5 s) of 90 answers")
    assert [one.decision for one in latency(found, SLO, ("/a",))] == [GOOD, BAD]
