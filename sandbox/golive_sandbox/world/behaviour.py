"""How the servers of a world behave: told to running pods at their own address, as a fault that begins by itself."""

from __future__ import annotations

import asyncio

from golive_sandbox.types import JsonValue
from golive_sandbox.world import inside
from golive_sandbox.world.monitors import SERVER, SERVER_PORT
from golive_sandbox.world.world import World

_PATH = "/-/behaviour"


async def behave(world: World, **changes: JsonValue) -> None:
    """Tell every running server pod, see ``programs/maestro_server.py``. Raises ``ApiError`` when one refuses."""
    pods = [one for one in await inside.pods(world.api, world.namespace, SERVER) if not one.ending]
    await asyncio.gather(
        *(inside.ask(one.address, SERVER_PORT, _PATH, method="PUT", body=dict(changes)) for one in pods)
    )
