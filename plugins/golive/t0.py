"""Whose traffic it is: is this version the release under test, and what was proven good before it (T0)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from golive.argo import HASH, RolloutView, parse, rollout_path
from golive.types import Json, dig, items, mapping, number, text

if TYPE_CHECKING:
    from golive.cluster import Cluster
    from golive.config import Settings


@dataclass(frozen=True, slots=True)
class RollbackTarget:
    """What may be taken back: one Rollout, while it runs ``image`` (repository without tag) at ``digest``."""

    namespace: str
    rollout: str
    stable_service: str
    canary_service: str
    ingress: str
    """The stable Ingress; empty when none splits the traffic."""
    image: str
    digest: str

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
        digest=settings.release.digest,
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
        )


def _fingerprint(template: Json) -> str:
    return hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()


class Release:
    """Tells whether a version is the release under test; reads ReplicaSets and pods only where it must."""

    def __init__(self, cluster: Cluster, target: RollbackTarget) -> None:
        self._cluster, self._target = cluster, target
        self._known: dict[str, bool] = {}

    def read(self) -> RolloutView | None:
        """The Rollout now; ``None`` when there is none."""
        found = self._cluster.find(self._target.path)
        return None if found is None else parse(found)

    def is_current(self, view: RolloutView) -> bool:
        """Whether the Rollout's own template is the release."""
        if view.images:
            by_name = self._named(view.images)
            if by_name is not None:
                return by_name
        # A tag says nothing, and a workloadRef has no template here: what runs is looked at, once it does.
        return view.observed and self.is_hash(view, view.current_hash)

    def is_hash(self, view: RolloutView, pod_hash: str) -> bool:
        """Whether the version with this pod template hash is the release."""
        if pod_hash in self._known:
            return self._known[pod_hash]
        one = self.replica_set(view, pod_hash)
        found = one is not None and self._is_set(one, pod_hash)
        if found or (one is not None and self._named(_images(one)) is not None):
            self._known[pod_hash] = found  # a template never changes; pods behind a tag may still have to start
        return found

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

    def _is_set(self, replica_set: Json, pod_hash: str) -> bool:
        by_name = self._named(_images(replica_set))
        return self._running(pod_hash) if by_name is None else by_name

    def _named(self, images: Iterable[str]) -> bool | None:
        """Decided by the references alone, or ``None`` when one names the repository by a tag only."""
        undecided = False
        for image in images:
            name, _, digest = image.partition("@")
            if digest == self._target.digest:  # the same bytes, from a mirror too
                return True
            undecided |= not digest and _repository(name) == self._target.image
        return None if undecided else False

    def _running(self, pod_hash: str) -> bool:
        """Whether pods of this version run the digest, as their nodes report it."""
        root = f"/api/v1/namespaces/{self._target.namespace}/pods"
        pods = self._cluster.list(root, labelSelector=f"{HASH}={pod_hash}") if pod_hash else []
        ids = [text(one, "imageID") for pod in pods for one in items(pod, "status", "containerStatuses")]
        return any(one.endswith(self._target.digest) for one in ids)


def _images(replica_set: Json) -> list[str]:
    return [text(one, "image") for one in items(replica_set, "spec", "template", "spec", "containers")]


def _repository(name: str) -> str:
    """``repo:tag`` without the tag; a port in the registry's name is no tag."""
    head, colon, tag = name.rpartition(":")
    return head if colon and "/" not in tag else name


def snapshot(cluster: Cluster, target: RollbackTarget) -> T0 | None:
    """The version to go back to, if the Rollout is at rest on one that is not the release; ``None`` otherwise."""
    release = Release(cluster, target)
    view = release.read()
    if view is None or not view.template or not view.observed or view.phase != "Healthy":
        return None
    if not view.stable_hash or view.stable_hash != view.current_hash or release.is_current(view):
        return None
    taken = datetime.now(UTC).isoformat(timespec="milliseconds")
    return T0(view.uid, view.generation, view.stable_hash, view.template, view.images, taken)
