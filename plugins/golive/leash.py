"""Pytest's end of the watchdog: start it, ask it, hear what became of it."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time

from golive.errors import Unreachable
from golive.order import Order
from golive.types import Json

START_SECONDS = 30.0
"""How long a watchdog may take to say that it is ready; it imports little, but a loaded machine is slow."""

MARGIN_SECONDS = 30.0
"""What the watchdog is granted beyond the rollback's own deadline before it counts as silent."""


class Leash:
    """Holds the pipe whose closing tells the watchdog that pytest is gone; ``lock`` is the session's, for it too."""

    def __init__(self, order: Order, *, lock: int | None = None) -> None:
        self._order, self._lock = order, lock
        self._patience = order.settings.rollback.deadline_seconds + MARGIN_SECONDS
        self._rest = b""
        self._process = self._start()

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

    @property
    def pid(self) -> int:
        """The watchdog's process."""
        return self._process.pid

    def ask(self, cause: str) -> None:
        """Ask for a rollback and come back at once; a watchdog that died is replaced first."""
        try:
            self._send(self._process, {"ask": cause})
        except OSError:
            self._replace()
            self._send(self._process, {"ask": cause})

    def finish(self, cause: str | None) -> Json | None:
        """Ask if there is a cause, wait for the end of a rollback under way, and return its result (or ``None``)."""
        for attempt in (1, 2):
            try:
                if cause:
                    self.ask(cause)
                self._send(self._process, {"finish": True})
                answer = self._hear(self._process, self._patience)
            except OSError:
                answer = None
            if answer is not None:
                rollback = answer.get("rollback")
                return rollback if isinstance(rollback, dict) else None
            if attempt == 1 and self._process.poll() is not None:
                self._replace()
        raise Unreachable(f"the watchdog did not say what became of the rollback within {self._patience:g} s")

    def over(self) -> None:
        """The verdict is written: the watchdog may go."""
        if self._process.poll() is None:
            try:
                self._send(self._process, {"over": True})
            except OSError:
                self._process.kill()
        self._process.wait(timeout=self._patience)
        self._close()

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
            if left <= 0 or not select.select([process.stdout], [], [], left)[0]:
                return None
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
