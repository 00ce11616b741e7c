"""Faults of the Services that split the traffic, and of the pods behind them."""

from __future__ import annotations

from golive_sandbox import waiting
from golive_sandbox.scenarios.fault import Act
from golive_sandbox.types import Json, JsonValue, items, mapping, text
from golive_sandbox.world import paths
from golive_sandbox.world.world import World

STABLE, CANARY, OTHER = "maestro-server", "maestro-server-canary", "maestro-server-next"


async def canary_away(world: World) -> None:
    """Delete the canary Service."""
    path = world.path("services", CANARY)
    world.saved["canary-service-missing"] = paths.stripped(await world.api.get(path))
    await world.api.delete(path)


async def canary_back(world: World) -> None:
    """Create it again."""
    service = world.saved.pop("canary-service-missing")
    await world.api.create(f"/api/v1/namespaces/{world.namespace}/services", _without_address(service))
    await world.rollout.until_settled()


def _ingresses(world: World) -> str:
    return f"/apis/networking.k8s.io/v1/namespaces/{world.namespace}/ingresses"


async def ingress_away(world: World) -> None:
    """Delete the stable Ingress."""
    path = f"{_ingresses(world)}/{STABLE}"
    world.saved["ingress-missing"] = paths.stripped(await world.api.get(path))
    await world.api.delete(path)  # Argo notices when it next has something to do


async def ingress_back(world: World) -> None:
    """Create it again."""
    await world.api.create(_ingresses(world), world.saved.pop("ingress-missing"))
    await world.rollout.until_settled()


def lead(service: str) -> Act:
    """Let the stable Ingress lead to ``service``."""

    async def act(world: World) -> None:
        path = f"{_ingresses(world)}/{STABLE}"
        rules: list[JsonValue] = [*items(await world.api.get(path), "spec", "rules")]
        for rule in rules:
            for one in items(rule, "http", "paths"):
                mapping(one, "backend", "service")["name"] = service
        await world.api.patch(path, {"spec": {"rules": rules}})
        await (world.rollout.until_settled() if service == STABLE else _until_refused(world))

    return act


def target(port: int) -> Act:
    """Let the stable Service's port lead to ``port`` of the pods."""

    async def act(world: World) -> None:
        path = world.path("services", STABLE)
        ports: list[JsonValue] = [
            {**one, "targetPort": port} for one in items(await world.api.get(path), "spec", "ports")
        ]
        await world.api.patch(path, {"spec": {"ports": ports}})

    return act


async def _until_refused(world: World) -> None:
    await waiting.wait_for(
        "Argo says InvalidSpec",
        world.rollout.read,
        lambda now: text(now, "status", "message").startswith("InvalidSpec"),
        deadline=60.0,
    )


async def scale_to_nothing(world: World) -> None:
    """No pod at all."""
    await world.rollout.scale(0)


async def scale_back(world: World) -> None:
    """As many as there were."""
    await world.rollout.scale(3)
    await world.rollout.until_settled()


def select(service: str, name: str) -> Act:
    """Let ``service`` select the pods that carry ``name``."""

    async def act(world: World) -> None:
        body: Json = {"spec": {"selector": {"app.kubernetes.io/name": name}}}
        await world.api.patch(world.path("services", service), body)
        if name == STABLE:  # as it was
            await world.rollout.until_settled()

    return act


async def route_elsewhere(world: World) -> None:
    """Another canary Service, named by the live Rollout only."""
    service = paths.stripped(await world.api.get(world.path("services", CANARY)))
    other = _without_address({**service, "metadata": {"name": OTHER}})
    await world.api.create(f"/api/v1/namespaces/{world.namespace}/services", other)
    await _name_canary(world, OTHER)


async def route_back(world: World) -> None:
    """The one that golive.toml names."""
    await _name_canary(world, CANARY)
    await paths.delete(world.api, world.path("services", OTHER))


async def _name_canary(world: World, service: str) -> None:
    await world.api.patch(world.rollout.path, {"spec": {"strategy": {"canary": {"canaryService": service}}}})
    await world.rollout.until_settled()


def _without_address(service: Json) -> Json:
    # Its address came from the API server, which gives another one.
    spec = {key: value for key, value in mapping(service, "spec").items() if not key.startswith("clusterIP")}
    return {**service, "spec": spec}
