"""The Rollout of a world: where it is, and how to bring it somewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from golive_sandbox import waiting
from golive_sandbox.agent.directory import VERSION_LABEL
from golive_sandbox.api import Api
from golive_sandbox.errors import ApiError, SandboxError
from golive_sandbox.types import Json, JsonValue, dig, items, mapping, number, text
from golive_sandbox.world import paths
from golive_sandbox.world.lease import Lease
from golive_sandbox.world.release import WEIGHTS, Release

NAME = "maestro-server"
_STEPS = 3
"""Steps a weight: set it, analyse, pause."""
_SECONDS = 60.0  # for pods to start on a busy machine; a second when idle


class Rollout:
    """The one Rollout in ``namespace``."""

    def __init__(self, api: Api, namespace: str) -> None:
        self._api = api
        self._namespace = namespace
        self.path = f"/apis/argoproj.io/v1alpha1/namespaces/{namespace}/rollouts/{NAME}"
        self.lease = Lease(api, namespace, NAME)

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
        """Apply the Rollout of ``release``, with more environment for its container.

        A Lease is there before it: the cluster itself would take back a canary that nobody drives.
        """
        await self.lease.hold(release.digest)
        (item, *_) = release.objects()
        for container in items(item, "spec", "template", "spec", "containers"):
            more: list[JsonValue] = [{"name": name, "value": value} for name, value in env.items()]
            container["env"] = [*items(container, "env"), *more]
        await paths.apply(self._api, [item], self._namespace)

    async def canary_at(self, release: Release, weight: int) -> None:
        """Apply ``release`` and skip to the pause at ``weight`` percent, as somebody in a hurry does.

        Argo's own analyses are skipped too: what is looked at afterwards is the canary, not how it came there.
        """
        if weight not in WEIGHTS:
            raise SandboxError(f"expected a canary weight of {', '.join(map(str, WEIGHTS))}, got {weight}")
        await self.apply(release)
        await self._skip_to(weight)

    async def finish(self, release: Release) -> None:
        """Promote from the last pause: ``release`` becomes the stable version."""
        last = _pause_of(WEIGHTS[-1])
        await self._urge(
            f"Rollout {NAME} in namespace {self._namespace} Healthy {release.image}",
            lambda now: _paused_at(now, last, WEIGHTS[-1]),
            {"pauseConditions": None},
            lambda now: text(now, "status", "stableRS") == text(now, "status", "currentPodHash"),
        )
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
        await self.lease.release()

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

    async def _skip_to(self, weight: int) -> None:
        """From an earlier step to the pause at ``weight``, as soon as the controller knows its version."""
        index = _pause_of(weight)
        await self._urge(
            f"canary paused at {weight} %",
            lambda now: _has_canary(now) and number(now, "status", "currentStepIndex", default=-1) < index,
            {"pauseConditions": None, "currentStepIndex": index},
            lambda now: _paused_at(now, index, weight),
        )

    async def _urge(
        self, what: str, wanted: Callable[[Json], bool], status: Json, done: Callable[[Json], bool]
    ) -> None:
        """Write ``status`` wherever it is ``wanted``, until it is ``done``: the controller may write over it.

        It patches what it found out from an older state, and asks for no version.
        """

        async def look() -> Json:
            now = await self.read()
            if wanted(now):
                body: Json = {
                    "metadata": {"resourceVersion": text(now, "metadata", "resourceVersion")},
                    "status": status,
                }
                try:
                    await self._api.patch(f"{self.path}/status", body)
                except ApiError as conflict:
                    if conflict.status != 409:
                        raise
            return now

        await waiting.wait_for(what, look, done, deadline=_SECONDS)

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


def _pause_of(weight: int) -> int:
    return _STEPS * WEIGHTS.index(weight) + _STEPS - 1


def _has_canary(now: Json) -> bool:
    status = mapping(now, "status")
    observed = _observed(status, number(now, "metadata", "generation"))
    new = text(status, "currentPodHash") not in ("", text(status, "stableRS"))
    return observed and new and dig(status, "abort") is not True


def _paused_at(now: Json, index: int, weight: int) -> bool:
    status = mapping(now, "status")
    return (
        _observed(status, number(now, "metadata", "generation"))
        and number(status, "currentStepIndex", default=-1) == index
        and bool(dig(status, "pauseConditions"))
        and number(status, "canary", "weights", "canary", "weight", default=-1) == weight
    )
