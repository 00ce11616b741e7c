"""Each fault is switched off exactly: what was there before is there again, and nothing else."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from golive_sandbox.errors import SandboxError
from golive_sandbox.scenarios.fault import Fault
from golive_sandbox.scenarios.faults import FAULTS
from golive_sandbox.types import Json, dig, items, mapping, text
from selftests.registries import look
from selftests.sandboxes import Sandbox, running_sandbox
from selftests.watched import Watched

KINDS = "rollouts,services,ingresses,roles,rolebindings"
COUNTED = ("rollout.argoproj.io/", "deployment.kubernetes.io/")
"""Annotations in which controllers count changes."""
SILENT = "Prometheus does not answer"
WATCHING = "deployments,services,configmaps,roles,rolebindings"
SHARED = [fault for fault in FAULTS if not fault.own_plane]
OWN = [fault for fault in FAULTS if fault.own_plane]
Snapshot = dict[str, object]


class Place:
    """A world of a sandbox."""

    def __init__(self, sandbox: Sandbox, name: str, folder: Path) -> None:
        self.sandbox, self.name, self.folder = sandbox, name, folder
        settings = tomllib.loads((folder / "golive.toml").read_text(encoding="utf-8"))
        self.registry = text(settings, "release", "image").partition("/")[0]

    def snapshot(self) -> Snapshot:
        """All that makes the world, without what every write changes."""
        found: Snapshot = {one.name: one.read_bytes() for one in sorted(self.folder.glob("*.*")) if one.is_file()}
        for item in items(self.sandbox.get(self.name, KINDS), "items"):
            found[f"{text(item, 'kind')}/{text(item, 'metadata', 'name')}"] = _lasting(item)
        pods = items(self.sandbox.get(self.name, "pods"), "items")
        found["images"] = sorted(text(pod, "spec", "containers", 0, "image") for pod in pods)
        found["annotated"] = [dict(notes) for pod in pods if (notes := mapping(pod, "metadata", "annotations"))]
        found |= self._monitoring(sorted(text(pod, "metadata", "name") for pod in pods))
        found["controllers"] = [
            text(one, "metadata", "name") for one in items(self.sandbox.get("argo-rollouts", "deploy"), "items")
        ]
        found["registry"] = look(self.registry, self.name)
        found["crds"] = self.sandbox.kubectl(self.name, "get", "crds", "-o", "name")
        return found

    def _monitoring(self, pods: list[str]) -> Snapshot:
        """What watches the world, and what it sees of these pods."""
        watched = Watched(self.sandbox, self.name, self.folder)
        found: Snapshot = {}
        for item in items(self.sandbox.get(watched.namespace, WATCHING), "items"):
            found[f"watching {text(item, 'kind')}/{text(item, 'metadata', 'name')}"] = _lasting(item)
        found["watching pods"] = sorted(
            (text(pod, "spec", "containers", 0, "image"), dig(pod, "status", "containerStatuses", 0, "ready"))
            for pod in items(self.sandbox.get(watched.namespace, "pods"), "items")
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
        except (AssertionError, ValueError) as silent:  # kubectl got no answer, or one that is no JSON
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


@pytest.fixture(scope="module")
def shared(sandbox: Sandbox) -> Iterator[Place]:
    made = sandbox.ask("create-world", world="faults")
    yield Place(sandbox, "faults", Path(text(made, "golive_toml")).parent)
    sandbox.ask("delete-world", world="faults")


@pytest.fixture(scope="module")
def own() -> Iterator[Place]:
    with running_sandbox() as sandbox:
        yield Place(sandbox, "maestro", sandbox.folder.root)


@pytest.mark.parametrize("fault", SHARED, ids=[fault.name for fault in SHARED])
def test_a_healed_fault_leaves_no_trace(shared: Place, fault: Fault) -> None:
    _break_and_heal(shared, fault, shared.snapshot)


@pytest.mark.parametrize("fault", OWN, ids=[fault.name for fault in OWN])
def test_a_healed_fault_of_the_plane_leaves_no_trace(own: Place, fault: Fault) -> None:
    _break_and_heal(own, fault, own.snapshot)


def _break_and_heal(place: Place, fault: Fault, snapshot: Callable[[], Snapshot]) -> None:
    before = snapshot()
    assert SILENT not in before
    assert place.sandbox.ask("break", world=place.name, fault=fault.name) == {"broken": [fault.name]}
    assert place.sandbox.broken(place.name) == [fault.name]
    with pytest.raises(SandboxError, match="is already broken"):
        place.sandbox.ask("break", world=place.name, fault=fault.name)
    if fault.name != "namespace-missing":
        assert _differs(before, place, fault)
    assert place.sandbox.ask("heal", world=place.name, fault=fault.name) == {"broken": []}
    assert snapshot() == before
    with pytest.raises(SandboxError, match="is not broken"):
        place.sandbox.ask("heal", world=place.name, fault=fault.name)


def _differs(before: Snapshot, place: Place, fault: Fault) -> bool:
    if fault.name != "argo-controller-down":
        return place.snapshot() != before
    (one,) = items(place.sandbox.get("argo-rollouts", "deploy"), "items")
    return mapping(one, "spec")["replicas"] == 0


def test_a_fault_of_the_plane_is_refused_while_the_plane_has_several_worlds(shared: Place) -> None:
    with pytest.raises(SandboxError, match="which has other worlds"):
        shared.sandbox.ask("break", world=shared.name, fault=OWN[0].name)
    with pytest.raises(SandboxError, match="start a sandbox of its own"):
        shared.sandbox.ask("create-world", world="another", scenario=OWN[0].name)


@pytest.mark.parametrize("name", ["kube-system", "default", "argo-rollouts", "Upper", "-x", "a" * 60, ""])
def test_a_world_is_not_made_in_a_namespace_that_is_somebody_else_s(sandbox: Sandbox, name: str) -> None:
    with pytest.raises(SandboxError, match="a name for a namespace of its own"):
        sandbox.ask("create-world", world=name)


def test_a_world_that_is_there_is_not_made_again(shared: Place) -> None:
    with pytest.raises(SandboxError, match="exists already"):
        shared.sandbox.ask("create-world", world=shared.name)
