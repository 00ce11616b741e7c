"""The control plane: etcd, the API server, the controller-manager, Argo's CRDs. Ready in some four seconds."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from signal import SIGCONT, SIGKILL, SIGSTOP
from typing import Protocol

import yaml

from golive_sandbox import apiserver, files, waiting
from golive_sandbox.api import Api
from golive_sandbox.errors import ApiError, NotInTimeError, SandboxError
from golive_sandbox.kubeconfig import Kubeconfig
from golive_sandbox.pki import Pki
from golive_sandbox.processes import Child, Registry
from golive_sandbox.servers.cache import Built
from golive_sandbox.types import Json, items, text

_READY_SECONDS = 60.0  # on a busy machine; 3 when idle
_CRD_SECONDS = 30.0
_STOP_SECONDS = 3.0
_CONTROLLERS = (
    "replicaset-controller",
    "deployment-controller",
    "endpoints-controller",  # the services proxy still reads Endpoints: without it, it answers "not found"
    "endpointslice-controller",
    "job-controller",
    "cronjob-controller",
    "garbage-collector-controller",
    "namespace-controller",
    "serviceaccount-controller",
    "resourcequota-controller",
    "disruption-controller",
    "clusterrole-aggregation-controller",
)
_ATTEMPTS = 3
_API_SERVER = "kube-apiserver"
_TAKEN = "address already in use"
_CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


class Nodes(Protocol):
    """What faults may do to the nodes of a plane."""

    def kill_container(self, namespace: str, pod_prefix: str) -> str:
        """SIGKILL the first running container of a pod whose name begins so; the pod's name."""

    def report(self, path: str, digest: str, instead: str | None) -> None:
        """Let pods of the image ``path@digest`` that start from now on say ``instead``; ``None``: the truth."""


class Plane:
    """One running control plane with its state in ``folder``.

    ``egress`` is the unix socket through which the API server reaches pods, services and kubelets; whoever is the
    cluster network listens there. ``await start()``, then ``api`` speaks as a cluster administrator.
    """

    def __init__(self, built: Built, folder: Path, egress: Path, registry: Registry) -> None:
        self._built = built
        self._folder = folder
        self._egress = egress
        self._registry = registry
        self._children: list[Child] = []
        self._api: Api | None = None
        self._api_flags: Sequence[str] = ()
        self._wanted: Child | None = None  # whose end is wanted: another one follows
        self._followed = asyncio.Event()
        self.nodes: Nodes | None = None
        """Whoever runs pods here, once they do."""
        self.pki = Pki()
        self.server = ""
        """``https://127.0.0.1:PORT``, another port at every start."""

    @property
    def api(self) -> Api:
        """A client with an administrator's rights; only after ``start``."""
        assert self._api is not None, "the control plane is not started"
        return self._api

    async def start(self, say: Callable[[str], None]) -> None:
        """Start everything and wait until Argo's CRDs are Established.

        Raises ``SandboxError`` with the last log lines of the server that failed; what was started is stopped again.
        """
        for name in ("etcd", "logs", "pki"):
            (self._folder / name).mkdir(parents=True, exist_ok=True)
        try:
            say("Starting etcd and the API server (usually 3 s) ...")
            await self._start_storage_and_api()
            say("Installing Argo Rollouts' CRDs, starting the controller-manager (usually 1 s) ...")
            await asyncio.gather(self._start_controller_manager(), self._install_crds())
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """End all servers, those that depend on others first."""
        if self._api is not None:
            await self._api.close()
            self._api = None
        # Controllers and API server at once, etcd last: an API server without etcd only retries while it shuts down.
        for batch in (self._children[:-1], self._children[-1:]):
            await asyncio.gather(*(child.stop(_STOP_SECONDS) for child in batch))
        self._children.clear()

    async def failed(self) -> SandboxError:
        """Wait until a server ends that should not; the error to show for it."""
        while True:
            waits = {asyncio.create_task(child.wait()): child for child in self._children}
            try:
                done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in waits:
                    task.cancel()
            ended = waits[done.pop()]
            if ended is not self._wanted:
                return _died(ended)
            await self._followed.wait()

    def stall_api_server(self) -> None:
        """Stop its process where it stands: connections are accepted, and nothing is answered."""
        self._api_server.signal(SIGSTOP)

    def resume_api_server(self) -> None:
        """Let it go on; it may never have been stopped."""
        self._api_server.signal(SIGCONT)

    async def restart_api_server(self) -> None:
        """End it without a chance to say good-bye, start it again on the same port, wait until it is ready."""
        old = self._wanted = self._api_server
        self._followed.clear()
        old.signal(SIGKILL)
        await old.stop(_STOP_SECONDS)
        self._children.remove(old)
        new = await self._spawn(_API_SERVER, self._api_flags)
        self._followed.set()
        await self._until_ready(new, self._is_ready, _READY_SECONDS)

    @property
    def _api_server(self) -> Child:
        return next(child for child in self._children if child.name == _API_SERVER)

    def kubeconfig(self, user: str, groups: Sequence[str] = (), namespace: str = "default") -> Kubeconfig:
        """A kubeconfig for a user, who is whoever the certificate says; rights are RBAC's matter."""
        credential = self.pki.client(user, groups)
        return Kubeconfig(self.server, self.pki.certificate, user, credential, namespace)

    async def _start_storage_and_api(self) -> None:
        for left in reversed(range(_ATTEMPTS)):
            try:
                await self._start_api_server(await self._start_etcd())
                break
            except SandboxError as trouble:
                # Between our look for a free port and its use, somebody else may take it: look again.
                if left == 0 or _TAKEN not in str(trouble):
                    raise
                await self.stop()
                files.remove(self._folder / "etcd")

    async def _start_etcd(self) -> str:
        client, peer = free_ports(2)
        url, peer_url = f"http://127.0.0.1:{client}", f"http://127.0.0.1:{peer}"
        argv = [
            f"--data-dir={self._folder / 'etcd'}",
            f"--listen-client-urls={url}",
            f"--advertise-client-urls={url}",
            f"--listen-peer-urls={peer_url}",
            f"--initial-advertise-peer-urls={peer_url}",
            f"--initial-cluster=default={peer_url}",
            "--unsafe-no-fsync",  # the data is thrown away with the sandbox
            "--log-level=warn",
        ]
        await self._spawn("etcd", argv)
        return url

    async def _start_api_server(self, etcd: str) -> None:
        (port,) = free_ports(1)
        self.server = f"https://127.0.0.1:{port}"
        folder = self._folder / "pki"
        admin = self.pki.client("golive-sandbox", ["system:masters"])
        self._api_flags = apiserver.flags(self.pki, folder, etcd, port, self._egress)
        child = await self._spawn(_API_SERVER, self._api_flags)
        self._api = Api(self.server, self.pki.client_context(admin, folder))
        await self._until_ready(child, self._is_ready, _READY_SECONDS)

    async def _start_controller_manager(self) -> None:
        user = self.kubeconfig("golive-sandbox-controllers", ["system:masters"])
        accounts = self._folder / "pki" / "accounts.key"
        argv = [
            f"--kubeconfig={user.write(self._folder / 'pki' / 'controllers.kubeconfig')}",
            f"--controllers={','.join(_CONTROLLERS)}",
            "--leader-elect=false",
            f"--service-account-private-key-file={accounts}",
            "--secure-port=0",
            "--kube-api-qps=200",  # many worlds share one plane
            "--kube-api-burst=400",
        ]
        await self._spawn("kube-controller-manager", argv)

    async def _install_crds(self) -> None:
        manifests = [
            yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(self._built.argo.glob("*-crd.yaml"))
        ]
        await asyncio.gather(*(self.install_crd(manifest) for manifest in manifests))

    async def install_crd(self, manifest: Json) -> None:
        """Create a CRD and wait until it is served."""
        await self.api.create(_CRDS, manifest)
        path = f"{_CRDS}/{text(manifest, 'metadata', 'name')}"
        await waiting.wait_for(f"{path} Established", lambda: self.api.get(path), _established, deadline=_CRD_SECONDS)

    async def remove_crd(self, path: str) -> None:
        """Delete a CRD and wait until it is gone."""
        await self.api.delete(path)
        await waiting.wait_for(f"{path} gone", lambda: self.api.gone(path), bool, deadline=_CRD_SECONDS)

    async def _spawn(self, name: str, flags: Sequence[str]) -> Child:
        log = self._folder / "logs" / f"{name}.log"
        argv = [str(self._built.binary(name)), *flags]
        child = await Child.start(name, argv, folder=self._folder, log=log, registry=self._registry)
        self._children.insert(0, child)
        return child

    async def _is_ready(self) -> bool:
        for child in self._children:
            if child.exit_code is not None:
                raise _died(child)
        try:
            return await self.api.text("/readyz") == "ok"
        except ApiError:
            return False

    async def _until_ready(self, child: Child, probe: Callable[[], Awaitable[bool]], seconds: float) -> None:
        try:
            await waiting.wait_for(f"{child.name} ready", probe, bool, deadline=seconds)
        except NotInTimeError as late:
            raise SandboxError(
                f"{child.name} was not ready after {seconds:g} s; its last lines ({child.log}):\n{child.last_words()}"
            ) from late


def _died(child: Child) -> SandboxError:
    return SandboxError(
        f"{child.name} ended with {child.exit_code}; its last lines ({child.log}):\n{child.last_words()}"
    )


def _established(crd: Json) -> bool:
    conditions = items(crd, "status", "conditions")
    return any(text(one, "type") == "Established" and text(one, "status") == "True" for one in conditions)


def free_ports(count: int) -> list[int]:
    """Ports that are free now: chosen anew at every start, since a server that ended may still hold its last one."""
    with ExitStack() as held:
        probes = [held.enter_context(closing(socket.socket())) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
