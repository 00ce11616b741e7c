"""One last look before a good verdict: is the canary as this record left it, and was no check by hand withdrawn?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from golive.argo import STEP_PAUSE, RolloutView
from golive.checked import withdrawn
from golive.criterion import Stage
from golive.errors import GoliveError
from golive.fence import Fence
from golive.journal import Entry
from golive.patience import patiently
from golive.record import believed, joined, read_record
from golive.steps import steps_of
from golive.t0 import Release, target_of
from golive.types import Json, number, text
from golive.verdict import since_rollback
from golive.whose import applied_of

if TYPE_CHECKING:
    from golive.access import Access
    from golive.config import Settings
    from golive.record import Run


_EVERY_SECONDS = 0.5
"""Between two tries to see the canary."""
_AFTER_THE_APPLY = frozenset({Stage.CANARY, Stage.LOAD, Stage.ACCEPTANCE, Stage.PROMOTE})
"""Stages whose verdict speaks of the canary, whichever session applied it."""


def last_look(run: Run, settings: Settings, access: Access, scope: Sequence[Stage]) -> str:
    """Why a good verdict would not be true; empty when the canary is as this record left it, or it has none.

    A check by hand that this run judged by, and that was withdrawn since, is one more reason.

    An API server that does not answer is asked again for as long as ``rollback.blind_limit_seconds``.
    """
    kept = read_record(run.reports, run.digest, settings.target)
    own = [entry for one in kept if one.run == run.id for entry in one.entries]
    for criterion, why in withdrawn(own, believed(kept)).items():
        return f"{criterion}: {why}; not proven"
    if not _AFTER_THE_APPLY & set(scope):
        return ""
    applied, entries = left(joined(kept))
    if not applied:
        return ""
    if why := Fence(run.folder).closed:
        return f"expected this run's fence open at its end, found it closed: {why}"
    from golive.cluster import Cluster

    target, limit = settings.target, settings.rollback.blind_limit_seconds
    cluster = Cluster.of(access, target)

    def look() -> RolloutView | None:
        cluster.check_identity()
        return Release(cluster, target_of(settings)).read()

    try:
        view = patiently("the canary", look, limit=limit, every=_EVERY_SECONDS)
    except GoliveError as error:
        return f"expected to see the canary before the verdict, could not: {error}; not proven"
    wrong = strayed(applied, entries, view)
    return f"expected the canary as this record left it, found {wrong}; see who wrote to the Rollout" if wrong else ""


def left(entries: Sequence[Entry]) -> tuple[Json, Sequence[Entry]]:
    """The canary of a record's ``entries``, oldest first, that was not taken back, and all since it was applied."""
    newest = since_rollback(entries)
    begun = [at for at, one in enumerate(newest) if one.kind == "applied" and one.data.get("resumed") is not True]
    mine = newest[begun[-1] :] if begun else newest
    return applied_of(mine), mine


def _promoted_here(entries: Sequence[Entry], view: RolloutView) -> bool:
    """Whether this record promoted it, or sent the last promotion and did not hear what became of it."""
    if any(one.kind == "promoted" for one in entries):
        return True
    steps = steps_of(view.canary)
    last = steps.held[-1].pause if steps.held else None
    there = [one.kind for one in entries if last is not None and number(one.data, "index") == last]
    return there.count("promote_sent") > there.count("promote_refused")


def strayed(applied: Json, entries: Sequence[Entry], view: RolloutView | None) -> str:
    """What is not as it was left; empty when all is. A new generation alone may be an autoscaler's."""
    if view is None or view.uid != text(applied, "uid"):
        return "the Rollout gone or another one"
    wanted = text(applied, "hash")
    if view.current_hash != wanted:
        return f"version {view.current_hash} instead of {wanted}"
    if view.abort:
        return f"it aborted: {view.message or 'status.abort is set'}"
    if view.stable_hash == wanted:
        return "" if _promoted_here(entries, view) else f"{wanted} promoted to the end, not by this record"
    if any(one.kind == "promoted" for one in entries):
        return f"version {view.stable_hash} stable, though this record promoted {wanted}"
    if not view.observed:
        return f"generation {view.generation}, which the controller has not observed"
    # A canary is never walked back, and a later session tells what was seen before once more.
    seen = [one.data for one in entries if one.kind == "observation"]
    newest = max(reversed(seen), key=lambda data: number(data, "weight") or 0, default=Json())
    held = steps_of(view.canary).at(number(newest, "weight") or 0)
    if held is None:
        return ""
    if (view.step, view.pauses) != (held.pause, (STEP_PAUSE,)):
        return f"it at step {view.step} ({view.phase}), not held at weight {held.weight}"
    if (since := text(newest, "pause_began")) and since != view.pause_began:
        return f"it held at weight {held.weight} since {view.pause_began}, not since {since}: it left it meanwhile"
    return ""
