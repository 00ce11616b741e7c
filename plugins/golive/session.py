"""The judge of one process: it orders, gates and records. On a worker that is all; the controller decides too."""

from __future__ import annotations

import json
from collections.abc import Generator
from datetime import timedelta
from typing import TypeAlias, cast

import pytest

from golive import allure_report
from golive.access import Access
from golive.collecting import ID, arrange, contract_problem, criterion_id, journal_collected
from golive.criterion import Stage
from golive.errors import JournalError
from golive.given import Given
from golive.journal import Journal
from golive.outcomes import NotStarted, record, watched
from golive.processes import register
from golive.record import Reader, Run
from golive.redact import Redactor
from golive.stages import Door, GateState, gate
from golive.types import Json, JsonValue
from golive.waiting import wait_for

STAGE_LIMIT_SECONDS = 6 * 3600.0
"""How long a gate waits for the stage before it: longer than any stage, so that only a bug ends here."""


Made: TypeAlias = "pytest.Item | pytest.Collector | list[pytest.Item | pytest.Collector] | None"


class Judge:
    """What every judging process does: order the items, hold the gates, journal the outcomes."""

    distributed = False
    """Whether other processes judge at the same time, so that a gate may wait for them."""
    replays = False
    """Whether a record is judged again: nothing but the record is there to be read."""

    def __init__(self, given: Given, scope: tuple[Stage, ...]) -> None:
        self.given, self.scope = given, scope
        self.settings, self.ratified = given.settings, given.ratified
        self.redactor = Redactor.from_environment()
        self.armed = given.settings.armed
        self.generated: dict[str, str] = {}
        self.access: Access
        self.run: Run
        self.journal: Journal

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_pycollect_makeitem(self, obj: object) -> Generator[None, Made, Made]:
        """Every case of a test function, before anything is deselected; one that breaks the contract is an error."""
        made = yield
        for item in made if isinstance(made, list) else [made]:
            if isinstance(item, pytest.Item):
                problem = contract_problem(obj, item.iter_markers(), self.ratified)
                if problem:
                    raise pytest.Collector.CollectError(problem)
                self.generated[item.nodeid] = criterion_id(item, self.ratified)
        return made

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> Generator[None, None, None]:
        """After every other plugin: sort by stage."""
        yield
        arrange(items, self.ratified)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """What will run is final now: journal what is missing. Not called in an xdist controller."""
        rows = self.ratified.in_scope(self.scope)
        try:
            journal_collected(session.items, self.generated, self.run, rows, self.journal)
        except JournalError as error:
            self.journal.give_up()  # closes every gate: nothing that would be judged now could be kept
            self.complain(str(error))

    def complain(self, problem: str) -> None:
        """The record is not whole. A worker has said so by closing the gates; the controller has its verdict say it."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Hold a criterion at its gate; raises ``NotStarted`` when the gate is closed."""
        row = self.ratified.get(item.stash[ID]) if ID in item.stash else None
        if ID not in item.stash:
            return
        if self.given.refusal:
            raise NotStarted(self.given.refusal)
        if row is None:
            raise NotStarted(f"{item.stash[ID]} is not in the ratified list")
        watched(item)
        record = Reader(self.run.reports, self.run.digest, self.settings.target)
        fresh = timedelta(hours=self.settings.record.fresh_hours)

        def look() -> GateState:
            if self.journal.given_up:
                return GateState(Door.CLOSED, "an outcome of this run could not be written to the journal")
            earlier = tuple(one for one in record.read() if one.run != self.run.id)
            return gate(row, self.ratified, self.scope, self.journal.read(), earlier=earlier, fresh=fresh)

        # Alone, nobody else will ever bring the outcome that is waited for.
        limit = STAGE_LIMIT_SECONDS if self.distributed else 0.0
        state = wait_for(
            f"{row.id}: its stage", look, lambda seen: seen.door is not Door.WAIT, deadline=limit, every=0.05
        )
        if state.door is Door.CLOSED:
            raise NotStarted(f"not run: {state.why}", state.fix)

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> Generator[None, object, object]:
        """Note what a criterion raised: a plugin may swallow it, and what was not observed would pass.

        A wrapper stands around this hook; an implementation that comes before pytest's own calls the body itself.
        """
        if ID not in pyfuncitem.stash:
            return (yield)
        noting, body = watched(pyfuncitem).noting, pyfuncitem.obj
        pyfuncitem.obj = noting()(body)
        try:
            with noting():
                return (yield)
        finally:
            pyfuncitem.obj = body

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Journal an outcome before anything else happens with it, and redact what others will print."""
        excinfo = call.excinfo
        report = yield
        call.excinfo = excinfo  # whatever other plugins made of it
        if ID in item.stash:
            record(item, call, report, self.journal, self.ratified)
            row = self.ratified.get(item.stash[ID])
            if report.when == "teardown" and row is not None:
                url, recorder = self.settings.report.runbook_url, watched(item).recorder
                allure_report.describe(item.config, row, recorder, url, self.redactor)
        self._redact(report)
        return report

    def _redact(self, report: pytest.TestReport) -> None:
        """Every text of a report that the terminal, the HTML page or a JUnit file shows."""
        clean = self.redactor.text
        if isinstance(report.longrepr, tuple):
            path, line, reason = report.longrepr
            report.longrepr = (path, line, clean(reason))
        elif report.longrepr is not None and (shown := str(report.longrepr)) != clean(shown):
            report.longrepr = clean(shown)
        report.sections = [(name, clean(content)) for name, content in report.sections]
        pairs = cast("list[tuple[str, JsonValue]]", report.user_properties)
        report.user_properties = [(name, self.redactor.json({name: value})[name]) for name, value in pairs]
        for name in ("wasxfail", "extras"):
            if hasattr(report, name):
                setattr(report, name, self.redactor.json(getattr(report, name)))


class Bench(Judge):
    """A worker: it shares the controller's run."""

    distributed = True

    def __init__(self, given: Given, scope: tuple[Stage, ...], shared: str, *, who: str) -> None:
        super().__init__(given, scope)
        data: Json = json.loads(shared)
        self.armed = data["armed"] is True
        self.access = Access.from_json(cast("Json", data["access"]))
        self.run = Run.from_json(cast("Json", data["run"]))
        self.journal = Journal(self.run.journal, who, self.redactor)
        register(self.run.folder)
