"""The judge in the process that the release driver started: it opens the run, keeps the watchdog's leash, decides."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pluggy
import pytest

from golive.closing import Closing, cause_of, close, driver, judge, may_call, verdict_json, write_verdict
from golive.collecting import COLLECTED
from golive.criterion import Outcome, Stage
from golive.errors import ConfigError, GoliveError, JournalError, Unreachable
from golive.given import Given, kept_settings
from golive.interrupts import deferred, patient
from golive.journal import Entry, now
from golive.origin import KEY, origin_of
from golive.outcomes import PROPERTY
from golive.record import only_session, open_run, set_aside
from golive.report import summary
from golive.session import Judge
from golive.stages import target_state
from golive.types import Json, text
from golive.verdict import Decision, Exit, Verdict, calls_rollback, decide

if TYPE_CHECKING:
    from golive.leash import Leash


class Controller(Judge):
    """The process the release driver started: opens the run, keeps the watchdog's leash, decides."""

    def __init__(
        self,
        given: Given,
        scope: tuple[Stage, ...],
        reports: Path,
        *,
        armed: bool,
        distributed: bool,
        hook: pluggy.HookRelay,
    ) -> None:
        super().__init__(given, scope)
        from golive.access import resolve

        self.armed, self.distributed, self.reports = armed, distributed, reports
        self.access = resolve(self.settings.target.kubeconfig, self.settings.target.context)
        self.who, self.started = driver(self.settings), now()
        self.verdict: Verdict | None = None
        self.problems: list[str] = []
        self.other_failures = 0
        self._rollback: Json | None = None
        self._asked: set[str] = set()
        self._hook = hook
        self._session: pytest.Session | None = None
        self.opened = self._begun = False
        self._leash: Leash | None = None
        self._held = ExitStack()
        try:
            self._lock = self._held.enter_context(only_session(reports, f"{self.who}, since {self.started}"))
        except JournalError as error:
            raise ConfigError(str(error)) from error

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Open the run as NO-GO, and start the watchdog before anything could be written."""
        self._session = session
        about: Json = {"driver": self.who, "armed": self.armed, "ratified": self.ratified.sha256}
        about["scope"] = [stage.value for stage in self.scope]
        for name in ("rollout", "cluster_uid", "namespace"):
            about[name] = str(getattr(self.settings.target, name))
        about["settings"], about[KEY] = kept_settings(self.settings), origin_of(self.given)
        try:
            with deferred():
                self.run, self.journal = open_run(
                    self.reports, self.settings.release.digest, self.redactor, who="controller", about=about
                )
                self.opened = True
                self._write_provisional()
                self._begun = True
                self._start_watchdog()
        except (GoliveError, OSError) as error:
            why = f"the run could not be opened: {error}"
            if self._begun:  # no mistake of golive.toml: the NO-GO that stands, which pytest_unconfigure ends
                pytest.exit(why, returncode=int(Exit.NOT_ROLLED_BACK))
            set_aside(self.reports, ours=True)
            raise pytest.UsageError(why) from error

    def _start_watchdog(self) -> Leash:
        from golive.leash import Leash
        from golive.order import Order

        order = Order(
            run=self.run,
            settings=self.settings,
            ratified_path=self.given.ratified_path,
            scope=self.scope,
            access=self.access,
            armed=self.armed,
            who=self.who,
            started=self.started,
        )
        self._leash = Leash(order, lock=self._lock, tell=self._say)
        return self._leash

    def _write_provisional(self) -> None:
        from golive.leash import silent

        why = ["the run is under way; until it ends, this is a NO-GO"]
        # Until somebody has looked, nobody knows whether the release takes traffic: exit 21.
        verdict = decide(self.ratified, (), scope=self.scope, problems=why, rollback=silent("session", why[0]))
        value = verdict_json(
            verdict, self.run, self.settings, who=self.who, started=self.started, finished=None, redactor=self.redactor
        )
        write_verdict(self.run, value)

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: object) -> None:
        """Tell a new worker which run it belongs to."""
        # Through execnet's pipe, never through a file: it holds the credentials.
        shared: Json = {"run": self.run.to_json(), "armed": self.armed, "access": self.access.to_json()}
        shared["given"] = self.given.to_json()
        cast("dict[str, str]", node.workerinput)["golive"] = json.dumps(shared)  # type: ignore[attr-defined]

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
                self.complain(str(data["journal_error"]))
            name = text(data, "id")
            if self.armed and name not in self._asked and self._takes_back(data):
                self._asked.add(name)
                self._call(name)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A file that cannot be collected is a failure, whatever ``--continue-on-collection-errors`` says."""
        self.other_failures += report.failed

    def _call(self, cause: str) -> None:
        """Call the hook; when somebody's implementation of it fails, ask the watchdog all the same."""
        try:
            self._hook.pytest_golive_rollback(cause=cause)
        except BaseException as error:  # noqa: BLE001  (another target's mistake must not keep traffic on this one)
            self.problems.append(f"a pytest_golive_rollback hook failed: {type(error).__name__}: {error}")
            self.pytest_golive_rollback(cause)

    def _crashed(self, nodeid: str) -> None:
        """A worker died in this item; its report carries nothing but the node id."""
        try:
            known = json.loads((self.run.folder / COLLECTED).read_text(encoding="utf-8"))
        except (OSError, ValueError):
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
            self.complain(str(error))

    def complain(self, problem: str) -> None:
        """The verdict says it."""
        self.problems.append(f"the record is not whole: {problem}")

    def _takes_back(self, data: Json) -> bool:
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

    def pytest_keyboard_interrupt(self) -> None:
        """Ctrl-C, or ``pytest.exit()``, whatever exit status that asks for."""
        self.problems.append("the session was interrupted")

    def pytest_internalerror(self) -> None:
        """Pytest itself failed; what it would have judged is not proven."""
        self.problems.append("pytest itself failed (internal error above)")

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Decide. A plain hook on purpose: pytest-html writes its page in a trylast one."""
        if exitstatus == pytest.ExitCode.USAGE_ERROR:
            self.problems.append("pytest was used in a way it does not know, so nothing was judged")
        self._finish(call=exitstatus != pytest.ExitCode.USAGE_ERROR)
        assert self.verdict is not None
        session.exitstatus = self.exit_status(exitstatus)
        try:
            self._hook.pytest_golive_verdict(verdict=self.verdict)
        except BaseException as error:  # noqa: BLE001  (another report's mistake must not hide ours)
            self.problems.append(f"a pytest_golive_verdict hook failed: {type(error).__name__}: {error}")
            with patient(self._say):
                self._decide()
            session.exitstatus = self.exit_status(exitstatus)

    def exit_status(self, pytests: int) -> int:
        """Golive's exit status, from what pytest's would be."""
        if pytests == pytest.ExitCode.USAGE_ERROR:
            return pytests
        if self.verdict is None:
            return pytests or int(Exit.NO_GO)
        return int(self.verdict.exit_code)

    def _finish(self, *, call: bool) -> None:
        """Ask what became of the rollback, judge, write; nothing here may raise past a NO-GO.

        ``call``: whether a NO-GO calls for a rollback. A mistyped command line judged nothing, and calls for none.
        """
        with patient(self._say):
            self._close_run(call=call)

    def _close_run(self, *, call: bool) -> None:
        self.problems += self.given.changed()
        first = judge(self.run, self.settings, self.ratified, self.journal, self.scope, problems=self.problems)
        if first.decision is not Decision.NO_GO and (gone := self._last_look()):
            self.problems.append(gone)
            first = judge(self.run, self.settings, self.ratified, self.journal, self.scope, problems=self.problems)
        cause = cause_of(first) if call and may_call(first) else None
        state = self._target_state()
        # Where the cluster was seen to be another one, nobody even looks; where that is not known, nothing is written.
        called, look = (cause if state is wanted else None for wanted in (Outcome.PASSED, Outcome.NOT_PROVEN))
        self._rollback = self._rolled_back(called, look)
        if self.other_failures:  # after asking: a test that is no criterion says nothing about the release
            self.problems.append(f"{self.other_failures} tests or files that are no criteria failed")
        self._decide()
        if self._leash is not None:
            leash, self._leash = self._leash, None
            later = leash.over(self._rollback)
            if later != self._rollback:  # pytest stood still, and its watchdog did not wait
                self._rollback = later
                self.problems.append("traffic was taken back, or looked for, after the verdict: judged again")
                self._decide()

    def _last_look(self) -> str:
        """Why a good verdict would not be true of the canary by now."""
        from golive.lastlook import last_look

        return last_look(self.run, self.settings, self.access, self.scope)

    def _decide(self) -> None:
        """The verdict, kept; once more where somebody failed who was told of it."""
        closing = Closing(
            self.run,
            self.settings,
            self.ratified,
            self.journal,
            self.scope,
            who=self.who,
            started=self.started,
            redactor=self.redactor,
        )
        self.verdict = close(closing, self.problems, self._rollback)

    def _rolled_back(self, cause: str | None, look: str | None) -> Json | None:
        """What became of a rollback, asked for now when there is a ``cause``; also where the start was interrupted."""
        from golive.leash import silent
        from golive.told import LOOKED

        try:
            return (self._leash or self._start_watchdog()).finish(cause, look=look)
        except (Unreachable, OSError) as error:
            said = silent(cause or look or "session", str(error))
            self._append(LOOKED, said)
            return said

    def _say(self, words: str) -> None:
        """Past pytest's capturing."""
        if self._session is not None:
            terminal = self._session.config.get_terminal_writer()
            terminal.line(f"\n{words}", bold=True)
            terminal.flush()

    def _target_state(self) -> Outcome:
        try:
            return target_state(self.ratified, self.journal.read())
        except JournalError as error:
            self.problems.append(str(error))
            return Outcome.PASSED  # the identity is checked again before every write

    def pytest_unconfigure(self) -> None:
        """Where pytest never finished its session, the verdict on disk still says NO-GO; end the watchdog too."""
        if self.verdict is None and self.opened:
            self.problems.append("pytest never finished its session")
            self._finish(call=True)
            if self._session is not None and self.verdict is not None:
                self._session.exitstatus = int(self.verdict.exit_code)
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
