"""The registry itself: CNCF distribution, a child of the sandbox that listens on a unix socket and tells nobody."""

from __future__ import annotations

import json
from pathlib import Path

import aiohttp

from golive_sandbox import files, waiting
from golive_sandbox.errors import NotInTimeError, SandboxError
from golive_sandbox.processes import Child, Registry
from golive_sandbox.served import Served
from golive_sandbox.servers.cache import Built
from golive_sandbox.types import Json

URL = "http://registry"
"""What stands before a path; the socket decides where it goes."""
_READY_SECONDS = 30.0  # on a busy machine; 0.2 when idle


class RegistryServer(Served):
    """A running registry. ``await start()``; ``session`` asks it, ``failed()`` waits for what should not happen.

    Images live as long as it does, in memory; its configuration is in ``folder/registry``. It listens on the unix
    socket ``socket``: no port can be taken away from it between our choice and its start, and nobody asks it but the
    agent, the store and the front.
    """

    def __init__(self, built: Built, folder: Path, socket: Path, registry: Registry) -> None:
        super().__init__("the registry")
        self._built = built
        self._folder = folder
        self._socket = socket
        self._registry = registry

    async def start(self) -> None:
        """Start it and wait until it answers. Raises ``SandboxError`` with its last log lines when it does not."""
        folder, logs = self._folder / "registry", self._folder / "logs"
        for one in (folder, logs):
            one.mkdir(parents=True, exist_ok=True)
        config = files.write(folder / "config.json", json.dumps(self._config()))  # JSON is YAML
        connector = aiohttp.UnixConnector(str(self._socket), limit=32)
        # Undecoded: what is hashed, or passed on, is what came.
        self._session = aiohttp.ClientSession(connector=connector, auto_decompress=False, raise_for_status=False)
        self._child = await Child.start(
            "registry",
            [str(self._built.binary("registry")), "serve", str(config)],
            folder=folder,
            log=logs / "registry.log",
            registry=self._registry,
            env={"OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none"},
        )
        try:
            await waiting.wait_for("registry ready", self._answers, bool, deadline=_READY_SECONDS, every=0.02)
        except NotInTimeError as late:
            raise SandboxError(f"{late}; its last lines:\n{self.child.last_words()}") from late

    async def _answers(self) -> bool:
        if self.child.exit_code is not None:
            raise await self.failed()
        try:
            async with self.session.get(f"{URL}/v2/") as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False

    def _config(self) -> Json:
        return {
            "version": "0.1",
            "log": {"level": "warn", "accesslog": {"disabled": True}},
            "storage": {
                # On disk, distribution 3.0.0 writes links in place: who reads while one is written finds it empty.
                "inmemory": {},
                "delete": {"enabled": True},
                "maintenance": {"uploadpurging": {"enabled": False}},
            },
            "http": {"net": "unix", "addr": str(self._socket), "relativeurls": True, "secret": "golive-sandbox"},
        }
