"""The groups of servers: what is built together because it can share one ``go.mod``."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from golive_sandbox.servers import cache

ARGO = "github.com/argoproj/argo-rollouts"
"""The module whose CRDs and role are kept with the binaries of its group."""


@dataclass(frozen=True, slots=True)
class Server:
    """One binary: its package and the seconds it usually takes on two cores, after those before it."""

    name: str
    package: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Group:
    """Servers that share one ``go.mod``; ``folder`` holds it and its ``go.sum``."""

    folder: Path
    servers: tuple[Server, ...]
    modules_seconds: float
    """What fetching its Go modules usually takes, after the groups before it."""
    room: cache.Room
    manifests: str = ""
    """The module whose CRDs and role are kept beside its binaries; empty: none."""

    @property
    def names(self) -> tuple[str, ...]:
        """The binaries."""
        return tuple(server.name for server in self.servers)


def groups() -> tuple[Group, ...]:
    """All that the sandbox is made of: a cluster with Argo Rollouts, monitoring, and an image registry."""
    here = Path(str(resources.files("golive_sandbox.servers")))
    cluster = (
        Server("etcd", "go.etcd.io/etcd/server/v3", 50),
        Server("kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver", 155),
        Server("kube-controller-manager", "k8s.io/kubernetes/cmd/kube-controller-manager", 45),
        Server("rollouts-controller", f"{ARGO}/cmd/rollouts-controller", 50),
        Server("kubectl", "k8s.io/kubernetes/cmd/kubectl", 20),
        Server("kubectl-argo-rollouts", f"{ARGO}/cmd/kubectl-argo-rollouts", 15),
    )
    monitoring = (
        Server("prometheus", "github.com/prometheus/prometheus/cmd/prometheus", 110),
        Server("alertmanager", "github.com/prometheus/alertmanager/cmd/alertmanager", 10),
    )
    registry = (Server("registry", "github.com/distribution/distribution/v3/cmd/registry", 30),)
    return (
        Group(here / "cluster", cluster, 60, cache.Room("k8s.io/kubernetes@*", 0.6, 6.4), ARGO),
        Group(here / "monitoring", monitoring, 15, cache.Room("github.com/prometheus/prometheus@*", 0.15, 1.8)),
        Group(here / "registry", registry, 10, cache.Room("github.com/distribution/distribution/*", 0.05, 0.8)),
    )
