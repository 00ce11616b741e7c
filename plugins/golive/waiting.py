"""The only place that sleeps: one wait with a deadline, a monotonic clock and the last thing seen."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from golive.errors import NotInTime

T = TypeVar("T")


def wait_for(what: str, probe: Callable[[], T], ok: Callable[[T], bool], *, deadline: float, every: float = 1.0) -> T:
    """Poll ``probe`` until ``ok`` accepts what it saw, and return that.

    ``deadline`` and ``every`` are seconds. Raises ``NotInTime`` with the last thing seen.
    """
    give_up = time.monotonic() + deadline
    while True:
        seen = probe()
        if ok(seen):
            return seen
        left = give_up - time.monotonic()
        if left <= 0:
            raise NotInTime(f"{what}: not reached within {deadline:g} s; last seen: {seen!r}")
        # The last probe happens at the deadline, not one interval before it.
        time.sleep(min(every, left))
