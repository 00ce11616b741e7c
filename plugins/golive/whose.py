"""Whose canary is it: before an automatic rollback writes, whether another driver answers for what is there.

A run that applied or took up nothing leaves a canary alone that a living driver leads. A run that lost its Lease, or
cannot be sure that it still has it, writes only to what it applied itself, as it left it; where the Lease is gone,
nobody else answers for the canary, and it writes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from golive.argo import RolloutView
from golive.errors import GoliveError
from golive.journal import Entry
from golive.known import applying
from golive.lease import LeaseView, stands_for
from golive.specs import spec_of
from golive.types import Json, number, text

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Goes on while the process, or the whole machine, sleeps."""
_AGAIN_SECONDS = 1.0
"""Between two questions whose canary it is."""


def clock() -> float:
    """Seconds, only good for differences."""
    return time.clock_gettime(_CLOCK)


@dataclass
class Holding:
    """What the keeper knows of this run's Lease: ``lost``, and until when (``clock()``) nobody else can have it."""

    lost: bool = False
    sure_until: float = 0.0

    @property
    def sure(self) -> bool:
        """Whether the Lease need not be read again; false after the watchdog itself was stopped for a while."""
        return not self.lost and clock() < self.sure_until


@dataclass
class Guard:
    """The question asked again while a rollback waits: not in every round, since each may read the cluster."""

    ask: Callable[[], str]
    _said: str = ""
    _next: float = 0.0

    def look(self) -> str:
        """Why this run may not write; what was heard a moment ago is not asked again."""
        if clock() >= self._next:
            self._said, self._next = self.ask(), clock() + _AGAIN_SECONDS
        return self._said


def applied_of(entries: Sequence[Entry]) -> Json:
    """The canary that this run applied or took up; empty when there is none."""
    return next((one.data for one in reversed(entries) if one.kind == "applied"), {})


def touched(entries: Sequence[Entry]) -> bool:
    """Whether this run applied or took up a canary, or may have: an apply that nobody heard of counts."""
    return any(one.kind == "applied" for one in entries) or applying(entries)


def untouched(applied: Json, entries: Sequence[Entry], view: RolloutView | None) -> bool:
    """Whether the Rollout still is what this run applied, on its way or promoted by this run.

    That is the same generation, or the same version and spec: an autoscaler's scale makes a new generation.
    """
    if view is None or view.uid != text(applied, "uid"):
        return False
    same = (text(applied, "hash"), text(applied, "spec")) == (view.current_hash, spec_of({"spec": view.spec}))
    if not same and view.generation != number(applied, "generation"):
        return False
    promoted = any(one.kind == "promoted" for one in entries)
    return not view.abort and (promoted or view.stable_hash != view.current_hash)


@dataclass(frozen=True, slots=True)
class Whose:
    """The question, for one run. ``lease`` and ``rollout`` read the cluster; both raise ``GoliveError``."""

    run: str
    digest: str
    lease: Callable[[], LeaseView | None]
    rollout: Callable[[], RolloutView | None]

    def bars(self, entries: Sequence[Entry], holding: Holding) -> str:
        """Why this run may not write, and who drives; empty when it may. Raises nothing.

        What cannot be read bars nothing: the rollback itself checks what it writes to.
        """
        mine = touched(entries)
        if mine and holding.sure:
            return ""
        try:
            view = self.lease()
            other = view is not None and not view.handover and stands_for(view, self.run, self.digest)
            if not mine:
                # Who drives another release does not drive this one, whatever it is doing here.
                theirs = other and view is not None and view.digest == self.digest
                return self._driven(view) if view is not None and theirs else ""
            if view is None:
                return ""  # deleted: nobody else answers for the canary
            lost = holding.lost or (view.holder != self.run and any(one.kind == "lock" for one in entries))
            if not lost or untouched(applied_of(entries), entries, self.rollout()):
                return ""
        except GoliveError:
            return ""
        return f"this run lost its Lease and the Rollout is not as it left it; {self._driven(view)}"

    def _driven(self, view: LeaseView) -> str:
        return f"driven by {view.driver or 'unknown'}, run {view.holder}, since {view.since or 'unknown'}"
