"""Scope, order and gates: which stages are judged, in which order, and when a criterion may start.

A test of a later stage waits in its own set-up until the journal holds an outcome for every criterion before it, and
ends not proven at once when a p0 there did not pass. Every process reads the same journal, so this holds under ``-n``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from _pytest.mark.expression import Expression

from golive.checked import withdrawn
from golive.criterion import STAGES, TARGET, Criterion, Gate, Outcome, Ratified, Stage
from golive.errors import ConfigError
from golive.journal import Entry
from golive.passes import left_out
from golive.record import Kept, believed
from golive.verdict import newest_outcome, outcome_of, since_rollback, stages_of, undecided

MARKERS = (
    "p0: NO-GO unless it passed",
    "p1: shown, and acknowledged when it failed",
    *(f"{stage.value}: a criterion of the {stage.value} stage" for stage in STAGES),
    "soak: a long-running load criterion, not part of the go-live's own scope",
    "criterion(id): the criterion of criteria.toml that this test is",
)


def scope_of(expression: str, configured: Sequence[str] | None, ratified: Ratified) -> tuple[Stage, ...]:
    """The stages a run judges: those with a criterion that ``-m`` selects; else ``golive.toml``'s; else all.

    Raises ``ConfigError`` for a stage that does not exist.
    """
    unknown = sorted(set(configured or ()) - {stage.value for stage in STAGES})
    if unknown:
        known = ", ".join(STAGES)
        raise ConfigError(f"golive.toml: scope: expected stages among {known}, found {', '.join(unknown)}")
    if not expression:
        return stages_of(configured) if configured else STAGES
    return stages_of([row.stage for row in ratified.criteria if _selects(expression, row.markers)])


def _selects(expression: str, markers: frozenset[str]) -> bool:
    try:
        return Expression.compile(expression).evaluate(lambda name, /, **_: name in markers)
    except SyntaxError as error:  # what pytest raises for an expression it cannot read
        raise ConfigError(f"-m {expression}: expected an expression of markers, found: {error}") from error


class Door(StrEnum):
    """What a gate says."""

    OPEN = "open"
    WAIT = "wait"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class GateState:
    """Whether a criterion may start; ``why`` is for people, and ``fix`` what they can do, where that is known."""

    door: Door
    why: str = ""
    fix: str = ""


OPEN = GateState(Door.OPEN)


def gate(
    row: Criterion,
    ratified: Ratified,
    scope: Sequence[Stage],
    entries: Sequence[Entry],
    *,
    earlier: Sequence[Kept] = (),
    fresh: timedelta = timedelta(hours=24),
) -> GateState:
    """Whether ``row`` may start, judged from this run's ``entries`` and the record of ``earlier`` runs. Pure."""
    missing = _missing_in_record(row, ratified, scope, earlier, entries, fresh)
    if missing:
        runs = [*earlier, Kept("", tuple(entries))]
        left = list(dict.fromkeys(why for one in missing for why in left_out(one.id, runs, fresh)))
        needed = [one for one in ratified.in_scope(STAGES[: STAGES.index(row.stage)]) if one.gate is Gate.P0]
        return _to_run(missing, needed, fresh, left)
    if taken := withdrawn(entries, [*believed(earlier), *entries]):
        words = "; ".join(f"{name}: {why}" for name, why in taken.items())
        return GateState(Door.CLOSED, f"what was judged before it counts no more: {words}", "run its stage again")
    before = [one for one in ratified.in_scope(scope) if one.order < row.order]
    outcomes = {one.id: _outcomes(one, entries) for one in before}
    bad = [one.id for one in before if _blocks(one, outcomes[one.id])]
    if bad:
        return GateState(Door.CLOSED, f"before it, these p0 criteria did not pass: {', '.join(bad)}")
    if before and any(entry.kind == "worker_died" for entry in entries):
        return GateState(Door.CLOSED, "a worker process died before it, so what it was judging is not proven")
    open_ones = [one.id for one in before if not outcomes[one.id] or undecided(one, entries)]
    if open_ones:
        return GateState(Door.WAIT, f"waiting for {', '.join(open_ones)}")
    return OPEN


def _to_run(
    missing: Sequence[Criterion], needed: Sequence[Criterion], fresh: timedelta, left: Sequence[str]
) -> GateState:
    """Closed for what the record lacks, with what does not count there (``left``) and the command that adds it.

    After a rollback no earlier pass counts: then every p0 criterion before it (``needed``) is missing.
    """
    stages = _stages(missing)
    words = [f"{stage}: {', '.join(one.id for one in missing if one.stage.value == stage)}" for stage in stages]
    hours = f"{fresh.total_seconds() / 3600:g} h (golive.toml: record.fresh_hours)"
    command, anew = _selecting(stages), _selecting(_stages(needed))
    undone = f"; if this NO-GO takes a canary back, pytest -m {anew} instead, which walks it anew"
    return GateState(
        Door.CLOSED,
        f"no fresh pass in the record of this digest for {'; '.join([*words, *left])}",
        f"pytest -m {command}, with the same report folder, and then this again within {hours}"
        f"{undone if anew != command else ''}",
    )


def _stages(rows: Sequence[Criterion]) -> list[str]:
    return list(dict.fromkeys(one.stage.value for one in rows))


def _selecting(stages: Sequence[str]) -> str:
    """The value of ``-m`` for them."""
    return stages[0] if len(stages) == 1 else f'"{" or ".join(stages)}"'


def _outcomes(row: Criterion, entries: Sequence[Entry]) -> list[Outcome]:
    return [outcome_of(entry) for entry in entries if entry.kind == "outcome" and entry.data.get("id") == row.id]


def _blocks(row: Criterion, outcomes: Sequence[Outcome]) -> bool:
    return row.gate is Gate.P0 and any(not row.counts_as_passed(outcome) for outcome in outcomes)


def _missing_in_record(
    row: Criterion,
    ratified: Ratified,
    scope: Sequence[Stage],
    earlier: Sequence[Kept],
    entries: Sequence[Entry],
    fresh: timedelta,
) -> list[Criterion]:
    """The p0 criteria of earlier stages outside the scope without a fresh pass in the record."""
    outside = [stage for stage in STAGES[: STAGES.index(row.stage)] if stage not in scope]
    needed = [one for one in ratified.in_scope(outside) if one.gate is Gate.P0]
    if not needed:
        return []
    kept = since_rollback(believed(earlier))
    known = [*kept, *entries]
    newest = {one.id: newest_outcome(one, known, fresh) for one in needed}
    return [one for one in needed if (outcome := newest[one.id]) is None or not one.counts_as_passed(outcome)]


def target_passed(ratified: Ratified, entries: Sequence[Entry]) -> bool:
    """Whether nothing in this run says that the cluster is another one than intended."""
    return target_state(ratified, entries) is Outcome.PASSED


def target_state(ratified: Ratified, entries: Sequence[Entry]) -> Outcome:
    """What this run says of the cluster: failed is another one than intended; nothing said yet counts as passed."""
    row = ratified.get(TARGET)
    seen = _outcomes(row, entries) if row is not None else []
    bad = [outcome for outcome in seen if row is not None and not row.counts_as_passed(outcome)]
    return Outcome.FAILED if Outcome.FAILED in bad else Outcome.NOT_PROVEN if bad else Outcome.PASSED
