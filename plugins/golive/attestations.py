"""Attestations: a person checked by hand what a criterion could not, and the record says who, when and why.

Only criteria that the ratified list allows it for count one (``allows = ["attested"]``), only for the digest it was
made for, against the same target, and only while it is fresh. It can be withdrawn, by an entry that
is added: nothing is deleted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from golive.checked import ATTESTED, WITHDRAWN
from golive.closing import account
from golive.config import Settings
from golive.criterion import Outcome, Ratified
from golive.errors import ConfigError, Unreachable
from golive.names import is_somebody, shown
from golive.record import Kept, open_run, read_record
from golive.redact import Redactor
from golive.types import Json, text

if TYPE_CHECKING:
    from golive.session import Judge

SBOM = "1.4-sbom"
_LEAST, _MOST = 10, 2000
"""Characters of a reason: that are to be seen at least, of any kind at most."""


@dataclass(frozen=True, slots=True)
class Attestation:
    """Who checked, when (ISO, UTC), why it holds, and where that can be seen (may be empty); ``age`` in hours."""

    criterion: str
    digest: str
    by: str
    time: str
    reason: str
    evidence: str
    age: float

    def __str__(self) -> str:
        more = f" ({self.evidence})" if self.evidence else ""
        return f"attested by {self.by} at {self.time} ({self.age:.1f} h ago) for {self.digest}: {self.reason}{more}"


def attest(
    settings: Settings, ratified: Ratified, reports: Path, criterion: str, *, reason: str, evidence: str = ""
) -> str:
    """Record that a person checked ``criterion`` by hand for the digest of ``golive.toml``; one line that says so.

    Raises ``ConfigError`` for a criterion that allows no such thing, or for which ``golive.toml`` accepts none, and
    where it names no release driver; ``JournalError`` where it cannot be written.
    """
    _is_allowed(ratified, criterion)
    _is_accepted(settings, criterion)
    _is_by_somebody(settings)
    said = _said(settings, criterion, reason)
    run = _recorded(settings, reports, "attests", ATTESTED, {**said, "evidence": evidence})
    hours, digest = settings.record.fresh_hours, settings.release.digest
    return (
        f"attested: {criterion} for {digest}, by {said['by']}; counts for {hours:g} h (record.fresh_hours); run {run}"
    )


def withdraw(settings: Settings, ratified: Ratified, reports: Path, criterion: str, *, reason: str) -> str:
    """Record that no check of ``criterion`` for the digest of ``golive.toml`` counts any more; one line that says so.

    What was judged by it counts no more either. Raises as ``attest``, and ``ConfigError`` where there is no check: one
    that counts for nothing, as its journal does not fit its chain, can be withdrawn too.
    """
    _is_allowed(ratified, criterion)
    said, digest = _said(settings, criterion, reason), settings.release.digest
    kept = [replace(one, problem="") for one in read_record(reports, digest, settings.target)]
    taken = newest(kept, criterion, digest, fresh=timedelta.max, now=datetime.now(UTC))
    if taken is None:
        raise ConfigError(f"attest: --withdraw: expected a check of {criterion} for {digest} in {reports}, found none")
    run = _recorded(settings, reports, "withdraws", WITHDRAWN, said)
    return f"withdrawn: {criterion} for {digest}, by {said['by']}, which {taken.by} attested at {taken.time}; run {run}"


def _said(settings: Settings, criterion: str, reason: str) -> Json:
    words = " ".join(reason.split())
    visible = sum(1 for one in words if shown(one))
    found = visible if visible < _LEAST else len(words)
    if not _LEAST <= found <= _MOST:
        raise ConfigError(
            f"attest: --reason: expected {_LEAST} to {_MOST} characters that say what was checked, found {found}"
        )
    return {"id": criterion, "digest": settings.release.digest, "reason": words, "by": _who(settings)}


def _recorded(settings: Settings, reports: Path, does: str, kind: str, said: Json) -> str:
    """Add it to the record, in a run of its own; the run's id."""
    about: Json = {"driver": said["by"], "by_hand": True, does: said["id"]}
    for name in ("rollout", "cluster_uid", "namespace"):
        about[name] = str(getattr(settings.target, name))
    redactor = Redactor.from_environment()
    run, journal = open_run(reports, settings.release.digest, redactor, who="golive attest", about=about)
    journal.append(kind, said)
    return run.id


def attested(judge: Judge, criterion: str) -> Attestation | None:
    """The newest fresh one of this release and target; ``None`` where there is none. Raises as ``newest``."""
    settings = judge.settings
    kept = read_record(judge.run.reports, settings.release.digest, settings.target)
    fresh = timedelta(hours=settings.record.fresh_hours)
    return newest(kept, criterion, settings.release.digest, fresh=fresh, now=datetime.now(UTC))


def newest(runs: Sequence[Kept], criterion: str, digest: str, *, fresh: timedelta, now: datetime) -> Attestation | None:
    """The newest that is not older than ``fresh`` and not withdrawn since.

    One in a journal that does not fit its chain counts for nothing; a withdrawal there counts. Raises ``Unreachable``
    for one beside a journal that cannot be read, in which a withdrawal may stand.
    """
    about = [
        (run, one)
        for run in runs
        for one in run.entries
        if (text(one.data, "id"), text(one.data, "digest")) == (criterion, digest)
    ]
    withdrawn = max((one.time for _, one in about if one.kind == WITHDRAWN), default="")
    found = [
        Attestation(
            criterion,
            digest,
            text(one.data, "by"),
            one.time,
            text(one.data, "reason"),
            text(one.data, "evidence"),
            age / timedelta(hours=1),
        )
        for run, one in about
        if not run.problem
        and one.kind == ATTESTED
        and one.time > withdrawn
        and timedelta() <= (age := now - datetime.fromisoformat(one.time)) <= fresh
    ]
    unread = [f"run {run.run}: {run.problem}" for run in runs if run.problem and not run.entries]
    if found and unread:
        raise Unreachable(f"expected a record that shows no withdrawal of the manual check, found {'; '.join(unread)}")
    return max(found, key=lambda one: one.time, default=None)


def _is_allowed(ratified: Ratified, criterion: str) -> None:
    row = ratified.get(criterion)
    able = [one.id for one in ratified.criteria if Outcome.ATTESTED in one.allows and one.implemented]
    if row is None or row.id not in able:
        found = criterion if row else f"{criterion}, which is not in the ratified list"
        raise ConfigError(
            f"attest: expected a criterion that allows it ({', '.join(able) or 'none does'}), found {found}"
        )


def _is_accepted(settings: Settings, criterion: str) -> None:
    """What counts for nothing is not promised to count."""
    chain = settings.supply_chain
    if criterion == SBOM and not (chain and chain.sbom.accept_attested):
        found = "supply_chain.sbom.accept_attested = false" if chain else "no [supply_chain], so that it is not proven"
        raise ConfigError(f"attest: expected a golive.toml that accepts a manual check for {SBOM}, found {found}")


def _is_by_somebody(settings: Settings) -> None:
    """As 6-raci has it. A withdrawal may be anybody's: nothing counts by it."""
    name = settings.people.release_driver.name
    if not is_somebody(name):
        raise ConfigError(
            f"attest: expected a golive.toml that names who checks (people.release_driver), found {name!a}"
        )


def _who(settings: Settings) -> str:
    """The release driver, and the account and host that says so."""
    return f"{settings.people.release_driver.name or 'nobody named'} ({account()})"
