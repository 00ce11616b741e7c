"""The hooks this suite offers: a second rollback target, another report. Everything else is pytest itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from golive.verdict import Verdict


@pytest.hookspec(firstresult=True)
def pytest_golive_rollback(cause: str) -> bool | None:
    """Called in the controller at the first failed p0, while other tests still run; must not block.

    ``cause`` is the criterion's id. Return ``True`` when the rollback is taken care of. Ours asks the watchdog, and
    comes last.
    """


@pytest.hookspec
def pytest_golive_verdict(verdict: Verdict) -> None:
    """Called in the controller once the verdict is final and written."""
