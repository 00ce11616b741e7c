"""What Prometheus shows of each fault of errors, latency, burn and traffic; healed, it shows the fault no more."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from golive_sandbox.types import Json, dig, text
from selftests.harness import eventually
from selftests.walking import RELEASE, STABLE, Walk
from selftests.watched import Watched

pytestmark = pytest.mark.long
"""What the suite makes of these faults is in test_walks."""
_FEW, _SECONDS = 40, 30.0


def watched(walk: Walk) -> Watched:
    return Watched(walk.place.sandbox, walk.place.name)


def release_pods(walk: Walk) -> str:
    return "|".join(sorted(text(pod, "metadata", "name") for pod in walk.pods()))


def value(walk: Walk, promql: str) -> float:
    """The one sample of a query; 0 where there is none."""
    found = watched(walk).query(promql)
    return float(str(dig(found[0], "value", 1))) if found else 0.0


def reaches(walk: Walk, promql: str, ok: Callable[[float], bool]) -> float:
    return eventually(promql, lambda: value(walk, promql), ok, seconds=_SECONDS)


def share(walk: Walk, which: str, bad: str, seconds: int = 5) -> float:
    """Of the answers that ``which`` selects the share that ``bad`` selects as well."""
    both = f"sum(increase(http_requests_total{{{which},{bad}}}[{seconds}s]))"
    return value(walk, f"{both} / sum(increase(http_requests_total{{{which}}}[{seconds}s]))")


def of_release(walk: Walk) -> str:
    return f'job="maestro-server",route=~"/api/.+",pod=~"{release_pods(walk)}"'


def of_stable(walk: Walk) -> str:
    return f'job="maestro-server",route=~"/api/.+",pod!~"{release_pods(walk)}"'


def at_50(walk: Walk) -> None:
    """Half of the traffic, so that both versions have something to show."""
    walk.start()
    walk.to(10, 25, 50)


@pytest.mark.parametrize(("fault", "least", "most"), [("errors-2", 0.002, 0.08), ("errors-04", 0.0001, 0.03)])
def test_errors_of_the_release_alone(walk: Walk, fault: str, least: float, most: float) -> None:
    at_50(walk)
    walk.break_(fault)
    bad, which = 'code=~"5.."', of_release(walk)
    eventually("errors", lambda: share(walk, which, bad, 20), lambda seen: least < seen < most, seconds=_SECONDS)
    assert share(walk, of_stable(walk), bad, 20) == 0
    walk.heal(fault)
    eventually("no errors", lambda: share(walk, which, bad), lambda seen: seen == 0, seconds=_SECONDS)


def test_errors_on_one_route(walk: Walk) -> None:
    at_50(walk)
    walk.break_("errors-on-one-route")
    which = of_release(walk)
    runs = f'{which},route="/api/maestro/v1/runs"'
    eventually("errors", lambda: share(walk, runs, 'code="500"', 10), lambda seen: seen > 0.02, seconds=_SECONDS)
    assert share(walk, f'{which},route!="/api/maestro/v1/runs"', 'code="500"', 10) == 0


def within(walk: Walk, which: str, limit: str) -> float:
    """The share of answers that took at most ``limit`` seconds."""
    buckets = "http_request_duration_seconds_bucket"
    return value(walk, f'sum(increase({buckets}{{{which},le="{limit}"}}[5s])) / '
                 f'sum(increase({buckets}{{{which},le="+Inf"}}[5s]))')  # fmt: skip


def test_latency_on_one_route(walk: Walk) -> None:
    at_50(walk)
    walk.break_("latency-on-one-route")
    which = of_release(walk)
    tools = f'{which},route="/api/maestro/v1/tools"'
    eventually("slow", lambda: within(walk, tools, "1.0"), lambda seen: seen < 0.05, seconds=_SECONDS)
    assert within(walk, f'{which},route!="/api/maestro/v1/tools"', "1.0") == 1
    assert within(walk, of_stable(walk), "1.0") == 1
    walk.heal("latency-on-one-route")
    eventually("quick", lambda: within(walk, tools, "1.0"), lambda seen: seen == 1, seconds=_SECONDS)


def test_latency_of_all_routes_of_the_release(walk: Walk) -> None:
    at_50(walk)
    walk.break_("latency-in-canary")
    which = of_release(walk)
    eventually("slow", lambda: within(walk, which, "1.0"), lambda seen: seen < 0.05, seconds=_SECONDS)
    assert within(walk, of_stable(walk), "1.0") == 1
    counts = walk.place.sandbox.ask("traffic", world=walk.place.name)
    assert dig(counts, "errors") == {}


def test_a_leak_that_goes_on(walk: Walk) -> None:
    at_50(walk)
    walk.break_("slow-leak")
    which = of_release(walk)
    assert within(walk, which, "2.5") == 1
    eventually("slower", lambda: within(walk, which, "1.0"), lambda seen: seen < 0.5, seconds=_SECONDS)
    eventually("slower yet", lambda: within(walk, which, "2.5"), lambda seen: seen < 0.5, seconds=_SECONDS)


def test_a_burst_that_is_over(walk: Walk) -> None:
    at_50(walk)
    since = time.time()
    walk.break_("late-burst")

    def failed() -> list[float]:
        timeline = walk.timeline(since)
        return [at for at, by in timeline.buckets if RELEASE in by and by[RELEASE].failed]

    eventually("the burst", lambda: failed(), bool, seconds=_SECONDS)
    eventually("over", lambda: failed(), lambda seen: seen[-1] < time.time() - 2, seconds=_SECONDS)
    seen = failed()
    assert 3 < seen[0] - since < 8
    assert 1 < seen[-1] - seen[0] < 4


@pytest.mark.parametrize(
    ("fault", "bad"), [("burn-accelerates", {STABLE, RELEASE}), ("stable-burns", {STABLE}), ("errors-03", {STABLE})]
)
def test_who_answers_errors(walk: Walk, fault: str, bad: set[str]) -> None:
    at_50(walk)
    since = time.time()
    walk.break_(fault)

    def failing() -> set[str]:
        return {who for _, by in walk.timeline(since).buckets for who, one in by.items() if one.failed}

    eventually("errors", failing, lambda seen: bad <= seen, seconds=_SECONDS)
    assert failing() <= {STABLE, RELEASE} if fault == "errors-03" else failing() == bad
    walk.heal(fault)


@pytest.mark.parametrize(("fault", "rate"), [("no-traffic", 0.0), ("little-traffic", 20.0)])
def test_the_rate_of_the_clients(walk: Walk, fault: str, rate: float) -> None:
    def now() -> Json:
        return walk.place.sandbox.ask("traffic", world=walk.place.name)

    before = dig(now(), "rate")
    walk.break_(fault)
    assert dig(now(), "rate") == rate
    reaches(walk, 'sum(rate(http_requests_total{route=~"/api/.+"}[3s]))', lambda seen: seen < rate + 2)
    walk.heal(fault)
    assert dig(now(), "rate") == before


def test_one_scrape_that_fails(walk: Walk) -> None:
    # Not of pods that ended a moment ago: those cannot be scraped either.
    pods = walk.place.sandbox.items(f"/api/v1/namespaces/{walk.place.name}/pods")
    up = f'up{{pod=~"{"|".join(text(pod, "metadata", "name") for pod in pods)}"}}[20s]'
    failed = f"sum(count_over_time({up}) - sum_over_time({up}))"
    before = value(walk, failed)
    walk.break_("missed-scrape")
    assert 1 <= value(walk, failed) - before <= 2


def test_a_pod_of_the_release_is_rescheduled(walk: Walk) -> None:
    at_50(walk)
    before = set(release_pods(walk).split("|"))
    walk.break_("pod-rescheduled")
    after = eventually(
        "another pod",
        lambda: set(release_pods(walk).split("|")),
        lambda seen: len(seen - before) == 1,
        seconds=_SECONDS,
    )
    assert len(before) == 2
    assert len(after & before) >= 1
    walk.heal("pod-rescheduled")
