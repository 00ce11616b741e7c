"""The judge as a pytest plugin: thin hooks that gather, call a pure function, and hand over.

Inert without ``golive.toml`` and under ``--collect-only``; on workers it orders, gates and records, and never rolls
back.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import cast

import pytest

from golive import allure_report, hookspecs
from golive.called import called_for, config_file, left_over, only_shows, reports_folder
from golive.collecting import criterion_id
from golive.config import Settings
from golive.criterion import Ratified, Stage
from golive.errors import ConfigError, GoliveError
from golive.evidence import Recorder
from golive.given import Given, given_by_controller
from golive.outcomes import watched
from golive.record import set_aside
from golive.redact import Redactor
from golive.rooting import start_again_where_misread
from golive.session import Bench, Judge
from golive.stages import MARKERS, scope_of
from golive.types import Json

JUDGE = "golive-judge"
_PLANS = "golive-plan"


def pytest_addoption(parser: pytest.Parser) -> None:
    """The public options."""
    group = parser.getgroup("golive", "go-live acceptance")
    group.addoption("--golive-config", metavar="FILE", default=None, help="golive.toml (default: golive.toml)")
    group.addoption(
        "--golive-report-dir", metavar="DIR", default=None, help="where the record is kept (default: reports)"
    )
    group.addoption("--golive-plan", action="store_true", help="print what would be read and written; touch nothing")
    group.addoption("--golive-disarm", action="store_true", help="judge, and never roll back")


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Offer our two hooks."""
    pluginmanager.add_hookspecs(hookspecs)


@pytest.hookimpl(wrapper=True, tryfirst=True)  # around pytest's capturing, which has the terminal's descriptors inside
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None, None, None]:
    """See that the suite's own pytest settings are read, wherever ``golive.toml`` is."""
    if not early_config.pluginmanager.has_plugin(JUDGE):
        start_again_where_misread(early_config)
    yield


_HOLLOW = ("setuponly", "setupplan")
"""Options with which it runs tests without their bodies."""
_DIST = ("no", "load", "each")
"""How xdist may hand out tests: in the order of the stages. The others give whole files away, or steal from behind."""


@pytest.hookimpl
def pytest_configure(config: pytest.Config) -> None:
    """Read the files and become the judge, or stay inert. Configuration errors are exit 4, one line each."""
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)
    if config.pluginmanager.has_plugin(JUDGE):
        return  # a replay brings its own
    if only_shows(config):
        return
    worker = cast("dict[str, object] | None", getattr(config, "workerinput", None))
    try:
        if worker is not None:
            _join(config, worker)
            return
        given = called_for(config)
        if given is not None:
            _become_judge(config, given)
    except ConfigError as error:
        if worker is None and not config.getoption("golive_plan"):
            set_aside(reports_folder(config))
        raise pytest.UsageError(str(error)) from error


def _refuse_left_over(config: pytest.Config) -> None:
    """A go-live that only shows something, which nobody typed, is exit 4: an earlier verdict would be taken for its."""
    left = left_over(config)
    if not left or config.pluginmanager.has_plugin(JUDGE) or hasattr(config, "workerinput"):
        return
    try:
        if called_for(config) is not None:
            raise ConfigError(left)
    except ConfigError as error:
        set_aside(reports_folder(config))
        raise pytest.UsageError(str(error)) from error


def _join(config: pytest.Config, worker: dict[str, object]) -> None:
    """A worker judges what the controller read, and nothing where that does not judge."""
    if _PLANS in worker:
        config.pluginmanager.register(Idle(), _PLANS)
    if "golive" not in worker:
        return
    shared = str(worker["golive"])
    given = given_by_controller(shared)
    config.pluginmanager.register(Bench(given, _scope(config, given), shared, who=str(worker["workerid"])), JUDGE)


def _scope(config: pytest.Config, given: Given) -> tuple[Stage, ...]:
    return scope_of(str(config.getoption("markexpr", "")), given.settings.scope, given.ratified)


def _become_judge(config: pytest.Config, given: Given) -> None:
    from golive.controller import Controller
    from golive.html_report import Page
    from golive.progress_shown import Shown

    dist = config.getoption("dist", "no")
    if dist not in _DIST:
        raise ConfigError(f"--dist {dist}: expected load; with {dist} a stage can wait for itself")
    if any(config.getoption(name, False) for name in _HOLLOW):
        raise ConfigError("--setup-only, --setup-plan: expected whole tests to judge, found their set-up alone")
    scope = _scope(config, given)
    if config.getoption("golive_plan"):
        config.pluginmanager.register(Plan(given.settings, given.ratified, scope), _PLANS)
        return
    controller = Controller(
        given,
        scope,
        reports_folder(config),
        armed=given.settings.armed and not config.getoption("golive_disarm"),
        distributed=bool(config.getoption("tx", None)),
        hook=config.hook,
    )
    page = Page(lambda: controller.verdict, given.settings, controller.redactor)
    config.pluginmanager.register(page, "golive-page")
    config.pluginmanager.register(controller, JUDGE)
    if controller.distributed:
        config.pluginmanager.register(Shown(lambda: controller.run.folder), "golive-progress")


@pytest.hookimpl(optionalhook=True, trylast=True)
def pytest_metadata(metadata: Json, config: pytest.Config) -> None:
    """What pytest-metadata shows in the header, on the HTML page and in JUnit files, with its secrets masked."""
    if config.getoption("golive_config") is not None or config_file(config).exists() or hasattr(config, "workerinput"):
        metadata.update(Redactor.from_environment().json(dict(metadata)))


def pytest_sessionstart(session: pytest.Session) -> None:
    """Every plugin is configured now: put the filter in front of Allure's files."""
    judge = judge_of(session.config)
    if judge is not None:
        allure_report.redact_all(session.config, judge.redactor)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> Generator[None, int | None, int | None]:
    """The last stop: whatever another plugin made of the exit status, 0 is left only by a GO (which allows no less)."""
    from golive.controller import Controller

    _refuse_left_over(config)  # here, because some of what is shown needs no configured pytest
    status = yield
    judge = judge_of(config)
    if not isinstance(judge, Controller):
        return status
    return judge.exit_status(int(status or 0)) or status


class Idle:
    """A worker while its controller prints the plan: it runs nothing."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self) -> bool:
        """Instead of waiting for tests."""
        return True


class Plan:
    """``--golive-plan``: say what would be done, and do nothing."""

    def __init__(self, settings: Settings, ratified: Ratified, scope: tuple[object, ...]) -> None:
        self.settings, self.ratified, self.scope = settings, ratified, scope

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Print the plan instead of running tests."""
        from golive.plan import plan

        reporter = session.config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            reporter.write("\n" + plan(self.settings, self.ratified, cast("tuple[str, ...]", self.scope)))
        return True

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: object) -> None:
        """Tell a worker."""
        cast("dict[str, str]", node.workerinput)[_PLANS] = "yes"  # type: ignore[attr-defined]

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Nothing was tested, on purpose."""
        session.exitstatus = pytest.ExitCode.OK


def judge_of(config: pytest.Config) -> Judge | None:
    """The judge of this process, when it is awake."""
    return cast("Judge | None", config.pluginmanager.get_plugin(JUDGE))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Criteria without a judge would pass without a verdict: exit 4."""
    config = session.config
    inert = judge_of(config) is None and not config.pluginmanager.has_plugin(_PLANS)
    if not inert or only_shows(config) or not any(criterion_id(item, None) for item in session.items):
        return
    file = config_file(config)
    wanted = f"--golive-config {file}" if file.exists() else f"{file} (golive init writes one)"
    message = f"criteria were collected, but there is no judge: expected {wanted}"
    if hasattr(config, "workerinput"):
        # A usage error in a worker is lost; the controller hears it this way.
        config.workeroutput["golive_error"] = message  # type: ignore[attr-defined]
        session.shouldfail = message
        return
    raise pytest.UsageError(message)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: object) -> None:
    """A worker without a judge collected criteria: say so here."""
    message = getattr(node, "workeroutput", {}).get("golive_error")
    if message:
        config = cast("pytest.Config", node.config)  # type: ignore[attr-defined]
        config.stash[_ERROR] = message


_ERROR: pytest.StashKey[str] = pytest.StashKey()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Exit 4 where workers collected criteria without a ``golive.toml``."""
    if _ERROR in session.config.stash:
        session.exitstatus = pytest.ExitCode.USAGE_ERROR


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say why, where workers could not."""
    if _ERROR in config.stash:
        terminalreporter.write_line(f"ERROR: {config.stash[_ERROR]}", red=True)


@pytest.fixture(scope="session")
def golive_judge(pytestconfig: pytest.Config) -> Judge:
    """The judge of this process: scope, run folder, whether a rollback is armed."""
    judge = judge_of(pytestconfig)
    if judge is None:
        raise GoliveError("expected a golive.toml; found none, so there is nothing to judge")
    return judge


@pytest.fixture(scope="session")
def settings(golive_judge: Judge) -> Settings:
    """What ``golive.toml`` says."""
    return golive_judge.settings


@pytest.fixture(scope="session")
def ratified(golive_judge: Judge) -> Ratified:
    """The ratified list."""
    return golive_judge.ratified


@pytest.fixture
def evidence(request: pytest.FixtureRequest) -> Recorder:
    """Where this criterion says what it expected and saw."""
    return watched(request.node).recorder
