"""The ingress controller: leads requests where the Ingresses ask for, by the hands of Envoy.

It follows Ingresses, Services and endpoints by watches; a change is seen in traffic some ten milliseconds later.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from golive_sandbox import waiting
from golive_sandbox.agent.directory import Directory
from golive_sandbox.api import Api
from golive_sandbox.envoy import Envoy
from golive_sandbox.errors import ApiError, SandboxError
from golive_sandbox.routes import Route, routes
from golive_sandbox.types import Json, dig, text

_LOG = logging.getLogger(__name__)
_RETRY_SECONDS = 0.5
_ADDRESS: Json = {"ip": "127.0.0.1"}


class Ingress:
    """Turns Ingresses into routes of ``envoy``. ``await start()``; ``routes`` are those that Envoy was told last."""

    def __init__(self, api: Api, directory: Directory, envoy: Envoy) -> None:
        self._api = api
        self._directory = directory
        self._envoy = envoy
        self._ingresses: dict[tuple[str, str], Json] = {}
        self._changed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.routes: Sequence[Route] = ()

    async def start(self) -> None:
        """Begin to follow."""
        self._directory.listeners.append(self._changed.set)
        self._tasks = [
            asyncio.create_task(self._watch(), name="ingress watch"),
            asyncio.create_task(self._follow(), name="ingress routes"),
        ]

    async def stop(self) -> None:
        """Follow no more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    async def _watch(self) -> None:
        async for event, ingress in self._api.watch("/apis/networking.k8s.io/v1/ingresses"):
            key = (text(ingress, "metadata", "namespace"), text(ingress, "metadata", "name"))
            if event == "DELETED":
                self._ingresses.pop(key, None)
            else:
                self._ingresses[key] = ingress
                await self._publish_address(ingress)
            self._changed.set()

    async def _follow(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            found = routes(self._ingresses.values(), self._directory)
            if found != self.routes:
                await self._lead(found)

    async def _lead(self, found: Sequence[Route]) -> None:
        try:
            await self._envoy.follow(found)
        except (SandboxError, OSError) as trouble:
            _LOG.warning("Envoy does not follow: %s", trouble)
            await waiting.pause(_RETRY_SECONDS)
            self._changed.set()
        else:
            self.routes = found

    async def _publish_address(self, ingress: Json) -> None:
        if dig(ingress, "status", "loadBalancer", "ingress") == [_ADDRESS]:
            return
        path = f"/apis/networking.k8s.io/v1/namespaces/{text(ingress, 'metadata', 'namespace')}/ingresses"
        body: Json = {"status": {"loadBalancer": {"ingress": [_ADDRESS]}}}
        try:
            await self._api.patch(f"{path}/{text(ingress, 'metadata', 'name')}/status", body)
        except ApiError as trouble:
            if trouble.status != 404:  # it may be gone again
                _LOG.warning("address of ingress %s: %s", text(ingress, "metadata", "name"), trouble)
