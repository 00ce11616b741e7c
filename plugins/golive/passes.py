"""What the record tells of an earlier criterion: where and when it passed for this digest."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from golive.checked import lapsed
from golive.errors import Unreachable
from golive.origin import judged_otherwise
from golive.record import Kept, believed, read_record
from golive.verdict import newest_outcome, since_rollback

if TYPE_CHECKING:
    from golive.session import Judge


def passed_before(judge: Judge, *criteria: str) -> dict[str, str]:
    """Of each criterion its fresh outcome in the record of this digest, with its moment.

    Raises ``Unreachable`` where one has none that counts as a pass, naming what was left out and why.
    """
    settings, found = judge.settings, {}
    runs = read_record(judge.run.reports, judge.run.digest, settings.target)
    entries = since_rollback(believed(runs))
    fresh = timedelta(hours=settings.record.fresh_hours)
    for name in criteria:
        row = judge.ratified.get(name)
        outcome = newest_outcome(row, entries, fresh) if row else None
        if row is None or outcome is None or not row.counts_as_passed(outcome):
            seen = "; ".join([outcome.value if outcome else "none", *left_out(name, runs, fresh)])
            raise Unreachable(
                f"{name}: expected a fresh pass for {judge.run.digest} in the record, found {seen}; run the preflight "
                "again with the same report folder: pytest -m preflight"
            )
        otherwise = judged_otherwise(believed(runs))
        kept = believed(run for run in runs if run.run not in otherwise)
        times = [one.time for one in kept if one.kind == "outcome" and one.data.get("id") == name]
        found[name] = f"{outcome.value} at {max(times)}"
    return found


def left_out(criterion: str, runs: Sequence[Kept], fresh: timedelta) -> list[str]:
    """A line for each run of the record (the newest last) whose outcome of ``criterion`` does not count, and why."""
    entries = believed(runs)
    otherwise = {**lapsed(criterion, entries, fresh), **judged_otherwise(entries)}
    outcomes = [(one.run, entry) for one in runs for entry in one.entries if entry.kind == "outcome"]
    about = {run for run, entry in outcomes if entry.data.get("id") == criterion}
    lines = [f"run {one.run} is left out: {one.problem}" for one in runs if one.problem]
    return lines + [f"run {run} is left out: {why}" for run, why in otherwise.items() if run in about]
