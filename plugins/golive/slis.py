"""What was measured of a canary and of the version beside it: counts, never ratios, so that it can be judged again.

Everything here is immutable and goes through JSON into the record; ``golive.slo`` judges it.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from golive.types import Json, JsonValue, dig, items, mapping, real, text

WINDOWS = ("5m", "30m", "1h", "6h")
"""Over which the whole service's burn is told."""


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
        edges: list[JsonValue] = ["+Inf" if math.isinf(one) else one for one in self.edges]
        return {"edges": edges, "counts": list(self.counts)}

    @classmethod
    def from_json(cls, data: Json) -> Buckets:
        """What ``to_json`` gave."""
        return cls(_floats(dig(data, "edges")), _floats(dig(data, "counts")))


@dataclass(frozen=True, slots=True)
class RouteTally:
    """One route: answers, those among them that are a 5xx, and how long they took (critical routes only).

    ``unknown``: answers without an HTTP status; whether those are a 5xx nobody can say.
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
        """Those without an HTTP status."""
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


@dataclass(frozen=True, slots=True)
class Burn:
    """5xx and answers of the whole service over each of ``WINDOWS``, and of the canary alone over 5 minutes.

    Of each: ``(errors, requests)``. One that Prometheus could not tell is not there.
    """

    at: float
    """Prometheus' clock, unix seconds."""
    service: Mapping[str, tuple[float, float]]
    canary: tuple[float, float] | None = None

    def to_json(self) -> Json:
        """As the journal keeps it."""
        service: Json = {name: list(pair) for name, pair in self.service.items()}
        return {"at": self.at, "service": service, "canary": list(self.canary) if self.canary else None}

    @classmethod
    def from_json(cls, data: Json) -> Burn:
        """What ``to_json`` gave."""
        service = mapping(data, "service")
        told = {name: pair for name in service if (pair := _pair(service[name])) is not None}
        return cls(real(data, "at"), told, _pair(dig(data, "canary")))


@dataclass(frozen=True, slots=True)
class AlertSeen:
    """An SLO alert in the window: its label set, each change of state, and the silences that would hide it."""

    name: str
    labels: Mapping[str, str]
    changes: tuple[tuple[float, str], ...]
    """``(unix seconds, state)``: state ``firing``, ``pending`` or ``inactive``; the first is the state at the begin."""
    silences: tuple[str, ...] = ()
    """For people: id, who made it, why."""

    def to_json(self) -> Json:
        """As the journal keeps it."""
        changes: list[JsonValue] = [[at, state] for at, state in self.changes]
        return {
            "name": self.name,
            "labels": dict(self.labels),
            "changes": changes,
            "silences": list(self.silences),
        }

    @classmethod
    def from_json(cls, data: Json) -> AlertSeen:
        """What ``to_json`` gave."""
        found = dig(data, "changes", default=[])
        changes = tuple(
            (real(one[0]), str(one[1])) for one in (found if isinstance(found, list) else []) if isinstance(one, list)
        )
        labels = mapping(data, "labels")
        silences = dig(data, "silences", default=[])
        return cls(
            text(data, "name"),
            {name: str(value) for name, value in labels.items()},
            changes,
            tuple(str(one) for one in (silences if isinstance(silences, list) else [])),
        )


@dataclass(frozen=True, slots=True)
class Asked:
    """A query and the time it was about: what a figure was read from."""

    what: str
    promql: str
    since: str
    """ISO times, by Prometheus' clock."""
    until: str

    def to_json(self) -> Json:
        """As the journal keeps it."""
        return {"what": self.what, "promql": self.promql, "since": self.since, "until": self.until}

    @classmethod
    def from_json(cls, data: Json) -> Asked:
        """What ``to_json`` gave."""
        return cls(text(data, "what"), text(data, "promql"), text(data, "since"), text(data, "until"))


@dataclass(frozen=True, slots=True)
class Slis:
    """Everything measured over one window at one weight.

    ``ends``: how many planned ends the window had up to and with its last (1: not extended). ``final``: whether it
    ended at such an end; otherwise something decided earlier, or nothing more was to be seen. ``early``: that a limit
    was decided against the canary before, in words, as ``golive.slo`` said it then.
    """

    canary: Tally
    others: Tally
    seconds: float
    interval: float
    """The scrape interval, seconds."""
    lag: float
    """Age of the newest sample when it was last asked for, seconds, by Prometheus' clock."""
    skew: float
    """Prometheus' clock less ours, seconds."""
    ends: int
    final: bool
    early: str
    burns: tuple[Burn, ...]
    """The last two looks, the newest last."""
    before: Burn | None
    """At T0."""
    alerts: tuple[AlertSeen, ...]
    gaps: tuple[str, ...]
    """What could not be counted, or was counted anew, and scrapes that were missed; each in words."""
    blind: str
    """Why nothing was to be seen at the end; empty when all was."""
    asked: tuple[Asked, ...]
    between: Tally = field(default_factory=Tally)
    """What the canary answered outside of the window, since the weight before was read last."""
    unscraped: float = 0.0
    """The longest time without a new sample of a pod that lived, seconds, as far as the looks tell."""
    lost: tuple[str, ...] = ()
    """What it answered and nobody can count any more, in words: of pods that ended in a scrape gap, say."""
    filters: str = ""
    """By which settings it was counted (``golive.slo_filters``); empty: nobody kept it."""

    def to_json(self) -> Json:
        """As the journal keeps it."""
        return {
            "between": self.between.to_json(),
            "unscraped": self.unscraped,
            "lost": list(self.lost),
            "filters": self.filters,
            "canary": self.canary.to_json(),
            "others": self.others.to_json(),
            **{name: getattr(self, name) for name in ("seconds", "interval", "lag", "skew")},
            **{name: getattr(self, name) for name in ("ends", "final", "early", "blind")},
            "burns": [one.to_json() for one in self.burns],
            "before": self.before.to_json() if self.before else None,
            "alerts": [one.to_json() for one in self.alerts],
            "gaps": list(self.gaps),
            "asked": [one.to_json() for one in self.asked],
        }

    @classmethod
    def from_json(cls, data: Json) -> Slis:
        """What ``to_json`` gave."""
        before, gaps, ends = mapping(data, "before"), dig(data, "gaps", default=[]), dig(data, "ends")
        lost = dig(data, "lost", default=[])
        return cls(
            canary=Tally.from_json(mapping(data, "canary")),
            others=Tally.from_json(mapping(data, "others")),
            seconds=real(data, "seconds"),
            interval=real(data, "interval"),
            lag=real(data, "lag"),
            skew=real(data, "skew"),
            ends=ends if isinstance(ends, int) else 1,
            final=dig(data, "final") is True,
            early=text(data, "early"),
            burns=tuple(Burn.from_json(one) for one in items(data, "burns")),
            before=Burn.from_json(before) if before else None,
            alerts=tuple(AlertSeen.from_json(one) for one in items(data, "alerts")),
            gaps=tuple(str(one) for one in (gaps if isinstance(gaps, list) else [])),
            blind=text(data, "blind"),
            asked=tuple(Asked.from_json(one) for one in items(data, "asked")),
            between=Tally.from_json(mapping(data, "between")),
            unscraped=real(data, "unscraped"),
            lost=tuple(map(str, lost if isinstance(lost, list) else [])),
            filters=text(data, "filters"),
        )


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


def _pair(value: JsonValue) -> tuple[float, float] | None:
    return (real(value[0]), real(value[1])) if isinstance(value, list) and len(value) == 2 else None
