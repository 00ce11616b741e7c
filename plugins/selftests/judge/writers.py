"""Processes that write to one journal at once, die in the middle of it, or find the disk full."""

from __future__ import annotations

import json
import resource
import signal
import sys
from pathlib import Path

from golive.errors import JournalError
from golive.journal import Journal
from golive.record import once_per_run
from golive.redact import Redactor
from golive.types import Json


def append_many(path: Path, who: str, count: int) -> None:
    """Append ``count`` entries, each with its number."""
    journal = Journal(path, who, Redactor())
    for number in range(count):
        journal.append("note", {"number": number})


def append_forever(path: Path, who: str) -> None:
    """Append until killed; says so after the first."""
    journal = Journal(path, who, Redactor())
    number = 0
    while True:
        journal.append("note", {"number": number, "padding": "x" * 2000})
        if number == 0:
            print("writing", flush=True)  # noqa: T201  (the parent waits for it)
        number += 1


def append_until_full(path: Path, who: str) -> None:
    """Append on a disk with room for half an entry more; prints the error."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    journal = Journal(path, who, Redactor())
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 100, resource.RLIM_INFINITY))
    try:
        journal.append("note", {"padding": "x" * 200})
    except JournalError as error:
        print(error, flush=True)  # noqa: T201  (the parent reads it)


def make_once(path: Path, who: str) -> None:
    """Read a fact once a run; prints who made it, and leaves a trace of having made it."""

    def make() -> Json:
        with path.with_name("made.txt").open("a", encoding="utf-8") as file:
            file.write(f"{who}\n")
        return {"made_by": who}

    print(json.dumps(once_per_run(path, make)), flush=True)  # noqa: T201  (the parent reads it)


if __name__ == "__main__":
    word, target, name, *rest = sys.argv[1:]
    if word == "many":
        append_many(Path(target), name, int(rest[0]))
    else:
        {"forever": append_forever, "full": append_until_full, "once": make_once}[word](Path(target), name)
