"""Section 2.1 of the runbook: the baseline, and the apply."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from golive.proving import known, measured, shown, told
from golive.slo_green import green
from golive_fixtures.manifests import judged_as_reviewed

if TYPE_CHECKING:
    from golive.config import Settings
    from golive.criterion import Ratified
    from golive.evidence import Recorder
    from golive_fixtures.applying import Applied
    from golive_fixtures.baseline import Baseline
    from golive_fixtures.canary import Canary
    from golive_fixtures.manifests import Manifests
    from golive_fixtures.metrics import Metrics


@pytest.mark.p0
@pytest.mark.canary
@pytest.mark.criterion("2.1-baseline")
def test_the_rollout_is_applied_on_a_healthy_baseline(
    canary: Canary,
    manifests: Manifests,
    metrics: Metrics,
    settings: Settings,
    ratified: Ratified,
    evidence: Recorder,
) -> None:
    """The reviewed Rollout MUST be applied only where the version before can be gone back to.

    Runbook: section 2.1
    """
    before = canary.baseline()
    evidence.facts(
        "baseline",
        rollout=before.state,
        looked_at=", ".join(before.room.seen),
        autoscalers=", ".join(before.scalers) or "none",
        owner=before.owner.name if before.owner else "no GitOps tool",
    )
    evidence.check(
        settings.armed,
        expected="the rollback is armed (golive.toml: armed = true)",
        observed="armed" if settings.armed else "disarmed",
        fix="decide it: a canary that nobody may take back is not started",
    )
    _walks_as_ratified(before, settings, ratified, evidence)
    judged_as_reviewed(manifests, settings, evidence)
    _can_be_proven_back(before, settings, evidence)
    _is_undisputed(before, settings, evidence)
    if not before.walked:
        _is_at_rest(before, settings, evidence)
        _has_room(before, settings, evidence)
        if before.view is not None:
            _is_green(before, metrics, settings, evidence)
    _is_under_way(canary.apply(), settings, evidence)


def _walks_as_ratified(before: Baseline, settings: Settings, ratified: Ratified, evidence: Recorder) -> None:
    reviewed, name = before.reviewed, settings.release.manifest.name
    wanted = tuple(row.step for row in ratified.criteria if row.id.startswith("2.2-step["))
    evidence.check(
        reviewed.steps.weights == wanted and not reviewed.steps.problems,
        expected=f"{name} holds the canary at {', '.join(map(str, wanted))} %, each with a pause: {{}}",
        observed="; ".join(reviewed.steps.problems) or f"it holds at {', '.join(map(str, reviewed.steps.weights))} %",
        fix="correct spec.strategy.canary.steps and have it reviewed again",
    )
    evidence.check(
        not reviewed.dynamic_scale and not reviewed.workload,
        expected="dynamicStableScale off, and the pods' template in the Rollout itself",
        observed=f"dynamicStableScale {'on' if reviewed.dynamic_scale else 'off'}, "
        f"{'a workloadRef' if reviewed.workload else 'its own template'}",
        fix="the stable version keeps its size and its template, so that going back waits for nothing",
    )
    evidence.check(
        not reviewed.probed,
        expected="no probe asks a route whose answers count (golive.toml: slo.routes, metrics.critical_routes)",
        observed="; ".join(reviewed.probed) or "none does",
        fix="probe another path, such as /readyz: the kubelet's requests would be counted as users', also where no "
        "user comes; then have it reviewed again",
    )
    heartbeat = settings.heartbeat.template
    evidence.check(
        not heartbeat or heartbeat in reviewed.background,
        expected=f"a background analysis with template {heartbeat or 'of your choice'} (heartbeat.template)",
        observed=", ".join(reviewed.background) or "no background analysis",
        fix="name it in spec.strategy.canary.analysis: it takes traffic back when the driver's machine is lost",
    )
    evidence.check(
        not reviewed.missing,
        expected="every AnalysisTemplate that the Rollout names is in the cluster",
        observed=f"not there: {', '.join(reviewed.missing)}" if reviewed.missing else "each is",
        fix=f"kubectl -n {settings.target.namespace} apply -f the reviewed templates (deploy/argo)",
    )


def _can_be_proven_back(before: Baseline, settings: Settings, evidence: Recorder) -> None:
    wanted = settings.services
    evidence.check(
        not before.misrouted,
        expected=f"stable {wanted.stable}, canary {wanted.canary}, ingress {wanted.ingress or 'not asked for'} "
        "(golive.toml: [services]) are there, and the Rollout names them, reviewed and live: they prove a rollback",
        observed="; ".join(before.misrouted) or "they are",
        fix="correct [services] of golive.toml; or spec.strategy.canary of the Rollout, and have it reviewed again",
    )


def _is_undisputed(before: Baseline, settings: Settings, evidence: Recorder) -> None:
    evidence.check(
        not before.driven,
        expected="nobody else drives this release",
        observed=before.driven or "nobody does",
        fix=f"wait for it; or, only when that session is really gone: kubectl -n {settings.target.namespace} "
        f"delete lease {settings.lease}",
    )
    owner = before.owner
    evidence.check(
        owner is None or not owner.known(),
        expected="no GitOps tool that puts its own version back by itself: it would fight a rollback",
        observed=f"{owner.name} {'heals by itself' if owner.heals else 'does not heal by itself'}" if owner else "none",
        fix=f"let it rest during the go-live: {owner.command if owner else 'nothing'}",
    )


def _is_at_rest(before: Baseline, settings: Settings, evidence: Recorder) -> None:
    first = before.view is None and settings.canary.first_cutover
    evidence.check(
        first or before.at_rest,
        expected="the rollout is Healthy on a stable version",
        observed=before.state,
        fix="let it come to rest on a good version first; a first deployment, which Argo promotes without any step, "
        "needs canary.first_cutover = true",
    )
    evidence.check(
        before.release is False,
        expected="that version is another one than the release, and known by digest or by its pods",
        observed={True: "it is the release: somebody has started it", None: "not known: a tag tells nothing"}.get(
            before.release, "it is another one"
        ),
        fix="what this record did not apply was not judged: take it back first (golive rollback), then start again",
    )
    evidence.check(
        not before.strangers and not before.conflict.stale,
        expected="the apply takes over no field of another manager (golive.toml: canary.field_managers)",
        observed=_conflicts(before),
        fix="take those fields out of the manifest, or name their manager if it deployed this Rollout before",
    )


def _conflicts(before: Baseline) -> str:
    if before.strangers or before.conflict.stale:
        return before.conflict.said
    return f"only from {', '.join(before.conflict.managers)}" if before.conflict.managers else "no conflict"


def _has_room(before: Baseline, settings: Settings, evidence: Recorder) -> None:
    room, grow = before.room, settings.canary.nodes_grow
    evidence.check(
        not room.quotas,
        expected=f"quota for {room.more} more pods: at 100 % both versions are whole",
        observed="; ".join(room.quotas) or "enough",
        fix="raise the ResourceQuota before the go-live, or release with fewer replicas",
    )
    evidence.check(
        not room.nodes,
        expected=f"place for {room.more} more pods on the nodes{' (they grow: canary.nodes_grow)' if grow else ''}",
        observed="; ".join(room.nodes) or "enough",
        fix="add nodes or free some; where an autoscaler adds them in time, say canary.nodes_grow = true",
    )
    evidence.check(
        not room.disruptions,
        expected="PodDisruptionBudgets of its pods are healthy",
        observed="; ".join(room.disruptions) or "they are, or there is none",
        fix="see why pods of the stable version are missing before a canary is started",
    )


def _is_green(before: Baseline, metrics: Metrics, settings: Settings, evidence: Recorder) -> None:
    """The stable version's own SLOs; only what stands before the apply can be compared with what comes after."""
    where = "the stable version"
    slis = measured(before.slis, where)
    told(evidence, where, slis)
    found = green(slis, settings.slo, settings.metrics.critical_routes)
    shown(evidence, found.judged)
    evidence.check(
        not found.red,
        expected="the stable version's SLOs are green before anything is applied (runbook 2.1)",
        observed="; ".join(found.red or [one.words for one in found.judged]),
        fix="make the stable version well first: on a service that breaks its SLOs no release can be judged",
    )
    rules = [one for one in metrics.look().rules() if one.name in settings.prometheus.rules]
    fires = list(dict.fromkeys([*found.firing, *(one.name for one in rules if one.state == "firing")]))
    evidence.facts("SLO alerts", **{one.name: one.state or "no state" for one in rules})
    evidence.check(
        not fires,
        expected="no SLO alert fires before anything is applied (golive.toml: prometheus.rules; runbook 2.1)",
        observed=", ".join(fires) or "none fires",
        fix="end what it fires for, and wait until it has ceased; a silence does not make it green",
    )
    known(found.doubts, "the stable version's SLOs are green (runbook 2.1)")


def _is_under_way(applied: Applied, settings: Settings, evidence: Recorder) -> None:
    refused = applied.refused
    evidence.check(
        refused is None,
        expected=refused.expected
        if refused
        else f"{settings.release.manifest.name}: its Rollout is applied, and only it",
        observed=refused.observed if refused else "taken up again" if applied.resumed else "applied",
        fix=refused.fix if refused else "nothing",
    )
    evidence.facts(
        "applied",
        state=applied.state,
        fields_taken_over_from=", ".join(applied.took) or "nobody",
        pods="\n".join(map(str, applied.pods)) or "none that told",
    )
    evidence.check(
        applied.observed,
        expected=f"the controller gives it a hash of its own within {settings.canary.step_seconds:g} s",
        observed=applied.state,
        fix=f"read the controller's log: kubectl -n {settings.argo.namespace} logs deploy/argo-rollouts",
    )
    evidence.check(
        not applied.wrong,
        expected=f"canary pods run {settings.release.digest}, or its image for their platform",
        observed="; ".join(map(str, applied.wrong)) or f"{len(applied.pods)} pods seen, none runs anything else",
        fix="find out what the nodes pulled (a mirror? a webhook that rewrites images?); it is not what was built",
    )
