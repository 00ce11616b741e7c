"""``decide()``: GO, NO-GO or PENDING from the ratified list and the journal. Pure: no clock, no file, no network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum

from golive.checked import ATTESTED, WITHDRAWN, lapsed
from golive.criterion import APPROVAL, STAGES, TARGET, Criterion, Gate, Outcome, Ratified, Stage
from golive.journal import Entry
from golive.origin import judged_otherwise
from golive.record import Kept
from golive.types import Json, mapping, text


class Decision(StrEnum):
    """What a release driver acts on."""

    GO = "GO"
    NO_GO = "NO-GO"
    PENDING = "PENDING"


class Exit(IntEnum):
    """Exit codes beside pytest's own (4 is pytest's usage error, used for configuration errors too)."""

    GO = 0
    CONFIG = 4
    NO_GO = 20
    NOT_ROLLED_BACK = 21
    PENDING = 22


@dataclass(frozen=True, slots=True)
class Judged:
    """What became of one criterion in this run. ``seconds`` is its whole duration."""

    criterion: Criterion
    outcome: Outcome
    expected: str
    observed: str
    fix: str
    evidence: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def good(self) -> bool:
        """Whether this is good enough for the criterion."""
        return self.criterion.counts_as_passed(self.outcome)

    def to_json(self) -> Json:
        """A row of ``verdict.json``."""
        return {
            "id": self.criterion.id,
            "gate": self.criterion.gate.value,
            "stage": self.criterion.stage.value,
            "outcome": self.outcome.value,
            "expected": self.expected,
            "observed": self.observed,
            "fix": self.fix,
            "evidence": list(self.evidence),
            "seconds": round(self.seconds, 3),
        }


@dataclass(frozen=True, slots=True)
class Verdict:
    """The whole answer. ``problems`` are reasons for NO-GO that no criterion stands for."""

    scope: tuple[Stage, ...]
    decision: Decision
    release: Decision
    criteria: tuple[Judged, ...]
    left_out: tuple[Criterion, ...]
    problems: tuple[str, ...]
    rollback: Json | None

    @property
    def exit_code(self) -> Exit:
        """0 GO, 20 NO-GO, 21 NO-GO and the rollback is not proven, 22 PENDING."""
        if self.decision is Decision.GO:
            return Exit.GO
        if self.decision is Decision.PENDING:
            return Exit.PENDING
        proven = self.rollback is None or self.rollback.get("proven") is True
        return Exit.NO_GO if proven else Exit.NOT_ROLLED_BACK

    @property
    def failing(self) -> tuple[Judged, ...]:
        """The p0 criteria that hold the verdict at NO-GO, what was observed to be wrong first."""
        bad = [row for row in self.criteria if not row.good and row.criterion.gate is Gate.P0]
        return tuple(sorted(bad, key=lambda row: row.outcome is not Outcome.FAILED))


_WORST = (Outcome.FAILED, Outcome.NOT_PROVEN, Outcome.OFF, Outcome.ATTESTED, Outcome.PASSED)
_WORDED = (Outcome.PASSED, Outcome.ATTESTED)
"""These say what was seen, or by whom; without a word they are worth nothing."""
NO_CLAIM = "the test claimed nothing"
NO_OUTCOME = "no outcome was recorded: the test was not collected, was interrupted, or its process died"


def decide(
    ratified: Ratified,
    entries: Sequence[Entry],
    *,
    scope: Sequence[Stage],
    earlier: Sequence[Kept] = (),
    fresh: timedelta = timedelta(hours=24),
    problems: Sequence[str] = (),
    rollback: Json | None = None,
) -> Verdict:
    """The verdict of a run, from its journal's ``entries`` and the record of ``earlier`` runs of the same digest.

    GO needs a recorded pass of every implemented p0 criterion in ``scope`` and at least one of them; anything that is
    not a pass is NO-GO. ``release`` speaks of the whole go-live: every p0 of sections 0 to 4 and 6, from fresh passes.
    """
    judged = tuple(_judge(row, entries) for row in ratified.in_scope(scope))
    left_out = ratified.not_implemented(scope)
    found = [*problems, *_problems(ratified, entries, judged)]
    bad = [row for row in judged if row.criterion.gate is Gate.P0 and not row.good]
    waiting = _only_waiting(bad)
    decision = Decision.NO_GO if found or bad else Decision.GO
    if waiting and not found:
        decision = Decision.PENDING
    release = _release(ratified, entries, earlier, fresh, decision)
    return Verdict(tuple(scope), decision, release, judged, left_out, tuple(dict.fromkeys(found)), rollback)


def _judge(row: Criterion, entries: Sequence[Entry]) -> Judged:
    """The worst of the outcomes recorded for a criterion; a retry cannot hide what was seen."""
    seen = [entry for entry in entries if entry.kind == "outcome" and entry.data.get("id") == row.id]
    open_cases = undecided(row, entries)
    if not seen or (open_cases and all(row.counts_as_passed(outcome_of(entry)) for entry in seen)):
        fix = "run the whole stage again without deselecting anything; if its process died, read the journal"
        which = f" ({', '.join(open_cases)})" if seen else ""
        return Judged(row, Outcome.NOT_PROVEN, row.title, f"{NO_OUTCOME}{which}", fix)
    worst = min(seen, key=lambda entry: _WORST.index(outcome_of(entry)))
    data = worst.data
    seconds = data.get("seconds")
    silent = text(data, "outcome") in _WORDED and not text(data, "observed").strip()
    return Judged(
        row,
        outcome_of(worst),
        text(data, "expected") or row.title,
        NO_CLAIM if silent else text(data, "observed"),
        text(data, "fix"),
        tuple(item for item in _texts(data, "evidence")),
        float(seconds) if isinstance(seconds, int | float) else 0.0,
    )


def undecided(row: Criterion, entries: Sequence[Entry]) -> list[str]:
    """The collected cases of a criterion that have no outcome yet; one test may have many (parametrised)."""
    cases: set[str] = set()
    judged: set[str] = set()
    for entry in entries:
        if entry.kind == "collected":
            cases |= {nodeid for nodeid, name in mapping(entry.data, "items").items() if name == row.id}
        elif entry.kind == "outcome" and entry.data.get("id") == row.id:
            judged.add(text(entry.data, "nodeid"))
    return sorted(cases - judged)


def _texts(data: Json, key: str) -> list[str]:
    value = data.get(key)
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def outcome_of(entry: Entry) -> Outcome:
    """The outcome an entry records; an unknown word is not a pass, neither is one that says nothing of what it saw."""
    try:
        found = Outcome(text(entry.data, "outcome"))
    except ValueError:
        return Outcome.NOT_PROVEN
    return Outcome.NOT_PROVEN if found in _WORDED and not text(entry.data, "observed").strip() else found


def _problems(ratified: Ratified, entries: Sequence[Entry], judged: Sequence[Judged]) -> list[str]:
    problems = [text(entry.data, "problem") for entry in entries if entry.kind == "problem"]
    lists = {text(entry.data, "ratified") for entry in entries if entry.kind == "run"}
    if lists - {ratified.sha256}:
        problems.append("the ratified list was changed while the run was under way")
    known = {row.id for row in ratified.criteria}
    strange = {text(entry.data, "id") for entry in entries if entry.kind == "outcome"} - known
    for name in sorted(strange):
        problems.append(f"{name} is not in the ratified list: nobody agreed on it, so it is not proven")
    if not any(row.criterion.gate is Gate.P0 for row in judged):
        problems.append("no implemented p0 criterion is in scope: nothing was proven")
    return problems


def _only_waiting(bad: Sequence[Judged]) -> bool:
    """Whether nothing but the approval is missing, and what comes after it in its stage."""
    approval = next((row.criterion for row in bad if row.criterion.id == APPROVAL), None)
    if approval is None:
        return False
    unproven = all(row.outcome is Outcome.NOT_PROVEN for row in bad)
    return unproven and all(
        row.criterion == approval or (row.criterion.stage is approval.stage and row.criterion.order > approval.order)
        for row in bad
    )


def _release(
    ratified: Ratified, entries: Sequence[Entry], earlier: Sequence[Kept], fresh: timedelta, decision: Decision
) -> Decision:
    """GO only when every p0 of the go-live has a fresh pass for this digest; nothing unbuilt, nothing missing."""
    if decision is Decision.NO_GO:
        return Decision.NO_GO
    rows = [row for row in ratified.criteria if row.gate is Gate.P0 and row.stage is not Stage.POSTDEPLOY]
    rows = [row for row in rows if not row.soak]
    built = [row for row in rows if row.implemented]
    everything = since_rollback([*(entry for run in earlier for entry in run.entries), *entries])
    latest = {row.id: newest_outcome(row, everything, fresh) for row in built}
    if any(outcome is Outcome.FAILED for outcome in latest.values()):
        return Decision.NO_GO
    whole = len(built) == len(rows) and not any(run.problem for run in earlier)
    proven = all((seen := latest[row.id]) is not None and row.counts_as_passed(seen) for row in built)
    return Decision.GO if whole and proven and decision is Decision.GO else Decision.PENDING


def newest_outcome(row: Criterion, entries: Sequence[Entry], fresh: timedelta) -> Outcome | None:
    """The newest recorded outcome of a criterion that is not older than ``fresh`` before the newest entry, or ``None``.

    A run's outcomes count together, the worst of them, so that a retry inside a run hides nothing. Those of a run that
    judged by something else (``golive.origin``) do not count; *attested* by a check that lapsed is not proven.
    """
    if not entries:
        return None
    otherwise = judged_otherwise(entries)
    end = max(datetime.fromisoformat(entry.time) for entry in entries)
    run = ""
    of_run: dict[str, list[Entry]] = {}
    newest: str | None = None
    for entry in entries:
        if entry.kind == "run":
            run = text(entry.data, "run")
        if run in otherwise:
            continue
        is_it = entry.kind == "outcome" and entry.data.get("id") == row.id
        if is_it and end - datetime.fromisoformat(entry.time) <= fresh:
            newest = max(newest or "", run)
        if is_it or entry.kind == "collected":
            of_run.setdefault(run, []).append(entry)
    if newest is None:
        return None
    outcomes = [outcome_of(entry) for entry in of_run[newest] if entry.kind == "outcome"]
    if undecided(row, of_run[newest]) or newest in lapsed(row.id, entries, fresh):
        outcomes.append(Outcome.NOT_PROVEN)
    return min(outcomes, key=_WORST.index)


def took_back(entry: Entry) -> bool:
    """Whether traffic was taken back here, as far as this entry says; its executor may have died before the end."""
    return entry.kind == "rollback_request" or (entry.kind == "rollback" and bool(entry.data.get("did")))


def since_rollback(entries: Sequence[Entry]) -> Sequence[Entry]:
    """What was recorded after traffic was last taken back; evidence from before speaks of a world that is gone.

    By time, not by place: the entries may be run by run, and runs may overlap. Which run it belongs to, what that run
    collected, and what a person checked of the image itself, stays.
    """
    moments = [(entry.time, number) for number, entry in enumerate(entries)]
    taken_back = [at for at, entry in zip(moments, entries, strict=True) if took_back(entry)]
    if not taken_back:
        return entries
    last = max(taken_back)
    stays = ("run", "collected", ATTESTED, WITHDRAWN)
    return [one for at, one in zip(moments, entries, strict=True) if at > last or one.kind in stays]


def gate_of(ratified: Ratified, criterion_id: str) -> Gate:
    """The gate of a criterion; one the list does not know counts as p0."""
    row = ratified.get(criterion_id)
    return row.gate if row else Gate.P0


def calls_rollback(ratified: Ratified, entry: Entry) -> bool:
    """Whether this entry is a failed p0 that takes traffic back: not 0.1-target, not postdeploy."""
    if entry.kind != "outcome" or outcome_of(entry) is not Outcome.FAILED:
        return False
    name = text(entry.data, "id")
    row = ratified.get(name)
    return gate_of(ratified, name) is Gate.P0 and name != TARGET and (row is None or row.stage is not Stage.POSTDEPLOY)


def stages_of(words: Sequence[str]) -> tuple[Stage, ...]:
    """Stages by name, in the runbook's order."""
    return tuple(stage for stage in STAGES if stage.value in set(words))
