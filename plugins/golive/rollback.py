"""The rollback: take the release's traffic back, and say so only after every leg was observed.

``roll_back`` decides from what it sees, in every round anew, so it can be repeated, started twice, and go on after the
API server was away. It writes only while the Rollout runs the release under test (criteria.md, section 5).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING

from golive.argo import RolloutView
from golive.errors import Unreachable, WrongCluster
from golive.legs import Leg
from golive.t0 import T0, Release, RollbackTarget, snapshot
from golive.types import Json, JsonValue, dig, items, mapping, number, text

if TYPE_CHECKING:
    from golive.cluster import Cluster
    from golive.transaction import Transaction

__all__ = ["T0", "Found", "Leg", "RollbackResult", "RollbackTarget", "classify", "roll_back", "snapshot"]

Note = Callable[[str, Json], None]


class Found(StrEnum):
    """What the rollback was called on."""

    NOT_STARTED = "not_started"
    CANARY = "canary"
    PROMOTED = "promoted"
    ALREADY_BACK = "already_back"
    UNKNOWN = "unknown"
    """The Rollout could not be read in time."""


@dataclass(frozen=True, slots=True)
class RollbackResult:
    """What became of a rollback.

    ``did``: abort, unpause, restore, promote_full, scale, as far as this process sent them. ``to_request`` and
    ``to_stable`` are seconds from the failing outcome until the abort or restore was accepted, and until every leg was
    proven.
    """

    cause: str
    found: Found
    did: tuple[str, ...]
    proven: bool
    legs: tuple[Leg, ...]
    to_request: float | None
    to_stable: float | None
    remark: str

    def to_json(self) -> Json:
        """As ``verdict.json`` has it."""
        legs: list[JsonValue] = [leg.to_json() for leg in self.legs]
        return {
            "cause": self.cause,
            "found": self.found.value,
            "did": list(self.did),
            "proven": self.proven,
            "legs": legs,
            "seconds": {"to_request": self.to_request, "to_stable": self.to_stable},
            "remark": self.remark,
        }

    def then(self, later: RollbackResult) -> RollbackResult:
        """Both as one: what a later look found is what holds now, what was done before stays told."""
        came_back = self.proven and bool(self.did) and bool(later.did)
        again = "the release came back after it was taken back: revert its source (a GitOps tool?)"
        remarks = dict.fromkeys(filter(None, (self.remark, again if came_back else "", later.remark)))
        in_time = self.to_stable if self.proven and not later.did else later.to_stable
        return RollbackResult(
            cause=later.cause if later.did and not self.did else self.cause,
            found=later.found if later.did or not self.did else self.found,
            did=tuple(dict.fromkeys((*self.did, *later.did))),
            proven=later.proven,
            legs=later.legs or self.legs,
            to_request=later.to_request if self.to_request is None else self.to_request,
            to_stable=in_time if later.proven else None,
            remark="; ".join(remarks),
        )

    @classmethod
    def from_json(cls, data: Json) -> RollbackResult:
        """What ``to_json`` gave."""
        did = dig(data, "did", default=[])
        legs = (Leg(text(one, "leg"), one.get("proven") is True, text(one, "observed")) for one in items(data, "legs"))
        seconds = mapping(data, "seconds")
        return cls(
            cause=text(data, "cause"),
            found=Found(text(data, "found")),
            did=tuple(str(one) for one in (did if isinstance(did, list) else [])),
            proven=data.get("proven") is True,
            legs=tuple(legs),
            to_request=_seconds(seconds, "to_request"),
            to_stable=_seconds(seconds, "to_stable"),
            remark=text(data, "remark"),
        )


def _seconds(data: Json, key: str) -> float | None:
    value = data.get(key)
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def classify(
    cluster: Cluster, target: RollbackTarget, *, t0: T0 | None, already_rolled_back: bool
) -> tuple[Found, RolloutView | None, str]:
    """What there is to take back, the Rollout it was seen on, and why; reads only. Raises ``Unreachable``."""
    release = Release(cluster, target)
    view = release.read()
    found, why = seen(release, view, t0, already_rolled_back)
    return found, view, why


def seen(release: Release, view: RolloutView | None, t0: T0 | None, rolled_back_before: bool) -> tuple[Found, str]:
    """Classify one view. When the image reference alone decides for a canary, nothing more is read."""
    if view is None:
        others = ", ".join(release.elsewhere())
        if others:
            return Found.UNKNOWN, f"there is no such Rollout, and yet something runs the release: {others}"
        return Found.NOT_STARTED, "there is no such Rollout, and no ReplicaSet runs the release"
    current = release.is_current(view)
    if current is None:
        return Found.UNKNOWN, "whether the template is the release is not known until the controller and a pod tell"
    good = t0 is not None and t0.rollout == view.uid and t0.hash == view.stable_hash
    if current:
        if rolled_back_before and release.is_held(view):
            return Found.ALREADY_BACK, "the release is aborted and without weight, and its source has to be reverted"
        return _seen_release(release, view, good=good)
    if not good and release.is_hash(view, view.stable_hash):
        return Found.PROMOTED, f"the release is the stable version {view.stable_hash}, a newer one is under way"
    if how := release.serves(view):
        why = f" ({view.message})" if view.invalid else ""
        return Found.CANARY, f"the template is not the release any more, and yet it takes traffic: {how}{why}"
    if rolled_back_before:
        return Found.ALREADY_BACK, "the template is not the release, which was taken back before"
    if any(number(one, "status", "replicas") for one in release.of_release(view)):
        return Found.ALREADY_BACK, "the template is not the release, whose pods are still there"
    return Found.NOT_STARTED, "neither the template nor a running ReplicaSet is the release"


def _seen_release(release: Release, view: RolloutView, *, good: bool) -> tuple[Found, str]:
    """The template is the release: is it on its way, or was it promoted? ``good``: stable is what T0 says."""
    if not view.stable_hash and view.observed:
        return Found.PROMOTED, "the release is the first version of this Rollout: there is none to go back to"
    if release.is_through(view):
        return Found.PROMOTED, f"the release is the stable version {view.stable_hash}"
    if not view.observed and not good and release.is_hash(view, view.stable_hash):
        return Found.PROMOTED, f"the release is the stable version {view.stable_hash}, under another template"
    return Found.CANARY, f"the template is the release, stable is {view.stable_hash or 'unknown'}"


def roll_back(
    cluster: Cluster,
    target: RollbackTarget,
    cause: str,
    *,
    t0: T0 | None,
    rolled_back_before: bool,
    deadline: float,
    note: Note,
    started: float,
    restores: int = 0,
    closed: str = "",
    applying: bool = False,
    barred: Callable[[], str] = lambda: "",
) -> RollbackResult:
    """Take the release back and prove it within ``deadline`` seconds; raises nothing.

    ``t0``: what was proven good before, else it is derived from the stable ReplicaSet. ``note`` is told of every
    request and observation; when it fails, the rollback goes on and remarks it. ``started`` is the monotonic time of
    the outcome that called for this, ``restores`` how many were sent before: after the second only aborts are.
    ``closed``: why and since when a promoted release may not be taken back; empty while it may. ``applying``: this run
    sent an apply that was not heard of, so that "not started" is said only when it can no longer arrive. ``barred``:
    asked in each round in which the Rollout is not as this rollback left it: why another driver's canary is left alone.
    """
    from golive.transaction import Known, Transaction
    from golive.waiting import wait_for

    ends = time.monotonic() + deadline
    known = Known(t0, rolled_back_before, restores, closed, applying, barred)
    work = Transaction(cluster, target, known, note, started)
    _guarded(work.round, work)  # before a word of it is kept, and whatever the time is
    work.tell("rollback_started", {"cause": cause})
    while not work.finished and time.monotonic() < ends:
        # In time or not, the legs tell what was last seen.
        left = max(ends - time.monotonic(), 0.0)
        _guarded(partial(wait_for, "the rollback", work.round, bool, deadline=left, every=0.1), work)
    result = work.result(cause)
    work.tell("rollback_ended", {"proven": result.proven, "found": result.found.value})
    return result


def _guarded(step: Callable[[], object], work: Transaction) -> None:
    """One step of it: whatever happens, the rollback goes on, except on a cluster that is not the intended one."""
    from golive.waiting import wait_for

    try:
        step()
    except WrongCluster as error:
        work.wrong_cluster(error)
    except Unreachable:
        return  # the deadline of the wait, or a look that will be tried again
    except Exception as error:  # noqa: BLE001 - a mistake of ours must not end a rollback under way
        work.remember(f"{type(error).__name__}: {error}")
        wait_for("the next round", time.monotonic, (time.monotonic() + 0.2).__le__, deadline=1.0, every=0.2)
