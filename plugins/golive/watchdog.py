"""The watchdog: a detached process, and the only executor of a rollback.

It is started before the first write, in a session of its own, and holds one end of a pipe. It acts by itself when the
journal shows a failed p0, when pytest asks, when nothing could be proven or seen for the blind limit, when pytest does
not move, and when the pipe closes, which means that pytest is gone. In that last case it also writes the verdict.
"""

from __future__ import annotations

import contextlib
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

from golive.criterion import TARGET, Gate, Outcome, Ratified, Stage
from golive.errors import JournalError
from golive.executor import Executor
from golive.journal import Entry, Journal
from golive.keeper import Keeper
from golive.order import Order
from golive.processes import Process, workers
from golive.pulse import Pulse
from golive.redact import Redactor
from golive.stages import target_passed
from golive.standin import StandIn
from golive.types import Json, text
from golive.verdict import Decision, calls_rollback, gate_of, outcome_of
from golive.walking import Blindness

TICK = 0.05
"""Seconds between two looks at the journal."""
_MOST_WORDS = 1000
_GONE = "pytest was gone before it had judged: killed, cancelled or disconnected"


@dataclass
class Watchdog:
    """Follows one run until it is over."""

    order: Order
    ratified: Ratified
    journal: Journal
    hands: Executor
    pulse: Pulse
    keeper: Keeper
    walk: Blindness
    instead: StandIn
    unproven_since: float | None = None
    unproven_cause: str = ""
    seen: int = 0
    size: int = -1
    cut: str = ""
    frozen: bool = False
    parted: bool = False
    finished: bool = False

    @classmethod
    def over(cls, order: Order, hands: Executor) -> Watchdog:
        """One for this run."""
        pulse, keeper = Pulse(Process.of(order.driver)), Keeper(order, hands, hands.fence_off)
        ratified, walk = order.ratified, Blindness(order.run.folder)
        return cls(order, ratified, hands.journal, hands, pulse, keeper, walk, StandIn(order, ratified, hands))

    def begin(self) -> None:
        """Before the first percent moves: keep what is proven good, and what an earlier session handed over."""
        self.hands.snapshot()
        if self.order.armed and not self.order.by_hand:
            self.keeper.adopt()

    def look(self) -> None:
        """Read what the journal has new, and act on a failed p0, on blindness past its limit, on a frozen driver."""
        try:
            size = self.order.run.journal.stat().st_size
            if size != self.size:
                self.judge_new()
                self.size = size
        except (OSError, JournalError) as error:
            self.hands.complain("journal", error)
        if (begun := self.hands.result) is not None and self.hands.interrupted:
            self.hands.act(begun.cause, time.monotonic())
        self.watch_the_blind()
        self.watch_the_driver()
        self.hands.watch_over()

    def watch_the_blind(self) -> None:
        """What could not be proven, or is seen by nobody any more, goes back after the blind limit."""
        limit = self.order.settings.rollback.blind_limit_seconds
        unproven = self.unproven_since is not None and time.monotonic() - self.unproven_since > limit
        blind = self.walk.look() > limit and self.order.armed
        if not (unproven or blind) or self.judged():
            return
        if unproven:
            self.unproven_since = time.monotonic()
            self.hands.act(self.unproven_cause, time.monotonic())
        if blind:
            cause = self.walk.cause
            self.instead.problem(f"the canary took traffic and nobody saw it for {limit:g} s ({cause})")
            self.hands.act(cause, time.monotonic())
            self.walk.again()

    def watch_the_driver(self) -> None:
        """A pytest that does not move counts as gone; the run stays open, it may thaw and will be told."""
        still, limit = self.pulse.still(), self.order.settings.rollback.driver_limit_seconds
        if still <= limit or self.order.by_hand:
            self.frozen = False
        elif not self.frozen:
            self.frozen = True
            if self.judged():
                self.part()  # only the word that the run is over is missing: nothing that was judged is undone
                return
            self.keeper.stop()
            self.hands.fence_off(f"pytest did not move for {still:.0f} s")
            frozen = f"pytest did not move for {still:.0f} s: it was stopped"
            self.instead.problem(frozen)
            self.instead.take_back([frozen])

    def judge_new(self) -> None:
        """The entries since the last look."""
        entries = self.journal.read()
        if self.journal.cut != self.cut:  # what stands where the lost entries were is new
            self.cut, self.seen = self.journal.cut, 0
            self.instead.problem(f"the record is not whole: {self.cut}")
        new, self.seen = entries[self.seen :], len(entries)
        for entry in new:
            self.keeper.hear(entry)
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
        """One command of pytest's: ``ask`` for a rollback, ``finish`` and ``over`` to hear what became of it."""
        command: Json = json.loads(line)
        cause = text(command, "ask")
        if cause:
            self.look()  # the journal knows since when; pytest's word stands for what could not be journalled
            self.hands.act(cause, time.monotonic())
        if (looked := text(command, "look")) and self.hands.result is None:
            self.hands.say_only(looked, f"{TARGET} is not proven")
        if "finish" in command:
            self.look()
            self.hands.settle()
            self.unproven_since = None  # pytest judges it now, and was told what became of it
            self.answer()
        if "beat" in command:
            self.pulse.beat()
        if "over" in command:
            self.part()
            self.answer()
            self.finished = True

    def answer(self) -> None:
        """Tell pytest what became of it."""
        self.say({"rollback": self.hands.result.to_json() if self.hands.result else None})

    def say(self, said: Json) -> None:
        """One line to pytest; that it died meanwhile is seen, and dealt with, at the other pipe."""
        try:
            os.write(sys.stdout.fileno(), _line(said))
        except OSError as error:
            self.hands.complain("answer", error)

    def mention(self, words: str) -> None:
        """Say something that nobody waits for, where the pipe has room for it: it may be in the middle of a rollback.

        Whoever stands still reads nothing; the journal has it too.
        """
        line: Json = {"say": words}
        while len(_line(line)) > select.PIPE_BUF:
            words = words[: len(words) // 2]
            line = {"say": words}
        with contextlib.suppress(OSError, ValueError):  # as above
            if select.select([], [sys.stdout.fileno()], [], 0)[1]:
                self.say(line)

    def judged(self) -> bool:
        """Whether the run was closed: from then on nothing is taken back because pytest is silent."""
        return self.parted or bool(self.instead.word())

    def part(self) -> None:
        """The run is over: leave the Lease as it should be found, once. After a rollback no verdict was good."""
        if self.parted:
            return
        self.parted = True
        if self.order.by_hand:
            self.keeper.clear()
        else:
            good = self.instead.word() in (Decision.GO, Decision.PENDING)
            self.keeper.part(good=good and self.hands.result is None)

    def alone(self) -> None:
        """Pytest is gone: end what it left, take traffic back if the verdict is NO-GO, and write it in its place."""
        if not self.instead.word():
            self.keeper.stop()
            self.hands.fence_off(_GONE)
            for worker in workers(self.order.run.folder):
                worker.kill()  # it would go on for up to 15 s, and nobody would judge it
            self.look()
            self.instead.take_back([_GONE])
            self.instead.close(_GONE)
        else:
            self.instead.complete()
        self.part()

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
                if self.order.by_hand:
                    self.look()
                    self.part()
                else:
                    self.alone()
                return
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                self.obey(line)


def _line(said: Json) -> bytes:
    return json.dumps(said).encode() + b"\n"


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
    hands.recall()
    dog = Watchdog.over(order, hands)
    hands.tell = lambda words: dog.mention(redactor.text(words)[:_MOST_WORDS])
    os.write(sys.stdout.fileno(), b'{"ready": true}\n')
    threading.Thread(target=dog.begin, daemon=True).start()
    try:
        dog.follow(pipe)
    except Exception:  # noqa: BLE001  (whatever it is, it is kept: a silent watchdog would be the worst)
        print(redactor.text(traceback.format_exc()), file=sys.stderr, flush=True)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
