"""What was judged by a check by hand falls with it: in later sessions, and in the one that judged by it."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from golive.access import Access
from golive.attestations import attest, withdraw
from golive.checked import ATTESTED, WITHDRAWN, lapsed
from golive.collecting import ID
from golive.criterion import Criterion, Gate, Outcome, Ratified, Stage
from golive.errors import Unreachable
from golive.given import Given
from golive.journal import Entry, Journal
from golive.lastlook import last_look
from golive.outcomes import NotStarted
from golive.passes import passed_before
from golive.record import Kept, open_run
from golive.redact import Redactor
from golive.session import Judge
from golive.stages import Door, GateState, gate
from golive.types import Json, JsonValue
from golive.verdict import newest_outcome, since_rollback
from selftests.judge.test_attestations import DIGEST, LIST, REASON, SBOM, SETTINGS


def judged(reports: Path, *, outcome: str = "attested") -> SimpleNamespace:
    """A session judged it so; what the next one asks the record with."""
    about: Json = {name: str(getattr(SETTINGS.target, name)) for name in ("cluster_uid", "namespace", "rollout")}
    run, journal = open_run(reports, DIGEST, Redactor(), who="test", about={**about, "driver": "me"})
    journal.append("outcome", {"id": SBOM, "outcome": outcome, "nodeid": "n", "observed": "attested by Ann"})
    return SimpleNamespace(settings=SETTINGS, run=run, ratified=LIST)


def test_what_was_judged_by_a_withdrawn_check_is_no_pass_later(tmp_path: Path) -> None:
    attest(SETTINGS, LIST, tmp_path, SBOM, reason=REASON)
    judge = cast("Judge", judged(tmp_path))
    assert passed_before(judge, SBOM)[SBOM].startswith("attested at ")
    withdraw(SETTINGS, LIST, tmp_path, SBOM, reason="the scan was of another image")
    words = r"found not_proven; run \S+ is left out: the manual check was withdrawn by .* the scan was of another image"
    with pytest.raises(Unreachable, match=words):
        passed_before(judge, SBOM)
    attest(SETTINGS, LIST, tmp_path, SBOM, reason=REASON)
    with pytest.raises(Unreachable, match="found not_proven"):  # it is still to be judged by the new one
        passed_before(judge, SBOM)
    judge = cast("Judge", judged(tmp_path))
    assert passed_before(judge, SBOM)


def test_a_withdrawal_says_nothing_of_a_pass_without_a_check(tmp_path: Path) -> None:
    attest(SETTINGS, LIST, tmp_path, SBOM, reason=REASON)
    judge = cast("Judge", judged(tmp_path, outcome="passed"))
    withdraw(SETTINGS, LIST, tmp_path, SBOM, reason=REASON)
    assert passed_before(judge, SBOM)[SBOM].startswith("passed at ")


@pytest.mark.parametrize(("checked", "counts"), [(20, True), (25, False)])
def test_what_was_judged_by_a_check_is_no_fresher_than_the_check(checked: int, counts: bool) -> None:
    row = LIST.get(SBOM)
    assert row is not None
    entries = [
        at(checked, "run", run="check"),
        at(checked, ATTESTED, id=SBOM, digest=DIGEST),
        at(checked - 1, "rollback", did=["abort"]),
        at(10, "run", run="preflight"),
        at(10, "outcome", id=SBOM, outcome="attested", observed="by Ann", nodeid="n"),
        at(0, "run", run="now"),
    ]
    outcome = newest_outcome(row, since_rollback(entries), timedelta(hours=24))
    assert outcome is (Outcome.ATTESTED if counts else Outcome.NOT_PROVEN)
    assert ("is older than 24 h" in "".join(lapsed(SBOM, entries, timedelta(hours=24)).values())) is not counts


SAID: Json = {"id": SBOM, "outcome": "attested", "observed": "by Ann", "nodeid": "n"}
LATER, CHECK, TAKEN = Criterion("9-later", Gate.P0, Stage.LOAD, "9", "t"), (5.0, ATTESTED), WITHDRAWN


@pytest.mark.parametrize(
    ("record", "counts", "words"),
    [
        ([CHECK], True, ""),
        ([CHECK, (1.0, TAKEN)], False, "was withdrawn by Bob at "),
        ([CHECK, (3.0, TAKEN)], False, "was withdrawn by Bob at "),  # while it was looked at, or by a clock behind
        ([CHECK, (3.0, TAKEN), (2.5, "rollback")], False, "was withdrawn by Bob at "),
        ([(7.0, ATTESTED), (6.0, TAKEN), CHECK], True, ""),
        ([CHECK, (4.0, TAKEN), (3.0, ATTESTED)], True, ""),  # by a new check
        ([(5.0, "nothing")], False, "the manual check that it rests on is not in the record"),
    ],
)
def test_what_was_judged_by_a_check_falls_with_it(record: list[tuple[float, str]], counts: bool, words: str) -> None:
    row = LIST.get(SBOM)
    assert row is not None
    kept = [entry for one in record for entry in alone(*one)]
    entries = [*kept, at(2, "run", run="preflight"), at(2, "outcome", **SAID), at(0, "run", run="now")]
    assert (newest_outcome(row, entries, timedelta(hours=24)) is Outcome.ATTESTED) is counts
    assert words in "".join(lapsed(SBOM, entries, timedelta(hours=24)).values())
    assert bool(lapsed(SBOM, since_rollback(entries), timedelta(hours=24))) is not counts


@pytest.mark.parametrize(
    ("record", "door"),
    [
        ([], Door.OPEN),
        ([(30.0, ATTESTED)], Door.OPEN),  # it was fresh then
        ([CHECK], Door.OPEN),
        ([CHECK, (1.0, TAKEN)], Door.CLOSED),
        ([CHECK, (3.0, TAKEN)], Door.CLOSED),
    ],
)
def test_a_withdrawal_stops_the_session_that_judged_by_the_check(record: list[tuple[float, str]], door: Door) -> None:
    row = LIST.get(SBOM)
    assert row is not None
    earlier = [Kept(f"{hours:g}", tuple(alone(hours, kind))) for hours, kind in record]
    own = [at(2.5, "run", run="now"), at(2, "outcome", **SAID)]
    state = gate(LATER, Ratified((row, LATER), "sha"), [row.stage, LATER.stage], own, earlier=earlier)
    assert state.door is door
    assert ("1.4-sbom: the manual check was withdrawn by Bob" in state.why) is (door is Door.CLOSED)


def test_the_verdict_of_the_session_that_judged_by_it_is_no_go(tmp_path: Path) -> None:
    attest(SETTINGS, LIST, tmp_path, SBOM, reason=REASON)
    run = judged(tmp_path).run
    access = Access("none", "http://127.0.0.1:9")
    assert last_look(run, SETTINGS, access, [Stage.PREFLIGHT]) == ""
    withdraw(SETTINGS, LIST, tmp_path, SBOM, reason="the scan was of another image")
    found = last_look(run, SETTINGS, access, [Stage.PREFLIGHT])
    assert found.startswith(f"{SBOM}: the manual check was withdrawn by ")
    assert found.endswith(": the scan was of another image; not proven")


class Waiting(Judge):
    """One of several workers: its gates wait for what the others judge."""

    distributed = True


def test_a_gate_that_waits_sees_a_withdrawal_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = LIST.get(SBOM)
    assert row is not None
    beside = Criterion("9-beside", Gate.P0, row.stage, "9", "t")
    attest(SETTINGS, LIST, tmp_path, SBOM, reason=REASON)
    ratified = Ratified((row, beside, LATER), "sha")
    judge = Waiting(Given(SETTINGS, ratified, tmp_path / "criteria.toml"), (row.stage, LATER.stage))
    judge.run = judged(tmp_path).run
    judge.journal = Journal(judge.run.journal, "test", Redactor())
    waits = threading.Event()

    def seen(*arguments: object, **more: object) -> GateState:
        state = gate(*arguments, **more)  # type: ignore[arg-type]  # as they were given
        if state.door is Door.WAIT:
            waits.set()
        return state

    monkeypatch.setattr("golive.session.gate", seen)
    item = cast("pytest.Item", SimpleNamespace(stash=pytest.Stash(), nodeid="n"))
    item.stash[ID] = LATER.id
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(judge.pytest_runtest_setup, item)
        assert waits.wait(timeout=10)
        withdraw(SETTINGS, LIST, tmp_path, SBOM, reason=REASON)
        judge.journal.append("outcome", {"id": beside.id, "outcome": "passed", "nodeid": "b", "observed": "it does"})
        with pytest.raises(NotStarted, match=f"{SBOM}: the manual check was withdrawn by "):
            waiting.result(timeout=10)


def alone(hours: float, kind: str) -> list[Entry]:
    """A run of its own that says so."""
    about: Json = {"id": SBOM, "by": "Bob", "did": ["abort"]}
    return [at(hours, "run", run=f"{hours:g}"), at(hours, kind, **about)]


def at(hours: float, kind: str, **data: JsonValue) -> Entry:
    """An entry of so many hours ago."""
    when = datetime(2026, 11, 24, tzinfo=UTC) - timedelta(hours=hours)
    return Entry(0, when.isoformat(timespec="microseconds"), "test", kind, data, "", "")
