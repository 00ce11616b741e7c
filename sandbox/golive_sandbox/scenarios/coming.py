"""Faults of the release that is to come: its pods are bad, the manifest that names them is reviewed and right."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace

from golive_sandbox import waiting
from golive_sandbox.errors import SandboxError
from golive_sandbox.plane import Nodes
from golive_sandbox.registry import catalogue, oci
from golive_sandbox.scenarios import releases
from golive_sandbox.scenarios.artifact import names
from golive_sandbox.scenarios.fault import Fault
from golive_sandbox.types import Json, items, number, text
from golive_sandbox.world import behaviour
from golive_sandbox.world.behaviour import Change
from golive_sandbox.world.inside import PodAt
from golive_sandbox.world.release import NEXT_TAG, RELEASE_TAG
from golive_sandbox.world.rollout import NAME
from golive_sandbox.world.world import World

SLOW_SECONDS, TOO_SLOW_SECONDS = 4.0, 25.0
"""Until a pod of the release answers: inside ``canary.step_seconds`` of a world's ``golive.toml``, and past it."""
_ERROR_RATIO = 0.5
_TELL_SECONDS = 10.0


def release_image(world: World) -> str:
    """How the release's images begin, whatever their digest: ``repository:tag@``."""
    return f"{world.images.repository}:{RELEASE_TAG}@"


def _image(name: str, summary: str, variable: str, value: str) -> Fault:
    """The release is another image: its environment makes it bad. Tag, ``golive.toml`` and manifest agree on it."""

    async def on(world: World) -> None:
        row = catalogue.maestro(world.namespace, RELEASE_TAG)
        image = oci.build(replace(row, env=(*row.env, (variable, value))))
        await world.images.build(RELEASE_TAG, image)
        names(world, name, image)

    async def off(world: World) -> None:
        await world.images.tag(RELEASE_TAG, world.images.image(RELEASE_TAG))
        names(world, name, None)
        await _without_release(world)

    return Fault(name, summary, on, off)


async def _without_release(world: World) -> None:
    """Where the release is, take it back."""
    now = await world.rollout.read()
    if text(now, "spec", "template", "spec", "containers", 0, "image").startswith(release_image(world)):
        await releases.back(world)


def nodes(world: World) -> Nodes:
    """Who runs the pods. Raises ``SandboxError`` where nobody does."""
    if world.plane.nodes is None:
        raise SandboxError("expected nodes that run pods, found a plane without any: ask a sandbox that is up")
    return world.plane.nodes


async def _lie(world: World) -> None:
    nodes(world).report(world.images.name, world.release.digest, world.images.image(NEXT_TAG).digest)


async def _tell_the_truth(world: World) -> None:
    nodes(world).report(world.images.name, world.release.digest, None)
    await _without_release(world)


async def _pods(world: World, *, release: bool) -> list[Json]:
    path = f"/api/v1/namespaces/{world.namespace}/pods"
    found = await world.api.list(path, labelSelector=f"app.kubernetes.io/name={NAME}")
    return [one for one in found if not release or is_release(world, one)]


def is_release(world: World, pod: Json) -> bool:
    """Whether a pod is of the release, and not of the version before."""
    return text(pod, "spec", "containers", 0, "image").startswith(release_image(world))


async def release_servers(world: World) -> list[PodAt]:
    """The release's running pods."""
    ours = {text(one, "metadata", "name") for one in await _pods(world, release=True)}
    return [one for one in await behaviour.servers(world.api, world.namespace) if one.name in ours]


async def _servers(world: World, *, release: bool) -> Sequence[PodAt]:
    if release:
        return await release_servers(world)
    return await behaviour.servers(world.api, world.namespace)


async def tell(world: World, changes: Mapping[str, Change], *, release: bool = True, name: str = "") -> None:
    """Tell the release's pods, or all, or the one of that ``name``; who ends meanwhile is left out the next time."""

    async def refused() -> str:
        pods = await _servers(world, release=release)
        try:
            await behaviour.behave_pods([one for one in pods if name in ("", one.name)], changes)
        except SandboxError as why:
            return str(why)
        return ""

    what = "the pods behave as they are told"
    await waiting.wait_for(what, refused, lambda why: not why, deadline=_TELL_SECONDS, every=0.2)


async def started(world: World, *, release: bool = True) -> AsyncIterator[Json]:
    """Each pod of the release, or of all, once for each run of its container, as soon as it is Ready."""
    seen: set[tuple[str, int]] = set()
    path = f"/api/v1/namespaces/{world.namespace}/pods"
    async for event, pod in world.api.watch(path, labelSelector=f"app.kubernetes.io/name={NAME}"):
        run = text(pod, "metadata", "uid"), number(pod, "status", "containerStatuses", 0, "restartCount")
        conditions = items(pod, "status", "conditions")
        ready = any((text(one, "type"), text(one, "status")) == ("Ready", "True") for one in conditions)
        wanted = event != "DELETED" and ready and (not release or is_release(world, pod))
        if wanted and run not in seen:
            seen.add(run)
            yield pod


def told(name: str, summary: str, *, release: bool = True, **changes: Change) -> Fault:
    """The release's pods, or all, behave so, those that start later too, as soon as they listen."""

    async def on(world: World) -> None:
        await tell(world, changes, release=release)

    async def go_on(world: World) -> None:
        async for pod in started(world, release=release):
            # One by one: being told again would begin a leak anew.
            await tell(world, changes, release=release, name=text(pod, "metadata", "name"))

    async def off(world: World) -> None:
        await tell(world, dict.fromkeys(changes), release=release)

    return Fault(name, summary, on, off, during=go_on)


FAULTS = (
    # A value that cannot be: the program says so and ends with 1.
    _image("crash-loop", "the release's pods exit at once", "MAESTRO_DELAY_MS", "soon"),
    _image("never-ready", "the release's pods start and never become Ready", "MAESTRO_NOT_READY", "yes"),
    _image("slow-start", f"the release answers {SLOW_SECONDS:g} s after its start", "MAESTRO_START_SECONDS",
           str(SLOW_SECONDS)),
    _image("too-slow-start", f"the release answers {TOO_SLOW_SECONDS:g} s after its start, which is too late",
           "MAESTRO_START_SECONDS", str(TOO_SLOW_SECONDS)),
    Fault("wrong-digest", "the nodes report another digest than the release's for its pods", _lie, _tell_the_truth),
    told("errors-in-canary", "the release's pods answer half of all requests with 500", error_ratio=_ERROR_RATIO),
)  # fmt: skip
"""The release itself is bad."""
