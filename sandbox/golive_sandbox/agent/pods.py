"""One pod from its binding to its deletion: init containers, containers, status, grace period."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path

from golive_sandbox import waiting
from golive_sandbox.agent import environment
from golive_sandbox.agent.addresses import Block
from golive_sandbox.agent.containers import Container, Restart, Tools, now
from golive_sandbox.agent.environment import Command, Place
from golive_sandbox.agent.images import Image
from golive_sandbox.agent.podstatus import PodView, phase, status
from golive_sandbox.api import Api
from golive_sandbox.errors import ApiError
from golive_sandbox.processes import Registry
from golive_sandbox.types import Json, items, mapping, number, text

_LOG = logging.getLogger(__name__)
_RETRY = 0.5  # seconds between two attempts to publish while the API server does not answer
_LAST_GRACE = 1.0  # seconds for a container when the whole sandbox ends
_DONE = ("Succeeded", "Failed")


@dataclass(frozen=True, slots=True)
class Host:
    """What all pods share: the API, folders, addresses, the cluster network's proxy, the look-up of images."""

    api: Api
    folder: Path
    block: Block
    nodes: Mapping[str, str]
    """Node name to its address in the cluster."""
    proxy: str
    look_up: Callable[[str], Awaitable[Image]]
    registry: Registry


class Pod:
    """A pod that is bound to one of our nodes. ``start`` it, tell it what was ``seen``, ``shut_down`` at the end."""

    def __init__(self, host: Host, pod: Json) -> None:
        metadata = mapping(pod, "metadata")
        self.namespace, self.name, self.uid = (text(metadata, key) for key in ("namespace", "name", "uid"))
        self._host = host
        self._pod = pod
        host_ip = host.nodes[text(pod, "spec", "nodeName")]
        folder = host.folder / "pods" / f"{self.namespace}_{self.name}_{self.uid}"
        self.place = Place(host.block.take(), host_ip, folder, host.proxy)
        self._start_time = now()
        self._dirty = asyncio.Event()
        self._published: list[Json] = items(pod, "status", "conditions")
        self._gone = False
        self._over = False
        self._tasks: list[asyncio.Task[None]] = []
        restart = Restart(text(pod, "spec", "restartPolicy") or "Always")
        # An init container that succeeded is done, whatever the policy says about the others.
        again = Restart.NEVER if restart is Restart.NEVER else Restart.ON_FAILURE
        tools = Tools(self.place, host.look_up, self._prepare, self._dirty.set, host.registry)
        self.inits = [Container(spec, again, tools) for spec in items(pod, "spec", "initContainers")]
        self.apps = [Container(spec, restart, tools) for spec in items(pod, "spec", "containers")]

    def start(self) -> None:
        """Begin; everything else happens in tasks of its own."""
        self._dirty.set()
        self._running = self._task(self._run(), "run")
        self._publishing = self._task(self._publish_changes(), "status")

    def seen(self, pod: Json) -> None:
        """The API server has a newer version of it."""
        self._pod = pod
        if text(pod, "metadata", "deletionTimestamp") and not self._gone:
            self._gone = True
            self._task(self._terminate(number(pod, "metadata", "deletionGracePeriodSeconds")), "termination")

    def config_changed(self, config_map: str) -> None:
        """A ConfigMap of its namespace has changed: what is mounted of it follows, as a kubelet sees to."""
        if not self._gone and not self._over:
            work = environment.follow(self._host.api, self._pod, config_map, self.place)
            self._task(work, f"volumes of {config_map}")

    def vanished(self) -> asyncio.Task[None]:
        """The API server has it no more (deleted by force, or by us a moment ago)."""
        self._over = True
        return self._task(self._clean_up(0.0), "clean-up")

    async def shut_down(self) -> None:
        """End its processes without a word to the API server: the sandbox ends."""
        self._over = True
        await self._clean_up(_LAST_GRACE)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def container(self, name: str) -> Container | None:
        """Its container (or init container) of that name."""
        return next((one for one in (*self.inits, *self.apps) if one.name == name), None)

    def address(self) -> str:
        """Its address in the cluster."""
        return self.place.pod_ip

    async def _run(self) -> None:
        self.place.folder.mkdir(parents=True, exist_ok=True)
        for container in (*self.inits, *self.apps):
            (self.place.folder / container.name).mkdir(exist_ok=True)
        for init in self.inits:
            await init.run()
            if init.exit_code != 0:
                return
        await asyncio.gather(*(container.run() for container in self.apps))

    async def _terminate(self, grace: float) -> None:
        """SIGTERM, the grace period, SIGKILL; then the last status and the end of the object."""
        await self._end(grace)
        self._publishing.cancel()
        await asyncio.wait([self._publishing])
        await self._publish()
        await self._delete()

    async def _clean_up(self, grace: float) -> None:
        await self._end(grace)
        self._publishing.cancel()
        self._host.block.give_back(self.place.pod_ip)
        environment.forget(self.place)

    async def _end(self, grace: float) -> None:
        self._running.cancel()
        await asyncio.wait([self._running])
        await asyncio.gather(*(container.end(grace) for container in (*self.inits, *self.apps)))

    async def _prepare(self, container: Json, image: Image) -> Command:
        return await environment.command(self._host.api, self._pod, container, image, self.place)

    async def _publish_changes(self) -> None:
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            await self._publish()

    async def _publish(self) -> None:
        """Say how it is, as often as needed until the API server has heard it."""
        while not self._over:
            # What is sent is what is so now, also after a retry.
            body = status(self._view(), self._published, now())
            try:
                await self._host.api.patch(f"{self._path}/status", {"metadata": {"uid": self.uid}, "status": body})
            except ApiError as trouble:
                if trouble.status in (404, 409):
                    return  # it is gone, or another one has its name
                _LOG.warning("status of pod %s/%s: %s", self.namespace, self.name, trouble)
                await waiting.pause(_RETRY)
                continue
            self._published = items(body, "conditions")
            return

    async def _delete(self) -> None:
        body: Json = {
            "apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0, "preconditions": {"uid": self.uid},
        }  # fmt: skip
        while not self._over:
            try:
                await self._host.api.delete(self._path, body)
            except ApiError as trouble:
                if trouble.status in (404, 409):
                    return
                _LOG.warning("end of pod %s/%s: %s", self.namespace, self.name, trouble)
                await waiting.pause(_RETRY)
                continue
            return

    def _view(self) -> PodView:
        return PodView(
            self._pod,
            self.place.pod_ip,
            self.place.host_ip,
            self._start_time,
            self.inits,
            self.apps,
            self._gone_quietly,
        )

    @property
    def _gone_quietly(self) -> bool:
        return self._gone and all(one.exit_code is not None for one in self.apps)

    @property
    def phase(self) -> str:
        """As its status says."""
        return phase(self._view())

    @property
    def _path(self) -> str:
        return f"/api/v1/namespaces/{self.namespace}/pods/{self.name}"

    def _task(self, work: Coroutine[None, None, None], what: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=f"{what} of pod {self.namespace}/{self.name}")
        task.add_done_callback(_report)
        self._tasks.append(task)
        return task


def _report(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _LOG.error("%s failed", task.get_name(), exc_info=error)
