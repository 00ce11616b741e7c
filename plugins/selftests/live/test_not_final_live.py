"""No result of a rollback is final, and what was not observed is not proven."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from golive.types import dig, text
from selftests.live.sabotage import SABOTEUR, sabotage
from selftests.live.test_rollback_live import assert_back_on_stable, journal
from selftests.live.world import World, ended, eventually, finished, watchdogs


def weight(world: World) -> object:
    return dig(world.rollout(), "status", "canary", "weights", "canary", "weight")


def stable_hash(world: World) -> str:
    return text(world.rollout(), "status", "stableRS")


def release_image(world: World) -> str:
    manifest = (world.folder / "rollout-maestro.yaml").read_text(encoding="utf-8")
    return next(line.split()[-1] for line in manifest.splitlines() if line.strip().startswith("image:"))


def test_a_canary_that_starts_after_the_first_failure_is_taken_back_at_the_next(
    world: World, reports: Path, tmp_path: Path
) -> None:
    stable, word = stable_hash(world), tmp_path / "word"
    with world.broken("manifest-other-digest", "role-empty"):
        process = world.start(reports, *SABOTEUR, env=sabotage("wait-for-file:6-raci", word))
        world.reached(word)
        eventually("the first look", lambda: "rollback_ended" in journal(reports), bool)
        with world.broken("canary-at-25"):
            word.touch()
            run = ended(process, reports)
            assert_back_on_stable(world, stable)
    assert run.code == 20, run.output
    assert (run.rollback["found"], run.rollback["did"]) == ("canary", ["abort", "restore"])


def test_a_release_that_is_put_there_again_is_taken_back_again_and_said(
    world: World, reports: Path, tmp_path: Path
) -> None:
    stable, word, image = stable_hash(world), tmp_path / "word", release_image(world)
    with world.broken("canary-at-25"):
        with world.broken("role-empty"):
            first = world.start(reports, *SABOTEUR, env=sabotage("linger", word))
            eventually("the first rollback", lambda: "rollback_ended" in journal(reports), bool, 60)
            world.kubectl("argo", "rollouts", "set", "image", "maestro-server", f"maestro-server={image}")
            eventually("the second", lambda: journal(reports).count('"request":"restore"') >= 2, bool, 60)
            word.touch()
            run = ended(first, reports)
        assert_back_on_stable(world, stable)
    assert (run.code, run.rollback["proven"]) == (20, True), run.output
    assert "the release came back after it was taken back" in text(run.rollback, "remark")


def test_without_a_proven_target_nothing_is_written_and_nothing_is_called_proven(world: World, reports: Path) -> None:
    with world.broken("canary-at-25", "role-empty"):
        run = world.suite(reports, "-k", "reachable")
        assert weight(world) == 25
    assert run.code == 21, run.output
    assert (run.rollback["found"], run.rollback["did"], run.rollback["proven"]) == ("canary", [], False)
    assert "0.1-target is not proven" in run.output


@pytest.mark.long
def test_a_misspelt_rollout_is_not_nothing_to_roll_back(world: World, reports: Path) -> None:
    whole = world.config.read_text(encoding="utf-8")
    with world.broken("canary-at-25"):
        try:
            world.config.write_text(whole.replace('rollout = "maestro-server"', 'rollout = "maestro-servr"'), "utf-8")
            run = world.golive("rollback", reports)
        finally:
            world.config.write_text(whole, encoding="utf-8")
        assert weight(world) == 25
    assert run.code == 21, run.output
    assert "there is no such Rollout, and yet something runs the release: maestro-server-" in run.output


@pytest.mark.long
def test_a_forked_child_does_not_hide_that_pytest_died(world: World, reports: Path) -> None:
    stable = stable_hash(world)
    with world.broken("canary-at-25"):
        process = world.start(reports, *SABOTEUR, env=sabotage("die-and-leave-a-child:6-raci"))
        process.wait(timeout=60)
        verdict = finished(reports)
        assert_back_on_stable(world, stable)
        process.communicate(timeout=60)
    assert (verdict["verdict"], verdict["exit"]) == ("NO-GO", 20)


@pytest.mark.long
def test_a_stopped_watchdog_is_replaced(world: World, reports: Path, tmp_path: Path) -> None:
    stable, word = stable_hash(world), tmp_path / "word"
    with world.broken("canary-at-25", "role-empty"):
        process = world.start(reports, *SABOTEUR, env=sabotage("wait-for-file:6-raci", word))
        world.reached(word)
        (dog,) = watchdogs(reports)
        os.kill(dog, signal.SIGSTOP)
        eventually("another watchdog", lambda: watchdogs(reports), lambda found: bool(found) and dog not in found)
        word.touch()
        run = ended(process, reports)
        assert_back_on_stable(world, stable)
    assert run.code == 20, run.output


def test_the_verdict_says_not_proven_until_somebody_has_looked(world: World, reports: Path, tmp_path: Path) -> None:
    word = tmp_path / "word"
    process = world.start(reports, *SABOTEUR, env=sabotage("wait-for-file:6-raci", word))
    world.reached(word)
    early = world.golive("status", reports).code, (reports / "verdict.json").read_text(encoding="utf-8")
    word.touch()
    assert ended(process, reports).code == 0
    assert early[0] == 0
    assert '"exit": 21' in early[1]
