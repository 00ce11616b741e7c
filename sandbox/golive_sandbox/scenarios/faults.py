"""The faults: each one broken thing that can be switched on and off in a running world."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

from golive_sandbox.errors import SandboxError
from golive_sandbox.types import Json, dig
from golive_sandbox.world import argo, paths, rights
from golive_sandbox.world.rights import Narrow
from golive_sandbox.world.world import EditSettings, World

Act: TypeAlias = Callable[[World], Awaitable[None]]
_STABLE, _CANARY, _OTHER = "maestro-server", "maestro-server-canary", "maestro-server-next"
_CRD = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/analysistemplates.argoproj.io"


@dataclass(frozen=True, slots=True)
class Fault:
    """``on`` breaks a world that works, ``off`` heals it exactly; both return when it can be seen."""

    name: str
    summary: str
    on: Act
    off: Act
    own_plane: bool = False
    """It breaks the plane for every world in it."""


def _settings(name: str, summary: str, edit: EditSettings) -> Fault:
    async def on(world: World) -> None:
        world.edit_settings(name, edit)

    async def off(world: World) -> None:
        world.edit_settings(name, None)

    return Fault(name, summary, on, off)


def _manifest(name: str, summary: str, pattern: str, put: str) -> Fault:
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


def _forbidden(name: str, summary: str, narrow: Narrow) -> Fault:
    async def on(world: World) -> None:
        await world.narrow(name, narrow)

    async def off(world: World) -> None:
        await world.narrow(name, None)

    return Fault(name, summary, on, off)


async def _canary_service_away(world: World) -> None:
    path = world.path("services", _CANARY)
    world.saved["canary-service-missing"] = paths.stripped(await world.api.get(path))
    await world.api.delete(path)


async def _canary_service_back(world: World) -> None:
    service = world.saved.pop("canary-service-missing")
    # Its address came from the API server, which gives another one.
    spec = {key: value for key, value in _spec(service).items() if not key.startswith("clusterIP")}
    await world.api.create(f"/api/v1/namespaces/{world.namespace}/services", {**service, "spec": spec})
    await world.rollout.until_healthy()


def _spec(item: Json) -> Json:
    spec = dig(item, "spec", default={})
    return spec if isinstance(spec, dict) else {}


async def _scale_to_nothing(world: World) -> None:
    await world.rollout.scale(0)


async def _scale_back(world: World) -> None:
    await world.rollout.scale(3)
    await world.rollout.until_healthy()


def _select(name: str) -> Act:
    async def act(world: World) -> None:
        body: Json = {"spec": {"selector": {"app.kubernetes.io/name": name}}}
        await world.api.patch(world.path("services", _CANARY), body)

    return act


async def _route_elsewhere(world: World) -> None:
    service = paths.stripped(await world.api.get(world.path("services", _CANARY)))
    spec = {key: value for key, value in _spec(service).items() if not key.startswith("clusterIP")}
    other: Json = {**service, "metadata": {"name": _OTHER}, "spec": spec}
    await world.api.create(f"/api/v1/namespaces/{world.namespace}/services", other)
    await _name_canary(world, _OTHER)


async def _route_back(world: World) -> None:
    await _name_canary(world, _CANARY)
    await paths.delete(world.api, world.path("services", _OTHER))


async def _name_canary(world: World, service: str) -> None:
    await world.api.patch(world.rollout.path, {"spec": {"strategy": {"canary": {"canaryService": service}}}})
    await world.rollout.until_healthy()


async def _start_canary(world: World) -> None:
    await world.rollout.canary_at(world.release, 25)


async def _end_canary(world: World) -> None:
    await world.rollout.back_to(world.stable)


async def _crd_away(world: World) -> None:
    world.saved["argo-crd-missing"] = paths.stripped(await world.api.get(_CRD))
    await world.plane.remove_crd(_CRD)


async def _crd_back(world: World) -> None:
    await world.plane.install_crd(world.saved.pop("argo-crd-missing"))


async def _controller_away(world: World) -> None:
    await argo.scale(world.plane, 0)


async def _controller_back(world: World) -> None:
    await argo.scale(world.plane, 1)


def _no_manifest_writes(rules: tuple[rights.Rule, ...]) -> tuple[rights.Rule, ...]:
    for resource in ("services", "ingresses"):
        rules = rights.without(rules, resource, ("create", "patch"))
    return rules


FAULTS: tuple[Fault, ...] = (
    Fault(
        "canary-service-missing", "Service maestro-server-canary is deleted", _canary_service_away, _canary_service_back
    ),
    Fault("stable-without-endpoints", "the stable version is scaled to nothing", _scale_to_nothing, _scale_back),
    Fault(
        "canary-selects-other-pods",
        "the canary Service selects pods that are not the rollout's",
        _select("somebody-else"),
        _select(_STABLE),
    ),
    Fault(
        "routing-names-other-service",
        "the live Rollout sends its canary through another Service than golive.toml names",
        _route_elsewhere,
        _route_back,
    ),
    _settings(
        "wrong-cluster",
        "golive.toml names another cluster's identity",
        lambda settings: replace(settings, cluster_uid="00000000-0000-4000-8000-000000000000"),
    ),
    Fault("namespace-missing", "the release's namespace is deleted", World.delete_namespace, World.create_objects),
    _forbidden(
        "status-patch-forbidden",
        "the suite's user may not patch rollouts/status, so it could neither promote nor abort",
        lambda rules: rights.without(rules, "rollouts/status", ("patch",)),
    ),
    _forbidden(
        "manifest-apply-forbidden", "the suite's user may not apply Services and Ingresses", _no_manifest_writes
    ),
    Fault(
        "argo-controller-down",
        "the Argo Rollouts controller is scaled to nothing",
        _controller_away,
        _controller_back,
        own_plane=True,
    ),
    Fault("argo-crd-missing", "Argo's AnalysisTemplate CRD is deleted", _crd_away, _crd_back, own_plane=True),
    _manifest(
        "manifest-unknown-field",
        "the reviewed manifest has a misspelt field",
        r"^  progressDeadlineSeconds:",
        "  progressDeadlineSecond:",
    ),
    _manifest(
        "manifest-other-digest",
        "the reviewed manifest names another image than the release",
        r"@sha256:[0-9a-f]{64}",
        "@sha256:" + "0" * 64,
    ),
    _manifest(
        "manifest-refused",
        "the API server refuses the reviewed manifest",
        r"^    - name: http\n      port: 4000",
        "    - name: http\n      port: 70000",
    ),
    _settings("role-empty", "nobody is named as SRE", lambda settings: settings.with_person("sre", "")),
    _settings(
        "one-person-two-roles",
        "the release driver approves the own release",
        lambda settings: settings.with_person("approver", settings.people["release_driver"]),
    ),
    Fault("canary-at-25", "somebody has started the release: the canary is paused at 25 %", _start_canary, _end_canary),
)
"""The catalogue; an order that makes sense to read."""


def named(name: str) -> Fault:
    """One fault. Raises ``SandboxError`` naming all when there is none of that name."""
    for fault in FAULTS:
        if fault.name == name:
            return fault
    raise SandboxError(f"expected a fault of: {', '.join(fault.name for fault in FAULTS)}; got {name!r}")
