"""Faults of a GitOps controller that owns the Rollout: Argo CD, as far as it can be seen in the cluster."""

from __future__ import annotations

from collections.abc import Sequence

from golive_sandbox.scenarios import releases
from golive_sandbox.scenarios.fault import Act, Fault
from golive_sandbox.types import Json, mapping
from golive_sandbox.world import paths
from golive_sandbox.world.rollout import NAME
from golive_sandbox.world.world import World

NAMESPACE, APPLICATION = "argocd", "maestro"
MANAGER = "argocd-controller"
TRACKING = "argocd.argoproj.io/tracking-id"
_GROUP, _VERSION = "argoproj.io", "v1alpha1"
_CRD_NAME = f"applications.{_GROUP}"
_CRD_PATH = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{_CRD_NAME}"
_SOURCE, _OURS = "gitops-source", "gitops-namespace"
_ROLE = "golive-gitops"


def _crd() -> Json:
    """As small as it can be: any field is kept."""
    schema: Json = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version: Json = {"name": _VERSION, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names: Json = {"kind": "Application", "plural": "applications", "singular": "application"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": _CRD_NAME},
        "spec": {"group": _GROUP, "names": names, "scope": "Namespaced", "versions": [version]},
    }


def _application(world: World, *, heals: bool) -> Json:
    source: Json = {
        "repoURL": "https://git.example.com/acme/maestro-deploy.git",
        "path": "deploy/argo",
        "targetRevision": "main",
    }
    destination: Json = {"server": "https://kubernetes.default.svc", "namespace": world.namespace}
    policy: Json = {"automated": {"prune": False, "selfHeal": heals}}
    return {
        "apiVersion": f"{_GROUP}/{_VERSION}",
        "kind": "Application",
        "metadata": {"name": APPLICATION, "namespace": NAMESPACE},
        "spec": {"project": "default", "source": source, "destination": destination, "syncPolicy": policy},
    }


def _rights(world: World) -> Sequence[Json]:
    """The suite's user may look at Applications."""
    group = "rbac.authorization.k8s.io"
    metadata: Json = {"name": _ROLE, "namespace": NAMESPACE}
    rule: Json = {"apiGroups": [_GROUP], "resources": ["applications"], "verbs": ["get"]}
    head: Json = {"apiVersion": f"{group}/v1", "metadata": metadata}
    reference: Json = {"apiGroup": group, "kind": "Role", "name": _ROLE}
    subject: Json = {"apiGroup": group, "kind": "User", "name": world.user}
    return [
        {**head, "kind": "Role", "rules": [rule]},
        {**head, "kind": "RoleBinding", "roleRef": reference, "subjects": [subject]},
    ]


def _owned(*, heals: bool) -> Act:
    """What is live now is what the source says, and Argo CD has applied it."""

    async def act(world: World) -> None:
        if await world.api.gone(f"/api/v1/namespaces/{NAMESPACE}"):
            namespace: Json = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
            await paths.apply(world.api, [namespace], NAMESPACE)
            world.saved[_OURS] = namespace
        await world.plane.install_crd(_crd())
        await paths.apply(world.api, [_application(world, heals=heals), *_rights(world)], NAMESPACE, MANAGER)
        live = await world.rollout.read()
        tracking = f"{APPLICATION}:{_GROUP}/Rollout:{world.namespace}/{NAME}"
        world.saved[_SOURCE] = {
            "apiVersion": f"{_GROUP}/{_VERSION}",
            "kind": "Rollout",
            "metadata": {"name": NAME, "annotations": {TRACKING: tracking}},
            "spec": {key: value for key, value in mapping(live, "spec").items() if key != "paused"},
        }
        await _sync(world)
        # The driver knows who owns it, and has agreed on it with them.
        world.edit_settings(_SOURCE, lambda now: now.with_manager(MANAGER))

    return act


async def _sync(world: World) -> None:
    await world.api.patch(world.rollout.path, world.saved[_SOURCE], "apply", fieldManager=MANAGER)


async def _go_on_syncing(world: World) -> None:
    """Put back what the source says as soon as the live template is another one."""
    path = f"/apis/{_GROUP}/{_VERSION}/namespaces/{world.namespace}/rollouts"
    wanted = mapping(world.saved[_SOURCE], "spec", "template")
    async for event, live in world.api.watch(path, fieldSelector=f"metadata.name={NAME}"):
        if event != "DELETED" and mapping(live, "spec", "template") != wanted:
            await _sync(world)


async def _left_alone(world: World) -> None:
    """Nobody owns the Rollout, and nothing tells that somebody did."""
    await releases.back(world)
    # An apply of nothing gives up every field, and with it the annotation, which nobody else has.
    nothing: Json = {"apiVersion": f"{_GROUP}/{_VERSION}", "kind": "Rollout", "metadata": {"name": NAME}}
    await paths.apply(world.api, [nothing], world.namespace, MANAGER)
    del world.saved[_SOURCE]
    world.edit_settings(_SOURCE, None)
    for item in (_application(world, heals=False), *_rights(world)):
        await paths.delete(world.api, paths.of(item, NAMESPACE))
    await world.plane.remove_crd(_CRD_PATH)
    if world.saved.pop(_OURS, None) is not None:
        await paths.delete_namespace(world.api, NAMESPACE)


FAULTS = (
    Fault(
        "gitops-self-heal",
        "Argo CD owns the Rollout and puts back what was live when it came",
        _owned(heals=True),
        _left_alone,
        own_plane=True,
        during=_go_on_syncing,
    ),
    Fault(
        "gitops-owned",
        "Argo CD owns the Rollout, and does not heal by itself",
        _owned(heals=False),
        _left_alone,
        own_plane=True,
    ),
)
"""The CRD is the cluster's: no other world may share it."""
