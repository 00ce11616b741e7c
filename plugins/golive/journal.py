"""The journal: one append-only, hash-chained file that workers, controller and watchdog share.

A line is one entry: ``{"seq", "time", "who", "kind", "data", "prev", "hash"}``; ``hash`` is the SHA-256 of the entry
without it, ``prev`` the hash before it. Writers take a lock on the file. A line torn by a crash is closed by the next
writer with a ``recovered`` entry that names its bytes; anything else that does not fit the chain is an error, never
silently left out.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from golive.errors import JournalError, NotInTime
from golive.redact import Redactor
from golive.types import Json, JsonValue
from golive.waiting import wait_for

START = "0" * 64
LOCK_SECONDS = 5.0
"""How long a writer waits for the others: each holds the lock for one line, so only a stopped process takes longer."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a journal. ``time`` is UTC with microseconds, ISO 8601."""

    seq: int
    time: str
    who: str
    kind: str
    data: Json
    prev: str
    hash: str


def now() -> str:
    """The present moment, UTC, ISO 8601 with microseconds."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def canonical(value: JsonValue) -> bytes:
    """The one JSON form of ``value`` that is hashed: sorted keys, no blanks, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


class Journal:
    """Append to, and read, one journal file. ``who`` names this process in its entries."""

    def __init__(self, path: Path, who: str, redactor: Redactor) -> None:
        self.path = path
        self.who = who
        self._redactor = redactor
        self._gave_up = False
        self._seen: Entry | None = None
        self.cut = ""
        """What this process read or wrote before, and the file has lost since; empty while it is whole."""

    def redacted(self, data: Json) -> Json:
        """``data`` as an entry would hold it."""
        return self._redactor.json(data)

    def give_up(self) -> None:
        """Tell every process of the run that an outcome is lost, so that none waits for it; needs no disk space."""
        self._gave_up = True
        with contextlib.suppress(OSError):
            self._lost.touch()

    @property
    def given_up(self) -> bool:
        """Whether an outcome of this run could not be written."""
        return self._gave_up or self._lost.exists()

    @property
    def _lost(self) -> Path:
        return self.path.with_name("outcome.lost")

    def append(self, kind: str, data: Json) -> Entry:
        """Write one entry and force it to disk. Raises ``JournalError`` when it could not be written whole."""
        try:
            with _opened(self.path, os.O_RDWR) as fd, _locked(self.path, fd):
                return self._append(fd, kind, data)
        except OSError as error:
            raise JournalError(f"{self.path}: expected to append {kind!r}, found: {error.strerror}") from error

    def _append(self, fd: int, kind: str, data: Json) -> Entry:
        size = os.fstat(fd).st_size
        raw = os.pread(fd, size, 0)
        entries, torn = _parse(self.path, raw)
        self._remember(entries, self._seen)
        lines = b"" if raw.endswith(b"\n") or not raw else b"\n"
        last = entries[-1] if entries else None
        if torn:
            crash: Json = {"torn_bytes": len(torn), "torn_sha256": hashlib.sha256(torn).hexdigest()}
            last = self._entry(last, "recovered", crash)
            lines += _line(last)
        entry = self._entry(last, kind, self._redactor.json(data))
        try:
            _write(fd, lines + _line(entry), size)
            os.fsync(fd)
        except OSError:
            os.ftruncate(fd, size)  # a full disk must not leave half a line behind
            raise
        self._seen = entry
        return entry

    def _entry(self, last: Entry | None, kind: str, data: Json) -> Entry:
        seq, prev = (last.seq + 1, last.hash) if last else (0, START)
        body: Json = {"seq": seq, "time": now(), "who": self.who, "kind": kind, "data": data, "prev": prev}
        digest = hashlib.sha256(canonical(body)).hexdigest()
        return Entry(seq, str(body["time"]), self.who, kind, data, prev, digest)

    def read(self) -> tuple[Entry, ...]:
        """Every entry so far, checked against the chain. Raises ``JournalError`` where it does not fit."""
        seen = self._seen  # before the file is read: another thread may write and remember meanwhile
        try:
            with _opened(self.path, os.O_RDONLY) as fd, os.fdopen(fd, "rb", closefd=False) as file:
                raw = file.read()
        except OSError as error:
            raise JournalError(f"{self.path}: expected a readable journal, found: {error.strerror}") from error
        entries = _parse(self.path, raw)[0]
        self._remember(entries, seen)
        return entries

    def _remember(self, entries: Sequence[Entry], seen: Entry | None) -> None:
        """A journal only grows: an end that was cut off leaves a chain that fits, and less than was ``seen``."""
        there = len(entries)
        if seen is not None and (seen.seq >= there or entries[seen.seq].hash != seen.hash):
            self.cut = f"{self.path}: expected entry {seen.seq} ({seen.kind}), which was there; found it gone"
            self._seen = None
        if entries and (self._seen is None or entries[-1].seq > self._seen.seq):
            self._seen = entries[-1]


def create(path: Path) -> None:
    """Make an empty journal; the folder too. Raises ``JournalError`` when one is there already or it cannot be made."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(exist_ok=False)
    except OSError as error:
        raise JournalError(f"{path}: expected to create a journal, found: {error.strerror}") from error


@contextlib.contextmanager
def _opened(path: Path, flags: int, kind: Callable[[int], bool] = stat.S_ISREG) -> Iterator[int]:
    """A file of the right kind; anything else under its name, such as a pipe, could keep a reader waiting for ever."""
    fd = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not kind(os.fstat(fd).st_mode):
            raise JournalError(f"{path}: expected a regular file, found something else")
        yield fd
    finally:
        os.close(fd)


@contextlib.contextmanager
def _locked(path: Path, fd: int) -> Iterator[None]:
    """Hold the journal's lock.

    Who waits for it holds the turn, which is the folder's lock: without one, a writer that appends without a pause
    takes the lock again within microseconds, and another that asks every few milliseconds never gets it.
    """
    end = time.monotonic() + LOCK_SECONDS
    with _opened(path.parent, os.O_RDONLY | os.O_DIRECTORY, stat.S_ISDIR) as turn, _taken(path, turn, end):
        lock = contextlib.ExitStack()
        lock.enter_context(_taken(path, fd, end))
    with lock:
        yield


@contextlib.contextmanager
def _taken(path: Path, fd: int, end: float) -> Iterator[None]:
    try:
        wait_for("the lock", lambda: _took(fd), bool, deadline=end - time.monotonic(), every=0.005)
    except NotInTime as error:
        raise JournalError(f"{path}: expected its lock within {LOCK_SECONDS:g} s, found it held") from error
    try:
        yield
    finally:
        fcntl.flock(fd, fcntl.LOCK_UN)


def _took(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)  # released by the kernel when the process dies
    except BlockingIOError:
        return False
    return True


def _write(fd: int, data: bytes, offset: int) -> None:
    while data:
        done = os.pwrite(fd, data, offset)
        data, offset = data[done:], offset + done


def _line(entry: Entry) -> bytes:
    body: Json = {name: getattr(entry, name) for name in Entry.__slots__}
    return canonical(body) + b"\n"


def _parse(path: Path, raw: bytes) -> tuple[tuple[Entry, ...], bytes]:
    """What ``_parsed`` gives; whatever else a line may do to a parser, it is no journal."""
    try:
        return _parsed(path, raw)
    except JournalError:
        raise
    except Exception as error:
        raise JournalError(f"{path}: expected entries, found what cannot be read: {type(error).__name__}") from error


def _parsed(path: Path, raw: bytes) -> tuple[tuple[Entry, ...], bytes]:
    """The entries, and what a crash left behind them.

    What was torn has no line end; an entry that lacks nothing else is whole. A recovery torn in its turn makes what was
    torn two lines, the last again without an end.
    """
    *lines, rest = raw.split(b"\n")
    entries: list[Entry] = []
    torn: list[bytes] = []
    for number, line in enumerate([*lines, rest] if rest else lines, 1):
        entry = _read_line(line)
        if entry is None:
            torn.append(line)
            continue
        if not _fits(entry, entries[-1] if entries else None, b"\n".join(torn) if torn else None):
            raise JournalError(f"{path}:{number}: expected an entry that continues the hash chain, found another")
        torn = []
        entries.append(entry)
    if torn and not rest:
        raise JournalError(f"{path}: expected the last line to be an entry, found {torn[-1][:60]!r}")
    return tuple(entries), b"\n".join(torn)


def _read_line(line: bytes) -> Entry | None:
    try:
        body = json.loads(line)
        entry = Entry(**{name: body[name] for name in Entry.__slots__})
        moment = datetime.fromisoformat(entry.time)
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    words = (entry.who, entry.kind, entry.prev, entry.hash)
    whole = type(entry.seq) is int and isinstance(entry.data, dict) and all(isinstance(one, str) for one in words)
    return entry if whole and moment.tzinfo is not None else None


def _fits(entry: Entry, last: Entry | None, torn: bytes | None) -> bool:
    seq, prev = (last.seq + 1, last.hash) if last else (0, START)
    body: Json = {name: getattr(entry, name) for name in Entry.__slots__ if name != "hash"}
    chained = entry.seq == seq and entry.prev == prev and hashlib.sha256(canonical(body)).hexdigest() == entry.hash
    if torn is None:
        return chained and entry.kind != "recovered"
    return chained and entry.kind == "recovered" and entry.data.get("torn_sha256") == hashlib.sha256(torn).hexdigest()
