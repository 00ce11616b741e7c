"""Section 0 of the runbook: scope and preconditions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from golive.config import Settings
    from golive.criterion import Need
    from golive.evidence import Recorder
    from golive_fixtures.artifact import Artifact, Resolved
    from golive_fixtures.cluster import ClusterFacts
    from golive_fixtures.manifests import Manifests
    from golive_fixtures.permissions import Permissions
    from golive_fixtures.rollout import Rollout, ServiceFacts


@pytest.mark.p0
@pytest.mark.preflight
@pytest.mark.criterion("0.1-target")
def test_the_cluster_is_the_intended_one(cluster_facts: ClusterFacts, settings: Settings, evidence: Recorder) -> None:
    """The kubeconfig MUST lead to the cluster that golive.toml names, and its namespace MUST be there.

    Runbook: section 0
    """
    target = settings.target
    evidence.attach("context", f"{cluster_facts.context} ({cluster_facts.server})")
    evidence.attach("server version", cluster_facts.version)
    evidence.attach("kube-system UID", cluster_facts.uid)
    evidence.equal(
        f"UID of kube-system on {target.cluster} (golive.toml: target.cluster_uid)",
        expected=target.cluster_uid,
        observed=cluster_facts.uid,
        fix="point target.kubeconfig and target.context at the intended cluster; nothing was written to this one",
    )
    evidence.check(
        cluster_facts.namespace_exists,
        expected=f"namespace {target.namespace} exists (golive.toml: target.namespace)",
        observed="it does" if cluster_facts.namespace_exists else "there is none, or it is being deleted",
        fix=f"correct target.namespace, or create it: kubectl create namespace {target.namespace}",
    )


@pytest.mark.p0
@pytest.mark.preflight
@pytest.mark.criterion("0.1-access")
def test_the_credentials_can_do_what_this_run_will_do(
    permissions: Permissions, needs: tuple[Need, ...], settings: Settings, evidence: Recorder
) -> None:
    """The API server MUST allow every verb that the selected criteria and the rollback need.

    Runbook: section 0
    """
    reviewed = permissions.review(needs)
    evidence.attach("review", "\n".join(f"{'yes' if one.allowed else 'NO '} {one.need}" for one in reviewed))
    missing = [one.need for one in reviewed if not one.allowed]
    role = permissions.as_role(missing, settings.target.namespace)
    evidence.attach("Role for what is missing", role or "nothing is missing")
    evidence.check(
        not missing,
        expected=f"{len(reviewed)} permissions allowed (golive plan lists them)",
        observed=f"missing: {', '.join(str(need) for need in missing)}" if missing else "all allowed",
        fix=f"have this applied by somebody who may grant rights:\n{role}",
    )


@pytest.mark.p0
@pytest.mark.preflight
@pytest.mark.criterion("0.2-artifact")
def test_the_release_artifact_is_one_immutable_thing(
    artifact: Artifact, manifests: Manifests, settings: Settings, evidence: Recorder
) -> None:
    """The tag MUST resolve to the release's digest, whole for every platform, and the manifest MUST name that digest.

    Runbook: section 0
    """
    release = settings.release
    reference, found = f"{release.image}:{release.tag}", artifact.by_tag()
    digest = found.digest if found else "none"
    evidence.check(
        found is not None,
        expected=f"tag {reference} exists in the registry",
        observed=f"it does: {digest}" if found else "the registry has no such tag",
        fix="push the release again, or correct release.image and release.tag of golive.toml",
    )
    evidence.equal(
        f"digest of {reference} (golive.toml: release.digest)",
        expected=release.digest,
        observed=digest,
        fix="find out who moved the tag or which build this is; cut the release anew rather than change the digest",
    )
    for resolved in [found] if found else []:
        for platform in release.platforms:
            _is_whole(artifact, resolved, platform, evidence)
    named = {image.text: image.digest for image in manifests.images() if image.repository == release.image}
    evidence.check(
        bool(named) and set(named.values()) == {digest},
        expected=f"{manifests.path.name} names {release.image} with {digest}",
        observed=", ".join(named) or "no such image",
        fix="write IMAGE:TAG@DIGEST of this release into the manifest and have it reviewed again",
    )


def _is_whole(artifact: Artifact, found: Resolved, platform: str, evidence: Recorder) -> None:
    evidence.facts(
        f"image {found.reference}",
        digest=found.digest,
        media_type=found.media_type,
        platforms=", ".join(one.name for one in found.platforms) or "one, in its configuration",
        asked=", ".join(found.via),
        took=f"{found.seconds:.3f} s",
    )
    contents = artifact.whole(found, platform)
    evidence.facts(
        f"{platform} of {found.reference}",
        manifest=contents.manifest_digest or "none",
        configuration=contents.config_digest or "none",
        layers="\n".join(f"{one.digest} {one.size} bytes" for one in contents.layers) or "none",
    )
    evidence.check(
        not contents.problems,
        expected=f"{found.reference} is whole for {platform} (golive.toml: release.platforms)",
        observed="; ".join(contents.problems) or "all there",
        fix="build and push it for this platform: a node could not pull it as it is; or correct release.platforms",
    )


@pytest.mark.p0
@pytest.mark.preflight
@pytest.mark.criterion("0.3-rollouts")
def test_argo_rollouts_is_installed_and_its_controller_is_alive(
    rollout: Rollout, settings: Settings, evidence: Recorder
) -> None:
    """Argo's CRDs MUST be served, its controller Ready, and the rollout's newest generation observed.

    Runbook: section 0
    """
    found = rollout.installation()
    plugin = found.plugin or "not on PATH: golive rollback and golive status are the by-hand way"
    evidence.attach("kubectl argo rollouts", plugin)
    evidence.attach("controller", "\n".join(f"{p.name} {p.phase} {', '.join(p.images)}" for p in found.controllers))
    for crd in found.crds:
        evidence.check(
            crd.established and "v1alpha1" in crd.served,
            expected=f"CRD {crd.name} established and serving v1alpha1",
            observed=f"serves {', '.join(crd.served)}" if crd.exists else "there is no such CRD",
            fix="install Argo Rollouts with its CRDs: kubectl apply -n argo-rollouts -f the release's install.yaml",
        )
    ready = [pod.name for pod in found.controllers if pod.ready]
    seen = ", ".join(f"{pod.name} {pod.phase}" for pod in found.controllers) or "no such pod"
    evidence.check(
        bool(ready),
        expected=f"a Ready controller pod ({settings.argo.selector} in {settings.argo.namespace})",
        observed=f"Ready: {', '.join(ready)}" if ready else f"none Ready: {seen}",
        fix=f"kubectl -n {settings.argo.namespace} describe pods; without the controller no abort is carried out",
    )
    target = rollout.facts()
    known = [target] if target.exists else [one for one in rollout.all() if one.generation is not None]
    behind = [f"{one.name} {one.observed_generation} of {one.generation}" for one in known]
    evidence.check(
        any(one.observed_generation == one.generation for one in known),
        expected=f"observedGeneration equals generation: rollout {target.name}, or any other before the first release",
        observed=", ".join(behind) or "there is no rollout",
        fix="apply the rollout, or read the controller's log: "
        f"kubectl -n {settings.argo.namespace} logs deploy/argo-rollouts",
    )


@pytest.mark.p0
@pytest.mark.preflight
@pytest.mark.criterion("0.5-services")
def test_stable_and_canary_services_can_split_traffic(rollout: Rollout, settings: Settings, evidence: Recorder) -> None:
    """Services and Ingress MUST lead to the rollout's pods and be named by a rollout that Argo can carry out.

    Runbook: section 0
    """
    stable, canary = rollout.services()
    facts, routing = rollout.facts(), rollout.routing()
    for service in (stable, canary):
        evidence.attach(service.name, _described(service))
        _exists_and_selects(service, facts.template_labels, settings, evidence)
    evidence.check(
        stable.uid != canary.uid,
        expected="two different Services",
        observed="two" if stable.uid != canary.uid else f"one: {stable.name}",
        fix="name two Services in golive.toml: services.stable, services.canary",
    )
    ready = [one for one in stable.ready if facts.stable_hash in one.labels.values()]
    evidence.check(
        bool(ready),
        expected=f"Service {stable.name}: at least one Ready endpoint of the stable version ({facts.stable_hash})",
        observed=f"{len(ready)} of {len(stable.ready)} ready, {len(stable.not_ready)} not ready",
        fix=f"kubectl -n {settings.target.namespace} describe svc {stable.name}; without it nothing can be taken back",
    )
    evidence.check(
        routing.splits(stable.name, canary.name),
        expected=f"the rollout's trafficRouting names {stable.name} and {canary.name}",
        observed=f"it names {routing.stable_service or 'none'} and {routing.canary_service or 'none'}, "
        f"router: {', '.join(routing.routers) or 'none'}",
        fix="correct spec.strategy.canary of the rollout, or [services] of golive.toml",
    )
    _ingresses_lead_to_stable(rollout, stable, settings, evidence)
    seen = f"phase {facts.phase}{facts.message and f': {facts.message}'}"
    evidence.check(
        not facts.message.startswith("InvalidSpec"),
        expected=f"Argo accepts rollout {facts.name}: its message does not say InvalidSpec",
        observed=seen,
        fix="correct what the message names; until then Argo carries nothing out, an abort neither",
    )


def _ingresses_lead_to_stable(rollout: Rollout, stable: ServiceFacts, settings: Settings, evidence: Recorder) -> None:
    wanted, routing, namespace = settings.services.ingress, rollout.routing(), settings.target.namespace
    evidence.check(
        routing.names(wanted),
        expected=f"stable Ingress {wanted or 'not configured'}",
        observed=f"the rollout names {', '.join(routing.stable_ingresses) or 'none'}",
        fix="correct trafficRouting.nginx.stableIngress of the rollout, or services.ingress of golive.toml",
    )
    for one in [rollout.ingress(name) for name in routing.stable_ingresses]:
        seen = ", ".join(f"{name}:{port}" for name, port in one.backends) or "no Service"
        evidence.attach(f"Ingress {one.name}", seen if one.exists else "there is none")
        evidence.check(
            one.exists,
            expected=f"Ingress {one.name} exists in {namespace}",
            observed="it does" if one.exists else "there is no such Ingress",
            fix=f"create it: kubectl -n {namespace} apply -f {settings.release.manifest.name}, once reviewed",
        )
        evidence.check(
            one.leads_to(stable.name, stable.ports),
            expected=f"a rule of Ingress {one.name} leads to Service {stable.name}, and to a port it has",
            observed=f"its rules lead to {seen}; the Service has port {', '.join(map(str, stable.ports.values()))}",
            fix=f"correct spec.rules of Ingress {one.name}; Argo splits only what leads to the stable Service",
        )


def _exists_and_selects(service: ServiceFacts, labels: object, settings: Settings, evidence: Recorder) -> None:
    namespace = settings.target.namespace
    evidence.check(
        service.exists,
        expected=f"Service {service.name} exists in {namespace}",
        observed="it does" if service.exists else "there is no such Service",
        fix=f"create it from the reviewed manifest: kubectl -n {namespace} apply -f {settings.release.manifest.name}",
    )
    selects = isinstance(labels, dict) and service.selects(labels)
    evidence.check(
        selects,
        expected=f"Service {service.name} selects the rollout's pods ({labels})",
        observed=f"its selector is {dict(service.selector)}",
        fix=f"correct spec.selector of Service {service.name}; Argo adds the pod template hash itself",
    )
    evidence.check(
        not service.dead_ends,
        expected=f"each port of Service {service.name} leads to a port that a container of its pods declares",
        observed=f"nowhere: {', '.join(service.dead_ends)}" if service.dead_ends else "each does",
        fix=f"correct targetPort of Service {service.name}, or declare the containerPort in the rollout's template",
    )


def _described(service: ServiceFacts) -> str:
    ready = ", ".join(f"{one.address} ({one.pod})" for one in service.ready) or "none"
    return f"selector {dict(service.selector)}; ready endpoints: {ready}; not ready: {len(service.not_ready)}"
