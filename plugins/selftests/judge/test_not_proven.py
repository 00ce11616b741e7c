"""What pytest does to a naive verdict (shared/style.md), a row each: none of it may end with exit 0."""

from __future__ import annotations

import pytest

from selftests.judge.inner import SERVICES, Row, Suite, claim

GO, NO_GO, NOT_BACK, USAGE = 0, 20, 21, 4
EVERYWHERE = pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["alone", "n2"])
ALIKE = pytest.mark.parametrize(
    "workers", [pytest.param((), id="alone"), pytest.param(("-n2",), id="n2", marks=pytest.mark.long)]
)
"""What happens in the test itself and reaches the judge in its report, from wherever it ran."""
PASSES = "assert os"
FAILS = "assert not os"


@EVERYWHERE
def test_a_pass_is_go(suite: Suite, workers: tuple[str, ...]) -> None:
    suite.one(PASSES)
    done = suite.run(*workers)
    assert (done.exit, done.word, done.outcome(SERVICES)) == (GO, "GO", "passed")


@ALIKE
def test_a_failed_claim_is_no_go_and_an_untouched_world_has_nothing_to_take_back(
    suite: Suite, workers: tuple[str, ...]
) -> None:
    suite.one("evidence.equal('x', expected=1, observed=2, fix='mend it')", arguments="evidence")
    done = suite.run(*workers)
    assert (done.exit, done.word, done.outcome(SERVICES)) == (NO_GO, "NO-GO", "failed")
    assert (done.rollback["found"], done.rollback["did"], done.rollback["proven"]) == ("not_started", [], True)
    assert done.rollback["cause"] == SERVICES


@ALIKE
def test_what_was_not_observed_is_not_proven(suite: Suite, workers: tuple[str, ...]) -> None:
    bodies = {
        "0.2-artifact": ("pytest.skip('no token')", "skipped: no token"),
        "0.3-rollouts": ("pytest.xfail('known')", "known"),
        "0.4-routing-key": ("raise OSError('no route')", "OSError: no route"),
        "0.5-services": ("raise SystemExit(0)", "SystemExit: 0"),
    }
    suite.list(*map(Row, bodies))
    suite.write("test_inner.py", *(claim(Row(name), body) for name, (body, _) in bodies.items()))
    done = suite.run(*workers)
    assert done.exit == NO_GO
    assert {name: done.outcome(name) for name in bodies} == dict.fromkeys(bodies, "not_proven")
    for name, (_, seen) in bodies.items():
        assert seen in str(done.criterion(name)["observed"])


@EVERYWHERE
@pytest.mark.parametrize("status", [0, 1])
def test_a_process_that_ends_inside_a_criterion_leaves_no_go(
    suite: Suite, workers: tuple[str, ...], status: int
) -> None:
    suite.one(f"os._exit({status})")
    done = suite.run(*workers)
    assert done.word == "NO-GO"
    assert done.outcome(SERVICES) == "not_proven"
    if workers or status:  # alone, os._exit(0) is the exit status of pytest's own process: nothing runs after it
        assert done.exit != GO


def test_a_crashed_worker_is_journalled_under_the_criterion_it_judged(suite: Suite) -> None:
    suite.one("os._exit(1)")
    done = suite.run("-n2", "--max-worker-restart=0")
    assert done.exit == NO_GO
    assert "died while it was judging" in str(done.criterion(SERVICES)["observed"])
    assert "worker_died" in done.kinds()


@pytest.mark.parametrize(
    ("above", "body", "outcome"),
    [
        ("@pytest.mark.skip(reason='later')", PASSES, "not_proven"),
        ("@pytest.mark.xfail(reason='known', strict=False)", PASSES, "not_proven"),
    ],
)
def test_a_marker_alone_cannot_end_with_exit_0(suite: Suite, above: str, body: str, outcome: str) -> None:
    suite.one(body, above=above)
    done = suite.run()
    assert (done.exit, done.outcome(SERVICES)) == (NO_GO, outcome)


def test_a_marker_cannot_make_a_pass(suite: Suite) -> None:
    tests = {
        "0.2-artifact": ("@pytest.mark.skipif(True, reason='later')", PASSES, "not_proven"),
        "0.3-rollouts": ("@pytest.mark.xfail(reason='known')", FAILS, "failed"),
        "0.4-routing-key": ("@pytest.mark.xfail(reason='known', strict=True)", PASSES, "not_proven"),
        "0.5-services": ("@pytest.mark.xfail(reason='known', run=False)", PASSES, "not_proven"),
        "0.6-backup": ("@pytest.mark.parametrize('case', [])", PASSES, "not_proven"),
    }
    suite.list(*map(Row, tests))
    suite.write(
        "test_inner.py",
        *(
            claim(Row(name), body, above=above, arguments="case" if "case" in above else "")
            for name, (above, body, _) in tests.items()
        ),
    )
    done = suite.run()
    assert done.exit == NO_GO
    assert {name: done.outcome(name) for name in tests} == {name: outcome for name, (_, _, outcome) in tests.items()}


@ALIKE
def test_an_error_around_a_passing_body_is_not_proven(suite: Suite, workers: tuple[str, ...]) -> None:
    before, after = Row("0.4-routing-key"), Row("0.5-services")
    suite.list(before, after)
    fixtures = "@pytest.fixture\ndef broken():\n    assert False\n"
    fixtures += "@pytest.fixture\ndef breaks():\n    yield\n    assert False\n"
    suite.write(
        "test_inner.py", fixtures, claim(before, PASSES, arguments="broken"), claim(after, PASSES, arguments="breaks")
    )
    done = suite.run(*workers)
    assert (done.exit, done.outcome(before.id), done.outcome(after.id)) == (NO_GO, "not_proven", "not_proven")
    assert "in its set-up" in str(done.criterion(before.id)["observed"])
    assert "in its teardown" in str(done.criterion(after.id)["observed"])


@EVERYWHERE
def test_ctrl_c_in_a_criterion_is_no_go(suite: Suite, workers: tuple[str, ...]) -> None:
    suite.one("raise KeyboardInterrupt")
    done = suite.run(*workers)
    assert (done.exit, done.word) == (NO_GO, "NO-GO")
    assert "the session was interrupted" in done.out


def test_pytest_exit_with_status_0_is_no_go_even_when_every_p0_passed(suite: Suite) -> None:
    p0, p1 = Row(SERVICES), Row("6-comms", gate="p1")
    suite.list(p0, p1)
    suite.write("test_inner.py", claim(p0, PASSES), claim(p1, "pytest.exit('enough', returncode=0)"))
    done = suite.run()
    assert (done.exit, done.outcome(SERVICES)) == (NO_GO, "passed")


@pytest.mark.parametrize("flags", [("-x",), ("--maxfail=1", "-n2")], ids=" ".join)
def test_stopping_at_a_p1_failure_proves_nothing_of_what_was_left(suite: Suite, flags: tuple[str, ...]) -> None:
    p1, p0 = Row("6-comms", gate="p1"), Row(SERVICES)
    suite.list(p1, p0)
    many = "@pytest.mark.parametrize('case', range(40))"
    suite.write("test_inner.py", claim(p1, FAILS), claim(p0, PASSES, arguments="case", above=many))
    done = suite.run(*flags)
    assert (done.exit, done.outcome(SERVICES)) == (NO_GO, "not_proven")


@pytest.mark.parametrize(
    "flags",
    [
        ("-k", "nothing"),
        ("-k", "one", "-n2"),
        ("--deselect", "test_inner.py::test_0_5_services[two]"),
        ("test_inner.py::test_0_5_services[one]",),
        ("--ignore", "test_inner.py"),
        ("-m", "p1"),
    ],
    ids=" ".join,
)
def test_a_deselected_case_of_a_criterion_is_not_proven(suite: Suite, flags: tuple[str, ...]) -> None:
    p0, p1 = Row(SERVICES), Row("6-comms", gate="p1")
    suite.list(p0, p1)
    two = "@pytest.mark.parametrize('case', ['one', 'two'])"
    suite.write("test_inner.py", claim(p0, PASSES, arguments="case", above=two))
    suite.write("test_other.py", claim(p1, PASSES))
    done = suite.run(*flags)
    assert (done.exit, done.outcome(SERVICES)) == (NO_GO, "not_proven")


@ALIKE
def test_a_deleted_test_is_not_proven(suite: Suite, workers: tuple[str, ...]) -> None:
    suite.list(Row(SERVICES), Row("0.3-rollouts"))
    suite.write("test_inner.py", claim(Row("0.3-rollouts"), PASSES))
    done = suite.run(*workers)
    assert (done.exit, done.outcome(SERVICES), done.outcome("0.3-rollouts")) == (NO_GO, "not_proven", "passed")


def test_a_case_taken_out_after_collection_is_not_proven(suite: Suite) -> None:
    suite.one(PASSES)
    suite.write(
        "conftest.py", "@pytest.hookimpl(trylast=True)\ndef pytest_collection_modifyitems(items):\n    items.clear()"
    )
    done = suite.run()
    assert (done.exit, done.outcome(SERVICES)) == (NO_GO, "not_proven")


@pytest.mark.parametrize(
    "body",
    [
        "pass",
        "evidence.attach('selector', 'app=maestro')",
        "evidence.check(True, expected='it holds', observed=' ', fix='none')",
        "evidence.observed = 'it does'",
    ],
)
def test_a_body_that_claims_nothing_is_not_proven(suite: Suite, body: str) -> None:
    suite.one(body, arguments="evidence")
    done = suite.run()
    assert (done.exit, done.outcome(SERVICES)) == (NO_GO, "not_proven")
    assert done.criterion(SERVICES)["observed"] == "the test claimed nothing"


@ALIKE
def test_a_body_without_evidence_is_not_proven(suite: Suite, workers: tuple[str, ...]) -> None:
    suite.one(PASSES, claims=False)
    done = suite.run(*workers)
    assert (done.exit, done.outcome(SERVICES)) == (NO_GO, "not_proven")


def test_a_call_that_a_plugin_swallowed_is_not_proven(suite: Suite) -> None:
    suite.one(FAILS)
    suite.write("conftest.py", "@pytest.hookimpl(tryfirst=True)\ndef pytest_pyfunc_call(pyfuncitem):\n    return True")
    done = suite.run()
    assert (done.exit, done.outcome(SERVICES)) == (NO_GO, "not_proven")
    assert done.criterion(SERVICES)["observed"] == "the test claimed nothing"


@ALIKE
@pytest.mark.parametrize(
    "swallows",
    [
        "@pytest.hookimpl(wrapper=True, tryfirst=True)\ndef pytest_pyfunc_call(pyfuncitem):\n"
        "    try:\n        return (yield)\n    except Exception:\n        return True",
        "@pytest.hookimpl(tryfirst=True)\ndef pytest_pyfunc_call(pyfuncitem):\n"
        "    asked = pyfuncitem._fixtureinfo.argnames\n"
        "    try:\n        pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in asked})\n"
        "    except Exception:\n        pass\n    return True",
    ],
    ids=["around the call", "calls it itself"],
)
def test_a_doubt_that_a_plugin_swallowed_after_a_claim_held_is_not_proven(
    swallows: str, suite: Suite, workers: tuple[str, ...]
) -> None:
    suite.one(
        "evidence.check(True, expected='a', observed='a', fix='x')\nraise Unreachable('nobody answers')",
        arguments="evidence",
        above="from golive.errors import Unreachable",
    )
    suite.write("conftest.py", swallows)
    done = suite.run(*workers)
    assert (done.exit, done.outcome(SERVICES)) == (NO_GO, "not_proven")
    assert done.criterion(SERVICES)["observed"] == "nobody answers"


@pytest.mark.parametrize("flag", ["--setup-only", "--setup-plan"])
def test_running_no_bodies_is_refused(suite: Suite, flag: str) -> None:
    suite.one(PASSES)
    done = suite.run(flag)
    assert done.exit == USAGE
    assert "expected whole tests to judge" in done.out
