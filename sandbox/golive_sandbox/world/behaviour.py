"""How the pods of a world behave: changed while they run, at their own addresses (never through the ingress)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Protocol, TypeAlias

from golive_sandbox.api import Api
from golive_sandbox.errors import ApiError, SandboxError
from golive_sandbox.types import Json
from golive_sandbox.world import inside
from golive_sandbox.world.inside import PodAt
from golive_sandbox.world.rollout import NAME

Change: TypeAlias = "bool | float | str | Mapping[str, float] | None"
PORT = 4000
_PATH = "/-/behaviour"


class Place(Protocol):
    """What is needed of a world."""

    @property
    def namespace(self) -> str:
        """Where its pods are."""

    @property
    def api(self) -> Api:
        """The administrator's client."""


async def servers(api: Api, namespace: str, version: str = "") -> Sequence[PodAt]:
    """The running pods of a namespace, of all versions or of the one with this hash; those that end are left out."""
    found = await inside.pods(api, namespace, NAME)
    return [one for one in found if not one.ending and version in ("", one.hash)]


async def behave(world: Place, version: str = "", **changes: Change) -> None:
    """Change how all running pods behave, or those of the version with this hash; returns when they do.

    The keys are those of ``programs/behaviour.py``; ``None`` puts one back to what the pod's environment says. Pods
    that start later do not know of it. Raises ``SandboxError`` with the pod's own words when it refuses.
    """
    await _tell(world, version, "PUT", _body(changes))


async def behave_pods(pods: Sequence[PodAt], changes: Mapping[str, Change]) -> None:
    """The same for these pods. Raises ``SandboxError`` where one of them does not answer."""
    await asyncio.gather(*(_one(pod, "PUT", _body(changes)) for pod in pods))


async def reset(world: Place, version: str = "") -> None:
    """Back to what the environment of each pod says."""
    await _tell(world, version, "DELETE", None)


def _body(changes: Mapping[str, Change]) -> Json:
    return {key: dict(value) if isinstance(value, Mapping) else value for key, value in changes.items()}


async def _tell(world: Place, version: str, method: str, body: Json | None) -> None:
    told = await servers(world.api, world.namespace, version)
    if not told:
        raise SandboxError(f"expected running pods of {NAME} {version} in namespace {world.namespace}, found none")
    await asyncio.gather(*(_one(pod, method, body) for pod in told))


async def _one(pod: PodAt, method: str, body: Json | None) -> None:
    try:
        await inside.ask(pod.address, PORT, _PATH, method=method, body=body)
    except ApiError as refused:
        raise SandboxError(f"pod {pod.name} does not take this behaviour: {refused}") from refused
