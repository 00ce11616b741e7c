"""The sandbox's folder (DIR): what is in it, whose it is, and who holds it now."""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from golive_sandbox import files
from golive_sandbox.errors import SandboxError
from golive_sandbox.processes import Identity, Registry, end
from golive_sandbox.types import Json

_SOCKET_PATH_MOST = 90  # bytes; the kernel takes 107, and names are put behind it
_END_SECONDS = 20.0
SUPERVISOR = "supervisor"


@dataclass(frozen=True, slots=True)
class Folder:
    """``root`` is DIR, absolute. ``state`` below it is the sandbox's own, the rest is for people."""

    root: Path

    @property
    def state(self) -> Path:
        """Everything that is no use to people."""
        return self.root / "state"

    @property
    def marker(self) -> Path:
        """Says that the folder was made by a sandbox, and may be written over."""
        return self.root / ".golive-sandbox"

    @property
    def logs(self) -> Path:
        """Outlive the sandbox: they are what one wants to read after a failure."""
        return self.state / "logs"

    @property
    def log(self) -> Path:
        """The supervisor's own output when it runs in the background."""
        return self.logs / "supervisor.log"

    @property
    def processes(self) -> Path:
        """See ``Registry``."""
        return self.state / "processes.json"

    @property
    def ready(self) -> Path:
        """Exists while the sandbox is up: JSON with ``control`` (the socket) and what ``status`` needs."""
        return self.state / "sandbox.json"

    @property
    def _short(self) -> Path:
        """A link to the folder of the sockets, where it is not ``state`` itself."""
        return self.state / "sockets"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's."""
        return self.root / "kubeconfig"

    def check(self) -> None:
        """Raise ``SandboxError`` when a sandbox must not be put here."""
        if self.root.exists() and not self.root.is_dir():
            raise SandboxError(f"{self.root} is not a folder: name another one with --dir")
        if self.root.exists() and not self.marker.exists() and any(self.root.iterdir()):
            raise SandboxError(
                f"{self.root} is not empty and was not made by a sandbox: name another folder with --dir, "
                "so that no file of yours is written over"
            )
        holder = self.holder()
        if holder is not None:
            raise SandboxError(
                f"a sandbox is already running in {self.root} (process {holder.pid}): "
                f"look with `golive-sandbox status --dir {self.root}`, "
                f"end it with `golive-sandbox down --dir {self.root}`, or use another --dir"
            )

    def holder(self) -> Identity | None:
        """The supervisor that runs here, if one does."""
        living = [one for one in Registry.read(self.processes) if one.name == SUPERVISOR and one.alive()]
        return living[0] if living else None

    def running(self) -> Json:
        """What ``ready`` holds. Raises ``SandboxError`` when no sandbox is up here."""
        if self.holder() is None:
            raise SandboxError(
                f"no sandbox is running in {self.root}: start one with `golive-sandbox up --dir {self.root}`"
            )
        try:
            found: Json = json.loads(self.ready.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise SandboxError(f"the sandbox in {self.root} is still starting: try again in a few seconds") from None
        return found

    @contextmanager
    def claimed(self, *, remove: bool = False) -> Iterator[Path]:
        """Hold the folder for this process and start with an empty state; yields the folder for sockets.

        The claim ends with the process, however it ends. What a crash left is ended first. ``remove``: at the end the
        folder goes as well.
        """
        self.check()
        self.state.mkdir(parents=True, exist_ok=True)
        files.write(self.marker, "This folder belongs to golive-sandbox, which writes over its files.\n")
        with (self.root / ".golive-sandbox.lock").open("a") as lock:
            self.lock(lock)
            self.end_leftovers()
            self.clear()
            with self._sockets() as sockets:
                try:
                    yield sockets
                finally:
                    self.clear()
                    if remove:
                        files.remove(self.root)

    def lock(self, file: IO[Any]) -> None:
        """Hold one of our files for this process and the children that get it. Raises ``SandboxError``."""
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SandboxError(
                f"a sandbox is starting or ending in {self.root}: wait for it, or use another --dir"
            ) from None

    def end_leftovers(self) -> list[Identity]:
        """End what an earlier sandbox left running here, its supervisor first; returns what was found alive."""
        alive = [one for one in Registry.read(self.processes) if one.alive()]
        supervisors = [one for one in alive if one.name == SUPERVISOR and one.pid != os.getpid()]
        others = [one for one in alive if one.name != SUPERVISOR]
        left = [*end(supervisors, grace=_END_SECONDS), *end(others, grace=2.0)]
        if left:
            names = ", ".join(f"{one.name} ({one.pid})" for one in left)
            raise SandboxError(f"these processes of an earlier sandbox do not end: {names}; end them by hand")
        return [*supervisors, *others]

    def clear(self) -> None:
        """Remove what a sandbox wrote, but its logs: they are what one wants to read after a failure."""
        if self._short.is_symlink():
            files.remove(self._short.readlink())
        for path in (*self.state.glob("*"), *(self.root / name for name in _WRITTEN)):
            if path.name != "logs":
                files.remove(path)

    @contextmanager
    def _sockets(self) -> Iterator[Path]:
        if len(os.fsencode(self.state)) <= _SOCKET_PATH_MOST:
            yield self.state
            return
        # A unix socket's path has to be short, DIR has not. The link is how `down` finds the folder after a crash.
        short = Path(tempfile.mkdtemp(prefix="golive-"))
        self._short.symlink_to(short)
        yield short


_WRITTEN = (
    "kubeconfig",
    "driver.kubeconfig",
    "golive.toml",
    "rollout-maestro.yaml",
    "trusted_root.json",
    "worlds",
    "bin",
)
