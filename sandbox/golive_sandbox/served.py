"""A server that is a child of the sandbox, and the session that asks it."""

from __future__ import annotations

import aiohttp

from golive_sandbox.errors import SandboxError
from golive_sandbox.processes import Child

_STOP_SECONDS = 2.0


class Served:
    """What a started ``child`` and its ``session`` have in common; ``name`` is for messages."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._child: Child | None = None
        self._session: aiohttp.ClientSession | None = None

    @property
    def child(self) -> Child:
        """Its process; only after ``start``."""
        assert self._child is not None, f"{self._name} is not started"
        return self._child

    @property
    def session(self) -> aiohttp.ClientSession:
        """For requests to it; only after ``start``."""
        assert self._session is not None, f"{self._name} is not started"
        return self._session

    async def stop(self) -> None:
        """End it."""
        if self._session is not None:
            await self._session.close()
            self._session = None
        if self._child is not None:
            await self._child.stop(_STOP_SECONDS)
            self._child = None

    async def failed(self) -> SandboxError:
        """Wait until it ends, which it should not; the error to show for it."""
        child = self.child
        code = await child.wait()
        return SandboxError(f"{self._name} ended with {code}; its last words ({child.log}):\n{child.last_words()}")
