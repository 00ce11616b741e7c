"""Where progress is shown: by the process with the terminal, past pytest's capturing, also while workers walk."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from golive.progress import Follower, Printer, Teller

if TYPE_CHECKING:
    from golive.session import Judge


def printer_for(config: pytest.Config) -> Printer | None:
    """Past the capturing of pytest; ``None`` in a worker, which has no terminal."""
    reporter = _reporter(config)
    return None if reporter is None else Printer(partial(_write, config), terminal=bool(reporter.isatty))


def tell_on(config: pytest.Config) -> Callable[[str], None]:
    """Says a line on the terminal; nothing in a worker: the journal says it too."""
    return lambda line: _write(config, f"\n{line}\n")


def _write(config: pytest.Config, words: str) -> None:
    reporter, capture = _reporter(config), config.pluginmanager.get_plugin("capturemanager")
    if reporter is not None:
        with capture.global_and_fixture_disabled() if capture else contextlib.nullcontext():
            reporter.write(words, flush=True)


def _reporter(config: pytest.Config) -> pytest.TerminalReporter | None:
    if hasattr(config, "workerinput"):
        return None  # it has a reporter all the same, which writes to nowhere
    return cast("pytest.TerminalReporter | None", config.pluginmanager.get_plugin("terminalreporter"))


def teller_for(judge: Judge, config: pytest.Config) -> Teller:
    """What a walker calls at each look."""
    settings = judge.settings
    routes = settings.metrics.critical_routes
    return Teller(judge.run.folder, settings.slo, routes, printer_for(config), judge.redactor)


class Shown:
    """In a controller of workers: shows what they tell. ``folder`` is the run's, known once it is open."""

    def __init__(self, folder: Callable[[], Path]) -> None:
        self._folder, self._follower = folder, cast("Follower | None", None)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """The run is open now."""
        printer = printer_for(session.config)
        if printer is not None:
            self._follower = Follower(self._folder(), printer)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """The verdict comes next."""
        self._stop()

    def pytest_unconfigure(self) -> None:
        """Also where the session never finished."""
        self._stop()

    def _stop(self) -> None:
        follower, self._follower = self._follower, None
        if follower is not None:
            follower.stop()
