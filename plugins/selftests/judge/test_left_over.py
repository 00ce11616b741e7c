"""Options that show something and judge nothing: left in a CI job's environment or settings they are exit 4."""

from __future__ import annotations

from pathlib import Path

import pytest

from selftests.judge.inner import Suite

ROOT = Path(__file__).resolve().parents[3]
SHOWN, USAGE = 0, 4
SHOWS = (
    "--collect-only",
    "--co",
    "--fixtures",
    "--funcargs",
    "--fixtures-per-test",
    "--cache-show",
    "--markers",
    "--help",
    "-h",
    "--version",
    "-VV",
    "--golive-plan",
)


@pytest.fixture
def suite(pytester: pytest.Pytester) -> Suite:
    """A suite in a folder of its own, with a GO of yesterday; nothing in it may be judged, so it needs no cluster."""
    (pytester.path / "pytest.toml").write_text("[pytest]\nstrict = true\n", encoding="utf-8")
    words = (ROOT / "golive.example.toml").read_text(encoding="utf-8")
    inner = Suite(pytester, f'criteria = "criteria.toml"\n{words}')
    inner.configure()
    inner.one("raise RuntimeError('it ran')")
    (pytester.path / "reports").mkdir()
    (pytester.path / "reports" / "verdict.json").write_text('{"verdict": "GO"}', encoding="utf-8")
    return inner


def _run(suite: Suite, *args: str) -> tuple[int, str, bool]:
    """The exit code, what was said, and whether yesterday's verdict still stands."""
    done = suite.pytester.runpytest_subprocess(*args, timeout=60)
    verdict = suite.path / "reports" / "verdict.json"
    return int(done.ret), done.stdout.str() + done.stderr.str(), verdict.exists()


@pytest.mark.parametrize("option", SHOWS)
def test_what_only_shows_is_refused_where_it_was_left_in_the_environment(
    suite: Suite, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    monkeypatch.setenv("PYTEST_ADDOPTS", f"-q {option}")
    code, said, stands = _run(suite, "-m", "preflight")
    assert (code, stands) == (USAGE, False)
    assert ": expected on the command line only, found in PYTEST_ADDOPTS: nothing is judged; take it out there" in said
    assert (suite.path / "reports" / "verdict.previous.json").exists()
    assert "Traceback" not in said


@pytest.mark.parametrize("option", ["--setup-only", "--setup-plan"])
def test_what_runs_no_bodies_is_refused_from_the_environment_too(
    suite: Suite, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    monkeypatch.setenv("PYTEST_ADDOPTS", option)
    code, said, stands = _run(suite)
    assert (code, stands) == (USAGE, False)
    assert "expected whole tests to judge" in said


def test_what_only_shows_is_refused_where_it_was_left_in_the_settings(suite: Suite) -> None:
    file = suite.path / "pytest.toml"
    file.write_text('[pytest]\nstrict = true\naddopts = ["--collect-only"]\n', encoding="utf-8")
    code, said, stands = _run(suite)
    assert (code, stands) == (USAGE, False)
    assert f"--collect-only: expected on the command line only, found in addopts of {file}: nothing is judged" in said


@pytest.mark.parametrize("exported", ["", "--collect-only"])
@pytest.mark.parametrize("option", ["--collect-only", "--golive-plan", "--help"])
def test_what_is_typed_is_meant(suite: Suite, monkeypatch: pytest.MonkeyPatch, exported: str, option: str) -> None:
    monkeypatch.setenv("PYTEST_ADDOPTS", exported)
    code, said, stands = _run(suite, option)
    assert (code, stands) == (SHOWN, True), said


@pytest.mark.parametrize("option", ["--collect-only", "--markers", "--help"])
def test_unit_tests_beside_a_golive_toml_may_be_shown_by_the_environment(
    suite: Suite, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    suite.configure(('criteria = "criteria.toml"', 'criteria = "suite/criteria.toml"'))
    for folder in ("suite", "unit"):
        (suite.path / folder).mkdir()
    (suite.path / "criteria.toml").rename(suite.path / "suite" / "criteria.toml")
    suite.write("unit/test_unit.py", "def test_one():\n    pass")
    monkeypatch.setenv("PYTEST_ADDOPTS", option)
    code, said, stands = _run(suite, "unit")
    assert (code, stands) == (SHOWN, True), said
