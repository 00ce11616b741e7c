"""`pytest --sandbox[=SCENARIO]`: a sandbox for the session, and nothing of it afterwards, however the session ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from golive_sandbox.folder import Folder
from golive_sandbox.processes import Identity, Registry
from selftests.harness import eventually
from selftests.leftovers import mentioning, until_gone
from selftests.sandboxes import ROOT

WAITING = """
import threading
from pathlib import Path

def test_wait(request):
    settings = Path(request.config.option.golive_config)
    assert settings.is_file()
    Path("settings.tmp").write_text(str(settings))
    Path("settings.tmp").rename("settings")
    threading.Event().wait(120)
"""


class Machine:
    """A folder for one pytest run with a TMPDIR of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.temporary = folder / "t"
        self.temporary.mkdir()

    def pytest(self, *words: str, cwd: Path = ROOT) -> subprocess.Popen[str]:
        own = ("-p", "no:cacheprovider", f"--basetemp={self.folder / 'b'}")
        return subprocess.Popen(
            [sys.executable, "-m", "pytest", *own, *words], cwd=cwd, text=True,
            env={**os.environ, "TMPDIR": str(self.temporary)}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip

    def ended(self, *words: str) -> tuple[int, str]:
        process = self.pytest(*words, f"--golive-report-dir={self.folder / 'reports'}")
        said = process.communicate(timeout=300)[0]
        return process.returncode, said

    def assert_nothing_is_left(self) -> None:
        def left() -> list[str]:
            return [*mentioning(str(self.temporary)), *(one.name for one in self.temporary.iterdir())]

        eventually("nothing left", left, lambda found: not found, seconds=20)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    made = Machine(tmp_path)
    yield made
    made.assert_nothing_is_left()


@pytest.mark.long  # with fewer workers and without any, others below and scripts/check.py
def test_the_suite_says_go_under_four_workers(machine: Machine) -> None:
    code, said = machine.ended("-m", "preflight", "--sandbox", "-n", "4")
    assert code == 0, said
    assert "GO for scope preflight" in said
    machine.assert_nothing_is_left()


@pytest.mark.long  # scripts/check.py runs the same
def test_a_scenario_is_named_behind_an_equals_sign(machine: Machine) -> None:
    code, said = machine.ended("-m", "preflight", "--sandbox=canary-at-25-role-empty")
    assert code == 20, said
    assert "nobody for: sre" in said
    assert "found canary" in said
    machine.assert_nothing_is_left()


def test_an_unknown_scenario_is_a_usage_error_of_one_line(machine: Machine) -> None:
    code, said = machine.ended("-m", "preflight", "--sandbox=nothing")
    assert code == 4
    (line,) = said.strip().splitlines()
    assert line.startswith("ERROR: --sandbox: expected a scenario of: clean, ")
    assert line.endswith("got 'nothing'")


def test_collecting_starts_no_sandbox(machine: Machine) -> None:
    code, said = machine.ended("-m", "preflight", "--sandbox", "--collect-only", "-q")
    assert code == 0, said
    assert "test_the_cluster_is_the_intended_one" in said
    assert "Starting etcd" not in said


def waiting_session(machine: Machine, *words: str) -> tuple[subprocess.Popen[str], list[Identity]]:
    """A pytest whose only test waits, once it does; and the processes of its sandbox."""
    inner = machine.folder / "inner"
    inner.mkdir()
    (inner / "pytest.toml").write_text("[pytest]\n")
    (inner / "test_wait.py").write_text(WAITING)
    process = machine.pytest("-p", "no:golive.plugin", "--sandbox", *words, cwd=inner)
    told = inner / "settings"
    eventually("the waiting test", lambda: (told.exists(), process.poll()), lambda now: now != (False, None), 90)
    assert told.exists(), process.communicate()[0]
    root = Path(told.read_text()).parent
    found = [one for one in Registry.read(Folder(root).processes) if one.alive()]
    assert "supervisor" in {one.name for one in found}
    assert machine.temporary in root.parents
    return process, found


@pytest.mark.parametrize("words", [pytest.param((), marks=pytest.mark.long), ("-n", "2")])
def test_ctrl_c_takes_the_sandbox_down(machine: Machine, words: tuple[str, ...]) -> None:
    process, found = waiting_session(machine, *words)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[0]
    assert process.returncode == 2, said
    assert [one for one in found if one.alive()] == []
    machine.assert_nothing_is_left()


@pytest.mark.parametrize("number", [signal.SIGKILL, pytest.param(signal.SIGTERM, marks=pytest.mark.long)])
def test_a_pytest_that_is_killed_takes_its_sandbox_and_its_folder_along(
    machine: Machine, number: signal.Signals
) -> None:
    process, found = waiting_session(machine)
    process.send_signal(number)
    process.communicate(timeout=60)
    until_gone(found)
    machine.assert_nothing_is_left()
