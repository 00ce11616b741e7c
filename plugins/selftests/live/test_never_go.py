"""A broken Service is NO-GO and says why, and no way of not looking makes it a GO."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from golive.types import items, text
from selftests.live.sabotage import SABOTEUR, sabotage
from selftests.live.world import ROOT, World, ended, watchdogs

LONG = pytest.mark.long


@pytest.mark.parametrize("workers", [pytest.param((), id="alone"), pytest.param(("-n", "4"), id="n4", marks=LONG)])
def test_a_deleted_canary_service_is_named_with_expected_observed_and_fix(
    world: World, reports: Path, workers: tuple[str, ...]
) -> None:
    with world.broken("canary-service-missing"):
        run = world.suite(reports, *workers)
    assert run.code == 20, run.output
    assert run.outcome("0.5-services") == "failed"
    (row,) = [row for row in items(run.verdict, "criteria") if text(row, "id") == "0.5-services"]
    assert text(row, "expected") == "Service maestro-server-canary exists in maestro"
    assert text(row, "observed") == "there is no such Service"
    assert "kubectl -n maestro apply -f rollout-maestro.yaml" in text(row, "fix")
    told = run.output[run.output.index("NO-GO for scope preflight") :]
    for word in ("0.5-services failed", "expected: Service", "observed: there is no", "fix:      create it"):
        assert word in told
    assert not watchdogs(reports)


WAYS = {
    "skipped": (sabotage("skip:0.5-services"), SABOTEUR),
    "xfailed": (sabotage("xfail:0.5-services"), SABOTEUR),
    "deselected by -k": ({}, ("-k", "not split_traffic")),
    "deselected by id": (
        {},
        ("--deselect=tests_golive/test_0_preconditions.py::test_stable_and_canary_services_can_split_traffic",),
    ),
    "its file ignored": ({}, ("--ignore=tests_golive/test_0_preconditions.py",)),
    "another file named": ({}, ("tests_golive/test_6_ownership.py",)),
    "stopped before": ({}, ("--maxfail=1", "-p", "no:randomly")),
    "its worker killed": (sabotage("worker-dies-during:0.5-services"), (*SABOTEUR, "-n", "2")),
    "its teardown failing": (sabotage("teardown-fails:0.5-services"), SABOTEUR),
    "only its collection": ({}, ("--co",)),
}


MUCH_THE_SAME = {"xfailed", "deselected by id", "another file named", "stopped before", "its teardown failing"}


@pytest.mark.parametrize("way", [pytest.param(way, marks=LONG if way in MUCH_THE_SAME else ()) for way in sorted(WAYS)])
@pytest.mark.parametrize(
    "faults", [pytest.param(("canary-service-missing",), id="broken", marks=LONG), pytest.param((), id="whole")]
)
def test_a_p0_that_was_not_proven_is_never_a_go(world: World, reports: Path, way: str, faults: tuple[str, ...]) -> None:
    env, words = WAYS[way]
    with world.broken(*faults):
        run = world.suite(reports, *words, env=env)
    if way == "only its collection":
        assert not reports.exists()  # nothing was judged, and nothing says so
        return
    if way == "stopped before" and not faults:
        assert run.code == 0  # nothing failed, so nothing was stopped
        return
    assert run.code == 20, run.output
    assert run.outcome("0.5-services") in ("failed", "not_proven")
    assert run.verdict["verdict"] == "NO-GO"


def test_a_deleted_criterion_is_not_proven(world: World, reports: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("pyproject.toml", "conftest.py"):
        shutil.copy(ROOT / name, copy)
    shutil.copytree(ROOT / "tests_golive", copy / "tests_golive", ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "tests_golive" / "test_0_preconditions.py").unlink()
    run = world.suite(reports, cwd=copy)
    assert run.code == 20, run.output
    assert run.outcome("0.5-services") == run.outcome("0.1-target") == "not_proven"
    assert run.rollback["did"] == [], "nothing is written to a cluster that was not proven to be the intended one"


@pytest.mark.parametrize("workers", [pytest.param((), id="alone", marks=LONG), pytest.param(("-n", "2"), id="n2")])
def test_a_kubeconfig_that_changes_under_a_run_is_not_followed(
    world: World, reports: Path, tmp_path: Path, workers: tuple[str, ...]
) -> None:
    mine, word = tmp_path / "kubeconfig", tmp_path / "word"
    shutil.copy(world.folder / "driver.kubeconfig", mine)
    config = tmp_path / "golive.toml"
    text_of = world.config.read_text(encoding="utf-8").replace('"driver.kubeconfig"', f'"{mine}"')
    config.write_text(re.sub(r'"(rollout-|trusted_root)', rf'"{world.folder}/\1', text_of), encoding="utf-8")
    words = (*SABOTEUR, *workers, f"--golive-config={config}")
    process = world.start(reports, *words, env=sabotage("wait-for-file:0.1-target", word))
    world.reached(word)
    mine.write_text("current-context: elsewhere", encoding="utf-8")
    word.touch()
    run = ended(process, reports)
    assert run.code == 0, run.output


@pytest.mark.parametrize("workers", [pytest.param((), id="alone"), pytest.param(("-n", "2"), id="n2", marks=LONG)])
def test_options_with_a_space_are_no_test_paths(world: World, reports: Path, workers: tuple[str, ...]) -> None:
    words = ("--golive-config", str(world.config), "--golive-report-dir", str(reports), f"--alluredir={reports}-allure")
    first, again = (world.suite(reports, *words, *workers) for _ in range(2))
    assert (first.code, again.code) == (0, 0), first.output + again.output
    assert f"rootdir: {ROOT}" in first.output


def test_two_sessions_in_one_folder_are_refused_by_name(world: World, reports: Path, tmp_path: Path) -> None:
    word = tmp_path / "word"
    process = world.start(reports, *SABOTEUR, env=sabotage("wait-for-file:6-raci", word))
    try:
        world.reached(word)
        second = world.suite(reports)
        assert second.code == 4
        assert "expected no other session, found one: Robin Castillo" in second.output
        assert "session: Robin Castillo" in world.golive("status", reports).output
    finally:
        word.touch()
        process.communicate(timeout=60)
    assert process.returncode == 0
