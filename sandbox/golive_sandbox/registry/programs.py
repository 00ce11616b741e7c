"""What an image's entrypoint means on this machine: a program of this package, or a server of the build cache."""

from __future__ import annotations

import sys
from pathlib import Path, PurePosixPath

from golive_sandbox.servers.cache import Built

_PROGRAMS = Path(__file__).resolve().parent.parent / "programs"


def argv(entrypoint: str, built: Built) -> tuple[str, ...]:
    """The command line of an entrypoint. Raises ``SandboxError`` when neither has such a program."""
    if (python := _python(entrypoint)).is_file():
        # Isolated, without site and without writing bytecode: starts in well under 0.2 s and reads nothing of the user.
        return (sys.executable, "-I", "-S", "-B", str(python))
    return (str(built.binary(_name(entrypoint))),)


def source(entrypoint: str) -> bytes:
    """What an image holds of it: the text of a program of ours, or a word about the server that runs instead."""
    if (python := _python(entrypoint)).is_file():
        return python.read_bytes()
    return f"The server {_name(entrypoint)} of golive-sandbox's build cache.\n".encode()


def _python(entrypoint: str) -> Path:
    return _PROGRAMS / f"{_name(entrypoint).replace('-', '_')}.py"


def _name(entrypoint: str) -> str:
    return PurePosixPath(entrypoint).name
