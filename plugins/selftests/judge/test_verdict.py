from __future__ import annotations

from pathlib import Path

import pytest

from golive.criterion import Stage, load_ratified
from golive.journal import Entry
from golive.types import Json
from golive.verdict import Decision, Exit, decide

RATIFIED = load_ratified(Path(__file__).parents[3] / "tests_golive" / "criteria.toml")


def entries(outcome: str, only: str = "") -> list[Entry]:
    rows = RATIFIED.in_scope([Stage.PREFLIGHT])
    found: list[Entry] = []
    for row in rows:
        word = outcome if only in ("", row.id) else "passed"
        data: Json = {"id": row.id, "outcome": word}
        found.append(Entry(0, "2026-11-24T00:00:00+00:00", "t", "outcome", data, "", ""))
    return found


def test_every_pass_is_go_and_the_release_stays_pending() -> None:
    verdict = decide(RATIFIED, entries("passed"), scope=[Stage.PREFLIGHT])
    assert (verdict.decision, verdict.release, verdict.exit_code) == (Decision.GO, Decision.PENDING, Exit.GO)


@pytest.mark.parametrize("word", ["failed", "not_proven", "off", "attested", "nonsense", ""])
def test_anything_but_a_pass_is_no_go(word: str) -> None:
    assert decide(RATIFIED, entries(word, "0.5-services"), scope=[Stage.PREFLIGHT]).exit_code == Exit.NO_GO


def test_no_outcome_is_no_go() -> None:
    assert decide(RATIFIED, (), scope=[Stage.PREFLIGHT]).decision is Decision.NO_GO


def test_a_scope_without_built_criteria_proves_nothing() -> None:
    assert decide(RATIFIED, (), scope=[Stage.CANARY]).decision is Decision.NO_GO
