"""One fault, and the three kinds that are made from a small change: of settings, of the manifest, of rights."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import TypeAlias

from golive_sandbox.errors import SandboxError
from golive_sandbox.world.rights import Narrow
from golive_sandbox.world.world import EditSettings, World

Act: TypeAlias = Callable[[World], Awaitable[None]]
Work: TypeAlias = Callable[[World], Coroutine[None, None, None]]


@dataclass(frozen=True, slots=True)
class Fault:
    """``on`` breaks a world that works, ``off`` heals it exactly; both return when it can be seen."""

    name: str
    summary: str
    on: Act
    off: Act
    own_plane: bool = False
    """It breaks the plane for every world in it."""
    blinds: bool = False
    """Prometheus or Alertmanager is not as it should be, or does not see the pods as they are: not to be waited for."""
    during: Work | None = None
    """What somebody does all the while it is broken: begun after ``on``, cancelled before ``off``."""


def settings(name: str, summary: str, edit: EditSettings) -> Fault:
    """``golive.toml`` says something else."""

    async def on(world: World) -> None:
        world.edit_settings(name, edit)

    async def off(world: World) -> None:
        world.edit_settings(name, None)

    return Fault(name, summary, on, off)


def manifest(name: str, summary: str, pattern: str, put: str) -> Fault:
    """The reviewed manifest has ``put`` where ``pattern`` matches first."""

    def change(text: str) -> str:
        changed, times = re.subn(pattern, put, text, count=1, flags=re.MULTILINE)
        if times == 0:
            raise SandboxError(f"fault {name}: expected the manifest to match {pattern!r}, it does not")
        return changed

    async def on(world: World) -> None:
        world.edit_manifest(name, change)

    async def off(world: World) -> None:
        world.edit_manifest(name, None)

    return Fault(name, summary, on, off)


def forbidden(name: str, summary: str, narrow: Narrow) -> Fault:
    """The suite's user has fewer rights in the release's namespace."""

    async def on(world: World) -> None:
        await world.narrow(name, narrow)

    async def off(world: World) -> None:
        await world.narrow(name, None)

    return Fault(name, summary, on, off)
