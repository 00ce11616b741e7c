"""The catalogue of faults: each one broken thing that can be switched on and off in a running world."""

from __future__ import annotations

from dataclasses import replace

from golive_sandbox.errors import SandboxError
from golive_sandbox.scenarios import (
    access,
    alerting,
    artifact,
    coming,
    gitops,
    machines,
    metrics,
    monitoring,
    people,
    releases,
    seeing,
    services,
    signatures,
    slis,
)
from golive_sandbox.scenarios.fault import Fault, forbidden, manifest, settings
from golive_sandbox.world import argo, judges, monitors, paths, rights
from golive_sandbox.world.release import WEIGHTS
from golive_sandbox.world.world import World

_CRD = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/analysistemplates.argoproj.io"


async def _crd_away(world: World) -> None:
    world.saved["argo-crd-missing"] = paths.stripped(await world.api.get(_CRD))
    await world.plane.remove_crd(_CRD)


async def _crd_back(world: World) -> None:
    await world.plane.install_crd(world.saved.pop("argo-crd-missing"))
    # The templates went with it.
    await judges.apply(world.plane, world.namespace, monitors.address(world.namespace))


async def _controller_away(world: World) -> None:
    await argo.scale(world.plane, 0)


async def _controller_back(world: World) -> None:
    await argo.scale(world.plane, 1)


def _no_manifest_writes(rules: tuple[rights.Rule, ...]) -> tuple[rights.Rule, ...]:
    for resource in ("services", "ingresses"):
        rules = rights.without(rules, resource, ("create", "patch"))
    return rules


_TARGET = (
    settings(
        "wrong-cluster",
        "golive.toml names another cluster's identity",
        lambda now: replace(now, cluster_uid="00000000-0000-4000-8000-000000000000"),
    ),
    Fault("namespace-missing", "the release's namespace is deleted", World.delete_namespace, World.create_objects),
    Fault("api-unreachable", "nobody listens where the kubeconfig says", access.elsewhere, access.restored),
    Fault("credentials-rejected", "another authority signed the user's certificate", access.foreign, access.restored),
)
_RIGHTS = (
    forbidden(
        "status-patch-forbidden",
        "the suite's user may not patch rollouts/status, so it could neither promote nor abort",
        lambda rules: rights.without(rules, "rollouts/status", ("patch",)),
    ),
    forbidden(
        "rollout-patch-forbidden",
        "the suite's user may not patch rollouts, so it could neither apply nor restore",
        lambda rules: rights.without(rules, "rollouts", ("patch",)),
    ),
    forbidden("manifest-apply-forbidden", "the suite's user may not apply Services and Ingresses", _no_manifest_writes),
)
_ARGO = (
    Fault(
        "argo-controller-down",
        "the Argo Rollouts controller is scaled to nothing",
        _controller_away,
        _controller_back,
        own_plane=True,
    ),
    Fault("argo-crd-missing", "Argo's AnalysisTemplate CRD is deleted", _crd_away, _crd_back, own_plane=True),
)
_SERVICES = (
    Fault(
        "canary-service-missing",
        "Service maestro-server-canary is deleted",
        services.canary_away,
        services.canary_back,
    ),
    Fault(
        "stable-without-endpoints",
        "the stable version is scaled to nothing",
        services.scale_to_nothing,
        services.scale_back,
    ),
    Fault(
        "stable-selects-other-pods",
        "the stable Service selects pods that are not the rollout's",
        services.select(services.STABLE, "somebody-else"),
        services.select(services.STABLE, services.STABLE),
    ),
    Fault(
        "canary-selects-other-pods",
        "the canary Service selects pods that are not the rollout's",
        services.select(services.CANARY, "somebody-else"),
        services.select(services.CANARY, services.STABLE),
    ),
    Fault(
        "routing-names-other-service",
        "the live Rollout sends its canary through another Service than golive.toml names",
        services.route_elsewhere,
        services.route_back,
    ),
    Fault("ingress-missing", "the stable Ingress is deleted", services.ingress_away, services.ingress_back),
    Fault(
        "ingress-routes-elsewhere",
        "the stable Ingress leads to another Service than the stable one",
        services.lead(services.OTHER),
        services.lead(services.STABLE),
    ),
    Fault(
        "stable-leads-to-no-port",
        "the stable Service's port leads to one that no container has",
        services.target(9999),
        services.target(4000),
    ),
)
_MANIFEST = (
    manifest(
        "manifest-unknown-field",
        "the reviewed manifest has a misspelt field",
        r"^  progressDeadlineSeconds:",
        "  progressDeadlineSecond:",
    ),
    manifest(
        "manifest-other-digest",
        "the reviewed manifest names another image than the release",
        r"@sha256:[0-9a-f]{64}",
        "@sha256:" + "0" * 64,
    ),
    manifest(
        "manifest-refused",
        "the API server refuses the reviewed manifest",
        r"^    - name: http\n      port: 4000",
        "    - name: http\n      port: 70000",
    ),
    manifest("manifest-other-tag", "the reviewed manifest has another tag at the digest", r":v[0-9.]+@", ":v0.0.1@"),
    manifest(
        "manifest-skips-canary",
        "the reviewed manifest sends its canary through the stable Service",
        r"^      canaryService: \S+",
        "      canaryService: maestro-server",
    ),
    manifest(
        "manifest-without-steps",
        "the reviewed manifest has no canary steps",
        r"^      steps:\n(        - .*\n)+",
        "      steps: []\n",
    ),
)
_PEOPLE = (
    settings("role-empty", "nobody is named as SRE", lambda now: now.with_person("sre", "")),
    settings(
        "one-person-two-roles",
        "the release driver approves the own release",
        lambda now: now.with_person("approver", now.people["release_driver"]),
    ),
    settings("approver-empty", "an approver without a name is given", lambda now: now.with_person("approver", "")),
    settings(
        "approver-unseen",
        "the release driver approves the own release, with a character that nobody sees in the name",
        lambda now: now.with_person("approver", f"\u200b{now.people['release_driver']}"),
    ),
)
_RELEASES = (
    *(releases.canary(weight) for weight in WEIGHTS),
    Fault(
        "canary-paused-by-hand",
        "somebody has paused the running canary at 25 %: spec.paused",
        releases.paused_by_hand,
        releases.unpaused,
    ),
    Fault("canary-never-ready", "the release's pods start and are never Ready", releases.never_ready, releases.back),
    Fault("canary-aborted", "somebody has aborted the canary, and restored nothing", releases.aborted, releases.back),
    Fault(
        "release-taken-back",
        "somebody has aborted the canary and restored the stable version; the release's pods are still there",
        releases.taken_back,
        releases.forgotten,
    ),
    Fault("release-promoted", "somebody has promoted the release: it is stable", releases.promoted, releases.back),
    Fault(
        "other-canary-at-25",
        "a version that is not the release under test is paused at 25 %",
        releases.other_canary,
        releases.back,
    ),
)

JUDGED: tuple[Fault, ...] = (*slis.FAULTS, *seeing.FAULTS, *slis.NOISE)
"""What the SLOs' judgement has to tell apart: bad, blind, and nothing at all."""
UNDER_WAY: tuple[Fault, ...] = (*coming.FAULTS, *people.FAULTS, *machines.FAULTS, *gitops.FAULTS, *JUDGED)
"""What happens while the release is under way: in ``scenarios.walks``, mostly at a moment of it."""
FAULTS: tuple[Fault, ...] = (
    *_TARGET,
    *_RIGHTS,
    *artifact.FAULTS,
    *signatures.FAULTS,
    *_ARGO,
    *_SERVICES,
    *_MANIFEST,
    *metrics.FAULTS,
    *monitoring.FAULTS,
    *alerting.FAULTS,
    *_PEOPLE,
    *_RELEASES,
    *UNDER_WAY,
)
"""In the order of the criteria they make fail; what somebody did with the release comes last."""


def named(name: str) -> Fault:
    """One fault. Raises ``SandboxError`` naming all when there is none of that name."""
    for fault in FAULTS:
        if fault.name == name:
            return fault
    raise SandboxError(f"expected a fault of: {', '.join(fault.name for fault in FAULTS)}; got {name!r}")
