"""Sigstore's public trusted root, refreshed over TUF into a folder of our own, by a process that may be ended.

``python -m golive.supply.refresh`` is that process. The library has no time-out, and keeps what it downloads where its
environment says; both are met from outside. What it prints is the path of the file that it verified.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from golive.supply.errors import Code, Refused

_WHERE = "Sigstore's public trusted root (TUF)"
_FOLDERS = ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME")


def public_root(folder: Path, *, seconds: float) -> bytes:
    """The bytes of the public trusted root, verified by TUF just now; ``folder`` is private, and is made.

    Raises ``Refused`` (TRUST_ROOT) where the repository cannot be reached in time, or does not verify: never falls back
    on what an earlier run left there.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    env = {**os.environ, **dict.fromkeys(_FOLDERS, str(folder.resolve()))}
    argv = [sys.executable, "-m", __name__]
    try:
        done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired as error:
        found = 'none; without a network, supply_chain.trust.mode = "pinned" reads a file'
        raise Refused(Code.TRUST_ROOT, _WHERE, expected=f"an answer within {seconds:g} s", found=found) from error
    if done.returncode:
        said = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise Refused(Code.TRUST_ROOT, _WHERE, expected="a refresh", found="none", detail=said)
    path = Path(done.stdout.strip())
    if not path.is_file() or folder.resolve() not in path.resolve().parents:
        raise Refused(Code.TRUST_ROOT, _WHERE, expected=f"a file below {folder}", found=f"{path}")
    return path.read_bytes()


def main() -> int:
    """Refresh, and print the path. Exit 1 with one line on stderr where that fails."""
    from sigstore._internal.tuf import DEFAULT_TUF_URL, TrustUpdater

    try:
        # Public is only the whole configuration as parsed models; the hash of the file is wanted (pinned version).
        sys.stdout.write(TrustUpdater(DEFAULT_TUF_URL, offline=False).get_trusted_root_path())
    except Exception as error:  # noqa: BLE001  (whatever it is, the parent has to be told in one line)
        causes = [error, error.__cause__, error.__context__]
        sys.stderr.write(" / ".join(f"{type(one).__name__}: {one}".replace("\n", " ") for one in causes if one) + "\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
