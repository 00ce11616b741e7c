"""Stage gates in running sessions: a stage starts after the one before it, and not at all after a p0 failure there."""

from __future__ import annotations

import pytest

from selftests.judge.inner import CANARY, SERVICES, Row, Suite, claim

GO, NO_GO = 0, 20
PASSES = "assert os"
EARLY, MIDDLE = Row(SERVICES), Row(CANARY, stage="canary", more="weights = [10, 25]")
LATE = Row("3.1-mcp", stage="load")
WEIGHTS = "@pytest.mark.parametrize('weight', [25, 10])"
CASES = "@pytest.mark.parametrize('case', range(6))"
NOTE = "open('order.txt', 'a').write('{}\\n')"


def _three_stages(suite: Suite, early: str) -> None:
    suite.list(EARLY, MIDDLE, LATE)
    suite.write("test_1_late.py", claim(LATE, NOTE.format("load")))
    suite.write("test_2_middle.py", claim(MIDDLE, NOTE.format("canary"), arguments="weight", above=WEIGHTS))
    suite.write("test_3_early.py", claim(EARLY, early, arguments="case", above=CASES))


def _order(suite: Suite) -> list[str]:
    file = suite.path / "order.txt"
    return file.read_text().split() if file.exists() else []


@pytest.mark.parametrize("workers", [(), ("-n1",), ("-n4",)], ids=" ".join)
def test_stages_run_in_the_runbooks_order(suite: Suite, workers: tuple[str, ...]) -> None:
    _three_stages(suite, NOTE.format("preflight"))
    done = suite.run(*workers)
    assert done.exit == GO
    assert _order(suite) == ["preflight"] * 6 + ["canary"] * 2 + ["load"]


@pytest.mark.parametrize("workers", [(), ("-n4",)], ids=" ".join)
def test_a_failed_case_closes_every_later_stage(suite: Suite, workers: tuple[str, ...]) -> None:
    _three_stages(suite, "assert case != 5")
    done = suite.run(*workers)
    assert (done.exit, done.outcome(SERVICES)) == (NO_GO, "failed")
    assert _order(suite) == []
    assert f"these p0 criteria did not pass: {SERVICES}" in str(done.criterion("2.2-step[10]")["observed"])


def test_a_dead_worker_closes_every_later_stage(suite: Suite) -> None:
    _three_stages(suite, "if case == 5: os._exit(1)")
    done = suite.run("-n4")
    assert (done.exit, _order(suite)) == (NO_GO, [])
    assert {done.outcome(name) for name in (SERVICES, "2.2-step[10]", "2.2-step[25]", "3.1-mcp")} == {"not_proven"}


def test_a_later_stage_alone_needs_a_fresh_pass_in_the_record(suite: Suite) -> None:
    _three_stages(suite, PASSES)
    alone = suite.run("-m", "load")
    assert (alone.exit, _order(suite)) == (NO_GO, [])
    closed = alone.criterion("3.1-mcp")
    assert f"no fresh pass in the record of this digest for preflight: {SERVICES}" in str(closed["observed"])
    assert str(closed["fix"]).startswith('pytest -m "preflight or canary"')
    assert suite.run("-m", "preflight or canary").exit == GO
    after = suite.run("-m", "load")
    assert (after.exit, after.verdict["release_verdict"], _order(suite)[-1]) == (GO, "GO", "load")


def test_a_pass_of_another_digest_does_not_count(suite: Suite) -> None:
    _three_stages(suite, PASSES)
    assert suite.run("-m", "preflight or canary").exit == GO
    digest = suite.settings.split('digest = "')[1].split('"')[0]
    suite.configure((digest, "sha256:" + "0" * 64))
    assert suite.run("-m", "load").exit == NO_GO


def test_an_outcome_that_cannot_be_journalled_stops_the_run_instead_of_hanging_it(suite: Suite) -> None:
    suite.list(EARLY, LATE)
    full = (
        "import resource, signal, glob\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "size = os.stat(max(glob.glob('reports/record/*/*/journal.jsonl'))).st_size\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (size + 10, resource.RLIM_INFINITY))"
    )
    suite.write("test_inner.py", claim(EARLY, full), claim(LATE, NOTE.format("load")))
    done = suite.run("-n2", timeout=40)
    assert (done.exit, done.word, _order(suite)) == (NO_GO, "NO-GO", [])
    assert "the record is not whole" in done.out


def test_missing_approval_alone_is_pending_and_calls_nobody(suite: Suite) -> None:
    approval, promoted = Row("6-approval", stage="promote"), Row("2.3-promoted", stage="promote")
    suite.list(EARLY, promoted, approval)
    missing = "raise LookupError('no approval is recorded')"
    suite.write(
        "test_inner.py", claim(EARLY, PASSES), claim(promoted, NOTE.format("promoted")), claim(approval, missing)
    )
    for workers in ((), ("-n2",)):
        done = suite.run(*workers)
        assert (done.exit, done.word, done.verdict["rollback"]) == (22, "PENDING", None)
        assert _order(suite) == []
