"""Does pytest move? A stopped driver is as good as none, and must not be mistaken for a busy one.

The rule: pytest moves while its guard thread beats, or while it uses processor time. A long test beats; a call into C
that keeps every Python thread waiting uses processor time; a process that was stopped by a signal, by a frozen cgroup
or by a debugger does neither. A machine that was suspended stops both sides alike: then the watchdog's own looks have a
gap, which does not count.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from golive.processes import Process

MOST_SECONDS = 1.0
"""A longer gap between two looks says that this process was not there to see, so no more than this counts."""


def beat_seconds(limit: float) -> float:
    """Between two beats, for a driver that counts as gone after ``limit`` seconds."""
    return min(1.0, limit / 5)


class Pulse:
    """Watches one process. Without ``/proc`` the beats alone decide."""

    def __init__(self, process: Process | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._process, self._clock = process, clock
        self._still, self._last, self._ticks = 0.0, clock(), process.ticks if process else 0

    def beat(self) -> None:
        """It said that it lives."""
        self._still = 0.0

    def still(self) -> float:
        """For how many seconds it has not moved, as far as this process was there to see."""
        now = self._clock()
        gap, self._last = now - self._last, now
        ticks = self._process.ticks if self._process else 0
        self._still = self._still + min(gap, MOST_SECONDS) if ticks == self._ticks else 0.0
        self._ticks = ticks
        return self._still
