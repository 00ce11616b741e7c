"""A record to judge again: found in a folder, its chain checked, nothing of it changed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from golive.config import Settings
from golive.criterion import Stage
from golive.errors import ConfigError, JournalError
from golive.given import settings_kept
from golive.journal import Entry, Journal
from golive.record import JOURNAL, VERDICT, Kept, Run, read_record, record_folder
from golive.redact import Redactor
from golive.told import LOOKED
from golive.types import Json, dig, items, mapping, text
from golive.verdict import stages_of


@dataclass(frozen=True, slots=True)
class Bundle:
    """One run of a record, and the runs before it. ``run`` leads to the files through links in a folder of our own."""

    run: Run
    entries: tuple[Entry, ...]
    earlier: tuple[Kept, ...]
    settings: Settings
    scope: tuple[Stage, ...]

    @property
    def word(self) -> str:
        """The verdict that the run ended with, as its journal tells; empty where it never ended."""
        ends = [text(one.data, "verdict") for one in self.entries if one.kind == "finished"]
        return ends[-1] if ends else ""

    @property
    def rollback(self) -> Json | None:
        """What became of a rollback, or is to be said of it, where there was one."""
        found = [one.data for one in self.entries if one.kind in ("rollback", LOOKED)]
        return found[-1] if found else None


def open_bundle(path: Path, within: Path) -> Bundle:
    """The newest run under ``path``: a folder of reports, its ``record``, one release's part of it, or one run's.

    ``within`` is an empty folder for links. Raises ``ConfigError`` where there is no record, ``JournalError`` where it
    is not what was written: a chain that does not fit, an end that was cut off, a verdict that says something else.
    """
    folder = _newest(path)
    entries = Journal(folder / JOURNAL, "reader", Redactor()).read()
    about = entries[0].data if entries and entries[0].kind == "run" else {}
    settings = mapping(about, "settings")
    if not settings:
        raise JournalError(
            f"{folder / JOURNAL}: expected what golive.toml said in its first entry, found none: an older version "
            "wrote it, and it cannot be judged again"
        )
    digest = text(about, "digest")
    place = record_folder(within, digest)
    place.mkdir(parents=True)
    for one in folder.parent.glob(f"*/{JOURNAL}"):
        if one.parent.name <= folder.name:
            (place / one.parent.name).symlink_to(one.parent.resolve(), target_is_directory=True)
    made = settings_kept(settings)
    kept = read_record(within, digest, made.target)
    for one_run in kept:
        if one_run.problem:
            raise JournalError(f"run {one_run.run}: {one_run.problem}")
    _is_whole(folder, entries)
    scope = dig(about, "scope", default=[])
    words = [str(word) for word in scope] if isinstance(scope, list) else []
    run = Run(folder.name, place / folder.name, within, digest)
    return Bundle(run, entries, tuple(one for one in kept if one.run != run.id), made, stages_of(words))


def _newest(path: Path) -> Path:
    found = [one.parent for steps in range(5) for one in path.glob("/".join(["*"] * steps + [JOURNAL]))]
    if not found:
        raise ConfigError(f"{path}: expected a folder of reports or a part of its record, found no {JOURNAL} in it")
    judged = [one for one in found if not _by_hand(one / JOURNAL)]
    return max(judged or found, key=lambda one: one.name).resolve()


def _by_hand(journal: Path) -> bool:
    """Whether a command wrote it (``golive attest``, ``golive rollback``), which judged nothing."""
    with journal.open(encoding="utf-8", errors="replace") as file:
        first = file.readline()
    try:
        return dig(json.loads(first), "data", "by_hand") is True
    except ValueError:
        return False  # what is wrong with it is said when it is read


def _is_whole(folder: Path, entries: Sequence[Entry]) -> None:
    """Hold the journal against the verdict beside it: an end that is missing leaves a chain that fits."""
    file = folder / VERDICT
    if not file.exists():
        return
    try:
        verdict = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise JournalError(f"{file}: expected the run's verdict, found what cannot be read: {error}") from error
    over = bool(text(verdict, "run", "finished"))
    if over and not any(one.kind == "finished" for one in entries):
        raise JournalError(f"{folder / JOURNAL}: expected the end that {VERDICT} tells of, found it cut off")
    told = {text(one, "id"): text(one, "outcome") for one in items(verdict, "criteria")} if over else {}
    for name, outcome in told.items():
        seen = [text(one.data, "outcome") for one in entries if one.kind == "outcome" and one.data.get("id") == name]
        if (seen or outcome == "passed") and outcome not in [*seen, "not_proven"]:
            raise JournalError(f"{file}: expected {name} as the journal tells it ({', '.join(seen)}), found {outcome}")
