"""What a watchdog does to the Rollout: look, take back, see that it stays back. No result is final."""

from __future__ import annotations

import contextlib
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from golive.errors import GoliveError, JournalError
from golive.journal import Journal
from golive.order import AGAIN_SECONDS, Order
from golive.record import read_record
from golive.redact import Redactor
from golive.t0 import target_of
from golive.types import Json
from golive.verdict import took_back
from golive.waiting import wait_for

if TYPE_CHECKING:
    from golive.cluster import Cluster
    from golive.rollback import T0, RollbackResult

LOOK_SECONDS = 1.0
"""Between two looks at a Rollout that was taken back."""
MUTE_SECONDS = 10.0
"""How long a journal that failed is left alone."""


@dataclass
class Executor:
    """The one that writes to the Rollout in a run, and remembers what became of it."""

    order: Order
    journal: Journal
    redactor: Redactor
    result: RollbackResult | None = None
    t0: T0 | None = None
    acted: bool = False
    restores: int = 0
    proven_at: float = 0.0
    next_look: float = 0.0
    mute_until: float = 0.0
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
        """Journal a step; raises ``JournalError``, which the transaction remembers and survives.

        A journal that fails, or that somebody holds, is left alone for a while: traffic does not wait for it.
        """
        if kind == "rollback_request" and facts.get("request") == "restore":
            self.restores += 1
        if time.monotonic() < self.mute_until:
            raise JournalError("the journal failed a moment ago")
        try:
            self.journal.append(kind, facts)
        except JournalError:
            self.mute_until = time.monotonic() + MUTE_SECONDS
            raise

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
        with contextlib.suppress(OSError, ValueError):  # the same disk may be full
            print(self.redactor.text(f"{what}: {type(error).__name__}: {error}"), file=sys.stderr, flush=True)  # noqa: T201

    def known(self) -> tuple[T0 | None, bool]:
        """The newest T0 snapshot in the record, and whether this release was taken back before."""
        from golive.rollback import T0

        back = self.result is not None and bool(self.result.did)
        try:
            kept = read_record(self.order.run.reports, self.order.run.digest, self.order.settings.target)
            entries = [entry for run in kept for entry in run.entries]
            snapshots = [entry.data for entry in entries if entry.kind == "t0" and "missing" not in entry.data]
            good = T0.from_json(snapshots[-1]) if snapshots else None
        except Exception as error:  # noqa: BLE001  (whatever is wrong with the record, the rollback does without)
            self.complain("record", error)
            return self.t0, back
        return self.t0 or good, back or any(took_back(entry) for entry in entries)

    def act(self, cause: str, started: float, *, final: bool = False) -> None:
        """Take traffic back, and see it proven; what was found or proven before is not final, only told again.

        ``final``: the verdict is about to be written, so look once more whatever was seen.
        """
        from golive.rollback import roll_back

        if not final and self.still_back():
            return
        t0, before = self.known()
        if not (self.order.armed or self.order.by_hand):
            self.result = self.only_look(cause, "the rollback is disarmed")
            return
        deadline, self.acted = self.order.settings.rollback.deadline_seconds, True
        result = roll_back(
            self.connect(),
            target_of(self.order.settings),
            cause,
            t0=t0,
            rolled_back_before=before,
            deadline=min(deadline, AGAIN_SECONDS) if self.result else deadline,
            note=self.note,
            started=started,
            restores=self.restores,
        )
        self.result = self.result.then(result) if self.result else result
        self.proven_at = time.monotonic()
        try:
            self.note("rollback", self.result.to_json())
        except JournalError as error:
            self.complain("rollback", error)

    def still_back(self) -> bool:
        """Whether an earlier rollback was proven and the release has not come back since, by a quick look."""
        from golive.rollback import Found, classify

        if self.result is None or not self.result.proven:
            return False
        try:
            t0, _ = self.known()
            found, _, _ = classify(self.connect(), target_of(self.order.settings), t0=t0, already_rolled_back=True)
        except GoliveError as error:
            self.complain("look", error)
            return True  # not seen is not seen to be back; the last look before the verdict decides
        return found in (Found.NOT_STARTED, Found.ALREADY_BACK)

    def watch_over(self) -> None:
        """What was taken back may be put there again, by a tool or a person, for as long as the session lasts."""
        result = self.result
        if result is None or not result.did or time.monotonic() < self.next_look:
            return
        self.next_look = time.monotonic() + LOOK_SECONDS
        if result.proven and not self.still_back():
            self.act(result.cause, time.monotonic())

    def settle(self) -> None:
        """Before the verdict: watch what was taken back for a while, then prove it once more."""
        if self.result is None:
            return
        calm = self.order.settings.rollback.settle_seconds
        while self.result.did and (left := self.proven_at + calm - time.monotonic()) > 0:
            self.watch_over()
            wait_for("the next look", time.monotonic, (time.monotonic() + min(left, 0.2)).__le__, deadline=1, every=0.2)
        if self.acted:  # where nothing may be written, what was seen is all there is to say
            self.act(self.result.cause, time.monotonic(), final=True)

    def only_look(self, cause: str, why_not: str) -> RollbackResult:
        """Nothing may be written: say what a rollback would find, and that it was not done."""
        from golive.rollback import Found, Leg, RollbackResult, classify

        t0, before = self.known()
        try:
            self.connect().check_identity()
            found, _, why = classify(self.connect(), target_of(self.order.settings), t0=t0, already_rolled_back=before)
        except GoliveError as error:
            found = Found.UNKNOWN
            leg = Leg("armed", False, f"{why_not}, and whether the release takes traffic was not observed: {error}")
        else:
            nothing = found is Found.NOT_STARTED
            leg = Leg("armed", nothing, f"{why_not}: found {found}, nothing was written ({why})")
        return RollbackResult(
            cause=cause,
            found=found,
            did=(),
            proven=leg.proven,
            legs=(leg,),
            to_request=None,
            to_stable=None,
            remark="" if leg.proven else f"{why_not}; by hand: golive rollback",
        )
