"""The driver's Lease: who drives the release, and, for the cluster's own analysis, that the driver lives.

``golive-ROLLOUT`` in the release's namespace (``coordination.k8s.io/v1``). While it is renewed, its
``leaseDurationSeconds`` is the blind limit; after the clean end of a stage it is the handover limit. Its age is what
the API server says: its ``Date`` now, less the time it stamped on the last write of field manager ``golive``; the
drivers' clocks are not compared. Every write carries the resource version that was seen.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from golive.errors import ApiError, GoliveError, Unreachable
from golive.journal import now
from golive.transport import Response, refused
from golive.types import Json, JsonValue, items, mapping, number, text

if TYPE_CHECKING:
    from golive.cluster import Cluster
    from golive.config import Settings

MANAGER = "golive"
"""The field manager of everything this suite writes."""
_TRIES = 5
"""How often a write is decided anew when somebody else wrote in between."""
_NOTE = "golive/"


class Held(GoliveError):  # noqa: N818  (a lock that somebody holds is no error)
    """Somebody else drives this release: the message says who, since and until when, and how to clear it."""


class Lost(GoliveError):  # noqa: N818  (what became of it)
    """The Lease is not this run's any more. ``holder`` is the run that has it; empty when it was deleted."""

    def __init__(self, holder: str, message: str) -> None:
        super().__init__(message)
        self.holder = holder


@dataclass(frozen=True, slots=True)
class LeaseView:
    """A Lease at one moment of the API server's clock. ``holder`` is a run's id, ``driver`` the person and process."""

    uid: str
    resource_version: str
    holder: str
    driver: str
    digest: str
    since: str
    handover: bool
    """Whether a session ended cleanly and left the canary to the next one."""
    seconds: int | None
    """How long it is good for after its last renewal; ``None``: somebody wrote it by hand, and it never ends."""
    renewed: datetime | None
    seen: datetime

    @property
    def age(self) -> float | None:
        """Seconds since it was last renewed; ``None`` where nothing tells."""
        return (self.seen - self.renewed).total_seconds() if self.renewed else None

    @property
    def expired(self) -> bool:
        """Whether its holder counts as gone; the cluster's own analysis says the same."""
        return self.age is not None and self.seconds is not None and self.age >= self.seconds

    @property
    def until(self) -> str:
        """When it ends unless it is renewed."""
        if self.renewed is None or self.seconds is None:
            return "never by itself"
        return (self.renewed + timedelta(seconds=self.seconds)).isoformat(timespec="seconds")

    def line(self) -> str:
        """For people: who, since when, until when."""
        state = "expired at" if self.expired else "handed over until" if self.handover else "renewed, good until"
        age = "an unknown time" if self.age is None else f"{self.age:.0f} s"
        return f"{self.driver or 'unknown'}, run {self.holder or 'unknown'}, since {self.since or 'unknown'}; " + (
            f"last renewed {age} ago, {state} {self.until}"
        )

    def to_json(self) -> Json:
        """For machines."""
        return {
            "run": self.holder,
            "driver": self.driver,
            "digest": self.digest,
            "since": self.since,
            "handover": self.handover,
            "expired": self.expired,
            "until": self.until,
            "age_seconds": self.age,
        }


def parse(body: Json, seen: datetime) -> LeaseView:
    """Read a Lease as the API gave it, when its clock said ``seen``."""
    notes = mapping(body, "metadata", "annotations")
    ours = (one for one in items(body, "metadata", "managedFields") if text(one, "manager") == MANAGER)
    stamps = [stamp for one in ours if (stamp := _moment(text(one, "time")))]
    return LeaseView(
        uid=text(body, "metadata", "uid"),
        resource_version=text(body, "metadata", "resourceVersion"),
        holder=text(body, "spec", "holderIdentity"),
        driver=text(notes, f"{_NOTE}driver"),
        digest=text(notes, f"{_NOTE}digest"),
        since=text(notes, f"{_NOTE}since") or text(body, "spec", "acquireTime"),
        handover=text(notes, f"{_NOTE}handover") == "true",
        seconds=number(body, "spec", "leaseDurationSeconds"),
        renewed=max(stamps, default=None) or _moment(text(body, "spec", "renewTime")),
        seen=seen,
    )


def _moment(words: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(words)
    except ValueError:
        return None
    return found if found.tzinfo else None


def stands_for(view: LeaseView, run: str, digest: str) -> bool:
    """Whether this Lease keeps ``run`` from driving: not its own, not expired, not handed over for this digest."""
    mine = view.holder == run
    ours = view.handover and view.digest == digest
    return not (mine or ours or view.expired)


class DriverLease:
    """The Lease of one run. Every method raises ``Unreachable`` when the API server gave no proper answer."""

    def __init__(self, cluster: Cluster, settings: Settings, run_id: str, who: str) -> None:
        self._cluster, self._run, self._who = cluster, run_id, who
        self._name, self._namespace = settings.lease, settings.target.namespace
        self._digest = settings.release.digest
        self._limit = max(1, round(settings.rollback.blind_limit_seconds))
        self._leases = f"/apis/coordination.k8s.io/v1/namespaces/{self._namespace}/leases"
        self._view: LeaseView | None = None

    @property
    def _path(self) -> str:
        return f"{self._leases}/{self._name}"

    def read(self) -> LeaseView | None:
        """The Lease now; ``None`` when there is none."""
        answer = self._cluster.request("GET", self._path)
        if answer.status >= 300:
            error = refused(answer.status, answer.body)
            if (error.status, error.reason) == (404, "NotFound"):
                return None
            raise error
        try:
            found: JsonValue = json.loads(answer.body)
        except ValueError as error:
            raise Unreachable(f"GET {self._path}: expected JSON, found {answer.body[:80]!r}") from error
        if not isinstance(found, dict):
            raise Unreachable(f"GET {self._path}: expected a Lease, found {answer.body[:80]!r}")
        return parse(found, _clock_of(answer))

    def take(self) -> LeaseView:
        """Hold it from now on: made, or taken over where it has expired, is this run's, or was handed over to it.

        Raises ``Held`` when somebody else drives.
        """
        view = None
        for _ in range(_TRIES):
            view = self.read()
            if view is not None and stands_for(view, self._run, self._digest):
                raise Held(self._words(view))
            try:
                self._view = self._take(view)
            except ApiError as error:
                if error.status not in (404, 409):
                    raise
            else:
                return self._view
        raise Held(f"Lease {self._namespace}/{self._name} changes faster than it can be taken; {view and view.line()}")

    def renew(self) -> None:
        """Say that the driver lives. Raises ``Lost``; never takes back what another run has."""
        for _ in range(_TRIES):
            view = self._mine(self._view or self.read())
            try:
                self._view = self._write(view, {"renewTime": _stamp()})
            except ApiError as error:
                if error.status not in (404, 409):
                    raise
                self._view = None  # somebody wrote: look who
            else:
                return
        raise Unreachable(f"Lease {self._namespace}/{self._name} changes faster than it can be renewed")

    def hand_over(self, seconds: float) -> None:
        """Leave it to the next session of this release, for ``seconds``. Raises ``Lost``."""
        spec: Json = {"renewTime": _stamp(), "leaseDurationSeconds": max(1, round(seconds))}
        self._as_seen(lambda view: self._write(view, spec, {f"{_NOTE}handover": "true"}))

    def release(self) -> None:
        """Nobody drives any more: it is deleted. Raises ``Lost`` where it is not this run's."""
        self._as_seen(self._delete)

    def clear(self) -> bool:
        """Delete what this release's last session handed over, now that nothing is left to hand over; was there any?"""
        view = self.read()
        if view is None or view.digest != self._digest or not view.handover:
            return False
        self._delete(view)
        return True

    def _take(self, view: LeaseView | None) -> LeaseView:
        mine = view is not None and view.holder == self._run
        since = view.since if view is not None and mine else now()
        notes: Json = {
            f"{_NOTE}run": self._run,
            f"{_NOTE}driver": self._who,
            f"{_NOTE}digest": self._digest,
            f"{_NOTE}since": since,
            f"{_NOTE}handover": "false",
        }
        spec: Json = {"holderIdentity": self._run, "renewTime": _stamp(), "leaseDurationSeconds": self._limit}
        if not mine:
            spec["acquireTime"] = _stamp()
        if view is not None:
            return self._write(view, spec, notes)
        body: Json = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": self._name, "namespace": self._namespace, "annotations": notes},
            "spec": spec,
        }
        return parse(self._cluster.create(self._leases, body, field_manager=MANAGER), datetime.now(UTC))

    def _write(self, view: LeaseView, spec: Json, notes: Json | None = None) -> LeaseView:
        """Change what was seen, and nothing else; ``ApiError`` 409 or 404 when it is another one by now."""
        seen: Json = {"uid": view.uid, "resourceVersion": view.resource_version}
        body: Json = {"metadata": {**seen, **({"annotations": notes} if notes else {})}, "spec": spec}
        return parse(self._cluster.patch(self._path, body, params={"fieldManager": MANAGER}), datetime.now(UTC))

    def _delete(self, view: LeaseView) -> None:
        self._cluster.delete(self._path, uid=view.uid, resource_version=view.resource_version)

    def _mine(self, view: LeaseView | None) -> LeaseView:
        where = f"Lease {self._namespace}/{self._name}"
        if view is None:
            raise Lost("", f"{where}: expected run {self._run} as its holder, found it deleted")
        if view.holder != self._run:
            raise Lost(view.holder, f"{where}: expected run {self._run} as its holder, found {view.line()}")
        return view

    def _as_seen(self, change: Callable[[LeaseView], object]) -> None:
        """Make one change to this run's Lease, decided anew while others write too."""
        for _ in range(_TRIES):
            view = self._mine(self.read())
            try:
                change(view)
            except ApiError as error:
                if error.status not in (404, 409):
                    raise
            else:
                return
        raise Unreachable(f"Lease {self._namespace}/{self._name} changes faster than it can be written")

    def _words(self, view: LeaseView) -> str:
        what = "this release" if view.digest == self._digest else f"another release ({view.digest or 'unknown'})"
        return (
            f"expected nobody to drive {self._namespace}/{self._name.removeprefix(f'{MANAGER}-')}, found {what} driven "
            f"by {view.line()}; wait for it, or, only when that session is really gone: "
            f"kubectl -n {self._namespace} delete lease {self._name}"
        )


def _stamp() -> str:
    """Now, as a Lease has it."""
    return now().replace("+00:00", "Z")


def _clock_of(answer: Response) -> datetime:
    """What the API server's clock said; this machine's where the answer does not tell."""
    words = next((value for name, value in answer.headers.items() if name.lower() == "date"), "")
    try:
        found = parsedate_to_datetime(words)
    except ValueError:
        return datetime.now(UTC)
    return found if found.tzinfo else found.replace(tzinfo=UTC)
