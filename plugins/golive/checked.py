"""What a check by hand is worth later: an *attested* outcome is no fresher than it, and falls when it is withdrawn."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from golive.journal import Entry
from golive.types import text

ATTESTED = "attested"
"""Kind of the journal entry: ``{id, digest, reason, evidence, by}``, in a run of its own."""
WITHDRAWN = "attestation_withdrawn"
"""The same, for ``{id, digest, reason, by}``: what was recorded for this criterion until now counts no more."""


def lapsed(criterion: str, entries: Sequence[Entry], fresh: timedelta) -> dict[str, str]:
    """The runs whose *attested* of ``criterion`` counts no more, and why; ``entries`` of one record are run by run.

    By the newest entry, as outcomes are: the check that it rests on is older than ``fresh`` or not there, or was
    withdrawn.
    """
    end = max((datetime.fromisoformat(one.time) for one in entries), default=None)
    found: dict[str, str] = {}
    run = ""
    for one in entries:
        if one.kind == "run":
            run = text(one.data, "run")
        if end is None or not _by_hand(one) or text(one.data, "id") != criterion:
            continue
        rests_on = _check(one, entries)
        if withdrawal := _withdrawal(one, entries):
            found[run] = withdrawal
        elif not rests_on:
            found[run] = "the manual check that it rests on is not in the record"
        elif end - datetime.fromisoformat(rests_on) > fresh:
            hours = fresh / timedelta(hours=1)
            found[run] = f"the manual check of {rests_on} is older than {hours:g} h (record.fresh_hours)"
    return found


def withdrawn(own: Sequence[Entry], record: Sequence[Entry]) -> dict[str, str]:
    """The criteria that a run (``own`` entries) judged by a check that was withdrawn since, and by whom, when and why.

    ``record``: the entries of all runs, this one's too. How old the check became meanwhile does not count.
    """
    found = {text(one.data, "id"): _withdrawal(one, record) for one in own if _by_hand(one)}
    return {criterion: why for criterion, why in found.items() if why}


def _by_hand(one: Entry) -> bool:
    return (one.kind, text(one.data, "outcome")) == ("outcome", "attested")


def _check(outcome: Entry, record: Sequence[Entry]) -> str:
    """When the check that an outcome rests on was recorded; empty where it is not there."""
    return max((one.time for one in _about(outcome, record, ATTESTED) if one.time <= outcome.time), default="")


def _withdrawal(outcome: Entry, record: Sequence[Entry]) -> str:
    """Who took back the check that an outcome rests on, when and why; empty where nobody did.

    Since the check, not since the outcome: it may have been taken back while it was looked at.
    """
    since = _check(outcome, record) or outcome.time
    taken = [one for one in _about(outcome, record, WITHDRAWN) if one.time > since]
    if not taken:
        return ""
    last = taken[-1]
    return f"the manual check was withdrawn by {text(last.data, 'by')} at {last.time}: {text(last.data, 'reason')}"


def _about(outcome: Entry, record: Sequence[Entry], kind: str) -> list[Entry]:
    return [one for one in record if one.kind == kind and one.data.get("id") == outcome.data.get("id")]
