"""One container of a pod over all its runs: image, start, readiness, exit, restart with back-off."""

from __future__ import annotations

import asyncio
import contextlib
import enum
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from golive_sandbox import waiting
from golive_sandbox.agent.addresses import on_loopback
from golive_sandbox.agent.containerlogs import ContainerLog
from golive_sandbox.agent.environment import Command, ConfigMissingError, Place
from golive_sandbox.agent.images import Image, ImageNotFoundError
from golive_sandbox.agent.probes import Probe
from golive_sandbox.agent.processes import ContainerProcess
from golive_sandbox.errors import ApiError
from golive_sandbox.processes import Registry
from golive_sandbox.types import Json, text

_BACK_OFF_FIRST, _BACK_OFF_MOST = 0.5, 10.0  # seconds; a kubelet's are 10 and 300
_HEALTHY = 2 * _BACK_OFF_MOST  # a run of this many seconds forgives earlier crashes
_CANNOT_RUN = 128  # the exit code a container runtime gives to what could not be executed
_KILLED = 137


class Restart(enum.Enum):
    """When a container that ended is started again; the values are those of a pod's ``restartPolicy``."""

    ALWAYS = "Always"
    ON_FAILURE = "OnFailure"
    NEVER = "Never"

    def wanted(self, code: int) -> bool:
        """Whether to start again after ``code``."""
        return self is Restart.ALWAYS or (self is Restart.ON_FAILURE and code != 0)


@dataclass(frozen=True, slots=True)
class Tools:
    """What a container takes from its pod: where it runs, what its image means, what to execute."""

    place: Place
    look_up: Callable[[str], Awaitable[Image]]
    prepare: Callable[[Json, Image], Awaitable[Command]]
    changed: Callable[[], None]
    registry: Registry


class Container:
    """The life of one container; ``state`` and the other public fields are what the pod's status shows."""

    def __init__(self, spec: Json, restart: Restart, tools: Tools) -> None:
        self.spec = spec
        self.name = text(spec, "name")
        self.restart = restart
        self.state: Json = {"waiting": {"reason": "ContainerCreating"}}
        self.last_state: Json = {}
        self.ready = False
        self.restarts = 0
        self.image_id = ""
        self.container_id = ""
        self.logs: list[ContainerLog] = []
        self.exit_code: int | None = None  # set when it will not be started again
        self._tools = tools
        self._process: ContainerProcess | None = None
        self._started = ""
        self._delay = _BACK_OFF_FIRST

    @property
    def began(self) -> bool:
        """Whether it ever ran."""
        return bool(self.container_id)

    async def run(self) -> None:
        """Run until it has ended for good (see ``exit_code``); never returns for one that is always restarted."""
        while True:
            process = await self._start_with_patience()
            began = time.monotonic()
            code = _CANNOT_RUN if process is None else await self._attend(process)
            self._process = None
            self._ended(code)
            if not self.restart.wanted(code):
                self.exit_code = code
                self._tools.changed()
                return
            if time.monotonic() - began > _HEALTHY:
                self._delay = _BACK_OFF_FIRST
            self.last_state = self.state
            await self._back_off("CrashLoopBackOff", f"restarting failed container={self.name}")
            self.restarts += 1

    async def end(self, grace: float) -> None:
        """End it for good; call when nothing awaits ``run`` any more. ``grace`` in seconds, 0 for SIGKILL at once."""
        if self._process is not None:
            process = self._process
            await process.stop(grace)
            if self._process is process:  # two may end it at once, the second with less patience
                self._process = None
                self._ended(await process.wait())
        if self.exit_code is None:
            # One that waits to be restarted has been ended by us, too.
            ended = self.state.get("terminated")
            self.exit_code = int(str(ended["exitCode"])) if isinstance(ended, dict) else _KILLED
        self.ready = False

    def signal(self, number: int) -> bool:
        """Send a signal to its process; false when none runs."""
        if self._process is None:
            return False
        self._process.signal(number)
        return True

    async def _start_with_patience(self) -> ContainerProcess | None:
        """Start it, waiting for what may still come (an image, a Secret); ``None`` when it cannot be executed."""
        while True:
            try:
                image = await self._tools.look_up(text(self.spec, "image"))
            except ImageNotFoundError as missing:
                self._wait("ErrImagePull", str(missing))
                await waiting.pause(min(1.0, self._delay))
                await self._back_off("ImagePullBackOff", f'pulling image "{text(self.spec, "image")}": {missing}')
                continue
            try:
                command = await self._tools.prepare(self.spec, image)
            except (ConfigMissingError, ApiError) as missing:
                self._wait("CreateContainerConfigError", str(missing))
                await waiting.pause(self._next_delay())
                continue
            return await self._start(image, command)

    async def _start(self, image: Image, command: Command) -> ContainerProcess | None:
        folder: Path = self._tools.place.folder / self.name
        log = ContainerLog(folder / f"{self.restarts}.log")
        self.logs = [*self.logs[-1:], log]  # the running one and the one before it
        self.image_id, self.container_id = image.image_id, f"golive://{secrets.token_hex(32)}"
        self._started = now()
        try:
            self._process = await ContainerProcess.start(command.argv, command.env, folder, log, self._tools.registry)
        except OSError as refused:
            self.state = {"terminated": {"reason": "StartError", "message": str(refused)}}
            return None
        self.state = {"running": {"startedAt": self._started}}
        return self._process

    async def _attend(self, process: ContainerProcess) -> int:
        """Probe it while it runs; its exit code."""
        watch = asyncio.create_task(self._probe(process))
        self._tools.changed()
        try:
            return await process.wait()
        finally:
            watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watch
            self.ready = False

    async def _probe(self, process: ContainerProcess) -> None:
        host = on_loopback(self._tools.place.pod_ip)
        if startup := Probe.of(self.spec, "startupProbe", host):
            await startup.until_success()
        async with asyncio.TaskGroup() as both:
            both.create_task(self._follow_readiness(Probe.of(self.spec, "readinessProbe", host)))
            if liveness := Probe.of(self.spec, "livenessProbe", host):
                both.create_task(_kill_when_dead(liveness, process))

    async def _follow_readiness(self, probe: Probe | None) -> None:
        while True:
            if probe is not None:
                await probe.until_success()
            self.ready = True
            self._tools.changed()
            if probe is None:
                return
            await probe.until_failure()
            self.ready = False
            self._tools.changed()

    def _ended(self, code: int) -> None:
        before = self.state.get("terminated")
        why: Json = before if isinstance(before, dict) else {"reason": "Completed" if code == 0 else "Error"}
        ended: Json = {"exitCode": code, "startedAt": self._started, "finishedAt": now(), **why}
        self.state = {"terminated": {**ended, "containerID": self.container_id}}
        self.ready = False

    def _wait(self, reason: str, message: str) -> None:
        self.state = {"waiting": {"reason": reason, "message": message}}
        self._tools.changed()

    async def _back_off(self, reason: str, what: str) -> None:
        delay = self._next_delay()
        self._wait(reason, f"back-off {delay:g}s {what}")
        await waiting.pause(delay)

    def _next_delay(self) -> float:
        delay, self._delay = self._delay, min(2 * self._delay, _BACK_OFF_MOST)
        return delay


async def _kill_when_dead(liveness: Probe, process: ContainerProcess) -> None:
    await waiting.pause(liveness.initial_delay)
    await liveness.until_failure()
    await process.stop(30)


def now() -> str:
    """The time as the Kubernetes API writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
