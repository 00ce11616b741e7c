"""``golive replay``: the very tests that judged a run's observations judge them again, as the record keeps them.

Pytest runs them in this process with a judge that reads only: no run is opened, no watchdog started, nothing written,
and the fixture ``canary`` is a reader of the record. Then ``decide()`` speaks again.
"""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from golive.bundle import Bundle, open_bundle
from golive.collecting import ID, arrange
from golive.criterion import Ratified, load_ratified
from golive.errors import GoliveError
from golive.given import Given
from golive.journal import Entry, Journal
from golive.outcomes import watched
from golive.plugin import JUDGE
from golive.redact import Redactor
from golive.session import Judge
from golive.types import Json, text
from golive.verdict import Verdict, decide

REPLAYED = ("2.2-step", "2.2-analysis", "2.2-errors", "2.2-latency", "2.2-burn", "2.2-compare")
"""The criteria that judge stored observations and nothing else, and those of ``ACCEPTED``."""
ACCEPTED = ("4-availability", "4-latency")
_NOT_RUN = "not run:"


class _Reader(Journal):
    """A journal that is only read; what would be appended is kept aside."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "replay", Redactor())
        self.added: list[Entry] = []

    def append(self, kind: str, data: Json) -> Entry:
        entry = self._entry(self.added[-1] if self.added else None, kind, self.redacted(data))
        self.added.append(entry)
        return entry


class Replay(Judge):
    """The judge of a replay: it runs the criteria that are asked for, each without a gate."""

    replays = True

    def __init__(self, given: Given, bundle: Bundle, names: frozenset[str]) -> None:
        super().__init__(given, bundle.scope)
        self.__name__ = JUDGE  # what pytest registers it as
        self.run, self.kept, self._names = bundle.run, _Reader(bundle.run.journal), names
        self.journal = self.kept
        self.problems: list[str] = []

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> Generator[None, None, None]:
        """Only what is judged again, in its order."""
        yield
        arrange(items, self.ratified)
        items[:] = [one for one in items if ID in one.stash and one.stash[ID] in self._names]

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Nothing is journalled."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """No gate: what was judged then is judged again."""
        watched(item)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A file that cannot be read judges nothing."""
        if report.failed:
            self.problems.append(f"{report.nodeid}: {report.longreprtext}")


@dataclass(frozen=True, slots=True)
class Replayed:
    """A run's criteria and verdict, then and now: of each its name, what it was, what it is, what is seen now."""

    run: str
    rows: tuple[tuple[str, str, str, str], ...]
    verdicts: tuple[str, str]
    kept: int
    """Outcomes that were taken as they are: they judged what is not in the record."""

    @property
    def same(self) -> bool:
        """Whether nothing came out otherwise."""
        return all(old == new for _, old, new, _ in self.rows) and self.verdicts[0] == self.verdicts[1]

    def text(self) -> str:
        """For people: criterion by criterion, then the verdict."""
        lines = [f"run {self.run}: {len(self.rows)} criteria judged again from what the record keeps of the canary"]
        width = max((len(name) for name, *_ in self.rows), default=0)
        for name, old, new, observed in self.rows:
            lines.append(f"  {name:<{width}}  {old} -> {new}{'' if old == new else '   DIFFERENT'}")
            lines += [] if old == new else [f"    {line}" for line in observed.splitlines()]
        lines.append(f"  {self.kept} other criteria judged what no record keeps: their outcomes are taken as they are")
        lines.append(f"verdict: {self.verdicts[0]} -> {self.verdicts[1]}")
        return "\n".join([*lines, "the same" if self.same else "NOT the same"])


def replay(path: Path, ratified_path: Path) -> Replayed:
    """Judge a bundle again. Raises ``ConfigError``, and ``GoliveError`` where the record is not what was written."""
    with tempfile.TemporaryDirectory(prefix="golive-replay-") as within:
        bundle = open_bundle(path, Path(within))
        ratified = load_ratified(ratified_path)
        names = _names(bundle)
        judge = Replay(Given(bundle.settings, ratified, ratified_path), bundle, names)
        if names:
            _run(judge, ratified_path.parent)
        new = {text(one.data, "id"): one for one in judge.kept.added if one.kind == "outcome"}
        return _compared(bundle, ratified, names, new)


def _names(bundle: Bundle) -> frozenset[str]:
    """What was judged then: a criterion whose gate was closed, or that was deselected, judged nothing."""
    judged = [one.data for one in bundle.entries if one.kind == "outcome" and text(one.data, "nodeid")]
    ran = [text(one, "id") for one in judged if not text(one, "observed").startswith(_NOT_RUN)]
    return frozenset(name for name in ran if name.split("[")[0] in (*REPLAYED, *ACCEPTED))


def _run(judge: Replay, folder: Path) -> None:
    """Run the criteria of ``folder``; raises ``GoliveError`` where pytest could not."""
    said = io.StringIO()
    before = os.environ.pop("PYTEST_ADDOPTS", None)
    # Our own modules are imported already, too late to be rewritten.
    options = ["-p", "no:cacheprovider", "-p", "no:xdist", "--assert=plain"]
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            code = pytest.main([*options, str(folder)], plugins=[judge])
    finally:
        if before is not None:
            os.environ["PYTEST_ADDOPTS"] = before
    if judge.problems or code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        raise GoliveError(
            f"{folder}: expected the criteria that judged this run, found: "
            f"{'; '.join(judge.problems) or f'pytest ended with {int(code)}'}\n{said.getvalue()[-4000:]}"
        )


def _compared(bundle: Bundle, ratified: Ratified, names: frozenset[str], new: dict[str, Entry]) -> Replayed:
    old_verdict = _decided(bundle, ratified, bundle.entries)
    again = [_again(one, new) for one in bundle.entries if not _lost(one, names, new)]
    new_verdict = _decided(bundle, ratified, again)
    old, now = ({row.criterion.id: row for row in one.criteria} for one in (old_verdict, new_verdict))
    rows = tuple(
        (name, row.outcome.value, now[name].outcome.value, now[name].observed)
        for name, row in old.items()
        if name in names
    )
    return Replayed(
        bundle.run.id,
        rows,
        (bundle.word or "none: the run did not end", new_verdict.decision.value),
        len(old) - len(rows),
    )


def _decided(bundle: Bundle, ratified: Ratified, entries: Sequence[Entry]) -> Verdict:
    fresh = timedelta(hours=bundle.settings.record.fresh_hours)
    earlier = bundle.earlier
    return decide(ratified, entries, scope=bundle.scope, earlier=earlier, fresh=fresh, rollback=bundle.rollback)


def _lost(entry: Entry, names: frozenset[str], new: dict[str, Entry]) -> bool:
    """An outcome of a criterion that was to be judged again and that nothing judged: it counts no more."""
    name = text(entry.data, "id")
    return entry.kind == "outcome" and name in names and name not in new


def _again(entry: Entry, new: dict[str, Entry]) -> Entry:
    """The entry with what is observed now; the case it stands for stays."""
    found = new.get(text(entry.data, "id")) if entry.kind == "outcome" else None
    return replace(entry, data={**found.data, "nodeid": entry.data.get("nodeid")}) if found else entry
