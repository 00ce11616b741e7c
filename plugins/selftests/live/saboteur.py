"""A pytest plugin of the self-tests: it does to a run what the world might. ``SABOTAGE`` names what."""

from __future__ import annotations

import os
import select
import signal
from pathlib import Path

import pytest

_WHAT, _, _ARGUMENT = os.environ.get("SABOTAGE", "").partition(":")
_WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")


def _is(item: pytest.Item) -> bool:
    mark = item.get_closest_marker("criterion")
    return mark is not None and mark.args[0] == _ARGUMENT


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark a criterion as one that may fail."""
    for item in items:
        if _WHAT == "xfail" and _is(item):
            item.add_marker(pytest.mark.xfail(reason="it was always flaky"))
        if _WHAT == "skip" and _is(item):
            item.add_marker(pytest.mark.skip(reason="no time"))


@pytest.hookimpl(trylast=True)
def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Die, or be interrupted, right after the failing report."""
    if _WORKER or not report.failed:
        return
    if _WHAT == "die-after-failure":
        os.kill(os.getpid(), signal.SIGKILL)
    if _WHAT == "interrupt-after-failure":
        os.kill(os.getpid(), signal.SIGINT)


def pytest_runtest_call(item: pytest.Item) -> None:
    """Die in the middle of a criterion, before anything is known of it."""
    if _WHAT == "die-during" and _is(item):
        os.kill(os.getpid(), signal.SIGKILL)
    if _WHAT == "worker-dies-during" and _WORKER and _is(item):
        os.kill(os.getpid(), signal.SIGKILL)
    if _WHAT == "die-and-leave-a-child" and _is(item):
        if os.fork() == 0:  # it has all our descriptors, the watchdog's pipe among them
            select.select([], [], [], 20)
            os._exit(0)
        os.kill(os.getpid(), signal.SIGKILL)
    if _WHAT == "wait-for-file" and _is(item):
        Path(_ARGUMENT_FILE).with_suffix(".reached").touch()
        from golive.waiting import wait_for

        wait_for("the test's word", Path(_ARGUMENT_FILE).exists, bool, deadline=60, every=0.02)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish() -> None:
    """Stay for a while after the last test, as a long stage would."""
    if _WHAT == "linger" and not _WORKER:
        from golive.waiting import wait_for

        wait_for("the test's word", Path(_ARGUMENT_FILE).exists, bool, deadline=60, every=0.02)


def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Fail after the claim was good."""
    if _WHAT == "teardown-fails" and _is(item):
        raise RuntimeError("the teardown went wrong")


_ARGUMENT_FILE = os.environ.get("SABOTAGE_FILE", "")
