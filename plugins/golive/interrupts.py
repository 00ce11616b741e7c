"""Ctrl-C while a rollback is awaited: the first is answered, the second leaves the rest to the watchdog."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from golive.verdict import Exit

_FIRST = (
    "golive: the run is being closed, and a rollback under way goes on in a process of its own; waiting for its proof. "
    "Ctrl-C again leaves now (golive status tells the rest)."
)
_SECOND = "golive: left; the watchdog finishes the rollback and writes the verdict (golive status)"


@contextmanager
def patient(say: Callable[[str], None]) -> Iterator[None]:
    """Closing a run must not be torn by an impatient key; a second one ends this process with exit 21, not proven."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    pressed = 0

    def answer(_: int, __: FrameType | None) -> None:
        nonlocal pressed
        pressed += 1
        say(_FIRST if pressed == 1 else _SECOND)
        if pressed > 1:
            # The watchdog sees the pipe close. Anything softer would wait for what the person does not wait for.
            os._exit(Exit.NOT_ROLLED_BACK)

    before = signal.signal(signal.SIGINT, answer)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
