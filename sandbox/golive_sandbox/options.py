"""What whoever starts a sandbox asks for."""

from __future__ import annotations

from dataclasses import dataclass

from golive_sandbox.scenarios.table import CLEAN
from golive_sandbox.traffic import DEFAULT_RATE


@dataclass(frozen=True, slots=True)
class Options:
    """``scenario`` of the default world and its traffic in requests a second (``rate``).

    ``until_exit``: a process whose end is the sandbox's. ``remove``: the folder goes with it.
    """

    scenario: str = CLEAN
    rate: float = DEFAULT_RATE
    until_exit: int | None = None
    remove: bool = False
