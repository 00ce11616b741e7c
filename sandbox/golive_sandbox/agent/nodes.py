"""The cluster's two nodes, and the scheduler's part: every unbound pod gets one of them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

from golive_sandbox.agent.addresses import KUBELET_PORT
from golive_sandbox.agent.containers import now
from golive_sandbox.api import Api
from golive_sandbox.errors import ApiError
from golive_sandbox.types import Json, dig, items, mapping, text

_VERSION = "v1.34.4"
_RESOURCES: Json = {"cpu": "8", "memory": "16Gi", "pods": "110", "ephemeral-storage": "100Gi"}
_CONDITIONS = (
    ("MemoryPressure", "False", "KubeletHasSufficientMemory"),
    ("DiskPressure", "False", "KubeletHasNoDiskPressure"),
    ("PIDPressure", "False", "KubeletHasSufficientPID"),
    ("Ready", "True", "KubeletReady"),
)


async def register(api: Api, addresses: Mapping[str, str]) -> None:
    """Create the nodes, ``addresses`` by name, and say that they are ready."""
    for name, address in addresses.items():
        labels: Json = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}
        node: Json = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}}
        try:
            await api.create("/api/v1/nodes", node)
        except ApiError as trouble:
            if trouble.status != 409:
                raise
        # The API server taints every new node as not ready, and here nobody else takes that back.
        await api.patch(f"/api/v1/nodes/{name}", {"spec": {"taints": None}})
        await api.patch(f"/api/v1/nodes/{name}/status", {"status": _status(address)})


def _status(address: str) -> Json:
    at = now()
    return {
        # InternalIP only: a Hostname would be looked up in DNS.
        "addresses": [{"type": "InternalIP", "address": address}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": KUBELET_PORT}},
        "capacity": dict(_RESOURCES),
        "allocatable": dict(_RESOURCES),
        "conditions": [
            {"type": kind, "status": value, "reason": reason, "lastHeartbeatTime": at, "lastTransitionTime": at}
            for kind, value, reason in _CONDITIONS
        ],
        "nodeInfo": {
            "architecture": "amd64", "operatingSystem": "linux", "osImage": "golive-sandbox", "kernelVersion": "local",
            "kubeletVersion": _VERSION, "kubeProxyVersion": "", "containerRuntimeVersion": "golive://1",
            "machineID": "", "systemUUID": "", "bootID": "",
        },
    }  # fmt: skip


class Scheduler:
    """Binds pods to nodes in turn; honours ``nodeSelector`` and cordoned nodes, and says so when none fits."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._nodes: dict[str, Json] = {}
        self._turn = itertools.count()

    def saw_node(self, event: str, node: Json) -> None:
        """Keep up with the nodes."""
        name = text(node, "metadata", "name")
        if event == "DELETED":
            self._nodes.pop(name, None)
        else:
            self._nodes[name] = node

    async def bind(self, pod: Json) -> bool:
        """Bind ``pod``; false when no node fits, or when it is gone."""
        fitting = [name for name, node in sorted(self._nodes.items()) if _fits(pod, node)]
        path = f"/api/v1/namespaces/{text(pod, 'metadata', 'namespace')}/pods/{text(pod, 'metadata', 'name')}"
        try:
            if not fitting:
                await self._say_unschedulable(pod, path)
                return False
            target: Json = {"kind": "Node", "name": fitting[next(self._turn) % len(fitting)]}
            metadata: Json = {"name": text(pod, "metadata", "name"), "uid": text(pod, "metadata", "uid")}
            body: Json = {"apiVersion": "v1", "kind": "Binding", "metadata": metadata, "target": target}
            await self._api.create(f"{path}/binding", body)
        except ApiError as trouble:
            if trouble.status not in (404, 409):
                raise
            return False
        return True

    async def _say_unschedulable(self, pod: Json, path: str) -> None:
        why = f"0/{len(self._nodes)} nodes are available: none matches the pod's node selector and is schedulable."
        condition: Json = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": why}
        if any(text(one, "message") == why for one in items(pod, "status", "conditions")):
            return
        conditions: Json = {"conditions": [{**condition, "lastTransitionTime": now()}]}
        await self._api.patch(f"{path}/status", {"status": conditions})


def _fits(pod: Json, node: Json) -> bool:
    if dig(node, "spec", "unschedulable") is True:
        return False
    labels = mapping(node, "metadata", "labels")
    return all(labels.get(key) == value for key, value in mapping(pod, "spec", "nodeSelector").items())
