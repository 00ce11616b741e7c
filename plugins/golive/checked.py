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

    By the newest entry, as outcomes are: the check that it rests on is older than ``fresh``, or was withdrawn since.
    """
    about = [one for one in entries if text(one.data, "id") == criterion]
    end = max((datetime.fromisoformat(one.time) for one in entries), default=None)
    found: dict[str, str] = {}
    run = ""
    for one in entries:
        if one.kind == "run":
            run = text(one.data, "run")
        said = (one.kind, text(one.data, "id"), text(one.data, "outcome"))
        if end is None or said != ("outcome", criterion, "attested"):
            continue
        since = [each for each in about if each.kind == WITHDRAWN and each.time > one.time]
        rests_on = max((each.time for each in about if each.kind == ATTESTED and each.time <= one.time), default="")
        if since:
            found[run] = withdrawal(since[-1])
        elif rests_on and end - datetime.fromisoformat(rests_on) > fresh:
            hours = fresh / timedelta(hours=1)
            found[run] = f"the manual check of {rests_on} is older than {hours:g} h (record.fresh_hours)"
    return found


def withdrawal(entry: Entry) -> str:
    """Who took a check back, when and why."""
    return f"the manual check was withdrawn by {text(entry.data, 'by')} at {entry.time}: {text(entry.data, 'reason')}"
