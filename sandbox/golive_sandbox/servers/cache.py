"""The cache folder: where it is, what a finished build of the servers looks like, and who may write to it."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from golive_sandbox import files
from golive_sandbox.errors import SandboxError

ROLE = "argo-rollouts-clusterrole.yaml"
"""The controller's own ClusterRole, as its project publishes it."""
_CRDS = tuple(f"{kind}-crd.yaml" for kind in ("rollout", "analysis-run", "analysis-template", "experiment"))
_ELF_64 = b"\x7fELF\x02\x01"
_GIGABYTE = 1e9
_MODULES_GB, _OBJECTS_GB, _BINARIES_GB = 2.8, 3.6, 0.6


def root() -> Path:
    """``$GOLIVE_CACHE``, else ``maestro-golive`` in ``$XDG_CACHE_HOME`` or ``~/.cache``."""
    if own := os.environ.get("GOLIVE_CACHE"):
        return Path(own).expanduser().absolute()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser().absolute() / "maestro-golive"


@dataclass(frozen=True, slots=True)
class Built:
    """A finished build: the folder of the servers, and the folder of Argo's own manifests (CRDs and ``ROLE``)."""

    bin: Path
    argo: Path

    def missing(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Those of ``names`` that are not built yet, or are damaged."""
        return tuple(name for name in names if not sound(self.bin / name))

    def complete(self, names: tuple[str, ...]) -> bool:
        """Is everything there?"""
        return not self.missing(names) and all((self.argo / name).is_file() for name in (ROLE, *_CRDS))


def sound(binary: Path) -> bool:
    """Is this an executable, and whole? A full disk or a copied cache can leave less."""
    try:
        with binary.open("rb") as file:
            head = file.read(64)
            if head[:6] != _ELF_64 or not os.access(binary, os.X_OK):
                return False
            at, size, count = (int.from_bytes(head[a:b], "little") for a, b in ((32, 40), (54, 56), (56, 58)))
            file.seek(at)
            segments = [file.read(size) for _ in range(count)]
    except OSError:
        return False
    ends = [int.from_bytes(one[8:16], "little") + int.from_bytes(one[32:40], "little") for one in segments]
    return bool(ends) and binary.stat().st_size >= max(ends)


def place(inputs: list[bytes]) -> Built:
    """Where a build from these inputs belongs: another ``go.mod``, flag, Go or platform is another folder."""
    digest = hashlib.sha256(json.dumps([hashlib.sha256(part).hexdigest() for part in inputs]).encode())
    folder = root() / "bin" / digest.hexdigest()[:20]
    return Built(folder, folder / "argo")


@contextmanager
def locked(out: TextIO) -> Iterator[None]:
    """One builder at a time; the lock ends with its process, however it ends. The others wait and say so."""
    folder = root()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = (folder / "build.lock").open("a+", encoding="utf-8")
    except OSError as refused:
        raise SandboxError(
            f"cannot write to the cache {folder} ({refused.strerror}); name another one: GOLIVE_CACHE=/some/folder"
        ) from refused
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            out.write("Another process is building the servers; waiting for it.\n")
            out.flush()
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def require_space() -> None:
    """Raise ``SandboxError`` when a build would fill the disk; what earlier builds left counts as there."""
    folder = root()
    needed = _BINARIES_GB
    needed += 0 if (folder / "gomod" / "k8s.io").is_dir() else _MODULES_GB
    needed += 0 if (folder / "gobuild" / "00").is_dir() else _OBJECTS_GB
    free = shutil.disk_usage(folder).free / _GIGABYTE
    if free < needed:
        raise SandboxError(
            f"building the servers needs about {needed:.1f} GB in {folder}, {free:.1f} GB are free: "
            "make room, or put the cache elsewhere with GOLIVE_CACHE=/some/folder "
            "(afterwards `golive-sandbox build --drop-sources` gives all but 0.6 GB back)"
        )


def drop_sources() -> float:
    """Remove Go's module and build caches, which only another build needs; returns the gigabytes that came free."""
    freed = 0
    for name in ("gomod", "gobuild"):
        folder = root() / name
        for path in folder.rglob("*"):
            if not path.is_symlink():
                freed += path.stat().st_blocks * 512
                if path.is_dir():
                    path.chmod(0o755)  # Go writes its modules read-only
        files.remove(folder)
    return freed / _GIGABYTE
