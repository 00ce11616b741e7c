"""Back from a promoted release: restore the version that was stable before it, and skip the canary steps.

The release serves all traffic then, and an abort changes nothing. The full promotion is sent only when the controller
shows the very version that was proven good: sent earlier it is lost, and for another it would promote a stranger.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from golive import argo
from golive.argo import RolloutView
from golive.errors import ApiError
from golive.t0 import T0, Release, RollbackTarget
from golive.templates import template_of
from golive.types import Json, text

if TYPE_CHECKING:
    from golive.owning import Owning
    from golive.proof import Proof
    from golive.writes import Writes

_BY_HAND = (
    "kubectl -n {namespace} argo rollouts undo {rollout} --to-revision=REVISION, and once `get rollout {rollout}` "
    "shows that version as canary: kubectl -n {namespace} argo rollouts promote {rollout} --full"
)


class Returning:
    """The rounds of a rollback while the release is the stable version."""

    def __init__(
        self,
        release: Release,
        target: RollbackTarget,
        t0: T0 | None,
        closed: str,
        writes: Writes,
        proof: Proof,
        owning: Owning,
    ) -> None:
        self._release, self._target, self._t0, self._closed = release, target, t0, closed
        self._do, self._proof, self._owning = writes, proof, owning
        self._there: frozenset[str] = frozenset()
        """The versions that had a ReplicaSet when the template was restored."""

    def round(self, view: RolloutView, before: str, *, newer: bool) -> bool:
        """The next thing; true when nothing more may be done. Raises ``Unreachable``.

        ``before``: the version that this rollback saw as stable while the release was a canary; ``newer``: the template
        is not the release's any more.
        """
        self._proof.unsettle()
        if self._closed:
            self._do.remember(f"the release is closed ({self._closed}); by hand: golive rollback")
            return self._stop("closed", f"the release was promoted and is closed: {self._closed}; nothing was written")
        wanted = before or self._known(view)
        if newer:
            return self._onwards(view, wanted)
        if not wanted:
            return self._by_hand(view, "no version before it was proven good (there is no T0 of this Rollout)")
        return self._restore(view, wanted)

    def _known(self, view: RolloutView) -> str:
        """The hash of T0, if it is one of this very Rollout."""
        t0 = self._t0
        return t0.hash if t0 is not None and t0.rollout == view.uid else ""

    def _restore(self, view: RolloutView, wanted: str) -> bool:
        """The template is the release's, which is stable."""
        if self._owning.forbids(view.owner) and view.owner is not None:
            source = self._owning.source(view.owner).replace("so only the abort was sent", "so nothing was restored")
            self._do.remember(source)
            return self._by_hand(view, f"{view.owner} would put it back after a restore")
        if self._do.worn_out:
            return self._by_hand(view, "its template came back after every restore: revert its source")
        template = self._template(view, wanted)
        if template is None:
            return self._by_hand(view, f"the template of {wanted} is gone from the record and from the ReplicaSets")
        self._proof.blank("promoted", f"the release is stable ({view.stable_hash}), going back to {wanted}")
        if view.paused:
            self._do.unpause(view)
            return False
        sets = self._release.replica_sets(view)
        self._there = frozenset(text(one, "metadata", "labels", argo.HASH) for one in sets)
        try:
            self._do.restore(view, template)
        except ApiError as error:
            if error.status not in (401, 403):
                raise
            return self._by_hand(view, f"the restore was refused: {error}")
        if view.owner is not None:
            self._do.remember(self._owning.source(view.owner))
        return False

    def _template(self, view: RolloutView, wanted: str) -> Json | None:
        t0 = self._t0
        if not view.template:
            return None
        if t0 is not None and (t0.rollout, t0.hash) == (view.uid, wanted) and t0.template:
            return t0.template
        replica_set = self._release.replica_set(view, wanted)
        return None if replica_set is None else template_of(replica_set, view.canary)

    def _onwards(self, view: RolloutView, wanted: str) -> bool:
        """A template that is not the release's is under way: the wanted one is promoted, a stranger is left alone."""
        if not view.observed:
            self._proof.blank("generation", f"generation {view.generation} not observed yet")
            return False
        if view.current_hash == view.stable_hash or view.invalid:
            # The controller says that it has seen the template, and has not taken it up: nothing of it is known yet.
            if view.invalid:
                self._do.remember(f"the controller carries nothing out until this is repaired: {view.message}")
            self._proof.blank("hashes", f"still {view.current_hash}: the controller has not taken the template up")
            return False
        if self._is_made_again(view, wanted):
            self._do.remember(f"{wanted} was made again from its T0 template, as {view.current_hash}")
            wanted = view.current_hash
        if not wanted or view.current_hash != wanted:
            return self._stranger(view, wanted)
        if view.paused:
            self._do.unpause(view)
            return False
        try:
            self._do.promote_full(view)
        except ApiError as error:
            if error.status not in (401, 403):
                raise
            return self._by_hand(view, f"the full promotion of {wanted} was refused: {error}")
        self._proof.look(view, wanted)
        return False

    def _stranger(self, view: RolloutView, wanted: str) -> bool:
        if not self._is_mine(view, wanted):
            return self._by_hand(
                view,
                f"a newer version {view.current_hash} is under way over it, which is left alone: it may be the fix",
            )
        if not view.aborted:
            if not view.abort:
                self._do.abort(view)
            self._proof.blank("hashes", f"expected {wanted} from the restored template, found {view.current_hash}")
            return False
        return self._by_hand(
            view,
            f"the restored template gave hash {view.current_hash}, expected {wanted}: it was not promoted, but aborted",
        )

    def _is_made_again(self, view: RolloutView, wanted: str) -> bool:
        """Whether this is the wanted version under another hash, made by this restore since its ReplicaSet was gone.

        Argo finds a ReplicaSet by what its template means, and makes a new hash from how it is spelt and how often
        hashes collided: one made from the same template, byte for byte, may have another.
        """
        new = wanted not in self._there and view.current_hash not in self._there
        return bool(self._there and wanted) and new and self._is_mine(view, wanted)

    def _is_mine(self, view: RolloutView, wanted: str) -> bool:
        """Whether the template is the one that was put back, by this rollback or by one before it in this run."""
        t0 = self._t0
        kept = t0.template if t0 is not None and (t0.rollout, t0.hash) == (view.uid, wanted) else {}
        return bool(view.template) and view.template in (self._do.restored, kept)

    def _by_hand(self, view: RolloutView, why: str) -> bool:
        command = _BY_HAND.format(namespace=self._target.namespace, rollout=self._target.rollout)
        self._do.remember(f"{why}; by hand: {command}")
        return self._stop("promoted", f"the release is the stable version {view.stable_hash}: {why}")

    def _stop(self, leg: str, why: str) -> bool:
        self._proof.blank(leg, why)
        return True
