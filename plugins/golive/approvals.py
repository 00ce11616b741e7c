"""Approvals: where ``golive.toml`` says ``promotion = "ask"``, a person lets the canary go on, weight by weight."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from golive.closing import account
from golive.config import Settings
from golive.errors import GoliveError
from golive.journal import Entry, Journal
from golive.record import Run, read_record, record_folder, session_holder
from golive.redact import Redactor
from golive.types import number, text

WAITING, APPROVED = "waiting_for_approval", "approved"
"""Kinds of journal entries: the walker waits with ``{weight}``, a person answers with ``{weight, by}``."""


class NotWaiting(GoliveError):  # noqa: N818  (nothing was asked)
    """There is no session that waits for this approval."""


def approved(entries: Sequence[Entry], weight: int) -> str:
    """Who approved ``weight`` since the session began to wait for it; empty while nobody has."""
    found = ""
    for entry in entries:
        if number(entry.data, "weight") != weight:
            continue
        if entry.kind == WAITING:
            found = ""
        elif entry.kind == APPROVED:
            found = text(entry.data, "by")
    return found


def waiting(entries: Sequence[Entry]) -> list[int]:
    """The weights that a session waits for."""
    asked = [weight for entry in entries if entry.kind == WAITING and (weight := number(entry.data, "weight"))]
    return [weight for weight in dict.fromkeys(asked) if not approved(entries, weight)]


def approve(settings: Settings, reports: Path, weight: int) -> str:
    """Approve ``weight`` in the session that runs on ``reports``; one line that says so.

    Raises ``NotWaiting`` where none runs for this release, or none waits for this weight.
    """
    digest = settings.release.digest
    run = session_under_way(settings, reports)
    if run is None:
        raise NotWaiting(f"{reports}: expected a session of {digest} under way, found none; approve while pytest waits")
    by = _who(settings)
    journal = Journal(run.journal, f"golive approve/{by}", Redactor.from_environment())
    asked = waiting(journal.read())
    if weight not in asked:
        found = ", ".join(f"{one} %" for one in asked) or "nothing"
        raise NotWaiting(f"expected run {run.id} to wait for the approval of {weight} %, found it waits for {found}")
    journal.append(APPROVED, {"weight": weight, "by": by})
    return f"approved: {weight} %, by {by}; run {run.id} goes on"


def session_under_way(settings: Settings, reports: Path) -> Run | None:
    """The run of this release whose session holds ``reports`` now."""
    digest = settings.release.digest
    if not session_holder(reports):
        return None
    for kept in reversed(read_record(reports, digest, settings.target)):
        about = kept.entries[0].data if kept.entries else {}
        if about.get("by_hand") is True:
            continue
        over = any(entry.kind == "finished" for entry in kept.entries)
        if over or not kept.entries:
            return None
        return Run(kept.run, record_folder(reports, digest) / kept.run, reports, digest)
    return None


def _who(settings: Settings) -> str:
    """The approver whom ``golive.toml`` names, and the account and host that says so."""
    person = settings.people.approver or settings.people.release_driver
    return f"{person.name or 'nobody named'} ({account()})"
