"""The worlds of one plane and what is broken in them: what the control socket offers."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

from golive_sandbox import agreement
from golive_sandbox.control import Say
from golive_sandbox.errors import SandboxError
from golive_sandbox.living import Living
from golive_sandbox.plane import Plane
from golive_sandbox.registry.image_registry import ImageRegistry
from golive_sandbox.scenarios import faults, table
from golive_sandbox.scenarios.moments import Moment
from golive_sandbox.traffic import DEFAULT_RATE, MOST_RATE, SMALL_RATE, Counts, Place, Traffic
from golive_sandbox.types import Json, text
from golive_sandbox.world.images import Images
from golive_sandbox.world.rights import ARGO_NAMESPACE
from golive_sandbox.world.settings import CRITICAL_ROUTES, KUBECONFIG, SETTINGS
from golive_sandbox.world.world import World

DEFAULT = "maestro"
"""The world that ``up`` makes; a world's name is its namespace."""
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,40}[a-z0-9])?")
_MOST_SECONDS = 150.0  # whoever asks on the control socket does not wait for ever
_MOST_TIME = 1e11  # unix seconds
_TAKEN = ("default", ARGO_NAMESPACE)


class Worlds:
    """All worlds of ``plane``, the default one in ``folder`` itself, others below it.

    Images are in ``registry``; ``place`` is where their traffic comes from.
    """

    def __init__(self, plane: Plane, folder: Path, registry: ImageRegistry, place: Place) -> None:
        self._plane = plane
        self._registry = registry
        self._folder = folder
        self._place = place
        self._living: dict[str, Living] = {}
        self._requests: dict[str, Callable[[Json, Say], Awaitable[Json]]] = {
            "status": self._status,
            "break": self._break,
            "heal": self._heal,
            "reset": self._reset,
            "create-world": self._create,
            "delete-world": self._delete,
            "traffic": self._traffic,
            "agreement": self._agreement,
            "versions": self._versions,
        }

    async def handle(self, request: Json, say: Say) -> Json:
        """Answer one request: ``do`` names it, ``world`` the world (default: the default one)."""
        known = self._requests.get(text(request, "do"))
        if known is None:
            raise SandboxError(f"expected do: {', '.join(self._requests)}; got {text(request, 'do')!r}")
        return await known(request, say)

    @property
    def address(self) -> str:
        """Where all worlds' clients go, by the Host header of theirs."""
        return self._place.envoy.address

    async def stop(self) -> None:
        """End all traffic and all that waits or works in worlds; the worlds themselves end with the plane."""
        await asyncio.gather(*(one.stop() for one in self._living.values()))

    async def create(self, name: str, scenario: str, say: Say, rate: float = DEFAULT_RATE) -> World:
        """Make a world with the faults of ``scenario`` and ``rate`` requests a second."""
        if not _NAME.fullmatch(name) or name.startswith("kube-") or name in _TAKEN:
            raise SandboxError(f"expected a name for a namespace of its own (lower case, digits, '-'), got {name!r}")
        if name in self._living:
            raise SandboxError(f"world {name} exists already: delete it first, or take another name")
        wanted = table.named(scenario)
        if wanted.own_plane and self._living:
            raise SandboxError(f"scenario {scenario} breaks the whole plane: start a sandbox of its own for it")
        folder = self._folder if name == DEFAULT else self._folder / "worlds" / name
        living = self._living[name] = Living(World(self._plane, name, folder, Images(self._registry, name)))
        async with living.lock:
            await living.world.create()
            living.world.traffic = await Traffic.start(self._place, name, living.world.host, rate)
            living.world.monitoring.look.asked = CRITICAL_ROUTES if rate else ()
            await living.world.monitoring.until_observing()
            for fault in wanted.faults:
                await living.switch_on(faults.named(fault), wanted.moment(fault), say)
        return living.world

    async def _create(self, request: Json, say: Say) -> Json:
        rate = _amount(request, "rate", SMALL_RATE, MOST_RATE)
        world = await self.create(text(request, "world"), text(request, "scenario") or table.CLEAN, say, rate)
        return _files(world)

    async def _delete(self, request: Json, _: Say) -> Json:
        living = self._of(request)
        async with living.lock:
            await living.stop()
            await living.world.delete()
            del self._living[living.world.namespace]
        return {}

    async def _break(self, request: Json, say: Say) -> Json:
        """``fault``, ``when`` (default: now)."""
        living, fault = self._of(request), faults.named(text(request, "fault"))
        moment = Moment.named(text(request, "when"))
        async with living.lock:
            if fault.own_plane and len(self._living) > 1:
                raise SandboxError(f"{fault.name} breaks the whole plane, which has other worlds: delete those first")
            await living.switch_on(fault, moment, say)
        return {"broken": living.names}

    async def _heal(self, request: Json, say: Say) -> Json:
        living, fault = self._of(request), faults.named(text(request, "fault"))
        async with living.lock:
            await living.switch_off(fault, say)
        return {"broken": living.names}

    async def _reset(self, request: Json, say: Say) -> Json:
        """Heal everything, newest first, and bring the stable version back, whatever became of the release."""
        living = self._of(request)
        async with living.lock:
            await living.reset(say)
        return {"broken": living.names}

    async def _status(self, _: Json, __: Say) -> Json:
        return {
            "worlds": [
                {
                    **_files(one.world),
                    **one.facts(),
                    "rollout": await one.world.rollout.describe(),
                    "host": one.world.host,
                    "traffic": await one.world.traffic.describe() if one.world.traffic is not None else "none yet",
                }
                for one in [*self._living.values()]  # one may be made or go away meanwhile
            ],
            "address": self.address,
        }

    async def _traffic(self, request: Json, _: Say) -> Json:
        """``act``: counts (also without), pause, resume, rate (with ``rate``)."""
        traffic = self._traffic_of(request)
        acts: dict[str, Callable[[], Awaitable[Counts]]] = {
            "counts": traffic.counts,
            "pause": traffic.pause,
            "resume": traffic.resume,
            "rate": lambda: traffic.set_rate(_amount(request, "rate", SMALL_RATE, MOST_RATE)),
        }
        act = text(request, "act") or "counts"
        if act not in acts:
            raise SandboxError(f"expected act: {', '.join(acts)}; got {act!r}")
        return (await acts[act]()).report

    async def _agreement(self, request: Json, say: Say) -> Json:
        """Compare the counters over some ``seconds`` of traffic."""
        world, traffic = self._of(request).world, self._traffic_of(request)
        seconds = _amount(request, "seconds", 3.0, _MOST_SECONDS)
        say(f"Counting for {seconds:g} s ...")
        return (await agreement.measure(world, traffic, self._place, seconds)).row()

    async def _versions(self, request: Json, _: Say) -> Json:
        """Who answered ``since`` (unix seconds; default: all that is kept, an hour), see ``timeline.Timeline``."""
        return await self._traffic_of(request).versions(_amount(request, "since", 0.0, _MOST_TIME))

    def _traffic_of(self, request: Json) -> Traffic:
        living = self._of(request)
        if living.world.traffic is None:
            raise SandboxError(f"world {living.world.namespace} is not up yet: wait for it")
        return living.world.traffic

    def _of(self, request: Json) -> Living:
        name = text(request, "world") or DEFAULT
        if name not in self._living:
            raise SandboxError(f"expected a world of: {', '.join(self._living)}; got {name!r}")
        return self._living[name]


def _files(world: World) -> Json:
    return {
        "name": world.namespace,
        "golive_toml": str(world.folder / SETTINGS),
        "kubeconfig": str(world.folder / KUBECONFIG),
    }


def _amount(request: Json, key: str, default: float, most: float) -> float:
    given = request.get(key)
    if given is None:
        return default
    try:
        value = float(given) if isinstance(given, str | int | float) else -1.0
    except ValueError:
        value = -1.0
    if not 0 <= value <= most:
        raise SandboxError(f"expected {key}: a number from 0 to {most:g}; got {given!r}")
    return value
