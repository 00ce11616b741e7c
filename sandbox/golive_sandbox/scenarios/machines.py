"""Faults of what carries the cluster: a node, Argo's controller, the API server."""

from __future__ import annotations

from golive_sandbox import waiting
from golive_sandbox.errors import ApiError, SandboxError
from golive_sandbox.scenarios.coming import nodes, release_image
from golive_sandbox.scenarios.fault import Fault
from golive_sandbox.types import Json, text
from golive_sandbox.world import argo
from golive_sandbox.world.rights import ARGO_NAMESPACE
from golive_sandbox.world.world import World

STALL_SECONDS = 3.0
"""An API server that stands still for so long is a blip: shorter than the deadline of one request."""
_DRAIN_SECONDS = 60.0
_DRAINED = "node-drained"


async def _drain(world: World) -> None:
    """Cordon the node of a pod of the release, or of any, and evict all pods of this world from it."""
    pods = await world.api.list(f"/api/v1/namespaces/{world.namespace}/pods")
    bound = [one for one in pods if text(one, "spec", "nodeName")]
    canary = [one for one in bound if text(one, "spec", "containers", 0, "image").startswith(release_image(world))]
    if not bound:
        raise SandboxError(f"expected pods in {world.namespace}, found none: there is nothing to drain a node of")
    node = text((canary or bound)[0], "spec", "nodeName")
    world.saved[_DRAINED] = {"node": node}
    await world.api.patch(f"/api/v1/nodes/{node}", {"spec": {"unschedulable": True}})
    gone = [one for one in bound if text(one, "spec", "nodeName") == node]
    for pod in gone:
        await _evict(world, text(pod, "metadata", "name"))
    left = {text(one, "metadata", "uid") for one in gone}
    path = f"/api/v1/namespaces/{world.namespace}/pods"
    await waiting.wait_for(
        f"no pod of {world.namespace} on {node}",
        lambda: world.api.list(path),
        lambda found: not left & {text(one, "metadata", "uid") for one in found},
        deadline=_DRAIN_SECONDS,
    )


async def _evict(world: World, pod: str) -> None:
    metadata: Json = {"name": pod, "namespace": world.namespace}
    body: Json = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata}
    try:
        await world.api.create(f"{world.path('pods', pod)}/eviction", body)
    except ApiError as trouble:
        if trouble.status != 404:  # it ended by itself
            raise


async def _uncordon(world: World) -> None:
    node = text(world.saved.pop(_DRAINED), "node")
    await world.api.patch(f"/api/v1/nodes/{node}", {"spec": {"unschedulable": None}})
    await world.rollout.until_settled()


async def _kill_controller(world: World) -> None:
    nodes(world).kill_container(ARGO_NAMESPACE, "argo-rollouts")


async def _until_controller_is_back(world: World) -> None:
    await argo.until_alive(world.plane)
    await world.rollout.until_settled()


async def _stall(world: World) -> None:
    world.plane.stall_api_server()


async def _go_on(world: World) -> None:
    world.plane.resume_api_server()
    await waiting.wait_for("the API server answers", lambda: _answers(world), bool, deadline=_DRAIN_SECONDS)


async def _for_a_while(world: World) -> None:
    try:
        await waiting.pause(STALL_SECONDS)
    finally:
        world.plane.resume_api_server()


async def _restart(world: World) -> None:
    await world.plane.restart_api_server()


async def _answers(world: World) -> bool:
    try:
        return await world.api.text("/readyz") == "ok"
    except ApiError:
        return False


FAULTS = (
    Fault(_DRAINED, "a node is cordoned and the release's pods on it are evicted", _drain, _uncordon, own_plane=True),
    Fault(
        "argo-controller-killed",
        "the Argo Rollouts controller is killed, and its node starts it again",
        _kill_controller,
        _until_controller_is_back,
        own_plane=True,
    ),
    Fault(
        "api-server-stalled",
        f"the API server stands still for {STALL_SECONDS:g} s",
        _stall,
        _go_on,
        own_plane=True,
        blinds=True,
        during=_for_a_while,
    ),
    Fault(
        "api-server-restarted",
        "the API server is killed and started again",
        _restart,
        _go_on,
        own_plane=True,
        blinds=True,
    ),
)
"""Each is the plane's: no other world may share it."""
