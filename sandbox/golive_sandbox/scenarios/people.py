"""What others do with the cluster while the release is under way: people, another driver, an autoscaler, a quota."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

from golive_sandbox import waiting
from golive_sandbox.errors import SandboxError
from golive_sandbox.scenarios import releases
from golive_sandbox.scenarios.fault import Act, Fault
from golive_sandbox.types import Json, JsonValue, items, number, text
from golive_sandbox.world import paths
from golive_sandbox.world.release import NEXT_TAG, STABLE_TAG
from golive_sandbox.world.rollout import NAME
from golive_sandbox.world.world import World

LEASE = f"golive-{NAME}"
HOLDER = "another-run"
"""The run of the other driver."""
DRIVER = "another-driver"
_RENEW_SECONDS, _LEASE_SECONDS = 1.0, 10
_QUOTA, _AUTOSCALER = "golive-sandbox-quota", "maestro-server"
_SECONDS = 30.0


async def _under_way(world: World) -> Json:
    """The Rollout. Raises ``SandboxError`` where no canary is under way."""
    now = await world.rollout.read()
    if text(now, "status", "currentPodHash") == text(now, "status", "stableRS"):
        raise SandboxError(f"expected a canary under way in {world.namespace}, found none: break canary-at-25 before")
    return now


def _status(change: Json) -> Act:
    """Somebody patches the status of the Rollout under way, as ``kubectl argo rollouts`` does."""

    async def act(world: World) -> None:
        await _under_way(world)
        await world.api.patch(f"{world.rollout.path}/status", {"status": change}, fieldManager="kubectl-argo-rollouts")

    return act


async def _edit_steps(world: World) -> None:
    """Leave out the last pause: at 100 % the release would promote itself."""
    steps = items(await _under_way(world), "spec", "strategy", "canary", "steps")
    kept: list[JsonValue] = [*steps[:-1]]
    body: Json = {"spec": {"strategy": {"canary": {"steps": kept}}}}
    await world.api.patch(world.rollout.path, body, fieldManager="kubectl-edit")


async def _pause(world: World) -> None:
    await _under_way(world)
    await world.api.patch(world.rollout.path, {"spec": {"paused": True}}, fieldManager="kubectl-argo-rollouts")


async def _unpause(world: World) -> None:
    await world.rollout.pause(paused=False)
    await releases.back(world)


async def _fix(world: World) -> None:
    await world.rollout.apply(world.version(NEXT_TAG))


async def _forget_stable(world: World) -> None:
    """Delete the ReplicaSet of the version that was stable before the release was promoted."""
    sets = f"/apis/apps/v1/namespaces/{world.namespace}/replicasets"
    stable = f"{world.images.repository}:{STABLE_TAG}@"
    found = [
        text(one, "metadata", "name")
        for one in await world.api.list(sets)
        if text(one, "spec", "template", "spec", "containers", 0, "image").startswith(stable)
    ]
    now = text(await world.rollout.read(), "status", "stableRS")
    if not found or any(name.endswith(now) for name in found):
        raise SandboxError(f"expected {STABLE_TAG} to be the version before the stable one, found {found} and {now}")
    body: Json = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
    for path in [f"{sets}/{name}" for name in found]:
        await world.api.delete(path, body)
        await waiting.wait_for(f"{path} gone", partial(world.api.gone, path), bool, deadline=_SECONDS)


def _lease_path(world: World) -> str:
    return f"/apis/coordination.k8s.io/v1/namespaces/{world.namespace}/leases/{LEASE}"


async def _renew(world: World) -> None:
    """The other driver's Lease, as of now."""
    now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    since = text(world.saved.setdefault("second-driver", {"since": now}), "since")
    notes: Json = {
        "golive/run": HOLDER,
        "golive/driver": DRIVER,
        "golive/digest": world.images.image(NEXT_TAG).digest,
        "golive/since": since,
        "golive/handover": "false",
    }
    spec: Json = {
        "holderIdentity": HOLDER,
        "acquireTime": since,
        "renewTime": now,
        "leaseDurationSeconds": _LEASE_SECONDS,
    }
    metadata: Json = {"name": LEASE, "annotations": notes}
    lease: Json = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}
    await world.api.patch(_lease_path(world), lease, "apply", fieldManager="golive")


async def _go_on_renewing(world: World) -> None:
    while True:
        await waiting.pause(_RENEW_SECONDS)
        await _renew(world)


async def _let_go(world: World) -> None:
    world.saved.pop("second-driver", None)
    await paths.delete(world.api, _lease_path(world))


async def _limit(world: World) -> None:
    """The pods that there are, and not one more."""
    path = f"/api/v1/namespaces/{world.namespace}/resourcequotas"
    pods = len(await world.api.list(f"/api/v1/namespaces/{world.namespace}/pods"))
    metadata: Json = {"name": _QUOTA}
    spec: Json = {"hard": {"pods": str(pods)}}
    await world.api.create(path, {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": metadata, "spec": spec})
    what = "the quota counts the pods that are there"
    await waiting.wait_for(what, lambda: world.api.get(f"{path}/{_QUOTA}"), _counted, deadline=_SECONDS)


def _counted(quota: Json) -> bool:
    return bool(text(quota, "status", "used", "pods"))


async def _unlimited(world: World) -> None:
    await paths.delete(world.api, world.path("resourcequotas", _QUOTA))


async def _own(world: World) -> None:
    """A HorizontalPodAutoscaler that targets the Rollout, for as many pods as there are."""
    target: Json = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": NAME}
    resource: Json = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}
    metrics: list[JsonValue] = [{"type": "Resource", "resource": resource}]
    spec: Json = {"scaleTargetRef": target, "minReplicas": 3, "maxReplicas": 10, "metrics": metrics}
    metadata: Json = {"name": _AUTOSCALER}
    body: Json = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler"}
    await world.api.create(_autoscalers(world), {**body, "metadata": metadata, "spec": spec})


def _autoscalers(world: World) -> str:
    return f"/apis/autoscaling/v2/namespaces/{world.namespace}/horizontalpodautoscalers"


async def _disown(world: World) -> None:
    await paths.delete(world.api, f"{_autoscalers(world)}/{_AUTOSCALER}")


async def _scale_up(world: World) -> None:
    """Two more, as the autoscaler's controller writes it."""
    now = await world.rollout.read()
    world.saved["hpa-scales"] = {"replicas": number(now, "spec", "replicas", default=1)}
    await _scale(world, number(now, "spec", "replicas", default=1) + 2)


async def _scale_back(world: World) -> None:
    await _scale(world, number(world.saved.pop("hpa-scales"), "replicas", default=3))
    await world.rollout.until_settled()


async def _scale(world: World, replicas: int) -> None:
    body: Json = {"spec": {"replicas": replicas}}
    await world.api.patch(f"{world.rollout.path}/scale", body, fieldManager="kube-controller-manager")


FAULTS = (
    Fault("quota-too-small", "a ResourceQuota has room for the pods that are there, and no other", _limit, _unlimited),
    Fault("hpa-owned", "a HorizontalPodAutoscaler owns the Rollout's replicas", _own, _disown),
    Fault("second-driver", "another driver holds the lock, and renews it", _renew, _let_go, during=_go_on_renewing),
    Fault("steps-edited", "somebody edits the steps of the canary under way: kubectl edit", _edit_steps, releases.back),
    Fault(
        "promoted-by-somebody",
        "somebody promotes the canary under way fully",
        _status({"promoteFull": True}),
        releases.back,
    ),
    Fault("aborted-by-somebody", "somebody aborts the canary under way", _status({"abort": True}), releases.back),
    Fault("paused-by-somebody", "somebody pauses the canary under way: spec.paused", _pause, _unpause),
    Fault("fix-arrives", "somebody applies a fix: another version than the release", _fix, releases.back),
    Fault(
        "t0-replicaset-gone",
        "the ReplicaSet of the version before the release is deleted",
        _forget_stable,
        releases.back,
    ),
    Fault("hpa-scales", "an autoscaler asks for two pods more", _scale_up, _scale_back),
)
"""Somebody else writes, too."""
