"""Do the counters agree? The generator's, Envoy's, the servers' own and Prometheus', by version, over some seconds."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import aiohttp

from golive_sandbox import waiting
from golive_sandbox.agent.addresses import on_loopback
from golive_sandbox.errors import SandboxError
from golive_sandbox.traffic import Place, Traffic
from golive_sandbox.types import Json, dig, items, text
from golive_sandbox.world.behaviour import PORT, servers
from golive_sandbox.world.inside import PodAt
from golive_sandbox.world.world import World

_ROUTES = "/api/maestro/v1/"
_SERIES = re.compile(rf'http_requests_total\{{route="{_ROUTES}[^"]*",code="\d+"\}} (\d+)')
_VERSION = re.compile(r'build_info\{version="([^"]*)"\}')
_SECONDS = 5.0
_SCRAPE_SECONDS = 15.0
_HASH_LABEL = "rollouts_pod_template_hash"

Counts = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Agreement:
    """Requests in ``seconds`` by version, as each source counted them (``prometheus`` only where there is one)."""

    seconds: float
    sources: Mapping[str, Counts]
    failed: int
    """Requests without an answer, and answers of 400 and above, as the generator saw them."""

    @property
    def difference(self) -> float:
        """The largest difference between two sources over one version, as a ratio of the larger one."""
        worst = 0.0
        for version in {version for counts in self.sources.values() for version in counts}:
            seen = [counts.get(version, 0) for counts in self.sources.values()]
            worst = max(worst, (max(seen) - min(seen)) / max(*seen, 1))
        return worst

    def row(self) -> Json:
        """As the control socket answers it."""
        return {
            "seconds": self.seconds,
            "sources": {name: dict(counts) for name, counts in self.sources.items()},
            "difference": self.difference,
            "failed": self.failed,
        }


async def measure(world: World, traffic: Traffic, place: Place, seconds: float) -> Agreement:
    """Pause, read, let ``seconds`` of traffic pass, pause, read, compare. Raises ``SandboxError`` when one is silent.

    A pod that ends in between takes its own counters with it: measure while no rollout moves.
    """
    reader = _Reader(world, traffic, place)
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_SECONDS)) as session:
        async with traffic.paused():
            before = await reader.read(session)
        await waiting.pause(seconds)
        async with traffic.paused():
            after = await reader.read(session)
    sources = {name: _difference(before.sources[name], counts) for name, counts in after.sources.items()}
    return Agreement(seconds, sources, after.failed - before.failed)


@dataclass(frozen=True, slots=True)
class _Reading:
    sources: Mapping[str, Counts]
    failed: int


class _Reader:
    def __init__(self, world: World, traffic: Traffic, place: Place) -> None:
        self._world = world
        self._traffic = traffic
        self._place = place
        self._versions: dict[str, str] = {}
        """The version of each hash, of pods too that ended since: Envoy goes on telling what it sent them."""

    async def read(self, session: aiohttp.ClientSession) -> _Reading:
        """All counters at this moment, while nothing is asked."""
        paused_at = time.time()
        now = await self._traffic.counts()
        running = await servers(self._world.api, self._world.namespace)
        own = await self._servers(session, running)
        sources = {"generator": now.by_version, "envoy": await self._envoy(), "servers": own}
        if not await self._world.api.gone(f"/api/v1/namespaces/{self._monitoring}/services/prometheus"):
            await self._until_scraped(session, len(running), paused_at)
            sources["prometheus"] = await self._prometheus(session)
        return _Reading(sources, now.failed)

    @property
    def _monitoring(self) -> str:
        return f"{self._world.namespace}-monitoring"

    async def _servers(self, session: aiohttp.ClientSession, running: Sequence[PodAt]) -> dict[str, int]:
        """What the running pods count, by version."""
        counts: dict[str, int] = {}
        urls = [f"http://{on_loopback(one.address)}:{PORT}/metrics" for one in running]
        for server, said in zip(running, await asyncio.gather(*(_get(session, url) for url in urls)), strict=True):
            found = _VERSION.search(said)
            if found is None:
                raise SandboxError(f"pod {server.name}: expected build_info on /metrics, found none")
            self._versions[server.hash] = found[1]
            counts[found[1]] = counts.get(found[1], 0) + sum(int(one) for one in _SERIES.findall(said))
        return counts

    async def _envoy(self) -> dict[str, int]:
        counts: dict[str, int] = {}
        for cluster, count in (await self._place.envoy.counters()).items():
            namespace, _, version = cluster.split(".")[:3]
            if namespace == self._world.namespace:
                self._add(counts, version, count)
        return counts

    async def _until_scraped(self, session: aiohttp.ClientSession, pods: int, since: float) -> None:
        """Wait until Prometheus has asked every one of the ``pods`` since then."""
        query = f'timestamp(build_info{{namespace="{self._world.namespace}"}})'

        async def scraped() -> int:
            return sum(float(at) > since for _, at in await self._query(session, query))

        await waiting.wait_for(
            f"Prometheus has scraped {pods} pods", scraped, lambda seen: seen >= pods, deadline=_SCRAPE_SECONDS
        )

    async def _prometheus(self, session: aiohttp.ClientSession) -> dict[str, int]:
        counts: dict[str, int] = {}
        series = f'http_requests_total{{namespace="{self._world.namespace}",route=~"{_ROUTES}.*"}}'
        for version, value in await self._query(session, f"sum by ({_HASH_LABEL}) ({series})"):
            self._add(counts, version, int(float(value)))
        return counts

    def _add(self, counts: dict[str, int], by_hash: str, count: int) -> None:
        """To the version of that hash; one whose pods were never seen is kept under its hash."""
        version = self._versions.get(by_hash, by_hash)
        counts[version] = counts.get(version, 0) + count

    async def _query(self, session: aiohttp.ClientSession, query: str) -> list[tuple[str, str]]:
        """Hash and value of each sample."""
        url = f"http://prometheus.{self._monitoring}.svc:9090/api/v1/query"
        proxy = f"http://127.0.0.1:{self._place.network_port}"
        try:
            async with session.get(url, params={"query": query}, proxy=proxy) as answer:
                found: Json = await answer.json()
        except (OSError, aiohttp.ClientError, TimeoutError, ValueError) as silent:
            raise SandboxError(f"{url} does not answer: {silent!r}") from silent
        if text(found, "status") != "success":
            raise SandboxError(f"{url}: {str(found)[:300]}")
        return [(text(one, "metric", _HASH_LABEL), str(dig(one, "value", 1))) for one in items(found, "data", "result")]


async def _get(session: aiohttp.ClientSession, url: str) -> str:
    try:
        async with session.get(url) as answer:
            return await answer.text()
    except (OSError, aiohttp.ClientError, TimeoutError) as silent:
        raise SandboxError(f"{url} does not answer: {silent!r}") from silent


def _difference(before: Counts, after: Counts) -> dict[str, int]:
    changes = {version: count - before.get(version, 0) for version, count in after.items()}
    return {version: change for version, change in changes.items() if change}
