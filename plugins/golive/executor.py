"""What a watchdog does to the Rollout: look, take back, see that it stays back. No result is final."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from golive.errors import GoliveError, JournalError, Unreachable
from golive.fence import Fence
from golive.journal import Journal
from golive.known import Known, known_of
from golive.order import AGAIN_SECONDS, Order
from golive.record import Reader
from golive.redact import Redactor
from golive.t0 import target_of
from golive.told import LOOKED, acted, recalled, restores, told_rollback
from golive.types import Json, text
from golive.waiting import wait_for
from golive.whose import Guard, Holding, Whose

if TYPE_CHECKING:
    from golive.argo import RolloutView
    from golive.cluster import Cluster
    from golive.rollback import Found, RollbackResult
    from golive.t0 import T0

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
    interrupted: bool = False
    """Another watchdog of this run began a rollback and died before its end."""
    loose: bool = False
    """A write of this run was under way when its fence was closed, and nobody knows what became of it."""
    restores: int = 0
    proven_at: float = 0.0
    next_look: float = 0.0
    mute_until: float = 0.0
    said: set[str] = field(default_factory=set)
    """The requests whose refusal was told; each rollback that is begun anew meets it again."""
    tell: Callable[[str], None] = lambda _: None
    """Says at once what a person may have to act on."""
    cluster: Cluster | None = field(default=None)
    reader: Reader | None = None
    holding: Holding = field(default_factory=Holding)

    def recall(self) -> None:
        """What this run's journal says that an earlier watchdog did: this one takes its place."""
        try:
            entries = self.journal.read()
            self.result, self.restores = recalled(entries), restores(entries)
            told = told_rollback(entries)
            self.loose = any(one.kind == "fence" and "stuck" in one.data for one in entries)
        except (JournalError, ValueError) as error:
            self.complain("journal", error)
            return
        if told is not None:
            age = (datetime.now(UTC) - datetime.fromisoformat(told.time)).total_seconds()
            self.acted, self.interrupted = acted(entries), told.result is None
            self.proven_at = time.monotonic() - max(age, 0.0)

    def connect(self) -> Cluster:
        """The rollback's client; made when first needed, so that starting is quick."""
        if self.cluster is None:
            self.cluster = self.new_cluster()
        return self.cluster

    def new_cluster(self) -> Cluster:
        """A client of its own, with a budget of its own."""
        from golive.cluster import Cluster

        return Cluster.of(self.order.access, self.order.settings.target)

    def fence_off(self, why: str) -> None:
        """Nobody in this run applies or promotes any more. Raises nothing: traffic does not wait for a file."""
        fence = Fence(self.order.run.folder)
        first = not fence.closed
        try:
            stuck = fence.shut(why, patience=self.order.settings.target.request_seconds, spare=self.order.driver)
            self.loose = self.loose or bool(stuck)
            if first or stuck:
                self.note("fence", {"why": why, **({"stuck": stuck} if stuck else {})})
        except (OSError, JournalError) as error:
            self.complain("fence", error)

    def note(self, kind: str, facts: Json) -> None:
        """Journal a step; raises ``JournalError``, which the transaction remembers and survives.

        A journal that fails, or that somebody holds, is left alone for a while: traffic does not wait for it.
        """
        if kind == "rollback_request" and facts.get("request") == "restore":
            self.restores += 1
        if kind == "rollback_forbidden" and facts["request"] not in self.said:
            self.said.add(text(facts, "request"))
            self.tell(f"the rollback's {facts['request']} is refused, and tried again: {facts['error']}")
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

    def known(self) -> Known:
        """What the record says of this release; where it cannot be read, what this process knows by itself."""
        back = self.result is not None and bool(self.result.did)
        try:
            if self.reader is None:
                self.reader = Reader(self.order.run.reports, self.order.run.digest, self.order.settings.target)
            found = known_of(self.reader.read(), self.order)
        except Exception as error:  # noqa: BLE001  (whatever is wrong with the record, the rollback does without)
            self.complain("record", error)
            return Known(self.t0, back)
        return replace(found, t0=found.t0 or self.t0, back=found.back or back)

    def act(self, cause: str, started: float, *, final: bool = False) -> None:
        """Take traffic back, and see it proven; what was found or proven before is not final, only told again.

        ``final``: the verdict is about to be written, so look once more whatever was seen.
        """
        from golive.rollback import roll_back

        if not final and self.still_back():
            return
        if not (self.order.armed or self.order.by_hand):
            self.say_only(cause, "the rollback is disarmed")
            return
        self.fence_off(f"a rollback has begun (cause {cause})")
        guard = Guard(self.barred)
        if barred := guard.look():
            self.stand_back(cause, barred)
            return
        known = self.known()
        deadline, self.acted = self.order.settings.rollback.deadline_seconds, True
        result = roll_back(
            self.connect(),
            target_of(self.order.settings),
            cause,
            t0=known.t0,
            rolled_back_before=known.back,
            deadline=min(deadline, AGAIN_SECONDS) if self.result and not self.interrupted else deadline,
            note=self.note,
            started=started,
            restores=self.restores,
            closed=known.closed,
            applying=known.applying,
            barred=guard.look,
        )
        self.result, self.interrupted = self.result.then(result) if self.result else result, False
        self.proven_at = time.monotonic()
        try:
            self.note("rollback", self.result.to_json())
        except JournalError as error:
            self.complain("rollback", error)

    def barred(self) -> str:
        """Why this run may not take back what is there: another driver answers for it. Empty when it may."""
        if self.order.by_hand:
            return ""
        from golive.lease import DriverLease
        from golive.t0 import Release

        order, cluster = self.order, self.connect()
        try:
            entries = self.journal.read()
        except JournalError as error:
            self.complain("journal", error)
            entries = ()
        lease = DriverLease(cluster, order.settings, order.run.id, order.who)
        release = Release(cluster, target_of(order.settings))
        return Whose(order.run.id, order.run.digest, lease.read, release.read).bars(entries, self.holding)

    def stand_back(self, cause: str, barred: str) -> None:
        """Nothing is written; what this run took back before stays proven while it is still back."""
        if self.result is not None and self.result.did and self.still_back():
            return
        self.say_only(cause, barred)

    def say_only(self, cause: str, why_not: str) -> None:
        """Nothing may be written: what is seen is the result, and is kept."""
        before, looked = self.result, self.only_look(cause, why_not)
        self.result = before.then(looked) if before else looked
        if self.result == before:
            return
        try:
            self.note(LOOKED, self.result.to_json())
        except JournalError as error:
            self.complain("rollback", error)

    def still_back(self) -> bool:
        """Whether an earlier rollback was proven and the release has not come back since, by a quick look."""
        from golive.rollback import Found

        if self.result is None or not self.result.proven:
            return False
        try:
            found, _, _ = self.classified(back=True)
        except GoliveError as error:
            self.complain("look", error)
            return True  # not seen is not seen to be back; the last look before the verdict decides
        return found in (Found.NOT_STARTED, Found.ALREADY_BACK)

    def classified(self, *, back: bool | None = None) -> tuple[Found, RolloutView | None, str]:
        """What there is to take back now, on which Rollout, and why. Raises ``Unreachable``.

        ``back``: whether it was taken back before, if not as the record says.
        """
        from golive.rollback import classify

        known, target = self.known(), target_of(self.order.settings)
        before = known.back if back is None else back
        return classify(self.connect(), target, t0=known.t0, already_rolled_back=before)

    def canary_under_way(self) -> bool:
        """Whether the release takes traffic as a canary. Raises ``Unreachable``, also where that cannot be told."""
        from golive.rollback import Found

        found, view, _ = self.classified()
        if found is Found.UNKNOWN:
            raise Unreachable("whether the release takes traffic is not known")
        return found is Found.CANARY and view is not None and not view.aborted

    def watch_over(self) -> None:
        """What was taken back may be put there again, by a tool, a person or a write of this run that comes late."""
        result = self.result
        if result is None or not (result.did or self.loose) or time.monotonic() < self.next_look:
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
        from golive.rollback import Found, Leg, RollbackResult

        try:
            self.connect().check_identity()
            found, _, why = self.classified()
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
