"""One sandbox for all tests of this folder; each leaves it as it was."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from selftests.live.world import World


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    """A world with the stable version at rest."""
    # Not pytest's folder: a unix socket's path must be short.
    with tempfile.TemporaryDirectory(prefix="golive-live-", ignore_cleanup_errors=True) as folder:
        world = World(Path(folder) / "w")
        try:
            world.sandbox("up", "--detach", "--rate", "100", "--until-exit", str(os.getpid()))
            yield world
        finally:
            world.sandbox("down")


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    """Where a run keeps what it writes."""
    return tmp_path / "reports"
