"""``golive`` on a real cluster."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from golive.config import load
from golive.errors import ConfigError
from selftests.live.world import ROOT, Ended, World


def golive(*words: str, cwd: Path = ROOT, kubeconfig: Path | None = None) -> Ended:
    argv = [sys.executable, "-m", "golive.cli", *words]
    env = {"PATH": "/usr/bin:/bin", "HOME": str(cwd), **({"KUBECONFIG": str(kubeconfig)} if kubeconfig else {})}
    done = subprocess.run(argv, cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=60)
    return Ended(done.returncode, done.stdout + done.stderr, cwd)


def test_init_writes_what_it_finds_and_names_what_is_left(world: World, tmp_path: Path) -> None:
    output = tmp_path / "golive.toml"
    reviewed = world.folder / "rollout-maestro.yaml"
    run = golive("init", f"--output={output}", f"--manifest={reviewed}", kubeconfig=world.folder / "kubeconfig")
    assert run.code == 0, run.output
    assert "left for you: release.revision, armed (false until you decide), [supply_chain], [people]" in run.output
    with pytest.raises(ConfigError, match=r"^golive.toml: release.revision: expected a full git commit"):
        load(output)
    filled = output.read_text(encoding="utf-8").replace('revision = ""', f'revision = "{"0" * 40}"')
    output.write_text(filled, encoding="utf-8")
    mine, theirs = load(output), load(world.config)
    assert mine.armed is False
    assert (mine.target.cluster_uid, mine.target.rollout) == (theirs.target.cluster_uid, theirs.target.rollout)
    assert (mine.services, mine.release.image, mine.release.tag) == (
        theirs.services,
        theirs.release.image,
        theirs.release.tag,
    )
    assert mine.people.sre.name == ""


def test_init_never_writes_over_a_file(world: World, tmp_path: Path) -> None:
    output = tmp_path / "golive.toml"
    output.write_text("mine", encoding="utf-8")
    run = golive("init", f"--output={output}", kubeconfig=world.folder / "kubeconfig")
    assert (run.code, output.read_text(encoding="utf-8")) == (4, "mine")
    assert "expected no such file yet, found one" in run.output


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--rollout=nobody",), "expected Rollout 'nobody' there, found maestro-server"),
        (("--namespace=default",), "expected exactly one Rollout, or its name in --rollout, there, found none"),
        (("--context=nowhere",), "expected context 'nowhere'"),
        (("--kubeconfig=/nowhere",), "expected a kubeconfig, found no file /nowhere"),
    ],
)
def test_init_says_what_it_cannot_find_and_writes_nothing(
    world: World, tmp_path: Path, words: tuple[str, ...], told: str
) -> None:
    output = tmp_path / "golive.toml"
    run = golive("init", f"--output={output}", *words, kubeconfig=world.folder / "kubeconfig")
    assert run.code == 4
    assert told in run.output
    assert "Traceback" not in run.output
    assert list(tmp_path.iterdir()) == []


def test_plan_lists_each_criterion_every_write_and_what_it_needs_and_touches_nothing(
    world: World, reports: Path
) -> None:
    told = world.golive("plan", reports, "-m", "preflight")
    same = world.suite(reports, "--golive-plan")
    assert (told.code, same.code) == (0, 0)
    for run in (told, same):
        assert "0.5-services (p0, preflight, runbook 0): Stable and canary Services can split traffic" in run.output
        assert "abort: JSON patch of rollout maestro/maestro-server status" in run.output
        assert "needs: patch rollouts/status.argoproj.io" in run.output
        assert "not built yet, never counted as passed" in run.output
    assert not reports.exists()


def test_status_tells_the_rollout_and_the_record(world: World, reports: Path) -> None:
    fresh = world.golive("status", reports)
    assert fresh.code == 0
    assert "phase: Healthy" in fresh.output
    assert "no run yet" in fresh.output
    assert not reports.exists()
    world.suite(reports)
    after = world.golive("status", reports)
    assert "preflight: GO; by Robin Castillo" in after.output
    facts = json.loads(world.golive("status", reports, "--json").output)
    assert (facts["observed"], facts["rollout"]["phase"], facts["session"]) == (True, "Healthy", None)


def test_a_cluster_that_is_not_the_one_named_is_told_and_not_touched(world: World, reports: Path) -> None:
    with world.broken("wrong-cluster"):
        status, back = world.golive("status", reports), world.golive("rollback", reports)
    assert status.code == 1
    assert "expected the kube-system UID 00000000-0000-4000-8000-000000000000" in status.output
    assert back.code == 21
    assert "nothing was written" in back.output


@pytest.mark.parametrize("words", [(), ("nonsense",), ("plan", "--nonsense"), ("plan", "-m", "nonsense")])
def test_a_wrong_call_is_exit_4_and_one_line(world: World, words: tuple[str, ...]) -> None:
    more = (f"--golive-config={world.config}",) if words[:1] == ("plan",) else ()
    run = golive(*words, *more)
    assert run.code == 4
    assert len(run.output.strip().splitlines()) == 1


def test_rollback_works_where_the_record_cannot_be_written(world: World, tmp_path: Path) -> None:
    blocked = tmp_path / "reports"
    blocked.write_text("a file where the folder should be", encoding="utf-8")
    with world.broken("canary-at-25"):
        run = world.golive("rollback", blocked)
    assert run.code == 20, run.output
    kept = re.search(r"the record cannot be written .*; it is kept in (\S+)", run.output)
    assert kept is not None
    assert list(Path(kept[1]).glob("record/*/*/journal.jsonl"))
    shutil.rmtree(kept[1])
    assert "found canary, did abort, restore: proven" in run.output
