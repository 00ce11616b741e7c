"""What a long step is doing, how far it is and how long it usually takes."""

from __future__ import annotations

import time
from typing import TextIO

_QUIET_SECONDS = 15.0  # between two lines where a line cannot be overwritten (CI logs, files)


def clock(seconds: float) -> str:
    """``125`` is ``2:05``."""
    whole = int(seconds)
    return f"{whole // 60}:{whole % 60:02d}"


class Progress:
    """Lines like ``[2/7] kube-apiserver: 0:41 of about 2:30``; on a terminal one line that is overwritten."""

    def __init__(self, out: TextIO, total: int) -> None:
        self._out = out
        self._total = total
        self._number = 0
        self._name = ""
        self._usual = 0.0
        self._started = 0.0
        self._shown = 0.0
        self._terminal = out.isatty()

    def start(self, name: str, usual: float) -> None:
        """The next step begins; it usually takes ``usual`` seconds on two cores."""
        self._number += 1
        self._name, self._usual = name, usual
        self._started = time.monotonic()
        self._shown = 0.0
        self.tick()

    def tick(self) -> None:
        """Call often: shows the time that has passed, not too often."""
        now = time.monotonic()
        if self._terminal:
            self._line(f"{clock(now - self._started)} of about {clock(self._usual)}", end="")
        elif now - self._shown >= _QUIET_SECONDS:
            self._shown = now
            self._line(f"{clock(now - self._started)} of about {clock(self._usual)}")

    def done(self, note: str = "") -> None:
        """The step has ended."""
        self._line(note or f"done in {clock(time.monotonic() - self._started)}")

    def _line(self, words: str, end: str = "\n") -> None:
        start, rest = ("\r", "\x1b[K") if self._terminal else ("", "")
        self._out.write(f"{start}  [{self._number}/{self._total}] {self._name}: {words}{rest}{end}")
        self._out.flush()
