"""What a version answered and how long that took: counts by route, which can be added and taken from each other.

Everything here is immutable and goes through JSON into the record.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from golive.types import Json, JsonValue, dig, mapping, real


@dataclass(frozen=True, slots=True)
class Buckets:
    """Answer times. ``counts[i]``: how many took at most ``edges[i]`` seconds; the last edge is ``inf``."""

    edges: tuple[float, ...]
    counts: tuple[float, ...]

    @property
    def total(self) -> float:
        """All that were timed; 0 without a bucket."""
        return self.counts[-1] if self.counts else 0.0

    def at_most(self, edge: float) -> float | None:
        """How many took at most ``edge`` seconds; ``None`` where that lies within a bucket that has some."""
        index = bisect.bisect_right(self.edges, edge)
        below = self.counts[index - 1] if index else 0.0
        if index == len(self.edges) or (index and self.edges[index - 1] == edge):
            return below
        return below if self.counts[index] == below else None

    def plus(self, other: Buckets) -> Buckets:
        """Both, at the edges at which both can be told."""
        return self._with(other, 1.0)

    def less(self, other: Buckets) -> Buckets:
        """This one without the other (an earlier reading of the same counters), at the edges that both can tell."""
        return self._with(other, -1.0)

    def _with(self, other: Buckets, sign: float) -> Buckets:
        if not other.edges or not self.edges:
            return self if not other.edges else Buckets(other.edges, tuple(sign * one for one in other.counts))
        edges = self.edges if self.edges == other.edges else tuple(sorted({*self.edges, *other.edges}))
        told = [(edge, self.at_most(edge), other.at_most(edge)) for edge in edges]
        both = [(edge, one + sign * two) for edge, one, two in told if one is not None and two is not None]
        return Buckets(tuple(edge for edge, _ in both), tuple(count for _, count in both))

    def to_json(self) -> Json:
        """As the journal keeps it; JSON knows no infinity."""
        edges: list[JsonValue] = ["+Inf" if one == math.inf else one for one in self.edges]
        return {"edges": edges, "counts": list(self.counts)}

    @classmethod
    def from_json(cls, data: Json) -> Buckets:
        """What ``to_json`` gave."""
        return cls(_floats(dig(data, "edges")), _floats(dig(data, "counts")))


@dataclass(frozen=True, slots=True)
class RouteTally:
    """One route: answers, those among them that are a 5xx, and how long they took (critical routes only).

    ``unknown``: answers of which nobody can say whether they are a 5xx of this window: those without an HTTP status, or
    those of a pod that began to count anew, and tells as many as before.
    """

    requests: float = 0.0
    errors: float = 0.0
    durations: Buckets | None = None
    unknown: float = 0.0

    def to_json(self) -> Json:
        """As the journal keeps it."""
        durations = self.durations.to_json() if self.durations else None
        unknown: Json = {"unknown": self.unknown} if self.unknown else {}
        return {"requests": self.requests, "errors": self.errors, "durations": durations, **unknown}

    @classmethod
    def from_json(cls, data: Json) -> RouteTally:
        """What ``to_json`` gave."""
        durations = mapping(data, "durations")
        timed = Buckets.from_json(durations) if durations else None
        unknown = real(data, "unknown") if "unknown" in data else 0.0
        return cls(real(data, "requests"), real(data, "errors"), timed, unknown)

    def plus(self, code: str, count: float) -> RouteTally:
        """With so many answers more; ``code``: the first digit of their HTTP status, empty where there is none."""
        errors, unknown = (count if code == "5" else 0.0), (count if not code else 0.0)
        return replace(
            self, requests=self.requests + count, errors=self.errors + errors, unknown=self.unknown + unknown
        )


@dataclass(frozen=True, slots=True)
class Tally:
    """What one version answered in a window, by route."""

    routes: Mapping[str, RouteTally] = field(default_factory=dict)

    @property
    def requests(self) -> float:
        """Answers on all routes."""
        return sum(one.requests for one in self.routes.values())

    @property
    def errors(self) -> float:
        """Those that are a 5xx."""
        return sum(one.errors for one in self.routes.values())

    @property
    def unknown(self) -> float:
        """Those that may be a 5xx."""
        return sum(one.unknown for one in self.routes.values())

    @property
    def whole(self) -> RouteTally:
        """All routes as one, without times."""
        return RouteTally(self.requests, self.errors, None, self.unknown)

    def to_json(self) -> Json:
        """As the journal keeps it."""
        return {name: one.to_json() for name, one in self.routes.items()}

    @classmethod
    def from_json(cls, data: Json) -> Tally:
        """What ``to_json`` gave."""
        return cls({name: RouteTally.from_json(mapping(data, name)) for name in data})


def added(tallies: Iterable[Tally]) -> Tally:
    """Several windows as one. Buckets are added at the edges that all of them can tell."""
    routes: dict[str, RouteTally] = {}
    for tally in tallies:
        for name, one in tally.routes.items():
            routes[name] = _both(routes[name], one) if name in routes else one
    return Tally(routes)


def _both(one: RouteTally, two: RouteTally) -> RouteTally:
    durations = one.durations or two.durations
    if one.durations and two.durations:
        durations = one.durations.plus(two.durations)
    return RouteTally(one.requests + two.requests, one.errors + two.errors, durations, one.unknown + two.unknown)


def _floats(value: JsonValue) -> tuple[float, ...]:
    return tuple(map(real, value)) if isinstance(value, list) else ()
