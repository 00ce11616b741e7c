"""Start a supervisor as another process and wait until its world is up, showing what it says."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import TextIO

from golive_sandbox import files
from golive_sandbox.errors import SandboxError
from golive_sandbox.folder import Folder
from golive_sandbox.options import Options
from golive_sandbox.processes import Identity, die_with_parent, end
from golive_sandbox.servers.build import ensure

_UP_SECONDS = 240.0  # every step inside has a shorter deadline of its own; this one is for a supervisor that hangs
_DOWN_SECONDS = 30.0
_LOOK_SECONDS = 0.05


class Launched:
    """A supervisor that is up."""

    def __init__(self, folder: Folder, process: subprocess.Popen[bytes], *, detached: bool) -> None:
        self.folder = folder
        self._process = process
        self._detached = detached

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def stop(self) -> None:
        """Take it down and wait for its end; nothing happens when it has ended already."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(_DOWN_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if not self._detached:
            files.remove(self.folder.root)  # gone already, unless it was killed


def launch(folder: Folder, options: Options, out: TextIO, *, detached: bool) -> Launched:
    """Build what is missing, start a supervisor and return when its world is up.

    ``detached``: it goes on when this process ends; otherwise it takes itself down then, however this process ended,
    and removes the folder: who could tell its user about it is gone. Raises ``SandboxError`` with what it
    said last when it does not come up; also on Ctrl-C, nothing is left running.
    """
    folder.check()
    ensure(out)
    folder.log.parent.mkdir(parents=True, exist_ok=True)
    folder.marker.touch()
    launched = Launched(folder, _start(folder, options, detached=detached), detached=detached)
    try:
        _follow(launched, out)
    except BaseException:
        launched.stop()
        raise
    return launched


def _start(folder: Folder, options: Options, *, detached: bool) -> subprocess.Popen[bytes]:
    arguments = ["up", "--dir", str(folder.root), "--scenario", options.scenario, "--rate", f"{options.rate:g}"]
    arguments += [] if detached else ["--remove"]
    arguments += [] if options.until_exit is None else ["--until-exit", str(options.until_exit)]
    # The lock is the log's, and the child's as long as it lives: two that start at once would write over each other.
    with folder.log.open("ab") as log:
        folder.lock(log)
        log.truncate(0)
        return subprocess.Popen(
            [sys.executable, "-m", "golive_sandbox.cli", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            start_new_session=True,  # Ctrl-C is for us; we pass on what is meant for it
            preexec_fn=None if detached else die_with_parent(signal.SIGTERM),
        )


def _follow(launched: Launched, out: TextIO) -> None:
    """Show the log as it grows until the sandbox is ready."""
    process = launched._process
    give_up = time.monotonic() + _UP_SECONDS
    with launched.folder.log.open(encoding="utf-8", errors="replace") as log:
        shown: list[str] = []

        def show() -> None:
            words = log.read()
            shown.append(words)
            out.write(words)
            out.flush()

        while not _is_ready(launched):
            show()
            if process.poll() is not None:
                show()
                raise SandboxError(
                    "the sandbox did not come up; see above" if "".join(shown).strip() else _silent(launched)
                )
            if time.monotonic() > give_up:
                raise SandboxError(f"the sandbox was not up after {_UP_SECONDS:g} s; see {launched.folder.log}")
            time.sleep(_LOOK_SECONDS)  # nothing to wait on: it tells by files, so that it needs nobody to listen


def _silent(launched: Launched) -> str:
    return f"the sandbox ended at once and said nothing; see {launched.folder.log}"


def _is_ready(launched: Launched) -> bool:
    holder = launched.folder.holder()
    return holder is not None and holder.pid == launched.pid and launched.folder.ready.exists()


def take_down(folder: Folder, say: Callable[[str], None]) -> None:
    """End the sandbox in ``folder`` and whatever a crash left of it. Fine when there is none."""
    holder: Identity | None = folder.holder()
    if holder is not None:
        say(f"Taking down the sandbox in {folder.root} (process {holder.pid}) ...")
        end([holder], grace=_DOWN_SECONDS)
    left = folder.end_leftovers()
    if left:
        say("Ended what it left behind: " + ", ".join(f"{one.name} ({one.pid})" for one in left))
    if folder.marker.exists():
        folder.clear()
    say("All gone." if holder or left else f"Nothing is running in {folder.root}.")
