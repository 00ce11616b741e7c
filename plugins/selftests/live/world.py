"""A sandbox and the suite, both met as a user meets them: by their command lines."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from golive.types import Json, items, text

ROOT = Path(__file__).resolve().parents[3]
T = TypeVar("T")
_SECONDS = 240.0


@dataclass(frozen=True)
class Ended:
    """A finished run of the suite. ``reports`` holds what it wrote."""

    code: int
    output: str
    reports: Path

    @property
    def verdict(self) -> Json:
        """``verdict.json``."""
        found: Json = json.loads((self.reports / "verdict.json").read_text(encoding="utf-8"))
        return found

    @property
    def rollback(self) -> Json:
        """Its rollback; empty when the hook was not called."""
        found = self.verdict["rollback"]
        return found if isinstance(found, dict) else {}

    def outcome(self, criterion: str) -> str:
        """The outcome of one criterion."""
        rows = [row for row in items(self.verdict, "criteria") if text(row, "id") == criterion]
        return text(rows[0], "outcome") if rows else ""


def _outside() -> dict[str, str]:
    """The environment without what says that this process is a worker of pytest-xdist: what it starts is none."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_XDIST_")}


class World:
    """The sandbox in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "golive.toml"

    def sandbox(self, *words: str) -> str:
        """``golive-sandbox WORDS``; its output."""
        argv = [sys.executable, "-m", "golive_sandbox.cli", *words, "--dir", str(self.folder)]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=600)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    @contextmanager
    def broken(self, *faults: str) -> Iterator[None]:
        """Switch ``faults`` on, and off again afterwards."""
        done: list[str] = []
        try:
            for fault in faults:
                done.append(fault)  # one that is half done is healed, too
                self.sandbox("break", fault)
            yield
        finally:
            for fault in reversed(done):
                self.sandbox("heal", fault)

    def kubectl(self, *words: str) -> str:
        """As the administrator."""
        argv = [str(self.folder / "bin" / "kubectl"), *words]
        path = f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
        env = {**os.environ, "PATH": path, "KUBECONFIG": str(self.folder / "kubeconfig")}
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60, env=env)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def rollout(self) -> Json:
        """The Rollout now."""
        found: Json = json.loads(self.kubectl("get", "rollout", "maestro-server", "-o", "json"))
        return found

    def start(
        self, reports: Path, *words: str, env: Mapping[str, str] | None = None, cwd: Path = ROOT
    ) -> subprocess.Popen[str]:
        """``pytest -m preflight`` on this world, under way, in a process group of its own."""
        argv = [sys.executable, "-m", "pytest", "-m", "preflight", "-p", "no:cacheprovider"]
        argv += [f"--golive-config={self.config}", f"--golive-report-dir={reports}", *words]
        return subprocess.Popen(
            argv,
            cwd=cwd,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**_outside(), **(env or {})},
            start_new_session=True,
        )

    def suite(self, reports: Path, *words: str, env: Mapping[str, str] | None = None, cwd: Path = ROOT) -> Ended:
        """The same, until it ends."""
        return ended(self.start(reports, *words, env=env, cwd=cwd), reports)

    def reached(self, word: Path) -> None:
        """Wait until a run waits for ``word`` (``wait-for-file``)."""
        eventually("the criterion under way", word.with_suffix(".reached").exists, bool, 60)

    def golive_started(self, command: str, reports: Path, *words: str) -> subprocess.Popen[str]:
        """``golive COMMAND``, under way."""
        argv = [sys.executable, "-m", "golive.cli", command, *words]
        argv += [f"--golive-config={self.config}", f"--golive-report-dir={reports}"]
        return subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def golive(self, command: str, reports: Path, *words: str) -> Ended:
        """The same, until it ends."""
        return ended(self.golive_started(command, reports, *words), reports)


def ended(process: subprocess.Popen[str], reports: Path) -> Ended:
    """Wait for the end of a run."""
    output, _ = process.communicate(timeout=_SECONDS)
    return Ended(process.returncode, output, reports)


def eventually(what: str, probe: Callable[[], T], ok: Callable[[T], bool], seconds: float = 30.0) -> T:
    """For what another process does in its own time."""
    from golive.waiting import wait_for

    return wait_for(what, probe, ok, deadline=seconds, every=0.05)


def watchdogs(reports: Path) -> list[int]:
    """Process ids of living watchdogs that write into ``reports``."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes()
            log = os.readlink(folder / "fd" / "2")
        except OSError:
            continue  # it ended while we looked
        if b"golive.watchdog" in command and log.startswith(str(reports)):
            found.append(int(folder.name))
    return found


def finished(reports: Path) -> Json:
    """The verdict once somebody closed the run, and every watchdog is gone."""

    def closed() -> Json:
        try:
            verdict: Json = json.loads((reports / "verdict.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        return verdict

    seen = eventually("a closed verdict", closed, lambda one: bool(text(one, "run", "finished")), 90.0)
    eventually("no watchdog left", lambda: watchdogs(reports), lambda left: not left)
    return seen
