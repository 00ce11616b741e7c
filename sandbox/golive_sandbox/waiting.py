"""The only place of the sandbox that sleeps: one wait with a deadline and the last thing seen."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from golive_sandbox.errors import NotInTimeError

T = TypeVar("T")


async def wait_for(
    what: str, probe: Callable[[], Awaitable[T]], ok: Callable[[T], bool], *, deadline: float, every: float = 0.05
) -> T:
    """Poll ``probe`` every ``every`` seconds until ``ok`` accepts what it saw, and return that.

    Raises ``NotInTimeError`` with the last thing seen after ``deadline`` seconds.
    """
    give_up = time.monotonic() + deadline
    while True:
        seen = await probe()
        if ok(seen):
            return seen
        if time.monotonic() + every > give_up:
            raise NotInTimeError(f"{what}: not reached within {deadline:g} s; last seen: {seen!r}")
        await asyncio.sleep(every)


async def pause(seconds: float) -> None:
    """Let ``seconds`` pass: the back-off between two attempts at something that has no event to wait for."""
    await asyncio.sleep(seconds)
