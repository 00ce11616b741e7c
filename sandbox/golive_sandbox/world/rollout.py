"""The Rollout of a world: where it is, and how to bring it somewhere."""

from __future__ import annotations

from golive_sandbox import waiting
from golive_sandbox.api import Api
from golive_sandbox.errors import ApiError, SandboxError
from golive_sandbox.types import Json, dig, items, mapping, number, text
from golive_sandbox.world import paths
from golive_sandbox.world.release import WEIGHTS, Release

NAME = "maestro-server"
_SECONDS = 60.0  # for pods to start on a busy machine; a second when idle


class Rollout:
    """The one Rollout in ``namespace``."""

    def __init__(self, api: Api, namespace: str) -> None:
        self._api = api
        self._namespace = namespace
        self.path = f"/apis/argoproj.io/v1alpha1/namespaces/{namespace}/rollouts/{NAME}"

    async def read(self) -> Json:
        """As it is now."""
        return await self._api.get(self.path)

    async def describe(self) -> str:
        """One line for people."""
        try:
            now = await self.read()
        except ApiError as missing:
            return str(missing)
        weight = dig(now, "status", "canary", "weights", "canary", "weight", default=0)
        image = text(now, "spec", "template", "spec", "containers", 0, "image").partition("@")[0]
        return f"{text(now, 'status', 'phase')}, canary weight {weight}, spec names {image}"

    async def until_healthy(self, image: str = "") -> Json:
        """Wait until it is Healthy (on ``image``, if given). Raises ``NotInTimeError``."""
        what = f"Rollout {NAME} in namespace {self._namespace} Healthy {image}".rstrip()
        return await waiting.wait_for(what, self._summary, lambda now: _healthy(now, image), deadline=_SECONDS)

    async def canary_at(self, release: Release, weight: int) -> None:
        """Apply ``release`` and promote until the canary has ``weight`` percent and waits there."""
        if weight not in WEIGHTS:
            raise SandboxError(f"expected a canary weight of {', '.join(map(str, WEIGHTS))}, got {weight}")
        await paths.apply(self._api, release.objects()[:1], self._namespace)
        for step in WEIGHTS[: WEIGHTS.index(weight) + 1]:
            paused = await self._until_paused_at(step)
            if step != weight:
                await self._promote(paused)

    async def back_to(self, stable: Release) -> None:
        """Abort what is under way and restore ``stable``; it may have been restored by somebody else already."""
        now = await self.read()
        if text(now, "status", "currentPodHash") != text(now, "status", "stableRS"):
            await self._api.patch(f"{self.path}/status", {"status": {"abort": True}})
        await paths.apply(self._api, stable.objects()[:1], self._namespace)
        await self.until_healthy(stable.image)

    async def scale(self, replicas: int) -> None:
        """Set the number of replicas and wait until the stable Service has as many ready endpoints."""
        await self._api.patch(self.path, {"spec": {"replicas": replicas}})
        await waiting.wait_for(
            f"{replicas} ready endpoints", self._endpoints, lambda found: found == replicas, deadline=_SECONDS
        )

    async def _endpoints(self) -> int:
        found = await self._api.get(f"/api/v1/namespaces/{self._namespace}/endpoints/{NAME}")
        return sum(len(items(subset, "addresses")) for subset in items(found, "subsets"))

    async def _promote(self, paused: Json) -> None:
        version = text(paused, "metadata", "resourceVersion")
        body: Json = {"metadata": {"resourceVersion": version}, "status": {"pauseConditions": None}}
        await self._api.patch(f"{self.path}/status", body)

    async def _until_paused_at(self, weight: int) -> Json:
        index = 2 * WEIGHTS.index(weight) + 1
        return await waiting.wait_for(
            f"canary paused at {weight} %", self.read, lambda now: _paused_at(now, index, weight), deadline=_SECONDS
        )

    async def _summary(self) -> Json:
        """What a time-out should show, instead of the whole object."""
        now = await self.read()
        kept = ("phase", "message", "observedGeneration", "currentPodHash", "stableRS", "abort", "availableReplicas")
        return {
            "generation": number(now, "metadata", "generation"),
            "image": text(now, "spec", "template", "spec", "containers", 0, "image"),
            "replicas": number(now, "spec", "replicas", default=1),
            **{key: dig(now, "status", key) for key in kept},
        }


def _observed(status: Json, generation: int) -> bool:
    return text(status, "observedGeneration") == str(generation)


def _healthy(now: Json, image: str) -> bool:
    return (
        _observed(now, number(now, "generation"))
        and text(now, "phase") == "Healthy"
        and text(now, "currentPodHash") == text(now, "stableRS")
        and number(now, "availableReplicas") >= number(now, "replicas")
        and image in ("", text(now, "image"))
    )


def _paused_at(now: Json, index: int, weight: int) -> bool:
    status = mapping(now, "status")
    return (
        _observed(status, number(now, "metadata", "generation"))
        and number(status, "currentStepIndex", default=-1) == index
        and bool(dig(status, "pauseConditions"))
        and number(status, "canary", "weights", "canary", "weight", default=-1) == weight
    )
