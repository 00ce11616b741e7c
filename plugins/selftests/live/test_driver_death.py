"""The driver freezes, dies or goes blind; another one drives: what becomes of the traffic, and what is said of it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path

import pytest

from golive.access import resolve
from golive.cluster import Cluster
from golive.config import load
from golive.journal import Entry, Journal
from golive.lease import DriverLease, Held, Lost
from golive.processes import workers
from golive.redact import Redactor
from golive.types import dig, items, text
from selftests.live.test_rollback_live import assert_back_on_stable
from selftests.live.walker import WALKER
from selftests.live.world import ROOT, World, ended, eventually, finished, watchdogs

LEASE = "golive-maestro-server"
ONLY = """
[[criterion]]
id = "6-raci"
gate = "p0"
stage = "preflight"
runbook = "6"
title = "Every role is filled and reachable"
"""
"""A list of one: what the others say of this world is not what is tried here."""


class Driven(World):
    """The same world, driven with short limits, by an account that may hold Leases."""

    def __init__(self, world: World, folder: Path) -> None:
        super().__init__(world.folder)
        self.word, self._mine = folder / "word", folder / "golive.toml"

    def configure(self, canary: str = "") -> None:
        """Write its ``golive.toml``, from the world's own as it is now."""
        words = (self.folder / "golive.toml").read_text(encoding="utf-8")
        words = words.replace('"driver.kubeconfig"', f'"{self.folder}/kubeconfig"')
        words = words.replace('"rollout-', f'"{self.folder}/rollout-')
        for part in ("rollback", "heartbeat", "canary"):
            words = re.sub(rf"(?ms)^\[{part}\]\n.*?(?=^\[|\Z)", "", words)
        words += (
            "\n[rollback]\ndeadline_seconds = 15.0\nsettle_seconds = 1.0\nblind_limit_seconds = 10.0\n"
            "driver_limit_seconds = 2.0\n"
            "[heartbeat]\nrenew_seconds = 0.5\nhandover_seconds = 60.0\n"
            f"[canary]\n{canary}\n"
        )
        self._mine.write_text(f'criteria = "criteria.toml"\n{words}', encoding="utf-8")
        self._mine.with_name("criteria.toml").write_text(ONLY, encoding="utf-8")
        self.config = self._mine

    def start(
        self, reports: Path, *words: str, env: Mapping[str, str] | None = None, cwd: Path = ROOT
    ) -> subprocess.Popen[str]:
        """Pytest on the one criterion."""
        return super().start(reports, *words, str(ROOT / "tests_golive" / "test_6_ownership.py"), env=env, cwd=cwd)

    def walk(self, does: str) -> dict[str, str]:
        """The environment for ``WALKER``."""
        path = f"{ROOT / 'plugins'}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
        return {"WALK": does, "WALK_FILE": str(self.word), "PYTHONPATH": path}

    def lease(self, run: str, *, digest: str = "") -> DriverLease:
        """A session of its own."""
        settings = load(self._mine)
        release = settings.release.model_copy(update={"digest": digest or settings.release.digest})
        access, target = resolve(settings.target.kubeconfig, None), settings.target
        cluster = Cluster(access, uid=target.cluster_uid, request_seconds=5.0, requests_per_second=50.0)
        return DriverLease(cluster, settings.model_copy(update={"release": release}), run, f"somebody of {run}")


@pytest.fixture
def driven(world: World, tmp_path: Path) -> Iterator[Driven]:
    """A canary at 25 %, and no session drives it."""
    found = Driven(world, tmp_path)
    with world.broken("canary-at-25"):
        found.configure()
        try:
            yield found
        finally:
            world.kubectl("delete", "lease", LEASE, "--ignore-not-found")


@pytest.fixture
def stable(driven: Driven) -> str:
    """The hash of the version that takes most of the traffic."""
    return text(driven.rollout(), "status", "stableRS")


def entries(reports: Path) -> tuple[Entry, ...]:
    """The newest journal."""
    return Journal(max(reports.glob("record/*/*/journal.jsonl")), "reader", Redactor()).read()


def kinds(reports: Path) -> list[str]:
    return [entry.kind for entry in entries(reports)]


def weight(world: World) -> object:
    return dig(world.rollout(), "status", "canary", "weights", "canary", "weight")


def holder(world: World) -> str:
    return world.kubectl("get", "lease", LEASE, "--ignore-not-found", "-o", "jsonpath={.spec.holderIdentity}")


def renewed(world: World) -> str:
    return world.kubectl("get", "lease", LEASE, "-o", "jsonpath={.spec.renewTime}")


def test_a_pytest_that_does_not_move_counts_as_gone_and_is_told_when_it_thaws(
    driven: Driven, reports: Path, stable: str
) -> None:
    process = driven.start(reports, *WALKER, env=driven.walk("lease"))
    driven.reached(driven.word)
    eventually("a renewal", lambda: holder(driven), bool)
    process.send_signal(signal.SIGSTOP)
    eventually("a rollback of its own", lambda: "rollback" in kinds(reports), bool)
    assert_back_on_stable(driven, stable)
    assert "finished" not in kinds(reports)
    process.send_signal(signal.SIGCONT)
    driven.word.touch()
    run = ended(process, reports)
    assert run.code == 20, run.output
    assert any("pytest did not move for" in str(one) for one in run.verdict["problems"])  # type: ignore[union-attr]
    assert (run.rollback["did"], run.rollback["proven"]) == (["abort", "restore"], True)
    assert "pytest did not move" in next(text(one.data, "why") for one in entries(reports) if one.kind == "fence")
    assert holder(driven) == "", "nothing is left to drive"


@pytest.mark.long
def test_a_pytest_that_never_thaws_is_judged_when_it_dies(driven: Driven, reports: Path, stable: str) -> None:
    process = driven.start(reports, *WALKER, env=driven.walk(""))
    driven.reached(driven.word)
    process.send_signal(signal.SIGSTOP)
    eventually("a rollback of its own", lambda: "rollback" in kinds(reports), bool)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)
    verdict = finished(reports)
    assert_back_on_stable(driven, stable)
    assert (verdict["verdict"], verdict["exit"]) == ("NO-GO", 20)


def test_a_pytest_that_stands_still_after_its_go_keeps_it(driven: Driven, reports: Path) -> None:
    driven.word.touch()
    process = driven.start(reports, *WALKER, env=driven.walk("lease,freeze"))
    handed = ("get", "lease", LEASE, "--ignore-not-found", "-o", r"jsonpath={.metadata.annotations.golive/handover}")
    driven.reached(driven.word)
    eventually("the verdict", lambda: kinds(reports), lambda seen: "finished" in seen)
    eventually("the handover", lambda: driven.kubectl(*handed), lambda seen: seen == "true", 60)
    assert "rollback_started" not in kinds(reports)
    assert weight(driven) == 25
    process.send_signal(signal.SIGCONT)
    run = ended(process, reports)
    assert (run.code, run.verdict["verdict"], weight(driven)) == (0, "GO", 25), run.output


@pytest.mark.long
def test_a_short_stop_and_a_long_test_are_no_death(driven: Driven, reports: Path) -> None:
    process = driven.start(reports, *WALKER, env=driven.walk("lease"))
    driven.reached(driven.word)
    process.send_signal(signal.SIGSTOP)
    before = renewed(driven)
    eventually("a second", lambda: renewed(driven), lambda one: _seconds(before, one) >= 1.0)
    process.send_signal(signal.SIGCONT)
    eventually("three more", lambda: renewed(driven), lambda one: _seconds(before, one) >= 4.0)
    driven.word.touch()
    run = ended(process, reports)
    assert (run.code, weight(driven)) == (0, 25), run.output
    assert holder(driven), "the canary is handed over"


def _seconds(before: str, after: str) -> float:
    return (datetime.fromisoformat(after) - datetime.fromisoformat(before)).total_seconds()


def test_a_writer_that_was_stopped_in_the_middle_is_ended_and_holds_nothing_up(
    driven: Driven, reports: Path, stable: str
) -> None:
    process = driven.start(reports, *WALKER, "-n", "2", env=driven.walk("turn"))
    driven.reached(driven.word)
    writer = int(driven.word.with_suffix(".pid").read_text(encoding="utf-8"))
    os.kill(writer, signal.SIGSTOP)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)  # the workers hold its output too: they are gone
    verdict = finished(reports)
    assert_back_on_stable(driven, stable)
    assert (verdict["verdict"], verdict["exit"]) == ("NO-GO", 20)
    (folder,) = reports.glob("record/*/*")
    assert workers(folder) == []
    fence = next(one for one in entries(reports) if one.kind == "fence")
    assert f"process {writer} was about to write, and did not let go: it was ended" in text(fence.data, "stuck")


def test_a_walker_that_sees_nothing_any_more_is_blind(driven: Driven, reports: Path, stable: str) -> None:
    process = driven.start(reports, *WALKER, env=driven.walk("blind"))
    driven.reached(driven.word)
    eventually("a rollback of its own", lambda: "rollback" in kinds(reports), bool)
    assert_back_on_stable(driven, stable)
    driven.word.touch()
    run = ended(process, reports)
    assert (run.code, run.rollback["cause"]) == (20, "2.2-step[25]"), run.output


def test_the_lease_is_renewed_also_by_a_watchdog_that_took_anothers_place_and_handed_over(
    driven: Driven, reports: Path
) -> None:
    process = driven.start(reports, *WALKER, env=driven.walk("lease"))
    driven.reached(driven.word)
    (dog,) = watchdogs(reports)
    os.kill(dog, signal.SIGKILL)
    eventually("another watchdog", lambda: watchdogs(reports), lambda found: bool(found) and dog not in found)
    before = renewed(driven)
    eventually("renewals", lambda: renewed(driven), lambda one: _seconds(before, one) >= 1.0)
    told = driven.golive("status", reports)
    assert "driver's Lease: the walker, run" in told.output
    assert "preflight: under way" in told.output
    driven.word.touch()
    run = ended(process, reports)
    assert run.code == 0, run.output
    told = driven.golive("status", reports)
    assert "handed over until" in told.output
    driven.word.unlink()
    driven.word.with_suffix(".reached").unlink()
    process = driven.start(reports, *WALKER, env=driven.walk(""))
    driven.reached(driven.word)
    eventually("the adoption", lambda: kinds(reports), lambda found: "lock" in found)
    driven.word.touch()
    again = ended(process, reports)
    assert again.code == 0, again.output
    lock = next(one for one in entries(reports) if one.kind == "lock")
    assert text(lock.data, "from") != text(lock.data, "holder")
    assert holder(driven) == text(lock.data, "holder")


@pytest.mark.parametrize("handover", [False, True])
def test_a_lease_that_another_session_holds_is_refused_by_name(driven: Driven, reports: Path, handover: bool) -> None:
    other = driven.lease("another", digest="sha256:" + "0" * 64)
    driven.kubectl("delete", "lease", LEASE, "--ignore-not-found")
    other.take()
    if handover:
        other.hand_over(60)
    else:  # longer than a run takes
        driven.kubectl("patch", "lease", LEASE, "--type=merge", "-p", '{"spec":{"leaseDurationSeconds":60}}')
    driven.word.touch()
    run = driven.suite(reports, *WALKER, env=driven.walk("lease"))
    assert run.code == 20, run.output
    assert run.outcome("6-raci") == "not_proven"
    (row,) = [row for row in items(run.verdict, "criteria") if text(row, "id") == "6-raci"]
    for words in ("driven by somebody of another, run another, since", f"kubectl -n maestro delete lease {LEASE}"):
        assert words in text(row, "observed")
    assert holder(driven) == "another"


def test_a_lease_that_is_lost_closes_the_fence_and_is_not_taken_back(driven: Driven, reports: Path) -> None:
    process = driven.start(reports, *WALKER, env=driven.walk("lease"))
    driven.reached(driven.word)
    driven.kubectl("delete", "lease", LEASE)
    eventually("the loss", lambda: "lock_lost" in kinds(reports), bool)
    driven.word.touch()
    run = ended(process, reports)
    assert holder(driven) == "", run.output
    assert any((folder / "fence").exists() for folder in reports.glob("record/*/*"))


def test_the_lease_goes_from_hand_to_hand_only_when_it_may(driven: Driven) -> None:
    one, two = driven.lease("one"), driven.lease("two")
    one.take()
    one.take()
    with pytest.raises(Held, match="driven by somebody of one, run one, since"):
        two.take()
    one.hand_over(60)
    assert two.take().holder == "two"
    with pytest.raises(Lost, match="found somebody of two, run two"):
        one.renew()
    before = two.read()
    assert before is not None
    eventually("the server's next second", two.read, lambda now: now is not None and now.seen > before.seen)
    two.renew()
    after = two.read()
    assert after is not None
    assert after.renewed is not None
    assert before.renewed is not None
    assert after.renewed > before.renewed
    two.hand_over(1)
    stranger = driven.lease("three", digest="sha256:" + "0" * 64)
    eventually("its end", two.read, lambda now: now is not None and now.expired)
    assert stranger.take().holder == "three"
    with pytest.raises(Lost):
        two.release()
    stranger.release()
    assert stranger.read() is None


@pytest.mark.long
def test_two_rollbacks_by_hand_and_a_session_at_once_move_traffic_once(
    driven: Driven, reports: Path, stable: str, tmp_path: Path
) -> None:
    process = driven.start(reports, *WALKER, env=driven.walk("lease"))
    driven.reached(driven.word)
    process.send_signal(signal.SIGKILL)  # the session's own rollback is the third
    told = [driven.golive("rollback", one) for one in (reports, tmp_path / "elsewhere")]
    process.communicate(timeout=30)
    verdict = finished(reports)
    assert_back_on_stable(driven, stable)
    assert [one.code for one in told] == [20, 20], told[0].output + told[1].output
    assert (verdict["verdict"], verdict["exit"]) == ("NO-GO", 20)
    status = driven.golive("status", reports)
    assert "rollback (cause" in status.output
    assert "nobody drives" in status.output


def test_approve_answers_the_session_that_asks_and_nobody_else(driven: Driven, reports: Path) -> None:
    driven.configure('promotion = "ask"')
    none = driven.golive("approve", reports, "25")
    assert (none.code, "expected a session of" in none.output) == (1, True)
    process = driven.start(reports, *WALKER, env=driven.walk("ask"))
    driven.reached(driven.word)
    wrong, right, again = (driven.golive("approve", reports, one) for one in ("50", "25", "25"))
    nothing = driven.golive("approve", reports)
    driven.word.touch()
    ended(process, reports)
    assert (wrong.code, "found it waits for 25 %" in wrong.output) == (1, True)
    assert (right.code, "approved: 25 %, by Alex Moreau" in right.output) == (0, True)
    assert (again.code, "found it waits for nothing" in again.output) == (1, True)
    assert (nothing.code, "6-approval) is not built yet" in nothing.output) == (4, True)
