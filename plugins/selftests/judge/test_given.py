"""What a run was given is read once: a file that is swapped meanwhile is judged by nobody and is a NO-GO."""

from __future__ import annotations

import pytest

from selftests.judge.inner import SERVICES, Row, Suite, claim

NO_GO = 20
SWAP = """import pathlib
def pytest_configure(config):
    if not hasattr(config, "workerinput"):
        file = pathlib.Path("{file}")
        file.write_text(file.read_text().replace({old!r}, {new!r}))
"""
EVERYWHERE = pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["alone", "n2"])


def swap(suite: Suite, file: str, old: str, new: str) -> None:
    """A conftest that swaps a file right after the controller read it."""
    hook = "@pytest.hookimpl(trylast=True)\ndef pytest_configure"
    suite.write("conftest.py", SWAP.format(file=file, old=old, new=new).replace("def pytest_configure", hook))


@EVERYWHERE
def test_a_swapped_golive_toml_is_read_by_no_worker_and_is_no_go(suite: Suite, workers: tuple[str, ...]) -> None:
    suite.one(
        "evidence.equal('deadline', expected=20.0, observed=settings.rollback.deadline_seconds, fix='x')",
        arguments="evidence, settings",
    )
    swap(suite, "golive.toml", "deadline_seconds = 20.0", "deadline_seconds = 60.0")
    done = suite.run(*workers)
    assert (done.exit, done.outcome(SERVICES)) == (NO_GO, "passed")
    assert "golive.toml was changed while the run was under way" in str(done.verdict["problems"])


def test_workers_judge_nothing_by_another_list(suite: Suite) -> None:
    suite.one("assert os")
    swap(suite, "criteria.toml", f"{SERVICES} holds", "another title")
    done = suite.run("-n2")
    assert (done.exit, done.outcome(SERVICES)) == (NO_GO, "not_proven")
    assert "expected the ratified list that the controller read" in str(done.criterion(SERVICES)["observed"])
    assert "criteria.toml was changed while the run was under way" in str(done.verdict["problems"])


def test_a_list_that_no_worker_can_read_is_no_go(suite: Suite) -> None:
    suite.one("assert os")
    swap(suite, "criteria.toml", "[[criterion]]", "[[criterion")
    done = suite.run("-n2")
    assert done.exit not in (0, 3)
    assert done.word == "NO-GO"


@pytest.mark.parametrize("how", ["open('m.yaml', 'a').write('x')", "os.unlink('m.yaml')"], ids=["edited", "deleted"])
def test_a_manifest_that_was_edited_during_the_run_is_no_go(suite: Suite, how: str) -> None:
    old = next(line for line in suite.settings.splitlines() if line.startswith("manifest"))
    suite.configure((old, 'manifest = "m.yaml"'))
    (suite.path / "m.yaml").write_text("kind: Rollout\n", encoding="utf-8")
    row = Row(SERVICES)
    suite.list(row)
    suite.write("test_inner.py", claim(row, how))
    done = suite.run()
    assert (done.exit, done.outcome(SERVICES)) == (NO_GO, "passed")
    assert "m.yaml was changed while the run was under way" in str(done.verdict["problems"])


@EVERYWHERE
def test_a_disk_that_is_full_at_collection_is_no_go_with_the_usual_block(
    suite: Suite, workers: tuple[str, ...]
) -> None:
    suite.one("assert os")
    full = "import golive.collecting\ndef full(*_):\n    raise OSError(28, 'No space left on device')\n"
    suite.write("conftest.py", full, "golive.collecting.once_per_run = full")
    done = suite.run(*workers)
    assert (done.exit, done.word, done.outcome(SERVICES)) == (NO_GO, "NO-GO", "not_proven")
    assert "INTERNALERROR" not in done.out
    assert "release_verdict: NO-GO" in done.out
    if not workers:
        assert "No space left on device" in str(done.verdict["problems"])


@pytest.mark.parametrize("how", ["settings", "record", "plan", "look", "nothing"])
def test_a_start_that_fails_leaves_no_earlier_go(suite: Suite, how: str) -> None:
    suite.one("assert os")
    reports = suite.path / "reports"
    if how != "nothing":
        reports.mkdir()
        (reports / "verdict.json").write_text('{"verdict": "GO"}', encoding="utf-8")
    if how == "record":
        (reports / "record").write_text("", encoding="utf-8")
    else:
        suite.configure(("armed = true", "# armed"))
    done = suite.run(*{"plan": ["--golive-plan"], "look": ["--collect-only"]}.get(how, []))
    assert done.exit == (0 if how == "look" else 4)
    if how == "nothing":
        assert not reports.exists()
    moved = how in ("settings", "record")
    assert (reports / "verdict.json").exists() == (how in ("plan", "look"))
    assert (reports / "verdict.previous.json").exists() == moved


@EVERYWHERE
def test_a_plan_runs_nothing_and_is_no_way_around_the_judge(suite: Suite, workers: tuple[str, ...]) -> None:
    suite.one("open('ran', 'w')")
    assert suite.run("--golive-plan", *workers).exit == 0
    assert not (suite.path / "ran").exists()
    (suite.path / "golive.toml").unlink()
    done = suite.run("--golive-plan", *workers)
    assert (done.exit, "there is no judge" in done.out) == (4, True)
