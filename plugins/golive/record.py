"""The release record: the folder of one digest, to which every run adds a journal of its own.

``DIR/record/sha256-HEX/RUN/`` holds a run's ``journal.jsonl``, its ``verdict.json`` and the facts read once. A run's
first entry names the journal before it and the hash that one ended with, so the runs of a release form one chain.
"""

from __future__ import annotations

import contextlib
import fcntl
import heapq
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from golive.config import Target
from golive.errors import JournalError, NotInTime
from golive.journal import Entry, Journal, create
from golive.redact import Redactor
from golive.types import Json, JsonValue
from golive.waiting import wait_for

JOURNAL = "journal.jsonl"
VERDICT = "verdict.json"
PREVIOUS = "verdict.previous.json"
_SESSION = ".session"


@dataclass(frozen=True, slots=True)
class Run:
    """Where one run keeps what it writes. ``folder`` is its part of the record, ``reports`` the folder of reports."""

    id: str
    folder: Path
    reports: Path
    digest: str

    @property
    def journal(self) -> Path:
        """The run's journal."""
        return self.folder / JOURNAL

    def to_json(self) -> Json:
        """For a worker or the watchdog."""
        return {"id": self.id, "folder": str(self.folder), "reports": str(self.reports), "digest": self.digest}

    @classmethod
    def from_json(cls, data: Json) -> Run:
        """The other end of ``to_json``."""
        return cls(str(data["id"]), Path(str(data["folder"])), Path(str(data["reports"])), str(data["digest"]))


def record_folder(reports: Path, digest: str) -> Path:
    """The record of one release."""
    return reports / "record" / digest.replace(":", "-")


def open_run(reports: Path, digest: str, redactor: Redactor, *, who: str, about: Json) -> tuple[Run, Journal]:
    """Start a run: its folder, its journal, and a first entry that chains it to the run before."""
    started = datetime.now(UTC)
    run_id = f"{started:%Y%m%dT%H%M%S.%fZ}-{os.getpid()}"
    run = Run(run_id, record_folder(reports, digest) / run_id, reports, digest)
    before = previous(run)
    journal = Journal(run.journal, who, redactor)
    try:
        create(run.journal)
        journal.append("run", {**about, "run": run_id, "digest": digest, "previous": before})
    except JournalError:
        with contextlib.suppress(OSError):  # a run that never began leaves no broken journal to the next one
            run.journal.unlink(missing_ok=True)
            run.folder.rmdir()
        raise
    return run, journal


def previous(run: Run) -> JsonValue:
    """The newest earlier journal of this record and the hash it ended with; ``None`` for the first run."""
    entries = [one for one in read_record(run.reports, run.digest) if one.run < run.id and one.entries]
    if not entries:
        return None
    newest = entries[-1]
    return {"run": newest.run, "seq": newest.entries[-1].seq, "hash": newest.entries[-1].hash}


@dataclass(frozen=True, slots=True)
class Kept:
    """One run as the record keeps it; ``problem`` says why it could not be read."""

    run: str
    entries: tuple[Entry, ...]
    problem: str = ""


def read_record(reports: Path, digest: str, target: Target | None = None) -> tuple[Kept, ...]:
    """Every run of a release, oldest first; an unreadable or unchained one is kept with its problem.

    With a ``target``, only runs against it: the same digest elsewhere proves nothing here.
    """
    folder = record_folder(reports, digest)
    if not folder.is_dir():
        return ()
    kept: list[Kept] = []
    for path in sorted(folder.glob(f"*/{JOURNAL}")):
        try:
            entries = Journal(path, "reader", Redactor()).read()
            kept.append(Kept(path.parent.name, entries, _unchained(entries, kept)))
        except JournalError as error:
            kept.append(Kept(path.parent.name, (), str(error)))
    return tuple(one for one in kept if target is None or not _elsewhere(one, target))


class Reader:
    """Reads the record of one release again only where it changed: for who looks once a second."""

    def __init__(self, reports: Path, digest: str, target: Target) -> None:
        self._of = reports, digest, target
        self._stamps: list[tuple[str, int, int]] | None = None
        self._kept: tuple[Kept, ...] = ()

    def read(self) -> tuple[Kept, ...]:
        """As ``read_record``."""
        paths = sorted(record_folder(*self._of[:2]).glob(f"*/{JOURNAL}"))
        seen = [(str(path), path.stat()) for path in paths]
        stamps = [(path, stat.st_size, stat.st_mtime_ns) for path, stat in seen]
        if stamps != self._stamps:
            # Looked at before they are read: what is appended meanwhile is read again by the next look.
            self._kept, self._stamps = read_record(*self._of), stamps
        return self._kept


def joined(runs: Iterable[Kept]) -> tuple[Entry, ...]:
    """The entries of several runs as they came about, each run's in its own order: a release's runs may overlap."""
    return tuple(heapq.merge(*(run.entries for run in runs), key=lambda entry: entry.time))


def believed(runs: Iterable[Kept]) -> list[Entry]:
    """The entries of a record, run by run; of a run with a problem all but its outcomes: those prove nothing."""
    return [entry for run in runs for entry in run.entries if not run.problem or entry.kind != "outcome"]


def _elsewhere(run: Kept, target: Target) -> bool:
    """Whether a run's first entry names another cluster, namespace or rollout."""
    about = run.entries[0].data if run.entries else {}
    named = {name: about[name] for name in ("cluster_uid", "namespace", "rollout") if name in about}
    return any(value != getattr(target, name) for name, value in named.items())


def _unchained(entries: tuple[Entry, ...], before: list[Kept]) -> str:
    """Why this run does not continue an earlier one, or nothing. Two runs at once may continue the same one."""
    if not entries or entries[0].kind != "run":
        return "its journal does not begin with the start of a run"
    link = entries[0].data.get("previous")
    if not isinstance(link, dict):
        return ""
    wanted = (link.get("seq"), link.get("hash"))
    for one in before:
        if one.run == link.get("run") and any((entry.seq, entry.hash) == wanted for entry in one.entries):
            return ""
    return f"run {entries[0].data.get('run')} continues {link.get('run')}, which is not in the record as it was then"


@contextlib.contextmanager
def only_session(reports: Path, who: str) -> Iterator[int]:
    """Hold the reports folder for one session. Raises ``JournalError`` naming who holds it already.

    Yields the descriptor that holds it. The lock is the kernel's: it ends with the last process that has the
    descriptor, however that dies. The watchdog has it too: nobody starts anew while a dead session's rollback goes on.
    """
    try:
        reports.mkdir(parents=True, exist_ok=True)
        file = (reports / _SESSION).open("a+")
    except OSError as error:
        raise JournalError(_no_folder(reports, error)) from error
    with file:
        try:
            # Once more after a moment: ``golive status`` holds it for as long as it takes to see that nobody does.
            wait_for("the session's lock", lambda: _took(file, fcntl.LOCK_EX), bool, deadline=0.2, every=0.05)
        except NotInTime as error:
            file.seek(0)
            raise JournalError(
                f"{reports}: expected no other session, found one: {file.read().strip() or 'starting'}; "
                "wait for it, or give this one its own --golive-report-dir"
            ) from error
        try:
            file.truncate(0)
            file.write(who)
            file.flush()
        except OSError as error:  # a full disk; what was not written would be tried once more when the file is closed
            with contextlib.suppress(OSError):
                file.close()
            raise JournalError(_no_folder(reports, error)) from error
        yield file.fileno()


def _no_folder(reports: Path, error: OSError) -> str:
    return f"{reports}: expected a folder to keep reports in, found: {error.strerror}"


def session_holder(reports: Path) -> str:
    """Who holds the reports folder now; empty when no session does. Takes nothing and waits for nothing."""
    try:
        file = (reports / _SESSION).open(encoding="utf-8")
    except OSError:
        return ""
    with file:
        return "" if _took(file, fcntl.LOCK_SH) else file.read().strip() or "starting"


def _took(file: TextIO, kind: int) -> bool:
    """Take the lock if it is free; it ends with ``file``."""
    try:
        fcntl.flock(file.fileno(), kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def set_aside(reports: Path, *, ours: bool = False) -> None:
    """Where no run could begin, an earlier verdict is not this one's: it becomes ``verdict.previous.json``.

    Makes nothing where there is none, and leaves another running session's alone; ``ours``: this one holds the folder.
    """
    with contextlib.suppress(OSError):
        if ours or not session_holder(reports):
            (reports / VERDICT).replace(reports / PREVIOUS)


def write_json(path: Path, value: Json) -> None:
    """Replace ``path`` with ``value`` in one step: a reader sees the old or the new file, never half of one."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        # A lone surrogate in what a program said becomes its JSON escape.
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            json.dump(value, file, indent=2, ensure_ascii=False)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def once_per_run(path: Path, make: Callable[[], Json]) -> Json:
    """A fact read once: made by whichever worker comes first, under a lock, and read by the others.

    When ``make`` raises, nothing is kept and the next one to ask tries again.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("a") as lock:
        fcntl.flock(lock.fileno(), fcntl.LOCK_EX)
        if not path.exists():
            write_json(path, make())
        value: Json = json.loads(path.read_text(encoding="utf-8"))
        return value
