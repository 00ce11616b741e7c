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
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from golive.closing import cause_of, close, judge, may_call
from golive.criterion import Gate, Outcome, Ratified, Stage
from golive.errors import GoliveError, JournalError
from golive.journal import Entry, Journal
from golive.order import Order
from golive.record import read_record
from golive.redact import Redactor
from golive.stages import target_passed
from golive.t0 import target_of
from golive.types import Json, text
from golive.verdict import calls_rollback, gate_of, outcome_of, took_back

if TYPE_CHECKING:
    from golive.cluster import Cluster
    from golive.rollback import T0, RollbackResult

TICK = 0.05
"""Seconds between two looks at the journal."""


@dataclass
class Watchdog:
    """Follows one run until it is over."""

    order: Order
    ratified: Ratified
    journal: Journal
    redactor: Redactor
    result: RollbackResult | None = None
    t0: T0 | None = None
    unproven_since: float | None = None
    unproven_cause: str = ""
    seen: int = 0
    size: int = -1
    finished: bool = False
    cluster: Cluster | None = field(default=None)

    def connect(self) -> Cluster:
        """The one client; made when first needed, so that starting is quick."""
        from golive.cluster import Cluster

        if self.cluster is None:
            target = self.order.settings.target
            self.cluster = Cluster(
                self.order.access,
                uid=target.cluster_uid,
                request_seconds=target.request_seconds,
                requests_per_second=target.requests_per_second,
            )
        return self.cluster

    def note(self, kind: str, facts: Json) -> None:
        """Journal a step; raises ``JournalError``, which the transaction remembers and survives."""
        self.journal.append(kind, facts)

    def snapshot(self) -> None:
        """Keep what is proven good before the first percent moves; its absence is journalled with the reason."""
        from golive.rollback import snapshot

        try:
            self.connect().check_identity()
            t0 = self.t0 = snapshot(self.connect(), target_of(self.order.settings))
            self.note("t0", t0.to_json() if t0 else {"missing": "the rollout is not Healthy on another version"})
        except GoliveError as error:
            self.complain("t0", error)

    def complain(self, what: str, error: Exception) -> None:
        """Say on stderr (the run's watchdog.log) what went wrong where the journal may be what is broken."""
        print(self.redactor.text(f"{what}: {type(error).__name__}: {error}"), file=sys.stderr, flush=True)  # noqa: T201

    def known(self) -> tuple[T0 | None, bool]:
        """The newest T0 snapshot in the record, and whether this release was taken back before."""
        from golive.rollback import T0

        kept = read_record(self.order.run.reports, self.order.run.digest, self.order.settings.target)
        entries = [entry for run in kept for entry in run.entries]
        snapshots = [entry.data for entry in entries if entry.kind == "t0" and "missing" not in entry.data]
        back = any(took_back(entry) for entry in entries)
        return self.t0 or (T0.from_json(snapshots[-1]) if snapshots else None), back

    def act(self, cause: str, started: float) -> None:
        """Take traffic back, once; a second cause finds the result of the first."""
        from golive.rollback import roll_back

        if self.result is not None:
            return
        t0, before = self.known()
        if not (self.order.armed or self.order.by_hand):
            self.result = self.only_look(cause, t0, before)
            return
        self.result = roll_back(
            self.connect(),
            target_of(self.order.settings),
            cause,
            t0=t0,
            rolled_back_before=before,
            deadline=self.order.settings.rollback.deadline_seconds,
            note=self.note,
            started=started,
        )
        try:
            self.note("rollback", self.result.to_json())
        except JournalError as error:
            self.complain("rollback", error)

    def only_look(self, cause: str, t0: T0 | None, before: bool) -> RollbackResult:
        """Disarmed: say what a rollback would find, and that it was not done."""
        from golive.rollback import Found, Leg, RollbackResult, classify

        try:
            self.connect().check_identity()
            found, _, why = classify(self.connect(), target_of(self.order.settings), t0=t0, already_rolled_back=before)
        except GoliveError as error:
            found = Found.UNKNOWN
            leg = Leg("armed", False, f"disarmed, and whether the release takes traffic was not observed: {error}")
        else:
            nothing = found is Found.NOT_STARTED
            leg = Leg("armed", nothing, f"disarmed: found {found}, nothing was written ({why})")
        return RollbackResult(
            cause=cause,
            found=found,
            did=(),
            proven=leg.proven,
            legs=(leg,),
            to_request=None,
            to_stable=None,
            remark="" if leg.proven else "the rollback is disarmed; by hand: golive rollback",
        )

    def look(self) -> None:
        """Read what the journal has new, and act on a failed p0 or on blindness past its limit."""
        try:
            size = self.order.run.journal.stat().st_size
            if size != self.size:
                self.judge_new()
                self.size = size
        except (OSError, JournalError) as error:
            self.complain("journal", error)
        limit = self.order.settings.rollback.blind_limit_seconds
        if self.unproven_since is not None and time.monotonic() - self.unproven_since > limit:
            self.act(self.unproven_cause, time.monotonic())

    def judge_new(self) -> None:
        """The entries since the last look."""
        entries = self.journal.read()
        new, self.seen = entries[self.seen :], len(entries)
        if not target_passed(self.ratified, entries):
            return  # nothing is written to a cluster that is not the intended one
        for entry in new:
            name = text(entry.data, "id")
            if calls_rollback(self.ratified, entry) and self.order.armed:
                self.act(name, _began(entry))
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
            self.act(cause, time.monotonic())
        if "finish" in command:
            self.look()
            self.answer()
        self.finished = self.finished or "over" in command

    def answer(self) -> None:
        """Tell pytest what became of it; that pytest died meanwhile is seen, and dealt with, at the other pipe."""
        said: Json = {"rollback": self.result.to_json() if self.result else None}
        try:
            os.write(sys.stdout.fileno(), json.dumps(said).encode() + b"\n")
        except OSError as error:
            self.complain("answer", error)

    def was_closed(self) -> bool:
        """Whether pytest had judged and written its verdict before it went."""
        try:
            return any(entry.kind == "finished" for entry in self.journal.read())
        except JournalError as error:
            self.complain("journal", error)
            return False

    def alone(self) -> None:
        """Pytest is gone: take traffic back if the verdict is NO-GO, and write the verdict in its place."""
        if self.was_closed():
            return
        order = self.order
        gone = ["pytest was gone before it had judged: killed, cancelled or disconnected"]
        verdict = judge(order.run, order.settings, self.ratified, self.journal, order.scope, problems=gone)
        if may_call(verdict) and self.trusted() and self.result is None:
            self.act(cause_of(verdict), time.monotonic())
        close(
            order.run,
            order.settings,
            self.ratified,
            self.journal,
            order.scope,
            who=order.who,
            started=order.started,
            problems=gone,
            rollback=self.result.to_json() if self.result else None,
            redactor=self.redactor,
        )

    def trusted(self) -> bool:
        """Whether nothing says that the cluster is another one than intended."""
        try:
            return target_passed(self.ratified, self.journal.read())
        except JournalError as error:
            self.complain("journal", error)
            return True  # the identity is checked again before every write

    def follow(self, pipe: int) -> None:
        """Until pytest says that the run is over, or is gone."""
        rest = b""
        while not self.finished:
            if not select.select([pipe], [], [], TICK)[0]:
                self.look()
                continue
            data = os.read(pipe, 65536)
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
    dog = Watchdog(order, order.ratified, Journal(order.run.journal, f"watchdog/{os.getpid()}", redactor), redactor)
    os.write(sys.stdout.fileno(), b'{"ready": true}\n')
    threading.Thread(target=dog.snapshot, daemon=True).start()
    try:
        dog.follow(pipe)
    except Exception:  # noqa: BLE001  (whatever it is, it is kept: a silent watchdog would be the worst)
        print(redactor.text(traceback.format_exc()), file=sys.stderr, flush=True)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
