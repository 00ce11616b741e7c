"""A pytest plugin of the self-tests: what a walker does to a run, inside criterion 6-raci. ``WALK`` names it.

It touches ``FILE.reached`` when it is there, and goes on when ``WALK_FILE`` exists.
"""

from __future__ import annotations

import os
import signal
from contextlib import ExitStack
from pathlib import Path
from typing import cast

import pytest

from golive.cluster import Cluster
from golive.controller import Controller
from golive.fence import Fence
from golive.lease import DriverLease
from golive.session import Judge
from golive.waiting import wait_for
from golive.walking import Walking

WALKER = ("-p", "selftests.live.walker")
WEIGHT = 25


def pytest_runtest_call(item: pytest.Item) -> None:
    """In the middle of the criterion."""
    mark = item.get_closest_marker("criterion")
    if mark is None or mark.args[0] != "6-raci":
        return
    does, word = os.environ["WALK"].split(","), Path(os.environ["WALK_FILE"])
    judge = cast("Judge", item.config.pluginmanager.get_plugin("golive-judge"))
    with ExitStack() as held:
        if "lease" in does:
            _take(judge)
        if "turn" in does:
            held.enter_context(Fence(judge.run.folder).writing(patience=5.0))
        if "blind" in does:
            held.enter_context(Walking(judge.run.folder, WEIGHT))
        if "ask" in does:
            judge.journal.append("waiting_for_approval", {"weight": WEIGHT})
        if "freeze" in does:
            _freeze_after_the_verdict(judge)
        word.with_suffix(".pid").write_text(str(os.getpid()), encoding="utf-8")
        word.with_suffix(".reached").touch()
        wait_for("the test's word", word.exists, bool, deadline=60, every=0.02)


def _freeze_after_the_verdict(judge: Judge) -> None:
    """Pytest stops itself between its verdict and the word to its watchdog that the run is over."""
    controller = cast("Controller", judge)
    decide = controller._decide

    def decided() -> None:
        decide()
        os.kill(os.getpid(), signal.SIGSTOP)

    controller._decide = decided  # type: ignore[method-assign]


def _take(judge: Judge) -> None:
    target = judge.settings.target
    cluster = Cluster(judge.access, uid=target.cluster_uid, request_seconds=5.0, requests_per_second=50.0)
    taken = DriverLease(cluster, judge.settings, judge.run.id, "the walker").take()
    judge.journal.append("lock", {"holder": taken.holder, "since": taken.since})
