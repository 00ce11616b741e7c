"""From what pytest reports of one item to the outcome of a criterion, journalled by the process that judged it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from golive.collecting import ID
from golive.criterion import Outcome, Ratified
from golive.errors import GoliveError, JournalError
from golive.evidence import ClaimFailed, Recorder, as_note
from golive.journal import Journal
from golive.types import Json
from golive.verdict import NO_CLAIM

PROPERTY = "golive"
"""Name of the report property that carries an outcome to the controller, beside the journal."""


class NotStarted(GoliveError):  # noqa: N818  (a closed gate is no error)
    """A criterion did not start: its stage's gate is closed. ``fix``: what a person can do, where that is known."""

    def __init__(self, why: str, fix: str = "") -> None:
        super().__init__(why)
        self.fix = fix


@dataclass
class Watched:
    """One criterion while it runs."""

    recorder: Recorder
    began: float = field(default_factory=time.monotonic)
    journalled: Outcome | None = None
    called: bool = False
    """Whether the body ran to its end; with ``--setup-only`` and its like it never does."""
    raised: BaseException | None = None
    """What the body raised, whether or not a plugin around it swallowed that."""

    @contextmanager
    def noting(self) -> Iterator[None]:
        """Note what is raised within; also a decorator."""
        try:
            yield
        except BaseException as error:
            self.raised = error
            raise


WATCHED: pytest.StashKey[Watched] = pytest.StashKey()


def watched(item: pytest.Item) -> Watched:
    """The state of a criterion's item, made when first asked for."""
    if WATCHED not in item.stash:
        item.stash[WATCHED] = Watched(Recorder(item.stash[ID]))
    return item.stash[WATCHED]


def conclude(item: pytest.Item, call: pytest.CallInfo[None], report: pytest.TestReport) -> Outcome | None:
    """What this phase decides: a failure or a doubt at once, a pass only when the teardown went well too.

    A test that claimed nothing observed nothing, whoever says that it passed. The exception counts, not what other
    plugins made of the report; a failed claim counts even when it was caught.
    """
    state = watched(item)
    claimed = report.when == "call" and state.recorder.failed is not None
    if call.excinfo is not None:
        is_claim = report.when == "call" and _is_claim(item, call.excinfo)
        return Outcome.FAILED if is_claim or claimed else Outcome.NOT_PROVEN
    if claimed:
        return Outcome.FAILED
    if report.when == "call" and state.raised is not None:
        return Outcome.NOT_PROVEN
    if report.outcome != "passed" or hasattr(report, "wasxfail"):
        return Outcome.NOT_PROVEN
    if report.when == "teardown":
        proven = state.called and state.recorder.failed is None and state.recorder.claimed
        return (Outcome.ATTESTED if state.recorder.attested else Outcome.PASSED) if proven else Outcome.NOT_PROVEN
    state.called = state.called or report.when == "call"
    return None


def _is_claim(item: pytest.Item, excinfo: pytest.ExceptionInfo[BaseException]) -> bool:
    """Only an assertion of the criterion itself says that something was observed to be wrong."""
    if isinstance(excinfo.value, ClaimFailed):
        return True
    last = Path(str(excinfo.traceback[-1].path)) if excinfo.traceback else None
    return isinstance(excinfo.value, AssertionError) and last == item.path


def entry_of(
    item: pytest.Item, outcome: Outcome, call: pytest.CallInfo[None], report: pytest.TestReport, ratified: Ratified
) -> Json:
    """The journal entry of an outcome: what was expected, what was observed, what to do."""
    state = watched(item)
    data = state.recorder.to_json()
    row = ratified.get(item.stash[ID])
    holds = outcome in (Outcome.PASSED, Outcome.ATTESTED)
    if not holds and not (outcome is Outcome.FAILED and state.recorder.failed):
        # Claims that held until then are not what was expected beside what went wrong.
        held = [f"{one} | {seen}" for one, seen in state.recorder.held]
        data["evidence"] = [*state.recorder.kept, *([as_note("claims that held", "\n".join(held))] if held else [])]
        data["expected"] = row.title if row else ""
        data["observed"] = _why(call, report, state)
        closed = call.excinfo.value if call.excinfo is not None else None
        advice = closed.fix if isinstance(closed, NotStarted) else ""
        again = "make it observable and run the stage again; nothing was observed to be wrong"
        data["fix"] = advice or data["fix"] or again
    seconds = time.monotonic() - state.began
    return {"id": item.stash[ID], "outcome": outcome.value, "nodeid": item.nodeid, "seconds": seconds, **data}


def _why(call: pytest.CallInfo[None], report: pytest.TestReport, state: Watched) -> str:
    value = call.excinfo.value if call.excinfo is not None else state.raised
    if value is None:
        return _why_not(report, called=state.called)
    if isinstance(value, pytest.skip.Exception):
        return f"skipped: {value.msg}"
    if isinstance(value, NotStarted):
        return str(value)
    kind = "" if isinstance(value, GoliveError) else f"{type(value).__name__}: "
    phase = {"setup": "in its set-up", "teardown": "in its teardown"}.get(call.when, "")
    return f"{kind}{str(value) or 'no message'}{f' ({phase})' if phase else ''}"


def _why_not(report: pytest.TestReport, *, called: bool) -> str:
    if hasattr(report, "wasxfail") or "[XPASS(strict)]" in str(report.longrepr):
        return "the test is marked xfail: whatever it did, it proves nothing"
    if report.outcome == "passed" and called:
        return NO_CLAIM
    if report.outcome == "passed":
        return "the body of the test never ran: only its set-up and teardown did"
    return f"a plugin reported it as {report.outcome}, without an exception"


def record(
    item: pytest.Item, call: pytest.CallInfo[None], report: pytest.TestReport, journal: Journal, ratified: Ratified
) -> None:
    """Journal what this phase decided, before anything else happens with it; the first bad word stands."""
    outcome = conclude(item, call, report)
    state = watched(item)
    if outcome is None or (state.journalled is not None and state.journalled is not Outcome.PASSED):
        return
    state.journalled = outcome
    data = journal.redacted(entry_of(item, outcome, call, report, ratified))
    try:
        journal.append("outcome", data)
    except JournalError as error:
        journal.give_up()
        data = {**data, "journal_error": str(error)}
    report.user_properties.append((PROPERTY, data))
    item.user_properties.append((PROPERTY, data))
    if (
        report.outcome == "failed"
        and call.excinfo is not None
        and isinstance(call.excinfo.value, AssertionError | GoliveError)
    ):
        # Three lines teach more than a traceback through our own code.
        report.longrepr = f"{item.stash[ID]} {outcome.value}\n{_text(data)}"


def _text(data: Json) -> str:
    return "\n".join(f"{key}: {data.get(key)}" for key in ("expected", "observed", "fix"))
