"""What a world's Prometheus and Alertmanagers say, asked at their pods; and whether they see the world as it is."""

from __future__ import annotations

from collections.abc import Sequence

from golive_sandbox.api import Api
from golive_sandbox.errors import ApiError
from golive_sandbox.types import Json, dig, items, text
from golive_sandbox.world import inside, monitors
from golive_sandbox.world.inside import PodAt
from golive_sandbox.world.monitors import ALERTMANAGER, ALERTMANAGER_PORT, PROMETHEUS, PROMETHEUS_PORT, SERVER


class Look:
    """Looks into ``namespace``, which is the monitoring of ``world``. All raise ``ApiError``."""

    def __init__(self, api: Api, world: str, namespace: str) -> None:
        self._api = api
        self._world = world
        self._namespace = namespace
        self.routing = ""
        """What both Alertmanagers had loaded when all was well for the first time."""
        self.asked: Sequence[str] = ()
        """The routes that the world's traffic asks."""

    async def endpoints(self, service: str) -> set[str]:
        """The addresses that a Service leads to."""
        found = await self._api.get(f"/api/v1/namespaces/{self._namespace}/endpoints/{service}")
        return {text(one, "ip") for subset in items(found, "subsets") for one in items(subset, "addresses")}

    async def pods(self, name: str) -> Sequence[PodAt]:
        """Its running pods of that name: ``prometheus`` or ``alertmanager``."""
        return await inside.pods(self._api, self._namespace, name)

    async def servers(self) -> Sequence[PodAt]:
        """The world's pods that Prometheus has to scrape."""
        return await inside.pods(self._api, self._world, SERVER)

    async def prometheus(self, path: str, **query: str) -> Json:
        """What Prometheus answers, asked at its pod. Raises ``ApiError`` when there is none that is Ready."""
        ready = [one for one in await self.pods(PROMETHEUS) if one.ready]
        if not ready:
            raise ApiError(0, "Unreachable", f"no pod of {PROMETHEUS} is Ready in {self._namespace}")
        return await inside.ask(ready[0].address, PROMETHEUS_PORT, path, query)

    async def query(self, promql: str, label: str = "pod") -> dict[str, float]:
        """An instant vector by the pod it is about, or by another label."""
        answer = await self.prometheus("/api/v1/query", query=promql)
        return {text(one, "metric", label): float(str(dig(one, "value", 1))) for one in items(answer, "data", "result")}

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

    async def missing(self) -> list[str]:
        """What is not as it is when all is well, a line each."""
        try:
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
        routes = await self.query(f'count by (route) (http_request_duration_seconds_count{{job="{SERVER}"}})', "route")
        silent = [f"nobody has asked {one} yet" for one in self.asked if wanted and one not in routes]
        return [*gone, *unseen, *young, *silent]

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
            self.routing = self.routing or text(status, "config", "original")
            peers = len(items(status, "cluster", "peers"))
            if (text(status, "cluster", "status"), peers) != ("ready", len(monitors.PAIR)):
                return [f"{pod.name} is {text(status, 'cluster', 'status')} and knows {peers}"]
            if text(status, "config", "original") != self.routing:
                return [f"{pod.name} has another configuration"]
        told = items(await self.prometheus("/api/v1/alertmanagers"), "data", "activeAlertmanagers")
        urls = {text(one, "url") for one in told}
        wanted = {f"http://{one.address}:{ALERTMANAGER_PORT}/api/v2/alerts" for one in pair}
        return [] if urls == wanted else [f"Prometheus tells {sorted(urls)}, not {sorted(wanted)}"]


def _evaluates(rule: Json) -> bool:
    return (rule.get("health"), rule.get("interval")) == ("ok", 1) and not text(rule, "lastEvaluation").startswith("0")
