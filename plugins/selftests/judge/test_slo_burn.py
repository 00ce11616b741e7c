"""The error budget's burn, its acceleration, the SLO alerts, and the canary beside the stable version."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from golive.slis import AlertSeen, Slis
from golive.slo import Decision, burn, compare, early, over_window
from golive.slo_settings import Slo
from golive.tallies import RouteTally, Tally
from selftests.judge.slos import CALM, at_t0, burning, slis

SLO = Slo()
GOOD, BAD, OPEN = Decision.GOOD, Decision.BAD, Decision.OPEN
FAST, SLOW, CANARY, GROWTH, ALERTS = range(5)
HOT = (1_000.0, 10_000.0)
"""A burn of 20."""


def test_a_calm_service_is_good_all_over() -> None:
    assert [one.decision for one in burn(slis(), SLO)] == [GOOD] * 5


@pytest.mark.parametrize(
    ("service", "fast", "slow"),
    [
        ({"5m": HOT, "1h": HOT}, BAD, GOOD),
        ({"5m": HOT}, GOOD, GOOD),
        ({"1h": HOT}, GOOD, GOOD),
        ({"30m": HOT, "6h": HOT}, GOOD, BAD),
        ({"30m": (400, 10_000), "6h": (400, 10_000)}, GOOD, BAD),
        ({"5m": (400, 10_000), "1h": (400, 10_000)}, GOOD, GOOD),
        # A single error in a quiet service: over the factor, and nobody is condemned.
        ({"5m": (1, 5), "1h": (1, 5)}, OPEN, GOOD),
        ({"5m": (0, 0)}, OPEN, GOOD),
        ({"5m": (math.nan, 10)}, OPEN, GOOD),
        ({"5m": HOT, "1h": (math.nan, 10)}, OPEN, GOOD),
        ({"30m": (20, 10)}, GOOD, OPEN),
    ],
)
def test_both_windows_of_the_service_must_burn(
    service: dict[str, tuple[float, float]], fast: Decision, slow: Decision
) -> None:
    judged = burn(burning({}, service), SLO)
    assert [judged[FAST].decision, judged[SLOW].decision] == [fast, slow]


def test_the_factor_is_compared_with_the_lower_bound_strictly() -> None:
    found = burning({}, {"30m": (400, 10_000), "6h": (400, 10_000)})
    low = burn(found, SLO)[SLOW].low
    assert burn(found, SLO.model_copy(update={"burn_slow": low}))[SLOW].decision is OPEN
    assert burn(found, SLO.model_copy(update={"burn_slow": low * 0.999999}))[SLOW].decision is BAD


@pytest.mark.parametrize(
    ("canary", "decision"),
    [((100, 10_000), GOOD), ((1, 5), OPEN), ((200, 1_000), BAD), ((0, 0), OPEN), ((math.nan, math.nan), OPEN)],
)
def test_the_canary_alone_burns_over_five_minutes(canary: tuple[float, float], decision: Decision) -> None:
    assert burn(burning({}, {}, canary=canary), SLO)[CANARY].decision is decision


@pytest.mark.parametrize(("errors", "decision"), [(5_000, GOOD), (5_001, OPEN)])
def test_a_burn_at_its_factor_is_not_over_it(errors: float, decision: Decision) -> None:
    slo = SLO.model_copy(update={"error_limit": 0.25, "burn_slow": 2.0, "burn_fast": 2.0})
    told = {"30m": (errors, 10_000.0), "6h": (errors, 10_000.0)}
    judged = burn(burning(told, told), slo)[SLOW]
    assert (judged.value, judged.decision) == (errors / 2_500, decision)


def test_a_window_that_prometheus_does_not_tell_is_open() -> None:
    told = {name: pair for name, pair in CALM.items() if name != "6h"}
    found = replace(slis(), burns=tuple(replace(one, service=told, canary=None) for one in slis().burns))
    judged = burn(found, SLO)
    assert [one.decision for one in judged] == [GOOD, OPEN, OPEN, GOOD, GOOD]
    assert "no answers over 6h" in judged[SLOW].words
    assert [one.decision for one in burn(replace(slis(), burns=()), SLO)][:4] == [OPEN] * 4


@pytest.mark.parametrize(
    ("before", "looks", "decision"),
    [
        # T0: 0.6 of the budget. The limit is 1.2.
        ((30, 10_000), [(30, 10_000), (30, 10_000)], GOOD),
        ((30, 10_000), [(120, 10_000), (120, 10_000)], BAD),
        ((30, 10_000), [(30, 10_000), (120, 10_000)], GOOD),
        ((30, 10_000), [(120, 10_000), (30, 10_000)], GOOD),
        ((30, 10_000), [(70, 10_000), (70, 10_000)], OPEN),
        ((30, 10_000), [(120, 10_000)], OPEN),
        # T0 burned nothing: only more than the budget is acceleration.
        ((0, 10_000), [(40, 10_000), (40, 10_000)], GOOD),
        ((0, 10_000), [(120, 10_000), (120, 10_000)], BAD),
        ((0, 10_000), [(1, 100), (1, 100)], OPEN),
        # T0 burned 2 already: the limit is 4.
        ((100, 10_000), [(150, 10_000), (150, 10_000)], GOOD),
        ((100, 10_000), [(300, 10_000), (300, 10_000)], BAD),
        ((0, 0), [(300, 10_000), (300, 10_000)], OPEN),
    ],
)
def test_acceleration_is_more_than_at_t0_in_two_looks_running(
    before: tuple[float, float], looks: list[tuple[float, float]], decision: Decision
) -> None:
    found = at_t0(burning(*({"5m": pair} for pair in looks)), before)
    assert burn(found, SLO)[GROWTH].decision is decision


def test_without_t0_acceleration_is_open_and_says_so() -> None:
    judged = burn(replace(slis(), before=None), SLO)[GROWTH]
    assert judged.decision is OPEN
    assert judged.words.startswith("acceleration of the burn is not known: the burn over 5m at T0 was not told")


def alert(*states: str, silences: tuple[str, ...] = (), begin: float = 0.0) -> AlertSeen:
    changes = tuple((begin + number, state) for number, state in enumerate(states))
    return AlertSeen("MaestroHighErrorRate", {"alertname": "MaestroHighErrorRate", "route": "/a"}, changes, silences)


@pytest.mark.parametrize(
    ("states", "decision"),
    [
        (("inactive", "firing"), BAD),
        (("inactive", "pending", "firing", "inactive"), BAD),
        (("pending", "firing"), BAD),
        (("inactive", "pending", "inactive"), GOOD),
        (("firing",), OPEN),
        (("firing", "inactive"), GOOD),
        (("firing", "inactive", "firing"), OPEN),
        ((), GOOD),
    ],
)
def test_an_alert_that_begins_to_fire_in_the_window_condemns(states: tuple[str, ...], decision: Decision) -> None:
    assert burn(replace(slis(), alerts=(alert(*states),)), SLO)[ALERTS].decision is decision


def test_a_silence_hides_no_alert_and_is_named() -> None:
    found = replace(slis(end=False), alerts=(alert("inactive", "firing", silences=("id 7 by ann: upgrade",)),))
    told = early(found, SLO, ("/a",))
    assert (
        told == "SLO alerts 1 began to fire: MaestroHighErrorRate {route=/a} (silenced: id 7 by ann: upgrade), limit 0"
    )


@pytest.mark.parametrize(
    ("windows", "decision"),
    [
        ([("inactive", "firing")], GOOD),
        ([("inactive", "firing", "inactive")], BAD),
        ([("inactive", "pending", "firing")], GOOD),
        ([("inactive", "pending", "inactive", "pending")], GOOD),
        ([("firing", "inactive")], GOOD),
        ([("inactive", "firing"), ("firing",), ("inactive",)], BAD),
        ([("inactive",), ("firing",), ("firing",)], GOOD),
        ([(), ()], GOOD),
    ],
)
def test_an_alert_flaps_if_it_turns_more_than_once_over_all_windows(
    windows: list[tuple[str, ...]], decision: Decision
) -> None:
    found = [replace(slis(), alerts=(alert(*one, begin=100.0 * at),)) for at, one in enumerate(windows)]
    assert over_window(found, SLO, ("/a",)).availability[-1].decision is decision


def test_two_alerts_are_two() -> None:
    other = replace(alert("inactive", "firing"), labels={"route": "/b"})
    found = replace(slis(), alerts=(alert("inactive", "firing"), other))
    assert over_window([found], SLO, ("/a",)).availability[-1].decision is GOOD


def test_who_is_blind_never_says_good() -> None:
    assert {one.decision for one in burn(replace(slis(), blind="gone"), SLO)} == {OPEN}


def beside(canary: tuple[float, float], stable: tuple[float, float]) -> Slis:
    (bad, total), (other_bad, other) = canary, stable
    return replace(
        slis(), canary=Tally({"/a": RouteTally(total, bad)}), others=Tally({"/a": RouteTally(other, other_bad)})
    )


@pytest.mark.parametrize(
    ("canary", "stable", "decision"),
    [
        ((30, 10_000), (90, 30_000), GOOD),
        ((0, 10_000), (90, 30_000), GOOD),
        ((200, 10_000), (90, 30_000), BAD),
        ((2, 10), (90, 30_000), OPEN),
        ((0, 199), (0, 30_000), OPEN),
        ((0, 200), (0, 30_000), GOOD),
        ((0, 30_000), (0, 199), OPEN),
        ((30, 10_000), (0, 0), OPEN),
        ((0, 0), (90, 30_000), OPEN),
        ((math.nan, 10), (90, 30_000), OPEN),
        ((45, 10_000), (90, 30_000), GOOD),
        # Surely worse, but by less than what matters.
        ((16_000, 4_000_000), (14_000, 4_000_000), GOOD),
    ],
)
def test_the_canary_is_worse_only_if_surely_and_by_what_matters(
    canary: tuple[float, float], stable: tuple[float, float], decision: Decision
) -> None:
    assert compare(beside(canary, stable), SLO).decision is decision


def test_the_difference_is_shown_with_its_bounds() -> None:
    judged = compare(beside((200, 10_000), (90, 30_000)), SLO)
    assert judged.words.startswith("5xx beside the stable version +1.7 % (+1.")
    assert judged.words.endswith("canary 2 % of 10 000 answers, stable 0.3 % of 30 000, limit +0.1 %")
    at = SLO.model_copy(update={"compare_worse": judged.low})
    assert compare(beside((200, 10_000), (90, 30_000)), at).decision is not BAD
    assert "stable 0: nothing to compare" in compare(beside((1, 10), (0, 0)), SLO).words
