"""What somebody may have done with the release before the suite looks; each is undone by going back to stable."""

from __future__ import annotations

from golive_sandbox.scenarios.fault import Fault
from golive_sandbox.world.release import OTHER_TAG
from golive_sandbox.world.world import World

_KEPT_SECONDS = 600  # longer than anybody looks at one world


async def _back(world: World) -> None:
    await world.rollout.back_to(world.stable)
    # Argo keeps the release's pods for a while; to the suite a world with them is one that was taken back just now.
    await world.rollout.end_old_pods()


def canary(weight: int) -> Fault:
    """The release is under way and waits at ``weight`` percent."""

    async def on(world: World) -> None:
        await world.rollout.canary_at(world.release, weight)

    how = "held at 100 %, before its promotion" if weight == 100 else f"paused at {weight} %"
    return Fault(f"canary-at-{weight}", f"somebody has started the release: the canary is {how}", on, _back)


async def paused_by_hand(world: World) -> None:
    """Set ``spec.paused`` on the running canary."""
    await world.rollout.canary_at(world.release, 25)
    await world.rollout.pause(paused=True)


async def unpaused(world: World) -> None:
    """Take it back."""
    await world.rollout.pause(paused=False)
    await _back(world)


async def never_ready(world: World) -> None:
    """The release's pods start and are never Ready."""
    await world.rollout.apply(world.release, {"MAESTRO_NOT_READY": "yes"})
    await world.rollout.until_stuck()


async def aborted(world: World) -> None:
    """The canary, aborted: no traffic, but the Rollout still names the release."""
    await world.rollout.canary_at(world.release, 25)
    await world.rollout.abort()


async def taken_back(world: World) -> None:
    """Aborted and the stable template restored; the release's pods are still there."""
    await world.rollout.keep_old_pods(_KEPT_SECONDS)
    await world.rollout.canary_at(world.release, 25)
    await world.rollout.back_to(world.stable)


async def forgotten(world: World) -> None:
    """Let the release's pods go."""
    await world.rollout.keep_old_pods(None)
    await _back(world)


async def promoted(world: World) -> None:
    """The release is the stable version."""
    await world.rollout.canary_at(world.release, 100)
    await world.rollout.finish(world.release)


async def other_canary(world: World) -> None:
    """A version that is not the release under test is under way."""
    await world.rollout.canary_at(world.version(OTHER_TAG), 25)


back = _back
"""Abort, restore the stable version, wait until it is Healthy on it and the other pods are gone."""
