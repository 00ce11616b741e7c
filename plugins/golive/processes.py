"""Processes as Linux tells of them: is it the same one still, does it move, end it. Elsewhere nothing is known."""

from __future__ import annotations

import contextlib
import os
import signal
from dataclasses import dataclass
from pathlib import Path

_WORKERS = "workers"
_STATE, _UTIME, _STIME, _STARTED = 0, 11, 12, 19
"""Fields of ``/proc/PID/stat`` behind the name, which may hold anything."""


@dataclass(frozen=True, slots=True)
class Process:
    """One process: its id, and when it started (clock ticks since boot), since ids come again."""

    pid: int
    started: str

    @classmethod
    def of(cls, pid: int) -> Process | None:
        """The process that has this id now; ``None`` where there is none, or where this is no Linux."""
        fields = _stat(pid)
        return cls(pid, fields[_STARTED]) if fields else None

    def _fields(self) -> list[str]:
        fields = _stat(self.pid)
        return fields if fields and fields[_STARTED] == self.started else []

    @property
    def lives(self) -> bool:
        """Whether it is still there; one that ended and was not waited for is not."""
        fields = self._fields()
        return bool(fields) and fields[_STATE] not in ("Z", "X")

    @property
    def stopped(self) -> bool:
        """Whether a signal or a debugger stopped it."""
        fields = self._fields()
        return bool(fields) and fields[_STATE] in ("T", "t")

    @property
    def ticks(self) -> int:
        """The processor time that it used, all threads, in clock ticks; 0 where that is not known."""
        fields = self._fields()
        return int(fields[_UTIME]) + int(fields[_STIME]) if fields else 0

    def kill(self) -> None:
        """End it, if it is still this one."""
        if self.lives:
            with contextlib.suppress(ProcessLookupError):  # it ended by itself meanwhile
                os.kill(self.pid, signal.SIGKILL)

    def __str__(self) -> str:
        return f"{self.pid}-{self.started}"

    @classmethod
    def named(cls, name: str) -> Process | None:
        """What ``str`` gave; ``None`` for anything else."""
        pid, _, started = name.strip().partition("-")
        return cls(int(pid), started) if pid.isdecimal() and started.isdecimal() else None


def _stat(pid: int) -> list[str]:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return stat.rpartition(")")[2].split()


def register(folder: Path) -> None:
    """Say in the run's folder that this process is a worker of the run. Raises ``OSError``."""
    me = Process.of(os.getpid())
    if me is not None:
        (folder / _WORKERS).mkdir(exist_ok=True)
        (folder / _WORKERS / str(me)).touch()


def workers(folder: Path) -> list[Process]:
    """The workers of the run that still live."""
    found = (Process.named(path.name) for path in sorted((folder / _WORKERS).glob("*")))
    return [one for one in found if one is not None and one.lives]
