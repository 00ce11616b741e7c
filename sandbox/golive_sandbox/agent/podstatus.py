"""A pod's status as a kubelet would write it, from the states of its containers. Pure: no clock, no network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from golive_sandbox.agent.containers import Container
from golive_sandbox.types import Json, JsonValue, items, mapping, text

_OURS = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")


@dataclass(frozen=True, slots=True)
class PodView:
    """What there is to say about a pod at one moment; ``gone`` when it was told to end and has ended."""

    pod: Json
    pod_ip: str
    host_ip: str
    start_time: str
    inits: Sequence[Container]
    apps: Sequence[Container]
    gone: bool


def phase(view: PodView) -> str:
    """Pending, Running, Succeeded or Failed."""
    codes = [container.exit_code for container in view.apps]
    if any(init.exit_code not in (None, 0) for init in view.inits):
        return "Failed"
    if view.gone or all(code is not None for code in codes):
        return "Succeeded" if all(code == 0 for code in codes) else "Failed"
    if not _initialized(view) or not all(container.began for container in view.apps):
        return "Pending"
    return "Running"


def status(view: PodView, before: Sequence[Json], at: str) -> Json:
    """The status to publish; ``before`` are the conditions published last, whose times stay when nothing changed."""
    now = phase(view)
    return {
        "phase": now,
        "hostIP": view.host_ip,
        "hostIPs": [{"ip": view.host_ip}],
        "podIP": view.pod_ip,
        "podIPs": [{"ip": view.pod_ip}],
        "startTime": view.start_time,
        "conditions": [*_conditions(view, now, before, at)],
        "initContainerStatuses": [_container(one, ready=one.exit_code == 0) for one in view.inits] or None,
        "containerStatuses": [_container(one, ready=one.ready) for one in view.apps],
    }


def _initialized(view: PodView) -> bool:
    return all(init.exit_code == 0 for init in view.inits)


def _container(container: Container, *, ready: bool) -> Json:
    return {
        "name": container.name,
        "image": text(container.spec, "image"),
        "imageID": container.image_id,
        "containerID": container.container_id,
        "ready": ready,
        "started": "running" in container.state,
        "restartCount": container.restarts,
        "state": dict(container.state),
        "lastState": dict(container.last_state),
    }


def _conditions(view: PodView, now: str, before: Sequence[Json], at: str) -> list[Json]:
    known = {text(condition, "type"): condition for condition in before}
    foreign = [
        condition
        for condition in items(view.pod, "status", "conditions")
        if text(condition, "type") not in _OURS and text(condition, "type") not in known
    ]
    unready = [container.name for container in view.apps if not container.ready]
    waiting = [init.name for init in view.inits if init.exit_code != 0]
    done: Json | None = {"reason": "PodCompleted"} if now == "Succeeded" else None
    not_ready: Json = done or _not("ContainersNotReady", "unready status", unready) if unready else {}
    not_initialized: Json = _not("ContainersNotInitialized", "incomplete status", waiting) if waiting else {}
    facts: list[tuple[str, Json]] = [
        ("PodReadyToStartContainers", {}),
        ("Initialized", not_initialized),
        ("Ready", not_ready or _gates(view.pod)),
        ("ContainersReady", not_ready),
        ("PodScheduled", {}),
    ]
    return [*foreign, *(_condition(kind, why, known.get(kind, {}), at) for kind, why in facts)]


def _condition(kind: str, why: Json, before: Json, at: str) -> Json:
    value = "False" if why else "True"
    since: JsonValue = before.get("lastTransitionTime") if before.get("status") == value else None
    return {"type": kind, "status": value, "lastProbeTime": None, "lastTransitionTime": since or at, **why}


def _not(reason: str, what: str, names: Sequence[str]) -> Json:
    return {"reason": reason, "message": f"containers with {what}: [{' '.join(names)}]"}


def _gates(pod: Json) -> Json:
    """Why the pod's readiness gates hold it back; empty when they do not."""
    true = {
        text(condition, "type")
        for condition in items(pod, "status", "conditions")
        if text(condition, "status") == "True"
    }
    for gate in items(mapping(pod, "spec"), "readinessGates"):
        if text(gate, "conditionType") not in true:
            message = f'corresponding condition of pod readiness gate "{text(gate, "conditionType")}" does not exist.'
            return {"reason": "ReadinessGatesNotReady", "message": message}
    return {}
