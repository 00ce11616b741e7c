"""Behaviours of running pods, set from outside."""

from __future__ import annotations

import urllib.request
from dataclasses import dataclass

import pytest

from golive_sandbox.agent.addresses import on_loopback
from golive_sandbox.agent.directory import VERSION_LABEL
from golive_sandbox.api import Api
from golive_sandbox.errors import SandboxError
from golive_sandbox.types import Json
from golive_sandbox.world.behaviour import PORT, behave, reset, servers
from selftests.harness import Room, condition, server_container


@dataclass(frozen=True)
class Where:
    api: Api
    namespace: str


def pods(room: Room) -> Where:
    """Two servers of different versions."""
    for version in ("old", "new"):
        labels: Json = {"app.kubernetes.io/name": "maestro-server", VERSION_LABEL: version}
        path = room.pod(version, {"containers": [server_container()]}, labels=labels)
        room.cluster.until(path, lambda pod: condition(pod, "Ready") == "True")
    return Where(room.cluster.plane.api, room.name)


def metrics(room: Room, where: Where) -> dict[str, str]:
    """What each version's /metrics says."""
    running = room.cluster.run(servers(where.api, where.namespace))
    found = {}
    for one in running:
        with urllib.request.urlopen(f"http://{on_loopback(one.address)}:{PORT}/metrics", timeout=5) as answer:
            found[one.hash] = answer.read().decode()
    return found


def test_all_pods_or_those_of_one_version_behave_as_told_until_they_are_reset(room: Room) -> None:
    where, run = pods(room), room.cluster.run
    run(behave(where, metrics="empty"))
    assert metrics(room, where) == {"old": "", "new": ""}
    run(behave(where, "new", metrics=None))
    seen = metrics(room, where)
    assert seen["old"] == ""
    assert "build_info" in seen["new"]
    run(reset(where))
    assert all("build_info" in said for said in metrics(room, where).values())


def test_a_refused_behaviour_and_a_version_that_is_not_there_are_told(room: Room) -> None:
    where, run = pods(room), room.cluster.run
    with pytest.raises(SandboxError, match=r"pod (old|new) does not take this behaviour: .*a ratio from 0 to 1"):
        run(behave(where, error_ratio=7))
    with pytest.raises(SandboxError, match="expected running pods of maestro-server other in namespace"):
        run(behave(where, "other", error_ratio=0.5))
