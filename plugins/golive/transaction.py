"""One rollback under way: every round reads the Rollout, does the one next thing, or looks at the legs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from golive.argo import RolloutView
from golive.errors import ApiError, Unreachable, WrongCluster
from golive.legs import Legs
from golive.order import LANDING_SECONDS
from golive.owning import Owning
from golive.proof import Proof
from golive.returning import Returning
from golive.rollback import Found, Note, RollbackResult, seen
from golive.scaling import Scaling
from golive.t0 import T0, Release, RollbackTarget
from golive.templates import template_of
from golive.types import Json
from golive.writes import Writes

if TYPE_CHECKING:
    from golive.cluster import Cluster

_BY_HAND = "kubectl -n {namespace} argo rollouts undo {rollout} --to-revision=REVISION"


@dataclass(frozen=True, slots=True)
class Known:
    """What the record says before a rollback begins; ``roll_back`` explains each."""

    t0: T0 | None
    rolled_back_before: bool
    restores: int
    closed: str
    applying: bool
    barred: Callable[[], str]


class Transaction:
    """The state of one rollback; ``round`` until it returns true, then ``result``."""

    def __init__(self, cluster: Cluster, target: RollbackTarget, known: Known, note: Note, started: float) -> None:
        self._cluster, self._target, self._known = cluster, target, known
        self._release = Release(cluster, target)
        self._do = Writes(cluster, target.path, note, started, known.restores)
        self._proof = Proof(Legs(cluster, target, self._release, known.t0), self._do)
        self._owning = Owning(cluster, target.gitops_namespace)
        self._scaling = Scaling(cluster, target, known.t0, self._do, self._owning)
        self._back = Returning(self._release, target, known.t0, known.closed, self._do, self._proof, self._owning)
        self._found = Found.UNKNOWN
        self._first_stable = ""
        self._lands = time.monotonic() + (cluster.request_seconds + LANDING_SECONDS if known.applying else 0.0)
        self._to_stable: float | None = None
        self.finished = False

    def round(self) -> bool:
        """Look, and do the next thing; true when there is nothing more to do or to wait for."""
        try:
            self.finished = self._round()
        except Unreachable as error:
            self._do.say_once("rollback_trouble", {"error": str(error)})
            if self._proof.legs:
                self._proof.unsettle()
            else:
                self._proof.blank("cluster", str(error))
        return self.finished

    def tell(self, event: str, facts: Json) -> None:
        """Journal it; a journal that fails must not stop the rollback."""
        self._do.tell(event, facts)

    def remember(self, remark: str) -> None:
        """Say it in the result, once."""
        self._do.remember(remark)

    def wrong_cluster(self, error: WrongCluster) -> None:
        """Nothing was written, and nothing will be."""
        self._proof.blank("cluster", str(error))
        self.tell("rollback_refused", {"error": str(error)})
        self.finished = True

    def result(self, cause: str) -> RollbackResult:
        """What became of it."""
        nothing = self._found is Found.NOT_STARTED and self.finished and not self._proof.legs
        proven = nothing or self._to_stable is not None
        if not proven and not self._proof.legs:
            self._proof.blank("cluster", "the Rollout was not read within the deadline")
        return RollbackResult(
            cause=cause,
            found=self._found,
            did=tuple(dict.fromkeys(self._do.did)),
            proven=proven,
            legs=self._proof.legs,
            to_request=self._do.to_request,
            to_stable=self._to_stable,
            remark="; ".join(self._do.remarks),
        )

    def _round(self) -> bool:
        # Before the read: one that was made while an apply could still land says nothing of it, however long it took.
        may_land = time.monotonic() < self._lands
        view = self._release.read()
        if (view is None or not self._do.left(view)) and (why := self._known.barred()):
            return self._stand_back(why)
        if self._found is Found.UNKNOWN and not self._recognised(view, may_land=may_land):
            return False
        if self._found is Found.NOT_STARTED:
            return True
        if view is None:
            self._proof.blank("rollout", f"Rollout {self._target.rollout} is gone")
            return False
        done = self._bring_back(view)
        return done and not may_land

    def _recognised(self, view: RolloutView | None, *, may_land: bool) -> bool:
        """Classify what there is, once; false while that cannot be said yet.

        ``may_land``: an apply of this run that nobody heard of could still arrive when ``view`` was read.
        """
        found, why = seen(self._release, view, self._known.t0, self._known.rolled_back_before)
        if found is not Found.CANARY:
            # Before a canary is aborted the write itself checks it; saying that nothing runs needs it as much.
            self._cluster.check_identity()
        self._do.say_once("rollback_found", {"found": found.value, "why": why})
        if found is Found.NOT_STARTED and may_land:
            found, why = Found.UNKNOWN, f"{why}; an apply that this run sent may still be carried out"
        if found is Found.UNKNOWN:
            self._proof.blank("release", why)
            return False
        self._found = found
        self._proof.legs = ()
        return True

    def _bring_back(self, view: RolloutView) -> bool:
        """What to do by what the Rollout is now, whatever it was a round ago."""
        current = self._release.is_current(view)
        if current is None:
            self._proof.blank("release", "another template came; whether it is the release is not known yet")
            return False
        if current:
            return self._took_stable(view) if self._is_promoted(view) else self._take_back(view)
        if self._release.is_hash(view, view.stable_hash):
            return self._took_stable(view)
        self._remember_stable(view)
        if self._is_missed_restore(view):
            return self._keep_aborted(view, "the restored template did not give the stable version's hash again")
        if self._is_somebodys(view):
            self.remember(f"another version, {view.current_hash}, is on its way: it is left alone")
            return self._proof.aside(view) and self._proven()
        # Only where something was taken back: how many pods a Rollout at rest has is its owners' business.
        if (self._do.did or self._known.restores) and self._scaling.up_again(view):
            self._proof.unsettle()
            return False
        self._is_refused(view)  # remarked: what its spec says is not what answers then
        return self._proof.holds(view, view.stable_hash) and self._proven()

    def _is_somebodys(self, view: RolloutView) -> bool:
        """Whether a version that is neither the release nor the stable one is under way: a fix, most likely."""
        moving = view.observed and view.current_hash != view.stable_hash and view.template != self._do.restored
        return moving and not self._release.is_hash(view, view.current_hash)

    def _is_promoted(self, view: RolloutView) -> bool:
        """Whether the release is the stable version. Before an abort only what costs no request is asked."""
        if self._release.is_through(view):
            return True
        return self._found is Found.PROMOTED and self._release.is_hash(view, view.stable_hash)

    def _took_stable(self, view: RolloutView) -> bool:
        """The release is the stable version: it was promoted, before this rollback began or during it."""
        if self._found is not Found.PROMOTED:
            self._found = Found.PROMOTED
            if self._first_stable:
                self.remember(f"the release became stable ({view.stable_hash}) meanwhile")
        before = "" if self._release.is_hash(view, self._first_stable) else self._first_stable
        return self._back.round(view, before, newer=self._release.is_current(view) is False)

    def _remember_stable(self, view: RolloutView) -> None:
        """The version that is stable while the release is not: where this rollback goes back to."""
        if self._first_stable and view.stable_hash != self._first_stable and self._found is not Found.PROMOTED:
            self.remember(f"the stable version changed from {self._first_stable} to {view.stable_hash} meanwhile")
        self._first_stable = self._first_stable or view.stable_hash

    def _take_back(self, view: RolloutView) -> bool:
        """The template is the release, and another version is stable: abort, unpause, restore."""
        self._remember_stable(view)
        if not view.aborted:
            self._proof.unsettle()
        if self._do.abort_first(view):
            return False
        if self._release.is_hash(view, view.stable_hash):
            return self._took_stable(view)  # promoted under another template of the same bytes
        if view.paused:
            self._do.unpause(view)
            return False
        if self._owning.forbids(view.owner):
            return self._abort_only(view)
        self._proof.unsettle()
        return self._put_back(view)

    def _put_back(self, view: RolloutView) -> bool:
        """The stable version's template again: no reconcile may bring the canary back."""
        if self._do.worn_out:
            return self._keep_aborted(view, "the release's template came back after every restore: revert its source")
        template = self._template(view)
        if template is None:
            return self._keep_aborted(view, "no template to restore: it is not the Rollout's own, or was not found")
        try:
            if self._do.restore(view, template):
                self._proof.look(view, view.stable_hash)
        except ApiError as error:
            if error.status not in (401, 403):
                raise
            return self._keep_aborted(view, f"the restore was refused: {error}")
        self._remark_owner(view)
        return False

    def _template(self, view: RolloutView) -> Json | None:
        """What to go back to: T0's if it is the stable version, else what the stable ReplicaSet was made from."""
        t0 = self._known.t0
        if not view.template:
            return None
        if t0 is not None and t0.rollout == view.uid and t0.hash == view.stable_hash and t0.template:
            return t0.template
        replica_set = self._release.replica_set(view, view.stable_hash)
        return None if replica_set is None else template_of(replica_set, view.canary)

    def _remark_owner(self, view: RolloutView) -> None:
        if view.owner is not None:
            self.remember(self._owning.source(view.owner))

    def _is_missed_restore(self, view: RolloutView) -> bool:
        """Whether our own restore, and nobody's newer template, started another canary."""
        mine = bool(self._do.restored) and view.template == self._do.restored
        return mine and view.observed and view.current_hash != view.stable_hash and not self._is_refused(view)

    def _is_refused(self, view: RolloutView) -> bool:
        """Whether the controller carries nothing out, since the spec names something that is not as it must be."""
        if not view.invalid:
            return False
        self.remember(f"the controller carries nothing out until this is repaired: {view.message}")
        return True

    def _abort_only(self, view: RolloutView) -> bool:
        """A GitOps tool would put the release's template back, and start it anew: it stays, without traffic."""
        self._remark_owner(view)
        self._scaling.told(view, "and its source would undo another number")
        return view.aborted and self._proof.out_of_traffic(view) and self._proven()

    def _keep_aborted(self, view: RolloutView, why: str) -> bool:
        """Not back, but without traffic: the abort stays in force, and a person has to finish."""
        by_hand = _BY_HAND.format(namespace=self._target.namespace, rollout=self._target.rollout)
        self.remember(f"{why}; by hand: {by_hand}")
        self._proof.unsettle()
        if not view.aborted:
            if not (view.abort and self._do.did):
                self._do.abort(view)
            return False
        self._proof.look(view, view.stable_hash)
        return self._proof.weightless()

    def _stand_back(self, why: str) -> bool:
        """Another driver answers for what is there by now: nothing more is written."""
        self.remember(f"{why}; by hand: golive rollback")
        self._proof.blank("driver", f"left alone: {why}")
        return True

    def _proven(self) -> bool:
        self._to_stable = round(time.monotonic() - self._do.started, 3)
        return True
