"""The keeper of the driver's Lease: a thread of the watchdog that renews it, so that a slow API server delays nothing.

It renews only what the journal says this run took, never takes back what it lost, and stops for good when pytest is
gone or does not move: then the cluster's own analysis is the second to act.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from golive.errors import GoliveError, JournalError
from golive.journal import Entry
from golive.lease import DriverLease, Lost
from golive.order import Order
from golive.types import Json, text
from golive.whose import clock

if TYPE_CHECKING:
    from golive.executor import Executor


class Keeper:
    """Keeps one run's Lease. ``fence`` closes the run's fence, with the reason."""

    def __init__(self, order: Order, hands: Executor, fence: Callable[[str], None]) -> None:
        self._order, self._hands, self._fence = order, hands, fence
        self._over, self._beginning, self._adopting = threading.Event(), threading.Lock(), threading.Lock()
        self._thread: threading.Thread | None = None

    def _lease(self) -> DriverLease:
        order = self._order
        return DriverLease(self._hands.new_cluster(), order.settings, order.run.id, order.who)

    def hear(self, entry: Entry) -> None:
        """Begin where the journal says that this run holds the Lease; a watchdog that took another's place too."""
        if entry.kind == "lock_lost":
            self._hands.holding.lost = True
        if entry.kind == "lock" and text(entry.data, "holder") == self._order.run.id:
            self.begin()

    def begin(self) -> None:
        """Renew from now on."""
        with self._beginning:
            if self._thread is None and not self._hands.holding.lost and not self._over.is_set():
                self._thread = threading.Thread(target=self._keep, name="golive-lease", daemon=True)
                self._thread.start()

    def adopt(self) -> None:
        """Take over what an earlier session of this release handed over, while its canary is under way."""
        while not self._over.is_set() and self._thread is None:
            try:
                with self._adopting:
                    self._adopt()
            except JournalError as error:
                self._hands.complain("lease", error)
                return
            except GoliveError as error:
                self._hands.complain("lease", error)
                self._over.wait(self._order.settings.heartbeat.renew_seconds)  # the handover runs on meanwhile
            else:
                return

    def _adopt(self) -> None:
        lease = self._lease()
        view = lease.read()
        ours = view is not None and view.handover and view.digest == self._order.settings.release.digest
        if view is None or not ours or view.expired or not self._hands.canary_under_way() or self._over.is_set():
            return
        taken = lease.take()
        self._hands.note("lock", {"holder": taken.holder, "since": taken.since, "from": view.holder})
        self.begin()
        if self._thread is None:  # the session is over already
            lease.hand_over(self._order.settings.heartbeat.handover_seconds)

    def _keep(self) -> None:
        every = self._order.settings.heartbeat.renew_seconds
        lease = self._lease()
        while not self._over.wait(every):
            began = clock()
            try:
                lease.renew()
                # Counted from before it was sent: the API server's clock began later.
                self._hands.holding.sure_until = began + self._order.settings.rollback.blind_limit_seconds - 1.0
            except Lost as error:
                self._give_up(error)
                return
            except Exception as error:  # noqa: BLE001  (tried again; a thread that ends in silence would be the worst)
                self._hands.complain("lease", error)

    def _give_up(self, error: Lost) -> None:
        self._hands.holding.lost = True
        self._fence(str(error))
        told: Json = {"holder": error.holder, "why": str(error)}
        try:
            self._hands.note("lock_lost", told)
        except JournalError as trouble:
            self._hands.complain("lock_lost", trouble)

    def stop(self) -> None:
        """Renew no more; what is being adopted is handed over again first."""
        patience = self._order.settings.target.request_seconds * 3
        self._over.set()
        if self._adopting.acquire(timeout=patience):
            self._adopting.release()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout=patience)

    def part(self, *, good: bool) -> None:
        """Leave the Lease as the next session, or the cluster, should find it. Raises nothing.

        A canary under way after a good verdict is handed over. After a rollback that is not proven, or where nobody
        could look, the Lease expires, and the cluster takes traffic back.
        """
        self.stop()
        if self._thread is None or self._hands.holding.lost:
            return
        try:
            under_way = self._hands.canary_under_way()
            result = self._hands.result
            if under_way and good:
                self._lease().hand_over(self._order.settings.heartbeat.handover_seconds)
            elif not under_way and (result is None or result.proven):
                self._lease().release()
        except GoliveError as error:
            self._hands.complain("lease", error)

    def clear(self) -> None:
        """After a rollback by hand: what an earlier session handed over is nobody's any more. Raises nothing."""
        result = self._hands.result
        if result is None or not result.proven:
            return
        try:
            self._lease().clear()
        except GoliveError as error:
            self._hands.complain("lease", error)
