"""The judge of one process: on a worker it orders, gates and records; in the controller it also decides."""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pluggy
import pytest
from _pytest._io import TerminalWriter

from golive import allure_report
from golive.closing import cause_of, close, driver, judge, may_call, verdict_json, write_verdict
from golive.collecting import COLLECTED, ID, arrange, journal_missing
from golive.config import Settings
from golive.criterion import Outcome, Ratified, Stage
from golive.errors import ConfigError, GoliveError, JournalError, Unreachable
from golive.html_report import summary_html
from golive.interrupts import patient
from golive.journal import Journal, now
from golive.outcomes import PROPERTY, NotStarted, record, watched
from golive.record import Run, only_session, open_run, read_record
from golive.redact import Redactor
from golive.report import summary
from golive.stages import Door, gate, target_passed
from golive.types import Json, text
from golive.verdict import Decision, Verdict, calls_rollback, decide
from golive.waiting import wait_for

if TYPE_CHECKING:
    from golive.leash import Leash

STAGE_LIMIT_SECONDS = 6 * 3600.0
"""How long a gate waits for the stage before it: longer than any stage, so that only a bug ends here."""


class Judge:
    """What every judging process does: order the items, hold the gates, journal the outcomes."""

    distributed = False

    def __init__(self, settings: Settings, ratified: Ratified, scope: tuple[Stage, ...]) -> None:
        self.settings, self.ratified, self.scope = settings, ratified, scope
        self.redactor = Redactor.from_environment()
        self.armed = settings.armed
        self.run: Run
        self.journal: Journal

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> Generator[None, None, None]:
        """After every other plugin: sort by stage, and journal what is missing."""
        yield
        arrange(items, self.ratified)
        ids = [row.id for row in self.ratified.in_scope(self.scope)]
        journal_missing(items, self.run, self.ratified, ids, self.journal)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Hold a criterion at its gate; raises ``NotStarted`` when the gate is closed."""
        row = self.ratified.get(item.stash[ID]) if ID in item.stash else None
        if ID not in item.stash:
            return
        if row is None:
            raise NotStarted(f"{item.stash[ID]} is not in the ratified list")
        watched(item)
        earlier = tuple(kept for kept in read_record(self.run.reports, self.run.digest) if kept.run != self.run.id)
        fresh = timedelta(hours=self.settings.record.fresh_hours)

        def look() -> tuple[Door, str]:
            state = gate(row, self.ratified, self.scope, self.journal.read(), earlier=earlier, fresh=fresh)
            return state.door, state.why

        # Alone, nobody else will ever bring the outcome that is waited for.
        limit = STAGE_LIMIT_SECONDS if self.distributed else 0.0
        door, why = wait_for(
            f"{row.id}: its stage", look, lambda seen: seen[0] is not Door.WAIT, deadline=limit, every=0.05
        )
        if door is Door.CLOSED:
            raise NotStarted(f"not run: {why}")

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Journal an outcome before anything else happens with it, and redact what others will print."""
        report = yield
        if ID in item.stash:
            record(item, call, report, self.journal, self.ratified)
            row = self.ratified.get(item.stash[ID])
            if report.when == "teardown" and row is not None:
                allure_report.describe(item.config, row, watched(item).recorder, self.redactor)
        if report.longrepr is not None and not isinstance(report.longrepr, tuple):
            shown = str(report.longrepr)
            clean = self.redactor.text(shown)
            report.longrepr = clean if clean != shown else report.longrepr
        report.sections = [(name, self.redactor.text(content)) for name, content in report.sections]
        return report


class Bench(Judge):
    """A worker: it shares the controller's run."""

    distributed = True

    def __init__(
        self, settings: Settings, ratified: Ratified, scope: tuple[Stage, ...], shared: str, *, who: str
    ) -> None:
        super().__init__(settings, ratified, scope)
        data: Json = json.loads(shared)
        self.armed = data["armed"] is True
        self.run = Run.from_json(cast("Json", data["run"]))
        self.journal = Journal(self.run.journal, who, self.redactor)


class Controller(Judge):
    """The process the release driver started: opens the run, keeps the watchdog's leash, decides."""

    def __init__(
        self,
        settings: Settings,
        ratified: Ratified,
        ratified_path: Path,
        scope: tuple[Stage, ...],
        reports: Path,
        *,
        armed: bool,
        distributed: bool,
        hook: pluggy.HookRelay,
    ) -> None:
        super().__init__(settings, ratified, scope)
        from golive.access import resolve

        self.armed, self.distributed = armed, distributed
        self.ratified_path, self.reports = ratified_path, reports
        self.access = resolve(settings.target.kubeconfig, settings.target.context)
        self.who, self.started = driver(settings), now()
        self.verdict: Verdict | None = None
        self.problems: list[str] = []
        self.other_failures = 0
        self._asked = False
        self._hook = hook
        self.opened = False
        self._terminal: TerminalWriter | None = None
        self._leash: Leash | None = None
        self._held = ExitStack()
        try:
            self._held.enter_context(only_session(reports, f"{self.who}, since {self.started}"))
        except JournalError as error:
            raise ConfigError(str(error)) from error

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Open the run as NO-GO, and start the watchdog before anything could be written."""
        self._terminal = session.config.get_terminal_writer()
        about: Json = {
            "driver": self.who,
            "armed": self.armed,
            "ratified": self.ratified.sha256,
            "scope": [stage.value for stage in self.scope],
            "rollout": self.settings.target.rollout,
            "cluster_uid": self.settings.target.cluster_uid,
            "namespace": self.settings.target.namespace,
        }
        try:
            self.run, self.journal = open_run(
                self.reports, self.settings.release.digest, self.redactor, who="controller", about=about
            )
            self.opened = True
            self._write_provisional()
            self._start_watchdog()
        except GoliveError as error:
            raise pytest.UsageError(f"the run could not be opened: {error}") from error

    def _start_watchdog(self) -> Leash:
        from golive.leash import Leash
        from golive.order import Order

        order = Order(
            run=self.run,
            settings=self.settings,
            ratified_path=self.ratified_path,
            scope=self.scope,
            access=self.access,
            armed=self.armed,
            who=self.who,
            started=self.started,
        )
        self._leash = Leash(order)
        return self._leash

    def _say(self, words: str) -> None:
        if self._terminal is not None:
            self._terminal.line(f"\n{words}", bold=True)
            self._terminal.flush()

    def _write_provisional(self) -> None:
        why = ["the run is under way; until it ends, this is a NO-GO"]
        verdict = decide(self.ratified, (), scope=self.scope, problems=why)
        value = verdict_json(
            verdict, self.run, self.settings, who=self.who, started=self.started, finished=None, redactor=self.redactor
        )
        write_verdict(self.run, value)

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: object) -> None:
        """Tell a new worker which run it belongs to."""
        shared = json.dumps({"run": self.run.to_json(), "armed": self.armed})
        cast("dict[str, str]", node.workerinput)["golive"] = shared  # type: ignore[attr-defined]

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: object, error: object) -> None:
        """A worker that died closes the gates: what it was judging is not proven."""
        if error:
            name = getattr(getattr(node, "gateway", None), "id", "?")
            self._append("worker_died", {"worker": str(name), "error": str(error)})

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Notice a failed p0 as it arrives, a crash without any keywords, and failures that are no criterion's."""
        outcomes = [cast("Json", value) for name, value in report.user_properties if name == PROPERTY]
        if report.failed and str(report.when) == "???":
            self._crashed(report.nodeid)
        elif report.failed and not outcomes:
            self.other_failures += 1
        for data in outcomes:
            if "journal_error" in data:
                self.problems.append(f"the record is not whole: {data['journal_error']}")
            if self.armed and not self._asked and self._takes_back(data):
                self._asked = True
                self._hook.pytest_golive_rollback(cause=text(data, "id"))

    def _crashed(self, nodeid: str) -> None:
        """A worker died in this item; its report carries nothing but the node id."""
        try:
            known = json.loads((self.run.folder / COLLECTED).read_text(encoding="utf-8"))
        except OSError:
            known = {}
        name = known.get(nodeid)
        if name is None:
            self.other_failures += 1
            return
        row = self.ratified.get(name)
        died = {"expected": row.title if row else "", "observed": "the worker process died while it was judging this"}
        fix = "read the worker's last words above, and run the stage again"
        self._append("outcome", {"id": name, "outcome": Outcome.NOT_PROVEN.value, "nodeid": nodeid, **died, "fix": fix})

    def _append(self, kind: str, data: Json) -> None:
        try:
            self.journal.append(kind, data)
        except JournalError as error:
            self.problems.append(f"the record is not whole: {error}")

    def _takes_back(self, data: Json) -> bool:
        from golive.journal import Entry

        return calls_rollback(self.ratified, Entry(0, "", "", "outcome", data, "", ""))

    @pytest.hookimpl(trylast=True)
    def pytest_golive_rollback(self, cause: str) -> bool:
        """Ours: ask the watchdog. It saw the journal too; whoever comes first, it acts once."""
        if self._leash is not None:
            try:
                self._leash.ask(cause)
            except (Unreachable, OSError) as error:
                self.problems.append(f"the watchdog could not be asked: {error}")
        return True

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Decide. A plain hook on purpose: pytest-html writes its page in a trylast one."""
        if exitstatus == pytest.ExitCode.USAGE_ERROR:
            self.problems.append("pytest was used in a way it does not know, so nothing was judged")
        if exitstatus == pytest.ExitCode.INTERRUPTED:
            self.problems.append("the session was interrupted")
        if exitstatus == pytest.ExitCode.INTERNAL_ERROR:
            self.problems.append("pytest itself failed (internal error above)")
        self._finish()
        assert self.verdict is not None
        session.config.hook.pytest_golive_verdict(verdict=self.verdict)
        if exitstatus != pytest.ExitCode.USAGE_ERROR:
            session.exitstatus = self._exit(exitstatus)

    def _exit(self, exitstatus: int) -> int:
        assert self.verdict is not None
        if self.verdict.decision is Decision.GO and self.other_failures:
            return exitstatus
        return int(self.verdict.exit_code)

    def _finish(self) -> None:
        """Ask what became of the rollback, judge, write; nothing here may raise past a NO-GO."""
        with patient(self._say):
            self._close_run()

    def _close_run(self) -> None:
        first = judge(self.run, self.settings, self.ratified, self.journal, self.scope, problems=self.problems)
        rollback = self._rolled_back(cause_of(first) if may_call(first) and self._target_is_right() else None)
        self.verdict = close(
            self.run,
            self.settings,
            self.ratified,
            self.journal,
            self.scope,
            who=self.who,
            started=self.started,
            problems=self.problems,
            rollback=rollback,
            redactor=self.redactor,
        )
        if self._leash is not None:
            self._leash.over()
            self._leash = None

    def _rolled_back(self, cause: str | None) -> Json | None:
        """What became of a rollback, asked for now when there is a ``cause``; also where the start was interrupted."""
        from golive.leash import silent

        try:
            return (self._leash or self._start_watchdog()).finish(cause)
        except Unreachable as error:
            return silent(cause or "session", str(error))

    def _target_is_right(self) -> bool:
        try:
            return target_passed(self.ratified, self.journal.read())
        except JournalError as error:
            self.problems.append(str(error))
            return True

    def pytest_unconfigure(self) -> None:
        """Where pytest never finished its session, the verdict on disk still says NO-GO; end the watchdog too."""
        if self.verdict is None and self.opened:
            self.problems.append("pytest never finished its session")
            self._finish()
        self._held.close()

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """The part that a tired person reads, last on the screen."""
        if self.verdict is None:
            return
        colour = {Decision.GO: "green", Decision.PENDING: "yellow", Decision.NO_GO: "red"}[self.verdict.decision]
        terminalreporter.section("go-live", sep="=", bold=True)
        for line in self.redactor.text(summary(self.verdict, self.settings, self.reports)).splitlines():
            important = line.startswith(("GO", "NO-GO", "PENDING"))
            terminalreporter.write_line(line, **({colour: True, "bold": True} if important else {}))

    @pytest.hookimpl(optionalhook=True)
    def pytest_html_results_summary(self, prefix: list[str]) -> None:
        """The verdict on top of the pytest-html page."""
        if self.verdict is not None:
            prefix.append(summary_html(self.verdict, self.settings, self.redactor))
