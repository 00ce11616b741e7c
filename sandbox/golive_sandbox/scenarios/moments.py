"""When a fault of a scenario is switched on: at the start, or when the release under way has come that far."""

from __future__ import annotations

import enum
from typing import Protocol

from golive_sandbox.api import Api
from golive_sandbox.errors import SandboxError
from golive_sandbox.types import Json, dig, items, mapping, number, text
from golive_sandbox.world.rollout import NAME

_AT, _HELD = "at-", "held-at-"
_STEP_PAUSE = "CanaryPauseStep"


class Moment(enum.Enum):
    """``START``: before the suite begins; the others are seen in the Rollout.

    ``AT_...``: the weight is in force. ``HELD_...``: Argo's own analysis of it has ended well, and only our window is
    open.
    """

    START = "start"
    AT_10 = "at-10"
    AT_25 = "at-25"
    AT_50 = "at-50"
    AT_100 = "at-100"
    HELD_10 = "held-at-10"
    HELD_25 = "held-at-25"
    ABORTED = "aborted"
    PROMOTED = "promoted"

    @classmethod
    def named(cls, name: str) -> Moment:
        """The one of that name; empty: the start. Raises ``SandboxError`` naming all."""
        try:
            return cls(name or cls.START.value)
        except ValueError:
            known = ", ".join(one.value for one in cls)
            raise SandboxError(f"expected a moment of: {known}; got {name!r}") from None

    def reached(self, rollout: Json, image: str) -> bool:
        """Whether the Rollout is there; ``image`` is the release's, as ``repository:tag@``.

        A weight is reached when it, or a later one, is in force and the Rollout waits or is analysed there. Read from
        the weights and the phase, never from the number of a step.
        """
        status = mapping(rollout, "status")
        if self is Moment.START:
            return True
        if self is Moment.ABORTED:
            return dig(status, "abort") is True
        if self is Moment.PROMOTED:
            return _is_stable(rollout, image)
        weight = number(status, "canary", "weights", "canary", "weight")
        if self.value.startswith(_HELD):
            return weight == int(self.value.removeprefix(_HELD)) and _paused(status)
        return weight >= int(self.value.removeprefix(_AT)) and _holds(status)


def _paused(status: Json) -> bool:
    reasons = [text(one, "reason") for one in items(status, "pauseConditions")]
    return dig(status, "abort") is not True and _STEP_PAUSE in reasons


def _holds(status: Json) -> bool:
    analysis = text(status, "canary", "currentStepAnalysisRunStatus", "status")
    return dig(status, "abort") is not True and (
        text(status, "phase") == "Paused" or bool(status.get("pauseConditions")) or analysis in ("Pending", "Running")
    )


def _is_stable(rollout: Json, image: str) -> bool:
    stable = text(rollout, "status", "stableRS")
    named = text(rollout, "spec", "template", "spec", "containers", 0, "image")
    observed = text(rollout, "status", "observedGeneration") == str(number(rollout, "metadata", "generation"))
    return observed and bool(stable) and stable == text(rollout, "status", "currentPodHash") and named.startswith(image)


class Place(Protocol):
    """What is needed of a world."""

    @property
    def namespace(self) -> str:
        """Where its Rollout is."""

    @property
    def api(self) -> Api:
        """The administrator's client."""


async def until(place: Place, moment: Moment, image: str) -> None:
    """Return at the moment; every change of the Rollout is seen, however short it lasts."""
    path = f"/apis/argoproj.io/v1alpha1/namespaces/{place.namespace}/rollouts"
    async for event, rollout in place.api.watch(path, fieldSelector=f"metadata.name={NAME}"):
        if event != "DELETED" and moment.reached(rollout, image):
            return
