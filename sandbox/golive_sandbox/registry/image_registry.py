"""The images of one plane: the registry, what is in it from the start, and its front."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

from golive_sandbox.errors import SandboxError
from golive_sandbox.processes import Registry
from golive_sandbox.registry import catalogue, oci
from golive_sandbox.registry.evidence import Signer
from golive_sandbox.registry.front import Front
from golive_sandbox.registry.server import RegistryServer
from golive_sandbox.registry.store import Store
from golive_sandbox.servers.cache import Built


class ImageRegistry:
    """``await start()``; then ``store`` is how we read and write, ``front`` is what worlds see.

    ``signer`` is who signs its images.
    """

    def __init__(self, built: Built, folder: Path, socket: Path, registry: Registry) -> None:
        self._server = RegistryServer(built, folder, socket, registry)
        self._up = AsyncExitStack()
        self.signer = Signer(datetime.now(UTC))

    async def start(self) -> None:
        """Start both, and push the images of the catalogue. Raises ``SandboxError``; ``stop`` is then still due."""
        self._up.push_async_callback(self._server.stop)
        await self._server.start()
        self.store = Store(self._server.session)
        self.front = Front(self._server.session)
        self._up.push_async_callback(self.front.stop)
        await self.front.start()
        await asyncio.gather(*(self.store.push(row.repository, row.tag, oci.build(row)) for row in catalogue.SHARED))

    async def stop(self) -> None:
        """End both."""
        await self._up.aclose()

    async def failed(self) -> SandboxError:
        """Wait until the registry ends, which it should not; the error to show for it."""
        return await self._server.failed()
