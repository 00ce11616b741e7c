"""What a world's Prometheus and Alertmanagers answer, asked through the API server as the suite asks them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from urllib.parse import urlencode

from golive_sandbox.types import Json, items, mapping, text
from selftests.sandboxes import Sandbox

_NONE: Mapping[str, str] = MappingProxyType({})


class Watched:
    """The monitoring of a world, reached with the rights of the suite's user, whose files are in ``folder``.

    Without ``folder`` with those of the administrator, whatever became of the user's.
    """

    def __init__(self, sandbox: Sandbox, world: str, folder: Path | None = None) -> None:
        self.sandbox, self.world, self.folder = sandbox, world, folder or Path()
        self._kubeconfig = folder and folder / "driver.kubeconfig"
        self.namespace = f"{world}-monitoring"
        self.prometheus = f"/api/v1/namespaces/{self.namespace}/services/prometheus:9090/proxy"

    def raw(self, path: str, query: Mapping[str, str] = _NONE) -> str:
        """The body of an answer. Raises ``AssertionError`` when it is no success."""
        target = f"{path}?{urlencode(query)}" if query else path
        return self.sandbox.read(target, self._kubeconfig)

    def ask(self, path: str, query: Mapping[str, str] = _NONE) -> Json:
        """What Prometheus answers."""
        found: Json = json.loads(self.raw(self.prometheus + path, query))
        return found

    def query(self, promql: str) -> list[Json]:
        """The samples of an instant vector."""
        return items(self.ask("/api/v1/query", {"query": promql}), "data", "result")

    def rules(self) -> dict[str, Json]:
        """Every rule by its name, with its group's ``interval``."""
        groups = items(self.ask("/api/v1/rules"), "data", "groups")
        return {
            text(rule, "name"): {**rule, "interval": group["interval"]}
            for group in groups
            for rule in items(group, "rules")
        }

    def alertmanagers(self, path: str) -> dict[str, str]:
        """The body that each Alertmanager answers, by its Deployment."""
        selector = urlencode({"labelSelector": "app.kubernetes.io/name=alertmanager"})
        pods = self.sandbox.items(f"/api/v1/namespaces/{self.namespace}/pods?{selector}")
        return {
            text(pod, "metadata", "labels", "app.kubernetes.io/instance"): self.raw(
                f"/api/v1/namespaces/{self.namespace}/pods/{text(pod, 'metadata', 'name')}:9093/proxy{path}"
            )
            for pod in pods
        }

    def routing(self) -> dict[str, str]:
        """The configuration that each Alertmanager has loaded."""
        answers = self.alertmanagers("/api/v2/status").items()
        return {name: text(json.loads(body), "config", "original") for name, body in answers if body.startswith("{")}

    def paired(self) -> bool:
        """Does each of two Alertmanagers know the other?"""
        clusters = [mapping(json.loads(body), "cluster") for body in self.alertmanagers("/api/v2/status").values()]
        return [(text(one, "status"), len(items(one, "peers"))) for one in clusters] == [("ready", 2)] * 2
