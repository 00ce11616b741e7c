"""Section 4 of the runbook: hard gates over the whole canary window, from what was observed at each weight."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from golive import slo
from golive.proving import counted, prove, undecided
from golive.scrapes import unscraped

if TYPE_CHECKING:
    from golive.config import Settings
    from golive.evidence import Recorder
    from golive.slis import Slis
    from golive_fixtures.canary import Canary

_SINCE = "the time since its last window"
"""What was good over its windows may have gone bad before somebody asks for its acceptance."""


def _windows(canary: Canary, settings: Settings, evidence: Recorder) -> tuple[dict[str, Slis], list[str]]:
    """What was counted at each weight, and why it may prove nothing."""
    windows: dict[str, Slis] = {}
    doubts: list[str] = []
    for seen in canary.window():
        where = f"weight {seen.weight}"
        windows[where], why = counted(evidence, where, seen.slis, seen.ended_by, settings)
        doubts += why
    return windows, doubts


@pytest.mark.p0
@pytest.mark.acceptance
@pytest.mark.criterion("4-availability")
def test_the_service_was_available_over_the_whole_window(
    canary: Canary, settings: Settings, evidence: Recorder
) -> None:
    """Surely less than the limit of all the canary's answers MUST be a 5xx, and no SLO alert change state twice.

    Runbook: section 4
    """
    windows, doubts = _windows(canary, settings, evidence)
    for where, slis in windows.items():
        for one in slis.alerts:
            states = ", ".join(f"{state} at {at:.0f}" for at, state in one.changes)
            evidence.facts(f"SLO alert {one.name}, {where}", states=states, silences="; ".join(one.silences) or "none")
    # 4-observability will claim it, together with the alert that must reach PagerDuty and the dashboards.
    missed = unscraped(windows)
    evidence.facts("scrapes (part of 4-observability)", gaps="\n".join(missed) or "no gap over two intervals")
    wanted, critical = settings.slo, settings.metrics.critical_routes

    def still() -> None:
        since = canary.since()
        undecided(evidence, _SINCE, since, (*slo.errors(since, wanted, critical), *slo.burn(since, wanted)))

    whole, *routes, flaps = slo.over_window(list(windows.values()), wanted, critical).availability
    prove(
        evidence,
        [whole, flaps],
        vetoes=routes,
        doubts=doubts,
        then=still,
        expected=f"over all weights surely less than {wanted.error_limit:.2%} of the canary's answers are a 5xx, on no "
        "critical route surely more, and no SLO alert changed its state more than once (runbook 4)",
        fix="read the canary's logs and the alerts of the window; what flaps pages people for nothing, or hides what "
        "is wrong: it is not released before that is understood",
    )


@pytest.mark.p0
@pytest.mark.acceptance
@pytest.mark.criterion("4-latency")
def test_critical_routes_answered_in_time_over_the_whole_window(
    canary: Canary, settings: Settings, evidence: Recorder
) -> None:
    """The latency quantile of each critical route MUST surely be below the limit over all weights' windows.

    Runbook: section 4
    """
    windows, doubts = _windows(canary, settings, evidence)
    wanted, routes = settings.slo, settings.metrics.critical_routes

    def still() -> None:
        since = canary.since()
        undecided(evidence, _SINCE, since, slo.latency(since, wanted, routes))

    prove(
        evidence,
        slo.over_window(list(windows.values()), wanted, routes).latency,
        doubts=doubts,
        then=still,
        expected=f"over all weights p{100 * wanted.latency_quantile:g} of {', '.join(routes)} surely below "
        f"{wanted.latency_seconds:g} s (runbook 4)",
        fix="find what the canary waits for on that route: its traces, its database; a histogram needs a bucket edge "
        "at or below the limit",
    )
