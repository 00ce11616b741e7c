"""The cache folder: where it is, what a finished build of the servers looks like, and who may write to it."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
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


@dataclass(frozen=True, slots=True)
class Room:
    """The gigabytes that a group takes: its binaries for good, its sources and objects on the way.

    ``module`` is a folder of the module cache (a pattern) that is there once the sources are.
    """

    module: str
    binaries: float
    sources: float


def root() -> Path:
    """``$GOLIVE_CACHE``, else ``maestro-golive`` in ``$XDG_CACHE_HOME`` or ``~/.cache``."""
    if own := os.environ.get("GOLIVE_CACHE"):
        return Path(own).expanduser().absolute()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser().absolute() / "maestro-golive"


def servers() -> Path:
    """The folder of everything that is built, one folder below it for each group."""
    return root() / "bin"


@dataclass(frozen=True, slots=True)
class Place:
    """Where the build of one group is, or will be."""

    bin: Path

    @property
    def argo(self) -> Path:
        """The folder of Argo's own manifests (CRDs and ``ROLE``), in the group that keeps them."""
        return self.bin / "argo"

    def missing(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Those of ``names`` that are not built yet, or are damaged."""
        return tuple(name for name in names if not sound(self.bin / name))

    def has_manifests(self) -> bool:
        """Are all of Argo's manifests there?"""
        return all((self.argo / name).is_file() for name in (ROLE, *_CRDS))


@dataclass(frozen=True, slots=True)
class Built:
    """A finished build of all groups: where each server is, and the folder of Argo's own manifests."""

    binaries: Mapping[str, Path]
    argo: Path

    def binary(self, name: str) -> Path:
        """The server of that name. Raises ``SandboxError`` when there is none."""
        if name not in self.binaries:
            raise SandboxError(f"expected a server of: {', '.join(self.binaries)}; got {name!r}")
        return self.binaries[name]


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


def place(inputs: list[bytes]) -> Place:
    """Where a build from these inputs belongs: another ``go.mod``, flag, Go or platform is another folder."""
    digest = hashlib.sha256(json.dumps([hashlib.sha256(part).hexdigest() for part in inputs]).encode())
    return Place(servers() / digest.hexdigest()[:20])


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


def require_space(rooms: Iterable[Room]) -> None:
    """Raise ``SandboxError`` when a build would fill the disk; what earlier builds left counts as there."""
    folder = root()
    needed = 0.0
    for room in rooms:
        fetched = next((folder / "gomod").glob(room.module), None) is not None
        needed += room.binaries + (0.0 if fetched else room.sources)
    free = shutil.disk_usage(folder).free / _GIGABYTE
    if free < needed:
        raise SandboxError(
            f"building the servers needs about {needed:.1f} GB in {folder}, {free:.1f} GB are free: "
            "make room, or put the cache elsewhere with GOLIVE_CACHE=/some/folder "
            "(afterwards `golive-sandbox build --drop-sources` gives all but 0.8 GB back)"
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
