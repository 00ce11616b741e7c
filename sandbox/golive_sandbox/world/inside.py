"""HTTP to a pod at its own address, past the API server: the sandbox's own hands in a world."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import cast

import aiohttp

from golive_sandbox.agent.addresses import on_loopback
from golive_sandbox.agent.directory import VERSION_LABEL
from golive_sandbox.api import Api
from golive_sandbox.errors import ApiError
from golive_sandbox.types import Json, items, text

_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class PodAt:
    """A pod that runs: its name, its address in the cluster, its version's hash (empty: none), and how it is."""

    name: str
    address: str
    hash: str
    ready: bool
    ending: bool
    """It was told to end."""


async def pods(api: Api, namespace: str, name: str) -> Sequence[PodAt]:
    """The running pods whose label ``app.kubernetes.io/name`` is ``name``."""
    found = await api.list(f"/api/v1/namespaces/{namespace}/pods", labelSelector=f"app.kubernetes.io/name={name}")
    return [
        PodAt(
            text(one, "metadata", "name"),
            text(one, "status", "podIP"),
            text(one, "metadata", "labels", VERSION_LABEL),
            _ready(one),
            bool(text(one, "metadata", "deletionTimestamp")),
        )
        for one in found
        if text(one, "status", "phase") == "Running"
    ]


def _ready(pod: Json) -> bool:
    conditions = items(pod, "status", "conditions")
    return any(text(one, "type") == "Ready" and text(one, "status") == "True" for one in conditions)


async def ask(
    address: str,
    port: int,
    path: str,
    query: Mapping[str, str] = MappingProxyType({}),
    *,
    method: str = "GET",
    body: Json | list[Json] | None = None,
) -> Json:
    """The JSON object that a pod answers; empty when it answers with none.

    Raises ``ApiError`` for every answer that is not a success; its status is 0 when there was no answer.
    """
    url = f"http://{on_loopback(address)}:{port}{path}"
    limit = aiohttp.ClientTimeout(total=_SECONDS)
    try:
        async with (
            aiohttp.ClientSession(timeout=limit) as session,
            session.request(method, url, json=body, params=query) as answer,
        ):
            received = await answer.text()
    except (aiohttp.ClientError, TimeoutError, OSError) as lost:
        raise ApiError(0, "Unreachable", f"{method} {url}: {lost!r}") from lost
    if answer.status >= 300:
        raise ApiError(answer.status, str(answer.reason), f"{method} {url}: {received[:300]}")
    try:
        found = json.loads(received or "{}")
    except ValueError:
        return {}
    return cast("Json", found) if isinstance(found, dict) else {}
