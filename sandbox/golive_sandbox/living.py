"""A world that lives: its traffic, what is broken in it, and what breaks when the release has come that far."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Coroutine

from golive_sandbox.control import Say
from golive_sandbox.errors import SandboxError
from golive_sandbox.scenarios import moments, releases
from golive_sandbox.scenarios.fault import Fault
from golive_sandbox.scenarios.moments import Moment
from golive_sandbox.types import Json, JsonValue
from golive_sandbox.world.release import RELEASE_TAG
from golive_sandbox.world.world import World

_LOG = logging.getLogger(__name__)


class Living:
    """A world and what happens to it; ``lock`` sees to one change at a time."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.lock = asyncio.Lock()
        self.broken: list[Fault] = []
        """In the order in which it broke."""
        self._armed: dict[str, Moment] = {}
        self._fired: dict[str, float] = {}
        self._trouble: list[str] = []
        self._waits: dict[str, asyncio.Task[None]] = {}
        self._works: dict[str, asyncio.Task[None]] = {}

    @property
    def names(self) -> list[JsonValue]:
        """What is broken."""
        return [fault.name for fault in self.broken]

    def facts(self) -> Json:
        """``broken``; ``armed``: fault and moment; ``fired``: fault and when it began; ``trouble``: what went wrong."""
        return {
            "broken": self.names,
            "armed": {name: moment.value for name, moment in self._armed.items()},
            "fired": dict(self._fired),
            "trouble": list(self._trouble),
        }

    async def switch_on(self, fault: Fault, moment: Moment, say: Say) -> None:
        """Break it now, or arm it; under the lock. Raises ``SandboxError`` when it is broken or armed already."""
        if fault in self.broken or fault.name in self._armed:
            raise SandboxError(f"{fault.name} is already broken in world {self.world.namespace}")
        self._fired.pop(fault.name, None)
        if moment is Moment.START:
            say(f"Breaking: {fault.summary} ...")
            await self._break(fault)
            await self._until_observed()
            return
        say(f"Armed, for the moment {moment.value}: {fault.summary}")
        self._armed[fault.name] = moment
        self._waits[fault.name] = self._task(self._fire(fault, moment), f"{fault.name} at {moment.value}")

    async def switch_off(self, fault: Fault, say: Say) -> None:
        """Heal it, or disarm it; under the lock. Raises ``SandboxError`` when it is neither broken nor armed."""
        if fault not in self.broken and fault.name not in self._armed:
            raise SandboxError(f"{fault.name} is not broken in world {self.world.namespace}")
        self._armed.pop(fault.name, None)
        await _cancel(self._waits.pop(fault.name, None), self._works.pop(fault.name, None))
        if fault in self.broken:
            say(f"Healing: {fault.summary} ...")
            await fault.off(self.world)
            self.broken.remove(fault)
            await self._until_observed()

    async def reset(self, say: Say) -> None:
        """As it was at its start: nothing broken or armed, the stable version at rest, no pods of another one."""
        for name in [*self._armed]:
            self._armed.pop(name)
            await _cancel(self._waits.pop(name, None))
        for fault in reversed([*self.broken]):
            await self.switch_off(fault, say)
        say("Bringing the stable version back ...")
        await releases.back(self.world)
        await self._until_observed()

    async def stop(self) -> None:
        """End its traffic and all that waits or works in it."""
        await _cancel(*self._waits.values(), *self._works.values())
        if self.world.traffic is not None:
            await self.world.traffic.stop()

    async def _fire(self, fault: Fault, moment: Moment) -> None:
        await moments.until(self.world, moment, f"{self.world.images.repository}:{RELEASE_TAG}@")
        async with self.lock:
            at = time.time()
            try:
                # Nobody waits until Prometheus has seen it: the moment is what matters.
                await self._break(fault)
            finally:
                del self._armed[fault.name]
            self._fired[fault.name] = at

    async def _break(self, fault: Fault) -> None:
        await fault.on(self.world)
        self.broken.append(fault)
        if fault.during is not None:
            self._works[fault.name] = self._task(fault.during(self.world), fault.name)

    async def _until_observed(self) -> None:
        """What a fault changed, Prometheus has noticed: discovery takes up to 5 s, as anywhere."""
        if not any(fault.blinds for fault in self.broken):
            await self.world.monitoring.until_observing()

    def _task(self, work: Coroutine[None, None, None], name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(self._note)
        return task

    def _note(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            _LOG.error("%s in world %s", task.get_name(), self.world.namespace, exc_info=error)
            self._trouble.append(f"{task.get_name()}: {error}")


async def _cancel(*tasks: asyncio.Task[None] | None) -> None:
    running = [task for task in tasks if task is not None]
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)  # what went wrong in one is noted where it ended
