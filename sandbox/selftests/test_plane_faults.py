"""What happens to the machines, or to the whole plane, while a canary is under way; healed without a trace."""

from __future__ import annotations

import json
import time

import pytest

from golive_sandbox.scenarios import gitops
from golive_sandbox.types import Json, dig, number, text
from selftests.harness import eventually
from selftests.sandboxes import ROLLOUT
from selftests.walking import STABLE, Walk, is_ready

pytestmark = pytest.mark.long
"""What the suite makes of these faults is in test_walks."""


def test_a_node_is_drained_while_the_canary_holds(walk: Walk) -> None:
    walk.break_("node-drained", "at-25")
    walk.start()
    walk.held_at(10)
    walk.promote()
    walk.fired("node-drained")
    pods = walk.until_pods("ready again", is_ready)
    (cordoned,) = [one for one in walk.place.sandbox.items("/api/v1/nodes") if dig(one, "spec", "unschedulable")]
    assert text(cordoned, "metadata", "name") not in {text(one, "spec", "nodeName") for one in pods}
    walk.held_at(25)
    walk.heal("node-drained")


def test_argo_s_controller_is_killed_at_the_abort_and_comes_back(walk: Walk) -> None:
    walk.break_("argo-controller-killed", "aborted")
    walk.start()
    walk.held_at(10)
    walk.abort()
    walk.fired("argo-controller-killed")
    walk.only(STABLE)

    def restarts() -> int:
        (pod,) = walk.place.sandbox.items("/api/v1/namespaces/argo-rollouts/pods")
        return number(pod, "status", "containerStatuses", 0, "restartCount")

    eventually("started again", restarts, lambda count: count >= 1, seconds=20)


def test_the_api_server_stands_still_for_a_while(walk: Walk) -> None:
    walk.break_("api-server-stalled")
    began = time.monotonic()
    walk.place.sandbox.read("/readyz")
    assert 1.5 < time.monotonic() - began < 5
    walk.heal("api-server-stalled")


def servers(walk: Walk) -> dict[str, int]:
    """The process ids of the control plane."""
    names = ("etcd", "kube-apiserver", "kube-controller-manager")
    return {one.name: one.pid for one in walk.place.sandbox.processes() if one.name in names}


def test_the_api_server_is_killed_and_starts_again_on_its_port(walk: Walk) -> None:
    server = walk.place.sandbox.folder.running()["server"]
    before = servers(walk)
    walk.break_("api-server-restarted", "at-10")
    walk.start()
    walk.fired("api-server-restarted")
    walk.abort()  # Argo may have done it: a Secret that it cannot read ends an analysis at once
    walk.only(STABLE)
    after = servers(walk)
    assert before.pop("kube-apiserver") != after.pop("kube-apiserver")
    assert before == after
    assert walk.place.sandbox.folder.running()["server"] == server
    eventually("the API server", lambda: walk.place.sandbox.read("/readyz"), lambda said: said == "ok", seconds=10)


def tracking(walk: Walk) -> str:
    return text(walk.rollout(), "metadata", "annotations", gitops.TRACKING)


def application(walk: Walk) -> Json:
    return walk.place.sandbox.get(gitops.NAMESPACE, "applications.argoproj.io", gitops.APPLICATION)


def test_argo_cd_puts_the_release_back_after_a_restore(walk: Walk) -> None:
    walk.start()
    walk.held_at(10)
    walk.break_("gitops-self-heal")
    assert dig(application(walk), "spec", "syncPolicy", "automated", "selfHeal") is True
    assert tracking(walk) == f"maestro:argoproj.io/Rollout:{walk.place.name}/{ROLLOUT}"
    release = text(walk.rollout(), "spec", "template", "spec", "containers", 0, "image")
    path = "/spec/template/spec/containers/0/image"
    patch = json.dumps([{"op": "replace", "path": path, "value": release.replace("v1.5.0", "v1.4.2")}])
    walk.place.sandbox.kubectl(walk.place.name, "patch", "rollout", ROLLOUT, "--type=json", "-p", patch)
    walk.until("put back", lambda now: text(now, "spec", "template", "spec", "containers", 0, "image") == release)


def test_argo_cd_that_does_not_heal_owns_the_rollout(walk: Walk) -> None:
    walk.break_("gitops-owned")
    assert dig(application(walk), "spec", "syncPolicy", "automated", "selfHeal") is False
    assert tracking(walk)
