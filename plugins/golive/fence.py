"""The fence: once a rollback has begun, nobody in this run applies or promotes any more.

Workers outlive a killed controller for up to 15 s, and could go on with the canary behind the rollback's back. Whoever
writes holds the turn, a lock on a file of the run's folder, while it looks at the fence and sends; the watchdog closes
the fence under the same turn, so that no write that was under way can land after the first look of a rollback. Who
holds the turn and does not let go, because it was stopped in the middle of a write, is ended.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from golive.errors import GoliveError, NotInTime
from golive.processes import Process
from golive.waiting import wait_for

_LOOK_SECONDS = 0.1
"""Between two looks whether a writer that keeps the turn was stopped."""


class Fenced(GoliveError):  # noqa: N818  (a closed fence is no error)
    """The canary may not be moved any more: a rollback has begun, or the driver counts as gone."""


class Fence:
    """The fence of one run, for every process of it."""

    def __init__(self, folder: Path) -> None:
        self._closed, self._turn = folder / "fence", folder / "turn"

    @property
    def closed(self) -> str:
        """Why it is closed; empty while it is open."""
        try:
            return self._closed.read_text(encoding="utf-8") or "a rollback has begun"
        except FileNotFoundError:
            return ""

    @contextlib.contextmanager
    def writing(self, *, patience: float) -> Iterator[None]:
        """Hold the turn for one write. Raises ``Fenced`` where it is closed, or not had in ``patience`` seconds."""
        with self._turn.open("a+", encoding="utf-8") as file:
            try:
                _take(file, patience)
            except NotInTime as error:
                raise Fenced("not sent: another process of this run is about to write") from error
            # Named first: whoever is stopped before it has looked at the fence finds it closed when it goes on.
            file.truncate(0)
            file.write(str(Process.of(os.getpid()) or ""))
            file.flush()
            if why := self.closed:
                raise Fenced(f"not sent: {why}")
            yield

    def close(self, why: str, *, patience: float) -> bool:
        """Close it for good; false where a write is still under way after ``patience`` seconds: it is stuck."""
        if not self.closed:
            # Closed first: who comes now is refused, and only a write under way is waited for.
            with self._closed.open("w", encoding="utf-8") as file:
                file.write(why)
                file.flush()
                os.fsync(file.fileno())
        with self._turn.open("a") as file:
            try:
                _take(file, patience)
            except NotInTime:
                return False
        return True

    def shut(self, why: str, *, patience: float, spare: int) -> str:
        """Close it, and see that no write is under way: who keeps the turn is ended. Raises ``OSError``.

        A writer that was stopped is ended at once, another one after ``patience`` seconds; never the process ``spare``,
        pytest's own: what it sends later has to be looked for. Returns what had to be done, or nothing.
        """
        ends = time.monotonic() + patience
        ended = ""
        while not self.close(why, patience=_LOOK_SECONDS):
            holder, late = self._holder(), time.monotonic() >= ends
            if holder is not None and holder.pid == spare:
                return "pytest itself was about to write, and does not move: what it sends is looked for"
            if holder is not None and (late or holder.stopped):
                holder.kill()
                ended = f"process {holder.pid} was about to write, and did not let go: it was ended"
            if time.monotonic() >= ends + patience:
                return f"{ended or 'nobody could be ended'}; a write may still be under way"
        return ended

    def _holder(self) -> Process | None:
        """Who took the turn last, if it lives."""
        found = Process.named(self._turn.read_text(encoding="utf-8", errors="replace"))
        return found if found is not None and found.lives else None


def _take(file: TextIO, patience: float) -> None:
    """Take the lock; it ends with ``file``, however its process ends."""
    wait_for("the turn", lambda: _took(file), bool, deadline=patience, every=0.02)


def _took(file: TextIO) -> bool:
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
