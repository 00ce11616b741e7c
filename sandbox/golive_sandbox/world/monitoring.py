"""The monitoring of a world: make it, change what it is told, wait until it sees the world as it is."""

from __future__ import annotations

import enum
import secrets
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing
from typing import TypeAlias

from golive_sandbox import waiting
from golive_sandbox.errors import ApiError
from golive_sandbox.plane import Plane, free_ports
from golive_sandbox.types import Json, dig, items, number, text
from golive_sandbox.world import inside, monitors, paths
from golive_sandbox.world.inside import PodAt
from golive_sandbox.world.monitors import ALERTMANAGER, ALERTMANAGER_PORT, PROMETHEUS, PROMETHEUS_PORT, SERVER

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
        self._routing: str | None = None

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
        path = f"/apis/apps/v1/namespaces/{self.namespace}/deployments/{deployment}"
        await self._plane.api.patch(path, {"spec": {"replicas": replicas}})
        await waiting.wait_for(
            f"{replicas} pods of {deployment}",
            lambda: self._plane.api.get(path),
            lambda now: number(now, "status", "readyReplicas") == number(now, "status", "replicas") == replicas,
            deadline=_SECONDS,
        )

    async def pods(self, name: str) -> Sequence[PodAt]:
        """Its running pods of that name: ``prometheus`` or ``alertmanager``."""
        return await inside.pods(self._plane.api, self.namespace, name)

    async def servers(self) -> Sequence[PodAt]:
        """The world's pods that Prometheus has to scrape."""
        return await inside.pods(self._plane.api, self.world, SERVER)

    async def prometheus(self, path: str, **query: str) -> Json:
        """What Prometheus answers, asked at its pod. Raises ``ApiError`` when there is none that is Ready."""
        ready = [one for one in await self.pods(PROMETHEUS) if one.ready]
        if not ready:
            raise ApiError(0, "Unreachable", f"no pod of {PROMETHEUS} is Ready in {self.namespace}")
        return await inside.ask(ready[0].address, PROMETHEUS_PORT, path, query)

    async def query(self, promql: str) -> dict[str, float]:
        """An instant vector by the pod it is about."""
        answer = await self.prometheus("/api/v1/query", query=promql)
        return {text(one, "metric", "pod"): float(str(dig(one, "value", 1))) for one in items(answer, "data", "result")}

    async def rules(self) -> list[Json]:
        """Every rule as Prometheus says it is, with its group's ``interval``."""
        answer = await self.prometheus("/api/v1/rules")
        return [
            {**rule, "interval": group.get("interval")}
            for group in items(answer, "data", "groups")
            for rule in items(group, "rules")
        ]

    async def routings(self) -> dict[str, str]:
        """The configuration that each Alertmanager has loaded, by pod."""
        statuses = [(one.name, await self._status(one)) for one in await self.pods(ALERTMANAGER)]
        return {name: text(status, "config", "original") for name, status in statuses}

    async def _status(self, pod: PodAt) -> Json:
        return await inside.ask(pod.address, ALERTMANAGER_PORT, "/api/v2/status")

    async def reload(self, *names: str) -> None:
        """Let the pods read their files again: those of ``names``, which begin so, or all.

        A pod that refuses keeps what it has, as one does whose file is not there yet; ask again.
        """
        for kind, port in ((PROMETHEUS, PROMETHEUS_PORT), (ALERTMANAGER, ALERTMANAGER_PORT)):
            for pod in await self.pods(kind):
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
        try:
            if self._edited:
                await self.reload()
            return [*await self._not_scraped(), *await self._not_evaluated(), *await self._not_paired()]
        except ApiError as trouble:
            return [str(trouble)]

    async def _not_scraped(self) -> list[str]:
        pods = await self.servers()
        answer = await self.prometheus("/api/v1/targets", state="active", scrapePool=SERVER)
        targets = {text(one, "labels", "pod"): text(one, "health") for one in items(answer, "data", "activeTargets")}
        scrapes = await self.query(f'count_over_time(up{{job="{SERVER}"}}[10m])')
        samples = await self.query(f'scrape_samples_scraped{{job="{SERVER}"}} > 0')
        gone = [f"{name} is a target and no pod" for name in targets.keys() - {one.name for one in pods}]
        wanted = [one for one in pods if not one.ending]
        unseen = [f"{one.name} is no target" for one in wanted if one.name not in targets]
        young = [
            f"{one.name} is {targets[one.name]}, scraped {scrapes.get(one.name, 0):g} times"
            for one in wanted
            if one.ready
            and one.name in targets
            and (targets[one.name] != "up" or scrapes.get(one.name, 0) < 2 or one.name not in samples)
        ]
        return gone + unseen + young

    async def _not_evaluated(self) -> list[str]:
        rules = await self.rules()
        names = {text(one, "name") for one in rules}
        absent = [f"no rule {name}" for name in monitors.alert_names() if name not in names]
        return absent + [f"{one.get('name')} is {one.get('health')}" for one in rules if not _evaluates(one)]

    async def _not_paired(self) -> list[str]:
        if len(ready := await self.pods(PROMETHEUS)) != 1:
            return [f"{len(ready)} pods of {PROMETHEUS}"]
        if "remote_read" in text(await self.prometheus("/api/v1/status/config"), "data", "yaml"):
            return ["Prometheus reads elsewhere"]
        pair = await self.pods(ALERTMANAGER)
        if len([one for one in pair if one.ready]) != len(pair) or len(pair) != len(monitors.PAIR):
            return [f"pods of {ALERTMANAGER}: {[(one.name, one.ready) for one in pair]}"]
        for pod in pair:
            status = await self._status(pod)
            if self._routing is None:
                self._routing = text(status, "config", "original")
            peers = len(items(status, "cluster", "peers"))
            if (text(status, "cluster", "status"), peers) != ("ready", len(monitors.PAIR)):
                return [f"{pod.name} is {text(status, 'cluster', 'status')} and knows {peers}"]
            if text(status, "config", "original") != self._routing:
                return [f"{pod.name} has another configuration"]
        told = items(await self.prometheus("/api/v1/alertmanagers"), "data", "activeAlertmanagers")
        urls = {text(one, "url") for one in told}
        wanted = {f"http://{one.address}:{ALERTMANAGER_PORT}/api/v2/alerts" for one in pair}
        return [] if urls == wanted else [f"Prometheus tells {sorted(urls)}, not {sorted(wanted)}"]


def _evaluates(rule: Json) -> bool:
    return (rule.get("health"), rule.get("interval")) == ("ok", 1) and not text(rule, "lastEvaluation").startswith("0")


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
