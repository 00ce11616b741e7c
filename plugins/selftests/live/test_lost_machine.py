"""The whole machine of the driver is lost: nothing of ours is left to act, and the cluster takes traffic back."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from golive.types import dig, text
from selftests.live.test_driver_death import Driven, driven, kinds, weight
from selftests.live.walker import WALKER
from selftests.live.world import eventually, watchdogs

__all__ = ["driven"]
_SECONDS = 10.0
"""The blind limit that ``Driven`` sets, and so what its Lease is good for."""


@pytest.mark.long
def test_pytest_and_watchdog_killed_at_once_leave_it_to_the_cluster(driven: Driven, reports: Path) -> None:
    process = driven.start(reports, *WALKER, "-n", "2", env=driven.walk("lease"))
    driven.reached(driven.word)
    assert weight(driven) == 25
    for dog in watchdogs(reports):
        os.kill(dog, signal.SIGKILL)
    os.killpg(process.pid, signal.SIGKILL)
    lost = time.monotonic()
    process.communicate(timeout=30)
    assert watchdogs(reports) == []
    assert "rollback_request" not in kinds(reports), "none of ours has acted"
    eventually("the cluster's own abort", lambda: weight(driven), lambda now: now == 0, 60)
    took = time.monotonic() - lost
    assert "golive-heartbeat" in text(driven.rollout(), "status", "message") or dig(driven.rollout(), "status", "abort")
    assert took < _SECONDS + 10
    told = driven.golive("status", reports)
    assert "preflight: ended without a verdict; counts as NO-GO" in told.output
    assert "aborted" in told.output
    back = driven.golive("rollback", reports)
    assert back.code == 20, back.output
