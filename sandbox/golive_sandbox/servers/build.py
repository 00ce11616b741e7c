"""Build the servers and the command-line tools of all groups; nothing when cached, minutes when not."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TextIO, TypeAlias

from golive_sandbox import files
from golive_sandbox.errors import SandboxError
from golive_sandbox.processes import die_with_parent, tail
from golive_sandbox.servers import cache, toolchain
from golive_sandbox.servers.groups import ARGO, Group, Server, groups
from golive_sandbox.servers.progress import Progress, clock

_KUBERNETES = "v1.34.4"
_STAMPS = (
    f"-X k8s.io/component-base/version.gitVersion={_KUBERNETES}",
    "-X k8s.io/component-base/version.gitMajor=1",
    "-X k8s.io/component-base/version.gitMinor=34",
    f"-X k8s.io/client-go/pkg/version.gitVersion={_KUBERNETES}",
    f"-X {ARGO}/utils/version.version=v1.10.2",
)
_LOG = "build.log"
FLAGS = ("-trimpath", "-tags", "remove_all_sd,enable_kubernetes_sd", "-ldflags", " ".join(("-s", "-w", *_STAMPS)))


def ensure(out: TextIO) -> cache.Built:
    """The built servers, from the cache or by building them now, with progress on ``out``.

    Raises ``SandboxError`` when there is no Go, no room, no network, or a compile error. Safe to interrupt: what is
    built stays, the next call goes on from there.
    """
    go = toolchain.find()
    places = [(group, cache.place(_inputs(group, go))) for group in groups()]
    if _incomplete(places):
        with cache.locked(out):
            _build(_incomplete(places), go, out)
    return cache.Built(
        {name: place.bin / name for group, place in places for name in group.names},
        next(place.argo for group, place in places if group.manifests),
    )


_Places: TypeAlias = list[tuple[Group, cache.Place]]


def _incomplete(places: _Places) -> _Places:
    return [
        (group, place)
        for group, place in places
        if place.missing(group.names) or (group.manifests and not place.has_manifests())
    ]


def _build(places: _Places, go: toolchain.Go, out: TextIO) -> None:
    """All of ``places`` as one piece of work: one time, one count of steps. The caller holds the lock."""
    if not places:
        return
    cache.require_space(group.room for group, _ in places)
    usual = sum(_usual_seconds(group, place) for group, place in places)
    out.write(
        f"Building the servers with Go {go.version} (once; usually about {clock(usual)} on two cores, "
        "less when it was interrupted before)\n"
    )
    (cache.root() / _LOG).write_bytes(b"")
    for left in (*cache.root().glob("build-*"), *cache.root().glob("argo-*")):
        files.remove(left)  # of a build that was killed; we hold the lock, so nobody uses it
    progress = Progress(out, sum(len(group.servers) + 1 for group, _ in places))
    for group, place in places:
        _Build(group, go, place, progress).run()


def _usual_seconds(group: Group, place: cache.Place) -> float:
    missing = place.missing(group.names)
    return group.modules_seconds + sum(server.seconds for server in group.servers if server.name in missing)


def _inputs(group: Group, go: toolchain.Go) -> list[bytes]:
    mod, total = (group.folder / "go.mod").read_bytes(), (group.folder / "go.sum").read_bytes()
    packages = " ".join(f"{server.name}={server.package}" for server in group.servers)
    return [mod, total, "\0".join(FLAGS).encode(), packages.encode(), go.version.encode(), go.platform.encode()]


class _Build:
    """The build of one group."""

    def __init__(self, group: Group, go: toolchain.Go, place: cache.Place, progress: Progress) -> None:
        self._group = group
        self._go = go
        self._place = place
        self._log = cache.root() / _LOG
        self._progress = progress

    def run(self) -> None:
        self._place.bin.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache.root(), prefix="build-") as scratch:
            # A copy: Go must not write into the package's own folder, which may be read-only.
            source = Path(scratch) / "src"
            shutil.copytree(self._group.folder, source)
            self._fetch(source)
            for server in self._group.servers:
                self._compile(server, source, Path(scratch) / server.name)
            if self._group.manifests:
                self._copy_manifests(source)

    def _fetch(self, source: Path) -> None:
        self._progress.start(f"Go modules of {self._group.folder.name}", self._group.modules_seconds)
        packages = [server.package for server in self._group.servers]
        # Listing the packages' dependencies fetches the modules they need, and none of the others in go.sum.
        self._go_run("fetching the Go modules", source, "list", *FLAGS[1:3], "-deps", "-f", "", *packages)
        self._progress.done()

    def _compile(self, server: Server, source: Path, temporary: Path) -> None:
        self._progress.start(server.name, server.seconds)
        target = self._place.bin / server.name
        if cache.sound(target):
            self._progress.done("already built")
            return
        self._go_run(f"building {server.name}", source, "build", *FLAGS, "-o", str(temporary), server.package)
        files.remove(target)  # damaged, if it is there
        temporary.replace(target)
        self._progress.done()

    def _copy_manifests(self, source: Path) -> None:
        found = subprocess.run(
            [self._go.binary, "list", "-m", "-f", "{{.Dir}}", self._group.manifests],
            cwd=source, env=_environment(), capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        if found.returncode != 0:
            raise SandboxError(f"go does not say where {self._group.manifests} is:\n{found.stderr.strip()}")
        module = found.stdout.strip()
        with tempfile.TemporaryDirectory(dir=cache.root(), prefix="argo-") as scratch:
            folder = Path(scratch) / "argo"
            folder.mkdir()
            manifests = Path(module, "manifests")
            role = manifests / "role" / cache.ROLE
            for file in (*sorted(manifests.glob("crds/*-crd.yaml")), role):
                (folder / file.name).write_bytes(file.read_bytes())  # not a copy of its read-only mode
            if self._place.argo.exists():
                shutil.rmtree(self._place.argo)
            folder.replace(self._place.argo)

    def _go_run(self, what: str, source: Path, *arguments: str) -> None:
        code = _run_showing([str(self._go.binary), *arguments], source, self._log, self._progress)
        if code != 0:
            raise SandboxError(
                f"{what} failed (go exited with {code}); its last lines ({self._log}):\n{tail(self._log)}"
            )


def _run_showing(argv: Sequence[str], folder: Path, log: Path, progress: Progress) -> int:
    """Run to the end while the clock ticks; when interrupted, take the compilers along."""
    with log.open("ab") as output, subprocess.Popen(
        argv, cwd=folder, env=_environment(), stdin=subprocess.DEVNULL, stdout=output, stderr=output,
        process_group=0, preexec_fn=die_with_parent(),
    ) as process:  # fmt: skip
        try:
            while True:
                try:
                    return process.wait(timeout=0.5)
                except subprocess.TimeoutExpired:
                    progress.tick()
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise


def _environment() -> Mapping[str, str]:
    return {
        **{name: value for name, value in os.environ.items() if name not in ("GOFLAGS", "GOROOT", "GOWORK")},
        "GOMODCACHE": str(cache.root() / "gomod"),
        "GOCACHE": str(cache.root() / "gobuild"),
        "GOTOOLCHAIN": "local",
        "GOFLAGS": "-mod=readonly",
        "GOWORK": "off",
        "CGO_ENABLED": "0",
        "GOGC": "800",  # 15 to 25 % faster for some hundred megabytes more
    }
