"""A p0 fails: what becomes of the traffic, whatever dies on the way."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from golive.types import dig, items, text
from selftests.live.sabotage import SABOTEUR, sabotage
from selftests.live.world import Ended, World, ended, eventually, finished, watchdogs


def assert_back_on_stable(world: World, stable: str) -> None:
    now = world.rollout()
    assert text(now, "status", "phase") == "Healthy"
    assert (text(now, "status", "stableRS"), text(now, "status", "currentPodHash")) == (stable, stable)
    assert dig(now, "status", "canary", "weights", "canary", "weight") == 0
    told = world.kubectl("argo", "rollouts", "get", "rollout", "maestro-server", "--no-color")
    assert "Healthy" in told.split("Status:")[1].splitlines()[0]


def assert_rolled_back(run: Ended, *, cause: str) -> None:
    assert (run.rollback["cause"], run.rollback["found"], run.rollback["proven"]) == (cause, "canary", True), run.output
    assert run.rollback["did"] == ["abort", "restore"]
    legs = items(run.rollback, "legs")
    assert {text(leg, "leg") for leg in legs} >= {
        "generation", "hashes", "weights", "ingress", "stable_service", "canary_service", "endpoints",
    }  # fmt: skip
    assert all(leg["proven"] is True for leg in legs)


def journal(reports: Path) -> str:
    """What the newest journal holds so far."""
    files = sorted(reports.glob("record/*/*/journal.jsonl"))
    return files[-1].read_text(encoding="utf-8") if files else ""


@pytest.fixture
def stable(world: World) -> str:
    """The hash of the version at rest."""
    return text(world.rollout(), "status", "stableRS")


@pytest.mark.parametrize(
    "workers", [pytest.param((), id="alone", marks=pytest.mark.long), pytest.param(("-n", "4"), id="n4")]
)
def test_a_failed_p0_takes_a_canary_back_and_proves_every_leg(
    world: World, reports: Path, stable: str, workers: tuple[str, ...]
) -> None:
    with world.broken("canary-at-25", "role-empty"):
        run = world.suite(reports, *workers)
        assert_back_on_stable(world, stable)
    assert run.code == 20, run.output
    assert_rolled_back(run, cause="6-raci")
    assert "rollback (cause 6-raci): found canary, did abort, restore: proven" in run.output
    assert not watchdogs(reports)


@pytest.mark.parametrize("what", [pytest.param("die-after-failure", marks=pytest.mark.long), "die-during:6-raci"])
def test_a_driver_that_is_killed_loses_no_rollback(world: World, reports: Path, stable: str, what: str) -> None:
    with world.broken("canary-at-25", "role-empty"):
        run = world.suite(reports, *SABOTEUR, env=sabotage(what))
        assert run.code == -signal.SIGKILL
        verdict = finished(reports)
        assert_back_on_stable(world, stable)
    assert (verdict["verdict"], verdict["exit"]) == ("NO-GO", 20)
    assert_rolled_back(run, cause="6-raci")
    assert "found canary, did abort, restore: proven" in world.golive("status", reports).output


@pytest.mark.long
def test_a_worker_that_is_killed_with_the_controller_loses_no_rollback(
    world: World, reports: Path, stable: str, tmp_path: Path
) -> None:
    word = tmp_path / "word"
    with world.broken("canary-at-25"):
        process = world.start(reports, *SABOTEUR, "-n", "2", env=sabotage("wait-for-file:6-raci", word))
        world.reached(word)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=30)
        verdict = finished(reports)
        assert_back_on_stable(world, stable)
    assert (verdict["verdict"], verdict["exit"]) == ("NO-GO", 20)


@pytest.mark.parametrize("times", [pytest.param(1, marks=pytest.mark.long), pytest.param(2, marks=pytest.mark.long), 3])
@pytest.mark.parametrize(
    "moment",
    [
        pytest.param('"kind":"run"', marks=pytest.mark.long),
        '"kind":"outcome"',
        pytest.param("rollback_started", marks=pytest.mark.long),
        "rollback_request",
    ],
)
def test_ctrl_c_at_any_moment_however_often_loses_no_rollback(
    world: World, reports: Path, stable: str, moment: str, times: int
) -> None:
    with world.broken("canary-at-25", "role-empty"):
        process = world.start(reports)
        eventually(moment, lambda: moment in journal(reports), bool, 60)
        for _ in range(times):
            process.send_signal(signal.SIGINT)
            eventually("a moment", lambda: process.poll() is not None, lambda _: True)
        run = ended(process, reports)
        verdict = finished(reports)
        assert_back_on_stable(world, stable)
    assert run.code != 0
    assert (verdict["verdict"], verdict["exit"]) == ("NO-GO", 20), run.output
    if times == 1 and moment != '"kind":"run"':
        assert "Traceback" not in run.output
        assert "rollback (cause" in run.output or "waiting for its proof" in run.output


@pytest.mark.long
def test_two_sessions_take_the_same_canary_back_at_once(world: World, tmp_path: Path, stable: str) -> None:
    with world.broken("canary-at-25", "role-empty"):
        folders = [tmp_path / "one", tmp_path / "two"]
        runs = [ended(process, folder) for process, folder in [(world.start(one), one) for one in folders]]
        assert_back_on_stable(world, stable)
    # Whoever holds the canary's Lease takes it back; the other one stands back from another living driver, and says so.
    codes = sorted(run.code for run in runs)
    assert codes in ([20, 20], [20, 21]), "\n".join(run.output for run in runs)
    assert all(run.code == 20 or "driven by" in run.output for run in runs)
    assert "restore" in [word for run in runs for word in run.rollback["did"]]  # type: ignore[union-attr]


def test_a_killed_watchdog_is_replaced(world: World, reports: Path, stable: str, tmp_path: Path) -> None:
    word = tmp_path / "word"
    with world.broken("canary-at-25", "role-empty"):
        process = world.start(reports, *SABOTEUR, env=sabotage("wait-for-file:6-raci", word))
        world.reached(word)
        (dog,) = watchdogs(reports)
        os.kill(dog, signal.SIGKILL)
        word.touch()
        run = ended(process, reports)
        assert_back_on_stable(world, stable)
    assert run.code == 20, run.output
    assert_rolled_back(run, cause="6-raci")


def test_golive_rollback_does_the_same_by_hand(world: World, reports: Path, stable: str) -> None:
    with world.broken("canary-at-25"):
        run = world.golive("rollback", reports)
        again = world.golive("rollback", reports)
        assert_back_on_stable(world, stable)
    assert (run.code, again.code) == (20, 20)
    assert "found canary, did abort, restore: proven" in run.output
    assert "found already back, did nothing: proven" in again.output


def test_a_failed_p0_on_an_untouched_cluster_touches_nothing(world: World, reports: Path) -> None:
    before = world.rollout()
    with world.broken("role-empty"):
        run = world.suite(reports)
    assert run.code == 20, run.output
    # What an earlier test took back may still have pods.
    assert run.rollback["found"] in ("not_started", "already_back")
    assert (run.rollback["did"], run.rollback["proven"]) == ([], True)
    assert dig(world.rollout(), "metadata", "resourceVersion") == dig(before, "metadata", "resourceVersion")


def test_a_healthy_canary_is_left_alone_by_a_preflight_that_says_go(world: World, reports: Path) -> None:
    with world.broken("canary-at-25"):
        run = world.suite(reports)
        assert dig(world.rollout(), "status", "canary", "weights", "canary", "weight") == 25
    assert (run.code, run.rollback) == (0, {}), run.output


def test_a_disarmed_run_says_what_it_would_have_done_and_does_nothing(world: World, reports: Path) -> None:
    with world.broken("canary-at-25", "role-empty"):
        run = world.suite(reports, "--golive-disarm")
        assert dig(world.rollout(), "status", "canary", "weights", "canary", "weight") == 25
    assert run.code == 21, run.output
    assert (run.rollback["found"], run.rollback["did"], run.rollback["proven"]) == ("canary", [], False)
