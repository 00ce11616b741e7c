"""Closing a run: the verdict file, written by pytest, or by the watchdog when pytest is gone."""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import platform
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from importlib import metadata
from pathlib import Path

from golive.config import Settings
from golive.criterion import Gate, Ratified, Stage
from golive.errors import JournalError
from golive.journal import Entry, Journal, now
from golive.record import VERDICT, Run, read_record, write_json
from golive.redact import Redactor
from golive.types import Json, text
from golive.verdict import Decision, Verdict, decide

SCHEMA = Path(__file__).with_name("verdict.schema.json")


def driver(settings: Settings) -> str:
    """Who drives: the person ``golive.toml`` names, and the account, host and process that runs this."""
    person = settings.people.release_driver.name or "nobody named"
    return f"{person} ({account()}, pid {os.getpid()})"


def account() -> str:
    """The account and host that this process runs with."""
    try:
        name = getpass.getuser()
    except (OSError, KeyError):
        name = f"uid {os.getuid()}"
    return f"{name}@{socket.gethostname()}"


@cache
def versions() -> Json:
    """The versions of what judged."""
    names = ("maestro-golive", "pytest", "pytest-xdist", "kubernetes")
    return {"python": platform.python_version(), **{name: _version(name) for name in names}}


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


def judge(
    run: Run,
    settings: Settings,
    ratified: Ratified,
    journal: Journal,
    scope: Sequence[Stage],
    *,
    problems: Sequence[str] = (),
    rollback: Json | None = None,
) -> Verdict:
    """``decide()`` over what this run and the record hold; an unreadable journal is a reason for NO-GO, not a crash."""
    entries: tuple[Entry, ...] = ()
    found = list(problems)
    try:
        entries = journal.read()
    except JournalError as error:
        found.append(str(error))
    if journal.cut:
        found.append(f"the record is not whole: {journal.cut}")
    kept = read_record(run.reports, run.digest, settings.target)
    earlier = tuple(one for one in kept if one.run != run.id)
    fresh = timedelta(hours=settings.record.fresh_hours)
    return decide(ratified, entries, scope=scope, earlier=earlier, fresh=fresh, problems=found, rollback=rollback)


@dataclass(frozen=True, slots=True)
class Closing:
    """A run that comes to its end: what it judged by, and who drove it. ``started`` is an ISO time."""

    run: Run
    settings: Settings
    ratified: Ratified
    journal: Journal
    scope: Sequence[Stage]
    who: str
    started: str
    redactor: Redactor

    def judged(self, problems: Sequence[str], rollback: Json | None) -> Verdict:
        """The verdict as the record has it now."""
        run, settings = self.run, self.settings
        return judge(run, settings, self.ratified, self.journal, self.scope, problems=problems, rollback=rollback)

    def write(self, verdict: Verdict, finished: str) -> None:
        """Raises ``JournalError``."""
        words = {"who": self.who, "started": self.started, "finished": finished}
        write_verdict(self.run, verdict_json(verdict, self.run, self.settings, redactor=self.redactor, **words))


def verdict_json(
    verdict: Verdict, run: Run, settings: Settings, *, who: str, started: str, finished: str | None, redactor: Redactor
) -> Json:
    """The verdict as ``golive.verdict/v1``, redacted and checked against the schema."""
    target, release = settings.target, settings.release
    value: Json = {
        "schema": "golive.verdict/v1",
        "run": {"id": run.id, "started": started, "finished": finished, "driver": who, "versions": versions()},
        "target": {"cluster": target.cluster, "namespace": target.namespace, "rollout": target.rollout},
        "release": {"image": release.image, "tag": release.tag, "digest": release.digest, "revision": release.revision},
        "scope": [stage.value for stage in verdict.scope],
        "verdict": verdict.decision.value,
        "release_verdict": verdict.release.value,
        "exit": int(verdict.exit_code),
        "problems": list(verdict.problems),
        "criteria": [row.to_json() for row in verdict.criteria],
        "not_implemented": [row.id for row in verdict.left_out],
        "rollback": verdict.rollback,
    }
    value = redactor.json(value)
    import jsonschema  # imported here: only a run that ends needs it

    jsonschema.validate(value, json.loads(SCHEMA.read_text(encoding="utf-8")))
    return value


def write_verdict(run: Run, value: Json) -> None:
    """Keep the verdict with its run, and as the newest of the reports folder. Raises ``JournalError``."""
    try:
        for path in (run.folder / VERDICT, run.reports / VERDICT):
            write_json(path, value)
    except OSError as error:
        raise JournalError(
            f"{run.reports / VERDICT}: expected to write the verdict, found: {error.strerror}"
        ) from error


def close(run: Closing, problems: Sequence[str], rollback: Json | None) -> Verdict:
    """Journal the end, judge, write the verdict; what cannot be kept is a problem of the verdict.

    The problems are journalled too, so that the verdict can be computed again. The verdict file is last: when something
    before it failed, it says so.
    """
    found, journal = list(problems), run.journal
    try:
        for problem in dict.fromkeys(problems):
            journal.append("problem", {"problem": problem})
        planned = run.judged(found, rollback)
        facts: Json = {"verdict": planned.decision.value, "release_verdict": planned.release.value}
        journal.append("finished", facts)
    except JournalError as error:
        found.append(f"the record is not whole: {error}")
    verdict = run.judged(found, rollback)
    try:
        run.write(verdict, now())
    except JournalError as error:
        found.append(f"the record is not whole: {error}")
        verdict = run.judged(found, rollback)
        with contextlib.suppress(JournalError):
            journal.append("problem", {"problem": found[-1]})
    return verdict


def complete(run: Closing, rollback: Json | None) -> None:
    """Write the verdict that the journal says this run ended with, where its writer died before the file was whole.

    Also where traffic was taken back (``rollback``) and the file does not say so. Raises ``JournalError``.
    """
    kept = _kept(run.run.reports / VERDICT)  # it is written last
    told = rollback is None or kept.get("rollback") is not None
    if text(kept, "run", "id") == run.run.id and text(kept, "run", "finished") and told:
        return
    ends = [entry.time for entry in run.journal.read() if entry.kind == "finished"]
    run.write(run.judged((), rollback), ends[-1] if ends else now())


def _kept(path: Path) -> Json:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def cause_of(verdict: Verdict) -> str:
    """The criterion that a rollback is called for: the worst p0, or ``session`` when no criterion stands for it."""
    return verdict.failing[0].criterion.id if verdict.failing else "session"


def may_call(verdict: Verdict) -> bool:
    """Whether the end of a session with this verdict calls the rollback hook (never for a post-deploy criterion)."""
    if verdict.decision is not Decision.NO_GO or set(verdict.scope) <= {Stage.POSTDEPLOY}:
        return False
    if not any(row.criterion.gate is Gate.P0 for row in verdict.criteria):
        return False  # nothing of this scope is built, so nothing was judged: that says nothing about the release
    rows = [row for row in verdict.failing if row.criterion.stage is not Stage.POSTDEPLOY]
    return bool(rows or verdict.problems) and all(row.criterion.gate is Gate.P0 for row in rows)
