"""All that makes a world, so that what a fault leaves behind can be seen."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from golive_sandbox.types import Json, dig, mapping, text
from selftests.harness import eventually
from selftests.registries import look
from selftests.sandboxes import Sandbox
from selftests.watched import Watched

_RBAC = "apis/rbac.authorization.k8s.io/v1"
_RIGHTS = (f"{_RBAC} roles", f"{_RBAC} rolebindings")
KINDS = (
    "apis/argoproj.io/v1alpha1 rollouts",
    "apis/argoproj.io/v1alpha1 analysistemplates",
    "api/v1 services",
    "apis/networking.k8s.io/v1 ingresses",
    "apis/autoscaling/v2 horizontalpodautoscalers",
    "apis/coordination.k8s.io/v1 leases",
    "api/v1 resourcequotas",
    *_RIGHTS,
)
WATCHING = ("apis/apps/v1 deployments", "api/v1 services", "api/v1 configmaps", *_RIGHTS)
COUNTED = ("rollout.argoproj.io/", "deployment.kubernetes.io/")
"""Annotations in which controllers count changes."""
SILENT = "Prometheus does not answer"
Snapshot = dict[str, object]


@dataclass(frozen=True, slots=True)
class Traces:
    """A world before a scenario's faults, with them, and after they were healed."""

    clean: Snapshot
    broken: Snapshot
    healed: Snapshot


class Place:
    """A world of a sandbox."""

    def __init__(self, sandbox: Sandbox, name: str, folder: Path) -> None:
        self.sandbox, self.name, self.folder = sandbox, name, folder
        settings = tomllib.loads((folder / "golive.toml").read_text(encoding="utf-8"))
        self.registry = text(settings, "release", "image").partition("/")[0]

    @classmethod
    def made(cls, sandbox: Sandbox, name: str, **more: str) -> Place:
        """A new world of that name; ``more`` is what ``create-world`` takes besides."""
        answer = sandbox.ask("create-world", world=name, **more)
        return cls(sandbox, name, Path(text(answer, "golive_toml")).parent)

    def snapshot(self) -> Snapshot:
        """All that makes the world, without what every write changes."""
        found: Snapshot = {one.name: one.read_bytes() for one in sorted(self.folder.glob("*.*")) if one.is_file()}
        for kind in KINDS:
            for item in self._items(kind, self.name):
                found[f"{kind}/{text(item, 'metadata', 'name')}"] = _lasting(item)
        pods = self._items("api/v1 pods", self.name)
        found["images"] = sorted(text(pod, "spec", "containers", 0, "image") for pod in pods)
        found["annotated"] = [dict(notes) for pod in pods if (notes := mapping(pod, "metadata", "annotations"))]
        found |= self._monitoring(sorted(text(pod, "metadata", "name") for pod in pods))
        controllers = self._items("apis/apps/v1 deployments", "argo-rollouts")
        found["controllers"] = [(text(one, "metadata", "name"), dig(one, "spec", "replicas")) for one in controllers]
        found["registry"] = look(self.registry, self.name)
        nodes = self.sandbox.items("/api/v1/nodes")
        found["cordoned"] = [text(one, "metadata", "name") for one in nodes if dig(one, "spec", "unschedulable")]
        crds = self.sandbox.items("/apis/apiextensions.k8s.io/v1/customresourcedefinitions")
        found["crds"] = sorted(text(one, "metadata", "name") for one in crds)
        return found

    def _items(self, kind: str, namespace: str) -> list[Json]:
        group, plural = kind.split()

        def listed() -> list[Json] | None:
            try:
                return self.sandbox.items(f"/{group}/namespaces/{namespace}/{plural}")
            except AssertionError as answer:
                if "404 page not found" in str(answer):
                    return []  # the API server does not know the kind: its CRD is away
                if "storage is (re)initializing" in str(answer):
                    return None  # its CRD goes or comes
                raise

        return eventually(f"a list of {plural}", listed, lambda found: found is not None, seconds=30) or []

    def _monitoring(self, pods: list[str]) -> Snapshot:
        """What watches the world, and what it sees of these pods."""
        watched = Watched(self.sandbox, self.name)
        found: Snapshot = {}
        for kind in WATCHING:
            for item in self._items(kind, watched.namespace):
                found[f"watching {kind}/{text(item, 'metadata', 'name')}"] = _lasting(item)
        found["watching pods"] = sorted(
            (text(pod, "spec", "containers", 0, "image"), dig(pod, "status", "containerStatuses", 0, "ready"))
            for pod in self._items("api/v1 pods", watched.namespace)
        )
        found["routing"] = watched.routing()
        of_pods = f'job="maestro-server", pod=~"{"|".join(pods)}"'
        series = f'{{{of_pods}, __name__!~"ALERTS.*"}}'
        try:
            found["up"] = [dig(one, "value", 1) for one in watched.query(f"up{{{of_pods}}}")]
            found["series"] = sorted(
                (text(one, "metric", "__name__"), dig(one, "value", 1))
                for one in watched.query(f"count by (__name__) (count by (__name__, pod) ({series}))")
            )
            rules = watched.rules().items()
            found["rules"] = [(name, rule["query"], rule["health"], rule["interval"]) for name, rule in rules]
            found["warnings"] = watched.ask("/api/v1/query", {"query": "up"}).get("warnings")
        except (AssertionError, ValueError) as silent:  # no answer, or one that is no JSON
            found[SILENT] = type(silent)
        return found


def _lasting(item: Json) -> Json:
    notes = mapping(item, "metadata", "annotations")
    kept: Json = {key: value for key, value in notes.items() if not key.startswith(COUNTED)}
    rest: Json = {key: value for key, value in item.items() if key not in ("metadata", "status", "spec")}
    spec: Json = {key: value for key, value in mapping(item, "spec").items() if not key.startswith("clusterIP")}
    canary = mapping(spec, "strategy", "canary")
    if canary.get("dynamicStableScale") is False:
        del canary["dynamicStableScale"]  # the controller drops what is false whenever it writes the whole object
    return {**rest, "spec": spec, "annotations": kept, "labels": mapping(item, "metadata", "labels")}
