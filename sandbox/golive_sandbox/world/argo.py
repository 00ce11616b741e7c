"""The Argo Rollouts controller as a Deployment of its own, with its project's own role.

It asks Prometheus through the cluster network's proxy, whose address the agent gives to every process (HTTP_PROXY);
the API server is on loopback, which is never asked through a proxy.
"""

from __future__ import annotations

from pathlib import Path

import yaml

from golive_sandbox import waiting
from golive_sandbox.errors import ApiError
from golive_sandbox.plane import Plane, free_ports
from golive_sandbox.servers.cache import ROLE, Built
from golive_sandbox.types import Json, number
from golive_sandbox.world import paths
from golive_sandbox.world.rights import ARGO_NAMESPACE, GITOPS_NAMESPACE

IMAGE = "quay.io/argoproj/argo-rollouts:v1.10.2"
DEPLOYMENT = f"/apis/apps/v1/namespaces/{ARGO_NAMESPACE}/deployments/argo-rollouts"
_USER = f"system:serviceaccount:{ARGO_NAMESPACE}:argo-rollouts"
_LABELS: Json = {
    "app.kubernetes.io/name": "argo-rollouts",
    "app.kubernetes.io/component": "rollouts-controller",
    "app.kubernetes.io/part-of": "argo-rollouts",
}
_SECONDS = 60.0


async def install(plane: Plane, built: Built) -> None:
    """Create the controller's namespace, rights and Deployment; ``until_alive`` waits for it."""
    # Argo CD's is empty: a right to look into it can be given, and what is looked for is not there.
    objects = [
        _namespace(ARGO_NAMESPACE),
        _namespace(GITOPS_NAMESPACE),
        _role(built.argo / ROLE),
        _binding(),
        _secret(plane),
        _deployment(*free_ports(2)),
    ]
    await paths.apply(plane.api, objects, ARGO_NAMESPACE)


async def until_alive(plane: Plane) -> None:
    """Wait until its pod is Ready. Raises ``NotInTimeError``."""
    what = "Argo Rollouts controller Ready"
    await waiting.wait_for(
        what, lambda: _status(plane), lambda now: number(now, "readyReplicas") == 1, deadline=_SECONDS
    )


async def scale(plane: Plane, replicas: int) -> None:
    """Start or stop the controller, and wait for it."""
    await plane.api.patch(DEPLOYMENT, {"spec": {"replicas": replicas}})
    what = f"{replicas} pods of the Argo Rollouts controller"
    await waiting.wait_for(
        what,
        lambda: _status(plane),
        lambda now: number(now, "readyReplicas") == number(now, "replicas") == replicas,
        deadline=_SECONDS,
    )


async def _status(plane: Plane) -> Json:
    try:
        status = (await plane.api.get(DEPLOYMENT)).get("status")
    except ApiError as trouble:
        return {"error": str(trouble)}
    return status if isinstance(status, dict) else {}


def _namespace(name: str) -> Json:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def _role(file: Path) -> Json:
    role: Json = yaml.safe_load(file.read_text(encoding="utf-8"))
    return role


def _binding() -> Json:
    group = "rbac.authorization.k8s.io"
    return {
        "apiVersion": f"{group}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "argo-rollouts"},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "argo-rollouts"},
        "subjects": [{"apiGroup": group, "kind": "User", "name": _USER}],
    }


def _secret(plane: Plane) -> Json:
    """Its credentials; in a real cluster this is its service account's token."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "argo-rollouts-kubeconfig", "namespace": ARGO_NAMESPACE},
        "stringData": {"kubeconfig": plane.kubeconfig(_USER).render()},
    }


def _deployment(health: int, metrics: int) -> Json:
    container: Json = {
        "name": "argo-rollouts",
        "image": IMAGE,
        # GOLIVE_VOLUME_KUBECONFIG is the folder of the volume: a process has no mounts of its own.
        "args": [
            "--kubeconfig=$(GOLIVE_VOLUME_KUBECONFIG)/kubeconfig",
            "--leader-elect=false",
            f"--healthzPort={health}",
            f"--metricsport={metrics}",
            "--loglevel=info",
        ],
        "ports": [{"name": "healthz", "containerPort": health}, {"name": "metrics", "containerPort": metrics}],
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": health}, "periodSeconds": 2, "timeoutSeconds": 2},
        "volumeMounts": [{"name": "kubeconfig", "mountPath": "/etc/golive", "readOnly": True}],
    }
    volume: Json = {"name": "kubeconfig", "secret": {"secretName": "argo-rollouts-kubeconfig"}}
    pod: Json = {"containers": [container], "volumes": [volume], "terminationGracePeriodSeconds": 5}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "argo-rollouts", "namespace": ARGO_NAMESPACE, "labels": _LABELS},
        "spec": {
            "replicas": 1,
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": {"app.kubernetes.io/name": "argo-rollouts"}},
            "template": {"metadata": {"labels": _LABELS}, "spec": pod},
        },
    }
