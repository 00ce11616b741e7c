"""What the record says of a release before anything is taken back: T0, whether it is closed, whether one is applied."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from golive.criterion import Outcome
from golive.journal import Entry
from golive.order import Order
from golive.record import Kept, joined
from golive.t0 import T0
from golive.types import text
from golive.verdict import outcome_of, since_rollback, took_back

PROMOTED = "2.3-promoted"
"""The criterion that the release is closed after."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known before anything is taken back.

    ``back``: this release was taken back before. ``closed``: why a promoted release may not be taken back any more.
    ``applying``: an apply is on its way to the API server.
    """

    t0: T0 | None
    back: bool
    closed: str = ""
    applying: bool = False


def known_of(runs: Sequence[Kept], order: Order) -> Known:
    """What a record says to the executor of ``order``."""
    entries = joined(runs)
    closing = "" if order.by_hand else closed(entries, order.settings.rollback.closing_seconds)
    # By hand, an apply of the session that was fenced off may be on its way; else only this run's own.
    sent = [run.entries for run in runs if order.by_hand or run.run == order.run.id]
    return Known(t0_of(entries), any(map(was_under_way, entries)), closing, any(map(applying, sent)))


def t0_of(entries: Sequence[Entry]) -> T0 | None:
    """The version to go back to, from the entries of a record, oldest first.

    The one that the newest apply replaced; without an apply since traffic was last taken back, the newest.
    """
    taken = [T0.from_json(entry.data) for entry in entries if entry.kind == "t0" and "missing" not in entry.data]
    applied = [entry.data for entry in since_rollback(entries) if entry.kind == "applied"]
    if applied:
        uid, stable = text(applied[-1], "uid"), text(applied[-1], "stable")
        taken = [one for one in taken if (one.rollout, one.hash) == (uid, stable)] or taken
    return taken[-1] if taken else None


def closed(entries: Sequence[Entry], closing_seconds: float, at: datetime | None = None) -> str:
    """Since when a promoted release is closed, and why; empty while it is open.

    Counted from the first pass after it was promoted: judging it again later does not open it again.
    """
    newest = list(since_rollback(entries))
    began = max((number for number, entry in enumerate(newest) if entry.kind == "promoted"), default=0)
    passes = [entry for entry in newest[began:] if _promoted(entry)]
    if not passes:
        return ""
    passed = datetime.fromisoformat(passes[0].time)
    since = passed + timedelta(seconds=closing_seconds)
    if (at or datetime.now(UTC)) < since:
        return ""
    when, ended = (one.isoformat(timespec="seconds") for one in (passed, since))
    return f"closed since {ended}: {PROMOTED} passed at {when}, rollback.closing_seconds = {closing_seconds:g} are over"


def _promoted(entry: Entry) -> bool:
    return entry.kind == "outcome" and text(entry.data, "id") == PROMOTED and outcome_of(entry) is Outcome.PASSED


def applying(entries: Sequence[Entry]) -> bool:
    """Whether an apply of this run was sent, and nothing says yet what became of it."""
    kinds = [entry.kind for entry in entries if entry.kind in ("apply_sent", "applied", "apply_refused")]
    return bool(kinds) and kinds[-1] == "apply_sent"


def was_under_way(entry: Entry) -> bool:
    """Whether this entry says that the release was in the cluster: applied, or taken back."""
    return entry.kind == "applied" or took_back(entry)
