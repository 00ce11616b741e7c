"""``golive status``: the rollout as it is now, who drives it, and what the record says of this release."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from golive.config import Settings
from golive.errors import GoliveError
from golive.journal import Entry
from golive.record import VERDICT, Kept, read_record, record_folder, session_holder
from golive.report import rollback_lines
from golive.types import Json, JsonValue, dig, items, text
from golive.verdict import took_back

if TYPE_CHECKING:
    from golive.argo import RolloutView

_MOST_RUNS = 5


@dataclass(frozen=True, slots=True)
class Status:
    """What was seen. ``rollout`` is one line for each fact of the cluster; ``runs`` the record, newest first."""

    about: str
    observed: bool
    rollout: tuple[str, ...]
    holder: str
    record: Path
    t0: str
    runs: tuple[str, ...]
    rollback: Json | None
    facts: Json

    def text(self) -> str:
        """For a tired person."""
        lines = [self.about, *(f"  {line}" for line in self.rollout)]
        lines += [f"session: {self.holder or 'none is running here'}", f"record: {self.record}", f"  T0: {self.t0}"]
        lines += [f"  {line}" for line in self.runs] or ["  no run yet"]
        return "\n".join([*lines, *(rollback_lines(self.rollback) if self.rollback else [])])

    def to_json(self) -> Json:
        """For machines."""
        runs: list[JsonValue] = [*self.runs]
        return {
            "observed": self.observed,
            "rollout": self.facts,
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
    entries = [entry for run in kept for entry in run.entries]
    observed, rollout, facts = _cluster(settings, entries)
    backs = [entry.data for entry in entries if entry.kind == "rollback"]
    return Status(
        about=f"{release.image}:{release.tag} on {target.cluster}, {target.namespace}/{target.rollout}",
        observed=observed,
        rollout=rollout,
        holder=session_holder(reports),
        record=record_folder(reports, release.digest),
        t0=_t0(entries),
        runs=tuple(_run(run, reports, release.digest) for run in reversed(kept[-_MOST_RUNS:])),
        rollback=backs[-1] if backs else None,
        facts=facts,
    )


def _cluster(settings: Settings, entries: list[Entry]) -> tuple[bool, tuple[str, ...], Json]:
    from golive.access import resolve
    from golive.cluster import Cluster
    from golive.rollback import classify
    from golive.t0 import target_of

    target = settings.target
    access = resolve(target.kubeconfig, target.context)
    cluster = Cluster(
        access,
        uid=target.cluster_uid,
        request_seconds=target.request_seconds,
        requests_per_second=target.requests_per_second,
    )
    before = any(took_back(entry) for entry in entries)
    try:
        cluster.check_identity()
        found, view, why = classify(cluster, target_of(settings), t0=None, already_rolled_back=before)
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


def _t0(entries: list[Entry]) -> str:
    taken = [entry.data for entry in entries if entry.kind == "t0"]
    good = [data for data in taken if "missing" not in data]
    if good:
        images = dig(good[-1], "images", default=[])
        shown = ", ".join(map(str, images)) if isinstance(images, list) else ""
        return f"{text(good[-1], 'hash')} ({shown}), taken {text(good[-1], 'taken')}"
    return f"none: {text(taken[-1], 'missing')}" if taken else "none yet"


def _run(run: Kept, reports: Path, digest: str) -> str:
    """One line for a run: who, what it judged, how it ended."""
    about = next((entry.data for entry in run.entries if entry.kind == "run"), {})
    by = text(about, "driver") or "unknown"
    if run.problem:
        return f"{run.run}: not readable: {run.problem}"
    if about.get("by_hand") is True:
        return f"{run.run}: golive rollback, by {by}"
    verdict = _verdict(record_folder(reports, digest) / run.run / VERDICT)
    scope = dig(about, "scope", default=[])
    stages = ", ".join(map(str, scope)) if isinstance(scope, list) else ""
    if not any(entry.kind == "finished" for entry in run.entries):
        return f"{run.run}: {stages}: under way, or ended without a verdict; counts as NO-GO; by {by}"
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
