"""A canary is walked, and something dies on the way: traffic ends on the old version, once, and everybody says so."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from golive.types import dig, text
from selftests.live.clients import seen_from_outside
from selftests.live.test_rollback_live import assert_back_on_stable, journal
from selftests.live.world import Ended, World, ended, eventually, finished, watchdogs

WALK = ("-m", "preflight or canary or acceptance or promote")


@pytest.fixture
def stable(world: World) -> str:
    """The hash of the version at rest."""
    return text(world.rollout(), "status", "stableRS")


@pytest.fixture(autouse=True)
def at_rest(world: World) -> Iterator[None]:
    """Whatever a test did, the next one begins with the stable version."""
    yield
    world.sandbox("reset")


def workers_of(pid: int) -> list[int]:
    """The processes of pytest-xdist that this one started."""
    files = Path(f"/proc/{pid}/task").glob("*/children")
    children = [int(word) for file in files for word in file.read_text(encoding="utf-8").split()]
    return [one for one in children if b"golive.watchdog" not in Path(f"/proc/{one}/cmdline").read_bytes()]


def walking(world: World, reports: Path, *words: str) -> subprocess.Popen[str]:
    """A walk whose windows are over at their first end, by wide limits: what dies here is not the SLOs' business."""
    wide = "[slo]\nerror_limit = 0.2\nlatency_quantile = 0.5\n"
    config = world.folder / "golive-wide.toml"
    config.write_text(world.config.read_text(encoding="utf-8").replace("[slo]\n", wide), encoding="utf-8")
    return world.start(reports, *WALK, f"--golive-config={config}", *words)


def weight(world: World) -> object:
    return dig(world.rollout(), "status", "canary", "weights", "canary", "weight")


def until_at(world: World, process: subprocess.Popen[str], percent: int) -> None:
    """Wait until the canary has this weight."""

    def look() -> object:
        if process.poll() is not None:
            pytest.fail(f"the suite ended before {percent} %:\n{process.communicate()[0]}")
        return weight(world)

    eventually(f"{percent} %", look, lambda seen: seen == percent, 90)


def assert_taken_back(world: World, reports: Path, stable: str, since: float) -> None:
    """The verdict, the cluster, ``golive status`` and an independent client tell the same."""
    verdict = finished(reports)
    assert (verdict["verdict"], verdict["exit"]) == ("NO-GO", 20), verdict
    assert_back_on_stable(world, stable)
    status = world.golive("status", reports).output
    assert "proven" in status.split("rollback (cause")[1], status
    seen = seen_from_outside(world, since)
    assert seen.release_came_once, seen
    assert seen.ends_on_stable, seen


@pytest.mark.parametrize("percent", [25, *(pytest.param(percent, marks=pytest.mark.long) for percent in (10, 50, 100))])
def test_sigkill_of_pytest_at_each_step(world: World, reports: Path, stable: str, percent: int) -> None:
    since = time.time()
    process = walking(world, reports)
    until_at(world, process, percent)
    process.kill()
    process.communicate(timeout=30)
    assert_taken_back(world, reports, stable, since)


def test_sigkill_of_a_worker(world: World, reports: Path, stable: str) -> None:
    since = time.time()
    process = walking(world, reports, "-n", "2")
    until_at(world, process, 25)
    workers = workers_of(process.pid)
    assert len(workers) == 2
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    run = ended(process, reports)
    assert run.code == 20, run.output
    assert_taken_back(world, reports, stable, since)


@pytest.mark.long
def test_sigkill_of_the_watchdog(world: World, reports: Path, stable: str) -> None:
    since = time.time()
    process = walking(world, reports)
    until_at(world, process, 10)
    for dog in watchdogs(reports):
        os.kill(dog, signal.SIGKILL)
    until_at(world, process, 25)
    process.kill()
    process.communicate(timeout=30)
    assert_taken_back(world, reports, stable, since)


def test_sigkill_of_pytest_and_its_watchdog_at_once_is_seen_by_the_cluster(
    world: World, reports: Path, stable: str
) -> None:
    since = time.time()
    process = walking(world, reports)
    until_at(world, process, 25)
    for pid in (*watchdogs(reports), process.pid):
        os.kill(pid, signal.SIGKILL)
    process.communicate(timeout=30)
    eventually("the cluster's own abort", lambda: weight(world), lambda seen: seen == 0, 60)
    assert "driver-alive" in text(world.rollout(), "status", "message")
    seen = eventually("only stable", lambda: seen_from_outside(world, since), lambda one: one.ends_on_stable, 10)
    assert seen.release_came_once, seen
    status = world.golive("status", reports)
    assert "RolloutAborted" in status.output
    assert "ended without a verdict" in status.output
    back = world.golive("rollback", reports)
    assert back.code == 20, back.output
    assert_back_on_stable(world, stable)


@pytest.mark.long
def test_a_driver_frozen_past_its_limit(world: World, reports: Path, stable: str) -> None:
    since = time.time()
    process = walking(world, reports)
    until_at(world, process, 25)
    os.kill(process.pid, signal.SIGSTOP)
    try:
        eventually("the rollback", lambda: '"kind":"rollback_ended"' in journal(reports), bool, 60)
        assert_back_on_stable(world, stable)
    finally:
        os.kill(process.pid, signal.SIGCONT)
    run = ended(process, reports)
    assert run.code == 20, run.output
    assert_taken_back(world, reports, stable, since)


def test_ctrl_c_three_times_while_the_canary_is_walked(world: World, reports: Path, stable: str) -> None:
    since = time.time()
    process = walking(world, reports)
    until_at(world, process, 25)
    for _ in range(3):
        process.send_signal(signal.SIGINT)
        eventually("a moment", lambda: process.poll() is not None, lambda _: True)
    ended(process, reports)
    assert_taken_back(world, reports, stable, since)


@pytest.mark.long
def test_two_rollbacks_at_once(world: World, reports: Path, stable: str, tmp_path: Path) -> None:
    since = time.time()
    process = walking(world, reports)
    until_at(world, process, 25)
    other = world.golive_started("rollback", tmp_path / "other")
    process.kill()
    process.communicate(timeout=30)
    said, _ = other.communicate(timeout=60)
    assert other.returncode == 20, said
    assert_taken_back(world, reports, stable, since)


def test_a_p0_after_promotion_brings_the_old_version_back_without_walking(
    world: World, reports: Path, stable: str
) -> None:
    good = ended(walking(world, reports), reports)
    assert good.code == 0, good.output
    assert text(world.rollout(), "status", "stableRS") != stable
    since = time.time()
    with world.broken("role-empty"):
        run = world.suite(reports)
    assert_promoted_back(run, world, stable)
    assert seen_from_outside(world, since).changes_at_once, seen_from_outside(world, since)


def assert_promoted_back(run: Ended, world: World, stable: str) -> None:
    assert run.code == 20, run.output
    assert (run.rollback["found"], run.rollback["did"]) == ("promoted", ["restore", "promote_full"])
    assert_back_on_stable(world, stable)
