"""A rollback called directly on a sandbox, with something that happens at a moment of it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from golive.access import resolve
from golive.cluster import Cluster
from golive.config import load
from golive.rollback import T0, RollbackResult, RollbackTarget, roll_back, snapshot
from golive.t0 import target_of
from golive.types import Json, JsonValue, dig, items, mapping, text
from selftests.live.world import World, eventually

Note = Callable[[str, Json], None]
ROLLOUT = "maestro-server"


class Taking:
    """What a rollback needs, as the watchdog would have it."""

    def __init__(self, world: World, *, admin: bool = False, request_seconds: float = 5.0) -> None:
        self.world = world
        settings = load(world.config)
        target = settings.target
        kubeconfig = str(world.folder / "kubeconfig") if admin else target.kubeconfig
        access = resolve(kubeconfig, None if admin else target.context)
        self.cluster = Cluster(
            access, uid=target.cluster_uid, request_seconds=request_seconds, requests_per_second=50.0
        )
        self.target: RollbackTarget = target_of(settings)

    def t0(self) -> T0:
        """The version at rest, through its JSON as a record keeps it."""
        taken = eventually("a T0", lambda: snapshot(self.cluster, self.target), lambda seen: seen is not None)
        assert taken is not None
        return T0.from_json(json.loads(json.dumps(taken.to_json())))

    def back(
        self,
        t0: T0 | None = None,
        *,
        at: str = "",
        does: Callable[[], object] = lambda: None,
        deadline: float = 20.0,
        closed: str = "",
        applying: bool = False,
        before: bool = False,
        always: bool = False,
    ) -> RollbackResult:
        """Roll back; ``does`` is called once, or ``always``, when ``at`` (an event, or what was requested) is told."""
        done: list[str] = []

        def note(event: str, facts: Json) -> None:
            if at in (event, text(facts, "request")) and (always or not done):
                done.append(event)
                does()

        return roll_back(
            self.cluster,
            self.target,
            "self-test",
            t0=t0,
            rolled_back_before=before,
            deadline=deadline,
            note=note,
            started=time.monotonic(),
            closed=closed,
            applying=applying,
        )

    def patch(self, *ops: Json) -> None:
        """A JSON patch of the Rollout, by the administrator."""
        self.world.kubectl("patch", "rollout", ROLLOUT, "--type=json", "-p", json.dumps([*ops]))

    def fix(self, t0: T0) -> Json:
        """Put a version there that is neither the release nor T0; its template."""
        template: Json = json.loads(json.dumps(t0.template))
        (container,) = items(template, "spec", "containers")
        container["env"] = [*items(container, "env"), {"name": "FIX", "value": str(time.monotonic_ns())}]
        self.patch({"op": "replace", "path": "/spec/template", "value": template})
        return template

    @contextmanager
    def marked(self, annotation: str, value: str) -> Iterator[None]:
        """The Rollout with an annotation, for a while."""
        self.world.kubectl("annotate", "rollout", ROLLOUT, f"{annotation}={value}")
        try:
            yield
        finally:
            self.world.kubectl("annotate", "rollout", ROLLOUT, f"{annotation}-")

    @contextmanager
    def changed(self, **spec: Json) -> Iterator[None]:
        """The Rollout with more in its ``spec``, for a while."""
        for name, value in spec.items():
            self.patch({"op": "add", "path": f"/spec/{name}", "value": value})
        try:
            yield
        finally:
            for name in spec:
                self.patch({"op": "remove", "path": f"/spec/{name}"})


def api_server(world: World) -> int:
    """Process id of the sandbox's API server."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes()
        except OSError:
            continue  # it ended while we looked
        if command.partition(b"\0")[0].endswith(b"kube-apiserver") and str(world.folder).encode() in command:
            return int(folder.name)
    raise AssertionError(f"no API server of {world.folder}")


def asked_of(world: World) -> tuple[JsonValue, ...]:
    """What anybody but the controller can ask of the Rollout: its spec, and what an abort or a promotion writes."""
    now = world.rollout()
    return (dig(now, "spec"), dig(now, "status", "abort"), dig(now, "status", "promoteFull"))


def assert_serves(world: World, pod_hash: str) -> None:
    """All traffic is on this version, by the Rollout itself."""
    now = world.rollout()
    assert (text(now, "status", "stableRS"), text(now, "status", "currentPodHash")) == (pod_hash, pod_hash)
    assert text(now, "status", "phase") == "Healthy"
    weights = mapping(now, "status", "canary", "weights")
    assert (dig(weights, "canary", "weight"), text(weights, "stable", "podTemplateHash")) == (0, pod_hash)


def assert_proven(result: RollbackResult, *did: str) -> None:
    """Every leg was seen, and this is what was sent."""
    assert result.proven, result
    assert result.did == did, result
    assert {leg.leg for leg in result.legs} == {
        "generation", "hashes", "phase", "weights", "ingress", "stable_service", "canary_service", "endpoints",
        "digests", "requests",
    }  # fmt: skip


def masked(t0: T0) -> T0:
    """As it is read from a record in which something of the template was masked."""
    return replace(t0, template={})
