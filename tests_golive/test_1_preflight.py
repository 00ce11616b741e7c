"""Section 1 of the runbook: preflight validation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from golive_fixtures.manifests import judged_as_reviewed

if TYPE_CHECKING:
    from golive.config import Settings
    from golive.evidence import Recorder
    from golive_fixtures.manifests import Manifests


@pytest.mark.p0
@pytest.mark.preflight
@pytest.mark.criterion("1.1-manifests")
def test_the_manifests_are_what_was_reviewed(manifests: Manifests, settings: Settings, evidence: Recorder) -> None:
    """The reviewed manifest MUST be a canary of this very release that the API server accepts.

    Runbook: section 1.1
    """
    rollout = settings.target.rollout
    objects = manifests.objects()
    evidence.attach("manifest", f"{manifests.path.name} sha256 {manifests.sha256()}, {len(objects)} objects")
    _holds_the_release(manifests, settings, evidence)
    names = [one.name for one in objects if one.kind == "Rollout"]
    evidence.equal(
        "Rollouts in the manifest (golive.toml: target.rollout)",
        expected=[rollout],
        observed=names,
        fix="review the manifest of this very rollout, and only this one",
    )
    for one in objects:
        answer = manifests.dry_run(one)
        evidence.attach(f"diff {answer.title}", answer.diff or "no difference")
        evidence.check(
            answer.accepted,
            expected=f"the API server accepts {answer.title} in a server-side dry run",
            observed="accepted" if answer.accepted else answer.reason,
            fix="correct the manifest; kubectl apply --server-side --dry-run=server -f shows the same",
        )
    judged_as_reviewed(manifests, settings, evidence)
    _names_what_splits_the_traffic(manifests, settings, evidence)
    plan = manifests.plan(rollout)
    evidence.check(
        not plan.skips,
        expected="steps that wait at each weight for a promotion, at the end setWeight: 100 and pause: {}",
        observed=plan.skips or "each weight waits for a promotion, 100 % too",
        fix="correct spec.strategy.canary.steps and have it reviewed again; what is skipped is not judged",
    )
    evidence.check(
        plan.replicas is None or plan.replicas > 0,
        expected="spec.replicas of at least 1, or left out where an autoscaler owns it",
        observed=f"replicas {'left out' if plan.replicas is None else plan.replicas}",
        fix="correct spec.replicas of the Rollout: without a pod nothing answers",
    )


def _holds_the_release(manifests: Manifests, settings: Settings, evidence: Recorder) -> None:
    release, images = settings.release, manifests.images()
    wanted = f"{release.image}:{release.tag}@{release.digest}"
    seen = ", ".join(image.text for image in images) or "no image"
    ours = [image for image in images if image.repository == release.image]
    evidence.check(
        bool(ours) and all((image.tag, image.digest) == (release.tag, release.digest) for image in ours),
        expected=f"every {release.image} in {manifests.path.name} is {wanted} (golive.toml: [release])",
        observed=seen,
        fix="write IMAGE:TAG@DIGEST of this release into the manifest and have it reviewed again",
    )
    containers = manifests.plan(settings.target.rollout).containers
    evidence.check(
        any(image.text == wanted for image in containers),
        expected=f"a container of Rollout {settings.target.rollout} (spec.template.spec.containers) runs {wanted}",
        observed=", ".join(image.text for image in containers) or "no container",
        fix="an init container does not answer requests: put the release's image into spec.template.spec.containers",
    )
    loose = [image.text for image in images if not image.pinned]
    evidence.check(
        not loose,
        expected="every image pinned by its digest",
        observed=f"without: {', '.join(loose)}" if loose else "every one is",
        fix="write IMAGE:TAG@sha256:... for each of them: a tag can be moved after the review",
    )


def _names_what_splits_the_traffic(manifests: Manifests, settings: Settings, evidence: Recorder) -> None:
    services, routing = settings.services, manifests.plan(settings.target.rollout).routing
    titles = [one.title for one in manifests.objects()]
    ingress = services.ingress
    wanted = [f"Service/{services.stable}", f"Service/{services.canary}", *([f"Ingress/{ingress}"] if ingress else [])]
    evidence.check(
        set(wanted) <= set(titles),
        expected=f"among the objects: {', '.join(wanted)} (golive.toml: [services])",
        observed=", ".join(titles),
        fix="put them into the reviewed manifest: what splits the traffic is reviewed too",
    )
    named = ingress is None or ingress in routing.stable_ingresses
    evidence.check(
        routing.splits(services.stable, services.canary) and named,
        expected=f"its trafficRouting names {', '.join(name.partition('/')[2] for name in wanted)}",
        observed=f"it names {routing.stable_service or 'none'}, {routing.canary_service or 'none'}, "
        f"{', '.join(routing.stable_ingresses) or 'no Ingress'}, router: {', '.join(routing.routers) or 'none'}",
        fix="correct spec.strategy.canary of the Rollout, or [services] of golive.toml",
    )
    for facts in [manifests.ingress(ingress)] if ingress else []:
        seen = ", ".join(f"{name}:{port}" for name, port in facts.backends) or "no Service"
        evidence.check(
            facts.leads_to(services.stable, manifests.ports(services.stable)),
            expected=f"a rule of Ingress {facts.name} leads to Service {services.stable}, and to a port it has",
            observed=f"its rules lead to {seen}",
            fix=f"correct spec.rules of Ingress {facts.name}; Argo splits only what leads to the stable Service",
        )
