"""The signs a driver gives, or does not: its pulse, its walk, the turn to write, and what the record says of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from golive.approvals import approved, waiting
from golive.fence import Fence, Fenced
from golive.journal import START, Entry, Journal, create
from golive.known import applying, closed, t0_of
from golive.processes import Process, register, workers
from golive.pulse import Pulse
from golive.redact import Redactor
from golive.t0 import T0
from golive.types import Json
from golive.waiting import wait_for
from golive.walking import Blindness, Walking

AT = datetime(2026, 5, 1, 12, 0, 0, tzinfo=UTC)


def entry(kind: str, seconds: float = 0.0, /, **data: object) -> Entry:
    """One entry of a record, ``seconds`` after the start."""
    facts: Json = dict(data)  # type: ignore[arg-type]
    return Entry(0, (AT + timedelta(seconds=seconds)).isoformat(), "t", kind, facts, START, START)


class Clock:
    """A clock that stands."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    """A process that works without a pause."""
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    yield process
    process.kill()
    process.wait()


def test_without_a_beat_a_process_that_uses_no_time_stands_still() -> None:
    clock = Clock()
    pulse = Pulse(None, clock)
    seen = []
    for _ in range(5):
        clock.now += 0.5
        seen.append(pulse.still())
    assert seen == [0.5, 1.0, 1.5, 2.0, 2.5]
    pulse.beat()
    clock.now += 0.5
    assert pulse.still() == 0.5


def test_a_gap_in_our_own_looks_counts_for_a_second_at_most() -> None:
    clock = Clock()
    pulse = Pulse(None, clock)
    clock.now += 3600
    assert pulse.still() == 1.0


def test_a_busy_process_moves_without_a_beat_and_a_stopped_one_does_not(child: subprocess.Popen[bytes]) -> None:
    process, clock = Process.of(child.pid), Clock()
    assert process is not None
    pulse = Pulse(process, clock)

    def look() -> float:
        clock.now += 1.0
        return pulse.still()

    wait_for("its time to be counted", look, lambda still: still == 0.0, deadline=10, every=0.05)
    child.send_signal(signal.SIGSTOP)
    wait_for("its stop", lambda: process.stopped, bool, deadline=10, every=0.01)
    pulse.still()
    assert [look() for _ in range(3)] == [1.0, 2.0, 3.0]
    child.send_signal(signal.SIGCONT)
    wait_for("its time to be counted again", look, lambda still: still == 0.0, deadline=10, every=0.05)


def test_a_process_is_known_by_its_start_and_never_taken_for_another(child: subprocess.Popen[bytes]) -> None:
    process = Process.of(child.pid)
    assert process is not None
    assert Process.named(str(process)) == process
    other = Process(child.pid, process.started + "0")
    assert (process.lives, other.lives) == (True, False)
    other.kill()
    assert child.poll() is None
    process.kill()
    assert child.wait(timeout=10) == -signal.SIGKILL
    assert process.lives is False
    assert [Process.named(word) for word in ("", "7", "x-1", "-1-2")] == [None] * 4


def test_a_worker_registers_and_is_found_while_it_lives(tmp_path: Path) -> None:
    register(tmp_path)
    (tmp_path / "workers" / "999999-1").touch()
    assert [one.pid for one in workers(tmp_path)] == [os.getpid()]


def test_a_walk_without_a_sign_is_blind_and_one_that_ended_is_not(tmp_path: Path) -> None:
    blind = Blindness(tmp_path)
    assert blind.look() == 0.0
    with Walking(tmp_path, 25) as walk:
        blind.look()
        grown = wait_for("time to pass", blind.look, lambda seconds: seconds > 0.1, deadline=5, every=0.02)
        walk.seen(50)
        assert blind.look() < grown
        assert blind.cause == "2.2-step[50]"
    assert blind.look() == 0.0
    assert blind.cause == "2.2-step"
    with Walking(tmp_path, 100, promoting=True) as walk:
        walk.seen()
        assert blind.cause == "2.3-promoted"


HOLDER = """
import sys, pathlib
from golive.fence import Fence
with Fence(pathlib.Path(sys.argv[1])).writing(patience=5):
    print("mine", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that holds the turn."""
    argv = [sys.executable, "-c", HOLDER, str(tmp_path)]
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"mine\n"
    yield process
    process.kill()
    process.communicate()


@pytest.mark.parametrize("stopped", [True, False])
def test_a_writer_that_keeps_the_turn_is_ended(tmp_path: Path, writer: subprocess.Popen[bytes], stopped: bool) -> None:
    if stopped:
        writer.send_signal(signal.SIGSTOP)
    told = Fence(tmp_path).shut("a rollback", patience=30.0 if stopped else 0.3, spare=1)
    assert f"process {writer.pid} was about to write" in told
    assert writer.wait(timeout=10) == -signal.SIGKILL
    with pytest.raises(Fenced, match="not sent: a rollback"), Fence(tmp_path).writing(patience=1):
        raise AssertionError


def test_pytest_itself_is_never_ended(tmp_path: Path, writer: subprocess.Popen[bytes]) -> None:
    told = Fence(tmp_path).shut("a rollback", patience=0.3, spare=writer.pid)
    assert "what it sends is looked for" in told
    assert writer.poll() is None


def test_who_has_the_turn_is_named_before_it_looks_at_the_fence(tmp_path: Path) -> None:
    fence = Fence(tmp_path)
    fence.close("a rollback", patience=1)
    with pytest.raises(Fenced), fence.writing(patience=1):
        raise AssertionError
    assert (tmp_path / "turn").read_text(encoding="utf-8") == str(Process.of(os.getpid()))


def test_a_fence_that_was_closed_still_waits_for_the_write_under_way(
    tmp_path: Path, writer: subprocess.Popen[bytes]
) -> None:
    fence = Fence(tmp_path)
    assert fence.close("first", patience=0.1) is False
    assert fence.close("second", patience=0.1) is False
    assert fence.closed == "first"
    writer.communicate(b"", timeout=10)
    assert fence.close("third", patience=5) is True
    assert fence.shut("fourth", patience=1, spare=1) == ""


def snapshot(name: str) -> Json:
    return T0(f"uid-{name}", 1, f"hash-{name}", {}, (), "").to_json()


def test_t0_is_what_the_newest_apply_replaced() -> None:
    one, two = entry("t0", **snapshot("one")), entry("t0", **snapshot("two"))
    missing = entry("t0", missing="not Healthy")
    applied = entry("applied", uid="uid-one", stable="hash-one")
    back = entry("rollback_request", request="abort")

    def found(*entries: Entry) -> str:
        t0 = t0_of(entries)
        return t0.hash if t0 else ""

    assert found() == found(missing) == ""
    assert found(one, two, missing) == "hash-two"
    assert found(one, applied, two) == "hash-one"
    assert found(one, applied, back, two) == "hash-two"
    assert found(two, applied) == "hash-two"


def test_a_release_is_closed_a_while_after_it_was_promoted() -> None:
    passed = entry("outcome", id="2.3-promoted", outcome="passed", observed="Healthy")
    failed = entry("outcome", id="2.3-promoted", outcome="failed", observed="Degraded")

    def at(seconds: float, *entries: Entry) -> str:
        return closed(entries, 60.0, AT + timedelta(seconds=seconds))

    assert at(59, passed) == at(99, failed) == at(99) == ""
    assert "closed since 2026-05-01T12:01:00+00:00: 2.3-promoted passed at" in at(60, passed)
    assert at(99, passed, entry("rollback_request", 70)) == ""
    again = entry("outcome", 50, id="2.3-promoted", outcome="passed", observed="Healthy")
    assert "passed at 2026-05-01T12:00:00" in at(99, passed, again)  # judged again is not promoted again
    assert at(99, passed, entry("promoted", 49), again) == ""


def test_an_apply_is_on_its_way_until_something_says_what_became_of_it() -> None:
    sent, done, refused = entry("apply_sent"), entry("applied"), entry("apply_refused")
    assert applying([entry("run"), sent, entry("observation")]) is True
    assert [applying(one) for one in ([], [sent, done], [sent, refused], [sent, refused, sent])] == [
        False,
        False,
        False,
        True,
    ]


def test_an_approval_counts_for_the_question_it_answers() -> None:
    ask, yes = entry("waiting_for_approval", weight=25), entry("approved", weight=25, by="Alex")
    other = entry("approved", weight=50, by="Alex")
    assert approved([ask, yes], 25) == "Alex"
    assert [approved(one, 25) for one in ([], [ask], [ask, other], [yes, ask])] == [""] * 4
    assert [waiting(one) for one in ([], [ask], [ask, yes], [ask, yes, ask])] == [[], [25], [], [25]]


@pytest.mark.parametrize("writes_on", [False, True])
def test_a_journal_that_lost_its_end_says_so(tmp_path: Path, writes_on: bool) -> None:
    path = tmp_path / "run" / "journal.jsonl"
    create(path)
    one, other = (Journal(path, name, Redactor()) for name in ("one", "other"))
    for kind in ("run", "outcome"):
        one.append(kind, {})
    other.read()
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-1]))
    if writes_on:
        Journal(path, "third", Redactor()).append("finished", {})
    for journal in (one, other):
        journal.read()
        assert "expected entry 1 (outcome), which was there; found it gone" in journal.cut
    assert [entry.kind for entry in one.read()] == ["run", "finished"][: 1 + writes_on]


def test_a_journal_that_grows_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "run" / "journal.jsonl"
    create(path)
    one, other = (Journal(path, name, Redactor()) for name in ("one", "other"))
    for number in range(4):
        (one, other)[number % 2].append("run", {"n": number})
        one.read()
    assert (one.cut, other.cut) == ("", "")
