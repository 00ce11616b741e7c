"""What was measured of a canary and of the version beside it: counts, never ratios, so that it can be judged again.

Everything here is immutable and goes through JSON into the record; ``golive.slo`` judges it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from golive.tallies import Tally
from golive.types import Json, JsonValue, dig, items, mapping, real, text

WINDOWS = ("5m", "30m", "1h", "6h")
"""Over which the whole service's burn is told."""


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


def _pair(value: JsonValue) -> tuple[float, float] | None:
    return (real(value[0]), real(value[1])) if isinstance(value, list) and len(value) == 2 else None
