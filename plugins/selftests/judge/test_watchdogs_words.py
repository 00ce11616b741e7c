"""What the watchdog says while it is waited for, and what is kept of a rollback that nobody carried out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from golive.by_hand import _kept
from golive.leash import Leash, silent
from golive.record import open_run, read_record
from golive.redact import Redactor
from golive.status import last_rollback
from golive.told import LOOKED
from selftests.judge.test_after_the_verdict import followed
from selftests.judge.test_words import SETTINGS

TALKS = """
import sys
for line in ('{"say": "the restore is refused"}', '{"say": "still"}', '{"rollback": null}'):
    print(line, flush=True)
sys.stdin.read()
"""


def test_what_is_said_meanwhile_is_told_and_is_no_answer() -> None:
    said: list[str] = []
    leash = Leash.__new__(Leash)
    leash._rest, leash._tell, leash._wire = b"", said.append, threading.Lock()
    with subprocess.Popen([sys.executable, "-c", TALKS], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as watchdog:
        assert leash._hear(watchdog, 30.0) == {"rollback": None}
        watchdog.communicate(b"")
    assert said == ["the restore is refused", "still"]


def test_a_refusal_is_said_to_pytest_and_journalled(tmp_path: Path) -> None:
    _, hands, journal = followed(tmp_path)
    said: list[str] = []
    hands.tell = said.append
    hands.note("rollback_forbidden", {"request": "restore", "error": "403 Forbidden: admission webhook"})
    assert said == ["the rollback's restore is refused, and tried again: 403 Forbidden: admission webhook"]
    assert journal.read()[-1].kind == "rollback_forbidden"


def test_words_that_nobody_reads_keep_no_rollback_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dog, _, _ = followed(tmp_path)
    reads, writes = os.pipe()
    with os.fdopen(reads, "rb") as heard, os.fdopen(writes, "wb") as said:
        monkeypatch.setattr(sys, "stdout", said)
        for _ in range(100):
            dog.mention("\N{WARNING SIGN}" * 1_000)
        os.set_blocking(heard.fileno(), False)
        first, *rest = heard.read().splitlines()
    assert set(json.loads(first)["say"]) == {"\N{WARNING SIGN}"}
    assert 0 < len(rest) < 99, "it stopped at a full pipe"
    assert {*rest} == {first}, "whole lines"


def test_a_refusal_is_said_once_however_it_is_worded(tmp_path: Path) -> None:
    _, hands, _ = followed(tmp_path)
    said: list[str] = []
    hands.tell = said.append
    for number in range(3):
        hands.note("rollback_forbidden", {"request": "restore", "error": f"403 Forbidden: request {number}"})
    hands.note("rollback_forbidden", {"request": "scale", "error": "403 Forbidden"})
    assert [one.partition(" is refused")[0] for one in said] == ["the rollback's restore", "the rollback's scale"]


def test_a_look_alone_is_kept_once_and_is_no_rollback_to_go_on_with(tmp_path: Path) -> None:
    _, hands, journal = followed(tmp_path)
    for _ in range(2):
        hands.say_only("0.5-services", "the rollback is disarmed")
    (kept,) = [one for one in journal.read() if one.kind == LOOKED]
    assert hands.result is not None
    assert kept.data == hands.result.to_json()
    hands.result = None
    hands.recall()
    assert hands.result is not None
    assert (hands.acted, hands.interrupted, hands.result.proven) == (False, False, False)
    assert last_rollback(read_record(tmp_path, SETTINGS.release.digest)) == kept.data


def test_what_was_begun_stays_open_whatever_is_said_of_it_later(tmp_path: Path) -> None:
    _, hands, journal = followed(tmp_path)
    journal.append("rollback_started", {"cause": "2.2-step[25]"})
    journal.append(LOOKED, silent("session", "the watchdog said nothing"))
    hands.recall()
    assert (hands.acted, hands.interrupted) == (True, True)


def test_a_rollback_by_hand_that_nobody_heard_of_is_in_the_record(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, journal = open_run(tmp_path, SETTINGS.release.digest, Redactor(), who="test", about={})
    said = silent("by hand", "the watchdog died")
    assert _kept(run, said) == said
    assert (journal.read()[-1].kind, journal.read()[-1].data) == (LOOKED, said)
    run.journal.unlink()
    assert _kept(run, said) == said
    assert "the record cannot be written" in capsys.readouterr().err
