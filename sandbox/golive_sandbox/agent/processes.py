"""One process of a container: started so that it cannot outlive the sandbox, and ended within its grace period."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

from golive_sandbox.agent.containerlogs import ContainerLog
from golive_sandbox.processes import Registry, die_with_parent

_LAST_WORDS = 1.0  # seconds


class ContainerProcess:
    """A running program; its output goes to ``log``. Make one with ``start``."""

    def __init__(self, process: asyncio.subprocess.Process, log: ContainerLog, registry: Registry) -> None:
        self._process = process
        self._registry = registry
        self.log = log
        self.pid = process.pid
        self._ended = asyncio.create_task(self._run(), name=f"container process {process.pid}")

    @classmethod
    async def start(
        cls, argv: Sequence[str], env: Mapping[str, str], folder: Path, log: ContainerLog, registry: Registry
    ) -> ContainerProcess:
        """Run ``argv`` in its own process group. Raises ``OSError`` when it cannot be executed."""
        try:
            process = await asyncio.create_subprocess_exec(
                *argv,
                env=env,
                cwd=folder,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                process_group=0,
                preexec_fn=die_with_parent(),
            )
        except OSError:
            log.close()
            raise
        registry.add(log.path.parent.name, process.pid)
        return cls(process, log, registry)

    async def wait(self) -> int:
        """The exit code, as a container runtime reports it: 128 + N after signal N."""
        return await asyncio.shield(self._ended)

    def signal(self, number: int) -> None:
        """Send a signal to the whole group; nothing happens when it is gone."""
        if self._process.returncode is None:
            try:
                os.killpg(self.pid, number)
            except ProcessLookupError:
                return  # it ended a moment ago, which is what was wanted

    async def stop(self, grace: float) -> None:
        """SIGTERM, and SIGKILL when it is still there after ``grace`` seconds."""
        if grace > 0:
            self.signal(signal.SIGTERM)
            await asyncio.wait([self._ended], timeout=grace)
        self.signal(signal.SIGKILL)
        await asyncio.wait([self._ended])

    async def _run(self) -> int:
        assert self._process.stdout is not None  # asked for above
        output = asyncio.create_task(self.log.take(self._process.stdout))
        try:
            code = await self._process.wait()
            # What is in the pipe still belongs to the log; but nobody else may keep it open for ever.
            await asyncio.wait([output], timeout=_LAST_WORDS)
        finally:
            output.cancel()
            self._registry.remove(self.pid)
            self.log.close()
        return code if code >= 0 else 128 - code
