"""Children that cannot outlive the sandbox, and a record of them from which a crash can be cleaned up."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from golive_sandbox import files

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)
_KILL_SECONDS = 5.0
_LOG_TAIL = 15  # lines


@dataclass(frozen=True, slots=True)
class Identity:
    """One process for certain: a process id alone may have been given to somebody else's process."""

    name: str
    pid: int
    started: int
    """Clock ticks after boot, from ``/proc/PID/stat``."""

    @classmethod
    def of(cls, name: str, pid: int) -> Identity:
        """The process that has ``pid`` now; ``started`` is -1 when there is none."""
        return cls(name, pid, _start_ticks(pid))

    def alive(self) -> bool:
        """Is this very process still there (and no zombie)?"""
        return self.started != -1 and _start_ticks(self.pid) == self.started


def _start_ticks(pid: int) -> int:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return -1
    state, *fields = stat.rpartition(")")[2].split()
    return -1 if state in ("Z", "X") else int(fields[18])


class Registry:
    """``processes.json``: what is running, so that ``golive-sandbox down`` can end what a crash left."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[int, Identity] = {}

    def add(self, name: str, pid: int) -> None:
        """Record a process that was just started."""
        self._known[pid] = Identity.of(name, pid)
        self._write()

    def remove(self, pid: int) -> None:
        """It ended."""
        if self._known.pop(pid, None) is not None:
            self._write()

    def _write(self) -> None:
        rows = [{"name": one.name, "pid": one.pid, "started": one.started} for one in self._known.values()]
        files.write(self._path, json.dumps(rows, indent=1) + "\n")

    @staticmethod
    def read(path: Path) -> list[Identity]:
        """What the file names; empty when there is none, or when it is not such a file."""
        try:
            rows = json.loads(path.read_text(encoding="utf-8"))
            return [Identity(str(row["name"]), int(row["pid"]), int(row["started"])) for row in rows]
        except (FileNotFoundError, NotADirectoryError, ValueError, TypeError, KeyError):
            return []


def die_with_parent(number: signal.Signals = signal.SIGKILL) -> Callable[[], None]:
    """A ``preexec_fn``: the kernel sends the child ``number`` when the thread that started it ends.

    It reaches children only, not their children: give the child its own process group as well.
    """
    parent = os.getpid()

    def arm() -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, number)
        if os.getppid() != parent:  # the parent died before the signal was armed
            os._exit(1)

    return arm


class Child:
    """A running server. Start it with ``Child.start``; its output goes to the file ``log``."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, log: Path, registry: Registry) -> None:
        self.name = name
        self.pid = process.pid
        self.log = log
        self._process = process
        self._registry = registry

    @classmethod
    async def start(
        cls,
        name: str,
        argv: Sequence[str],
        *,
        folder: Path,
        log: Path,
        registry: Registry,
        env: Mapping[str, str] | None = None,
    ) -> Child:
        """Run ``argv`` in ``folder``, in its own process group. Raises ``OSError`` when it cannot be executed."""
        with log.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                *argv,
                cwd=folder,
                env={"PATH": os.environ.get("PATH", ""), "HOME": str(folder), **(env or {})},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                process_group=0,
                preexec_fn=die_with_parent(),
            )
        registry.add(name, process.pid)
        return cls(name, process, log, registry)

    @property
    def exit_code(self) -> int | None:
        """``None`` while it runs."""
        return self._process.returncode

    async def wait(self) -> int:
        """Wait for its end; the exit code is negative after a signal."""
        return await self._process.wait()

    async def stop(self, grace: float) -> None:
        """SIGTERM, and SIGKILL to the whole group when it is still there after ``grace`` seconds."""
        if self.exit_code is None:
            self.signal(signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), grace)
        self.signal(signal.SIGKILL)  # also what it started itself and left behind
        await self._process.wait()
        self._registry.remove(self.pid)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to its whole group; one that is gone does not mind."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def last_words(self) -> str:
        """The last lines of its log, indented, for an error message."""
        return tail(self.log)


def tail(log: Path, lines: int = _LOG_TAIL) -> str:
    """The last lines of a log file, indented."""
    try:
        text = log.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return "    (no log)"
    return "\n".join("    " + line[:300] for line in text.splitlines()[-lines:]) or "    (its log is empty)"


def end(found: Sequence[Identity], *, grace: float) -> list[Identity]:
    """End processes that are not our children; return those that survived even SIGKILL (there should be none)."""
    for number, seconds in ((signal.SIGTERM, grace), (signal.SIGKILL, _KILL_SECONDS)):
        living = [one for one in found if one.alive()]
        for one in living:
            _send(one, number)
        give_up = time.monotonic() + seconds
        while any(one.alive() for one in living) and time.monotonic() < give_up:
            time.sleep(0.02)  # somebody else's child: there is nothing to wait on but its disappearance
    return [one for one in found if one.alive()]


def _send(one: Identity, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        if os.getpgid(one.pid) == one.pid:
            os.killpg(one.pid, number)
        else:
            os.kill(one.pid, number)
