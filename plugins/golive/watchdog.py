"""The watchdog: a detached process, and the only executor of a rollback.

It is started before the first write, in a session of its own, and holds one end of a pipe. It acts by itself when the
journal shows a failed p0, when pytest asks, when nothing could be proven for the blind limit, and when the pipe closes,
which means that pytest is gone. In that last case it also writes the verdict.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import threading
import time
import traceback
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from golive.closing import cause_of, close, judge, may_call
from golive.criterion import TARGET, Gate, Outcome, Ratified, Stage
from golive.errors import JournalError
from golive.executor import Executor
from golive.journal import Entry, Journal
from golive.order import Order
from golive.redact import Redactor
from golive.stages import target_passed, target_state
from golive.types import Json, text
from golive.verdict import calls_rollback, gate_of, outcome_of

if TYPE_CHECKING:
    pass

TICK = 0.05
"""Seconds between two looks at the journal."""


@dataclass
class Watchdog:
    """Follows one run until it is over."""

    order: Order
    ratified: Ratified
    journal: Journal
    hands: Executor
    unproven_since: float | None = None
    unproven_cause: str = ""
    seen: int = 0
    size: int = -1
    finished: bool = False

    def look(self) -> None:
        """Read what the journal has new, and act on a failed p0 or on blindness past its limit."""
        try:
            size = self.order.run.journal.stat().st_size
            if size != self.size:
                self.judge_new()
                self.size = size
        except (OSError, JournalError) as error:
            self.hands.complain("journal", error)
        limit = self.order.settings.rollback.blind_limit_seconds
        if self.unproven_since is not None and time.monotonic() - self.unproven_since > limit:
            self.unproven_since = time.monotonic()
            self.hands.act(self.unproven_cause, time.monotonic())
        self.hands.watch_over()

    def judge_new(self) -> None:
        """The entries since the last look."""
        entries = self.journal.read()
        new, self.seen = entries[self.seen :], len(entries)
        if not target_passed(self.ratified, entries):
            return  # nothing is written to a cluster that is not the intended one
        for entry in new:
            name = text(entry.data, "id")
            if calls_rollback(self.ratified, entry) and self.order.armed:
                self.hands.act(name, _began(entry))
            unproven = entry.kind == "outcome" and outcome_of(entry) is Outcome.NOT_PROVEN
            row = self.ratified.get(name)
            after = row is not None and row.stage is Stage.POSTDEPLOY
            p0 = gate_of(self.ratified, name) is Gate.P0 and not after
            if unproven and p0 and self.order.armed and self.unproven_since is None:
                self.unproven_since, self.unproven_cause = time.monotonic(), name

    def obey(self, line: bytes) -> None:
        """One command of pytest's: ``ask`` for a rollback, ``finish`` to hear what became of it, ``over``."""
        command: Json = json.loads(line)
        cause = text(command, "ask")
        if cause:
            self.look()  # the journal knows since when; pytest's word stands for what could not be journalled
            self.hands.act(cause, time.monotonic())
        if (looked := text(command, "look")) and self.hands.result is None:
            self.hands.result = self.hands.only_look(looked, f"{TARGET} is not proven")
        if "finish" in command:
            self.look()
            self.hands.settle()
            self.answer()
        self.finished = self.finished or "over" in command

    def answer(self) -> None:
        """Tell pytest what became of it; that pytest died meanwhile is seen, and dealt with, at the other pipe."""
        said: Json = {"rollback": self.hands.result.to_json() if self.hands.result else None}
        try:
            os.write(sys.stdout.fileno(), json.dumps(said).encode() + b"\n")
        except OSError as error:
            self.hands.complain("answer", error)

    def was_closed(self) -> bool:
        """Whether pytest had judged and written its verdict before it went."""
        try:
            return any(entry.kind == "finished" for entry in self.journal.read())
        except JournalError as error:
            self.hands.complain("journal", error)
            return False

    def alone(self) -> None:
        """Pytest is gone: take traffic back if the verdict is NO-GO, and write the verdict in its place."""
        if self.was_closed():
            return
        order = self.order
        gone = ["pytest was gone before it had judged: killed, cancelled or disconnected"]
        calls, cause = True, "session"  # where nothing can be judged, traffic goes back all the same
        try:
            verdict = judge(order.run, order.settings, self.ratified, self.journal, order.scope, problems=gone)
            calls, cause = may_call(verdict), cause_of(verdict)
            trusted = target_state(self.ratified, self.journal.read())
        except Exception as error:  # noqa: BLE001  (the record must not stand between a failure and its rollback)
            self.hands.complain("journal", error)
            trusted = Outcome.PASSED  # the identity is checked again before every write
        if calls and trusted is Outcome.PASSED:
            self.hands.act(cause, time.monotonic())
        elif calls and trusted is Outcome.NOT_PROVEN and self.hands.result is None:
            self.hands.result = self.hands.only_look(cause, f"{TARGET} is not proven")
        self.hands.settle()
        close(
            order.run,
            order.settings,
            self.ratified,
            self.journal,
            order.scope,
            who=order.who,
            started=order.started,
            problems=gone,
            rollback=self.hands.result.to_json() if self.hands.result else None,
            redactor=self.hands.redactor,
        )

    def follow(self, pipe: int) -> None:
        """Until pytest says that the run is over, or is gone."""
        rest = b""
        while not self.finished:
            # A child that pytest forked may keep the pipe open after pytest died: whose child we are tells as well.
            orphaned = os.getppid() != self.order.driver
            if not orphaned and not select.select([pipe], [], [], TICK)[0]:
                self.look()
                continue
            data = b"" if orphaned else os.read(pipe, 65536)
            if not data:
                self.look()
                if not self.order.by_hand:
                    self.alone()
                return
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                self.obey(line)


def _began(entry: Entry) -> float:
    """The monotonic time of an outcome: a rollback is measured from there, not from when it was noticed."""
    age = (datetime.now(UTC) - datetime.fromisoformat(entry.time)).total_seconds()
    return time.monotonic() - max(age, 0.0)


def main() -> int:
    """Run as ``python -m golive.watchdog`` with the order on stdin."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    pipe = sys.stdin.fileno()
    raw = b""
    while not raw.endswith(b"\n"):
        part = os.read(pipe, 1)
        if not part:
            return 1
        raw += part
    order = Order.from_json(json.loads(raw))
    redactor = Redactor.from_environment()
    journal = Journal(order.run.journal, f"watchdog/{os.getpid()}", redactor)
    hands = Executor(order, journal, redactor)
    dog = Watchdog(order, order.ratified, journal, hands)
    os.write(sys.stdout.fileno(), b'{"ready": true}\n')
    threading.Thread(target=hands.snapshot, daemon=True).start()
    try:
        dog.follow(pipe)
    except Exception:  # noqa: BLE001  (whatever it is, it is kept: a silent watchdog would be the worst)
        print(redactor.text(traceback.format_exc()), file=sys.stderr, flush=True)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
