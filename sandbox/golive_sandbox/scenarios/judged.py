"""The scenarios of the SLOs' judgement: what is bad goes back, what nobody sees goes back unproven, noise goes live.

Most begin when Argo's own analysis of the first weight has ended well: from then on only the suite's window is open.
Were they there from the start, Argo's own look at a few seconds might come first.
"""

from __future__ import annotations

from dataclasses import replace

from golive_sandbox.scenarios.moments import Moment
from golive_sandbox.scenarios.scenario import Found, Scenario, Verdict

_STEP, _ANALYSIS = "2.2-step[10]", "2.2-analysis[10]"
_ERRORS, _LATENCY, _BURN = "2.2-errors[10]", "2.2-latency[10]", "2.2-burn[10]"
_MUCH = 3000.0
"""Requests a second that tell 0.3 % from the limit of 0.5 % at every weight."""
_NEAR = 250.0
"""Requests a second of which a tenth, in the longest window, cannot tell 0.4 % from the limit."""


def _back(fault: str, criterion: str, *dependants: str, at: Moment = Moment.HELD_10, blind: bool = False) -> Scenario:
    """The walk ends at the first weight, and goes back."""
    moments = () if at is Moment.START else ((fault, at),)
    return Scenario(
        f"{fault}-{at.value}",
        (fault,),
        criterion,
        rollback=Found.CANARY,
        blind=blind,
        dependants=dependants,
        stage="canary",
        moments=moments,
    )


def _unseen(fault: str, criterion: str, at: Moment = Moment.HELD_10, rate: float | None = None) -> Scenario:
    """It can be said neither that it is good nor that it is bad."""
    return replace(_back(fault, criterion, at=at, blind=True), rate=rate)


def _live(
    fault: str, at: Moment = Moment.HELD_10, *, beside: tuple[str, ...] = (), rate: float | None = None
) -> Scenario:
    """The release is promoted all the same; what is ``beside`` is there from the start."""
    moments = ((fault, at),)
    return Scenario(
        f"{fault}-{at.value}", (fault, *beside), None, Verdict.GO, None, stage="canary", moments=moments, rate=rate
    )


def _seen_by_turns(bad: Scenario) -> Scenario:
    """The same, though one of two replicas tells old news."""
    replica = "prometheus-stale-replica"
    moments = (*bad.moments, (replica, Moment.HELD_10))
    return replace(bad, name=f"{bad.name}-{replica}", faults=(*bad.faults, replica), moments=moments)


# What ends a window early leaves the judgements that passed no limit yet undecided: those are dependants.
SCENARIOS = (
    _back("errors-2", _ERRORS, _BURN),
    _seen_by_turns(_back("errors-2", _ERRORS, _BURN)),
    _back("errors-on-one-route", _ERRORS, _BURN),
    _back("late-burst", _ERRORS, _BURN),
    _back("latency-on-one-route", _LATENCY, _ERRORS),
    _back("latency-in-canary", _LATENCY, _ERRORS),
    _back("slow-leak", _LATENCY, _ERRORS),
    # The canary's own errors are decided sooner than the burn of the whole service, over five minutes.
    _back("burn-accelerates", _ERRORS, _BURN),
    _back("stable-burns", _BURN, _ERRORS, _LATENCY),
    _back("alert-flaps", _BURN, _ERRORS, _LATENCY),
    _back("analysis-inconclusive", _ANALYSIS, _STEP, at=Moment.START),
    # Within the limit, and too near to it to be let through: not proven, never failed. From the window's begin, and of
    # so few that one in a hundred is let through (one in five, if it began later and of the usual rate).
    _unseen("errors-04", _ERRORS, Moment.AT_10, _NEAR),
    _unseen("no-traffic", _ERRORS),
    _unseen("little-traffic", _ERRORS, Moment.AT_10),
    _unseen("prometheus-gone-long", _STEP),
    _unseen("prometheus-lags", _STEP),
    _unseen("metrics-old", _STEP),
    _unseen("canary-series-missing", _STEP),
    _unseen("recording-rule-stopped", _STEP),
    _live("prometheus-gone-short"),
    _live("prometheus-restarted"),
    # What the other replica tells is enough, and what the old one tells is no news: neither good nor bad.
    _live("prometheus-stale-replica"),
    _live("missed-scrape"),
    _live("pod-rescheduled", Moment.AT_50),
    # Without an autoscaler it is somebody who scales the canary under way, and 2.2-step fails.
    _live("hpa-scales", Moment.AT_25, beside=("hpa-owned",)),
    _live("errors-03", rate=_MUCH),
)
