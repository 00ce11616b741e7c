"""The Rollout of a world: where it is, and how to bring it somewhere."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from golive_sandbox import waiting
from golive_sandbox.agent.directory import VERSION_LABEL
from golive_sandbox.api import Api
from golive_sandbox.errors import ApiError, SandboxError
from golive_sandbox.types import Json, JsonValue, dig, items, mapping, number, text
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

    async def until_settled(self) -> Json:
        """Wait until the controller accepts it and has nothing to do: Healthy, waiting in a pause, or aborted."""
        what = f"Rollout {NAME} in namespace {self._namespace} settled"
        return await waiting.wait_for(what, self._summary, _settled, deadline=_SECONDS)

    async def apply(self, release: Release, env: Mapping[str, str] = MappingProxyType({})) -> None:
        """Apply the Rollout of ``release``, with more environment for its container."""
        (item, *_) = release.objects()
        for container in items(item, "spec", "template", "spec", "containers"):
            more: list[JsonValue] = [{"name": name, "value": value} for name, value in env.items()]
            container["env"] = [*items(container, "env"), *more]
        await paths.apply(self._api, [item], self._namespace)

    async def canary_at(self, release: Release, weight: int) -> None:
        """Apply ``release`` and promote until the canary has ``weight`` percent and waits there."""
        if weight not in WEIGHTS:
            raise SandboxError(f"expected a canary weight of {', '.join(map(str, WEIGHTS))}, got {weight}")
        await self.apply(release)
        for step in WEIGHTS[: WEIGHTS.index(weight)]:
            await self._promote_from(step)
        await self._until_paused_at(weight)

    async def finish(self, release: Release) -> None:
        """Promote from the last pause: ``release`` becomes the stable version."""
        await self._promote_from(WEIGHTS[-1])
        await self.until_healthy(release.image)

    async def until_stuck(self) -> Json:
        """Wait until the canary has pods and none of them is Ready."""
        return await waiting.wait_for("a canary that is not Ready", self._summary, _stuck, deadline=_SECONDS)

    async def abort(self) -> None:
        """Abort, and wait until no traffic goes to the canary."""
        await self._api.patch(f"{self.path}/status", {"status": {"abort": True}})
        await waiting.wait_for("canary aborted, weight 0", self.read, _aborted, deadline=_SECONDS)

    async def pause(self, *, paused: bool) -> None:
        """Set ``spec.paused``, or take it away."""
        await self._api.patch(self.path, {"spec": {"paused": paused or None}})
        await self._until_observed()

    async def keep_old_pods(self, seconds: int | None) -> None:
        """How long pods of a version that gets no traffic stay; ``None``: Argo's default."""
        await self._api.patch(self.path, {"spec": {"strategy": {"canary": {"scaleDownDelaySeconds": seconds}}}})
        await self._until_observed()

    async def back_to(self, stable: Release) -> None:
        """Take back what is under way or was promoted; ``stable`` may have been restored by somebody else already."""
        now = await self.read()
        if text(now, "status", "currentPodHash") != text(now, "status", "stableRS"):
            await self._api.patch(f"{self.path}/status", {"status": {"abort": True}})
        await self.apply(stable)
        now = await self._until_observed()
        if text(now, "status", "currentPodHash") != text(now, "status", "stableRS"):
            # It had been promoted. Before the controller has seen the template, this would be lost.
            await self._api.patch(f"{self.path}/status", {"status": {"promoteFull": True}})
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

    async def end_old_pods(self) -> None:
        """End the pods of all versions but the stable one now, and wait until they are gone."""
        kept = text(await self.read(), "status", "stableRS")
        sets = f"/apis/apps/v1/namespaces/{self._namespace}/replicasets"
        old = f"{VERSION_LABEL}!={kept}"
        for one in await self._api.list(sets, labelSelector=old):
            await self._api.patch(f"{sets}/{text(one, 'metadata', 'name')}", {"spec": {"replicas": 0}})
        pods = f"/api/v1/namespaces/{self._namespace}/pods"
        await waiting.wait_for(
            "old pods gone",
            lambda: self._api.list(pods, labelSelector=old),
            lambda left: not left,
            deadline=_SECONDS,
        )

    async def _until_observed(self) -> Json:
        return await waiting.wait_for(
            "the controller has seen the Rollout's newest generation",
            self.read,
            lambda now: _observed(mapping(now, "status"), number(now, "metadata", "generation")),
            deadline=_SECONDS,
        )

    async def _promote_from(self, weight: int) -> None:
        """Promote once from the pause at ``weight``, never from a later one."""
        while True:
            paused = await self._until_paused_at(weight)
            version = text(paused, "metadata", "resourceVersion")
            body: Json = {"metadata": {"resourceVersion": version}, "status": {"pauseConditions": None}}
            try:
                await self._api.patch(f"{self.path}/status", body)
            except ApiError as conflict:
                if conflict.status != 409:
                    raise
                continue  # the controller wrote something meanwhile, an event's time for example: look again
            return

    async def _until_paused_at(self, weight: int) -> Json:
        index = 2 * WEIGHTS.index(weight) + 1
        return await waiting.wait_for(
            f"canary paused at {weight} %", self.read, lambda now: _paused_at(now, index, weight), deadline=_SECONDS
        )

    async def _summary(self) -> Json:
        """What a time-out should show, instead of the whole object."""
        now = await self.read()
        kept = ("phase", "message", "observedGeneration", "currentPodHash", "stableRS", "abort")
        counts = ("availableReplicas", "updatedReplicas")
        return {
            "generation": number(now, "metadata", "generation"),
            "image": text(now, "spec", "template", "spec", "containers", 0, "image"),
            "replicas": number(now, "spec", "replicas", default=1),
            "invalid": _is(now, "InvalidSpec"),
            **{key: dig(now, "status", key) for key in (*kept, *counts)},
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


def _settled(now: Json) -> bool:
    paused = text(now, "phase") == "Paused" and _observed(now, number(now, "generation"))
    aborted = text(now, "phase") == "Degraded" and dig(now, "abort") is True
    return dig(now, "invalid") is False and (paused or aborted or _healthy(now, ""))


def _stuck(now: Json) -> bool:
    ready = number(now, "availableReplicas") - number(now, "replicas")
    return _observed(now, number(now, "generation")) and number(now, "updatedReplicas") > 0 and ready == 0


def _aborted(now: Json) -> bool:
    return (
        bool(text(now, "status", "abortedAt")) and number(now, "status", "canary", "weights", "canary", "weight") == 0
    )


def _is(now: Json, condition: str) -> bool:
    conditions = items(now, "status", "conditions")
    return any(text(one, "type") == condition and text(one, "status") == "True" for one in conditions)


def _paused_at(now: Json, index: int, weight: int) -> bool:
    status = mapping(now, "status")
    return (
        _observed(status, number(now, "metadata", "generation"))
        and number(status, "currentStepIndex", default=-1) == index
        and bool(dig(status, "pauseConditions"))
        and number(status, "canary", "weights", "canary", "weight", default=-1) == weight
    )
