"""Blips are borne: an observation that fails is tried again, up to the blind limit, and then is not proven."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from golive.errors import ApiError, NotInTime, Unreachable
from golive.waiting import wait_for

T = TypeVar("T")
_PASSING = (401, 403, 429)
"""Refusals that another try may not get."""


def patiently(what: str, ask: Callable[[], T], *, limit: float, every: float) -> T:
    """What ``ask`` returns, tried again every so many seconds. Raises the kind it was with the last reason.

    A refusal that another try will not change (no such object) is raised at once. One for missing rights is a blip too:
    an API server that has just started knows nobody's rights for a moment.
    """
    problems: list[Unreachable] = []

    def probe() -> list[T]:
        try:
            return [ask()]
        except Unreachable as error:
            if hopeless(error):
                raise
            problems.append(error)
            return []

    try:
        return wait_for(what, probe, bool, deadline=limit, every=every)[0]
    except NotInTime as error:
        raise Unreachable(too_long(what, limit, str(problems[-1]))) from error


def hopeless(error: Unreachable) -> bool:
    """Whether another try will not change it."""
    return isinstance(error, ApiError) and error.status < 500 and error.status not in _PASSING


def too_long(what: str, limit: float, last: str) -> str:
    """What was not observed, for how long it was tried, and the last reason."""
    return f"{what}: not observed for {limit:g} s (golive.toml: rollback.blind_limit_seconds); last: {last}"
