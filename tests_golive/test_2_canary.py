"""Sections 2.2 and 2.3 of the runbook: each weight of the canary, and its promotion."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from golive import slo
from golive.proving import undecided
from golive_fixtures.analysis import beating, problems
from golive_fixtures.promoting import ending_problems

if TYPE_CHECKING:
    from golive.config import Settings
    from golive.evidence import Recorder
    from golive_fixtures.analysis import RunFacts
    from golive_fixtures.canary import Canary
    from golive_fixtures.observation import Observation
    from golive_fixtures.promoting import Promoted

WEIGHTS = (10, 25, 50, 100)


@pytest.mark.p0
@pytest.mark.canary
@pytest.mark.criterion("2.2-step")
@pytest.mark.parametrize("weight", WEIGHTS, ids=str)
def test_the_weight_is_reached_and_holds(weight: int, canary: Canary, settings: Settings, evidence: Recorder) -> None:
    """Each weight MUST be reached by Ready pods of this very digest, hold for a window, and show in the traffic.

    Runbook: section 2.2
    """
    seen = canary.hold(weight)
    _described(seen, evidence)
    evidence.check(
        not seen.foreign,
        expected="nobody else changes the Rollout, its Services or its Ingress while its canary is walked",
        observed=seen.foreign or f"the same in {seen.looks} looks",
        fix="find out who and why; the release is taken back, start again when only this session acts",
    )
    evidence.check(
        not seen.strangers,
        expected=f"its pods run {', '.join(seen.digests)}",
        observed="; ".join(map(str, seen.strangers)) or f"{len(seen.pods)} pods, none runs anything else",
        fix="find out what the nodes pulled; the canary is not what was built",
    )
    evidence.check(
        seen.by_analysis or not seen.aborted,
        expected=f"nobody aborts it; what Argo's analysis says is judged by 2.2-analysis[{weight}]",
        observed=seen.aborted or "not aborted",
        fix="ask whoever aborted it; nothing of this release takes traffic any more",
    )
    if seen.by_analysis:
        return
    _pods_do_not_loop(seen, settings, evidence)
    seen.went_there()
    _is_there(seen, settings, evidence)
    if not seen.slo:  # decided against it while it held; that is for 2.2-errors, -latency and -burn to say
        _holds(seen, settings, evidence)
        _shows_in_the_traffic(seen, settings, evidence)
    seen.stood()


def _pods_do_not_loop(seen: Observation, settings: Settings, evidence: Recorder) -> None:
    evidence.check(
        not seen.looping,
        expected="its pods run without restarting again and again while they are watched",
        observed=seen.unsteady or f"{len(seen.pods)} pods, none restarted",
        fix=f"see why they died: kubectl -n {settings.target.namespace} logs POD --previous, and describe pod POD",
    )


def _is_there(seen: Observation, settings: Settings, evidence: Recorder) -> None:
    limit, namespace = settings.canary.step_seconds, settings.target.namespace
    evidence.check(
        seen.reached is not None,
        expected=f"weight {seen.weight} with {seen.wanted} Ready pods within {limit:g} s (canary.step_seconds)",
        observed=seen.ended_by if seen.reached is None else f"after {seen.reached:.1f} s",
        fix=f"kubectl -n {namespace} describe pods, and read their logs",
    )
    evidence.check(
        not seen.untold,
        expected="the node of each Ready pod says which image it runs",
        observed="; ".join(map(str, seen.untold)) or f"{seen.ready} Ready pods, each does",
        fix=f"kubectl -n {namespace} get pods -o yaml: status.containerStatuses[].imageID",
    )


def _holds(seen: Observation, settings: Settings, evidence: Recorder) -> None:
    evidence.check(
        seen.held,
        expected=f"it holds for {settings.canary.window_seconds:g} s (golive.toml: canary.window_seconds)",
        observed=seen.ended_by or "it held",
        fix=f"see why: kubectl -n {settings.target.namespace} get rollout,pods; the release is taken back",
    )


def _shows_in_the_traffic(seen: Observation, settings: Settings, evidence: Recorder) -> None:
    traffic = seen.counted()
    surely = traffic.bounds
    evidence.facts(
        "traffic",
        counted=f"{settings.metrics.requests} of the critical routes, over {traffic.seconds:.1f} s",
        canary=f"{traffic.canary:g} of {traffic.requests:g} requests: {traffic.share:.2%}",
        tolerance=f"{traffic.tolerance:.2%}: four standard errors of {traffic.error:.3%}, and 2 % for uneven traffic",
        gaps="\n".join(traffic.gaps) or "none",
    )
    evidence.check(
        traffic.fits,
        expected=f"the canary answers {seen.weight} % of the requests, give or take 2 % and chance",
        observed=f"{traffic.share:.2%} of {traffic.requests:g}: surely {surely.low:.2%} to {surely.high:.2%} are given",
        fix="see whether the ingress controller honours the weight, and whether traffic goes around it",
    )


def _described(seen: Observation, evidence: Recorder) -> None:
    evidence.facts(
        f"canary at {seen.weight} %",
        revision=f"{seen.revision} ({seen.identity.hash}, generation {seen.identity.generation})",
        observed=f"{seen.began} to {seen.ended}, {seen.looks} looks"
        f"{', by an earlier session of this record' if seen.resumed else ''}",
        weights=", ".join(map(str, seen.weights)),
        pods="\n".join(map(str, seen.pods)) or "none",
        gaps="\n".join(seen.gaps) or "none",
        unsteady=seen.unsteady or "no pod restarted or lost its readiness",
        ended_by=seen.ended_by or "its time",
    )


@pytest.mark.p0
@pytest.mark.canary
@pytest.mark.criterion("2.2-analysis")
@pytest.mark.parametrize("weight", WEIGHTS, ids=str)
def test_argos_own_analysis_agrees(weight: int, canary: Canary, settings: Settings, evidence: Recorder) -> None:
    """Every AnalysisRun of this revision MUST have measured what it was asked to, and found it good.

    Runbook: section 2.2
    """
    seen = canary.hold(weight)
    for run in seen.own_runs:
        evidence.facts(f"AnalysisRun {run.name}", **_run_facts(run))
    for run in seen.analysed():
        wrong = _wrong(run, seen)
        evidence.check(
            not wrong,
            expected=f"AnalysisRun {run.name} is {'under way' if run.background else 'Successful'} by what it measured",
            observed=f"{'; '.join(wrong)}; {'; '.join(map(str, run.metrics))}" if wrong else str(run),
            fix=f"kubectl -n {settings.target.namespace} describe analysisrun {run.name}; its queries: "
            f"{'; '.join(one.query for one in run.metrics if one.query) or 'none of Prometheus'}",
        )
    evidence.check(
        bool(seen.step_runs),
        expected=f"an AnalysisRun of revision {seen.revision} for weight {weight}",
        observed=", ".join(run.name for run in seen.step_runs or seen.own_runs) or "none at all",
        fix="put an analysis step between the weight and its pause, and have it reviewed again",
    )
    heartbeat = settings.heartbeat.template
    evidence.check(
        not heartbeat or any(run.background for run in seen.own_runs),
        expected=f"a background AnalysisRun that takes a lost driver's canary back ({heartbeat or 'not asked for'})",
        observed=", ".join(run.name for run in seen.own_runs if run.background) or "none",
        fix="name heartbeat.template in spec.strategy.canary.analysis of the reviewed Rollout",
    )


def _wrong(run: RunFacts, seen: Observation) -> tuple[str, ...]:
    """What lasts as long as the canary is not over yet; it must be good so far."""
    lasting = run.background and run.phase != "Successful"
    return (beating if lasting else problems)(run, seen.revision, seen.identity.hash)


def _run_facts(run: RunFacts) -> dict[str, str]:
    step = f", step {run.step}" if run.step is not None else ""
    said = f": {run.message}" if run.message else ""
    return {
        "phase": f"{run.phase}{said}{', terminated' if run.terminated else ''}",
        "kind": f"{run.kind}{step}, revision {run.revision}",
        **{f"metric {one.name}": str(one) for one in run.metrics},
    }


def _is_still_good(ended: Promoted, settings: Settings, evidence: Recorder) -> None:
    """What was good when it was observed may have gone bad while its approval was waited for."""
    slis = ended.slis
    if slis is None:
        return
    limits, routes = settings.slo, settings.metrics.critical_routes
    judged = (*slo.errors(slis, limits, routes), *slo.latency(slis, limits, routes), *slo.burn(slis, limits))
    undecided(evidence, "the time since 100 % was observed", slis, judged)


@pytest.mark.p0
@pytest.mark.promote
@pytest.mark.criterion("2.3-promoted")
def test_the_rollout_ends_healthy_on_the_new_revision(canary: Canary, settings: Settings, evidence: Recorder) -> None:
    """The canary that was held at 100 % MUST become the stable version, with the old one kept.

    Runbook: section 2.2
    """
    ended = canary.promote()
    view, limit = ended.view, settings.canary.step_seconds
    _is_still_good(ended, settings, evidence)
    evidence.check(
        not ended.refused,
        expected="this record's own canary, held at 100 % right before it is promoted",
        observed=ended.refused or ("promoted before, by this record" if ended.already else "held, then promoted"),
        fix="walk it first: pytest -m canary; nothing else is ever promoted",
    )
    wrong = ending_problems(ended)
    evidence.facts(
        "promoted",
        hash=ended.hash,
        phase=f"{view.phase} {view.message}".rstrip() if view else "unknown",
        weights=f"canary {view.canary_weight}, stable {view.stable_weight}" if view else "unknown",
        services="\n".join(f"{name} selects {seen}" for name, seen in ended.selectors.items()),
        pods=f"{len(ended.serving)} of {ended.wanted} Ready behind {settings.services.stable}",
        requests=f"{ended.traffic.canary:.0f} of {ended.traffic.requests:.0f}" if ended.traffic else "not counted",
        before=f"{ended.old}, revision {ended.old_revision or 'gone'}",
    )
    evidence.check(
        not wrong,
        expected=f"Healthy on {ended.hash} within {limit:g} s: stable, both Services, all weight, pods, requests",
        observed="; ".join(wrong) or "all of it",
        fix=f"kubectl -n {settings.target.namespace} describe rollout {settings.target.rollout}",
    )
    evidence.check(
        bool(ended.old_revision),
        expected=f"the ReplicaSet of the version before ({ended.old}) is still there, with its revision",
        observed=f"revision {ended.old_revision}" if ended.old_revision else "it is gone",
        fix="raise spec.revisionHistoryLimit; without it only the T0 template in the record brings that version back",
    )
