"""What one rollback sends and says: every request is guarded, told to the journal, and kept for the result."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from golive import argo
from golive.argo import RolloutView
from golive.errors import ApiError, Unreachable
from golive.types import Json

if TYPE_CHECKING:
    from golive.cluster import Cluster
    from golive.rollback import Note

_ABORT_SECONDS = 3.0
"""After this long without the controller taking an abort up, the restore is sent beside it."""
_RESTORES = 2
"""A template that comes back a second time is somebody's machine restoring it; from then on only aborts help."""
_PROMOTE_SECONDS = 1.0
"""A promotion that the controller dropped is sent again after this long."""

_REFUSED_SECONDS = 1.0
"""What the cluster's own rules refused is sent again after this long."""


class Writes:
    """The hands of one rollback; ``started`` is the monotonic time of the outcome that called for it."""

    def __init__(self, cluster: Cluster, path: str, note: Note, started: float, restores: int) -> None:
        self._cluster, self._path, self._note = cluster, path, note
        self.started, self._restores = started, restores
        self.did: list[str] = []
        self.remarks: list[str] = []
        self.restored: Json = {}
        """The template that was put back, as the API keeps it; empty before."""
        self.to_request: float | None = None
        self._generations: set[int] = set()
        self._refused_at: dict[str, float] = {}
        self._abort_since: float | None = None
        self._promoted = -_PROMOTE_SECONDS
        self._last = ""
        self._said: set[str] = set()

    @property
    def worn_out(self) -> bool:
        """Whether what was restored was overwritten too often to restore it again."""
        return self._restores >= _RESTORES

    def left(self, view: RolloutView) -> bool:
        """Whether the Rollout is as this rollback's own writes left it, so that nobody else changed it since."""
        return view.generation in self._generations or (bool(self.restored) and view.template == self.restored)

    def tell(self, event: str, facts: Json) -> None:
        """Journal it; a journal that fails is remembered, and stops nothing."""
        try:
            self._note(event, facts)
        except Exception as error:  # noqa: BLE001 - whatever the record suffers from, traffic comes first
            self.remember(f"not journalled: {type(error).__name__}: {error}")

    def say_once(self, event: str, facts: Json) -> None:
        """Journal what is new; the same observation in each round would only fill the journal."""
        words = f"{event} {facts}"
        if words != self._last:
            self._last = words
            self.tell(event, facts)

    def remember(self, remark: str) -> None:
        """For the result; the same words only once."""
        if remark not in self.remarks:
            self.remarks.append(remark)

    def abort_first(self, view: RolloutView) -> bool:
        """Send the abort until the Rollout has it; false when what follows it may be sent.

        After a few seconds only the waiting ends: where a GitOps tool forbids a restore, the abort is all there is.
        """
        if view.aborted:
            self._abort_since = None  # what comes back later is aborted anew
            return False
        now = time.monotonic()
        self._abort_since = now if self._abort_since is None else self._abort_since
        late = now - self._abort_since > _ABORT_SECONDS
        if late:
            self.remember("the controller has not taken the abort up")
        if not (view.abort and self.did):  # sent, not yet seen
            try:
                self.abort(view)
            except Unreachable as error:
                refused = isinstance(error, ApiError) and error.status in (401, 403)
                if not (refused or late):
                    raise
                self._refused_at["abort"] = time.monotonic()
                became = f"abort {'refused' if refused else 'failed'}"
                if self._first(became):
                    self.remember(f"{became}: {error}")
                return False  # the restore alone goes back too
        return not late and "abort" not in self._refused_at

    def abort(self, view: RolloutView) -> None:
        """Take the canary's weight away. A Rollout that is not as it was seen is left alone, to be read again."""
        if self._sent("abort", lambda: argo.abort(self._cluster, self._path, view)):
            self._generations.add(view.generation)

    def unpause(self, view: RolloutView) -> None:
        """Let the controller scale. It changes the generation: read again before another write is guarded by it."""
        self._spec("unpause", lambda: argo.unpause(self._cluster, self._path, view))

    def scale(self, view: RolloutView, replicas: int) -> bool:
        """Ask for so many pods again; as with unpause, read again after it. False where the cluster refuses it."""
        self._spec("scale", lambda: argo.scale(self._cluster, self._path, view, replicas))
        return "scale" not in self._refused_at

    def _spec(self, what: str, send: Callable[[], RolloutView]) -> None:
        if made := self._sent(what, send):
            self._generations.add(made.generation)

    def restore(self, view: RolloutView, template: Json) -> bool:
        """Put the template back, unless somebody was faster, another rollback or a fix. Raises ``ApiError``.

        Whether the cluster's own rules refused it just now; it is sent again after a while, they may be mended.
        """
        before = self._refused_at.get("restore")
        made = self._sent("restore", lambda: argo.restore(self._cluster, self._path, view, template))
        if made:
            self.restored, self._restores = made.template, self._restores + 1
        return self._refused_at.get("restore") not in (None, before)

    def promote_full(self, view: RolloutView) -> None:
        """Skip the steps to what ``view`` has as its current version; once in a while, until the controller did."""
        if view.promote_full or time.monotonic() - self._promoted < _PROMOTE_SECONDS:
            return
        if self._sent("promote_full", lambda: argo.promote_full(self._cluster, self._path, view)):
            self._promoted = time.monotonic()

    def _sent(self, what: str, send: Callable[[], RolloutView]) -> RolloutView | None:
        """What the Rollout is then; ``None`` where it was not as it was seen, or where it may not be changed so."""
        if time.monotonic() - self._refused_at.get(what, -_REFUSED_SECONDS) < _REFUSED_SECONDS:
            return None
        try:
            made = send()
        except ApiError as error:
            if argo.forbidden(error):
                self._refused(what, error)
            elif error.status == 422:  # a guard that did not hold means only: read again, decide again
                self.say_once("rollback_guard", {"error": str(error)})
            else:
                raise
            return None
        self._refused_at.pop(what, None)
        self._done(what)
        return made

    def _refused(self, what: str, error: ApiError) -> None:
        self._refused_at[what] = time.monotonic()
        # Once for each kind: a webhook may word every refusal anew.
        if self._first(f"{what} refused"):
            self.remember(f"the {what} is refused, and tried again: {error}")
            self.tell("rollback_forbidden", {"request": what, "error": str(error)})

    def _first(self, what: str) -> bool:
        """Whether this was not said yet, in whatever words."""
        first = what not in self._said
        self._said.add(what)
        return first

    def _done(self, what: str) -> None:
        self.did.append(what)
        if what in ("abort", "restore") and self.to_request is None:
            self.to_request = round(time.monotonic() - self.started, 3)
        self.tell("rollback_request", {"request": what})
