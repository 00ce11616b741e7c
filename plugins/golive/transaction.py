"""One rollback under way: every round reads the Rollout, does the one next thing, or looks at the legs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from golive import argo
from golive.argo import RolloutView
from golive.errors import ApiError, Unreachable, WrongCluster
from golive.legs import Leg, Legs
from golive.rollback import Found, Note, RollbackResult, seen
from golive.t0 import T0, Release, RollbackTarget
from golive.types import Json, JsonValue

if TYPE_CHECKING:
    from golive.cluster import Cluster

_ABORT_SECONDS = 3.0
"""After this long without the controller taking an abort up, the restore is sent all the same."""
_RESTORES = 2
"""A template that comes back a second time is somebody's machine restoring it; from then on only aborts help."""
_STEADY = 2
"""Rounds running in which every leg must hold: selectors flap for a moment (argo-rollouts#3078)."""
_BY_HAND = "kubectl -n {namespace} argo rollouts undo {rollout} --to-revision=REVISION"


class Transaction:
    """The state of one rollback; ``round`` until it returns true, then ``result``."""

    def __init__(
        self,
        cluster: Cluster,
        target: RollbackTarget,
        t0: T0 | None,
        rolled_back_before: bool,
        note: Note,
        started: float,
        *,
        restores: int,
    ) -> None:
        self._cluster, self._target, self._t0, self._note = cluster, target, t0, note
        self._before, self._started = rolled_back_before, started
        self._release = Release(cluster, target)
        self._looks = Legs(cluster, target, self._release)
        self._found = Found.UNKNOWN
        self._did: list[str] = []
        self._remarks: list[str] = []
        self._legs: tuple[Leg, ...] = ()
        self._restores = restores
        self._first_stable = ""
        self._restored: RolloutView | None = None
        self._abort_since: float | None = None
        self._steady = 0
        self._to_request: float | None = None
        self._to_stable: float | None = None
        self._last = ""
        self.finished = False

    def round(self) -> bool:
        """Look, and do the next thing; true when there is nothing more to do or to wait for."""
        try:
            self.finished = self._round()
        except Unreachable as error:
            self._steady = 0
            self._say_once("rollback_trouble", {"error": str(error)})
            if not self._legs:
                self._legs = (Leg("cluster", False, str(error)),)
        return self.finished

    def tell(self, event: str, facts: Json) -> None:
        """Journal it; a journal that fails must not stop the rollback."""
        try:
            self._note(event, facts)
        except Exception as error:  # noqa: BLE001 - whatever the writer's trouble is, traffic comes first
            self.remember(f"not journalled: {type(error).__name__}: {error}")

    def remember(self, remark: str) -> None:
        """Say it in the result, once."""
        if remark not in self._remarks:
            self._remarks.append(remark)

    def wrong_cluster(self, error: WrongCluster) -> None:
        """Nothing was written, and nothing will be."""
        self._legs = (Leg("cluster", False, str(error)),)
        self.tell("rollback_refused", {"error": str(error)})
        self.finished = True

    def result(self, cause: str) -> RollbackResult:
        """What became of it."""
        nothing = self._found is Found.NOT_STARTED and self.finished and not self._legs
        proven = nothing or self._to_stable is not None
        if not proven and not self._legs:
            self._legs = (Leg("cluster", False, "the Rollout was not read within the deadline"),)
        return RollbackResult(
            cause=cause,
            found=self._found,
            did=tuple(dict.fromkeys(self._did)),
            proven=proven,
            legs=self._legs,
            to_request=self._to_request,
            to_stable=self._to_stable,
            remark="; ".join(self._remarks),
        )

    def _round(self) -> bool:
        view = self._release.read()
        if self._found is Found.UNKNOWN:
            self._found, why = seen(self._release, view, self._t0, self._before)
            if self._found is not Found.CANARY:
                # Before a canary is aborted the write itself checks it; saying that nothing runs needs it as much.
                try:
                    self._cluster.check_identity()
                except BaseException:
                    self._found = Found.UNKNOWN
                    raise
            self._say_once("rollback_found", {"found": self._found.value, "why": why})
            if self._found is Found.PROMOTED:
                self._legs = (Leg("promoted", False, self._promoted(why)),)
        if self._found is Found.UNKNOWN:
            self._legs = (Leg("release", False, why),)
            return False
        if self._found in (Found.NOT_STARTED, Found.PROMOTED):
            return True
        if view is None:
            self._legs = (Leg("rollout", False, f"Rollout {self._target.rollout} is gone"),)
            return False
        return self._bring_back(view)

    def _bring_back(self, view: RolloutView) -> bool:
        """The release took traffic, or did a moment ago."""
        self._first_stable = self._first_stable or view.stable_hash
        if view.stable_hash != self._first_stable:
            self.remember(f"the stable version changed from {self._first_stable} to {view.stable_hash} meanwhile")
        current = self._release.is_current(view)
        if current is not False:
            self._steady = 0
        if current is None:
            self._legs = (Leg("release", False, "another template came; whether it is the release is not known yet"),)
            return False
        if current:
            return self._take_back(view)
        if self._release.is_hash(view, view.stable_hash):
            return self._became_stable(view)
        if self._is_missed_restore(view):
            self._steady = 0
            return self._keep_aborted(view, "the restored template did not give the stable version's hash again")
        return self._prove(view)

    def _became_stable(self, view: RolloutView) -> bool:
        self._found = Found.PROMOTED
        self._legs = (
            Leg("promoted", False, self._promoted(f"the release became stable ({view.stable_hash}) meanwhile")),
        )
        return True

    def _take_back(self, view: RolloutView) -> bool:
        """The template is the release: abort, unpause, restore."""
        if view.observed and view.stable_hash == view.current_hash:
            return self._became_stable(view)
        if self._abort_first(view):
            return False
        if self._restores >= _RESTORES:
            return self._keep_aborted(view, "the release's template came back after every restore: revert its source")
        template = self._template(view)
        if template is None:
            return self._keep_aborted(view, "no template to restore: it is not the Rollout's own, or was not found")
        try:
            if view.paused:
                argo.unpause(self._cluster, self._target.path, view)
                self._done("unpause")
                return False  # it changed the generation: read again before the restore is guarded by it
            self._restore(view, template)
        except ApiError as error:
            if error.status not in (401, 403):
                raise
            return self._keep_aborted(view, f"the restore was refused: {error}")
        return False

    def _abort_first(self, view: RolloutView) -> bool:
        """Send the abort until the controller took it up; false when the restore may follow."""
        if view.aborted:
            self._abort_since = None  # what comes back later is aborted anew
            return False
        now = time.monotonic()
        if self._abort_since is None:
            self._abort_since = now
        elif now - self._abort_since > _ABORT_SECONDS:
            self.remember("the controller has not taken the abort up")
            return False
        if view.abort and self._did:
            return True  # sent, not yet seen
        try:
            argo.abort(self._cluster, self._target.path, view)
        except ApiError as error:
            if error.status == 422:
                return True  # it is not what it was a moment ago: look again before anything else is sent
            if error.status not in (401, 403):
                raise
            self.remember(f"abort refused: {error}")
            return False  # the restore alone goes back too
        self._done("abort")
        return True

    def _restore(self, view: RolloutView, template: Json) -> None:
        try:
            self._restored = argo.restore(self._cluster, self._target.path, view, template)
        except ApiError as error:
            if error.status != 422:
                raise
            # Somebody was faster, another rollback or a fix: read again and decide again.
            self._say_once("rollback_guard", {"error": str(error)})
            return
        self._restores += 1
        self._done("restore")

    def _template(self, view: RolloutView) -> Json | None:
        """What to go back to: T0's if it is the stable version, else what the stable ReplicaSet was made from."""
        t0 = self._t0
        if not view.template:
            return None
        if t0 is not None and t0.rollout == view.uid and t0.hash == view.stable_hash and t0.template:
            return t0.template
        replica_set = self._release.replica_set(view, view.stable_hash)
        if replica_set is None or self._release.is_hash(view, view.stable_hash):
            return None
        return argo.template_of(replica_set, view.canary)

    def _is_missed_restore(self, view: RolloutView) -> bool:
        """Whether our own restore, and nobody's newer template, started another canary."""
        mine = self._restored is not None and view.generation == self._restored.generation
        return mine and view.observed and view.current_hash != view.stable_hash and not self._is_refused(view)

    def _is_refused(self, view: RolloutView) -> bool:
        """Whether the controller carries nothing out, since the spec names something that is not as it must be."""
        if not view.message.startswith("InvalidSpec"):
            return False
        self.remember(f"the controller carries nothing out until this is repaired: {view.message}")
        return True

    def _keep_aborted(self, view: RolloutView, why: str) -> bool:
        """Not back, but without traffic: the abort stays in force, and a person has to finish."""
        self.remember(f"{why}; by hand: {self._command()}")
        if not view.aborted:
            argo.abort(self._cluster, self._target.path, view)
            self._done("abort")
            return False
        self._look(view)
        weightless = {leg.leg: leg.proven for leg in self._legs}
        return weightless.get("weights", False) and weightless.get("ingress", True)

    def _prove(self, view: RolloutView) -> bool:
        self._look(view)
        self._steady = self._steady + 1 if all(leg.proven for leg in self._legs) else 0
        if self._steady < _STEADY:
            return False
        self._to_stable = round(time.monotonic() - self._started, 3)
        return True

    def _look(self, view: RolloutView) -> None:
        self._legs = self._looks.look(view, view.stable_hash)
        open_legs: list[JsonValue] = [f"{leg.leg}: {leg.observed}" for leg in self._legs if not leg.proven]
        self._say_once("rollback_legs", {"stable": view.stable_hash, "open": open_legs})

    def _done(self, what: str) -> None:
        self._did.append(what)
        if what == "abort" and self._to_request is None:
            self._to_request = round(time.monotonic() - self._started, 3)
        self.tell("rollback_request", {"request": what})

    def _say_once(self, event: str, facts: Json) -> None:
        """Journal what is new; the same observation in each round would only fill the journal."""
        words = f"{event} {facts}"
        if words != self._last:
            self._last = words
            self.tell(event, facts)

    def _promoted(self, why: str) -> str:
        return f"{why}; going back after promotion is not built yet; by hand: {self._command()}"

    def _command(self) -> str:
        return _BY_HAND.format(namespace=self._target.namespace, rollout=self._target.rollout)
