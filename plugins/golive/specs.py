"""The fingerprint of a Rollout's spec: an autoscaler makes a new generation, and no other canary."""

from __future__ import annotations

import hashlib
import json

from golive.types import Json, JsonValue, mapping

_ZERO = frozenset(
    {
        *("minReadySeconds", "paused", "progressDeadlineAbort", "dynamicStableScale", "clusterScope", "dryRun"),
        *("hostNetwork", "hostPID", "hostIPC", "hostPort", "stdin", "stdinOnce", "tty", "readOnly"),
        *("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"),
    }
)
"""Fields of a Rollout and of a pod that Go leaves out where they are 0 or false, since their default is that."""


def spec_of(body: Json) -> str:
    """The fingerprint of a Rollout's spec without ``replicas``.

    Argo's controller writes the whole object back, and leaves out or puts in what is empty: that is no change. A number
    or a switch that says 0 or false is one, but for those that mean the same when they are left out.
    """
    spec = {key: value for key, value in mapping(body, "spec").items() if key != "replicas"}
    return hashlib.sha256(json.dumps(_without_empty(spec), sort_keys=True).encode()).hexdigest()


def _without_empty(value: JsonValue) -> JsonValue:
    if isinstance(value, list):
        return [_without_empty(one) for one in value]
    if not isinstance(value, dict):
        return value
    kept = {key: _without_empty(one) for key, one in value.items()}
    return {key: one for key, one in kept.items() if key == "pause" or not _says_nothing(key, one)}


def _says_nothing(key: str, value: JsonValue) -> bool:
    if isinstance(value, (bool, int, float)):  # 0 and false are equal to Python
        return not value and key in _ZERO
    return value in (None, "", [], {})
