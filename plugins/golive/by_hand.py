"""``golive rollback``: the same rollback, by the same executor, because a person says so."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from golive.access import resolve
from golive.approvals import session_under_way
from golive.closing import driver
from golive.config import Settings
from golive.errors import GoliveError, JournalError, Unreachable
from golive.fence import Fence
from golive.journal import Journal, now
from golive.leash import Leash, silent
from golive.order import LANDING_SECONDS, Order
from golive.record import Run, open_run
from golive.redact import Redactor
from golive.told import LOOKED
from golive.types import Json

CAUSE = "by hand"


def roll_back_by_hand(settings: Settings, ratified: Path, reports: Path) -> Json:
    """Take the release back and prove it; the result as ``verdict.json`` has it.

    Needs no arming and no free session: it is safe beside one that runs. A record that cannot be written does not stop
    it. Raises ``ConfigError`` for a kubeconfig that cannot be read.
    """
    access, who, started = resolve(settings.target.kubeconfig, settings.target.context), driver(settings), now()
    run = _open(settings, reports, who)
    _fence_off(settings, reports, who)
    order = Order(
        run=run,
        settings=settings,
        ratified_path=ratified,
        scope=(),
        access=access,
        armed=True,
        who=who,
        started=started,
        by_hand=True,
    )
    leash = Leash(order, tell=_say)  # an interrupt from here on leaves the watchdog at its work
    try:
        rollback = leash.finish(CAUSE)
    except Unreachable as error:
        return _kept(run, silent(CAUSE, str(error)))
    leash.over()
    why = f"the watchdog was asked and did nothing; see {run.folder / 'watchdog.log'}"
    return rollback or _kept(run, silent(CAUSE, why))


def _kept(run: Run, said: Json) -> Json:
    """What is to be said, in the record too."""
    try:
        Journal(run.journal, "golive rollback", Redactor.from_environment()).append(LOOKED, said)
    except JournalError as error:
        _say(f"the record cannot be written ({error})")
    return said


def _say(words: str) -> None:
    sys.stderr.write(f"golive: {words}\n")


def _fence_off(settings: Settings, reports: Path, who: str) -> None:
    """A session under way on these reports applies and promotes no more: who is stopped in a write is ended first.

    What was sent before may still be carried out, which the rollback waits for. Raises nothing.
    """
    patience = settings.target.request_seconds + LANDING_SECONDS
    try:
        session = session_under_way(settings, reports)
        if session is not None:
            ended = Fence(session.folder).shut(f"golive rollback, by {who}", patience=patience, spare=os.getpid())
            if ended:
                _say(ended)
    except (OSError, GoliveError) as error:
        _say(f"the session under way could not be told: {error}")


def _open(settings: Settings, reports: Path, who: str) -> Run:
    """A run in the record; where that cannot be written, in a folder of its own, and said so."""
    digest, redactor = settings.release.digest, Redactor.from_environment()
    about: Json = {"driver": who, "armed": True, "by_hand": True}
    for name in ("rollout", "cluster_uid", "namespace"):
        about[name] = str(getattr(settings.target, name))

    def opened(folder: Path) -> tuple[Run, Journal]:
        return open_run(folder, digest, redactor, who="golive rollback", about=about)

    try:
        return opened(reports)[0]
    except JournalError as error:
        folder = Path(tempfile.mkdtemp(prefix="golive-rollback-"))
        _say(f"the record cannot be written ({error}); it is kept in {folder}")
        return opened(folder)[0]
