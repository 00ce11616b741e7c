"""What a watchdog does to a run that was judged already, and what it knows of one that another watchdog followed."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from golive.access import Access
from golive.closing import verdict_json, write_verdict
from golive.criterion import Ratified, Stage
from golive.errors import GoliveError
from golive.executor import Executor
from golive.journal import Journal
from golive.leash import silent
from golive.order import Order
from golive.record import open_run
from golive.redact import Redactor
from golive.rollback import RollbackResult
from golive.types import Json, JsonValue
from golive.verdict import decide
from golive.watchdog import Watchdog
from selftests.judge.test_closing import LIST
from selftests.judge.test_words import SETTINGS


class Hands(Executor):
    """It writes to nothing and remembers what it was asked for."""

    def act(self, cause: str, started: float, *, final: bool = False) -> None:
        self.asked.append(cause)

    def canary_under_way(self) -> bool:
        raise GoliveError("there is no cluster here")

    @property
    def asked(self) -> list[str]:
        found: list[str] = self.__dict__.setdefault("_asked", [])
        return found


class Given(Order):
    """Its list is the test's."""

    @property
    def ratified(self) -> Ratified:
        return LIST


def followed(reports: Path) -> tuple[Watchdog, Hands, Journal]:
    about: Json = {"ratified": "sha"}
    run, journal = open_run(reports, SETTINGS.release.digest, Redactor(), who="test", about=about)
    order = Given(
        run=run,
        settings=SETTINGS,
        ratified_path=reports,
        scope=(Stage.PREFLIGHT,),
        access=Access("none", "http://127.0.0.1:9"),
        armed=True,
        who="Robin",
        started="2026-11-24T00:00:00+00:00",
    )
    hands = Hands(order, Journal(run.journal, "watchdog", Redactor()), Redactor())
    return Watchdog.over(order, hands), hands, journal


@pytest.fixture
def stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("golive.pulse.Pulse.still", lambda _: 1e6)


@pytest.mark.usefixtures("stands_still")
@pytest.mark.parametrize("judged", [False, True])
def test_a_pytest_that_stands_still_after_its_verdict_loses_nothing(tmp_path: Path, judged: bool) -> None:
    dog, hands, journal = followed(tmp_path)
    if judged:
        journal.append("finished", {"verdict": "GO", "release_verdict": "GO"})
    dog.look()
    dog.look()
    kinds = [entry.kind for entry in journal.read()]
    assert (hands.asked, "fence" in kinds, "problem" in kinds) == (
        ([], False, False) if judged else (["0.5-services"], True, True)
    )
    assert dog.keeper._over.is_set(), "either way its Lease is renewed no more"


@pytest.mark.parametrize("judged", [False, True])
def test_what_nobody_sees_after_the_verdict_is_not_taken_back(tmp_path: Path, judged: bool) -> None:
    dog, hands, journal = followed(tmp_path)
    dog.unproven_since, dog.unproven_cause = time.monotonic() - 1e6, "0.5-services"
    if judged:
        journal.append("finished", {"verdict": "GO", "release_verdict": "GO"})
    dog.look()
    assert hands.asked == ([] if judged else ["0.5-services"])


def test_what_is_unproven_is_pytest_s_to_judge_once_it_has_asked_how_it_ended(tmp_path: Path) -> None:
    dog, hands, _ = followed(tmp_path)
    dog.unproven_since, dog.unproven_cause = time.monotonic(), "0.5-services"
    dog.obey(b'{"finish": true}')
    assert dog.unproven_since is None
    dog.look()
    assert hands.asked == []


def test_over_is_answered_with_what_was_taken_back_since(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    dog, hands, _ = followed(tmp_path)
    hands.result = RollbackResult.from_json({**silent("session", "frozen"), "did": ["abort"]})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stdout", open(1, "w", closefd=False))  # noqa: SIM115  (the descriptor that is captured)
        dog.obey(b'{"over": true}')
    said = json.loads(capfd.readouterr().out)
    assert (dog.finished, said["rollback"]["did"]) == (True, ["abort"])


def test_another_watchdog_knows_what_the_first_one_proved(tmp_path: Path) -> None:
    _, hands, journal = followed(tmp_path)
    for word in ("abort", "restore"):
        journal.append("rollback_request", {"request": word})
    legs: list[JsonValue] = [{"leg": "stable", "proven": True, "observed": "it is back"}]
    proven: Json = {**silent("0.5-services", ""), "found": "canary", "did": ["abort", "restore"], "proven": True}
    journal.append("rollback", {**proven, "legs": legs})
    hands.recall()
    assert hands.result is not None
    assert (hands.result.did, hands.result.proven, hands.restores) == (("abort", "restore"), True, 1)
    assert (hands.acted, hands.interrupted) == (True, False)
    assert time.monotonic() - hands.proven_at < 60
    later = RollbackResult.from_json({**proven, "found": "already_back", "did": []})
    assert (hands.result.then(later).found, hands.result.then(later).did) == ("canary", ("abort", "restore"))


def test_another_watchdog_goes_on_with_what_the_first_one_began(tmp_path: Path) -> None:
    dog, hands, journal = followed(tmp_path)
    hands.recall()
    assert (hands.result, hands.acted) == (None, False)
    journal.append("rollback_found", {"found": "canary", "why": "it takes traffic"})
    journal.append("rollback_request", {"request": "abort"})
    journal.append("rollback_started", {"cause": "2.2-step[25]"})
    hands.recall()
    assert hands.result is not None
    assert (hands.result.found, hands.result.did, hands.result.proven) == ("canary", ("abort",), False)
    dog.look()
    assert hands.asked == ["2.2-step[25]"]


UNDER_WAY = "the run is under way; until it ends, this is a NO-GO"


@pytest.mark.parametrize("back", [False, True])
def test_a_pytest_killed_before_its_verdict_was_written_has_it_written(tmp_path: Path, back: bool) -> None:
    dog, hands, journal = followed(tmp_path)
    run, order = dog.order.run, dog.order
    first = decide(LIST, (), scope=order.scope, problems=[UNDER_WAY], rollback=silent("session", UNDER_WAY))
    words = {"who": order.who, "started": order.started, "redactor": Redactor()}
    write_verdict(run, verdict_json(first, run, SETTINGS, finished=None, **words))  # type: ignore[arg-type]
    journal.append("outcome", {"id": "0.5-services", "outcome": "passed", "observed": "it holds"})
    journal.append("finished", {"verdict": "GO", "release_verdict": "GO"})
    if back:
        hands.result = RollbackResult.from_json({**silent("session", ""), "did": ["abort"], "proven": True})
    dog.alone()
    found = [json.loads((folder / "verdict.json").read_text(encoding="utf-8")) for folder in (run.folder, run.reports)]
    assert found[0] == found[1]
    assert (found[0]["verdict"], found[0]["exit"]) == (("NO-GO", 20) if back else ("GO", 0))
    assert found[0]["run"]["finished"] == next(one.time for one in journal.read() if one.kind == "finished")
    assert hands.asked == []
