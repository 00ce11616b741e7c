"""How a session can end: every way but a GO leaves something else than exit 0, and the reports say why."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from selftests.judge.inner import SERVICES, Row, Suite, claim

GO, NO_GO, NOT_BACK, USAGE = 0, 20, 21, 4
PASSES = "assert os"
FAILS = "evidence.equal('x', expected=1, observed=2, fix='mend it')"


@pytest.mark.parametrize(
    "hook",
    [
        "def pytest_sessionstart():\n    raise RuntimeError('no port')",
        "def pytest_sessionstart():\n    pytest.exit('not today', returncode=0)",
        "def pytest_runtest_logreport():\n    raise RuntimeError('a reporter broke')",
        "@pytest.hookimpl(trylast=True)\ndef pytest_sessionfinish(session):\n"
        "    session.exitstatus = 0\n    pytest.exit('x', 0)",
    ],
    ids=["sessionstart-error", "sessionstart-exit-0", "internal-error", "sessionfinish-exit-0"],
)
def test_a_session_that_another_plugin_breaks_is_no_go(suite: Suite, hook: str) -> None:
    suite.one("evidence.equal('x', expected=1, observed=2, fix='mend it')", arguments="evidence")
    suite.write("conftest.py", hook)
    done = suite.run()
    assert done.exit != GO
    assert (done.word, done.verdict["run"] is not None) == ("NO-GO", True)


def test_an_internal_error_after_a_pass_is_no_go_also_when_judged_again(suite: Suite) -> None:
    suite.one(PASSES)
    suite.write("conftest.py", "def pytest_runtest_logfinish():\n    raise RuntimeError('a reporter broke')")
    done = suite.run()
    assert (done.exit, done.outcome(SERVICES)) == (NO_GO, "passed")
    problems = [entry.data["problem"] for entry in done.journal() if entry.kind == "problem"]
    assert problems == done.verdict["problems"] == ["pytest itself failed (internal error above)"]


@pytest.mark.parametrize(
    "hook",
    [
        "@pytest.hookimpl(wrapper=True)\ndef pytest_runtest_makereport(item, call):\n"
        "    report = yield\n    report.outcome = 'passed'\n    report.longrepr = None\n    return report",
        "@pytest.hookimpl(wrapper=True)\ndef pytest_runtest_makereport(item, call):\n"
        "    call.excinfo = None\n    return (yield)",
        "@pytest.hookimpl(wrapper=True)\ndef pytest_pyfunc_call(pyfuncitem):\n"
        "    try:\n        return (yield)\n    except AssertionError:\n        return True",
    ],
    ids=["report", "exception", "swallowed"],
)
def test_a_failure_that_another_plugin_hides_is_a_failure(suite: Suite, hook: str) -> None:
    suite.one(FAILS, arguments="evidence")
    suite.write("conftest.py", hook)
    done = suite.run()
    assert (done.exit, done.outcome(SERVICES)) == (NO_GO, "failed")
    assert done.criterion(SERVICES)["observed"] == "x: 2"


@pytest.mark.parametrize("first", ["passes", "fails"])
def test_a_rerun_hides_nothing(suite: Suite, first: str) -> None:
    again = (
        "from _pytest.runner import runtestprotocol\n"
        "def pytest_runtest_protocol(item, nextitem):\n"
        "    runtestprotocol(item, nextitem=nextitem, log=False)\n    item._initrequest()\n"
        "    for report in runtestprotocol(item, nextitem=nextitem, log=False):\n"
        "        item.ihook.pytest_runtest_logreport(report=report)\n    return True\n"
    )
    suite.write("conftest.py", again)
    wrong = "len(tries) == 2" if first == "passes" else "len(tries) == 1"
    row = Row(SERVICES)
    suite.list(row)
    suite.write("test_inner.py", "tries = []", claim(row, f"tries.append(1)\nassert not ({wrong})"))
    done = suite.run()
    assert (done.exit, done.outcome(SERVICES)) == (NO_GO, "failed")


def test_an_ordinary_test_that_fails_alongside_is_no_go_and_takes_nothing_back(suite: Suite) -> None:
    row = Row(SERVICES)
    suite.list(row)
    suite.write("test_inner.py", claim(row, PASSES), "def test_ordinary():\n    assert False")
    for workers in ((), ("-n2",)):
        done = suite.run(*workers)
        assert (done.exit, done.word, done.outcome(SERVICES)) == (NO_GO, "NO-GO", "passed")
        assert done.verdict["problems"] == ["1 tests or files that are no criteria failed"]
        assert done.verdict["rollback"] is None
        assert "rollback_started" not in done.kinds()


def test_a_file_that_cannot_be_collected_alongside_is_never_exit_0(suite: Suite) -> None:
    suite.one(PASSES)
    suite.write("test_broken.py", "1 / 0")
    done = suite.run("--continue-on-collection-errors")
    assert (done.exit, done.word, done.verdict["rollback"]) == (NO_GO, "NO-GO", None)
    assert suite.run("--continue-on-collection-errors", "-n2").exit != GO
    assert suite.run().exit == NO_GO


def test_a_p1_failure_alone_is_go(suite: Suite) -> None:
    p0, p1 = Row(SERVICES), Row("6-comms", gate="p1")
    suite.list(p0, p1)
    suite.write("test_inner.py", claim(p0, PASSES), claim(p1, FAILS, arguments="evidence"))
    for workers in ((), ("-n2",)):
        done = suite.run(*workers)
        assert (done.exit, done.word, done.outcome("6-comms")) == (GO, "GO", "failed")
        assert "needs an acknowledgement" in done.out


def test_a_rollback_that_cannot_be_proven_is_21(suite: Suite) -> None:
    row = Row(SERVICES)
    suite.list(row)
    named = re.search(r'kubeconfig = "(.+)"', suite.settings)
    assert named is not None
    elsewhere = re.sub(r"https://127\.0\.0\.1:\d+", "https://127.0.0.1:9", Path(named[1]).read_text(encoding="utf-8"))
    suite.path.joinpath("gone.kubeconfig").write_text(elsewhere, encoding="utf-8")
    suite.configure((named[1], "gone.kubeconfig"), ("deadline_seconds = 20.0", "deadline_seconds = 5.0"))
    suite.write("test_inner.py", claim(row, FAILS, arguments="evidence"))
    done = suite.run()
    assert (done.exit, done.word, done.rollback["proven"]) == (NOT_BACK, "NO-GO", False)
    assert "NOT PROVEN: act by hand now" in done.out


@pytest.mark.parametrize("kind", ["RuntimeError", "SystemExit", "KeyboardInterrupt"])
@pytest.mark.parametrize("hook", ["pytest_golive_rollback", "pytest_golive_verdict"])
def test_a_hook_that_raises_neither_hides_the_verdict_nor_keeps_traffic_here(
    suite: Suite, hook: str, kind: str
) -> None:
    suite.one(FAILS, arguments="evidence")
    suite.write("conftest.py", f"def {hook}():\n    raise {kind}('second target broke')")
    done = suite.run()
    assert (done.exit, done.outcome(SERVICES), done.rollback["found"]) == (NO_GO, "failed", "not_started")
    assert f"a {hook} hook failed: {kind}: second target broke" in done.out


@pytest.mark.parametrize("kind", ["RuntimeError", "SystemExit", "KeyboardInterrupt"])
def test_a_verdict_hook_that_raises_on_go_makes_it_no_go(suite: Suite, kind: str) -> None:
    suite.one(PASSES)
    suite.write("conftest.py", f"def pytest_golive_verdict():\n    raise {kind}(0)")
    done = suite.run()
    assert (done.exit, done.word, done.verdict["rollback"]) == (NO_GO, "NO-GO", None)
    assert done.verdict["problems"] == [f"a pytest_golive_verdict hook failed: {kind}: 0"]


def test_another_plugin_may_refuse_a_go(suite: Suite) -> None:
    suite.one(PASSES)
    hook = "@pytest.hookimpl(trylast=True)\ndef pytest_sessionfinish(session):\n    session.exitstatus = 7"
    suite.write("conftest.py", hook)
    done = suite.run()
    assert (done.exit, done.word) == (7, "GO")


def test_the_second_rollback_target_is_told_the_cause(suite: Suite) -> None:
    suite.one(FAILS, arguments="evidence")
    suite.write("conftest.py", "def pytest_golive_rollback(cause):\n    print('asked for', cause)")
    assert f"asked for {SERVICES}" in suite.run("-s").out


def test_disarmed_judges_all_the_same_and_says_that_nothing_was_written(suite: Suite) -> None:
    suite.one(FAILS, arguments="evidence")
    suite.write("conftest.py", "def pytest_golive_rollback(cause):\n    print('asked for', cause)")
    done = suite.run("--golive-disarm", "-s")
    assert (done.exit, done.rollback["found"], done.rollback["did"]) == (NO_GO, "not_started", [])
    assert "disarmed: found not_started, nothing was written" in done.out
    assert "asked for" not in done.out


def test_a_failed_target_never_calls_the_hook(suite: Suite) -> None:
    row = Row("0.1-target")
    suite.list(row)
    suite.write("test_inner.py", claim(row, FAILS, arguments="evidence"))
    done = suite.run()
    assert (done.exit, done.verdict["rollback"]) == (NO_GO, None)
    assert "rollback_started" not in done.kinds()


def test_a_failed_post_deploy_criterion_never_calls_the_hook(suite: Suite) -> None:
    row = Row("7-identity", stage="postdeploy")
    suite.list(row)
    suite.write("test_inner.py", claim(row, FAILS, arguments="evidence"))
    done = suite.run("-m", "postdeploy")
    assert (done.exit, done.verdict["rollback"]) == (NO_GO, None)


def test_a_mistyped_path_judges_nothing_and_takes_nothing_back(suite: Suite) -> None:
    suite.one(PASSES)
    done = suite.run("test_typo.py")
    assert (done.exit, done.word, done.verdict["rollback"]) == (USAGE, "NO-GO", None)
    assert "rollback_started" not in done.kinds()
