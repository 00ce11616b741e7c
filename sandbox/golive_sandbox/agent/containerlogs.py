"""A container's log: one file in the container runtime's format, written by the agent, read by the kubelet API."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

_CHUNK = 1 << 16
_STREAM = b" stdout F "


@dataclass(frozen=True, slots=True)
class LogQuery:
    """What of a log is wanted; the names are those of the kubelet API. ``None`` means no limit."""

    follow: bool = False
    timestamps: bool = False
    tail_lines: int | None = None
    since: datetime | None = None
    limit_bytes: int | None = None


class ContainerLog:
    """The log of one run of one container. Lines are ``TIME stdout F text``, TIME in UTC with nanoseconds."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: io.BufferedWriter = path.open("ab")
        self._changed = asyncio.Event()
        self.closed = False

    async def take(self, source: asyncio.StreamReader) -> None:
        """Write what the process says, until it ends."""
        rest = b""
        while chunk := await source.read(_CHUNK):
            *whole, rest = (rest + chunk).split(b"\n")
            self._write(whole)
        if rest:
            self._write([rest])

    def close(self) -> None:
        """The process is gone: followers get the rest and end."""
        self._file.close()
        self.closed = True
        self._notify()

    async def read(self, query: LogQuery) -> AsyncIterator[bytes]:
        """The lines asked for, in pieces; with ``follow``, as they come, until the process ends."""
        left = query.limit_bytes
        async for piece in self._pieces(query):
            if left is None:
                yield piece
                continue
            yield piece[:left]
            left -= len(piece)
            if left <= 0:
                return

    async def _pieces(self, query: LogQuery) -> AsyncIterator[bytes]:
        with self.path.open("rb") as log:
            log.seek(_tail_offset(log, query.tail_lines))
            while True:
                changed, ended = self._changed, self.closed
                if piece := b"".join(_wanted(log, query)):
                    yield piece
                elif not query.follow or ended:
                    return
                else:
                    await changed.wait()

    def _write(self, lines: list[bytes]) -> None:
        if not lines:
            return
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f").encode() + b"000Z"
        self._file.write(b"".join(now + _STREAM + line + b"\n" for line in lines))
        self._file.flush()
        self._notify()

    def _notify(self) -> None:
        # One event per change: whoever waits holds the old one, so no change is missed and nobody has to reset it.
        self._changed.set()
        self._changed = asyncio.Event()


def _wanted(log: io.BufferedReader, query: LogQuery) -> Iterator[bytes]:
    """Up to a chunk of whole lines from where ``log`` is."""
    for line in log.readlines(_CHUNK):
        stamp, _, text = line.partition(_STREAM)
        if query.since is None or _time(stamp) >= query.since:
            yield stamp + b" " + text if query.timestamps else text


def _time(stamp: bytes) -> datetime:
    # Python keeps microseconds; what we write has no more.
    return datetime.strptime(stamp[:26].decode(), "%Y-%m-%dT%H:%M:%S.%f").replace(tzinfo=UTC)


def _tail_offset(log: io.BufferedReader, lines: int | None) -> int:
    """Where the last ``lines`` lines begin; read backwards, so a long log costs nothing."""
    end = log.seek(0, io.SEEK_END)
    if lines is None:
        return 0
    if lines == 0:
        return end
    # The file ends in a newline that closes the last line and does not start another.
    position, missing = end, lines + 1
    while position > 0:
        size = min(_CHUNK, position)
        position -= size
        log.seek(position)
        block = log.read(size)
        at = size
        while (at := block.rfind(b"\n", 0, at)) >= 0:
            missing -= 1
            if missing == 0:
                return position + at + 1
    return 0


def since(seconds: int | None, time: str | None) -> datetime | None:
    """The beginning asked for by ``sinceSeconds`` or ``sinceTime`` (RFC 3339). Raises ``ValueError`` for other text."""
    if seconds is not None:
        return datetime.now(UTC) - timedelta(seconds=seconds)
    return datetime.fromisoformat(time) if time else None
