"""Whose traffic it is: is this version the release under test, and what was proven good before it (T0)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from golive.argo import HASH, RolloutView, parse, rollout_path
from golive.counters import Exporter
from golive.errors import Unreachable
from golive.gitops import heals
from golive.types import Json, JsonValue, dig, items, mapping, number, text

if TYPE_CHECKING:
    from golive.cluster import Cluster
    from golive.config import Settings


@dataclass(frozen=True, slots=True)
class RollbackTarget:
    """What may be taken back: one Rollout, while it runs ``image`` (repository without tag), ``tag`` at ``digest``."""

    namespace: str
    rollout: str
    stable_service: str
    canary_service: str
    ingress: str
    """The stable Ingress; empty when none splits the traffic."""
    image: str
    tag: str
    digest: str
    exporter: Exporter
    """Where its pods tell how many requests they answered."""
    gitops_namespace: str
    """Where Argo CD keeps its Applications."""

    @property
    def path(self) -> str:
        """Where the Rollout is."""
        return rollout_path(self.namespace, self.rollout)


def target_of(settings: Settings) -> RollbackTarget:
    """What a rollback may touch, from ``golive.toml``."""
    return RollbackTarget(
        namespace=settings.target.namespace,
        rollout=settings.target.rollout,
        stable_service=settings.services.stable,
        canary_service=settings.services.canary,
        ingress=settings.services.ingress or "",
        image=settings.release.image,
        tag=settings.release.tag,
        digest=settings.release.digest,
        exporter=Exporter(
            scheme=settings.metrics.scheme,
            port=settings.metrics.port,
            path=settings.metrics.path,
            counter=settings.metrics.requests,
            label=settings.metrics.route,
            routes=settings.metrics.critical_routes,
        ),
        gitops_namespace=settings.gitops.namespace,
    )


@dataclass(frozen=True, slots=True)
class T0:
    """A version that was proven good before the first percent moved. ``taken`` is an ISO time.

    The record keeps it redacted: a template in which something was masked is empty when it is read back, since
    restoring it would put the mask into production. The stable ReplicaSet has the template too.
    """

    rollout: str
    """UID of the Rollout."""
    generation: int
    hash: str
    template: Json = field(repr=False)
    images: tuple[str, ...]
    taken: str
    about: Json = field(default_factory=dict, repr=False)
    """What else a person or a leg wants to know of it (shared/argo-rollouts.md, section 7); older records lack it."""

    def to_json(self) -> Json:
        """As the journal keeps it."""
        return {**asdict(self), "images": list(self.images), "template_sha256": _fingerprint(self.template)}

    @classmethod
    def from_json(cls, data: Json) -> T0:
        """What ``to_json`` gave."""
        images = dig(data, "images", default=[])
        template = mapping(data, "template")
        return cls(
            rollout=text(data, "rollout"),
            generation=number(data, "generation") or 0,
            hash=text(data, "hash"),
            template=template if _fingerprint(template) == text(data, "template_sha256") else {},
            images=tuple(str(one) for one in (images if isinstance(images, list) else [])),
            taken=text(data, "taken"),
            about=mapping(data, "about"),
        )


def _fingerprint(what: JsonValue) -> str:
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()


class Release:
    """Tells whether a version is the release under test; reads ReplicaSets and pods only where it must."""

    def __init__(self, cluster: Cluster, target: RollbackTarget) -> None:
        self._cluster, self._target = cluster, target
        self._known: dict[str, bool] = {}

    def read(self) -> RolloutView | None:
        """The Rollout now; ``None`` when there is none."""
        found = self._cluster.find(self._target.path)
        return None if found is None else parse(found)

    def is_current(self, view: RolloutView) -> bool | None:
        """Whether the Rollout's own template is the release; ``None`` while that cannot be known."""
        by_name = self._named(view.images) if view.images else None
        if by_name is not None:
            return by_name
        # A tag says nothing, and a workloadRef has no template here: what runs is looked at, once it does.
        return self._of_hash(view, view.current_hash) if view.observed else None

    def is_hash(self, view: RolloutView, pod_hash: str) -> bool:
        """Whether the version with this pod template hash is known to be the release."""
        return self._of_hash(view, pod_hash) is True

    def is_through(self, view: RolloutView) -> bool:
        """Whether the version that ``view`` has a template of is the stable one, and none is on its way.

        A spec that the controller refuses is not what the two hashes speak of.
        """
        done = view.observed and view.stable_hash == view.current_hash
        return done and (not view.invalid or self.is_hash(view, view.stable_hash))

    def serves(self, view: RolloutView) -> str:
        """How the release takes traffic while the Rollout's template is another one; empty when it does not.

        The template alone says nothing where the controller does not carry it out. Raises ``Unreachable``.
        """
        if view.routed and view.canary_weight and self.is_hash(view, view.canary_hash):
            return f"weight {view.canary_weight} of {view.max_weight} is on {view.canary_hash}"
        if not view.routed:
            left = sum(number(one, "status", "availableReplicas") or 0 for one in self.of_release(view))
            return f"{left} of its pods are available, and no router keeps requests from them" if left else ""
        root = f"/api/v1/namespaces/{self._target.namespace}/services"
        stable = self._cluster.find(f"{root}/{self._target.stable_service}") or {}
        selected = text(stable, "spec", "selector", HASH)
        taken = bool(selected) and self.is_hash(view, selected)
        return f"Service {self._target.stable_service} selects its pods ({selected})" if taken else ""

    def is_held(self, view: RolloutView) -> bool:
        """Whether an abort is all that a rollback may do, and it was done: a GitOps tool owns the template."""
        if view.owner is None or not view.aborted or view.canary_weight or view.stable_hash == view.current_hash:
            return False
        return heals(self._cluster, view.owner, self._target.gitops_namespace) is not False

    def _of_hash(self, view: RolloutView, pod_hash: str) -> bool | None:
        if pod_hash not in self._known:
            one = self.replica_set(view, pod_hash) if pod_hash else None
            found = None if one is None else self._is_set(one, pod_hash)
            if found is None:
                return None
            self._known[pod_hash] = found  # a template never changes
        return self._known[pod_hash]

    def replica_set(self, view: RolloutView, pod_hash: str) -> Json | None:
        """The one with this hash."""
        found = (one for one in self.replica_sets(view) if text(one, "metadata", "labels", HASH) == pod_hash)
        return next(found, None)

    def replica_sets(self, view: RolloutView) -> list[Json]:
        """Those that the Rollout owns."""
        root = f"/apis/apps/v1/namespaces/{self._target.namespace}/replicasets"
        found = self._cluster.list(root, **({"labelSelector": view.selector} if view.selector else {}))
        owners = "metadata", "ownerReferences"
        return [one for one in found if any(text(owner, "uid") == view.uid for owner in items(one, *owners))]

    def of_release(self, view: RolloutView) -> list[Json]:
        """ReplicaSets of the release, running or not."""
        return [one for one in self.replica_sets(view) if self._is_set(one, text(one, "metadata", "labels", HASH))]

    def elsewhere(self) -> list[str]:
        """What runs the release in the namespace without being the Rollout's: its name may be wrong in golive.toml."""
        root = f"/apis/apps/v1/namespaces/{self._target.namespace}/replicasets"
        running = [one for one in self._cluster.list(root) if number(one, "spec", "replicas")]
        return sorted(text(one, "metadata", "name") for one in running if self._named(_images(one)) is True)

    def _is_set(self, replica_set: Json, pod_hash: str) -> bool | None:
        by_name = self._named(_images(replica_set))
        return self._running(pod_hash) if by_name is None else by_name

    def _named(self, images: Iterable[str]) -> bool | None:
        """Decided by the references alone, or ``None`` when one has a tag only: pods tell whose bytes that is."""
        undecided = False
        for image in images:
            name, _, digest = image.partition("@")
            if digest == self._target.digest:  # the same bytes, from a mirror too
                return True
            if not digest and name == f"{self._target.image}:{self._target.tag}":
                return True
            undecided |= not digest
        return None if undecided else False

    def _running(self, pod_hash: str) -> bool | None:
        """Whether pods of this version run the digest, as their nodes report it; ``None`` before any of them says."""
        root = f"/api/v1/namespaces/{self._target.namespace}/pods"
        pods = self._cluster.list(root, labelSelector=f"{HASH}={pod_hash}") if pod_hash else []
        told = [[text(one, "imageID") for one in items(pod, "status", "containerStatuses")] for pod in pods]
        if any(one.endswith(self._target.digest) for ids in told for one in ids):
            return True
        return False if any(ids and all(ids) for ids in told) else None  # a pod that runs whole tells for its version


def _images(replica_set: Json) -> list[str]:
    return [text(one, "image") for one in items(replica_set, "spec", "template", "spec", "containers")]


def snapshot(cluster: Cluster, target: RollbackTarget) -> T0 | None:
    """The version to go back to, if the Rollout is at rest on one that is not the release; ``None`` otherwise."""
    release = Release(cluster, target)
    view = release.read()
    if view is None or not view.template or not view.observed or view.phase != "Healthy":
        return None
    if not view.stable_hash or view.stable_hash != view.current_hash or release.is_current(view) is not False:
        return None
    taken = datetime.now(UTC).isoformat(timespec="milliseconds")
    try:
        about = _about(cluster, target, release, view)
    except Unreachable as error:
        about = {"missing": str(error)}  # the template is what going back needs
    return T0(view.uid, view.generation, view.stable_hash, view.template, view.images, taken, about)


def _about(cluster: Cluster, target: RollbackTarget, release: Release, view: RolloutView) -> Json:
    """What the version stood on when it was proven good."""
    own = release.replica_set(view, view.stable_hash) or {}
    pods = cluster.list(f"/api/v1/namespaces/{target.namespace}/pods", labelSelector=f"{HASH}={view.stable_hash}")
    names = {text(one, "name") for one in items(view.template, "spec", "containers")}
    told: dict[str, set[str]] = {}
    for pod in pods:
        for name, digest in digests_of(pod).items():
            if digest and name in names:  # a side-car that was injected has versions of its own
                told.setdefault(name, set()).add(digest)
    digests: Json = {name: [*sorted(found)] for name, found in sorted(told.items())}
    return {
        "replica_set": {
            "name": text(own, "metadata", "name"),
            "uid": text(own, "metadata", "uid"),
            "revision": text(own, "metadata", "annotations", "rollout.argoproj.io/revision"),
        },
        "digests": digests,
        "steps_sha256": _fingerprint(view.canary.get("steps")),
        "dynamic_stable_scale": dig(view.canary, "dynamicStableScale") is True,
        "abort_scale_down_delay_seconds": number(view.canary, "abortScaleDownDelaySeconds"),
        "scale_down_delay_seconds": number(view.canary, "scaleDownDelaySeconds"),
        "rollback_window_revisions": view.rollback_window,
        "max_traffic_weight": view.max_weight,
        "replicas": view.replicas,
        "gitops": view.owner.to_json() if view.owner else None,
    }


def digests_of(pod: Json) -> dict[str, str]:
    """Each container's digest as its node reports it, by the container's name; empty while it does not."""
    statuses = items(pod, "status", "containerStatuses")
    return {text(one, "name"): text(one, "imageID").rpartition("@")[2] for one in statuses}
