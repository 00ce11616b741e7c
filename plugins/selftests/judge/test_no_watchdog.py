"""A session whose watchdog does not start: a NO-GO that nobody looked behind, and no mistake of ``golive.toml``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from selftests.judge.inner import Suite

ROOT = Path(__file__).resolve().parents[3]
KUBECONFIG = {
    "apiVersion": "v1",
    "kind": "Config",
    "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:9"}}],
    "users": [{"name": "u", "user": {"token": "t"}}],
    "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
    "current-context": "x",
}


def test_a_watchdog_that_does_not_start_is_no_go_and_says_how_long_it_was_waited_for(pytester: pytest.Pytester) -> None:
    (pytester.path / "kubeconfig").write_text(json.dumps(KUBECONFIG), encoding="utf-8")
    (pytester.path / "pytest.toml").write_text("[pytest]\nstrict = true\n", encoding="utf-8")
    words = (ROOT / "golive.example.toml").read_text(encoding="utf-8")
    words = words.replace("[target]", '[target]\nkubeconfig = "kubeconfig"', 1)
    suite = Suite(pytester, f'criteria = "criteria.toml"\n{words}')
    suite.configure(("armed = false", "armed = true"))
    suite.one("assert os")
    suite.write("conftest.py", "from golive import leash\nleash.START_SECONDS = 0.0")
    done = suite.run()
    assert (done.exit, done.word) == (21, "NO-GO"), done.out
    assert "the watchdog did not start within 0 s; see " in done.out
    assert "too slow or too busy" in str(done.rollback)
