"""The legs a rollback stands on: each is proven by what is observed, never by the answer to a write."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from golive.argo import HASH, RolloutView
from golive.errors import Unreachable
from golive.t0 import Release, RollbackTarget
from golive.types import Json, dig, items, mapping, number, text

if TYPE_CHECKING:
    from golive.cluster import Cluster


@dataclass(frozen=True, slots=True)
class Leg:
    """One thing that must hold; ``observed`` says what was seen."""

    leg: str
    proven: bool
    observed: str

    def to_json(self) -> Json:
        """As ``verdict.json`` has it."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Legs:
    """Looks at each leg; ``expected`` is the hash that all traffic must be on."""

    cluster: Cluster
    target: RollbackTarget
    release: Release

    def look(self, view: RolloutView, expected: str) -> tuple[Leg, ...]:
        """Every leg, each on its own: one that cannot be looked at does not hide the others."""
        found = [
            Leg("generation", view.observed, f"generation {view.generation} {'' if view.observed else 'not '}observed"),
            _try("hashes", lambda: self._hashes(view, expected)),
            Leg("phase", view.observed and view.phase == "Healthy", f"{view.phase} {view.message}".strip()),
            _try("weights", lambda: self._weights(view, expected)),
        ]
        if self.target.ingress:
            found.append(_try("ingress", lambda: self._ingress(view)))
        for role, name in (("stable", self.target.stable_service), ("canary", self.target.canary_service)):
            found.append(self._service(role, name, expected))
        found.append(_try("endpoints", lambda: self._endpoints(expected)))
        return tuple(found)

    def _hashes(self, view: RolloutView, expected: str) -> tuple[bool, str]:
        good = view.stable_hash == view.current_hash == expected != "" and not view.abort
        if good and self.release.is_hash(view, expected):
            return False, f"stable {expected} is the release itself"
        return good, (
            f"stable {view.stable_hash or 'none'}, current {view.current_hash or 'none'}, expected {expected or 'none'}"
            f"{', aborted' if view.abort else ''}"
        )

    def _weights(self, view: RolloutView, expected: str) -> tuple[bool, str]:
        if not view.routed:
            left = [
                f"{text(one, 'metadata', 'name')} {number(one, 'status', 'availableReplicas')}"
                for one in self.release.of_release(view)
                if number(one, "status", "availableReplicas")
            ]
            return not left, f"no router; available pods of the release: {', '.join(left) or 'none'}"
        good = (
            view.canary_weight == 0
            and view.additional_weight == 0
            and view.stable_weight == view.max_weight
            and view.weighted_hash == expected
        )
        return good, (
            f"canary {view.canary_weight}, stable {view.stable_weight} of {view.max_weight} "
            f"on {view.weighted_hash or 'none'}"
        )

    def _ingress(self, view: RolloutView) -> tuple[bool, str]:
        name = f"{self.target.rollout}-{self.target.ingress}-canary"
        path = f"/apis/networking.k8s.io/v1/namespaces/{self.target.namespace}/ingresses/{name}"
        weight = dig(self.cluster.get(path), "metadata", "annotations", view.weight_annotation)
        return weight == "0", f"Ingress {name}: {view.weight_annotation}: {weight}"

    def _service(self, role: str, name: str, expected: str) -> Leg:
        def look() -> tuple[bool, str]:
            body = self.cluster.get(f"/api/v1/namespaces/{self.target.namespace}/services/{name}")
            selected = text(body, "spec", "selector", HASH)
            return selected == expected != "", f"Service {name} selects {selected or 'no hash'}, expected {expected}"

        return _try(f"{role}_service", look)

    def _endpoints(self, expected: str) -> tuple[bool, str]:
        namespace, service = self.target.namespace, self.target.stable_service
        slices = self.cluster.list(
            f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices",
            labelSelector=f"kubernetes.io/service-name={service}",
        )
        ends = [end for one in slices for end in items(one, "endpoints")]
        serving = [end for end in ends if dig(end, "conditions", "ready", default=True) is True]
        ready = {text(end, "targetRef", "name") for end in serving}
        if not ready:
            return False, f"Service {service} has no ready endpoint"
        pods = self.cluster.list(f"/api/v1/namespaces/{namespace}/pods", labelSelector=f"{HASH}={expected}")
        good = {text(mapping(pod, "metadata"), "name") for pod in pods}
        strange = sorted(ready - good)
        others = f", of other versions: {', '.join(name or '(no pod)' for name in strange)}" if strange else ""
        return not strange, f"Service {service}: {len(ready)} ready, {len(ready & good)} of {expected}{others}"


def _try(name: str, look: Callable[[], tuple[bool, str]]) -> Leg:
    try:
        proven, observed = look()
    except Unreachable as error:
        return Leg(name, False, f"not observed: {error}")
    return Leg(name, proven, observed)
