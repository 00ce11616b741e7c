"""When the judge is awake, when it refuses to start (exit 4), and when it stays out of the way."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from selftests.judge.inner import SERVICES, Row, Suite, claim

GO, NO_GO, USAGE = 0, 20, 4
PASSES = "assert os"


@pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["alone", "n2"])
def test_criteria_without_a_golive_toml_are_exit_4(suite: Suite, workers: tuple[str, ...]) -> None:
    suite.one(PASSES)
    (suite.path / "golive.toml").unlink()
    done = suite.run(*workers)
    assert done.exit == USAGE
    assert "criteria were collected, but there is no judge" in done.out
    assert "golive init writes one" in done.out


def test_criteria_beside_a_golive_toml_but_outside_its_folder_are_exit_4(suite: Suite) -> None:
    suite.configure(('criteria = "criteria.toml"', 'criteria = "suite/criteria.toml"'))
    elsewhere = suite.path / "elsewhere"
    elsewhere.mkdir()
    suite.write("elsewhere/test_inner.py", claim(Row(SERVICES), PASSES))
    done = suite.run("-m", "preflight", "elsewhere")
    assert done.exit == USAGE
    assert "--golive-config" in done.out


@pytest.mark.parametrize("markers", ["not load", "load", "not slow"])
def test_unit_tests_beside_a_golive_toml_do_not_wake_the_judge(suite: Suite, markers: str) -> None:
    suite.configure(('criteria = "criteria.toml"', 'criteria = "suite/criteria.toml"'))
    (suite.path / "unit").mkdir()
    more = "def pytest_configure(config):\n    config.addinivalue_line('markers', 'slow: slow')"
    suite.write("unit/conftest.py", more)
    suite.write("unit/test_unit.py", "@pytest.mark.load\ndef test_one():\n    pass\ndef test_two():\n    pass")
    done = suite.run("unit", "-m", markers)
    assert done.exit == GO
    assert not done.reports.exists()
    assert "go-live" not in done.out


@pytest.mark.parametrize(
    "flag", ["--collect-only", "--fixtures", "--fixtures-per-test", "--markers", "--help", "--version"]
)
def test_looking_does_not_wake_the_judge(suite: Suite, flag: str) -> None:
    suite.one(PASSES)
    done = suite.run(flag)
    assert done.exit == GO
    assert not done.reports.exists()


def test_looking_into_the_cache_does_not_wake_the_judge(suite: Suite) -> None:
    suite.one(PASSES)
    done = suite.pytester.runpytest_subprocess("--cache-show", timeout=30)
    assert int(done.ret) == GO
    assert not (suite.path / "reports").exists()


def test_the_plan_prints_each_criterion_and_touches_nothing(suite: Suite) -> None:
    suite.one("raise RuntimeError('it ran')")
    done = suite.run("--golive-plan")
    assert done.exit == GO
    assert f"{SERVICES} (p0, preflight, runbook 0)" in done.out
    assert not done.reports.exists()


@pytest.mark.parametrize("dist", ["worksteal", "loadfile", "loadscope", "loadgroup"])
def test_a_distribution_that_breaks_stages_is_refused(suite: Suite, dist: str) -> None:
    suite.one(PASSES)
    done = suite.run("-n2", "--dist", dist)
    assert done.exit == USAGE
    assert f"--dist {dist}: expected load" in done.out


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("armed = true", "", "golive.toml: armed: expected a value (it has no default), found none"),
        (
            'criteria = "criteria.toml"',
            'criteria = "gone.toml"',
            "expected the ratified list of criteria, found: No such",
        ),
        ('criteria = "criteria.toml"', 'scope = ["lunch"]', "scope: expected stages among preflight"),
    ],
)
def test_a_wrong_file_is_one_line_and_exit_4(suite: Suite, old: str, new: str, said: str) -> None:
    suite.one(PASSES)
    suite.configure((old, new))
    (suite.path / "tests_golive").mkdir()
    (suite.path / "criteria.toml").rename(suite.path / "tests_golive" / "criteria.toml")
    if "criteria.toml" not in old:
        (suite.path / "criteria.toml").write_text(Row(SERVICES).toml())
    done = suite.run()
    assert done.exit == USAGE
    assert said in done.out
    assert "Traceback" not in done.out


@pytest.mark.parametrize("given", [("--golive-config", "gone.toml"), ("-m", "preflight and")], ids=" ".join)
def test_a_wrong_command_line_is_exit_4(suite: Suite, given: tuple[str, ...]) -> None:
    suite.one(PASSES)
    done = suite.run(*given)
    assert done.exit == USAGE
    assert "Traceback" not in done.out


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (
            "@pytest.mark.p0\n@pytest.mark.preflight\ndef test_x():\n    '''Runbook: 0'''",
            "expected @pytest.mark.criterion",
        ),
        (
            "pytestmark = pytest.mark.p0\n@pytest.mark.preflight\n@pytest.mark.criterion('0.5-services')\n"
            "def test_x():\n    '''It MUST hold.'''",
            'expected a docstring with "Runbook: section ..."',
        ),
    ],
)
def test_a_criterion_that_is_not_as_agreed_is_a_collection_error(suite: Suite, source: str, said: str) -> None:
    suite.list(Row(SERVICES))
    suite.write("test_inner.py", source)
    done = suite.run()
    assert (done.exit, done.word) == (NO_GO, "NO-GO")
    assert said in done.out


def test_a_second_session_on_the_same_reports_is_exit_4_and_names_the_holder(suite: Suite) -> None:
    suite.one("import sys\nsys.__stdout__.write('inside\\n')\nsys.__stdout__.flush()\nsys.__stdin__.readline()")
    argv = [sys.executable, "-m", "pytest", "-s", "-p", "no:cacheprovider"]
    first = subprocess.Popen(argv, cwd=suite.path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert first.stdout is not None
    try:
        next(line for line in first.stdout if "inside" in line)
        second = suite.run()
        assert second.exit == USAGE
        assert "expected no other session, found one: Robin Castillo" in second.out
        assert f"pid {first.pid}" in second.out
        first.communicate("go on\n", timeout=30)
        assert first.returncode == GO
    finally:
        first.kill()
        first.communicate()


def test_a_killed_session_leaves_no_go_and_frees_the_reports(suite: Suite) -> None:
    suite.one(f"os.kill(os.getpid(), {int(signal.SIGKILL)})")
    assert suite.run().exit == -signal.SIGKILL
    suite.one(PASSES)
    assert suite.run().exit == GO
