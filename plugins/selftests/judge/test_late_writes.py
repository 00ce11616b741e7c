"""A write that was under way when a rollback began: nobody may say that traffic is back while it can still arrive."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from golive.access import Access
from golive.by_hand import _fence_off
from golive.executor import Executor
from golive.fence import Fence
from golive.journal import Entry, Journal
from golive.leash import silent
from golive.order import Order
from golive.record import Run, only_session, open_run
from golive.redact import Redactor
from golive.rollback import RollbackResult
from golive.types import Json
from selftests.judge.test_driver_signs import HOLDER
from selftests.judge.test_words import SETTINGS

NOTHING: Json = {**silent("session", ""), "found": "not_started", "proven": True}


def opened(folder: Path, **about: bool) -> tuple[Run, Journal]:
    return open_run(folder, SETTINGS.release.digest, Redactor(), who="test", about=dict(about))


class Hands(Executor):
    """It looks at no cluster, and remembers what it was asked for."""

    back = False
    acts = 0

    def act(self, cause: str, started: float, *, final: bool = False) -> None:
        self.acts += 1

    def still_back(self) -> bool:
        return self.back


def hands(run: Run, *, by_hand: bool = False, driver: int = 1) -> Hands:
    order = Order(
        run=run,
        settings=SETTINGS,
        ratified_path=run.reports,
        scope=(),
        access=Access("none", "http://127.0.0.1:9"),
        armed=True,
        who="Robin",
        started="",
        by_hand=by_hand,
        driver=driver,
    )
    return Hands(order, Journal(run.journal, "watchdog", Redactor()), Redactor())


def held(folder: Path) -> subprocess.Popen[bytes]:
    """A process that is stopped in the middle of a write."""
    argv = [sys.executable, "-c", HOLDER, str(folder)]
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"mine\n"
    process.send_signal(signal.SIGSTOP)
    return process


def test_a_rollback_by_hand_ends_who_is_stopped_in_the_middle_of_an_apply(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, journal = opened(tmp_path)
    journal.append("apply_sent", {"manifest": "rollout.yaml", "force": False})
    with only_session(tmp_path, "Robin"), held(run.folder) as writer:
        _fence_off(SETTINGS, tmp_path, "Sanne")
        assert writer.wait(timeout=10) == -signal.SIGKILL
    assert Fence(run.folder).closed == "golive rollback, by Sanne"
    assert f"process {writer.pid} was about to write, and did not let go: it was ended" in capsys.readouterr().err


@pytest.mark.parametrize("by_hand", [True, False])
def test_a_rollback_by_hand_waits_for_the_apply_of_another_run(tmp_path: Path, by_hand: bool) -> None:
    _, journal = opened(tmp_path)
    journal.append("apply_sent", {"manifest": "rollout.yaml", "force": False})
    mine, _ = opened(tmp_path, by_hand=by_hand)
    assert hands(mine, by_hand=by_hand).known().applying is by_hand
    journal.append("apply_refused", {"status": 409})
    assert not hands(mine, by_hand=by_hand).known().applying


def test_what_a_stopped_pytest_may_still_send_is_looked_for_and_taken_back(tmp_path: Path) -> None:
    run, _ = opened(tmp_path)
    with held(run.folder) as pytest_itself:
        watching = hands(run, driver=pytest_itself.pid)
        watching.fence_off("pytest did not move")
        pytest_itself.kill()
    watching.result = RollbackResult.from_json(NOTHING)
    again = hands(run)
    again.recall()
    again.result = watching.result
    for one in (watching, again):
        one.watch_over()
        assert one.acts == 1
        one.next_look, one.back = time.monotonic(), True
        one.watch_over()
        assert one.acts == 1


def test_where_no_write_was_under_way_nothing_found_needs_no_second_look(tmp_path: Path) -> None:
    run, _ = opened(tmp_path)
    watching = hands(run)
    watching.fence_off("a rollback has begun")
    watching.result = RollbackResult.from_json(NOTHING)
    watching.watch_over()
    assert watching.acts == 0


def test_a_record_that_did_not_change_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[Path] = []
    whole = Journal.read

    def counted(journal: Journal) -> tuple[Entry, ...]:
        reads.append(journal.path)
        return whole(journal)

    run, journal = opened(tmp_path)
    watching = hands(run)
    monkeypatch.setattr(Journal, "read", counted)
    for _ in range(3):
        assert not watching.known().applying
    assert len(reads) == 1
    journal.append("apply_sent", {})
    assert watching.known().applying
    _, other = opened(tmp_path)
    other.append("applied", {"uid": "u"})
    assert watching.known().back
