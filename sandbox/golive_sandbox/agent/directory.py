"""What the cluster's DNS and service addresses know: Services and their ready endpoints, kept up to date by watches."""

from __future__ import annotations

import asyncio
import ipaddress
import itertools
from collections.abc import Callable
from dataclasses import dataclass

from golive_sandbox.agent.addresses import CLUSTER_RANGE, Block, on_loopback
from golive_sandbox.api import Api
from golive_sandbox.errors import SandboxError
from golive_sandbox.types import Json, JsonValue, items, number, text

VERSION_LABEL = "rollouts-pod-template-hash"
"""What Argo Rollouts puts on the pods of one version, and into the selectors of its Services."""
_SVC_LABELS = (3, 5)  # NAME.NS.svc and NAME.NS.svc.cluster.local


class UnroutableError(SandboxError):
    """Nothing of this name or address is in the cluster, or nothing ready stands behind it."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address of the cluster and a port."""

    address: str
    port: int


class Directory:
    """Services and Endpoints of the whole cluster. ``follow`` keeps it current; ``listeners`` hear of every change."""

    def __init__(self, block: Block, api_server: Endpoint | None = None) -> None:
        self._block = block
        self._api_server = api_server
        self._services: dict[tuple[str, str], Json] = {}
        self._endpoints: dict[tuple[str, str], Json] = {}
        self._turn = itertools.count()
        self.listeners: list[Callable[[], None]] = []

    async def follow(self, api: Api) -> None:
        """Watch for ever."""
        async with asyncio.TaskGroup() as both:
            both.create_task(self._watch(api, "services", self._services))
            both.create_task(self._watch(api, "endpoints", self._endpoints))

    def ready(self, namespace: str, service: str, port: JsonValue) -> list[Endpoint]:
        """The ready endpoints behind a Service's port, given by number or name; empty when there is no such thing."""
        found = self._services.get((namespace, service))
        for entry in items(found, "spec", "ports"):
            if port in (entry.get("port"), entry.get("name") or None):
                return sorted(self._behind(namespace, service, text(entry, "name")), key=lambda one: one.address)
        return []

    def version(self, namespace: str, service: str) -> str:
        """The pod template's hash that a Service selects; the empty string when it selects none."""
        return text(self._services.get((namespace, service)), "spec", "selector", VERSION_LABEL)

    def where(self, host: str, port: int) -> tuple[str, int]:
        """The address on this machine behind ``host:port`` of the cluster. Raises ``UnroutableError`` with why not."""
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return self._named(host, port)
        if address in CLUSTER_RANGE and host in self._block:
            return on_loopback(host), port
        for (namespace, name), service in self._services.items():
            if text(service, "spec", "clusterIP") == host:
                return self._behind_service(namespace, name, port)
        raise UnroutableError(f"{host} is not in the cluster: expected an address of a pod, a node or a Service")

    def _named(self, host: str, port: int) -> tuple[str, int]:
        labels = host.rstrip(".").lower().split(".")
        if len(labels) not in _SVC_LABELS or labels[2:] not in (["svc"], ["svc", "cluster", "local"]):
            raise UnroutableError(f"{host} is not in the cluster: expected NAME.NAMESPACE.svc[.cluster.local]")
        name, namespace = labels[:2]
        if (namespace, name) not in self._services:
            raise UnroutableError(f"{host}: no Service {name} in namespace {namespace}")
        return self._behind_service(namespace, name, port)

    def _behind_service(self, namespace: str, name: str, port: int) -> tuple[str, int]:
        if (namespace, name) == ("default", "kubernetes") and self._api_server is not None:
            return self._api_server.address, self._api_server.port
        if ready := self.ready(namespace, name, port):
            one = ready[next(self._turn) % len(ready)]
            return on_loopback(one.address), one.port
        raise UnroutableError(f"Service {namespace}/{name} has no ready endpoint for port {port}")

    def _behind(self, namespace: str, service: str, port_name: str) -> list[Endpoint]:
        return [
            Endpoint(text(address, "ip"), number(port, "port"))
            for subset in items(self._endpoints.get((namespace, service)), "subsets")
            for port in items(subset, "ports")
            if text(port, "name") == port_name
            for address in items(subset, "addresses")
            if text(address, "ip") in self._block
        ]

    async def _watch(self, api: Api, kind: str, into: dict[tuple[str, str], Json]) -> None:
        async for event, item in api.watch(f"/api/v1/{kind}"):
            key = (text(item, "metadata", "namespace"), text(item, "metadata", "name"))
            if event == "DELETED":
                into.pop(key, None)
            else:
                into[key] = item
            for listener in self.listeners:
                listener()


def endpoint_of(url: str) -> Endpoint:
    """The address and port of ``https://ADDRESS:PORT``."""
    address, _, port = url.rpartition("//")[2].rpartition(":")
    return Endpoint(address, int(port))
