"""A canary that is driven by hand: Argo's own tool, and what the cluster and the clients say."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import yaml

from golive_sandbox.scenarios.people import LEASE
from golive_sandbox.timeline import Timeline
from golive_sandbox.types import Json, dig, mapping, number, text
from selftests.harness import condition, eventually
from selftests.sandboxes import ROLLOUT
from selftests.traces import Place

STABLE, RELEASE = "1.4.2", "1.5.0"
"""What the servers call themselves."""
_SECONDS = 40.0


class Walk:
    """The release of one world."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._sandbox = place.sandbox
        self._path = f"/apis/argoproj.io/v1alpha1/namespaces/{place.name}/rollouts/{ROLLOUT}"

    def start(self) -> None:
        """Apply the reviewed Rollout, and hold the Lease that lets it live."""
        now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        spec = {"holderIdentity": "by-hand", "renewTime": now, "leaseDurationSeconds": 3600}
        # Handed over: nobody renews it, and the sandbox has not to wait for its end.
        metadata = {"name": LEASE, "annotations": {"golive/handover": "true"}}
        lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}
        reviewed = yaml.safe_load_all((self.place.folder / "rollout-maestro.yaml").read_text(encoding="utf-8"))
        self._apply(lease)
        self._apply(next(one for one in reviewed if one["kind"] == "Rollout"))

    def _apply(self, item: object) -> None:
        file = self.place.folder / "by-hand.json"
        file.write_text(json.dumps(item), encoding="utf-8")
        how = ("--server-side", "--force-conflicts", "--field-manager=golive")
        self._sandbox.kubectl(self.place.name, "apply", *how, "-f", str(file))
        file.unlink()

    def take_back(self) -> None:
        """Whatever is under way or was promoted: the stable version again, and no Lease."""
        if f":v{STABLE}@" not in text(self.rollout(), "spec", "template", "spec", "containers", 0, "image"):
            self.break_("fix-arrives")
            self.heal("fix-arrives")
        self._sandbox.kubectl(self.place.name, "delete", "lease", LEASE, "--ignore-not-found")

    def rollout(self) -> Json:
        found: Json = json.loads(self._sandbox.read(self._path))
        return found

    def until(self, what: str, ok: Callable[[Json], bool], seconds: float = _SECONDS) -> Json:
        return eventually(what, self.rollout, ok, seconds=seconds)

    def held_at(self, weight: int) -> Json:
        """Wait for the pause at that weight."""
        return self.until(f"held at {weight} %", lambda now: _held(now, weight))

    def to(self, *weights: int) -> None:
        """Promote from one weight to the next, and wait for the last."""
        for weight in weights[:-1]:
            self.held_at(weight)
            self.promote()
        self.held_at(weights[-1])

    def promote(self, *words: str) -> None:
        self._sandbox.kubectl(self.place.name, "argo", "rollouts", "promote", ROLLOUT, *words)

    def abort(self) -> None:
        self._sandbox.kubectl(self.place.name, "argo", "rollouts", "abort", ROLLOUT)

    def pods(self) -> Sequence[Json]:
        """Those of the release."""
        found = self._sandbox.items(f"/api/v1/namespaces/{self.place.name}/pods")
        return [one for one in found if ":v1.5.0@" in text(one, "spec", "containers", 0, "image")]

    def until_pods(self, what: str, ok: Callable[[Json], bool], seconds: float = _SECONDS) -> Sequence[Json]:
        """Wait until there are pods of the release and all of them are so."""
        return eventually(what, self.pods, lambda found: bool(found) and all(map(ok, found)), seconds=seconds)

    def break_(self, fault: str, when: str = "") -> None:
        self._sandbox.ask("break", world=self.place.name, fault=fault, when=when)

    def heal(self, fault: str) -> None:
        self._sandbox.ask("heal", world=self.place.name, fault=fault)

    def facts(self) -> Json:
        """What ``status`` says of the world. Nothing may have gone wrong."""
        self._sandbox.assert_untroubled(self.place.name)
        return self._sandbox.facts(self.place.name)

    def fired(self, fault: str) -> float:
        """Wait until a fault that was armed is switched on; when that was, unix seconds."""

        def at() -> object:
            return mapping(self.facts(), "fired").get(fault)

        return float(str(eventually(f"{fault} switched on", at, bool, seconds=_SECONDS)))

    def timeline(self, since: float) -> Timeline:
        return Timeline.of(self._sandbox.ask("versions", world=self.place.name, since=str(since)))

    def only(self, version: str, seconds: float = 1.0) -> None:
        """Wait until for so long nobody else has answered."""

        def timeline() -> Timeline:
            return self.timeline(time.time() - seconds)

        eventually(f"only {version} answers", timeline, lambda now: now.only(version, now.now - seconds), seconds=20)


def is_ready(pod: Json) -> bool:
    """Whether a pod says so."""
    return condition(pod, "Ready") == "True"


def _held(now: Json, weight: int) -> bool:
    status = mapping(now, "status")
    return (
        number(status, "canary", "weights", "canary", "weight") == weight
        and bool(dig(status, "pauseConditions"))
        and text(status, "observedGeneration") == str(number(now, "metadata", "generation"))
    )
