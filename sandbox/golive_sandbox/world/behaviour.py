"""How the pods of a world behave: changed while they run, at their own addresses (never through the ingress)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import aiohttp

from golive_sandbox.agent.addresses import on_loopback
from golive_sandbox.agent.directory import VERSION_LABEL
from golive_sandbox.api import Api
from golive_sandbox.errors import SandboxError
from golive_sandbox.types import Json, JsonValue, dig, text
from golive_sandbox.world.rollout import NAME

Change: TypeAlias = "bool | float | str | Mapping[str, float] | None"
PORT = 4000
_PATH = "/-/behaviour"
_SECONDS = 5.0


class Place(Protocol):
    """What is needed of a world."""

    @property
    def namespace(self) -> str:
        """Where its pods are."""

    @property
    def api(self) -> Api:
        """The administrator's client."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running pod of maestro-server: its name, its version's hash, where it listens on this machine."""

    pod: str
    hash: str
    url: str


async def servers(api: Api, namespace: str, version: str = "") -> Sequence[Server]:
    """The running pods of a namespace, of all versions or of the one with this hash; those that end are left out."""
    selector = f"app.kubernetes.io/name={NAME}" + (f",{VERSION_LABEL}={version}" if version else "")
    return [
        Server(
            text(pod, "metadata", "name"),
            text(pod, "metadata", "labels", VERSION_LABEL),
            f"http://{on_loopback(text(pod, 'status', 'podIP'))}:{PORT}",
        )
        for pod in await api.list(f"/api/v1/namespaces/{namespace}/pods", labelSelector=selector)
        if dig(pod, "status", "containerStatuses", 0, "state", "running") is not None
        and not text(pod, "metadata", "deletionTimestamp")
    ]


async def behave(world: Place, version: str = "", **changes: Change) -> None:
    """Change how all running pods behave, or those of the version with this hash; returns when they do.

    The keys are those of ``programs/behaviour.py``; ``None`` puts one back to what the pod's environment says. Pods
    that start later do not know of it. Raises ``SandboxError`` with the pod's own words when it refuses.
    """
    body: Json = {key: dict(value) if isinstance(value, Mapping) else value for key, value in changes.items()}
    await _tell(world, version, "PUT", body)


async def reset(world: Place, version: str = "") -> None:
    """Back to what the environment of each pod says."""
    await _tell(world, version, "DELETE", None)


async def _tell(world: Place, version: str, method: str, body: Json | None) -> None:
    told = await servers(world.api, world.namespace, version)
    if not told:
        raise SandboxError(f"expected running pods of {NAME} {version} in namespace {world.namespace}, found none")
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_SECONDS)) as session:
        await asyncio.gather(*(_one(session, server, method, body) for server in told))


async def _one(session: aiohttp.ClientSession, server: Server, method: str, body: JsonValue) -> None:
    try:
        async with session.request(method, server.url + _PATH, json=body) as answer:
            said = await answer.text()
    except (OSError, aiohttp.ClientError, TimeoutError) as silent:
        raise SandboxError(f"pod {server.pod} does not answer on {_PATH}: {silent!r}") from silent
    if answer.status != 200:
        raise SandboxError(f"pod {server.pod} does not take this behaviour: {said[:300]}")
