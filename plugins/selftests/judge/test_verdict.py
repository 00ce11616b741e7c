from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from golive.criterion import STAGES, Criterion, Gate, Need, Outcome, Ratified, Stage, load_ratified
from golive.journal import Entry
from golive.record import Kept
from golive.types import Json
from golive.verdict import Decision, Exit, Verdict, calls_rollback, decide, since_rollback

REAL = load_ratified(Path(__file__).parents[3] / "tests_golive" / "criteria.toml")
START = datetime(2026, 11, 24, tzinfo=UTC)
A, B = "0.5-services", "6-raci"
P1, UNBUILT, LATER, APPROVAL, PROMOTED = "6-comms", "0.6-backup", "3.1-mcp", "6-approval", "2.3-promoted"


def row(name: str, stage: Stage = Stage.PREFLIGHT, gate: Gate = Gate.P0, **more: bool) -> Criterion:
    return Criterion(name, gate, stage, "0", f"{name} holds", **more)  # type: ignore[arg-type]  # flags only


LIST = Ratified((row(A), row(B), row(P1, gate=Gate.P1)), "sha")
WHOLE = Ratified((*LIST.criteria, row(LATER, Stage.LOAD)), "sha")
LAST = Ratified((row(A), row(PROMOTED, Stage.PROMOTE), row(APPROVAL, Stage.PROMOTE)), "sha")


def entry(kind: str, data: Json, hours: float = 0.0) -> Entry:
    return Entry(0, (START + timedelta(hours=hours)).isoformat(), "t", kind, data, "", "")


def outcome(name: str, word: str, hours: float = 0.0, nodeid: str = "") -> Entry:
    return entry("outcome", {"id": name, "outcome": word, "nodeid": nodeid, "observed": f"saw {word}"}, hours)


def run(name: str, *entries: Entry, problem: str = "") -> Kept:
    return Kept(name, (entry("run", {"run": name, "ratified": "sha"}), *entries), problem)


def passes(*names: str, hours: float = 0.0) -> list[Entry]:
    return [outcome(name, "passed", hours) for name in names]


def preflight(*entries: Entry, ratified: Ratified = LIST, earlier: tuple[Kept, ...] = ()) -> Verdict:
    return decide(ratified, entries, scope=[Stage.PREFLIGHT], earlier=earlier)


@pytest.mark.parametrize("seen", ["", " \n", None])
def test_a_pass_that_says_nothing_of_what_it_saw_is_not_proven(seen: str | None) -> None:
    empty = entry("outcome", {"id": A, "outcome": "passed", "observed": seen})
    verdict = preflight(empty, *passes(B, P1))
    assert (verdict.decision, verdict.criteria[0].outcome) == (Decision.NO_GO, Outcome.NOT_PROVEN)
    assert verdict.criteria[0].observed == "the test claimed nothing"
    earlier = run("1", empty, *passes(B, P1))
    assert decide(WHOLE, passes(LATER), scope=[Stage.LOAD], earlier=(earlier,)).release is Decision.PENDING


def test_every_pass_is_go() -> None:
    verdict = preflight(*passes(A, B, P1))
    assert (verdict.decision, verdict.release, verdict.exit_code) == (Decision.GO, Decision.GO, Exit.GO)


@pytest.mark.parametrize("word", ["failed", "not_proven", "off", "attested", "nonsense", "PASSED", ""])
def test_anything_but_a_pass_is_no_go(word: str) -> None:
    assert preflight(outcome(A, word), *passes(B, P1)).exit_code == Exit.NO_GO


@pytest.mark.parametrize("missing", [A, B])
def test_no_outcome_is_not_proven(missing: str) -> None:
    verdict = preflight(*(one for one in passes(A, B, P1) if one.data["id"] != missing))
    assert verdict.exit_code == Exit.NO_GO
    assert [(one.criterion.id, one.outcome) for one in verdict.failing] == [(missing, Outcome.NOT_PROVEN)]


@pytest.mark.parametrize(("first", "second"), [("failed", "passed"), ("passed", "failed"), ("not_proven", "passed")])
def test_the_worst_of_several_outcomes_counts(first: str, second: str) -> None:
    verdict = preflight(outcome(A, first), outcome(A, second), *passes(B, P1))
    worst = first if second == "passed" else second
    assert (verdict.exit_code, verdict.failing[0].observed) == (Exit.NO_GO, f"saw {worst}")


def test_what_was_seen_to_be_wrong_comes_before_what_was_not_seen() -> None:
    verdict = preflight(outcome(A, "not_proven"), outcome(B, "failed"))
    assert [one.criterion.id for one in verdict.failing] == [B, A]


@pytest.mark.parametrize("word", ["failed", "not_proven", ""])
def test_a_p1_does_not_stop_a_release_and_is_shown(word: str) -> None:
    verdict = preflight(*passes(A, B), outcome(P1, word))
    assert verdict.decision is Decision.GO
    assert not next(one for one in verdict.criteria if one.criterion.id == P1).good


@pytest.mark.parametrize("word", ["off", "attested"])
def test_off_and_attested_count_only_where_the_list_allows_them(word: str) -> None:
    allowing = Criterion(A, Gate.P0, Stage.PREFLIGHT, "0", "", allows=(Outcome(word),))
    assert preflight(outcome(A, word), ratified=Ratified((allowing,), "sha")).decision is Decision.GO
    assert preflight(outcome(A, word), ratified=Ratified((row(A),), "sha")).decision is Decision.NO_GO
    allowed = {one.id: one.allows for one in REAL.criteria if one.allows}
    assert allowed == {"0.7-temporary-controls": (Outcome.OFF,), "1.4-sbom": (Outcome.ATTESTED,)}


def test_what_is_not_built_is_left_out_by_name_and_keeps_the_release_pending() -> None:
    unbuilt = Ratified((*LIST.criteria, row(UNBUILT, implemented=False)), "sha")
    verdict = preflight(*passes(A, B, P1), ratified=unbuilt)
    assert (verdict.decision, verdict.release) == (Decision.GO, Decision.PENDING)
    assert [one.id for one in verdict.left_out] == [UNBUILT]
    assert UNBUILT not in {one.criterion.id for one in verdict.criteria}


@pytest.mark.parametrize("stage", STAGES)
def test_a_scope_without_built_p0_criteria_proves_nothing(stage: Stage) -> None:
    only = Ratified((row(A, stage, implemented=False), row(P1, stage, Gate.P1)), "sha")
    verdict = decide(only, passes(A, P1), scope=[stage])
    assert (verdict.decision, verdict.problems) == (
        Decision.NO_GO,
        ("no implemented p0 criterion is in scope: nothing was proven",),
    )


def test_an_id_that_nobody_agreed_on_is_a_problem() -> None:
    verdict = preflight(*passes(A, B, P1, "0.9-extra"))
    assert verdict.exit_code == Exit.NO_GO
    assert verdict.problems[0].startswith("0.9-extra is not in the ratified list")


def test_a_list_that_changed_under_way_is_a_problem() -> None:
    verdict = preflight(entry("run", {"ratified": "another"}), *passes(A, B, P1))
    assert (verdict.exit_code, verdict.problems) == (
        Exit.NO_GO,
        ("the ratified list was changed while the run was under way",),
    )


def test_a_problem_in_the_journal_or_beside_it_is_no_go_and_said_once() -> None:
    entries = [*passes(A, B, P1), entry("problem", {"problem": "the disk was full"})]
    verdict = decide(LIST, entries, scope=[Stage.PREFLIGHT], problems=["the disk was full"])
    assert (verdict.exit_code, verdict.problems) == (Exit.NO_GO, ("the disk was full",))


def test_a_collected_case_without_an_outcome_is_not_proven() -> None:
    collected = entry("collected", {"items": {"t.py::a[1]": A, "t.py::a[2]": A}})
    half = outcome(A, "passed", nodeid="t.py::a[1]")
    verdict = preflight(collected, half, *passes(B, P1))
    assert (verdict.exit_code, "t.py::a[2]" in verdict.failing[0].observed) == (Exit.NO_GO, True)
    whole = preflight(collected, half, outcome(A, "passed", nodeid="t.py::a[2]"), *passes(B, P1))
    assert whole.decision is Decision.GO


def test_half_a_criterion_of_an_earlier_run_is_no_pass_for_the_release() -> None:
    collected = entry("collected", {"items": {"t.py::a[1]": A, "t.py::a[2]": A}})
    earlier = run("1", collected, outcome(A, "passed", nodeid="t.py::a[1]"), *passes(B))
    verdict = decide(WHOLE, passes(LATER), scope=[Stage.LOAD], earlier=[earlier])
    assert (verdict.decision, verdict.release) == (Decision.GO, Decision.PENDING)


@pytest.mark.parametrize(
    ("approval", "promoted", "services", "decision"),
    [
        ("", "", "passed", Decision.PENDING),
        ("not_proven", "not_proven", "passed", Decision.PENDING),
        ("not_proven", "passed", "passed", Decision.PENDING),
        ("failed", "not_proven", "passed", Decision.NO_GO),
        ("not_proven", "failed", "passed", Decision.NO_GO),
        ("not_proven", "not_proven", "not_proven", Decision.NO_GO),
        ("not_proven", "not_proven", "failed", Decision.NO_GO),
        ("passed", "not_proven", "passed", Decision.NO_GO),
        ("passed", "passed", "passed", Decision.GO),
    ],
)
def test_only_a_missing_approval_is_pending(approval: str, promoted: str, services: str, decision: Decision) -> None:
    words = {APPROVAL: approval, PROMOTED: promoted, A: services}
    entries = [outcome(name, word) for name, word in words.items() if word]
    verdict = decide(LAST, entries, scope=[Stage.PREFLIGHT, Stage.PROMOTE])
    assert verdict.decision is decision
    assert (verdict.exit_code == Exit.PENDING) == (decision is Decision.PENDING)


def test_a_missing_approval_with_a_problem_beside_it_is_no_go() -> None:
    verdict = decide(LAST, passes(A), scope=[Stage.PREFLIGHT, Stage.PROMOTE], problems=["interrupted"])
    assert verdict.exit_code == Exit.NO_GO


@pytest.mark.parametrize(
    ("rollback", "code"),
    [(None, 20), ({"proven": True}, 20), ({"proven": False}, 21), ({}, 21), ({"proven": "yes"}, 21)],
)
def test_a_rollback_that_is_not_proven_is_21(rollback: Json | None, code: int) -> None:
    assert decide(LIST, (), scope=[Stage.PREFLIGHT], rollback=rollback).exit_code == code


@pytest.mark.parametrize(
    ("earlier", "release"),
    [
        ((), Decision.PENDING),
        ((run("1", *passes(A, B)),), Decision.GO),
        ((run("1", *passes(A)),), Decision.PENDING),
        ((run("1", *passes(A), outcome(B, "failed")),), Decision.NO_GO),
        ((run("1", *passes(A), outcome(B, "failed")), run("2", *passes(B))), Decision.GO),
        ((run("1", *passes(A, B)), run("2", outcome(B, "not_proven"))), Decision.PENDING),
        ((run("1", *passes(A, B, hours=-25)),), Decision.PENDING),
        ((run("1", *passes(A, B), problem="the chain is broken"),), Decision.PENDING),
        ((run("1", *passes(A, B), entry("rollback", {"did": ["abort"]})),), Decision.PENDING),
        ((run("1", *passes(A, B), entry("rollback_request", {"request": "abort"})),), Decision.PENDING),
        ((run("1", *passes(A, B), entry("rollback", {"did": []})),), Decision.GO),
        ((run("1", outcome(B, "failed"), entry("rollback", {"did": ["abort"]}), *passes(A, B)),), Decision.GO),
    ],
    ids=[
        "none",
        "whole",
        "half",
        "failed",
        "failed-then-passed",
        "passed-then-not-proven",
        "stale",
        "unreadable",
        "taken-back",
        "being-taken-back",
        "nothing-taken-back",
        "passed-after-taken-back",
    ],
)
def test_the_release_is_go_only_from_fresh_passes_of_everything(earlier: tuple[Kept, ...], release: Decision) -> None:
    verdict = decide(WHOLE, passes(LATER), scope=[Stage.LOAD], earlier=earlier)
    assert (verdict.decision, verdict.release) == (Decision.GO, release)


def test_what_was_collected_stays_known_after_a_rollback() -> None:
    kept = [entry("run", {"run": "1"}), entry("collected", {"items": {}})]
    since = since_rollback([*kept, *passes(A), entry("rollback", {"did": ["abort"]}), *passes(B)])
    assert [one.kind for one in since] == ["run", "collected", "outcome"]


@pytest.mark.parametrize(
    ("name", "word", "calls"),
    [
        ("0.5-services", "failed", True),
        ("0.9-unknown", "failed", True),
        ("0.5-services", "not_proven", False),
        ("0.5-services", "passed", False),
        ("0.1-target", "failed", False),
        ("6-comms", "failed", False),
        ("7-identity", "failed", False),
    ],
)
def test_a_failed_p0_calls_the_rollback_but_for_the_target_and_after_the_go_live(
    name: str, word: str, calls: bool
) -> None:
    assert calls_rollback(REAL, outcome(name, word)) is calls


@pytest.mark.parametrize(
    ("line", "need"),
    [
        ("get services", Need("get", "", "services")),
        ("patch rollouts/status.argoproj.io", Need("patch", "argoproj.io", "rollouts", "status")),
        ("list pods @argo", Need("list", "", "pods", namespace="argo")),
        ("get namespaces @release:{namespace}", Need("get", "", "namespaces", name="{namespace}")),
        ("get namespaces @kube-system:kube-system", Need("get", "", "namespaces", "", "kube-system", "kube-system")),
        ("get nodes @cluster", Need("get", "", "nodes", namespace="*")),
        ("list pods @prometheus", Need("list", "", "pods", namespace="{prometheus}")),
    ],
)
def test_a_need_is_read_as_it_is_written(line: str, need: Need) -> None:
    assert Need.parse(line) == need


@pytest.mark.parametrize(
    "line", ["", "get", "GET pods", "get pods @moon", "get pods @argo @argo", "get  pods", "get pods @argo:{x}"]
)
def test_a_need_that_says_something_else_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        Need.parse(line)
