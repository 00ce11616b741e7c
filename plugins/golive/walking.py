"""Whether somebody sees the canary while it takes traffic: a file of the run's folder, for the watchdog."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from types import TracebackType

from golive.journal import now
from golive.known import PROMOTED
from golive.record import write_json
from golive.types import Json, number


class Walking:
    """While a weight or (``promoting``) the last promotion is observed: ``seen()`` at each look that succeeded.

    Raises ``OSError`` where it cannot be kept.
    Who stops saying so for longer than ``rollback.blind_limit_seconds`` is blind, and the watchdog takes traffic back.
    """

    def __init__(self, folder: Path, weight: int = 0, *, promoting: bool = False) -> None:
        self._path, self._weight, self._promoting = _path(folder), weight, promoting

    def __enter__(self) -> Walking:
        self._path.parent.mkdir(exist_ok=True)
        self.seen()
        return self

    def seen(self, weight: int | None = None) -> None:
        """The canary was seen, just now; ``weight``, if it is another one by now."""
        self._weight = self._weight if weight is None else weight
        about: Json = {"pid": os.getpid(), "weight": self._weight, "promoting": self._promoting, "seen": now()}
        write_json(self._path, about)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._path.unlink(missing_ok=True)


class Blindness:
    """The watchdog's view: for how long nobody has seen the canary. Clocks of other processes are not believed."""

    def __init__(self, folder: Path) -> None:
        self._path = _path(folder)
        self._stamp, self._since, self._weight = 0, time.monotonic(), 0

    def look(self) -> float:
        """Seconds since the walker's last sign; 0 where nobody walks."""
        try:
            stamp = self._path.stat().st_mtime_ns
        except FileNotFoundError:
            self._stamp, self._since = 0, time.monotonic()
            return 0.0
        if stamp != self._stamp:
            self._stamp, self._since = stamp, time.monotonic()
        return time.monotonic() - self._since

    def again(self) -> None:
        """Something was done about it: count from now."""
        self._since = time.monotonic()

    @property
    def cause(self) -> str:
        """The criterion that is not observed."""
        try:
            found: Json = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            found = {}
        if found.get("promoting") is True:
            return PROMOTED
        weight = number(found, "weight")
        return f"2.2-step[{weight}]" if weight else "2.2-step"


def _path(folder: Path) -> Path:
    return folder / "facts" / "walking"
