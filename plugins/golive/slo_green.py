"""Whether the stable version is green before a canary is put beside it (2.1-baseline). Pure.

It is not asked to be *surely* within its limits, as the canary is: a quiet service could never be released. It must
not be surely over one, nor over one as far as its requests tell, and there must be requests enough to tell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from golive.slo import Decision, errors, latency
from golive.slo_burn import FIRING

if TYPE_CHECKING:
    from golive.slis import Slis
    from golive.slo import Judged
    from golive.slo_settings import Slo


@dataclass(frozen=True, slots=True)
class Green:
    """``judged``: the figures. ``red``: what is surely not green; ``doubts``: what is not known; each in words."""

    judged: tuple[Judged, ...]
    red: tuple[str, ...]
    firing: tuple[str, ...]
    """SLO alerts that fire, by name, with the silences that would hide them."""
    doubts: tuple[str, ...]


def green(slis: Slis, slo: Slo, routes: Sequence[str]) -> Green:
    """Judge the stable version's own window: ``slis.canary`` is what it answered."""
    whole, *each = errors(slis, slo, routes)
    times = latency(slis, slo, routes)
    red = [one.words for one in (whole, *each, *times) if one.decision is Decision.BAD]
    doubts = [slis.blind] if slis.blind else []
    rarely = [(whole, slo.error_limit), *((one, 1 - slo.latency_quantile) for one in times)]
    for one, share in rarely:
        if one.decision is Decision.OPEN and (why := _doubt(one, share)):
            doubts.append(why)
    return Green((whole, *each, *times), tuple(red), firing(slis), tuple(doubts))


def firing(slis: Slis) -> tuple[str, ...]:
    """The SLO alerts that fire at the window's end."""
    found = [one for one in slis.alerts if one.changes and one.changes[-1][1] == FIRING]
    return tuple(_named(one.name, one.silences) for one in found)


def _doubt(one: Judged, share: float) -> str:
    """Why an open judgement is not green; empty where it is. ``share``: of the requests that may be bad."""
    if not one.value < one.limit:  # nan too
        return one.words
    needed = 1 / share
    if one.count < needed:
        return f"{one.words}; fewer than {needed:.0f} answers cannot tell"
    return ""


def _named(name: str, silences: Sequence[str]) -> str:
    return f"{name} (silenced: {', '.join(silences)})" if silences else name
