"""The node agent: runs the pods that the real controllers create as local processes, and is their network."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from signal import SIGKILL

from golive_sandbox.agent import nodes
from golive_sandbox.agent.addresses import Block, on_loopback
from golive_sandbox.agent.directory import Directory, endpoint_of
from golive_sandbox.agent.images import Puller
from golive_sandbox.agent.kubelet import Kubelet
from golive_sandbox.agent.network import Network
from golive_sandbox.agent.pods import Host, Pod
from golive_sandbox.api import Api
from golive_sandbox.errors import SandboxError
from golive_sandbox.pki import Pki
from golive_sandbox.processes import Registry
from golive_sandbox.types import Json, text

__all__ = ["Agent"]
_LOG = logging.getLogger(__name__)
_DONE = ("Succeeded", "Failed")


class Agent:
    """Both nodes of the sandbox.

    ``folder`` holds logs and mounted files of pods; ``egress`` is the unix socket that the API server dials;
    ``images`` pulls what pods name; ``registry`` records every process.
    """

    def __init__(self, api: Api, folder: Path, pki: Pki, *, egress: Path, images: Puller, registry: Registry) -> None:
        self._api = api
        self._folder = folder
        self._pki = pki
        self._images = images
        self._registry = registry
        self._pods: dict[str, Pod] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._ending: set[asyncio.Task[None]] = set()
        self._scheduler = nodes.Scheduler(api)
        self._unbound: dict[str, Json] = {}
        self._block: Block | None = None
        self.egress_socket = egress

    async def start(self) -> None:
        """Register the nodes and begin. Raises ``SandboxError`` when the machine or the API server does not let us."""
        self._block = Block()
        self.directory = Directory(self._block, endpoint_of(self._api.server))
        self._network = Network(self.directory, self.egress_socket)
        await self._network.start()
        self._kubelet = Kubelet(self._find, _tls(self._pki, self._block, self._folder / "pki"))
        await self._kubelet.start(self._block.kubelet_sockets)
        addresses = {f"node-{number}": address for number, address in enumerate(self._block.nodes, start=1)}
        self._host = Host(
            self._api, self._folder, self._block, addresses, f"http://127.0.0.1:{self._network.port}",
            self._images.resolve, self._registry,
        )  # fmt: skip
        await nodes.register(self._api, addresses)
        for work in (
            lambda: self.directory.follow(self._api),
            self._watch_nodes,
            self._watch_pods,
            self._watch_configs,
        ):
            self._begin(work)

    async def stop(self) -> None:
        """End every pod's processes and close everything; nothing is told to the API server."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(pod.shut_down() for pod in self._pods.values()))
        await asyncio.gather(*self._ending)
        if self._block is not None:
            await self._kubelet.stop()
            await self._network.stop()
            self._block.release()
            self._block = None

    @property
    def network_port(self) -> int:
        """The loopback port of the cluster network's proxy."""
        return self._network.port

    def kill_container(self, namespace: str, pod_prefix: str) -> str:
        """SIGKILL the first running container of a pod whose name begins so; the pod's name.

        Raises ``SandboxError`` when none is running.
        """
        for pod in sorted(self._pods.values(), key=lambda one: one.name):
            if pod.namespace == namespace and pod.name.startswith(pod_prefix):
                for container in pod.apps:
                    if container.signal(SIGKILL):
                        return pod.name
        raise SandboxError(f"expected a running pod {pod_prefix}* in namespace {namespace}, found none")

    def report(self, path: str, digest: str, instead: str | None) -> None:
        """Let pods of the image ``path@digest`` that start from now on say ``instead``; ``None``: the truth."""
        if instead is None:
            self._images.reported.pop((path, digest), None)
        else:
            self._images.reported[path, digest] = instead

    async def failed(self) -> SandboxError:
        """Wait until a part of the agent ends that should not; the error to show for it."""
        done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        task = done.pop()
        return SandboxError(
            f"the node agent's {task.get_name()} ended: {task.exception() if not task.cancelled() else '-'}"
        )

    def _find(self, namespace: str, name: str) -> Pod | None:
        # The newest of that name: one that was deleted by force may still be ending.
        found = [pod for pod in self._pods.values() if (pod.namespace, pod.name) == (namespace, name)]
        return found[-1] if found else None

    async def _watch_nodes(self) -> None:
        async for event, node in self._api.watch("/api/v1/nodes"):
            self._scheduler.saw_node(event, node)
            for pod in list(self._unbound.values()):
                await self._bind(pod)

    async def _watch_pods(self) -> None:
        async for event, pod in self._api.watch("/api/v1/pods"):
            if event == "DELETED":
                self._vanished(text(pod, "metadata", "uid"))
            elif node := text(pod, "spec", "nodeName"):
                self._saw(pod, node)
            else:
                self._unbound[text(pod, "metadata", "uid")] = pod
                self._ending_task(self._bind(pod))

    async def _watch_configs(self) -> None:
        async for event, found in self._api.watch("/api/v1/configmaps"):
            if event == "MODIFIED":
                namespace, name = (text(found, "metadata", key) for key in ("namespace", "name"))
                for pod in [one for one in self._pods.values() if one.namespace == namespace]:
                    pod.config_changed(name)

    async def _bind(self, pod: Json) -> None:
        if await self._scheduler.bind(pod):
            self._unbound.pop(text(pod, "metadata", "uid"), None)

    def _saw(self, seen: Json, node: str) -> None:
        uid = text(seen, "metadata", "uid")
        self._unbound.pop(uid, None)
        if uid in self._pods:
            self._pods[uid].seen(seen)
        elif node in self._host.nodes and text(seen, "status", "phase") not in _DONE:
            pod = self._pods[uid] = Pod(self._host, seen)
            pod.start()
            pod.seen(seen)

    def _vanished(self, uid: str) -> None:
        self._unbound.pop(uid, None)
        if (pod := self._pods.pop(uid, None)) is not None:
            task = pod.vanished()
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)

    def _ending_task(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    def _begin(self, work: Callable[[], Awaitable[None]]) -> None:
        task = asyncio.ensure_future(work())
        task.add_done_callback(_report)
        self._tasks.append(task)


def _report(task: asyncio.Future[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _LOG.error("the node agent's %s ended", task, exc_info=error)


def _tls(pki: Pki, block: Block, folder: Path) -> ssl.SSLContext:
    addresses = [*block.nodes, *(on_loopback(address) for address in block.nodes)]
    certificate, key = pki.serving("golive-kubelet", addresses).save(folder, "kubelet")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.load_verify_locations(cadata=pki.certificate.decode())
    context.verify_mode = ssl.CERT_REQUIRED
    return context
