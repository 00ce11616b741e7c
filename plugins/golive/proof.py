"""The proof of a rollback: the legs of the newest look, and for how many looks running they held."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from golive.counters import QUIET_SECONDS
from golive.legs import Leg, Legs
from golive.types import JsonValue

if TYPE_CHECKING:
    from golive.argo import RolloutView
    from golive.writes import Writes

_STEADY = 2
"""Rounds running in which every leg must hold: selectors flap for a moment (argo-rollouts#3078)."""
_OUT_OF_TRAFFIC = ("weights", "ingress", "stable_service", "endpoints", "requests")
"""What must hold where the template may not be restored. The canary Service's selector flaps then, and is not asked."""


class Proof:
    """What was seen of the legs."""

    def __init__(self, looks: Legs, writes: Writes) -> None:
        self._looks, self._writes = looks, writes
        self.legs: tuple[Leg, ...] = ()
        self._steady = 0
        self._next = 0.0

    def unsettle(self) -> None:
        """Something changed: what held before has to hold anew."""
        self._steady, self._next = 0, 0.0

    def blank(self, leg: str, why: str) -> None:
        """Nothing of the legs can be said, and why."""
        self.unsettle()
        self.legs = (Leg(leg, False, why),)

    def look(self, view: RolloutView, expected: str) -> None:
        """Look at every leg; journalled when it is another picture than before."""
        self.legs = self._looks.look(view, expected)
        open_legs: list[JsonValue] = [f"{leg.leg}: {leg.observed}" for leg in self.legs if not leg.proven]
        self._writes.say_once("rollback_legs", {"expected": expected, "open": open_legs})

    def holds(self, view: RolloutView, expected: str) -> bool:
        """Look, and whether every leg holds, and held in the look before."""
        if not self._is_due():
            return False
        self.look(view, expected)
        return self._held()

    def out_of_traffic(self, view: RolloutView) -> bool:
        """Look, and whether the release gets no traffic though its template is still there."""
        if not self._is_due():
            return False
        self.look(view, view.stable_hash)
        self.legs = tuple(leg for leg in self.legs if leg.leg in _OUT_OF_TRAFFIC)
        return self._held()

    def aside(self, view: RolloutView) -> bool:
        """Look, and whether the release gets no traffic while another version, not ours, is on its way."""
        if not self._is_due():
            return False
        self.legs = self._looks.aside(view)
        open_legs: list[JsonValue] = [f"{leg.leg}: {leg.observed}" for leg in self.legs if not leg.proven]
        self._writes.say_once("rollback_legs", {"aside": view.current_hash, "open": open_legs})
        return self._held()

    def weightless(self) -> bool:
        """Whether the newest look saw no weight on the canary."""
        seen = {leg.leg: leg.proven for leg in self.legs}
        return seen.get("weights", False) and seen.get("ingress", True)

    def _is_due(self) -> bool:
        """Whether a look may show anything new: a counter has to stand still for a while, and that is waited for."""
        return time.monotonic() >= self._next

    def _held(self) -> bool:
        still_open = {leg.leg for leg in self.legs if not leg.proven}
        # The counters have a memory of their own: they speak of the time since an earlier look.
        self._steady = self._steady + 1 if self.legs and still_open <= {"requests"} else 0
        if still_open == {"requests"}:
            self._next = time.monotonic() + QUIET_SECONDS
        return self._steady >= _STEADY and not still_open
