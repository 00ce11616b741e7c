"""The journal keeps every entry or says that it does not: crashes, a full disk, two writers, and somebody's editor."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from golive.errors import JournalError
from golive.journal import Journal, create
from golive.redact import MASK, Redactor

WRITERS = Path(__file__).with_name("writers.py")


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    path = tmp_path / "run" / "journal.jsonl"
    create(path)
    return Journal(path, "test", Redactor())


def filled(journal: Journal, count: int = 4) -> list[bytes]:
    for number in range(count):
        journal.append("note", {"number": number})
    return journal.path.read_bytes().splitlines(keepends=True)


def numbers(journal: Journal) -> list[object]:
    return [entry.data["number"] for entry in journal.read() if entry.kind == "note"]


def start(word: str, journal: Journal, who: str, *more: str) -> subprocess.Popen[str]:
    argv = [sys.executable, str(WRITERS), word, str(journal.path), who, *more]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)


def test_an_entry_is_read_as_it_was_written_and_chained_to_the_one_before(journal: Journal) -> None:
    first = journal.append("note", {"ünï": ["x", 1, None, True]})
    second = journal.append("note", {})
    assert journal.read() == (first, second)
    assert (first.seq, second.seq, first.prev, second.prev) == (0, 1, "0" * 64, first.hash)


def test_a_secret_never_reaches_the_file(tmp_path: Path) -> None:
    create(tmp_path / "j")
    Journal(tmp_path / "j", "test", Redactor(["correct horse"])).append(
        "note", {"said": "correct horse", "password": "x"}
    )
    assert b"correct horse" not in (tmp_path / "j").read_bytes()
    assert Journal(tmp_path / "j", "r", Redactor()).read()[0].data == {"said": MASK, "password": MASK}


def test_a_journal_is_made_once(journal: Journal) -> None:
    with pytest.raises(JournalError, match="expected to create a journal, found: File exists"):
        create(journal.path)
    missing = Journal(journal.path.with_name("gone"), "test", Redactor())
    with pytest.raises(JournalError, match="expected to append 'note', found: No such file"):
        missing.append("note", {})
    with pytest.raises(JournalError, match="expected a readable journal, found: No such file"):
        missing.read()


@pytest.mark.parametrize(
    "tamper",
    [
        lambda lines: [lines[0], lines[1].replace(b'"number":1', b'"number":7'), *lines[2:]],
        lambda lines: [lines[0], lines[1].replace(b'"who":"test"', b'"who":"best"'), *lines[2:]],
        lambda lines: [*lines[:3], lines[3].replace(b'"number":3', b'"number":7')],
        lambda lines: lines[1:],
        lambda lines: [lines[0], *lines[2:]],
        lambda lines: [lines[0], lines[2], lines[1], lines[3]],
        lambda lines: [*lines, lines[3]],
        lambda lines: [lines[0], b"\n", *lines[1:]],
        lambda lines: [lines[0], b"not json\n", *lines[1:]],
        lambda lines: [*lines[:3], b"not json\n"],
        lambda lines: [*lines[:2], lines[2].rstrip(), lines[3]],
    ],
    ids=[
        "edited", "another-writer", "edited-last", "first-deleted", "deleted", "reordered", "repeated", "blank",
        "inserted", "last-overwritten", "joined",
    ],
)  # fmt: skip
def test_a_line_that_was_tampered_with_is_found_by_reader_and_writer(journal: Journal, tamper: object) -> None:
    assert callable(tamper)
    journal.path.write_bytes(b"".join(tamper(filled(journal))))
    with pytest.raises(JournalError, match="expected"):
        journal.read()
    before = journal.path.read_bytes()
    with pytest.raises(JournalError, match="expected"):
        journal.append("note", {"number": 9})
    assert journal.path.read_bytes() == before


def test_a_recovery_that_names_other_bytes_is_found(journal: Journal) -> None:
    filled(journal)
    journal.path.write_bytes(journal.path.read_bytes() + b"half a li")
    journal.append("note", {"number": 4})
    journal.path.write_bytes(journal.path.read_bytes().replace(b"half a li", b"half a lie"))
    with pytest.raises(JournalError, match="continues the hash chain"):
        journal.read()


def test_a_line_torn_anywhere_is_recovered_by_the_next_writer_and_named(journal: Journal) -> None:
    whole = b"".join(filled(journal, 2))
    start_of_last = whole.rindex(b"\n", 0, len(whole) - 1) + 1
    for end in range(start_of_last + 1, len(whole)):
        journal.path.write_bytes(whole[:end])
        journal.append("note", {"number": 2})
        kinds = [entry.kind for entry in journal.read()]
        if end == len(whole) - 1:  # only the line end is missing: nothing is lost
            assert (kinds, numbers(journal)) == (["note", "note", "note"], [0, 1, 2])
        else:
            assert (kinds, numbers(journal)) == (["note", "recovered", "note"], [0, 2])
            assert journal.read()[1].data["torn_bytes"] == end - start_of_last


def test_a_recovery_torn_anywhere_is_recovered_too(journal: Journal) -> None:
    filled(journal, 1)
    journal.path.write_bytes(journal.path.read_bytes() + b'{"half')
    torn_at = journal.path.stat().st_size
    journal.append("note", {"number": 1})
    whole = journal.path.read_bytes()
    for end in range(torn_at + 2, len(whole)):
        journal.path.write_bytes(whole[:end])
        assert numbers(journal)[0] == 0
        journal.append("note", {"number": 2})
        assert numbers(journal)[-1] == 2
        assert "recovered" in [entry.kind for entry in journal.read()]


def test_a_reader_sees_what_is_whole_while_a_line_is_being_written(journal: Journal) -> None:
    filled(journal)
    journal.path.write_bytes(journal.path.read_bytes() + b'{"seq":4,"ti')
    assert numbers(journal) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    "line",
    [
        '{"seq":0,"time":"2026-11-24T00:00:00+00:00","who":"t","kind":"n","data":{"x":NaN},"prev":"","hash":""}',
        '{"seq":0,"time":"2026-11-24T00:00:00+00:00","who":"t","kind":"n","data":{"x":1e999},"prev":"","hash":""}',
        '{"seq":0,"time":"soon","who":"t","kind":"n","data":{},"prev":"","hash":""}',
        '{"seq":0,"time":"2026-11-24T00:00:00+00:00","who":"t","kind":"n","data":[],"prev":"","hash":""}',
        "[" * 100_000,
        "9" * 5000,
    ],
    ids=["nan", "infinite", "time", "data", "deep", "digits"],
)
def test_a_line_that_no_parser_likes_is_an_error_and_nothing_worse(journal: Journal, line: str) -> None:
    journal.path.write_text(f"{line}\n", encoding="utf-8")
    with pytest.raises(JournalError, match="expected"):
        journal.read()
    with pytest.raises(JournalError, match="expected"):
        journal.append("note", {})


def test_a_pipe_under_a_journals_name_keeps_nobody_waiting(journal: Journal) -> None:
    journal.path.unlink()
    os.mkfifo(journal.path)
    for use in (journal.read, lambda: journal.append("note", {})):
        with pytest.raises(JournalError, match="expected a regular file, found something else"):
            use()


def test_a_writer_that_was_stopped_keeps_nobody_waiting(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("golive.journal.LOCK_SECONDS", 0.1)
    with journal.path.open("rb") as other:
        fcntl.flock(other.fileno(), fcntl.LOCK_EX)
        with pytest.raises(JournalError, match=r"expected its lock within 0\.1 s, found it held"):
            journal.append("note", {})
    journal.append("note", {})


def test_eight_writers_at_once_lose_nothing(journal: Journal) -> None:
    processes = [start("many", journal, f"w{number}", "25") for number in range(8)]
    assert [process.wait(timeout=60) for process in processes] == [0] * 8
    for process in processes:
        process.communicate()
    entries = journal.read()
    for number in range(8):
        assert [entry.data["number"] for entry in entries if entry.who == f"w{number}"] == list(range(25))
    assert [entry.seq for entry in entries] == list(range(200))


def test_writers_killed_in_the_middle_leave_a_journal_that_goes_on(journal: Journal) -> None:
    for turn in range(5):
        processes = [start("forever", journal, f"w{turn}-{number}") for number in range(2)]
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "writing\n"
        for process in processes:
            process.kill()
            process.communicate()
        journal.append("note", {"number": turn})
    mine = [entry.data["number"] for entry in journal.read() if entry.who == "test" and entry.kind == "note"]
    assert mine == list(range(5))


def test_a_full_disk_is_an_error_and_leaves_no_half_line(journal: Journal) -> None:
    filled(journal)
    before = journal.path.read_bytes()
    process = start("full", journal, "w")
    said, _ = process.communicate(timeout=30)
    assert "expected to append 'note', found: File too large" in said
    assert journal.path.read_bytes() == before
    assert numbers(journal) == [0, 1, 2, 3]
    journal.append("note", {"number": 4})
    assert numbers(journal)[-1] == 4


def test_a_lost_outcome_is_known_to_every_process_of_the_run(journal: Journal) -> None:
    assert not journal.given_up
    journal.give_up()
    assert Journal(journal.path, "another", Redactor()).given_up


def test_a_line_is_json_with_sorted_keys(journal: Journal) -> None:
    line = filled(journal, 1)[0]
    assert list(json.loads(line)) == ["data", "hash", "kind", "prev", "seq", "time", "who"]
