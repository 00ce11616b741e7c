"""In pytest's place: what the watchdog judges, takes back and writes once pytest is gone or does not move."""

from __future__ import annotations

import time
from dataclasses import dataclass

from golive.closing import Closing, cause_of, close, complete, may_call
from golive.criterion import TARGET, Outcome, Ratified
from golive.errors import JournalError
from golive.executor import Executor
from golive.order import Order
from golive.stages import target_state
from golive.types import Json, text
from golive.verdict import Decision


@dataclass
class StandIn:
    """Of one run."""

    order: Order
    ratified: Ratified
    hands: Executor

    def problem(self, what: str) -> None:
        """A reason for NO-GO that no criterion stands for."""
        try:
            self.hands.note("problem", {"problem": what})
        except JournalError as error:
            self.hands.complain(what, error)

    def word(self) -> str:
        """The verdict that this run was closed with; empty while it is open."""
        try:
            words = [text(entry.data, "verdict") for entry in self.hands.journal.read() if entry.kind == "finished"]
        except JournalError as error:
            self.hands.complain("journal", error)
            return ""
        return words[-1] if words else ""

    def take_back(self, gone: list[str]) -> None:
        """Without pytest: what it would ask for, if it judged now."""
        calls, cause = True, "session"  # where nothing can be judged, traffic goes back all the same
        try:
            verdict = self._closing().judged(gone, None)
            calls, cause = may_call(verdict), cause_of(verdict)
            trusted = target_state(self.ratified, self.hands.journal.read())
        except Exception as error:  # noqa: BLE001  (the record must not stand between a failure and its rollback)
            self.hands.complain("journal", error)
            trusted = Outcome.PASSED  # the identity is checked again before every write
        if calls and trusted is Outcome.PASSED:
            self.hands.act(cause, time.monotonic())
        elif calls and trusted is Outcome.NOT_PROVEN and self.hands.result is None:
            self.hands.say_only(cause, f"{TARGET} is not proven")

    def close(self, gone: str) -> None:
        """The verdict that pytest cannot write any more."""
        self.hands.settle()
        close(self._closing(), [gone], self._rollback)

    def complete(self) -> None:
        """The verdict that pytest had found, where it died before it was written; nothing is taken back for that."""
        try:
            if self._rollback is not None and self.word() in (Decision.GO, Decision.PENDING):
                self.problem("traffic was taken back, or looked for, after the verdict")
            complete(self._closing(), self._rollback)
        except JournalError as error:
            self.hands.complain("verdict", error)

    @property
    def _rollback(self) -> Json | None:
        return self.hands.result.to_json() if self.hands.result else None

    def _closing(self) -> Closing:
        order, journal = self.order, self.hands.journal
        words = {"who": order.who, "started": order.started}
        run, settings, redactor = order.run, order.settings, self.hands.redactor
        return Closing(run, settings, self.ratified, journal, order.scope, redactor=redactor, **words)
