"""The record of a release: runs that continue each other, one session at a time, facts read once, whole files."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from golive.errors import JournalError
from golive.journal import Entry, Journal
from golive.record import (
    JOURNAL,
    Kept,
    Run,
    joined,
    once_per_run,
    only_session,
    open_run,
    read_record,
    record_folder,
    session_holder,
    write_json,
)
from golive.redact import Redactor
from golive.status import last_rollback
from golive.types import Json, text
from golive.verdict import since_rollback

DIGEST = "sha256:" + "a" * 64
WRITERS = Path(__file__).with_name("writers.py")


def opened(reports: Path, digest: str = DIGEST) -> tuple[Run, Journal]:
    return open_run(reports, digest, Redactor(), who="test", about={"driver": "me"})


def problems(reports: Path) -> list[str]:
    return [kept.problem for kept in read_record(reports, DIGEST)]


def test_each_run_names_the_one_before_and_the_hash_it_ended_with(tmp_path: Path) -> None:
    first, journal = opened(tmp_path)
    last = journal.append("note", {})
    second, after = opened(tmp_path)
    assert after.read()[0].data["previous"] == {"run": first.id, "seq": last.seq, "hash": last.hash}
    assert [kept.run for kept in read_record(tmp_path, DIGEST)] == [first.id, second.id]
    assert problems(tmp_path) == ["", ""]


def test_another_digest_has_a_record_of_its_own(tmp_path: Path) -> None:
    opened(tmp_path)
    _, journal = opened(tmp_path, "sha256:" + "b" * 64)
    assert journal.read()[0].data["previous"] is None
    assert len(read_record(tmp_path, DIGEST)) == 1
    assert read_record(tmp_path, "sha256:" + "c" * 64) == ()


@pytest.mark.parametrize("how", ["deleted", "cut", "rewritten", "emptied", "spoilt"])
def test_an_earlier_run_that_was_tampered_with_is_a_problem(tmp_path: Path, how: str) -> None:
    first, journal = opened(tmp_path)
    journal.append("note", {"said": "failed"})
    opened(tmp_path)
    lines = first.journal.read_bytes().splitlines(keepends=True)
    if how == "deleted":
        first.journal.unlink()
    elif how == "cut":
        first.journal.write_bytes(lines[0])
    elif how == "rewritten":
        first.journal.write_bytes(lines[0])
        journal.append("note", {"said": "passed"})
    else:
        first.journal.write_bytes(b"" if how == "emptied" else b"x" + lines[0])
    assert any(problems(tmp_path))


def test_a_run_goes_through_json_unchanged(tmp_path: Path) -> None:
    run, _ = opened(tmp_path)
    assert Run.from_json(json.loads(json.dumps(run.to_json()))) == run
    assert run.journal == record_folder(tmp_path, DIGEST) / run.id / JOURNAL


def test_one_session_holds_the_reports_and_the_next_is_told_by_whom(tmp_path: Path) -> None:
    with only_session(tmp_path, "Robin (robin@host, pid 7)"):
        said = r"expected no other session, found one: Robin \(robin@host, pid 7\); wait for it"
        with pytest.raises(JournalError, match=said), only_session(tmp_path, "Alex"):
            pass
    with only_session(tmp_path, "Alex"):
        assert (tmp_path / ".session").read_text(encoding="utf-8") == "Alex"


def test_the_lock_lasts_as_long_as_a_watchdog_has_it_too(tmp_path: Path) -> None:
    with only_session(tmp_path, "Robin") as lock:
        heir = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=(lock,))
    try:
        assert session_holder(tmp_path) == "Robin"
        with pytest.raises(JournalError, match="found one: Robin"), only_session(tmp_path, "Alex"):
            pass
    finally:
        heir.communicate(b"\n", timeout=30)
    assert session_holder(tmp_path) == ""


def test_reports_that_cannot_be_kept_are_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(JournalError, match="expected a folder to keep reports in, found"),
        only_session(tmp_path / "file" / "x", "Robin"),
    ):
        pass


def test_a_full_disk_is_told_before_anything_begins(tmp_path: Path) -> None:
    (tmp_path / ".session").symlink_to("/dev/full")
    with (
        pytest.raises(JournalError, match="expected a folder to keep reports in, found: "),
        only_session(tmp_path, "Robin"),
    ):
        pass


def test_a_fact_is_made_by_one_process_and_read_by_the_others(tmp_path: Path) -> None:
    fact = tmp_path / "run" / "t0.json"
    argv = [sys.executable, str(WRITERS), "once", str(fact)]
    processes = [subprocess.Popen([*argv, f"w{number}"], stdout=subprocess.PIPE, text=True) for number in range(6)]
    told = {process.communicate(timeout=60)[0] for process in processes}
    assert len(told) == 1
    assert len((fact.parent / "made.txt").read_text(encoding="utf-8").splitlines()) == 1


def test_a_run_that_could_not_begin_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("golive.journal._write", full)
        with pytest.raises(JournalError, match="No space left"):
            opened(tmp_path)
    assert list(record_folder(tmp_path, DIGEST).iterdir()) == []
    opened(tmp_path)
    assert problems(tmp_path) == [""]


def test_a_fact_that_could_not_be_made_is_tried_again(tmp_path: Path) -> None:
    def fails() -> Json:
        raise LookupError("not yet")

    with pytest.raises(LookupError):
        once_per_run(tmp_path / "fact.json", fails)
    assert once_per_run(tmp_path / "fact.json", lambda: {"x": 1}) == {"x": 1}
    assert once_per_run(tmp_path / "fact.json", fails) == {"x": 1}


def test_a_reader_sees_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "verdict.json"
    values: list[Json] = [{"pad": letter * 200_000} for letter in "ab"]
    write_json(path, values[0])
    done = threading.Event()

    def write() -> None:
        for number in range(40):
            write_json(path, values[number % 2])
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    seen = 0
    while not done.is_set():
        assert json.loads(path.read_text(encoding="utf-8")) in values
        seen += 1
    writer.join()
    assert seen > 0


def test_a_file_that_cannot_be_written_leaves_the_old_one_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "verdict.json"
    write_json(path, {"verdict": "NO-GO"})
    with pytest.raises(TypeError):
        write_json(path, {"verdict": object()})  # type: ignore[dict-item]  # what cannot be JSON
    assert json.loads(path.read_text(encoding="utf-8")) == {"verdict": "NO-GO"}
    assert [one.name for one in tmp_path.iterdir()] == ["verdict.json"]


def test_what_no_encoding_holds_is_written_as_its_escape(tmp_path: Path) -> None:
    write_json(tmp_path / "x.json", {"said": "\udc80"})
    assert json.loads((tmp_path / "x.json").read_text(encoding="utf-8")) == {"said": "\udc80"}


def kept(name: str, *told: tuple[int, str, Json]) -> Kept:
    """A run by what it told: second, kind, facts."""
    at = "2026-11-24T10:00:{:02}.000000+00:00"
    return Kept(name, tuple(Entry(0, at.format(second), name, kind, facts, "", "") for second, kind, facts in told))


def test_runs_that_overlap_are_joined_as_it_came_about() -> None:
    one = kept("1", (0, "run", {}), (30, "rollback", {"did": ["abort"]}))
    two = kept("2", (10, "run", {}), (20, "applied", {}), (40, "outcome", {}))
    assert [(entry.who, entry.kind) for entry in joined([two, one])] == [
        ("1", "run"), ("2", "run"), ("2", "applied"), ("1", "rollback"), ("2", "outcome"),
    ]  # fmt: skip
    by_run = [*one.entries, *two.entries]
    assert [entry.kind for entry in since_rollback(by_run)] == ["run", "run", "outcome"]
    assert [entry.kind for entry in since_rollback(joined([one, two]))] == ["run", "run", "outcome"]


def test_the_newest_rollback_is_told_whichever_run_began_first() -> None:
    long = kept("1", (0, "rollback_started", {"cause": "a"}), (30, "rollback", {"cause": "a", "proven": False}))
    short = kept("2", (10, "rollback_started", {"cause": "b"}), (20, "rollback", {"cause": "b", "proven": True}))
    begun = kept("3", (25, "rollback_started", {"cause": "c"}))

    def told(*runs: Kept) -> tuple[str, object]:
        found = last_rollback(runs) or {}
        return text(found, "cause"), found.get("proven")

    assert last_rollback([]) is None
    assert told(long, short) == ("a", False)
    assert told(short, begun) == told(begun, short) == ("c", False)
    assert told(long, short, begun) == ("a", False), "its end is newer than what was begun"
    ended = kept("4", (26, "rollback", {"cause": "d", "proven": True}))
    assert told(begun, ended) == ("d", True), "an end counts for its own run alone"
