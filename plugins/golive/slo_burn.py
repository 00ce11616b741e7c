"""Whether the error budget burns faster: multi-window burn rates, acceleration since T0, and the SLO alerts.

A burn is the share of 5xx divided by the limit: 1 uses the budget up exactly. It is bad if its lower bound is over
the factor, so that a single error in a quiet service condemns nobody; open if the plain burn is over it; else good.
The windows slide, so the confidence sequence is not exact here; a factor is far from a healthy burn.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from golive.bounds import sequence
from golive.slis import AlertSeen, Burn, Slis
from golive.slo_judged import REST, Decision, Judged, chances, condemned_before, countable, hidden, missing
from golive.slo_settings import Slo
from golive.slo_words import figure, many

_JUDGEMENTS = 4
FIRING = "firing"


@dataclass(frozen=True, slots=True)
class _Rate:
    """A burn with its bounds, of ``count`` requests over ``window``."""

    window: str
    value: float
    low: float
    high: float
    count: float

    def words(self, limit: float) -> str:
        if not self.count:
            return f"no answers over {self.window}"
        low, value, high = (figure(one, limit) for one in (self.low, self.value, self.high))
        return f"{value} over {self.window} ({low} to {high}) of {many(self.count)} answers"


def burn(slis: Slis, slo: Slo) -> tuple[Judged, ...]:
    """The service fast and slow, the canary over 5 minutes, acceleration (all as burn factors), then the SLO alerts."""
    now = slis.burns[-1] if slis.burns else None
    return (
        _over("burn of the service, fast", _service(now, ("5m", "1h"), slis, slo), slo.burn_fast, slis),
        _over("burn of the service, slow", _service(now, ("30m", "6h"), slis, slo), slo.burn_slow, slis),
        _over("burn of the canary", [_rate("5m", now.canary if now else None, slis, slo)], slo.burn_fast, slis),
        _accelerates(slis, slo),
        _alerts(slis),
    )


def _service(now: Burn | None, windows: Iterable[str], slis: Slis, slo: Slo) -> list[_Rate]:
    return [_rate(name, now.service.get(name) if now else None, slis, slo) for name in windows]


def _rate(window: str, pair: tuple[float, float] | None, slis: Slis, slo: Slo) -> _Rate:
    """What was not told, cannot be, or is of no request, has the value ``nan`` and no count."""
    bad, total = pair or (math.nan, math.nan)
    if not countable(bad, total) or not total:
        return _Rate(window, math.nan, 0.0, math.inf, 0.0)
    found = sequence(bad, total, chances(slis, slo, REST / _JUDGEMENTS).look)
    budget = slo.error_limit
    return _Rate(window, bad / total / budget, found.low / budget, found.high / budget, total)


def _over(what: str, rates: list[_Rate], factor: float, slis: Slis) -> Judged:
    """Bad if every one of ``rates`` is surely over ``factor``; the least of them is what is told."""
    told = [one for one in rates if one.count]
    least = min(told, key=lambda one: one.value, default=rates[0])
    if (told == rates and all(one.low > factor for one in rates)) or condemned_before(slis, what):
        decision = Decision.BAD
    else:
        decision = Decision.GOOD if told == rates and least.value <= factor else Decision.OPEN
    decision = hidden(slis, decision)
    both = " in both" if len(rates) > 1 else ""
    words = f"{what} {', '.join(one.words(factor) for one in rates)}, limit {factor:g}{both}{missing(slis, decision)}"
    return Judged(what, decision, least.value, least.low, least.high, factor, least.count, words)


def _accelerates(slis: Slis, slo: Slo) -> Judged:
    """The service's burn over 5 minutes against T0's, in two looks running.

    The limit is never under 1: who burned nothing at T0 accelerates only by using more than the budget.
    """
    what = "acceleration of the burn"
    before = _rate("5m", slis.before.service.get("5m") if slis.before else None, slis, slo)
    if not before.count:
        words = f"{what} is not known: the burn over 5m at T0 was not told"
        return Judged(what, Decision.OPEN, math.nan, 0.0, math.inf, 1.0, 0.0, f"{words}{missing(slis, Decision.OPEN)}")
    limit = max(1.0, slo.burn_growth * before.value)
    looks = [_rate("5m", one.service.get("5m"), slis, slo) for one in slis.burns[-2:]]
    known = [one for one in looks if one.count]
    least = min(known, key=lambda one: one.value, default=_rate("5m", None, slis, slo))
    if (len(known) == 2 and all(one.low > limit for one in known)) or condemned_before(slis, what):
        decision = Decision.BAD
    else:
        decision = Decision.GOOD if len(known) == 2 and least.value <= limit else Decision.OPEN
    decision = hidden(slis, decision)
    words = (
        f"{what} {least.words(limit)} in two looks running, at T0 {figure(before.value, limit)}, "
        f"limit {limit:.3g}{missing(slis, decision)}"
    )
    return Judged(what, decision, least.value, least.low, least.high, limit, least.count, words)


def _alerts(slis: Slis) -> Judged:
    """Bad if one that was not firing at the window's begin fires in it; good if none fires at its end."""
    began = [one for one in slis.alerts if _begins_firing(one.changes)]
    still = [one for one in slis.alerts if one.changes and one.changes[-1][1] == FIRING]
    what = "SLO alerts"
    if began or condemned_before(slis, what):
        decision, told = Decision.BAD, f"{len(began)} began to fire: {_named(began)}"
    elif still:
        decision, told = Decision.OPEN, f"{len(still)} firing since before the window: {_named(still)}"
    else:
        decision, told = Decision.GOOD, f"none began to fire, {len(slis.alerts)} seen"
    decision = hidden(slis, decision)
    blind = missing(slis, decision) if slis.blind or slis.lost else ""
    count, seen = float(len(began)), float(len(slis.alerts))
    return Judged(what, decision, count, count, count, 0.0, seen, f"{what} {told}, limit 0{blind}")


def flaps(alerts: Iterable[AlertSeen]) -> Judged:
    """Bad if any began or ceased to fire more than once over all windows; ``pending`` is not firing."""
    found: dict[tuple[str, tuple[tuple[str, str], ...]], list[AlertSeen]] = {}
    for one in alerts:
        found.setdefault((one.name, tuple(sorted(one.labels.items()))), []).append(one)
    turned = {key: _turns(same) for key, same in found.items()}
    bad = [found[key][-1] for key, times in turned.items() if times > 1]
    most = float(max(turned.values(), default=0))
    told = f"{len(bad)} flapped: {_named(bad)}" if bad else f"none flapped, {len(found)} seen"
    what, decision = "SLO alert flaps", Decision.BAD if bad else Decision.GOOD
    words = f"{what} {told}; at most {most:g} changes between firing and not, limit 1"
    return Judged(what, decision, most, most, most, 1.0, float(len(found)), words)


def _begins_firing(changes: tuple[tuple[float, str], ...]) -> bool:
    states = [state for _, state in sorted(changes, key=lambda one: one[0])]
    return bool(states) and states[0] != FIRING and FIRING in states


def _turns(seen: list[AlertSeen]) -> int:
    """How often one alert began or ceased to fire, over all its windows."""
    changes = sorted((change for one in seen for change in one.changes), key=lambda one: one[0])
    fires = [state == FIRING for _, state in changes]
    return sum(a != b for a, b in pairwise(fires))


def _named(alerts: list[AlertSeen]) -> str:
    """Names, what tells them apart, and the silences that would hide them."""
    return "; ".join(f"{one.name}{_labels(one)}{_silences(one)}" for one in alerts)


def _silences(alert: AlertSeen) -> str:
    return f" (silenced: {', '.join(alert.silences)})" if alert.silences else ""


def _labels(alert: AlertSeen) -> str:
    pairs = ", ".join(f"{name}={value}" for name, value in sorted(alert.labels.items()) if name != "alertname")
    return f" {{{pairs}}}" if pairs else ""
