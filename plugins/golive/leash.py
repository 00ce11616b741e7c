"""Pytest's end of the watchdog: start it, ask it, hear what became of it."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

from golive.errors import JournalError, Unreachable
from golive.journal import Journal
from golive.order import AGAIN_SECONDS, Order
from golive.pulse import beat_seconds
from golive.redact import Redactor
from golive.told import told_rollback
from golive.types import Json

START_SECONDS = 30.0
"""How long a watchdog may take to say that it is ready; it imports little, but a loaded machine is slow."""

MARGIN_SECONDS = 30.0
"""What the watchdog is granted beyond the rollback's own deadline before it counts as silent."""
GUARD_SECONDS = 0.2
"""Between two looks whether the watchdog lives."""
_LIVES = 3


class Leash:
    """Holds the pipe whose closing tells the watchdog that pytest is gone; ``lock`` is the session's, for it too.

    ``tell`` is called with what the watchdog has to say while it is waited for.
    """

    def __init__(self, order: Order, *, lock: int | None = None, tell: Callable[[str], None] = lambda _: None) -> None:
        self._order, self._lock, self._tell = order, lock, tell
        self._patience = order.settings.rollback.deadline_seconds + MARGIN_SECONDS
        again = min(order.settings.rollback.deadline_seconds, AGAIN_SECONDS)
        self._patience += again + order.settings.rollback.settle_seconds
        self._rest, self._silent = b"", False
        self._turn, self._over, self._wire = threading.RLock(), threading.Event(), threading.Lock()
        self._process = self._start()
        for work in (self._guard, self._beat):
            threading.Thread(target=work, name="golive-leash", daemon=True).start()

    def _start(self) -> subprocess.Popen[bytes]:
        """A process in a session of its own: a Ctrl-C in the terminal does not reach it."""
        log = (self._order.run.folder / "watchdog.log").open("ab")
        with log:
            process = subprocess.Popen(
                [sys.executable, "-m", "golive.watchdog"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
                pass_fds=() if self._lock is None else (self._lock,),
            )
        self._rest = b""
        try:
            self._send(process, self._order.to_json())
            if self._hear(process, START_SECONDS) is None:
                raise Unreachable(
                    f"the watchdog did not start within {START_SECONDS:g} s; see {log.name}, and where that says "
                    "nothing: this machine may be too slow or too busy, start again when it has room"
                )
        except BaseException:  # an interrupt too: nobody would ever speak to it
            process.kill()
            process.communicate()
            raise
        return process

    def ask(self, cause: str) -> None:
        """Ask for a rollback and come back at once; a watchdog that died is replaced first."""
        with self._turn:
            try:
                self._send(self._process, {"ask": cause})
            except OSError:
                self._replace()
                self._send(self._process, {"ask": cause})

    def finish(self, cause: str | None, *, look: str | None = None) -> Json | None:
        """Ask if there is a ``cause``, wait for the end of a rollback under way, and return its result (or ``None``).

        ``look``: nothing may be written; say what there would be to take back.
        """
        with self._turn:
            for _ in range(_LIVES):
                answer = self._last_word(cause, look)
                if answer is not None:
                    rollback = answer.get("rollback")
                    return rollback if isinstance(rollback, dict) else None
                if not self._is_gone():
                    self._silent = True
                    raise Unreachable(f"the watchdog said nothing of the rollback within {self._patience:g} s")
            raise Unreachable("the watchdog died, and so did those that took its place; see the run's watchdog.log")

    def _last_word(self, cause: str | None, look: str | None) -> Json | None:
        try:
            if self._is_gone():
                self._replace()
            for message in ({"ask": cause} if cause else None, {"look": look} if look else None, {"finish": True}):
                if message is not None:
                    self._send(self._process, cast("Json", message))
            return self._hear(self._process, self._patience)
        except OSError:
            return None

    def over(self, known: Json | None = None) -> Json | None:
        """The verdict is written: the watchdog may go. Raises nothing; one that does not go is ended.

        Returns what it says of the rollback now: while pytest stood still it may have acted. ``known`` is what
        ``finish`` said, which holds where nothing newer is known.
        """
        self._over.set()
        answer: Json | None = None
        with self._turn:
            try:
                self._send(self._process, {"over": True})
                answer = self._hear(self._process, MARGIN_SECONDS if self._silent else self._patience)
                self._process.wait(timeout=MARGIN_SECONDS)
            except (OSError, subprocess.TimeoutExpired):
                self._process.kill()
                self._process.wait()
            self._close()
        if answer is None:
            return self._unheard(known)
        rollback = answer.get("rollback")
        return rollback if isinstance(rollback, dict) else known

    def _unheard(self, known: Json | None) -> Json | None:
        """What the journal has of a rollback after the verdict, where the watchdog itself said nothing."""
        run = self._order.run
        try:
            entries = Journal(run.journal, "reader", Redactor()).read()
        except JournalError:
            return known  # the verdict says what is wrong with it
        ended = [number for number, entry in enumerate(entries) if entry.kind == "finished"]
        told = told_rollback(entries[ended[-1] + 1 :] if ended else entries)
        if told is None:
            return known
        return told.result or silent(told.cause, "it was begun after the verdict, and its end is not in the record")

    def _guard(self) -> None:
        """A watchdog that dies or is stopped while nobody speaks to it is replaced at once: it may be needed next."""
        while not self._over.wait(GUARD_SECONDS):
            with self._turn:
                if not self._over.is_set() and self._is_gone():
                    with contextlib.suppress(Unreachable, OSError):  # tried again by the next look, ask or finish
                        self._replace()

    def _beat(self) -> None:
        """Say that this process moves, whatever its main thread does; a rollback that is waited for too."""
        count, every = 0, beat_seconds(self._order.settings.rollback.driver_limit_seconds)
        while not self._over.wait(every):
            count += 1
            with self._wire, contextlib.suppress(OSError, ValueError):  # its end is the guard's business
                pipe = self._process.stdin
                # A watchdog at work reads later; a full pipe must not keep what is asked of it waiting.
                if pipe is not None and select.select([], [pipe], [], 0)[1]:
                    self._write(self._process, {"beat": count})

    def _is_gone(self) -> bool:
        """Dead, or stopped by a signal, which for a rollback is the same."""
        return self._process.poll() is not None or self._is_stopped(self._process)

    @staticmethod
    def _is_stopped(process: subprocess.Popen[bytes]) -> bool:
        try:
            stat = Path(f"/proc/{process.pid}/stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return False  # no Linux
        return stat.rpartition(")")[2].split()[0] in ("T", "t")

    def _replace(self) -> None:
        """The watchdog died: clear away what is left of it, and start another, which reads the same journal."""
        self._process.kill()
        self._process.wait()
        self._close()
        self._process = self._start()

    def _close(self) -> None:
        with self._wire:
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    pipe.close()

    def _send(self, process: subprocess.Popen[bytes], message: Json) -> None:
        with self._wire:
            self._write(process, message)

    @staticmethod
    def _write(process: subprocess.Popen[bytes], message: Json) -> None:
        assert process.stdin is not None
        data = json.dumps(message).encode() + b"\n"
        while data:
            data = data[os.write(process.stdin.fileno(), data) :]

    def _hear(self, process: subprocess.Popen[bytes], seconds: float) -> Json | None:
        """The watchdog's next answer, or ``None`` when it is gone or silent for ``seconds``."""
        give_up = time.monotonic() + seconds
        while True:
            answer = self._line(process, give_up)
            if answer is None or "say" not in answer:
                return answer
            self._tell(str(answer["say"]))

    def _line(self, process: subprocess.Popen[bytes], give_up: float) -> Json | None:
        assert process.stdout is not None
        while b"\n" not in self._rest:
            left = give_up - time.monotonic()
            if left <= 0 or self._is_stopped(process):
                return None
            if not select.select([process.stdout], [], [], min(left, 1.0))[0]:
                continue
            data = os.read(process.stdout.fileno(), 65536)
            if not data:
                return None
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        answer: Json = json.loads(line)
        return answer


def silent(cause: str, why: str) -> Json:
    """What is known of a rollback when the watchdog says nothing: that it is not proven."""
    leg: Json = {"leg": "watchdog", "proven": False, "observed": why}
    return {
        "cause": cause,
        "found": "unknown",
        "did": [],
        "proven": False,
        "legs": [leg],
        "seconds": {"to_request": None, "to_stable": None},
        "remark": "roll back by hand: golive rollback",
    }
