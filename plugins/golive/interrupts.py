"""Ctrl-C: never in the middle of opening a run; while it is closed, answered once and obeyed twice."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from golive.verdict import Exit

_FIRST = (
    "golive: the run is being closed, and a rollback under way goes on in a process of its own; waiting for its proof. "
    "Ctrl-C again leaves now (golive status tells the rest)."
)
_SECOND = "golive: left; the watchdog finishes the rollback and writes the verdict (golive status)"


@contextmanager
def deferred() -> Iterator[None]:
    """Opening a run takes half a second and must not be half done: a Ctrl-C meanwhile is raised when it is."""
    pressed: list[int] = []
    with _handled(lambda: pressed.append(1)):
        yield
    if pressed:
        raise KeyboardInterrupt


@contextmanager
def patient(say: Callable[[str], None]) -> Iterator[None]:
    """Closing a run must not be torn by an impatient key; a second one ends this process with exit 21, not proven."""
    pressed: list[int] = []

    def answer() -> None:
        pressed.append(1)
        say(_FIRST if len(pressed) == 1 else _SECOND)
        if len(pressed) > 1:
            # The watchdog sees the pipe close. Anything softer would wait for what the person does not wait for.
            os._exit(Exit.NOT_ROLLED_BACK)

    with _handled(answer):
        yield


@contextmanager
def _handled(answer: Callable[[], None]) -> Iterator[None]:
    """Call ``answer`` for each Ctrl-C inside the block; in other threads than the main one there is none to handle."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, lambda _number, _frame: answer())
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
