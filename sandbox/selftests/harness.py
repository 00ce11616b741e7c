"""A real control plane with its node agent, driven from synchronous tests: the event loop has a thread of its own."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from golive_sandbox import files, waiting
from golive_sandbox.agent import Agent
from golive_sandbox.agent.images import Puller
from golive_sandbox.envoy import Envoy
from golive_sandbox.ingress import Ingress
from golive_sandbox.plane import Plane
from golive_sandbox.processes import Registry
from golive_sandbox.registry.image_registry import ImageRegistry
from golive_sandbox.servers import build
from golive_sandbox.types import Json, items, text

T = TypeVar("T")
IMAGE = "ghcr.io/acme/maestro-control-plane:v1.4.2"


class Cluster:
    """Everything of one plane; ``run`` executes a coroutine in its loop."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.built = build.ensure(sys.stderr)
        self.registry = Registry(folder / "processes.json")
        self.egress = folder / "egress.sock"
        self.plane = Plane(self.built, folder, self.egress, self.registry)
        self.images = ImageRegistry(self.built, folder, folder / "registry.sock", self.registry)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="cluster")
        self._thread.start()

    def start(self) -> None:
        self.run(self._start(), seconds=60)

    def stop(self) -> None:
        try:
            self.run(self._stop(), seconds=30)
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def run(self, work: Coroutine[object, object, T], seconds: float = 20) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(seconds)

    def get(self, path: str) -> Json:
        return self.run(self.plane.api.get(path))

    def create(self, path: str, body: Json) -> Json:
        return self.run(self.plane.api.create(path, body))

    def until(self, path: str, ok: Callable[[Json], bool], seconds: float = 10) -> Json:
        """GET ``path`` until ``ok`` accepts it."""
        probe = self.plane.api.get
        return self.run(waiting.wait_for(path, lambda: probe(path), ok, deadline=seconds, every=0.02), seconds + 5)

    def kubectl(self, *words: str, fails: bool = False) -> str:
        argv = [str(self.built.binary("kubectl")), f"--kubeconfig={self.kubeconfig}", *words]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)
        assert (done.returncode != 0) == fails, done.stdout + done.stderr
        return done.stderr if fails else done.stdout

    @property
    def kubeconfig(self) -> Path:
        return self.folder / "admin.kubeconfig"

    async def _start(self) -> None:
        await self.plane.start(lambda _: None)
        self.plane.kubeconfig("admin", ["system:masters"]).write(self.kubeconfig)
        await self.images.start()
        self.puller = Puller(self.images.store, self.built)
        self.agent = Agent(
            self.plane.api,
            self.folder,
            self.plane.pki,
            egress=self.egress,
            images=self.puller,
            registry=self.registry,
        )
        await self.agent.start()
        self.envoy = Envoy(self.folder / "envoy", self.folder / "envoy.sock", self.folder / "logs", self.registry)
        await self.envoy.start()
        self.ingress = Ingress(self.plane.api, self.agent.directory, self.envoy)
        await self.ingress.start()

    async def _stop(self) -> None:
        await self.ingress.stop()
        await self.envoy.stop()
        await self.agent.stop()
        await self.plane.stop()
        await self.images.stop()


class Room:
    """A namespace of one test."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        self.cluster = cluster
        self.name = name

    def path(self, kind: str, group: str = "") -> str:
        return f"/{f'apis/{group}' if group else 'api/v1'}/namespaces/{self.name}/{kind}"

    def pod(self, name: str, spec: Json, **metadata: Json) -> str:
        """Create a pod; its path."""
        self.cluster.create(self.path("pods"), {"metadata": {"name": name, **metadata}, "spec": spec})
        return f"{self.path('pods')}/{name}"

    def shell(self, name: str, script: str, **more: str) -> str:
        """A pod that runs a shell script; its path."""
        container: Json = {"name": "main", "image": IMAGE, "command": ["/bin/sh", "-c", script]}
        return self.pod(name, {"containers": [container], "terminationGracePeriodSeconds": 1, **more})

    def server(self, name: str = "server") -> str:
        """A ready pod of the demo server, behind a Service of the same name on port 80; the pod's path."""
        ports: Json = {"name": "http", "port": 80, "targetPort": "http"}
        service: Json = {"metadata": {"name": name}, "spec": {"selector": {"app": name}, "ports": [ports]}}
        self.cluster.create(self.path("services"), service)
        path = self.pod(name, {"containers": [server_container()]}, labels={"app": name})
        self.cluster.until(path, lambda pod: condition(pod, "Ready") == "True")
        self.cluster.until(f"{self.path('endpoints')}/{name}", lambda one: bool(items(one, "subsets")))
        return path

    def log(self, pod: str, **query: str) -> str:
        return self.cluster.run(self.cluster.plane.api.text(f"{self.path('pods')}/{pod}/log", **query))


def server_container() -> Json:
    return {
        "name": "main",
        "image": IMAGE,
        "ports": [{"name": "http", "containerPort": 4000}],
        "readinessProbe": {"httpGet": {"path": "/readyz", "port": "http"}, "periodSeconds": 1},
    }


def condition(item: Json, kind: str) -> str:
    found = [one for one in items(item, "status", "conditions") if text(one, "type") == kind]
    return text(found[0], "status") if found else ""


@contextmanager
def running_cluster() -> Iterator[Cluster]:
    # Not pytest's folder: a unix socket's path must be short.
    folder = Path(tempfile.mkdtemp(prefix="golive-"))
    cluster = Cluster(folder)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
        files.remove(folder)


def eventually(what: str, probe: Callable[[], T], ok: Callable[[T], bool], seconds: float = 5) -> T:
    """For what has no event to wait for."""
    give_up = time.monotonic() + seconds
    while not ok(seen := probe()):
        assert time.monotonic() < give_up, f"{what}: last seen {seen!r}"
        threading.Event().wait(0.02)
    return seen
