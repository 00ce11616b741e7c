"""Whether a version still answers requests, by its own pods' counters: two equal looks are no request between them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from golive.errors import Unreachable
from golive.types import Json, items, text

if TYPE_CHECKING:
    from golive.cluster import Cluster

_ASKED = 5
"""Pods of one look: a version of hundreds would cost the budget that the rollback itself needs."""
QUIET_SECONDS = 0.4
"""A counter must stand still this long: the ingress takes a new weight up after about 0.1 s (shared/sandbox.md)."""
_AGAIN_SECONDS = 0.15
"""A counter read this long ago is not read again: there is nothing new to hear."""
_POD_SECONDS = 1.0
_LOOK_SECONDS = 1.5
"""Most that all pods of one look may take together: a hanging one must not hold up the other legs."""
_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Exporter:
    """Where a pod tells how many requests it answered, as ``golive.toml`` says in ``[metrics]``."""

    scheme: str
    port: int
    path: str
    counter: str
    """Name of the counter's series."""
    label: str
    """Its label with the route."""
    routes: tuple[str, ...]
    """The routes that count; a probe's do not, since the kubelet asks a pod without traffic too."""


@dataclass(slots=True)
class _Seen:
    """What a pod told: the count, since when it stands there, and when it was last read."""

    count: float
    since: float
    read: float


@dataclass(slots=True)
class Counters:
    """Remembers what each pod told from look to look."""

    cluster: Cluster
    namespace: str
    exporter: Exporter
    _seen: dict[str, _Seen] = field(default_factory=dict)

    def look(self, pods: Sequence[Json]) -> tuple[bool, str]:
        """Whether none of ``pods`` answers requests, and what was seen; only those that may take traffic are asked."""
        names = sorted(text(pod, "metadata", "name") for pod in pods if _may_serve(pod))
        if not names:
            return True, "no pod of another version may take traffic"
        asked, busy, silent = names[:_ASKED], [], []
        ends = time.monotonic() + _LOOK_SECONDS
        for name in asked:
            try:
                if not self._quiet(name, ends):
                    busy.append(f"{name} {self._seen[name].count:g}")
            except Unreachable as error:
                self._seen.pop(name, None)
                silent.append(f"{name} does not tell ({error}); waiting for it to be gone")
        whole = f"{len(asked)} of {len(names)}" if len(asked) < len(names) else f"{len(names)}"
        if busy or silent:
            moving = [f"requests answered, or not yet two equal looks: {', '.join(busy)}"] if busy else []
            return False, f"{whole} pods of other versions asked: {'; '.join([*moving, *silent])}"
        return True, f"{whole} pods of other versions asked: no request for {QUIET_SECONDS:g} s"

    def _quiet(self, name: str, ends: float) -> bool:
        """Whether the pod's counter stands still for long enough. Raises ``Unreachable`` when it does not tell."""
        now, before = time.monotonic(), self._seen.get(name)
        if before is None or now - before.read >= _AGAIN_SECONDS:
            count = self._read(name, ends)
            still = before is not None and before.count == count
            # What was counted was counted before the answer came: it stands still from then on.
            since = before.since if before is not None and still else time.monotonic()
            self._seen[name] = before = _Seen(count, since, now)
        return before.read - before.since >= QUIET_SECONDS

    def _read(self, name: str, ends: float) -> float:
        left = min(_POD_SECONDS, ends - time.monotonic())
        if left <= 0:
            raise Unreachable("not asked: the pods before it took too long")
        source = self.exporter
        pod = f"https:{name}" if source.scheme == "https" else name
        path = f"/api/v1/namespaces/{self.namespace}/pods/{pod}:{source.port}/proxy{source.path}"
        answer = self.cluster.request("GET", path, headers={"Accept": "text/plain"}, deadline=left, max_bytes=_BYTES)
        if answer.status != 200:
            raise Unreachable(f"{answer.status} at {source.path}")
        return count_of(answer.body.decode(errors="replace"), source)


def count_of(exposition: str, source: Exporter) -> float:
    """Requests answered on the routes that count. Raises ``Unreachable`` when the text has no such counter.

    A counter that is declared and has no series yet has counted nothing: a series begins with its first request.
    """
    from prometheus_client.parser import text_string_to_metric_families

    # Only the counter's own lines: the rest may be megabytes, and is nobody's question here.
    starts = (source.counter, f"# TYPE {source.counter}")
    told = "".join(f"{line}\n" for line in exposition.split("\n") if line.startswith(starts))
    names = {source.counter, source.counter.removesuffix("_total")}
    try:
        families = [one for one in text_string_to_metric_families(told) if one.name in names]
    except ValueError as error:
        raise Unreachable(f"expected a metrics text, found: {str(error)[:120]}") from error
    if not families:
        raise Unreachable(f"no series {source.counter}")
    samples = [one for family in families for one in family.samples if one.name == source.counter]
    if samples and not any(source.label in one.labels for one in samples):
        raise Unreachable(f"{source.counter} has no label {source.label}")
    return sum(one.value for one in samples if one.labels.get(source.label) in source.routes)


def _may_serve(pod: Json) -> bool:
    """Whether a Service would send requests to it: Ready, and not on its way out."""
    ready = any(
        text(one, "type") == "Ready" and text(one, "status") == "True" for one in items(pod, "status", "conditions")
    )
    return ready and not text(pod, "metadata", "deletionTimestamp")
