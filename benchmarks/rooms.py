"""What benchmarks of whole releases share: a sandbox with several worlds, its control socket, and runs of the suite."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from golive_sandbox import control
from golive_sandbox.folder import Folder
from golive_sandbox.launch import launch
from golive_sandbox.options import Options
from golive_sandbox.timeline import Timeline
from golive_sandbox.types import Json, dig, items, text

ROOT = Path(__file__).resolve().parent.parent
MARKERS = "preflight or canary or acceptance or promote"
_SUITE_SECONDS, _WORD_SECONDS = 600, 60


@dataclass(frozen=True, slots=True)
class Judged:
    """What the suite said of one release."""

    word: str
    exit: int
    seconds: float
    """From the command to the verdict."""
    not_passed: dict[str, str]
    """Criterion and outcome, of those that are not passed."""
    why: str
    """What was observed of the first of them."""
    output: str


class Rooms:
    """A sandbox and the worlds in it."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder

    def ask(self, do: str, **more: str) -> Json:
        """One request on the control socket."""
        return control.ask(text(self.folder.running(), "control"), {"do": do, **more}, lambda _: None)

    @contextmanager
    def world(self, name: str, rate: float) -> Iterator[Path]:
        """A clean world for a while; the folder with its files."""
        made = self.ask("create-world", world=name, rate=str(rate))
        try:
            yield Path(text(made, "golive_toml")).parent
        finally:
            self.ask("delete-world", world=name)

    def timeline(self, world: str) -> Timeline:
        """What its clients saw."""
        return Timeline.of(self.ask("versions", world=world))

    def fired(self, world: str, fault: str) -> float | None:
        """When a fault that was armed began, unix seconds; ``None``: it has not."""
        (one,) = [one for one in items(self.ask("status"), "worlds") if text(one, "name") == world]
        at = dig(one, "fired", fault)
        return float(at) if isinstance(at, int | float) else None

    def kubectl(self, world: str, *words: str, given: str = "") -> str:
        """Run the sandbox's ``kubectl`` as its administrator; its output."""
        argv, env = self._kubectl(world, words)
        done = subprocess.run(
            argv, input=given, capture_output=True, text=True, timeout=_WORD_SECONDS, check=True, env=env
        )
        return done.stdout

    @contextmanager
    def following(self, world: str, *words: str) -> Iterator[list[tuple[float, str]]]:
        """The lines that such a ``kubectl`` has printed so far and when (unix seconds); it is ended on leaving."""
        argv, env = self._kubectl(world, words)
        lines: list[tuple[float, str]] = []
        with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=env) as process:
            reader = threading.Thread(target=_read, args=(process.stdout, lines))
            reader.start()
            try:
                yield lines
            finally:
                process.terminate()
                reader.join()

    def _kubectl(self, world: str, words: Iterable[str]) -> tuple[list[str], dict[str, str]]:
        path = f"{self.folder.root / 'bin'}:{os.environ['PATH']}"
        env = {**os.environ, "PATH": path, "KUBECONFIG": str(self.folder.kubeconfig)}
        return ["kubectl", *words, "-n", world], env


def _read(told: Iterable[str] | None, into: list[tuple[float, str]]) -> None:
    for line in told or ():
        into.append((time.time(), line.strip()))


@contextmanager
def rooms() -> Iterator[Rooms]:
    """A sandbox of its own, whose default world has next to no traffic."""
    with tempfile.TemporaryDirectory(prefix="golive-bench-", ignore_cleanup_errors=True) as scratch:
        launched = launch(Folder(Path(scratch) / "w"), Options(rate=1.0), sys.stdout, detached=False)
        try:
            yield Rooms(launched.folder)
        finally:
            launched.stop()


def judge(folder: Path, markers: str = MARKERS) -> Judged:
    """The whole suite on the world whose files are in ``folder``."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="golive-reports-") as reports:
        argv = [sys.executable, "-m", "pytest", "-q", "-m", markers, "-p", "no:cacheprovider"]
        argv += [f"--golive-config={folder / 'golive.toml'}", f"--golive-report-dir={reports}"]
        done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False, timeout=_SUITE_SECONDS)
        file = Path(reports) / "verdict.json"
        verdict: Json = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    others = [row for row in items(verdict, "criteria") if text(row, "outcome") != "passed"]
    outcomes = {text(row, "id"): text(row, "outcome") for row in others}
    why = next((text(row, "observed") for row in others), "")
    word, seconds = text(verdict, "verdict") or "none", time.monotonic() - began
    return Judged(word, done.returncode, seconds, outcomes, why, done.stdout + done.stderr)
