"""``golive status``: the rollout as it is now, who drives it, and what the record says of this release."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from golive.checked import ATTESTED, WITHDRAWN
from golive.config import Settings
from golive.errors import GoliveError
from golive.journal import Entry
from golive.known import t0_of
from golive.leash import silent
from golive.record import VERDICT, Kept, joined, read_record, record_folder, session_holder
from golive.report import rollback_lines
from golive.told import told_rollback
from golive.types import Json, JsonValue, dig, items, text
from golive.verdict import took_back

if TYPE_CHECKING:
    from golive.argo import RolloutView
    from golive.cluster import Cluster

_MOST_RUNS = 5


@dataclass(frozen=True, slots=True)
class Status:
    """What was seen. ``rollout`` is one line for each fact of the cluster; ``runs`` the record, newest first."""

    about: str
    observed: bool
    rollout: tuple[str, ...]
    lock: str
    holder: str
    record: Path
    t0: str
    runs: tuple[str, ...]
    rollback: Json | None
    facts: Json
    lease: Json | None

    def text(self) -> str:
        """For a tired person."""
        lines = [self.about, *(f"  {line}" for line in self.rollout)]
        lines += [f"  driver's Lease: {self.lock}"]
        lines += [f"session: {self.holder or 'none is running here'}", f"record: {self.record}", f"  T0: {self.t0}"]
        lines += [f"  {line}" for line in self.runs] or ["  no run yet"]
        return "\n".join([*lines, *(rollback_lines(self.rollback) if self.rollback else [])])

    def to_json(self) -> Json:
        """For machines."""
        runs: list[JsonValue] = [*self.runs]
        return {
            "observed": self.observed,
            "rollout": self.facts,
            "lock": self.lease,
            "session": self.holder or None,
            "record": str(self.record),
            "t0": self.t0,
            "runs": runs,
            "rollback": self.rollback,
        }


def observe(settings: Settings, reports: Path) -> Status:
    """Look at the cluster and the record; what cannot be read is said, not raised. Raises ``ConfigError``."""
    target, release = settings.target, settings.release
    kept = read_record(reports, release.digest, target)
    entries = joined(kept)
    cluster = _client(settings)
    observed, rollout, facts = _cluster(cluster, settings, entries)
    lock, lease = _lock(cluster, settings) if observed else ("not observed", None)
    holder = session_holder(reports)
    return Status(
        about=f"{release.image}:{release.tag} on {target.cluster}, {target.namespace}/{target.rollout}",
        observed=observed,
        rollout=rollout,
        lock=lock,
        holder=holder,
        record=record_folder(reports, release.digest),
        t0=_t0(entries),
        runs=tuple(_run(run, reports, release.digest, holder) for run in reversed(kept[-_MOST_RUNS:])),
        rollback=last_rollback(kept),
        facts=facts,
        lease=lease,
    )


def last_rollback(runs: Sequence[Kept]) -> Json | None:
    """The newest rollback of a record; one that was begun and has no end in its run is not proven."""
    told = [found for run in runs if (found := told_rollback(run.entries)) is not None]
    if not told:
        return None
    newest = max(told, key=lambda one: one.time)
    return newest.result or silent(newest.cause, "it was begun, and its end is not in the record: repeat it")


def _client(settings: Settings) -> Cluster:
    from golive.access import resolve
    from golive.cluster import Cluster

    target = settings.target
    return Cluster.of(resolve(target.kubeconfig, target.context), target)


def _lock(cluster: Cluster, settings: Settings) -> tuple[str, Json | None]:
    """Who drives, as the cluster has it."""
    from golive.lease import DriverLease

    try:
        view = DriverLease(cluster, settings, "", "").read()
    except GoliveError as error:
        return f"not observed: {error}", {"error": str(error)}
    return (view.line(), view.to_json()) if view else ("nobody drives", None)


def _cluster(cluster: Cluster, settings: Settings, entries: Sequence[Entry]) -> tuple[bool, tuple[str, ...], Json]:
    from golive.rollback import classify
    from golive.t0 import target_of

    before = any(took_back(entry) for entry in entries)
    try:
        cluster.check_identity()
        found, view, why = classify(cluster, target_of(settings), t0=t0_of(entries), already_rolled_back=before)
    except GoliveError as error:
        return False, (f"not observed: {error}",), {"error": str(error)}
    facts: Json = {"release": found.value, "why": why, **(_facts(view) if view else {})}
    return True, (*(_lines(view) if view else ()), f"the release: {found.replace('_', ' ')} ({why})"), facts


def _facts(view: RolloutView) -> Json:
    return {
        "phase": view.phase,
        "message": view.message,
        "observed": view.observed,
        "aborted": view.abort,
        "paused": view.paused,
        "current": view.current_hash,
        "stable": view.stable_hash,
        "canary_weight": view.canary_weight,
        "images": list(view.images),
    }


def _lines(view: RolloutView) -> tuple[str, ...]:
    state = "" if view.observed else " (the controller has not seen the newest spec yet)"
    weight = "none" if view.canary_weight is None else f"{view.canary_weight} of {view.max_weight}"
    return (
        f"phase: {view.phase} {view.message}".rstrip() + state,
        f"canary weight: {weight}{', aborted' if view.abort else ''}{', spec paused' if view.paused else ''}",
        f"stable {view.stable_hash or 'none'}, current {view.current_hash or 'none'}: {', '.join(view.images)}",
    )


def _t0(entries: Sequence[Entry]) -> str:
    good = t0_of(entries)
    if good is not None:
        return f"{good.hash} ({', '.join(good.images)}), taken {good.taken}"
    taken = [entry.data for entry in entries if entry.kind == "t0"]
    return f"none: {text(taken[-1], 'missing')}" if taken else "none yet"


def _run(run: Kept, reports: Path, digest: str, holder: str) -> str:
    """One line for a run: who, what it judged, how it ended; ``holder``: the session that runs here now."""
    about = next((entry.data for entry in run.entries if entry.kind == "run"), {})
    by = text(about, "driver") or "unknown"
    if run.problem:
        return f"{run.run}: not readable: {run.problem}"
    if about.get("by_hand") is True:
        withdraws = text(about, "withdraws")
        attests = text(about, "attests") or withdraws
        recorded = any(entry.kind in (ATTESTED, WITHDRAWN) for entry in run.entries)
        done = f"attest {attests}{' --withdraw' if withdraws else ''}"
        what = f"{done}{'' if recorded else ', of which nothing was recorded'}" if attests else "rollback"
        return f"{run.run}: golive {what}, by {by}"
    verdict = _verdict(record_folder(reports, digest) / run.run / VERDICT)
    scope = dig(about, "scope", default=[])
    stages = ", ".join(map(str, scope)) if isinstance(scope, list) else ""
    if not any(entry.kind == "finished" for entry in run.entries):
        state = "under way" if holder.startswith(f"{by}, since") else "ended without a verdict"
        return f"{run.run}: {stages}: {state}; counts as NO-GO; by {by}"
    rows = items(verdict, "criteria")
    failing = [text(row, "id") for row in rows if text(row, "outcome") in ("failed", "not_proven")]
    why = f" ({', '.join(failing)})" if failing else ""
    return f"{run.run}: {stages}: {text(verdict, 'verdict') or 'verdict file missing'}{why}; by {by}"


def _verdict(path: Path) -> Json:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
