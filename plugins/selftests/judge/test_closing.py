"""Closing a run: the verdict on disk is the one that was returned, or a NO-GO; and it can be computed again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from golive.closing import SCHEMA, Closing, cause_of, close, judge, may_call, write_verdict
from golive.config import Settings
from golive.criterion import Criterion, Gate, Ratified, Stage
from golive.errors import JournalError
from golive.journal import Journal
from golive.record import Run, open_run, read_record
from golive.redact import Redactor
from golive.types import Json
from golive.verdict import Decision, Verdict, decide
from selftests.judge.test_words import SETTINGS

P0 = Criterion("0.5-services", Gate.P0, Stage.PREFLIGHT, "0", "t")
P1 = Criterion("6-comms", Gate.P1, Stage.PREFLIGHT, "0", "t")
AFTER = Criterion("7-identity", Gate.P0, Stage.POSTDEPLOY, "7", "t")
LIST = Ratified((P0, P1, AFTER), "sha")
SCOPE = (Stage.PREFLIGHT,)


@pytest.fixture
def opened(tmp_path: Path) -> tuple[Run, Journal]:
    about: Json = {"ratified": "sha"}
    run, journal = open_run(tmp_path, SETTINGS.release.digest, Redactor(), who="test", about=about)
    journal.append("outcome", {"id": P0.id, "outcome": "passed", "observed": "it holds"})
    return run, journal


def closed(
    run: Run, journal: Journal, *problems: str, rollback: Json | None = None, settings: Settings = SETTINGS
) -> Verdict:
    words = {"who": "Robin", "started": "2026-11-24T00:00:00+00:00"}
    return close(Closing(run, settings, LIST, journal, SCOPE, redactor=Redactor(), **words), problems, rollback)


def on_disk(run: Run) -> Json:
    value: Json = json.loads((run.reports / "verdict.json").read_text(encoding="utf-8"))
    return value


def test_a_closed_run_is_on_disk_as_it_was_returned(opened: tuple[Run, Journal]) -> None:
    run, journal = opened
    verdict = closed(run, journal)
    assert (verdict.decision, on_disk(run)["verdict"], on_disk(run)["exit"]) == (Decision.GO, "GO", 0)
    assert json.loads((run.folder / "verdict.json").read_text(encoding="utf-8")) == on_disk(run)
    assert journal.read()[-1].kind == "finished"


@pytest.mark.parametrize("name", ["cluster_uid", "namespace", "rollout"])
def test_what_was_recorded_of_another_target_counts_nowhere(tmp_path: Path, name: str) -> None:
    digest, target = SETTINGS.release.digest, SETTINGS.target
    here: Json = {one: str(getattr(target, one)) for one in ("cluster_uid", "namespace", "rollout")}
    places: list[Json] = [here, {**here, name: "another"}]
    runs = [open_run(tmp_path, digest, Redactor(), who="t", about=about)[0].id for about in places]
    assert [one.run for one in read_record(tmp_path, digest)] == runs
    assert [(one.run, one.problem) for one in read_record(tmp_path, digest, target)] == [(runs[0], "")]
    _, journal = open_run(tmp_path, digest, Redactor(), who="t", about={**here, name: "another", "ratified": "sha"})
    journal.append("outcome", {"id": P0.id, "outcome": "passed"})
    run, last = open_run(tmp_path, digest, Redactor(), who="t", about={**here, "ratified": "sha"})
    last.append("outcome", {"id": P1.id, "outcome": "passed"})
    whole = LIST.__class__((P0, Criterion("0.3-rollouts", Gate.P0, Stage.CANARY, "0", "t")), "sha")
    last.append("outcome", {"id": "0.3-rollouts", "outcome": "passed"})
    assert judge(run, SETTINGS, whole, last, (Stage.CANARY,)).release is not Decision.GO


def test_a_problem_is_journalled_so_that_the_same_verdict_is_computed_again(opened: tuple[Run, Journal]) -> None:
    run, journal = opened
    verdict = closed(run, journal, "the session was interrupted", "the session was interrupted")
    again = judge(run, SETTINGS, LIST, journal, SCOPE)
    assert again == verdict
    assert (again.decision, again.problems) == (Decision.NO_GO, ("the session was interrupted",))


def test_a_journal_that_cannot_be_continued_leaves_no_go_on_disk(opened: tuple[Run, Journal]) -> None:
    run, journal = opened
    with run.journal.open("ab") as file:
        file.write(b"somebody's editor\n")
    verdict = closed(run, journal)
    assert (verdict.decision, on_disk(run)["verdict"]) == (Decision.NO_GO, "NO-GO")
    assert any("the record is not whole" in problem for problem in verdict.problems)


def test_a_verdict_that_cannot_be_written_is_no_go_and_journalled(opened: tuple[Run, Journal]) -> None:
    run, journal = opened
    (run.reports / "verdict.json").mkdir()
    verdict = closed(run, journal)
    assert verdict.decision is Decision.NO_GO
    assert "expected to write the verdict, found: Is a directory" in verdict.problems[0]
    assert judge(run, SETTINGS, LIST, journal, SCOPE).decision is Decision.NO_GO
    with pytest.raises(JournalError, match="expected to write the verdict"):
        write_verdict(run, {})


def test_the_schema_allows_no_go_only_while_a_run_is_under_way() -> None:
    import jsonschema

    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    under_way = schema["allOf"][0]["then"]["properties"]
    assert under_way["verdict"] == under_way["release_verdict"] == {"const": "NO-GO"}


def verdict_of(scope: tuple[Stage, ...], *words: tuple[str, str], problems: tuple[str, ...] = ()) -> Verdict:
    from golive.journal import Entry

    said: list[Json] = [{"id": name, "outcome": word, "observed": f"saw {word}"} for name, word in words]
    entries = [Entry(0, "2026-11-24T00:00:00+00:00", "t", "outcome", data, "", "") for data in said]
    return decide(LIST, entries, scope=scope, problems=problems)


GOOD = (("0.5-services", "passed"), ("6-comms", "passed"))


@pytest.mark.parametrize(
    ("verdict", "calls", "cause"),
    [
        (verdict_of(SCOPE, *GOOD), False, "session"),
        (verdict_of(SCOPE, ("0.5-services", "failed")), True, "0.5-services"),
        (verdict_of(SCOPE), True, "0.5-services"),
        (verdict_of(SCOPE, *GOOD, problems=("interrupted",)), True, "session"),
        (verdict_of(SCOPE, ("0.5-services", "passed"), ("6-comms", "failed")), False, "session"),
        (verdict_of((Stage.POSTDEPLOY,), ("7-identity", "failed")), False, "7-identity"),
        (verdict_of((Stage.PREFLIGHT, Stage.POSTDEPLOY), *GOOD, ("7-identity", "failed")), False, "7-identity"),
        (verdict_of((), problems=("x",)), False, "session"),
        (verdict_of((Stage.LOAD,), problems=("nothing of it is built",)), False, "session"),
    ],
    ids=["go", "failed", "missing", "problem", "p1", "postdeploy", "whole-but-postdeploy", "nothing", "unbuilt"],
)
def test_the_end_of_a_session_calls_for_a_rollback_only_where_the_go_live_failed(
    verdict: Verdict, calls: bool, cause: str
) -> None:
    assert (may_call(verdict), cause_of(verdict)) == (calls, cause)
