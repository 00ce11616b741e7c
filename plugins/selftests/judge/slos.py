"""What was measured of a canary, made from counts, for the tables of the SLO judgement."""

from __future__ import annotations

import math
from dataclasses import replace

from golive.slis import WINDOWS, Burn, Slis
from golive.tallies import Buckets, RouteTally, Tally

EDGES = (0.1, 0.5, 1.0, 1.5, 2.5, math.inf)
CALM = dict.fromkeys(WINDOWS, (30.0, 10_000.0))
"""A service that burns 0.6 of its budget."""


def quick(answers: float, slow: float = 0.0, edges: tuple[float, ...] = EDGES) -> Buckets:
    """Of ``answers``, all but ``slow`` took up to 1 s; those took between 1.5 and 2.5 s."""
    return Buckets(edges, tuple(answers - slow if edge <= 1.5 else answers for edge in edges))


def slis(answers: float = 10_000, errors: float = 10, *, slow: float = 0.0, end: bool = True) -> Slis:
    """One critical route, ``/a``, at the first planned end of 300 s, or (``end`` false) at a look before it."""
    tally = RouteTally(answers, errors, quick(answers, slow))
    return Slis(
        canary=Tally({"/a": tally}),
        others=Tally({"/a": RouteTally(90_000, 90)}),
        seconds=300.0,
        interval=15.0,
        lag=1.0,
        skew=0.0,
        ends=1,
        final=end,
        early="",
        burns=(Burn(100.0, CALM, (errors, answers)), Burn(115.0, CALM, (errors, answers))),
        before=Burn(0.0, CALM),
        alerts=(),
        gaps=(),
        blind="",
        asked=(),
    )


def burning(*service: dict[str, tuple[float, float]], canary: tuple[float, float] = (10, 10_000)) -> Slis:
    """The last looks at the service's burn: what differs from a calm one."""
    burns = tuple(Burn(float(at), {**CALM, **told}, canary) for at, told in enumerate(service))
    return replace(slis(), burns=burns)


def at_t0(found: Slis, pair: tuple[float, float]) -> Slis:
    """The service's burn over 5 minutes at T0."""
    return replace(found, before=Burn(0.0, {**CALM, "5m": pair}))
