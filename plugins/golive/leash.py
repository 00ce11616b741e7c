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
from pathlib import Path
from typing import cast

from golive.errors import Unreachable
from golive.order import AGAIN_SECONDS, Order
from golive.types import Json

START_SECONDS = 30.0
"""How long a watchdog may take to say that it is ready; it imports little, but a loaded machine is slow."""

MARGIN_SECONDS = 30.0
"""What the watchdog is granted beyond the rollback's own deadline before it counts as silent."""
GUARD_SECONDS = 0.2
"""Between two looks whether the watchdog lives."""
_LIVES = 3


class Leash:
    """Holds the pipe whose closing tells the watchdog that pytest is gone; ``lock`` is the session's, for it too."""

    def __init__(self, order: Order, *, lock: int | None = None) -> None:
        self._order, self._lock = order, lock
        self._patience = order.settings.rollback.deadline_seconds + MARGIN_SECONDS
        again = min(order.settings.rollback.deadline_seconds, AGAIN_SECONDS)
        self._patience += again + order.settings.rollback.settle_seconds
        self._rest = b""
        self._turn, self._over = threading.RLock(), threading.Event()
        self._process = self._start()
        threading.Thread(target=self._guard, name="golive-leash", daemon=True).start()

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
                raise Unreachable(f"the watchdog did not start; see {log.name}")
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

    def over(self) -> None:
        """The verdict is written: the watchdog may go. Raises nothing; one that does not go is ended."""
        self._over.set()
        with self._turn:
            try:
                self._send(self._process, {"over": True})
                self._process.wait(timeout=MARGIN_SECONDS)
            except (OSError, subprocess.TimeoutExpired):
                self._process.kill()
                self._process.wait()
            self._close()

    def _guard(self) -> None:
        """A watchdog that dies or is stopped while nobody speaks to it is replaced at once: it may be needed next."""
        while not self._over.wait(GUARD_SECONDS):
            with self._turn:
                if not self._over.is_set() and self._is_gone():
                    with contextlib.suppress(Unreachable, OSError):  # tried again by the next look, ask or finish
                        self._replace()

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
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    @staticmethod
    def _send(process: subprocess.Popen[bytes], message: Json) -> None:
        assert process.stdin is not None
        data = json.dumps(message).encode() + b"\n"
        while data:
            data = data[os.write(process.stdin.fileno(), data) :]

    def _hear(self, process: subprocess.Popen[bytes], seconds: float) -> Json | None:
        """The next line the watchdog says, or ``None`` when it is gone or silent for ``seconds``."""
        assert process.stdout is not None
        give_up = time.monotonic() + seconds
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
