"""Build etcd, the API server, the controllers and the command-line tools; seconds when cached, minutes when not."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TextIO

from golive_sandbox import files
from golive_sandbox.errors import SandboxError
from golive_sandbox.processes import die_with_parent, tail
from golive_sandbox.servers import cache, toolchain
from golive_sandbox.servers.progress import Progress, clock

_ARGO = "github.com/argoproj/argo-rollouts"
_KUBERNETES = "v1.34.4"
_STAMPS = (
    f"-X k8s.io/component-base/version.gitVersion={_KUBERNETES}",
    "-X k8s.io/component-base/version.gitMajor=1",
    "-X k8s.io/component-base/version.gitMinor=34",
    f"-X k8s.io/client-go/pkg/version.gitVersion={_KUBERNETES}",
    f"-X {_ARGO}/utils/version.version=v1.10.2",
)
FLAGS = ("-trimpath", "-tags", "remove_all_sd,enable_kubernetes_sd", "-ldflags", " ".join(("-s", "-w", *_STAMPS)))
_MODULES_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Server:
    """One binary: its package and the seconds it usually takes on two cores, after those before it."""

    name: str
    package: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Group:
    """Servers that share one ``go.mod``; ``manifests`` is the module whose CRDs and role are kept with the binaries."""

    folder: Path
    servers: tuple[Server, ...]
    manifests: str

    @property
    def names(self) -> tuple[str, ...]:
        """The binaries."""
        return tuple(server.name for server in self.servers)


def cluster_group() -> Group:
    """What a cluster with Argo Rollouts is made of."""
    servers = (
        Server("etcd", "go.etcd.io/etcd/server/v3", 50),
        Server("kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver", 155),
        Server("kube-controller-manager", "k8s.io/kubernetes/cmd/kube-controller-manager", 45),
        Server("rollouts-controller", f"{_ARGO}/cmd/rollouts-controller", 50),
        Server("kubectl", "k8s.io/kubernetes/cmd/kubectl", 20),
        Server("kubectl-argo-rollouts", f"{_ARGO}/cmd/kubectl-argo-rollouts", 15),
    )
    return Group(Path(str(resources.files("golive_sandbox.servers"))) / "cluster", servers, _ARGO)


def ensure(out: TextIO, group: Group | None = None) -> cache.Built:
    """The built servers, from the cache or by building them now, with progress on ``out``.

    Raises ``SandboxError`` when there is no Go, no room, no network, or a compile error. Safe to interrupt: what is
    built stays, the next call goes on from there.
    """
    group = group or cluster_group()
    go = toolchain.find()
    built = cache.place(_inputs(group, go))
    if built.complete(group.names):
        return built
    with cache.locked(out):
        if not built.complete(group.names):
            _Build(group, go, built, out).run()
    return built


def _inputs(group: Group, go: toolchain.Go) -> list[bytes]:
    mod, total = (group.folder / "go.mod").read_bytes(), (group.folder / "go.sum").read_bytes()
    packages = " ".join(f"{server.name}={server.package}" for server in group.servers)
    return [mod, total, "\0".join(FLAGS).encode(), packages.encode(), go.version.encode(), go.platform.encode()]


class _Build:
    def __init__(self, group: Group, go: toolchain.Go, built: cache.Built, out: TextIO) -> None:
        self._group = group
        self._go = go
        self._built = built
        self._out = out
        self._log = cache.root() / "build.log"
        self._progress = Progress(out, len(group.servers) + 1)

    def run(self) -> None:
        cache.require_space()
        missing = self._built.missing(self._group.names)
        usual = sum(server.seconds for server in self._group.servers if server.name in missing) + _MODULES_SECONDS
        self._out.write(
            f"Building the servers with Go {self._go.version} (once; usually about {clock(usual)} on two cores, "
            "less when it was interrupted before)\n"
        )
        self._log.write_bytes(b"")
        for left in (*cache.root().glob("build-*"), *cache.root().glob("argo-*")):
            files.remove(left)  # of a build that was killed; we hold the lock, so nobody uses it
        self._built.bin.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache.root(), prefix="build-") as scratch:
            # A copy: Go must not write into the package's own folder, which may be read-only.
            source = Path(scratch) / "src"
            shutil.copytree(self._group.folder, source)
            self._fetch(source)
            for server in self._group.servers:
                self._compile(server, source, Path(scratch) / server.name)
            self._copy_manifests(source)

    def _fetch(self, source: Path) -> None:
        self._progress.start("Go modules (2 GB)", _MODULES_SECONDS)
        packages = [server.package for server in self._group.servers]
        # Listing the packages' dependencies fetches the modules they need, and none of the others in go.sum.
        self._go_run("fetching the Go modules", source, "list", *FLAGS[1:3], "-deps", "-f", "", *packages)
        self._progress.done()

    def _compile(self, server: Server, source: Path, temporary: Path) -> None:
        self._progress.start(server.name, server.seconds)
        target = self._built.bin / server.name
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
            if self._built.argo.exists():
                shutil.rmtree(self._built.argo)
            folder.replace(self._built.argo)

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
