from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from golive.collecting import contract_problem, missing
from golive.criterion import STAGES, Criterion, Gate, Outcome, Ratified, Stage, load_ratified
from golive.errors import ConfigError
from golive.journal import Entry
from golive.record import Kept
from golive.stages import Door, gate, scope_of, target_passed
from golive.types import Json

GOOD = '[[criterion]]\nid = "0.5-services"\ngate = "p0"\nstage = "preflight"\nrunbook = "0"\ntitle = "t"\n'
NOW = datetime(2026, 11, 24, tzinfo=UTC)
EARLY, SIDE, LATE = (
    Criterion("0.5-services", Gate.P0, Stage.PREFLIGHT, "0", "t"),
    Criterion("6-comms", Gate.P1, Stage.PREFLIGHT, "0", "t"),
    Criterion("3.1-mcp", Gate.P0, Stage.LOAD, "3.1", "t"),
)
SOAK = Criterion("3.2-soak", Gate.P0, Stage.LOAD, "3.2", "t", soak=True)
LIST = Ratified((EARLY, SIDE, LATE, SOAK), "sha")
BOTH = (Stage.PREFLIGHT, Stage.LOAD)


def entry(kind: str, data: Json, hours: float = 0.0) -> Entry:
    return Entry(0, (NOW + timedelta(hours=hours)).isoformat(), "t", kind, data, "", "")


def outcome(name: str, word: str, hours: float = 0.0, nodeid: str = "") -> Entry:
    return entry("outcome", {"id": name, "outcome": word, "nodeid": nodeid, "observed": f"saw {word}"}, hours)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "expected at least one [[criterion]], found none"),
        ("criterion = 3", "expected at least one [[criterion]], found none"),
        ("[[criterion]\n", "expected complete TOML"),
        (GOOD.replace('title = "t"\n', ""), "criterion 1 (0.5-services): expected a text for title, found none"),
        (GOOD.replace('id = "0.5-services"\n', ""), "criterion 1 (no id): expected a text for id"),
        (GOOD.replace('"p0"', '"p2"'), "criterion 1 (0.5-services): 'p2' is not a valid Gate"),
        (GOOD.replace('"preflight"', '"lunch"'), "criterion 1 (0.5-services): 'lunch' is not a valid Stage"),
        (GOOD.replace("0.5-services", "services"), "expected an id such as 0.5-services, found 'services'"),
        (GOOD + 'colour = "red"\n', "found colour"),
        (GOOD + "implemented = 1\n", "criterion 1 (0.5-services): expected true or false for implemented, found 1"),
        (GOOD + 'weights = [10, "x"]\n', "criterion 1 (0.5-services): expected whole percents for weights"),
        (GOOD + "weights = []\n", "criterion 1 (0.5-services): expected whole percents for weights"),
        (GOOD + 'allows = ["passed-ish"]\n', "criterion 1 (0.5-services): 'passed-ish' is not a valid Outcome"),
        (
            GOOD + 'allows = ["failed"]\n',
            "criterion 1 (0.5-services): expected off or attested for allows, found failed",
        ),
        (GOOD + 'needs = ["look"]\n', "criterion 1 (0.5-services): expected a need such as"),
        (GOOD + 'needs = "get pods"\n', "criterion 1 (0.5-services): needs: expected a list of texts"),
        (GOOD + GOOD, "expected each id once, found twice: 0.5-services"),
        ("[rollback]\nneeds = 3\n" + GOOD, "rollback.needs: expected a list of texts"),
        ("rollback = 3\n" + GOOD, "rollback.needs: expected a list of texts"),
        ("criterion = [3]\n", "criterion 1: expected a table, found 3"),
    ],
)
def test_a_wrong_list_is_told_in_one_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "criteria.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_ratified(path)
    assert said in str(caught.value)
    assert "criteria.toml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_list_that_is_not_there_or_not_text_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"expected the ratified list of criteria, found: No such file"):
        load_ratified(tmp_path / "gone.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="expected complete TOML"):
        load_ratified(tmp_path / "bytes.toml")


def test_weights_make_a_criterion_each_and_a_stage_each(tmp_path: Path) -> None:
    path = tmp_path / "criteria.toml"
    path.write_text(GOOD.replace("0.5-services", "2.2-step") + "weights = [10, 25]\n", encoding="utf-8")
    rows = load_ratified(path).criteria
    assert [(row.id, row.step) for row in rows] == [("2.2-step[10]", 10), ("2.2-step[25]", 25)]
    assert rows[0].order < rows[1].order


@pytest.mark.parametrize(
    ("entries", "door"),
    [
        ([], Door.WAIT),
        ([outcome("0.5-services", "passed")], Door.WAIT),
        ([outcome("0.5-services", "passed"), outcome("6-comms", "passed")], Door.OPEN),
        ([outcome("0.5-services", "passed"), outcome("6-comms", "failed")], Door.OPEN),
        ([outcome("0.5-services", "failed")], Door.CLOSED),
        ([outcome("0.5-services", "not_proven")], Door.CLOSED),
        ([outcome("0.5-services", "passed"), outcome("0.5-services", "failed")], Door.CLOSED),
        ([outcome("0.5-services", "failed"), outcome("0.5-services", "passed")], Door.CLOSED),
        ([entry("worker_died", {})], Door.CLOSED),
    ],
)
def test_a_stage_starts_when_everything_before_it_has_an_outcome_and_no_p0_is_bad(
    entries: list[Entry], door: Door
) -> None:
    assert gate(LATE, LIST, BOTH, entries).door is door


def test_a_stage_waits_for_every_case_of_a_criterion() -> None:
    collected = entry("collected", {"items": {"a[1]": "0.5-services", "a[2]": "0.5-services"}})
    first, second = (outcome("0.5-services", "passed", nodeid=case) for case in ("a[1]", "a[2]"))
    side = outcome("6-comms", "passed")
    assert gate(LATE, LIST, BOTH, [collected, first, side]).door is Door.WAIT
    assert gate(LATE, LIST, BOTH, [collected, first, side, second]).door is Door.OPEN


def test_the_first_stage_is_open_also_after_a_worker_died() -> None:
    assert gate(EARLY, LIST, BOTH, [entry("worker_died", {})]).door is Door.OPEN


@pytest.mark.parametrize(
    ("earlier", "door"),
    [
        ([], Door.CLOSED),
        ([outcome("0.5-services", "passed")], Door.OPEN),
        ([outcome("0.5-services", "passed", hours=-25)], Door.CLOSED),
        ([outcome("0.5-services", "failed")], Door.CLOSED),
        ([outcome("0.5-services", "passed"), entry("rollback", {"did": ["abort"]})], Door.CLOSED),
    ],
)
def test_a_stage_outside_the_scope_is_read_from_the_record(earlier: list[Entry], door: Door) -> None:
    kept = Kept("1", (entry("run", {"run": "1"}, hours=-30), *earlier))
    now = [entry("run", {"run": "2"})]
    assert gate(LATE, LIST, [Stage.LOAD], now, earlier=[kept]).door is door


def test_what_the_record_lacks_is_told_with_the_command_that_adds_it() -> None:
    step = Criterion("2.2-step[10]", Gate.P0, Stage.CANARY, "2.2", "t", step=10)
    closed = gate(LATE, LIST, [Stage.LOAD], [])
    assert closed.why.endswith("of this digest for preflight: 0.5-services")
    assert closed.fix.startswith("pytest -m preflight, with the same report folder")
    assert "24 h (golive.toml: record.fresh_hours)" in closed.fix
    both = gate(LATE, Ratified((EARLY, step, LATE), "sha"), [Stage.LOAD], [])
    assert both.why.endswith("preflight: 0.5-services; canary: 2.2-step[10]")
    assert both.fix.startswith('pytest -m "preflight or canary", ')
    assert "takes a canary back" not in both.fix + closed.fix


def test_what_lacks_behind_the_canary_is_told_with_the_way_that_walks_a_canary_anew() -> None:
    step = Criterion("2.2-step[10]", Gate.P0, Stage.CANARY, "2.2", "t", step=10)
    seen, last = (
        Criterion(name, Gate.P0, Stage(stage), "4", "t")
        for name, stage in (("4-availability", "acceptance"), ("2.3-promoted", "promote"))
    )
    rows = Ratified((EARLY, SIDE, step, seen, last), "sha")
    walked = [outcome("0.5-services", "passed"), outcome("2.2-step[10]", "passed")]
    now = entry("run", {"run": "2"})
    held = Kept("1", (entry("run", {"run": "1"}), *walked))
    closed = gate(last, rows, [Stage.PROMOTE], [now], earlier=[held])
    way = 'pytest -m "preflight or canary or acceptance"'
    assert closed.why.endswith("of this digest for acceptance: 4-availability")
    assert closed.fix.startswith("pytest -m acceptance, with the same report folder, and then this again within 24 h")
    assert closed.fix.endswith(f"; if this NO-GO takes a canary back, {way} instead, which walks it anew")
    back = Kept("1", (*held.entries, entry("rollback", {"did": ["abort"]})))
    assert gate(last, rows, [Stage.PROMOTE], [now], earlier=[back]).fix.startswith(f"{way}, with the same report")


@pytest.mark.parametrize(
    ("expression", "configured", "scope"),
    [
        ("", None, STAGES),
        ("", ["load", "preflight"], BOTH),
        ("preflight", ["load"], (Stage.PREFLIGHT,)),
        ("preflight or load", None, BOTH),
        ("p0", None, BOTH),
        ("not preflight", None, (Stage.LOAD,)),
        ("preflight and p1", None, (Stage.PREFLIGHT,)),
        ("nothing", None, ()),
    ],
)
def test_the_scope_is_the_stages_that_m_selects(
    expression: str, configured: list[str] | None, scope: tuple[Stage, ...]
) -> None:
    assert scope_of(expression, configured, LIST) == scope


@pytest.mark.parametrize(
    ("expression", "configured"), [("", ["lunch"]), ("preflight", ["lunch"]), ("preflight and", None), ("(", None)]
)
def test_a_scope_that_cannot_be_read_is_a_configuration_error(expression: str, configured: list[str] | None) -> None:
    with pytest.raises(ConfigError, match="expected"):
        scope_of(expression, configured, LIST)


def test_soak_is_no_part_of_the_go_lives_own_scope() -> None:
    assert SOAK not in LIST.in_scope(STAGES)


@pytest.mark.parametrize(
    ("words", "right"), [((), True), (("passed",), True), (("failed",), False), (("passed", "not_proven"), False)]
)
def test_the_target_is_right_unless_something_says_that_it_is_not(words: tuple[str, ...], right: bool) -> None:
    listed = Ratified((Criterion("0.1-target", Gate.P0, Stage.PREFLIGHT, "0", "t"),), "sha")
    assert target_passed(listed, [outcome("0.1-target", word) for word in words]) is right
    assert target_passed(LIST, [outcome("0.1-target", word) for word in words]) is True


def _documented() -> None:
    """It MUST hold.

    Runbook: section 0
    """


def _undocumented() -> None:
    """It holds."""


MARKS = (pytest.mark.p0.mark, pytest.mark.preflight.mark, pytest.mark.criterion("0.5-services").mark)


@pytest.mark.parametrize(
    ("function", "marks", "said"),
    [
        (_documented, MARKS, ""),
        (_undocumented, (), ""),
        (_undocumented, (pytest.mark.load.mark,), ""),
        (_documented, MARKS[:2], 'expected @pytest.mark.criterion("ID"), found none'),
        (_documented, (*MARKS[:2], pytest.mark.criterion.mark), 'expected @pytest.mark.criterion("ID")'),
        (_documented, (*MARKS[:2], pytest.mark.criterion(5).mark), 'expected @pytest.mark.criterion("ID")'),
        (_undocumented, MARKS, 'expected a docstring with "Runbook: section ..."'),
        (_documented, (*MARKS[:2], pytest.mark.criterion("0.9-new").mark), "expected an id of the ratified list"),
        (_documented, MARKS[1:], "expected the markers ['p0', 'preflight'] of 0.5-services, found ['preflight']"),
        (_documented, (pytest.mark.p1.mark, *MARKS[1:]), "found ['p1', 'preflight']"),
        (_documented, (*MARKS, pytest.mark.load.mark), "found ['load', 'p0', 'preflight']"),
    ],
)
def test_a_criterion_that_is_not_as_agreed_is_told(function: object, marks: tuple[pytest.Mark, ...], said: str) -> None:
    problem = contract_problem(function, marks, LIST)
    assert said in problem
    assert bool(problem) == bool(said)


@pytest.mark.parametrize(
    ("generated", "kept", "lost"),
    [
        ({"a[1]": "x"}, {"a[1]": "x"}, ""),
        ({"a[1]": "x", "a[2]": "x"}, {"a[1]": "x"}, "1 of its cases will not run, deselected or not collected: a[2]"),
        ({"a[1]": "x"}, {}, "its test was not collected"),
        ({}, {}, "its test was not collected"),
    ],
)
def test_what_is_deselected_is_missing(generated: dict[str, str], kept: dict[str, str], lost: str) -> None:
    scope = [Criterion("x", Gate.P0, Stage.LOAD, "0", "t")]
    found = missing(generated, kept, scope).get("x", "")
    assert lost in found
    assert bool(found) == bool(lost)


def test_only_off_and_attested_may_be_allowed_beside_a_pass() -> None:
    row = Criterion("x", Gate.P0, Stage.LOAD, "0", "t", allows=(Outcome.OFF,))
    assert [word for word in Outcome if row.counts_as_passed(word)] == [Outcome.PASSED, Outcome.OFF]
