"""Argo Rollouts at the level of its API: what a Rollout says, and the few writes a rollback needs. Nothing is judged.

What the controller makes of them is written in shared/argo-rollouts.md.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass, field
from shutil import which
from typing import TYPE_CHECKING

from golive.cluster import PatchKind
from golive.errors import ApiError
from golive.gitops import Owner, owner_of
from golive.types import Json, dig, items, mapping, number, text

if TYPE_CHECKING:
    from golive.cluster import Cluster

HASH = "rollouts-pod-template-hash"
"""The label that tells the pods of one version from those of another."""
STEP_PAUSE = "CanaryPauseStep"
"""Why the controller waits at ``pause: {}``."""
_PREFIX = "nginx.ingress.kubernetes.io"
_PLUGIN_SECONDS = 10.0
_RULES = re.compile(r'admission webhook|AdmissionPolicy|denied (the )?request|" is invalid:')


@dataclass(frozen=True, slots=True)
class RolloutView:
    """A Rollout at one moment. Weights are ``None`` where no traffic router is configured or none was set yet."""

    uid: str
    generation: int
    resource_version: str
    observed: bool
    """Whether the controller has seen this generation; until then its status speaks of an earlier one.

    With a ``workloadRef`` also the generation of the object that has the template.
    """
    owner: Owner | None
    """The GitOps object that owns it, by its marks."""
    rollback_window: int | None
    """``spec.rollbackWindow.revisions``."""
    phase: str
    message: str
    images: tuple[str, ...]
    """Of the template's containers; empty when the template is another object's (``workloadRef``)."""
    template: Json = field(repr=False)
    spec: Json = field(repr=False)
    canary: Json = field(repr=False)
    """``spec.strategy.canary``."""
    replicas: int
    """Asked for; 1 where the spec leaves it out."""
    revision: str
    """The controller's own number of the newest template."""
    step: int | None
    """``status.currentStepIndex``; the number of steps when all are done."""
    pauses: tuple[str, ...]
    """Reasons of the pauses the controller is in, such as ``CanaryPauseStep``; empty while it has something to do."""
    pause_began: str
    """When it came to the pause of its step (RFC 3339, whole seconds); empty where it stands at none."""
    promote_full: bool
    """Somebody asked for all steps to be skipped."""
    selector: str
    paused: bool
    current_hash: str
    stable_hash: str
    abort: bool
    aborted_at: str
    routed: bool
    """Whether a traffic router splits the traffic."""
    max_weight: int
    canary_weight: int | None
    stable_weight: int | None
    weighted_hash: str
    """The hash that the status names as getting the stable weight."""
    canary_hash: str
    """The hash that the status names as getting the canary's weight."""
    additional_weight: int

    @property
    def aborted(self) -> bool:
        """Whether the controller has taken the abort up (the flag alone is only our own writing)."""
        return self.abort and bool(self.aborted_at)

    @property
    def invalid(self) -> bool:
        """Whether the controller refuses the spec: it has seen it, carries nothing out, and leaves traffic as it is."""
        return self.message.startswith("InvalidSpec")

    @property
    def weight_annotation(self) -> str:
        """The annotation of the canary Ingress that holds its weight."""
        return f"{text(self.canary, 'trafficRouting', 'nginx', 'annotationPrefix') or _PREFIX}/canary-weight"


def parse(body: Json) -> RolloutView:
    """Read a Rollout as the API gave it."""
    status, weights = mapping(body, "status"), mapping(body, "status", "canary", "weights")
    generation = number(body, "metadata", "generation") or 0
    routing = mapping(body, "spec", "strategy", "canary", "trafficRouting")
    return RolloutView(
        uid=text(body, "metadata", "uid"),
        generation=generation,
        resource_version=text(body, "metadata", "resourceVersion"),
        observed=str(dig(status, "observedGeneration", default="")) == str(generation) and _workload_seen(body),
        owner=owner_of(body),
        rollback_window=number(body, "spec", "rollbackWindow", "revisions"),
        phase=text(status, "phase"),
        message=text(status, "message"),
        images=tuple(text(one, "image") for one in items(body, "spec", "template", "spec", "containers")),
        template=mapping(body, "spec", "template"),
        spec=mapping(body, "spec"),
        canary=mapping(body, "spec", "strategy", "canary"),
        replicas=1 if (wanted := number(body, "spec", "replicas")) is None else wanted,
        revision=text(body, "metadata", "annotations", "rollout.argoproj.io/revision"),
        step=number(status, "currentStepIndex"),
        pauses=tuple(text(one, "reason") for one in items(status, "pauseConditions")),
        pause_began=_pause_began(status),
        promote_full=dig(status, "promoteFull") is True,
        selector=_selector(body),
        paused=dig(body, "spec", "paused") is True,
        current_hash=text(status, "currentPodHash"),
        stable_hash=text(status, "stableRS"),
        abort=dig(status, "abort") is True,
        aborted_at=text(status, "abortedAt"),
        routed=bool(set(routing) - {"managedRoutes", "maxTrafficWeight"}),
        max_weight=number(routing, "maxTrafficWeight") or 100,
        canary_weight=number(weights, "canary", "weight"),
        stable_weight=number(weights, "stable", "weight"),
        weighted_hash=text(weights, "stable", "podTemplateHash"),
        canary_hash=text(weights, "canary", "podTemplateHash"),
        additional_weight=sum(number(one, "weight") or 0 for one in items(weights, "additional")),
    )


def _pause_began(status: Json) -> str:
    ours = (one for one in items(status, "pauseConditions") if text(one, "reason") == STEP_PAUSE)
    return next((text(one, "startTime") for one in ours), "")


def _workload_seen(body: Json) -> bool:
    """Whether the controller's status speaks of the template that a ``workloadRef`` has by now."""
    wanted = text(body, "metadata", "annotations", "rollout.argoproj.io/workload-generation")
    seen = dig(body, "status", "workloadObservedGeneration", default="")
    return not (mapping(body, "spec", "workloadRef") and wanted) or str(seen) == wanted


def _selector(body: Json) -> str:
    """``spec.selector`` as the API's list calls want it."""
    labels = mapping(body, "spec", "selector", "matchLabels")
    found = [f"{key}={value}" for key, value in sorted(labels.items())]
    for one in items(body, "spec", "selector", "matchExpressions"):
        key, values = text(one, "key"), dig(one, "values", default=[])
        inside = ",".join(str(value) for value in (values if isinstance(values, list) else []))
        match text(one, "operator"):
            case "In":
                found.append(f"{key} in ({inside})")
            case "NotIn":
                found.append(f"{key} notin ({inside})")
            case "Exists":
                found.append(key)
            case "DoesNotExist":
                found.append(f"!{key}")
    return ",".join(found)


def rollout_path(namespace: str, name: str) -> str:
    """Where a Rollout is."""
    return f"/apis/argoproj.io/v1alpha1/namespaces/{namespace}/rollouts/{name}"


def abort(cluster: Cluster, path: str, view: RolloutView) -> RolloutView:
    """Take the canary's weight away, if the Rollout still is what ``view`` shows; ``ApiError`` 422 when it is not.

    Guarded as the restore is: without it, an abort that was decided on the release could stop a fix that came after.
    """
    change: Json = {"op": "add", "path": "/status/abort", "value": True}
    return parse(cluster.patch(f"{path}/status", [*_unchanged(view), change], kind=PatchKind.JSON))


def unpause(cluster: Cluster, path: str, view: RolloutView) -> RolloutView:
    """Let the controller scale again; after an abort this does not restart the canary. Guarded as the abort is."""
    change: Json = {"op": "replace", "path": "/spec/paused", "value": False}
    return parse(cluster.patch(path, [*_unchanged(view), change], kind=PatchKind.JSON))


def scale(cluster: Cluster, path: str, view: RolloutView, replicas: int) -> RolloutView:
    """Ask for so many pods. Guarded as the abort is."""
    change: Json = {"op": "replace", "path": "/spec/replicas", "value": replicas}
    return parse(cluster.patch(path, [*_unchanged(view), change], kind=PatchKind.JSON))


def restore(cluster: Cluster, path: str, view: RolloutView, template: Json) -> RolloutView:
    """Put ``template`` back, if the Rollout still is what ``view`` shows; ``ApiError`` 422 when it is not.

    A test on the image alone would overwrite a fix that kept the image; a promotion changes the status only.
    """
    still: Json = {"op": "test", "path": "/status/stableRS", "value": view.stable_hash}
    change: Json = {"op": "replace", "path": "/spec/template", "value": template}
    return parse(cluster.patch(path, [*_unchanged(view), still, change], kind=PatchKind.JSON))


def promote(cluster: Cluster, path: str, view: RolloutView) -> None:
    """Go on from the pause that ``view`` shows; ``ApiError`` 409 when the Rollout is not that one any more.

    Never twice: without a pause, a promotion skips a step, so it is sent with the version that was judged.
    """
    body: Json = {"metadata": {"resourceVersion": view.resource_version}, "status": {"pauseConditions": None}}
    cluster.patch(f"{path}/status", body)


def promote_full(cluster: Cluster, path: str, view: RolloutView) -> RolloutView:
    """Skip all steps to ``view``'s current version; ``ApiError`` 422 when the controller has another one by now.

    Sent before the controller has seen the template, it is lost and the steps are walked.
    """
    still: list[Json] = [
        {"op": "test", "path": "/status/currentPodHash", "value": view.current_hash},
        {"op": "test", "path": "/status/stableRS", "value": view.stable_hash},
    ]
    change: Json = {"op": "add", "path": "/status/promoteFull", "value": True}
    return parse(cluster.patch(f"{path}/status", [*_unchanged(view), *still, change], kind=PatchKind.JSON))


def forbidden(error: ApiError) -> bool:
    """Whether the cluster's own rules refused what was asked for: an admission webhook or policy, or a schema.

    Not a guard that did not hold (a plain 422), and not missing rights, which nobody mends in a moment.
    """
    return 400 <= error.status < 500 and _RULES.search(error.message) is not None


def _unchanged(view: RolloutView) -> list[Json]:
    """The guard of every write: this very Rollout, at the generation that was judged."""
    return [
        {"op": "test", "path": "/metadata/uid", "value": view.uid},
        {"op": "test", "path": "/metadata/generation", "value": view.generation},
    ]


def kubectl_plugin_version() -> str | None:
    """What ``kubectl argo rollouts version --short`` says on this machine; ``None`` without it."""
    kubectl = which("kubectl")
    if kubectl is None or which("kubectl-argo-rollouts") is None:
        return None
    argv = [kubectl, "argo", "rollouts", "version", "--short"]
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_PLUGIN_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None  # an answer too: the driver has no working plugin, and the report says so
    return done.stdout.strip() or None
