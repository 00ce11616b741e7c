"""The scenarios: a world with faults, the criterion that must fail, and the verdict that must follow."""

from __future__ import annotations

from dataclasses import replace

from golive_sandbox.errors import SandboxError
from golive_sandbox.scenarios import walks
from golive_sandbox.scenarios.scenario import Found, Scenario, Verdict

__all__ = ["CLEAN", "SCENARIOS", "Found", "Scenario", "Verdict", "named"]
CLEAN = "clean"


def _one(fault: str, criterion: str, *dependants: str, rollback: Found | None = Found.NOT_STARTED) -> Scenario:
    return Scenario(fault, (fault,), criterion, dependants=dependants, rollback=rollback)


def _go(fault: str) -> Scenario:
    """Nothing is wrong: the suite leaves the release where it is."""
    return Scenario(fault, (fault,), None, Verdict.GO, None)


def _with(
    state: str,
    fault: str,
    criterion: str,
    *dependants: str,
    found: Found | None = Found.CANARY,
    proven: bool = True,
) -> Scenario:
    """Somebody did something with the release, and then a p0 fails."""
    name = f"{state}-{fault}"
    return Scenario(name, (state, fault), criterion, rollback=found, proven=proven, dependants=dependants)


_ARTIFACT = "0.2-artifact"
_SIGNATURE, _SBOM, _PROVENANCE = "1.4-signature", "1.4-sbom", "1.4-provenance"
_BESIDE = (_SIGNATURE, _SBOM, _PROVENANCE)
"""All of them are read beside the image."""
_SERVER, _PROMETHEUS, _RULES, _ALERTMANAGER = "1.2-metrics", "1.2-prometheus", "1.2-rules", "1.2-alertmanager"
_AFTER_TARGET = (
    "0.1-access",
    _ARTIFACT,
    "0.3-rollouts",
    "0.5-services",
    "1.1-manifests",
    *(_SERVER, _PROMETHEUS, _RULES, _ALERTMANAGER),
    *_BESIDE,
    "6-raci",
)
"""Without knowing whose cluster it is, nothing else is looked at."""


def _blind(fault: str) -> Scenario:
    return replace(_one(fault, "0.1-target", *_AFTER_TARGET, rollback=Found.UNKNOWN), blind=True, proven=False)


def _unseen(fault: str, criterion: str, *dependants: str) -> Scenario:
    """What the criterion is about cannot be observed: neither good nor bad."""
    return replace(_one(fault, criterion, *dependants), blind=True)


_OBSERVABILITY = (
    # What a server does not say, or not well, Prometheus does not have.
    _one("metrics-empty", _SERVER, _PROMETHEUS),
    _one("metrics-malformed", _SERVER, _PROMETHEUS),
    _one("metrics-no-slo", _SERVER, _PROMETHEUS),
    _one("metrics-error", _SERVER, _PROMETHEUS),
    _one("metrics-html", _SERVER, _PROMETHEUS),
    _unseen("metrics-cut", _SERVER, _PROMETHEUS),
    _unseen("metrics-huge", _SERVER, _PROMETHEUS),
    _unseen("metrics-slow", _SERVER, _PROMETHEUS),
    _one("metrics-old", _PROMETHEUS),
    _one("one-pod-not-scraped", _PROMETHEUS),
    # Nothing is known of the rules of a Prometheus that cannot be asked.
    _one("prometheus-down", _PROMETHEUS, _RULES),
    _unseen("prometheus-slow", _PROMETHEUS, _RULES),
    _unseen("prometheus-html", _PROMETHEUS, _RULES),
    _unseen("prometheus-cut", _PROMETHEUS, _RULES),
    _unseen("prometheus-huge", _PROMETHEUS, _RULES),
    _unseen("prometheus-other-type", _PROMETHEUS, _RULES),
    _unseen("prometheus-warnings", _PROMETHEUS),
    _one("prometheus-not-ready", _PROMETHEUS),
    _one("prometheus-pod-not-ready", _PROMETHEUS),
    _one("rule-missing", _RULES),
    _one("rule-failing", _RULES),
    _one("rule-never-evaluated", _RULES),
    _one("rules-stale", _RULES),
    _one("prometheus-tells-nobody", _RULES),
    _one("alertmanager-one-down", _ALERTMANAGER),
    _one("alertmanager-down", _ALERTMANAGER, _RULES),
    _one("alertmanager-route-missing", _ALERTMANAGER),
    _one("alertmanager-route-shadowed", _ALERTMANAGER),
    _one("alertmanager-receiver-without-pagerduty", _ALERTMANAGER),
    _one("alertmanager-pair-differs", _ALERTMANAGER),
    _unseen("alertmanager-html", _ALERTMANAGER),
)

# Nothing is written to a cluster, or a namespace, that is not the intended one: the hook is not called.
_PREFLIGHT = (
    _one("wrong-cluster", "0.1-target", *_AFTER_TARGET, rollback=None),
    _one("namespace-missing", "0.1-target", *_AFTER_TARGET, rollback=None),
    _blind("api-unreachable"),
    _blind("credentials-rejected"),
    _one("status-patch-forbidden", "0.1-access"),
    _one("rollout-patch-forbidden", "0.1-access", "1.1-manifests"),
    _one("manifest-apply-forbidden", "0.1-access", "1.1-manifests"),
    _one("tag-missing", _ARTIFACT),
    _one("tag-moved", _ARTIFACT),
    _one("digest-of-another-image", _ARTIFACT, *_BESIDE),
    _one("platform-missing", _ARTIFACT),
    _unseen("registry-lying", _ARTIFACT, *_BESIDE),
    _unseen("registry-lying-blob", _ARTIFACT),
    _unseen("registry-slow", _ARTIFACT, *_BESIDE),
    _unseen("registry-down", _ARTIFACT, *_BESIDE),
    _unseen("registry-error", _ARTIFACT, *_BESIDE),
    _unseen("registry-html", _ARTIFACT, *_BESIDE),
    _unseen("registry-cut", _ARTIFACT, *_BESIDE),
    _unseen("registry-huge", _ARTIFACT, *_BESIDE),
    _unseen("registry-wrong-encoding", _ARTIFACT, *_BESIDE),
    _unseen("registry-redirecting", _ARTIFACT, *_BESIDE),
    _unseen("registry-redirect-loop", _ARTIFACT, *_BESIDE),
    _unseen("registry-unauthorized", _ARTIFACT, *_BESIDE),
    _one("argo-controller-down", "0.3-rollouts"),
    _one("argo-crd-missing", "0.3-rollouts"),
    _one("canary-service-missing", "0.5-services"),
    _one("stable-without-endpoints", "0.5-services", _SERVER, _PROMETHEUS),
    _one("stable-selects-other-pods", "0.5-services"),
    _one("canary-selects-other-pods", "0.5-services"),
    _one("routing-names-other-service", "0.5-services"),
    _one("ingress-missing", "0.5-services"),
    _one("ingress-routes-elsewhere", "0.5-services"),
    _one("stable-leads-to-no-port", "0.5-services"),
    _one("manifest-unknown-field", "1.1-manifests"),
    _one("manifest-other-digest", _ARTIFACT, "1.1-manifests"),
    _one("manifest-refused", "1.1-manifests"),
    _one("manifest-other-tag", "1.1-manifests"),
    _one("manifest-skips-canary", "1.1-manifests"),
    _one("manifest-without-steps", "1.1-manifests"),
    _one("role-empty", "6-raci"),
    _one("one-person-two-roles", "6-raci"),
    _one("approver-empty", "6-raci"),
    _one("approver-unseen", "6-raci"),
)
_SUPPLY_CHAIN = (
    _one("unsigned", _SIGNATURE),
    _one("signed-by-another-repository", _SIGNATURE),
    _one("signed-by-a-fork", _SIGNATURE),
    _one("signed-from-another-branch", _SIGNATURE),
    _one("certificate-expired", _SIGNATURE),
    _one("signature-tampered", _SIGNATURE),
    _one("payload-tampered", _SIGNATURE),
    _one("log-entry-missing", _SIGNATURE),
    _one("signature-of-another-image", _SIGNATURE),
    # What lies beside the older image is of its own tag.
    _one("tag-moved-after-signature", _SIGNATURE, _SBOM, _PROVENANCE),
    _one("sbom-missing", _SBOM),
    _one("sbom-of-another-image", _SBOM),
    _one("sbom-empty", _SBOM),
    # A p1 is shown, and makes no NO-GO.
    Scenario("provenance-of-another-builder", ("provenance-of-another-builder",), _PROVENANCE, Verdict.GO, None),
)
_UNDER_WAY = (
    _go("canary-at-25"),
    _go("canary-aborted"),
    _go("canary-never-ready"),
    _go("release-promoted"),
    *(_with(f"canary-at-{weight}", "role-empty", "6-raci") for weight in (10, 25, 50, 100)),
    _with("canary-at-25", "manifest-other-digest", _ARTIFACT, "1.1-manifests"),
    _with("canary-at-25", "status-patch-forbidden", "0.1-access"),
    _with("canary-paused-by-hand", "role-empty", "6-raci"),
    _with("canary-never-ready", "role-empty", "6-raci"),
    _with("canary-aborted", "role-empty", "6-raci"),
    _with("release-taken-back", "role-empty", "6-raci", found=Found.ALREADY_BACK),
    _with("other-canary-at-25", "role-empty", "6-raci", found=Found.NOT_STARTED),
    _with("canary-at-25", "wrong-cluster", "0.1-target", *_AFTER_TARGET, found=None),
)
_NOT_PROVEN = (
    _with("release-promoted", "role-empty", "6-raci", found=Found.PROMOTED, proven=False),
    _with("canary-at-25", "rollout-patch-forbidden", "0.1-access", "1.1-manifests", proven=False),
    _with("canary-at-25", "canary-service-missing", "0.5-services", proven=False),
    _with("canary-at-25", "canary-selects-other-pods", "0.5-services", proven=False),
    _with("canary-at-25", "stable-without-endpoints", "0.5-services", _SERVER, _PROMETHEUS, proven=False),
    _with("canary-at-25", "stable-selects-other-pods", "0.5-services", proven=False),
    _with("canary-at-25", "routing-names-other-service", "0.5-services", proven=False),
    _with("canary-at-25", "argo-controller-down", "0.3-rollouts", proven=False),
)
"""Going back is asked for, and cannot be seen to have happened: a person has to look.

Argo's controller carries nothing out, an abort neither, while a Service that the Rollout names is missing or does not
select its pods (phase Degraded, InvalidSpec).
"""

SCENARIOS: tuple[Scenario, ...] = (
    Scenario(CLEAN, (), None, Verdict.GO, None),
    *_PREFLIGHT,
    *_OBSERVABILITY,
    *_SUPPLY_CHAIN,
    *_UNDER_WAY,
    *_NOT_PROVEN,
    *walks.SCENARIOS,
)


def named(name: str) -> Scenario:
    """One scenario. Raises ``SandboxError`` naming all when there is none of that name."""
    for scenario in SCENARIOS:
        if scenario.name == name:
            return scenario
    raise SandboxError(f"expected a scenario of: {', '.join(one.name for one in SCENARIOS)}; got {name!r}")
