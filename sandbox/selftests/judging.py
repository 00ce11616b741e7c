"""Run the real suite against a world of every scenario, a few at a time, as a release driver would: a subprocess."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Container, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import pytest

from golive_sandbox.errors import SandboxError
from golive_sandbox.scenarios.table import SCENARIOS, Found, Scenario
from golive_sandbox.scenarios.walks import SCENARIOS as WALKED
from golive_sandbox.timeline import NOBODY, Timeline
from golive_sandbox.traffic import DEFAULT_RATE, SMALL_RATE
from golive_sandbox.types import Json, dig, items, mapping, text
from golive_sandbox.worlds import DEFAULT
from selftests.harness import eventually
from selftests.sandboxes import ROLLOUT, ROOT, Sandbox, running_sandbox
from selftests.traces import Place, Traces

_AT_ONCE = 2  # beside those that are walked: a world and its suite wait for the cluster more than they compute
_WALKED_AT_ONCE = 2  # those are judged by how fast and how well they answer some hundred requests a second
_SUITE_SECONDS = 300
_NO_TRAFFIC = "no-traffic"
_ANSWERS = 30  # after the suite's end: enough to see who still answers


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the suite; ``verdict`` is ``verdict.json``, empty when there is none."""

    exit: int
    output: str
    verdict: Json

    def criteria(self) -> dict[str, Json]:
        return {text(row, "id"): row for row in items(self.verdict, "criteria")}

    @property
    def rollback(self) -> Json:
        return mapping(self.verdict, "rollback")


@dataclass(frozen=True, slots=True)
class Judged:
    """A scenario, the Rollout before and after the suite, what Argo's own tool says, and what its faults left.

    ``traces`` is ``None`` for a scenario that is not one of ``TRACED``. ``clients`` are the answers at the ingress from
    before the suite until some time after its end at ``ended`` (unix seconds); ``None`` for one that is not walked.
    """

    scenario: Scenario
    run: Run
    before: Json
    after: Json
    argo: str
    traces: Traces | None
    clients: Timeline | None
    ended: float


def _first_of_each_fault() -> list[Scenario]:
    seen: set[str] = set()
    found = []
    for scenario in SCENARIOS:
        moves = scenario.rollback is Found.CANARY or scenario in WALKED
        if not moves and not seen.issuperset(scenario.faults):
            found.append(scenario)
            seen.update(scenario.faults)
    return found


TRACED = _first_of_each_fault()
"""The scenarios whose faults are healed, to see that nothing is left: each fault once.

Not those whose canary the suite walks or takes back, which leaves the release's pods for a while.
"""


def suite(settings: Path, markers: str = "preflight", reports: Path | None = None) -> Run:
    """``pytest -m MARKERS`` with the world's ``golive.toml``; its record is kept in ``reports`` where that is given."""
    if reports is None:
        with tempfile.TemporaryDirectory(prefix="golive-reports-") as folder:
            return suite(settings, markers, Path(folder))
    argv = ["-m", "pytest", "-m", markers, "--golive-config", str(settings), "--golive-report-dir", str(reports)]
    done = subprocess.run(
        [sys.executable, *argv, "-p", "no:cacheprovider"],
        cwd=ROOT, capture_output=True, text=True, timeout=_SUITE_SECONDS, check=False,
    )  # fmt: skip
    file = reports / "verdict.json"
    verdict: Json = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    return Run(done.returncode, done.stdout + done.stderr, verdict)


def rows(scenarios: Sequence[Scenario], long: Container[str]) -> pytest.MarkDecorator:
    """A case for each scenario; those whose name is in ``long`` are run only when asked for."""
    cases = [pytest.param(one, id=one.name, marks=pytest.mark.long if one.name in long else ()) for one in scenarios]
    return pytest.mark.parametrize("scenario", cases)


def rate(scenario: Scenario) -> float:
    """Requests a second that a scenario needs."""
    return scenario.rate or (DEFAULT_RATE if scenario in WALKED else SMALL_RATE)


class Judging(AbstractContextManager["Judging"]):
    """All scenarios asked for, under way since the beginning; ``[scenario]`` waits for one."""

    def __init__(self, sandbox: Sandbox, scenarios: Sequence[Scenario]) -> None:
        self._sandbox = sandbox
        self._pool, self._walkers = ThreadPoolExecutor(_AT_ONCE), ThreadPoolExecutor(_WALKED_AT_ONCE)
        self._cleaners = ThreadPoolExecutor(_AT_ONCE)
        self._spare: defaultdict[float, list[Place]] = defaultdict(list)
        self._judged: dict[str, Future[Judged]] = {
            one.name: (self._walkers if one in WALKED else self._pool).submit(self._one, one) for one in scenarios
        }

    def __getitem__(self, scenario: Scenario) -> Judged:
        return self._judged[scenario.name].result()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for pool in (self._pool, self._walkers):
            pool.shutdown(cancel_futures=True)
        self._cleaners.shutdown()

    def _one(self, scenario: Scenario) -> Judged:
        return self._own(scenario) if scenario.own_plane else self._shared(scenario)

    def _shared(self, scenario: Scenario) -> Judged:
        """In a world that an earlier scenario left as it was made, or in a new one."""
        place = self._place(scenario)
        judged = _judge(scenario, place)
        if judged.traces and judged.traces.healed == judged.traces.clean:
            self._spare[rate(scenario)].append(place)
        else:
            self._cleaners.submit(self._sandbox.ask, "delete-world", world=place.name)
        return judged

    def _place(self, scenario: Scenario) -> Place:
        try:
            return self._spare[rate(scenario)].pop()
        except IndexError:
            world = re.sub("[^a-z0-9]+", "-", scenario.name)[:40].strip("-")
            return Place.made(self._sandbox, world, rate=str(rate(scenario)))

    def _own(self, scenario: Scenario) -> Judged:
        with running_sandbox(rate(scenario)) as sandbox:
            return _judge(scenario, Place(sandbox, DEFAULT, sandbox.folder.root))


def _judge(scenario: Scenario, place: Place) -> Judged:
    sandbox, world = place.sandbox, place.name
    clean = place.snapshot() if scenario in TRACED else {}
    for fault in scenario.faults:
        sandbox.ask("break", world=world, fault=fault, when=scenario.moment(fault).value)
    before = _rollout(sandbox, world)
    run = suite(place.folder / "golive.toml", scenario.markers)
    ended = time.time()
    sandbox.assert_untroubled(world)
    if _NO_TRAFFIC in scenario.faults:  # who would answer is seen only when somebody asks
        sandbox.ask("heal", world=world, fault=_NO_TRAFFIC)
    clients = _clients(sandbox, world, ended) if scenario in WALKED else None
    after = _rollout(sandbox, world)
    argo = sandbox.kubectl(world, "argo", "rollouts", "get", "rollout", ROLLOUT, "--no-color") if after else ""
    if scenario not in TRACED:
        return Judged(scenario, run, before, after, argo, None, clients, ended)
    broken = place.snapshot()
    for fault in reversed(scenario.faults):
        sandbox.ask("heal", world=world, fault=fault)
    return Judged(scenario, run, before, after, argo, Traces(clean, broken, place.snapshot()), clients, ended)


def _clients(sandbox: Sandbox, world: str, ended: float) -> Timeline:
    def timeline() -> Timeline:
        return Timeline.of(sandbox.ask("versions", world=world))

    def enough(now: Timeline) -> bool:
        # What nobody answered says nothing of who would.
        return sum(count for who, count in now.answered(ended).items() if who != NOBODY) >= _ANSWERS

    return eventually("answers after the end of the suite", timeline, enough, seconds=20)


def _rollout(sandbox: Sandbox, world: str) -> Json:
    """What is the Rollout's own; empty where there is none."""
    try:
        path = f"/apis/argoproj.io/v1alpha1/namespaces/{world}/rollouts/{ROLLOUT}"
        found: Json = json.loads(sandbox.read(path))
    except (AssertionError, SandboxError):
        return {}
    kept = ("phase", "abort", "currentPodHash", "stableRS", "currentStepIndex", "promoteFull")
    status: Json = {key: dig(found, "status", key) for key in kept}
    weights = mapping(found, "status", "canary", "weights")
    metadata: Json = {key: dig(found, "metadata", key) for key in ("uid", "generation")}
    return {"metadata": metadata, "spec": found["spec"], "status": status, "weights": weights}
