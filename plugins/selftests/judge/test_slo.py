"""What is decided of a canary's errors, and of all of it together: good, bad, open, by table."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golive.bounds import interval, sequence
from golive.slis import Slis
from golive.slo import Decision, acceptable, compare, early, ends, errors, over_window, overall, settled
from golive.slo_judged import Judged, chances
from golive.slo_settings import Slo
from golive.slo_words import figure, many, percent
from golive.tallies import RouteTally, Tally, added
from selftests.judge.slos import burning, quick, slis

SLO, ROUTES = Slo(), ("/a",)
GOOD, BAD, OPEN = Decision.GOOD, Decision.BAD, Decision.OPEN


def whole(found: Slis, slo: Slo = SLO) -> Judged:
    return errors(found, slo, ROUTES)[0]


@pytest.mark.parametrize(
    ("answers", "failed", "end", "decision"),
    [
        (10_000, 0, True, GOOD),
        (10_000, 30, True, GOOD),
        (10_000, 45, True, OPEN),
        (10_000, 50, True, OPEN),
        (10_000, 100, True, BAD),
        (1_000, 3, True, OPEN),
        (200, 0, True, OPEN),
        (10_000, 0, False, OPEN),
        (10_000, 30, False, OPEN),
        (10_000, 100, False, BAD),
        (100, 2, False, OPEN),
        (100, 20, False, BAD),
        (1, 1, False, OPEN),
        (1, 1, True, OPEN),
        (0, 0, True, OPEN),
        (0, 0, False, OPEN),
        (math.nan, 0, True, OPEN),
        (10_000, math.nan, True, OPEN),
        (10, 11, True, OPEN),
    ],
)
def test_errors_are_decided_by_bounds(answers: float, failed: float, end: bool, decision: Decision) -> None:
    assert whole(slis(answers, failed, end=end)).decision is decision


@settings(deadline=None)
@given(st.integers(0, 3000), st.integers(1, 200_000))
def test_only_a_bound_over_the_limit_condemns_and_only_one_under_it_passes(failed: int, more: int) -> None:
    answers = failed + more
    look, end = (whole(slis(answers, failed, end=end)) for end in (False, True))
    chance = chances(slis(), SLO, 0.5)
    ever = sequence(failed, answers, chance.look)
    assert look.decision is (BAD if ever.low > SLO.error_limit else OPEN)
    low, high = interval(failed, answers, chance.fail).low, interval(failed, answers, chance.good).high
    bad = ever.low > SLO.error_limit or low > SLO.error_limit
    assert end.decision is (BAD if bad else GOOD if high < SLO.error_limit else OPEN)


@settings(deadline=None)
@given(st.integers(0, 300), st.integers(1, 50_000), st.booleans())
def test_more_errors_are_never_better_and_more_good_answers_never_worse(failed: int, more: int, end: bool) -> None:
    order = [GOOD, OPEN, BAD]
    here, worse, better = (
        order.index(whole(slis(failed + more + extra, failed + bad, end=end)).decision)
        for extra, bad in ((0, 0), (0, 1), (1, 0))
    )
    assert better <= here <= worse


def test_a_bound_at_the_limit_itself_decides_nothing() -> None:
    # Neither under nor over: the limit set to exactly what the bound of these counts is.
    found = slis(10_000, 30)
    chance = chances(found, SLO, 0.5)
    at_low = interval(30, 10_000, chance.fail).low
    at_high = interval(30, 10_000, chance.good).high
    ever = sequence(30, 10_000, chance.look).low
    assert whole(found, SLO.model_copy(update={"error_limit": at_high})).decision is OPEN
    assert whole(found, SLO.model_copy(update={"error_limit": at_low})).decision is OPEN
    early_look = replace(found, final=False)
    assert whole(early_look, SLO.model_copy(update={"error_limit": ever})).decision is OPEN
    for limit, decision in ((at_high * 1.000001, GOOD), (at_low * 0.999999, BAD)):
        assert whole(found, SLO.model_copy(update={"error_limit": limit})).decision is decision


@pytest.mark.parametrize("routes", [1, 20, 200])
def test_one_critical_route_alone_condemns_however_many_there_are(routes: int) -> None:
    names = [f"/r{number}" for number in range(routes)]
    calm = {name: RouteTally(20_000 / routes, 0, quick(20_000 / routes)) for name in names}
    fine = replace(slis(), canary=Tally(calm))
    assert {one.decision for one in errors(fine, SLO, names)[1:]} <= {OPEN}
    assert acceptable(errors(fine, SLO, names))
    broken = replace(fine, canary=Tally({**calm, names[-1]: RouteTally(100, 15, quick(100))}))
    judged = errors(broken, SLO, names)
    assert [one.what for one in judged if one.decision is BAD] == [f"{names[-1]}: 5xx"] or routes == 1
    assert overall(judged) is BAD
    assert not acceptable(judged)
    assert "15 %" in early(replace(broken, final=False), SLO, names)


def test_many_quiet_routes_condemn_nobody() -> None:
    names = [f"/r{number}" for number in range(200)]
    noisy = {name: RouteTally(25, 1 if number < 15 else 0, quick(25)) for number, name in enumerate(names)}
    judged = errors(replace(slis(), canary=Tally(noisy), final=False), SLO, names)
    assert overall(judged) is not BAD


def test_a_route_among_many_has_a_smaller_share_of_the_chance() -> None:
    found = replace(slis(), canary=Tally({f"/r{number}": RouteTally(1000, 18) for number in range(200)}), final=False)
    alone, among = errors(found, SLO, ["/r0"])[1], errors(found, SLO, [f"/r{number}" for number in range(200)])[1]
    assert among.low < alone.low


def test_without_a_list_the_timed_routes_are_the_critical_ones() -> None:
    tally = Tally({"/a": RouteTally(10, 0, quick(10)), "/b": RouteTally(10, 0)})
    assert [one.what for one in errors(replace(slis(), canary=tally), SLO)] == ["5xx", "/a: 5xx"]


def test_who_is_blind_never_says_good_and_what_was_surely_bad_stays_so() -> None:
    blind = replace(slis(10_000, 10), blind="Prometheus did not answer for 31 s")
    judged = whole(blind)
    assert judged.decision is OPEN
    assert judged.words.endswith("; not to be seen at the end: Prometheus did not answer for 31 s")
    assert not settled(blind, SLO, ROUTES)
    assert not early(blind, SLO, ROUTES)
    assert whole(replace(slis(10_000, 200), blind="gone")).decision is BAD


def test_what_was_lost_leaves_the_rest_no_good_and_what_was_surely_bad_stays_so() -> None:
    lost = replace(slis(10_000, 10), lost=("pod new-2 is gone, 60.0 s at most after it had told",))
    judged = whole(lost)
    assert judged.decision is OPEN
    assert judged.words.endswith(
        "; not all of its answers were counted: pod new-2 is gone, 60.0 s at most after it had told"
    )
    assert not settled(lost, SLO, ROUTES)
    assert not early(lost, SLO, ROUTES)
    assert whole(replace(lost, canary=slis(10_000, 200).canary)).decision is BAD
    over = over_window([lost, *[slis(10_000, 10)] * 3], SLO, ROUTES)
    assert overall((*over.availability[:1], *over.latency)) is OPEN


@pytest.mark.parametrize(
    ("bad", "unknown", "decision"), [(10, 10, GOOD), (10, 60, OPEN), (10, 5_000, OPEN), (200, 60, BAD)]
)
def test_an_answer_without_a_status_passes_as_a_5xx_and_fails_as_none(
    bad: float, unknown: float, decision: Decision
) -> None:
    tally = RouteTally(10_000, bad, quick(10_000), unknown)
    found = replace(slis(), canary=Tally({"/a": tally}))
    judged = whole(found)
    assert judged.decision is decision
    assert judged.value == (bad + unknown) / 10_000
    assert f"({many(unknown)} that may be a 5xx: one each for passing, none for failing)" in judged.words
    assert RouteTally.from_json(tally.to_json()) == tally
    assert added([found.canary, found.canary]).unknown == 2 * unknown
    worse = compare(replace(found, others=Tally({"/a": RouteTally(90_000, 90)})), SLO).decision
    assert worse is decision


@pytest.mark.parametrize(
    ("odd", "words"),
    [
        (RouteTally(1_000, -3, None, 5), "-3 5xx and 5 that may be of 1000 answers cannot be"),
        (RouteTally(1_000, 3, None, -5), "3 5xx and -5 that may be of 1000 answers cannot be"),
        (RouteTally(math.nan, 0), "0 5xx of nan answers cannot be"),
    ],
)
def test_counts_that_cannot_be_are_open_and_said(odd: RouteTally, words: str) -> None:
    found = Tally({"/a": odd})
    mine, others = replace(slis(), canary=found), replace(slis(), others=found)
    assert (whole(mine).decision, whole(mine).words) == (OPEN, f"5xx is not known, limit 0.5 %: {words}")
    for side, one in (("canary", mine), ("stable", others)):
        judged = compare(one, SLO)
        assert judged.decision is OPEN
        assert f"is not known: {side} {words}, limit +0.1 %" in judged.words


def test_what_was_decided_early_stays_decided() -> None:
    told = early(slis(10_000, 100, end=False), SLO, ROUTES)
    assert told.startswith("5xx 1 % ")
    later = replace(slis(100_000, 100), early=told)
    assert [one.decision for one in errors(later, SLO, ROUTES)] == [BAD, OPEN]
    assert whole(replace(later, early="/a: 5xx 1 % (...)")).decision is GOOD


@pytest.mark.parametrize(
    ("found", "good"),
    [
        (slis(), True),
        (slis(end=False), False),
        (slis(10_000, 45), False),
        (slis(10_000, 100), False),
        (slis(10_000, 10, slow=480), False),
        (slis(10_000, 10, slow=900), False),
        (replace(slis(), burns=()), False),
        (burning({"5m": (200, 10_000)}, {"5m": (200, 10_000)}), False),
        (slis(0, 0), False),
    ],
)
def test_a_window_is_settled_only_if_every_limit_holds_for_sure(found: Slis, good: bool) -> None:
    assert settled(found, SLO, ROUTES) is good


def test_a_route_without_requests_is_not_settled() -> None:
    assert not settled(slis(), SLO, ("/a", "/b"))


def test_ends_are_doubled_up_to_the_longest_window() -> None:
    assert ends(300, 900) == (300, 600, 900)
    assert ends(4, 64) == (4, 8, 16, 32, 64)
    assert ends(300, 300) == ends(300, 100) == ends(300, 302) == (300,)


@pytest.mark.parametrize("late", [0.0, 1.5])
def test_the_chance_to_pass_is_shared_among_the_planned_ends(late: float) -> None:
    shares = []
    for number, seconds in enumerate(ends(300, 900), start=1):
        at = replace(slis(), ends=number, seconds=seconds + late)
        shares.append(chances(at, SLO, 1).good)
    assert shares == pytest.approx([SLO.pass_chance / 3] * 3)


def test_the_chance_to_condemn_is_never_spent_twice() -> None:
    # Four weights and their sum; errors, their routes, latency, burn; at looks and at three ends.
    parts = [chances(slis(), SLO, share) for share in (1 / 2, 1 / 6, 1 / 6, 1 / 6)]
    assert 5 * sum(one.look + 3 * one.fail for one in parts) == pytest.approx(SLO.fail_chance)


def test_over_the_whole_window_the_counts_are_added_and_judged_once() -> None:
    weights = [slis(3_000, 9)] * 4
    assert whole(weights[0]).decision is OPEN
    judged = over_window(weights, SLO, ROUTES)
    assert [one.count for one in judged.availability[:2]] == [12_000, 12_000]
    assert [one.decision for one in judged.availability] == [GOOD, OPEN, GOOD]
    assert [one.decision for one in judged.latency] == [GOOD]
    assert judged.latency[0].count == 12_000
    assert over_window([replace(one, ends=3, seconds=900.0) for one in weights], SLO, ROUTES) == judged
    broken_off = over_window([*weights[1:], replace(weights[0], final=False)], SLO, ROUTES)
    assert overall(broken_off.latency) is OPEN
    blind = over_window([*weights[1:], replace(weights[0], blind="gone")], SLO, ROUTES)
    assert overall(blind.availability[:1]) is OPEN
    assert overall(blind.latency) is OPEN
    with pytest.raises(ValueError, match="found none"):
        over_window([], SLO, ROUTES)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (slis(8_112, 25), "5xx 0.31 % (0.13 to 0.47 %) of 8 112 answers, limit 0.5 %"),
        (slis(1_000, 3), "of 1 000 answers, limit 0.5 %; too few answers to decide"),
        (slis(1_000, 3, end=False), "of 1 000 answers, limit 0.5 %; not decided yet"),
        (slis(0, 0), "5xx is not known, limit 0.5 %: no answers in 300 s"),
        (slis(10, 11), "5xx is not known, limit 0.5 %: 11 5xx of 10 answers cannot be"),
        (slis(math.nan, 11), "5xx is not known, limit 0.5 %: 11 5xx of nan answers cannot be"),
    ],
)
def test_the_words_say_value_bounds_count_and_limit(found: Slis, words: str) -> None:
    assert whole(found).words.endswith(words)


@pytest.mark.parametrize(
    ("ratio", "words"),
    [
        (0.0031, "0.31 %"),
        (0.005, "0.5 %"),
        (0.005000001, "0.5000001 %"),
        (0.00499999, "0.499999 %"),
        (0.0, "0 %"),
        (0.12345, "12 %"),
        (1.0, "100 %"),
        (0.00049, "0.049 %"),
    ],
)
def test_no_figure_is_rounded_onto_its_limit_or_past_it(ratio: float, words: str) -> None:
    assert percent(ratio, 0.005) == words


@settings(deadline=None)
@given(st.floats(1e-6, 1), st.floats(1e-4, 0.5))
def test_a_figure_is_on_its_own_side_of_the_limit(value: float, limit: float) -> None:
    told = float(figure(value, limit))
    if not math.isclose(value, limit, rel_tol=1e-9):
        assert (told > limit, told < limit) == (value > limit, value < limit)


def test_counts_are_told_in_thousands() -> None:
    assert [many(one) for one in (0, 8112, 8112.4, 3.5, 12_345_678)] == ["0", "8 112", "8 112", "3.5", "12 345 678"]
