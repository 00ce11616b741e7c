"""What a run's journal tells of its own rollback, for who was not there: another watchdog, ``golive status``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from golive.journal import Entry
from golive.types import Json, text

if TYPE_CHECKING:
    from golive.rollback import RollbackResult

_BEGUN = ("rollback_started", "rollback_request")
LOOKED = "rollback_looked"
"""The entry with what is to be said of a rollback that nobody carried out: disarmed, another driver's, unheard of."""


@dataclass(frozen=True, slots=True)
class Told:
    """A run's newest rollback. ``result`` is ``None`` where it was begun and its end is not there."""

    time: str
    cause: str
    result: Json | None


def told_rollback(entries: Sequence[Entry]) -> Told | None:
    """The newest rollback of one run's entries; ``None`` where there is none."""
    ends = [number for number, entry in enumerate(entries) if entry.kind == "rollback"]
    begun = [number for number, entry in enumerate(entries) if entry.kind in _BEGUN]
    if begun and (not ends or begun[-1] > ends[-1]):
        since = entries[ends[-1] + 1 :] if ends else entries
        causes = [text(entry.data, "cause") for entry in since if entry.kind == "rollback_started"]
        return Told(entries[begun[-1]].time, causes[-1] if causes else "session", None)
    said = [entry for entry in entries if entry.kind in ("rollback", LOOKED)]
    if not said:
        return None
    last = said[-1]
    return Told(last.time, text(last.data, "cause"), last.data)


def acted(entries: Sequence[Entry]) -> bool:
    """Whether this run carried a rollback out, or began to."""
    return any(entry.kind in ("rollback", *_BEGUN) for entry in entries)


def restores(entries: Sequence[Entry]) -> int:
    """How often this run has put the stable version's template back."""
    return sum(entry.kind == "rollback_request" and entry.data.get("request") == "restore" for entry in entries)


def recalled(entries: Sequence[Entry]) -> RollbackResult | None:
    """The result as the watchdog that wrote these entries had it; what it did not end is not proven."""
    told = told_rollback(entries)
    if told is None:
        return None
    from golive.rollback import Found, RollbackResult

    if told.result is not None:
        return RollbackResult.from_json(told.result)
    ended = [number for number, entry in enumerate(entries) if entry.kind == "rollback"]
    since = entries[ended[-1] + 1 :] if ended else entries
    words = [text(entry.data, "found") for entry in since if entry.kind == "rollback_found"]
    begun = RollbackResult(
        cause=told.cause,
        found=Found(words[-1]) if words else Found.UNKNOWN,
        did=_did(since),
        proven=False,
        legs=(),
        to_request=_to_request(entries, told.cause),
        to_stable=None,
        remark="the watchdog that began it died; another one went on",
    )
    return RollbackResult.from_json(entries[ended[-1]].data).then(begun) if ended else begun


def _did(entries: Sequence[Entry]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text(entry.data, "request") for entry in entries if entry.kind == "rollback_request"))


def _to_request(entries: Sequence[Entry], cause: str) -> float | None:
    """Seconds from the outcome that called for it, else from its start, until the first abort or restore was sent."""
    sent = [
        entry
        for entry in entries
        if entry.kind == "rollback_request" and entry.data.get("request") in ("abort", "restore")
    ]
    called = [entry for entry in entries if entry.kind == "outcome" and entry.data.get("id") == cause]
    begun = called or [entry for entry in entries if entry.kind == "rollback_started"]
    if not sent or not begun:
        return None
    first, since = (datetime.fromisoformat(one[0].time) for one in (sent, begun))
    return round(max((first - since).total_seconds(), 0.0), 3)
