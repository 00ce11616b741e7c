"""What Prometheus, its rules and Argo's analyses say under each fault of them while a release is under way."""

from __future__ import annotations

import time

import pytest

from golive_sandbox.scenarios.seeing import FLAPPING, GONE_SECONDS
from golive_sandbox.types import dig, items, text
from selftests.harness import eventually
from selftests.test_slo_faults import release_pods, value, watched
from selftests.walking import Walk

pytestmark = pytest.mark.long
"""What the suite makes of these faults is in test_walks."""
_SECONDS = 60.0


def answers(walk: Walk) -> bool:
    """Whether Prometheus does, asked as the suite asks."""
    try:
        watched(walk).query("vector(1)")
    except AssertionError:
        return False
    return True


def test_prometheus_is_gone_for_a_while_and_goes_on_scraping(walk: Walk) -> None:
    began = time.monotonic()
    walk.break_("prometheus-gone-short")
    assert not answers(walk)
    eventually("Prometheus", lambda: answers(walk), bool, seconds=20)
    assert GONE_SECONDS - 1 < time.monotonic() - began < GONE_SECONDS + 5
    assert value(walk, f'max(count_over_time(up{{job="maestro-server"}}[{GONE_SECONDS:g}s]))') >= 2


def test_prometheus_is_gone_for_long(walk: Walk) -> None:
    walk.break_("prometheus-gone-long")
    gone_until = time.monotonic() + GONE_SECONDS + 4
    eventually("still gone", lambda: answers(walk), lambda seen: seen or time.monotonic() > gone_until, seconds=20)
    assert not answers(walk)
    walk.heal("prometheus-gone-long")
    assert answers(walk)


def test_prometheus_forgets_when_it_restarts(walk: Walk) -> None:
    known = value(walk, 'max(count_over_time(up{job="prometheus"}[1h]))')
    eventually("some past", lambda: value(walk, 'max(count_over_time(up{job="prometheus"}[1h]))'), lambda n: n > 20)
    walk.break_("prometheus-restarted")
    assert value(walk, 'max(count_over_time(up{job="prometheus"}[1h]))') < max(known, 20)


def age(walk: Walk) -> float:
    return value(walk, 'time() - max(timestamp(http_requests_total{job="maestro-server"}))')


def test_samples_are_old_when_prometheus_lags(walk: Walk) -> None:
    walk.break_("prometheus-lags")
    eventually("an old sample", lambda: age(walk), lambda seen: seen > 3, seconds=_SECONDS)
    walk.heal("prometheus-lags")
    eventually("a new sample", lambda: age(walk), lambda seen: 0 < seen < 2.5, seconds=_SECONDS)


def test_one_of_two_replicas_is_old(walk: Walk) -> None:
    walk.break_("prometheus-stale-replica")
    seen: set[str] = set()

    def both() -> set[str]:
        told = value(walk, 'count(up{job="maestro-server"})')
        seen.add("old" if told == 0 or age(walk) > 3 else "new")
        return seen

    eventually("both kinds of answers", both, lambda found: found == {"old", "new"}, seconds=_SECONDS)


def test_recording_rules_stop(walk: Walk) -> None:
    # For five minutes the last record is still what a query gets, and only its time tells.
    record = "time() - max(timestamp(maestro:errors:ratio_rate5m))"
    assert value(walk, record) < 5
    walk.break_("recording-rule-stopped")
    eventually("an old record", lambda: value(walk, record), lambda seen: seen > 8, seconds=_SECONDS)
    rules = watched(walk).rules()
    assert rules["maestro:errors:ratio_rate5m"]["health"] == "unknown"
    assert rules[FLAPPING]["health"] == "ok"


def test_an_alert_fires_and_resolves_more_than_once(walk: Walk) -> None:
    walk.break_("alert-flaps")
    seen: list[bool] = []

    def changes() -> int:
        firing = bool(watched(walk).query(f'ALERTS{{alertname="{FLAPPING}",alertstate="firing"}}'))
        if not seen or seen[-1] is not firing:
            seen.append(firing)
        return len(seen)

    eventually("twice on, twice off", changes, lambda found: found >= 4, seconds=_SECONDS)
    walk.heal("alert-flaps")
    assert FLAPPING in watched(walk).rules()


def test_the_release_s_pods_are_not_scraped(walk: Walk) -> None:
    walk.start()
    walk.held_at(10)
    walk.break_("canary-series-missing", "")
    of_release = f'count(http_requests_total{{job="maestro-server",pod=~"{release_pods(walk)}"}})'
    eventually("no series", lambda: value(walk, of_release), lambda seen: seen == 0, seconds=_SECONDS)
    assert value(walk, 'count(http_requests_total{job="maestro-server"})') > 0
    walk.promote()
    walk.held_at(25)
    walk.heal("canary-series-missing")
    eventually("series", lambda: value(walk, of_release), lambda seen: seen > 0, seconds=_SECONDS)


def test_an_analysis_comes_to_no_conclusion(walk: Walk) -> None:
    walk.break_("analysis-inconclusive")
    walk.start()
    now = walk.until("paused", lambda one: "InconclusiveAnalysisRun" in str(dig(one, "status", "pauseConditions")))
    assert dig(now, "status", "abort") is not True
    runs = walk.place.sandbox.items(f"/apis/argoproj.io/v1alpha1/namespaces/{walk.place.name}/analysisruns")
    assert "Inconclusive" in {text(one, "status", "phase") for one in runs}
    assert items(now, "status", "pauseConditions")
