"""What a person sees while a weight is observed: time left, each SLO with its bounds, and what would decide it.

The worker that walks writes it to a file of the run's folder at each look; the process with the terminal shows it.
"""

from __future__ import annotations

import contextlib
import json
import math
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from golive.record import write_json
from golive.types import Json, JsonValue, dig, number, text

if TYPE_CHECKING:
    from golive.redact import Redactor
    from golive.slis import Slis
    from golive.slo import Judged
    from golive.slo_settings import Slo

EVERY_SECONDS = 10.0
"""Between two reports where lines cannot be written over; a new weight is told at once."""
_POLL = 0.5
_MOST_REQUESTS = 2**40
_CLEAR = "\r\x1b[K"


@dataclass(frozen=True, slots=True)
class Progress:
    """One look. ``line`` is the short form, ``lines`` the whole: the window first, then each SLO."""

    weight: int
    line: str
    lines: tuple[str, ...]

    def to_json(self) -> Json:
        """For the other process."""
        lines: list[JsonValue] = [*self.lines]
        return {"weight": self.weight, "line": self.line, "lines": lines}

    @classmethod
    def from_json(cls, data: Json) -> Progress:
        """What ``to_json`` gave."""
        lines = dig(data, "lines", default=[])
        return cls(
            number(data, "weight") or 0,
            text(data, "line"),
            tuple(str(one) for one in (lines if isinstance(lines, list) else [])),
        )


def progress_of(slis: Slis, weight: int, left_seconds: float, slo: Slo, routes: Sequence[str]) -> Progress:
    """The words of one look. Pure. ``left_seconds``: until the window's planned end."""
    from golive import slo as slos

    errors = slos.errors(slis, slo)
    judged = [*errors[:1], *slos.latency(slis, slo, routes), *slos.burn(slis, slo)]
    bad = [one for one in errors[1:] if one.decision is slos.Decision.BAD]
    head = f"canary at {weight} %: {_left(left_seconds, slis)}, {slis.canary.requests:.0f} requests"
    if slis.ends > 1:
        head += f", window made longer {slis.ends - 1} times" if slis.ends > 2 else ", window made longer once"
    if slis.blind:
        head += f"; BLIND: {slis.blind}"
    lines = [f"  {_sign(one)} {one.words}" for one in (*judged, *bad)]
    more = more_requests(slis, slo)
    if more:
        lines.append(f"  {more}")
    signs = ", ".join(f"{_sign(one)} {one.what}" for one in (*judged, *bad))
    return Progress(weight, f"{head}: {signs}", (head, *lines))


def more_requests(slis: Slis, slo: Slo) -> str:
    """What would decide the canary's 5xx at a planned end, were they to go on as now; empty where it is decided.

    Pure. An estimate: the count grows by half until the bound is on one side of the limit.
    """
    from golive.bounds import interval
    from golive.slo_judged import chances

    bad, total = slis.canary.errors, slis.canary.requests
    chance = chances(slis, slo, 0.5)
    scaled, factor = max(total, 1.0), 1.0
    while scaled < _MOST_REQUESTS:
        wrong = min(bad * factor, scaled)
        good, fail = (interval(wrong, scaled, one) for one in (chance.good, chance.fail))
        if good.high < slo.error_limit or fail.low > slo.error_limit:
            break
        scaled, factor = scaled * 1.5, factor * 1.5
    if math.isclose(factor, 1.0):
        return "" if slis.final else "requests enough: the planned end decides 5xx"
    rest = scaled - total
    side = "for" if bad * factor < slo.error_limit * scaled else "against"
    return f"some {_rounded(rest)} more requests like these decide 5xx {side} it"


def _rounded(value: float) -> str:
    """Two digits are enough for an estimate."""
    digits = max(int(math.log10(value)) - 1, 0) if value >= 1 else 0
    return f"{math.ceil(value / 10**digits) * 10**digits:d}"


def _left(seconds: float, slis: Slis) -> str:
    if slis.early:
        return f"decided against it: {slis.early}"
    minutes, rest = divmod(max(round(seconds), 0), 60)
    return f"{minutes}:{rest:02d} left" if seconds > 0 else "at its planned end"


def _sign(one: Judged) -> str:
    return {"GOOD": "ok", "BAD": "BAD", "OPEN": "..."}[one.decision.name]


class Printer:
    """Shows looks: the whole at most every ``every`` seconds; on a terminal, between them, one line written over."""

    def __init__(
        self,
        write: Callable[[str], None],
        *,
        terminal: bool,
        every: float = EVERY_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        width: Callable[[], int] = lambda: shutil.get_terminal_size().columns,
    ) -> None:
        self._write, self._terminal, self._every, self._clock, self._width = write, terminal, every, clock, width
        self._weight, self._next, self._open = -1, 0.0, False

    def show(self, told: Progress) -> None:
        """A look."""
        now = self._clock()
        whole = told.weight != self._weight or now >= self._next
        if whole:
            self._weight, self._next = told.weight, now + self._every
            self._write((_CLEAR if self._open else "\n") + "\n".join(told.lines) + "\n")
        if self._terminal:
            self._write(_CLEAR + told.line[: max(self._width() - 1, 20)])
            self._open = True

    def end(self) -> None:
        """What comes next begins on a line of its own."""
        if self._open:
            self._write("\n")
        self._weight, self._open = -1, False


class Teller:
    """The walker's side: what ``Hold`` calls at each look."""

    def __init__(
        self, folder: Path, slo: Slo, routes: Sequence[str], printer: Printer | None, redactor: Redactor
    ) -> None:
        self._path, self._slo, self._routes, self._printer = progress_file(folder), slo, routes, printer
        self._redactor = redactor

    def __call__(self, slis: Slis, weight: int, left_seconds: float) -> None:
        """Raises ``OSError`` where it cannot be written."""
        told = self._redactor.json(progress_of(slis, weight, left_seconds, self._slo, self._routes).to_json())
        if self._printer is not None:
            self._printer.show(Progress.from_json(told))
            return
        self._path.parent.mkdir(exist_ok=True)
        write_json(self._path, told)

    def __enter__(self) -> Teller:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """The weight is observed, or was not to be; a display that is gone takes nothing of that away."""
        with contextlib.suppress(OSError):
            if self._printer is not None:
                self._printer.end()
            self._path.unlink(missing_ok=True)


class Follower:
    """The side of a process with a terminal, while workers walk: shows what they write, until it is stopped."""

    def __init__(self, folder: Path, printer: Printer) -> None:
        self._path, self._printer, self._stamp = progress_file(folder), printer, 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="golive-progress", daemon=True)
        self._thread.start()

    def _follow(self) -> None:
        while not self._over.wait(_POLL):
            self._look()

    def _look(self) -> None:
        try:
            stamp = self._path.stat().st_mtime_ns
            found = self._path.read_text(encoding="utf-8") if stamp != self._stamp else ""
            told = Progress.from_json(json.loads(found)) if found else None
        except FileNotFoundError:
            if self._stamp:
                self._printer.end()
            self._stamp = 0
            return
        except (OSError, ValueError):
            return  # shown next time, or not: the journal tells what counts
        if told is not None:
            self._stamp = stamp
            self._printer.show(told)

    def stop(self) -> None:
        """Nothing is shown from now on."""
        self._over.set()
        self._thread.join(timeout=2.0)
        self._printer.end()


def progress_file(folder: Path) -> Path:
    """Where a run's walker tells how far it is."""
    return folder / "facts" / "progress.json"
