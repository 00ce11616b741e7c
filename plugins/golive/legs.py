"""The legs a rollback stands on: each is proven by what is observed, never by the answer to a write."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from golive.argo import HASH, RolloutView
from golive.counters import Counters
from golive.errors import Unreachable
from golive.t0 import T0, Release, RollbackTarget, digests_of
from golive.types import Json, dig, items, mapping, number, text

if TYPE_CHECKING:
    from golive.cluster import Cluster

_SERVICE = "kubernetes.io/service-name"


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
class Sight:
    """What several legs of one look share: the Rollout's pods, and who is behind which Service; or why not."""

    pods: tuple[Json, ...] | Unreachable
    slices: tuple[Json, ...] | Unreachable

    def of(self, pod_hash: str, *, other: bool = False) -> list[Json]:
        """Pods of the version, or of every other one. Raises ``Unreachable``."""
        if isinstance(self.pods, Unreachable):
            raise self.pods
        return [pod for pod in self.pods if (text(pod, "metadata", "labels", HASH) == pod_hash) is not other]

    def ready(self, *services: str) -> set[str]:
        """Names of the ready endpoints' pods; empty for an endpoint without a pod. Raises ``Unreachable``."""
        if isinstance(self.slices, Unreachable):
            raise self.slices
        mine = [one for one in self.slices if text(one, "metadata", "labels", _SERVICE) in services]
        ends = [end for one in mine for end in items(one, "endpoints")]
        serving = [end for end in ends if dig(end, "conditions", "ready", default=True) is True]
        return {text(end, "targetRef", "name") for end in serving}


class Legs:
    """Looks at each leg; ``expected`` is the hash that all traffic must be on."""

    def __init__(self, cluster: Cluster, target: RollbackTarget, release: Release, t0: T0 | None) -> None:
        self.cluster, self.target, self.release, self._t0 = cluster, target, release, t0
        self._counters = Counters(cluster, target.namespace, target.exporter)

    def look(self, view: RolloutView, expected: str) -> tuple[Leg, ...]:
        """Every leg, each on its own: one that cannot be looked at does not hide the others. Cheap ones first."""
        stable, canary = self.target.stable_service, self.target.canary_service
        found = [
            Leg("generation", view.observed, f"generation {view.generation} {'' if view.observed else 'not '}observed"),
            _try("hashes", lambda: self._hashes(view, expected)),
            Leg("phase", view.observed and view.phase == "Healthy", f"{view.phase} {view.message}".strip()),
            _try("weights", lambda: self._weights(view, expected)),
        ]
        if self.target.ingress:
            found.append(_try("ingress", lambda: self._ingress(view)))
        found.append(_try("stable_service", lambda: self._service(stable, expected)))
        found.append(_try("canary_service", lambda: self._service(canary, expected)))
        sight = self._sight(view)
        found.append(_try("endpoints", lambda: self._endpoints(sight, expected)))
        found.append(_try("digests", lambda: self._digests(sight, view, expected)))
        found.append(_try("requests", lambda: self._counters.look(sight.of(expected, other=True))))
        return tuple(found)

    def aside(self, view: RolloutView) -> tuple[Leg, ...]:
        """The release has no traffic while somebody else's version is on its way, which is left alone."""
        sight = self._sight(view)
        found = [_try("weights", lambda: self._unweighted(view))]
        for role, name in (("stable", self.target.stable_service), ("canary", self.target.canary_service)):
            found.append(_try(f"{role}_service", lambda name=name: self._unselected(view, name)))  # type: ignore[misc]
        found.append(_try("digests", lambda: self._unserved(sight)))
        found.append(_try("requests", lambda: self._counters.look(self._of_release(sight, view))))
        return tuple(found)

    def _unweighted(self, view: RolloutView) -> tuple[bool, str]:
        named = sorted({view.canary_hash, view.weighted_hash} - {""})
        bad = [one for one in named if self.release.is_hash(view, one)]
        good = view.observed and bool(view.weighted_hash or not view.routed) and not bad
        return good, f"weights name {', '.join(named) or 'nothing'}{': the release' if bad else ''}"

    def _unselected(self, view: RolloutView, name: str) -> tuple[bool, str]:
        body = self.cluster.get(f"/api/v1/namespaces/{self.target.namespace}/services/{name}")
        selected = text(body, "spec", "selector", HASH)
        bad = self.release.is_hash(view, selected) if selected else True
        return not bad, f"Service {name} selects {selected or 'no hash'}{': the release' if bad and selected else ''}"

    def _unserved(self, sight: Sight) -> tuple[bool, str]:
        ready = sight.ready(self.target.stable_service, self.target.canary_service)
        pods = [pod for pod in sight.of("", other=True) if text(pod, "metadata", "name") in ready]
        wrong = sorted(f"{text(pod, 'metadata', 'name')}: {why}" for pod in pods if (why := self._wrong(pod, {})))
        good = bool(sight.ready(self.target.stable_service)) and not wrong
        return good, "; ".join(wrong) or f"{len(pods)} pods behind the Services, none of them the release's"

    def _of_release(self, sight: Sight, view: RolloutView) -> list[Json]:
        pods = sight.of("", other=True)
        return [pod for pod in pods if self.release.is_hash(view, text(pod, "metadata", "labels", HASH))]

    def _sight(self, view: RolloutView) -> Sight:
        root = self.target.namespace
        services = f"{_SERVICE} in ({self.target.stable_service},{self.target.canary_service})"
        pods = f"{view.selector},{HASH}" if view.selector else HASH
        return Sight(
            pods=self._listed(f"/api/v1/namespaces/{root}/pods", pods),
            slices=self._listed(f"/apis/discovery.k8s.io/v1/namespaces/{root}/endpointslices", services),
        )

    def _listed(self, path: str, selector: str) -> tuple[Json, ...] | Unreachable:
        """What there is, or why that was not seen: once, for every leg that needs it."""
        try:
            return tuple(self.cluster.list(path, labelSelector=selector))
        except Unreachable as error:
            return error

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

    def _service(self, name: str, expected: str) -> tuple[bool, str]:
        body = self.cluster.get(f"/api/v1/namespaces/{self.target.namespace}/services/{name}")
        selected = text(body, "spec", "selector", HASH)
        return selected == expected != "", f"Service {name} selects {selected or 'no hash'}, expected {expected}"

    def _endpoints(self, sight: Sight, expected: str) -> tuple[bool, str]:
        service = self.target.stable_service
        ready = sight.ready(service)
        if not ready:
            return False, f"Service {service} has no ready endpoint"
        good = {text(pod, "metadata", "name") for pod in sight.of(expected)}
        strange = sorted(ready - good)
        others = f", of other versions: {', '.join(name or '(no pod)' for name in strange)}" if strange else ""
        return not strange, f"Service {service}: {len(ready)} ready, {len(ready & good)} of {expected}{others}"

    def _digests(self, sight: Sight, view: RolloutView, expected: str) -> tuple[bool, str]:
        """No pod behind either Service runs the release's bytes, and each runs what T0's did, where that is known."""
        ready = sight.ready(self.target.stable_service, self.target.canary_service)
        pods = [pod for pod in sight.of("", other=True) if text(pod, "metadata", "name") in ready]
        t0 = self._t0
        known = t0 if t0 is not None and (t0.rollout, t0.hash) == (view.uid, expected) else None
        digests = mapping(known.about, "digests") if known else {}
        wrong = sorted(f"{text(pod, 'metadata', 'name')}: {why}" for pod in pods if (why := self._wrong(pod, digests)))
        if wrong or not pods:
            return False, "; ".join(wrong) or "no ready pod behind the Services"
        whose = "those of T0" if digests else "none of them the release's"
        return True, f"{len(pods)} pods behind the Services, their digests {whose}"

    def _wrong(self, pod: Json, digests: Json) -> str:
        """What is wrong with the bytes that a pod runs; empty when nothing is."""
        running = digests_of(pod)
        if self.target.digest in running.values():
            return "runs the release's digest"
        for name, wanted in digests.items():
            seen = running.get(name, "")
            if not isinstance(wanted, list) or seen not in wanted:
                return f"container {name} runs {seen or 'what its node does not tell'}, not what T0 ran"
        return "" if all(running.values()) and running else "its node does not tell what it runs"


def _try(name: str, look: Callable[[], tuple[bool, str]]) -> Leg:
    try:
        proven, observed = look()
    except Unreachable as error:
        return Leg(name, False, f"not observed: {error}")
    return Leg(name, proven, observed)
