"""Section 2.2 of the runbook: the SLOs of each weight of the canary, judged with how sure we are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from golive import slo
from golive.proving import counted, prove

if TYPE_CHECKING:
    from golive.config import Settings
    from golive.evidence import Recorder
    from golive.slis import Slis
    from golive_fixtures.canary import Canary

WEIGHTS = (10, 25, 50, 100)
BESIDE_STABLE = (10, 25, 50)


def _window(weight: int, canary: Canary, settings: Settings, evidence: Recorder) -> tuple[Slis, tuple[str, ...]]:
    """What was counted at a weight, and why it may prove nothing."""
    seen = canary.hold(weight)
    return counted(evidence, f"weight {weight}", seen.slis, seen.ended_by, settings)


@pytest.mark.p0
@pytest.mark.canary
@pytest.mark.criterion("2.2-errors")
@pytest.mark.parametrize("weight", WEIGHTS, ids=str)
def test_too_few_answers_are_a_5xx_to_matter(
    weight: int, canary: Canary, settings: Settings, evidence: Recorder
) -> None:
    """The canary's share of 5xx MUST surely be below the limit over the window, and on no critical route over it.

    Runbook: section 2.2
    """
    slis, doubts = _window(weight, canary, settings, evidence)
    whole, *routes = slo.errors(slis, settings.slo, settings.metrics.critical_routes)
    prove(
        evidence,
        [whole],
        vetoes=routes,
        doubts=doubts,
        expected=f"weight {weight}: surely less than {settings.slo.error_limit:.2%} of the canary's answers are a 5xx "
        f"(runbook 2.2), and on no critical route surely more",
        fix=f"read the canary's logs for those answers: kubectl -n {settings.target.namespace} logs "
        "-l rollouts-pod-template-hash=HASH (2.2-step has the hash); the release is taken back",
    )


@pytest.mark.p0
@pytest.mark.canary
@pytest.mark.criterion("2.2-latency")
@pytest.mark.parametrize("weight", WEIGHTS, ids=str)
def test_each_critical_route_answers_in_time(
    weight: int, canary: Canary, settings: Settings, evidence: Recorder
) -> None:
    """The latency quantile of each critical route of the canary MUST surely be below the limit over the window.

    Runbook: section 2.2
    """
    slis, doubts = _window(weight, canary, settings, evidence)
    wanted = settings.slo
    prove(
        evidence,
        slo.latency(slis, wanted, settings.metrics.critical_routes),
        doubts=doubts,
        expected=f"weight {weight}: p{100 * wanted.latency_quantile:g} of {', '.join(settings.metrics.critical_routes)}"
        f" surely below {wanted.latency_seconds:g} s (runbook 2.2)",
        fix="find what the canary waits for on that route: its traces, its database, a cold cache; a histogram needs a "
        "bucket edge at or below the limit",
    )


@pytest.mark.p0
@pytest.mark.canary
@pytest.mark.criterion("2.2-burn")
@pytest.mark.parametrize("weight", WEIGHTS, ids=str)
def test_the_error_budget_burns_no_faster(weight: int, canary: Canary, settings: Settings, evidence: Recorder) -> None:
    """The error budget MUST burn below the configured factors, no faster than at T0, and no SLO alert begin to fire.

    Runbook: section 2.2
    """
    slis, doubts = _window(weight, canary, settings, evidence)
    wanted = settings.slo
    prove(
        evidence,
        slo.burn(slis, wanted),
        doubts=doubts,
        expected=f"weight {weight}: burn below {wanted.burn_fast:g} (5 min and 1 h; the canary alone, 5 min) and below "
        f"{wanted.burn_slow:g} (30 min and 6 h), not growing {wanted.burn_growth:g}-fold since T0, no SLO alert that "
        "began to fire (runbook 2.2)",
        fix="read the alert and the burn of the whole service: where stable burns too, it is not this release alone; "
        "either way this is no time for a go-live",
    )


@pytest.mark.p1
@pytest.mark.canary
@pytest.mark.criterion("2.2-compare")
@pytest.mark.parametrize("weight", BESIDE_STABLE, ids=str)
def test_the_canary_is_no_worse_than_stable(
    weight: int, canary: Canary, settings: Settings, evidence: Recorder
) -> None:
    """The canary's share of 5xx MUST not surely be higher than the stable version's over the same window.

    Runbook: section 2.2
    """
    slis, doubts = _window(weight, canary, settings, evidence)
    prove(
        evidence,
        [slo.compare(slis, settings.slo)],
        doubts=doubts,
        expected=f"weight {weight}: the canary's share of 5xx is not surely {settings.slo.compare_worse:.2%} above the "
        "stable version's (runbook 2.2)",
        fix="compare both versions' logs over the window; below the limit it does not stop the release, and is to be "
        "acknowledged",
    )
