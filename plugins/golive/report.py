"""The terminal summary: the verdict first, then what failed, then the rollback's legs, then what was left out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from golive.config import Settings
from golive.criterion import Gate, Outcome
from golive.record import VERDICT
from golive.types import Json, items, mapping, text
from golive.verdict import Decision, Judged, Verdict


def headline(verdict: Verdict, settings: Settings) -> str:
    """One line: the verdict, what it speaks of, and what it is about."""
    scope = ", ".join(verdict.scope)
    release = settings.release
    return f"{verdict.decision.value} for scope {scope}: {release.image}:{release.tag} on {settings.target.cluster}"


def why(verdict: Verdict) -> str:
    """One sentence a tired person understands."""
    rows = [row for row in verdict.criteria if row.criterion.gate is Gate.P0]
    good = sum(row.good for row in rows)
    left = len(verdict.left_out)
    out = f"; {left} criteria of this scope are not built yet and were left out" if left else ""
    by_hand = [row.criterion.id for row in verdict.criteria if row.good and row.outcome is Outcome.ATTESTED]
    out = f" ({', '.join(by_hand)} attested){out}" if by_hand else out
    if verdict.decision is Decision.GO:
        return f"all {len(rows)} p0 criteria passed{out}"
    return f"{good} of {len(rows)} p0 criteria passed{out}"


def summary(verdict: Verdict, settings: Settings, reports: Path) -> str:
    """The whole block, plain text."""
    lines = [headline(verdict, settings), f"  {why(verdict)}", f"  release_verdict: {verdict.release.value}", ""]
    lines += [f"problem: {problem}" for problem in verdict.problems]
    for row in verdict.failing:
        lines += failure(row)
    lines += attested(verdict)
    for row in verdict.criteria:
        if row.criterion.gate is Gate.P1 and not row.good:
            lines += [*failure(row), "  (p1: needs an acknowledgement in the record, does not stop the release)"]
    if verdict.decision is Decision.NO_GO:
        lines += rollback_lines(verdict.rollback)
    lines += not_built([row.id for row in verdict.left_out])
    lines.append(f"record: {reports / VERDICT}")
    return "\n".join(lines)


def attested(verdict: Verdict) -> list[str]:
    """What holds by a person's word: whose, and since when."""
    rows = [row for row in verdict.criteria if row.good and row.outcome is Outcome.ATTESTED]
    return [f"{row.criterion.id}: {_indented(row.observed)}" for row in rows]


def failure(row: Judged) -> list[str]:
    """A criterion that did not pass, in three lines."""
    word = row.outcome.value.replace("_", " ")
    return [
        f"{row.criterion.id} {word} (runbook {row.criterion.runbook}): {row.criterion.title}",
        f"  expected: {_indented(row.expected)}",
        f"  observed: {_indented(row.observed)}",
        f"  fix:      {_indented(row.fix)}",
    ]


def _indented(lines: str) -> str:
    return lines.replace("\n", "\n            ")


def rollback_lines(rollback: Json | None) -> list[str]:
    """What became of the traffic: in one line, leg by leg, and what else is to be said."""
    legs = [
        f"  {'ok ' if leg.get('proven') is True else 'NOT'} {text(leg, 'leg')}: {text(leg, 'observed')}"
        for leg in items(rollback, "legs")
    ]
    return [rollback_headline(rollback), *legs, *(f"  {line}" for line in rollback_rest(rollback))]


def rollback_headline(rollback: Json | None) -> str:
    """The one line that matters."""
    if rollback is None:
        return "rollback: the hook was not called; nothing was written to the cluster"
    did = ", ".join(str(word) for word in _list(rollback, "did")) or "nothing"
    proven = (
        "proven" if rollback.get("proven") is True else "NOT PROVEN: act by hand now (golive rollback; golive status)"
    )
    found = text(rollback, "found").replace("_", " ")
    return f"rollback (cause {text(rollback, 'cause')}): found {found}, did {did}: {proven}"


def rollback_rest(rollback: Json | None) -> list[str]:
    """How long it took, and what the executor remarks."""
    seconds = mapping(rollback, "seconds")
    known = {"to_request": "abort sent", "to_stable": "stable proven"}
    said = [f"{what} after {after} s" for key, what in known.items() if (after := seconds.get(key)) is not None]
    lines = [", ".join(said)] if said else []
    remark = text(rollback, "remark")
    return [*lines, remark] if remark else lines


def _list(value: Json, key: str) -> Sequence[object]:
    found = value.get(key)
    return found if isinstance(found, list) else []


def not_built(ids: Sequence[str]) -> list[str]:
    """A block of their own for criteria that are listed but not built."""
    if not ids:
        return []
    return [f"not built yet, never counted as passed ({len(ids)}): {', '.join(ids)}"]
