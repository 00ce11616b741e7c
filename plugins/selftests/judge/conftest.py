"""One sandbox per session, reached as any cluster: by its kubeconfig. It is started by its command, never imported."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from selftests.judge.inner import Suite

_UP_SECONDS, _DOWN_SECONDS = 300.0, 60.0


def _sandbox(*words: str, deadline: float) -> None:
    argv = [sys.executable, "-m", "golive_sandbox.cli", *words]
    subprocess.run(argv, check=True, timeout=deadline, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


@pytest.fixture(scope="session")
def world() -> Iterator[Path]:
    """The folder of a running sandbox; short, because sockets are in it."""
    folder = tempfile.mkdtemp(prefix="gj", dir="/tmp")
    try:
        _sandbox(
            "up",
            "--detach",
            "--rate",
            "20",
            "--until-exit",
            str(os.getpid()),
            "--dir",
            f"{folder}/w",
            deadline=_UP_SECONDS,
        )
        yield Path(folder, "w")
    finally:
        _sandbox("down", "--dir", f"{folder}/w", deadline=_DOWN_SECONDS)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def suite(pytester: pytest.Pytester, world: Path) -> Suite:
    """An empty inner suite with an armed ``golive.toml``."""
    words = (world / "golive.toml").read_text(encoding="utf-8")
    words = words.replace('"driver.kubeconfig"', f'"{world}/driver.kubeconfig"')
    words = words.replace("armed = true", 'armed = true\ncriteria = "criteria.toml"')
    words = re.sub(r"deadline_seconds = [0-9.]+", "deadline_seconds = 20.0", words)
    (pytester.path / "pytest.toml").write_text("[pytest]\nstrict = true\n", encoding="utf-8")
    inner = Suite(pytester, words)
    inner.configure()
    return inner
