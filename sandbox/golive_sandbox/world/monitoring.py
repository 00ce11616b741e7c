"""The monitoring of a world: make it, change what it is told, wait until it sees the world as it is."""

from __future__ import annotations

import enum
import secrets
import socket
from collections.abc import Awaitable, Callable
from contextlib import closing
from typing import TypeAlias

from golive_sandbox import waiting
from golive_sandbox.errors import ApiError
from golive_sandbox.plane import Plane, free_ports
from golive_sandbox.types import Json, number
from golive_sandbox.world import inside, monitors, paths
from golive_sandbox.world.inside import PodAt
from golive_sandbox.world.look import Look
from golive_sandbox.world.monitors import ALERTMANAGER, ALERTMANAGER_PORT, PROMETHEUS, PROMETHEUS_PORT

Edit: TypeAlias = Callable[[Json], Json]
_SECONDS = 60.0
_EVERY = 0.2
_MANAGER = "golive-sandbox"
_GOSSIP_PORT = 9094


class File(enum.Enum):
    """What can be edited: the ConfigMap and the file in it."""

    PROMETHEUS = ("prometheus-config", "prometheus.yml")
    RULES = ("prometheus-rules", "maestro-slo.rules.yaml")
    ROUTING = ("alertmanager-config", "alertmanager.yml")


class Monitoring:
    """Namespace ``WORLD-monitoring``: Prometheus and a pair of Alertmanagers."""

    def __init__(self, plane: Plane, world: str) -> None:
        self.world = world
        self.namespace = monitors.namespace_of(world)
        self._plane = plane
        self._gossip = _gossip_addresses()
        # Nobody listens there: PagerDuty is not part of this world, and the real one must never hear of it.
        self._pagerduty = f"http://127.0.0.1:{free_ports(1)[0]}/v2/enqueue"
        self._edits: dict[File, dict[str, Edit]] = {file: {} for file in File}
        self._edited = False
        self.look = Look(plane.api, world, self.namespace)

    async def create(self) -> None:
        """Everything in its namespace, which is there; ``until_observing`` waits for it."""
        user = self._plane.kubeconfig(monitors.user_of(self.world))
        objects = [
            *monitors.may_discover(self.world, self.namespace),
            monitors.secret("prometheus-kubeconfig", self.namespace, "kubeconfig", user.render()),
            # No key of anybody: the address it would be sent to leads nowhere.
            monitors.secret("pagerduty", self.namespace, "routing-key", secrets.token_hex(16)),
            *(self._file(file) for file in File),
            *self._deployments(),
            monitors.service(self.namespace, PROMETHEUS, PROMETHEUS_PORT),
            monitors.service(self.namespace, ALERTMANAGER, ALERTMANAGER_PORT),
        ]
        await self.apply(*objects)

    async def delete(self) -> None:
        """All of it, and wait until it is gone."""
        await paths.delete_namespace(self._plane.api, self.namespace, "deployments")

    async def apply(self, *objects: Json) -> None:
        """Put objects into its namespace; what they no longer say is taken out of those that are there."""
        await paths.apply(self._plane.api, objects, self.namespace, _MANAGER)

    async def remove(self, *objects: Json) -> None:
        """Take objects away; their pods end by themselves."""
        for item in objects:
            await paths.delete(self._plane.api, paths.of(item, self.namespace))

    async def restore(self) -> None:
        """Deployments and Services as they were made."""
        await self.apply(
            *self._deployments(),
            monitors.service(self.namespace, PROMETHEUS, PROMETHEUS_PORT),
            monitors.service(self.namespace, ALERTMANAGER, ALERTMANAGER_PORT),
        )

    def _deployments(self) -> list[Json]:
        pair = [monitors.alertmanager(self.namespace, number, self._gossip) for number in monitors.PAIR]
        return [monitors.prometheus(self.namespace), *pair]

    async def edit(self, file: File, fault: str, change: Edit | None) -> None:
        """Put ``change`` on top of what the file says, or take it away (``None``); ``reload`` makes it known."""
        if change is None:
            self._edits[file].pop(fault, None)
        else:
            self._edits[file][fault] = change
        self._edited = True
        await self.apply(self._file(file))

    def _file(self, file: File) -> Json:
        match file:
            case File.PROMETHEUS:
                content = monitors.prometheus_config(self.world)
            case File.RULES:
                content = monitors.rules()
            case File.ROUTING:
                content = monitors.routing(self._pagerduty)
        for change in self._edits[file].values():
            content = change(content)
        return monitors.config_map(file.value[0], self.namespace, file.value[1], content)

    async def scale(self, deployment: str, replicas: int) -> None:
        """Set the number of pods, and wait until so many are there and Ready."""
        await self._plane.api.patch(self._deployment(deployment), {"spec": {"replicas": replicas}})
        await self.until_rolled_out(deployment, replicas)
        if replicas == 0:
            await self.until_no_pod(deployment)

    async def until_rolled_out(self, deployment: str, replicas: int) -> None:
        """Wait until its pods are of its newest template, as many as these and all Ready."""
        await waiting.wait_for(
            f"{replicas} pods of {deployment}",
            lambda: self._plane.api.get(self._deployment(deployment)),
            lambda now: _rolled_out(now, replicas),
            deadline=_SECONDS,
        )

    async def until_no_pod(self, deployment: str) -> None:
        """Wait until the last pod of a Deployment is gone, the one that is ending too."""
        pods = f"/api/v1/namespaces/{self.namespace}/pods"
        selector = f"{monitors.INSTANCE_LABEL}={deployment}"
        await waiting.wait_for(
            f"no pod of {deployment}",
            lambda: self._plane.api.list(pods, labelSelector=selector),
            lambda left: not left,
            deadline=_SECONDS,
        )

    def _deployment(self, name: str) -> str:
        return f"/apis/apps/v1/namespaces/{self.namespace}/deployments/{name}"

    async def reload(self, *names: str) -> None:
        """Let the pods read their files again: those of ``names``, which begin so, or all.

        A pod that refuses keeps what it has, as one does whose file is not there yet; ask again.
        """
        for kind, port in ((PROMETHEUS, PROMETHEUS_PORT), (ALERTMANAGER, ALERTMANAGER_PORT)):
            for pod in await self.look.pods(kind):
                if pod.name.startswith(names or ("",)):
                    await _ask_to_reload(pod, port)

    async def until(self, what: str, seen: Callable[[], Awaitable[bool]], *reloaded: str) -> None:
        """Wait until ``seen``, letting the pods of these names read their files again before each look.

        Raises ``NotInTimeError``.
        """

        async def probe() -> bool:
            if reloaded:
                await self.reload(*reloaded)
            try:
                return await seen()
            except ApiError:
                return False

        await waiting.wait_for(what, probe, bool, deadline=_SECONDS, every=_EVERY)

    async def until_observing(self) -> None:
        """Wait until all is well: every server pod scraped twice, rules evaluated, the pair together and told.

        Raises ``NotInTimeError`` with what is missing.
        """
        what = f"monitoring of {self.world} sees the world as it is"
        await waiting.wait_for(what, self._missing, lambda missing: not missing, deadline=_SECONDS, every=_EVERY)
        self._edited = False

    async def _missing(self) -> list[str]:
        if self._edited:
            await self.reload()
        return await self.look.missing()


def _rolled_out(now: Json, replicas: int) -> bool:
    counts = [number(now, "status", key) for key in ("replicas", "updatedReplicas", "readyReplicas")]
    observed = number(now, "status", "observedGeneration") >= number(now, "metadata", "generation")
    return observed and counts == [replicas] * 3


async def _ask_to_reload(pod: PodAt, port: int) -> None:
    try:
        await inside.ask(pod.address, port, "/-/reload", method="POST")
    except ApiError:
        return  # see ``reload``


def _gossip_addresses() -> list[str]:
    """An address for each of the pair, kept for life: who restarts is found again where it was.

    Pod addresses change with every pod and there is no DNS; nothing else in a sandbox has addresses of 127.20.0.0/16.
    """
    found: list[str] = []
    while len(found) < len(monitors.PAIR):
        address = f"127.20.{secrets.randbelow(254)}.{1 + secrets.randbelow(254)}"
        with closing(socket.socket()) as probe:
            try:
                probe.bind((address, _GOSSIP_PORT))
            except OSError:
                continue  # another sandbox's
        found.append(f"{address}:{_GOSSIP_PORT}")
    return found
