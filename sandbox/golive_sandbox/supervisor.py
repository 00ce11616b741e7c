"""The one process behind a sandbox: starts everything, keeps it, takes it down."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TypeVar

from golive_sandbox import control, files
from golive_sandbox.agent import Agent
from golive_sandbox.agent.images import Puller
from golive_sandbox.envoy import Envoy
from golive_sandbox.errors import SandboxError
from golive_sandbox.folder import SUPERVISOR, Folder
from golive_sandbox.ingress import Ingress
from golive_sandbox.options import Options
from golive_sandbox.plane import Plane
from golive_sandbox.processes import Registry
from golive_sandbox.registry.image_registry import ImageRegistry
from golive_sandbox.scenarios import table
from golive_sandbox.servers.cache import Built
from golive_sandbox.traffic import Place
from golive_sandbox.types import Json, text
from golive_sandbox.world import argo
from golive_sandbox.worlds import DEFAULT, Worlds

T = TypeVar("T")
Say = Callable[[str], None]
_TOOLS = ("kubectl", "kubectl-argo-rollouts")


def run(
    folder: Folder,
    built: Built,
    options: Options,
    say: Say,
    ready: Callable[[], None],
) -> None:
    """Run a sandbox in ``folder`` until it is told to end (SIGINT, SIGTERM, SIGHUP, or ``down`` on its socket).

    ``ready`` is called once, when everything is up. Raises ``SandboxError`` when something fails, at the start or
    later; either way nothing is left running.
    """
    table.named(options.scenario)  # a wrong name is told before anything starts
    with folder.claimed(remove=options.remove) as sockets:
        registry = Registry(folder.processes)
        registry.add(SUPERVISOR, os.getpid())
        sandbox = _Sandbox(folder, built, options, sockets, registry, say)
        with contextlib.suppress(asyncio.CancelledError):
            asyncio.run(sandbox.run(ready))


class _Sandbox:
    def __init__(
        self, folder: Folder, built: Built, options: Options, sockets: Path, registry: Registry, say: Say
    ) -> None:
        self._folder = folder
        self._built = built
        self._options = options
        self._sockets = sockets
        self._registry = registry
        self._say = say
        self._began = time.monotonic()

    async def run(self, ready: Callable[[], None]) -> None:
        """Up, until the end."""
        self._died: asyncio.Future[SandboxError] = asyncio.get_running_loop().create_future()
        self._end_on_signals()
        async with AsyncExitStack() as up:
            if self._options.until_exit is not None:
                _end_with(self._options.until_exit, up)
            up.callback(self._tell, "All gone.")
            plane = await up.enter_async_context(self._plane())
            self._watch_over(plane.failed(), up=up)
            worlds = await self._or_death(self._populate(plane, up))
            ended = asyncio.Event()
            await up.enter_async_context(self._control(worlds, plane, ended))
            self._say(f"Ready after {time.monotonic() - self._began:.1f} s.")
            ready()
            await self._or_death(ended.wait())
            self._tell("Taking the sandbox down ...")

    def _end_on_signals(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        loop = asyncio.get_running_loop()

        def end(number: signal.Signals) -> None:
            for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                # Once is enough; if the way down hangs, the next signal ends us at once, and our children with us.
                loop.remove_signal_handler(one)
                signal.signal(one, signal.SIG_DFL)
            task.cancel()
            self._tell(f"{number.name}: taking the sandbox down ...")

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, end, number)

    def _tell(self, words: str) -> None:
        """On the way down, which goes on where nobody listens: the terminal is closed, or the disk full."""
        with contextlib.suppress(OSError):
            self._say(words)

    @asynccontextmanager
    async def _plane(self) -> AsyncIterator[Plane]:
        plane = Plane(self._built, self._folder.state, self._sockets / "egress.sock", self._registry)
        await plane.start(self._say)
        try:
            yield plane
        finally:
            await plane.stop()

    async def _populate(self, plane: Plane, up: AsyncExitStack) -> Worlds:
        plane.kubeconfig("golive-admin", ["system:masters"], DEFAULT).write(self._folder.kubeconfig)
        self._link_tools()
        self._say("Starting the image registry (usually 1 s) ...")
        images = ImageRegistry(self._built, self._folder.state, self._sockets / "registry.sock", self._registry)
        up.push_async_callback(images.stop)
        await images.start()
        self._watch_over(images.failed(), up=up)
        self._say("Starting the nodes and the Argo Rollouts controller (usually 1 s) ...")
        agent = Agent(
            plane.api,
            self._folder.state,
            plane.pki,
            egress=self._sockets / "egress.sock",
            images=Puller(images.store, self._built),
            registry=self._registry,
        )
        await agent.start()
        plane.nodes = agent
        up.push_async_callback(agent.stop)
        envoy = Envoy(self._folder.state / "envoy", self._sockets / "envoy.sock", self._folder.logs, self._registry)
        await envoy.start()
        up.push_async_callback(envoy.stop)
        ingress = Ingress(plane.api, agent.directory, envoy)
        await ingress.start()
        up.push_async_callback(ingress.stop)
        self._watch_over(agent.failed(), envoy.failed(), up=up)
        await argo.install(plane, self._built)
        self._say("Creating the world: maestro-server, stable, its traffic, and who watches it (usually 8 s) ...")
        place = Place(envoy, agent.network_port, self._sockets, self._folder.logs, self._registry)
        worlds = Worlds(plane, self._folder.root, images, place)
        up.push_async_callback(worlds.stop)
        # At once: Prometheus tells what it discovers 5 s after its start and not before.
        await asyncio.gather(
            argo.until_alive(plane), worlds.create(DEFAULT, self._options.scenario, self._say, self._options.rate)
        )
        return worlds

    def _link_tools(self) -> None:
        folder = self._folder.root / "bin"
        folder.mkdir()
        for name in _TOOLS:
            (folder / name).symlink_to(self._built.binary(name))

    @asynccontextmanager
    async def _control(self, worlds: Worlds, plane: Plane, ended: asyncio.Event) -> AsyncIterator[None]:
        async def handle(request: Json, say: Say) -> Json:
            if text(request, "do") == "down":
                ended.set()
                return {}
            return await worlds.handle(request, say)

        path = self._sockets / "control.sock"
        server = await control.serve(path, handle)
        facts: Json = {
            "control": str(path),
            "pid": os.getpid(),
            "server": plane.server,
            "address": worlds.address,
            "scenario": self._options.scenario,
            "since": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }
        files.write(self._folder.ready, json.dumps(facts, indent=1) + "\n")
        try:
            yield
        finally:
            self._folder.ready.unlink(missing_ok=True)
            server.close()

    def _watch_over(self, *failures: Coroutine[object, object, SandboxError], up: AsyncExitStack) -> None:
        """Something whose end is the end of the sandbox, with the error that tells why."""
        for failure in failures:
            task = asyncio.ensure_future(self._tell_death(failure))
            up.callback(task.cancel)

    async def _tell_death(self, failure: Coroutine[object, object, SandboxError]) -> None:
        error = await failure
        if not self._died.done():
            self._died.set_result(error)

    async def _or_death(self, work: Coroutine[object, object, T]) -> T:
        """The result of ``work``, or the error of a part that ended meanwhile."""
        task = asyncio.ensure_future(work)
        try:
            await asyncio.wait((task, self._died), return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise self._died.result()
            return task.result()
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait((task,))


def _end_with(pid: int, up: AsyncExitStack) -> None:
    """End in order when process ``pid`` does, however it does."""
    try:
        process = os.pidfd_open(pid)
    except OSError as error:
        raise SandboxError(f"--until-exit {pid}: expected a running process, found: {error.strerror}") from error
    loop = asyncio.get_running_loop()

    def ended() -> None:
        loop.remove_reader(process)
        os.kill(os.getpid(), signal.SIGTERM)

    loop.add_reader(process, ended)
    up.callback(os.close, process)
    up.callback(loop.remove_reader, process)
