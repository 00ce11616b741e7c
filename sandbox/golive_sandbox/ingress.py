"""The ingress controller: keeps the routes that the Ingresses ask for, in memory and in ``routes.json``.

It follows Ingresses, Services and endpoints by watches; a change is in the table some milliseconds later. Whatever
carries traffic reads the table (``Ingress.routes``, or the file, which is replaced as a whole).
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Sequence
from pathlib import Path

from golive_sandbox import files
from golive_sandbox.agent.directory import Directory
from golive_sandbox.api import Api
from golive_sandbox.errors import ApiError
from golive_sandbox.routes import Route, as_json, routes
from golive_sandbox.types import Json, dig, text

_LOG = logging.getLogger(__name__)
_ADDRESS: Json = {"ip": "127.0.0.1"}


class Ingress:
    """Turns Ingresses into ``folder/routes.json``. ``await start()``; ``failed()`` waits for what should not happen."""

    def __init__(self, api: Api, directory: Directory, folder: Path) -> None:
        self._api = api
        self._directory = directory
        self._ingresses: dict[tuple[str, str], Json] = {}
        self._changed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.file = folder / "routes.json"
        self.routes: Sequence[Route] = ()

    async def start(self) -> None:
        """Begin to follow; ``routes.json`` is there when this returns."""
        self._write()
        self._directory.listeners.append(self._changed.set)
        self._tasks = [
            asyncio.create_task(self._watch(), name="ingress watch"),
            asyncio.create_task(self._follow(), name="ingress routes"),
        ]

    async def stop(self) -> None:
        """Follow no more; the file stays as it is."""
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
            self._write()

    def _write(self) -> None:
        found = routes(self._ingresses.values(), self._directory.ready)
        if found != self.routes or not self.file.exists():
            self.routes = found
            files.write(self.file, json.dumps(as_json(found), indent=1) + "\n")

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
