"""``golive rollback``: the same rollback, by the same executor, because a person says so."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from golive.access import resolve
from golive.closing import driver
from golive.config import Settings
from golive.errors import JournalError, Unreachable
from golive.journal import Journal, now
from golive.leash import Leash, silent
from golive.order import Order
from golive.record import Run, open_run
from golive.redact import Redactor
from golive.types import Json

CAUSE = "by hand"


def roll_back_by_hand(settings: Settings, ratified: Path, reports: Path) -> Json:
    """Take the release back and prove it; the result as ``verdict.json`` has it.

    Needs no arming and no free session: it is safe beside one that runs. A record that cannot be written does not stop
    it. Raises ``ConfigError`` for a kubeconfig that cannot be read.
    """
    access, who, started = resolve(settings.target.kubeconfig, settings.target.context), driver(settings), now()
    run = _open(settings, reports, who)
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
    leash = Leash(order)  # an interrupt from here on leaves the watchdog at its work
    try:
        rollback = leash.finish(CAUSE)
    except Unreachable as error:
        return silent(CAUSE, str(error))
    leash.over()
    return rollback or silent(CAUSE, f"the watchdog was asked and did nothing; see {run.folder / 'watchdog.log'}")


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
        sys.stderr.write(f"golive: the record cannot be written ({error}); it is kept in {folder}\n")
        return opened(folder)[0]
