"""Each fault of a canary under way does what it says, at its moment, and leaves no trace when it is healed."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from golive_sandbox.errors import SandboxError
from golive_sandbox.scenarios import people
from golive_sandbox.scenarios.faults import UNDER_WAY
from golive_sandbox.types import Json, dig, items, mapping, number, text
from selftests.harness import eventually
from selftests.sandboxes import ROLLOUT
from selftests.walking import RELEASE, STABLE, Walk, is_ready

pytestmark = pytest.mark.long
"""What the suite makes of these faults is in test_walks."""


def reason(pod: Json) -> str:
    return text(pod, "status", "containerStatuses", 0, "state", "waiting", "reason")


def test_a_crash_loop(walk: Walk) -> None:
    walk.break_("crash-loop")
    walk.start()
    pods = walk.until_pods("crashing", lambda pod: reason(pod) == "CrashLoopBackOff")
    assert {dig(one, "status", "containerStatuses", 0, "lastState", "terminated", "exitCode") for one in pods} == {1}


def test_pods_that_are_never_ready(walk: Walk) -> None:
    walk.break_("never-ready")
    walk.start()
    walk.until_pods(
        "running and not Ready", lambda pod: text(pod, "status", "phase") == "Running" and not is_ready(pod)
    )


@pytest.mark.parametrize(("fault", "least", "most"), [("slow-start", 3, 15), ("too-slow-start", 16, 45)])
def test_pods_that_start_slowly(walk: Walk, fault: str, least: float, most: float) -> None:
    walk.break_(fault)
    began = time.monotonic()
    walk.start()
    walk.until_pods("ready", is_ready)
    assert least < time.monotonic() - began < most


def test_another_digest_than_the_one_asked_for(walk: Walk) -> None:
    walk.break_("wrong-digest")
    walk.start()
    for pod in walk.until_pods("ready", is_ready):
        asked = text(pod, "spec", "containers", 0, "image").partition("@")[2]
        told = text(pod, "status", "containerStatuses", 0, "imageID").partition("@")[2]
        assert told.startswith("sha256:")
        assert told != asked


def bad(walk: Walk, since: float) -> tuple[int, int]:
    """Failed answers of the release and all of them; the stable version gave none of the failed ones."""
    found = [(version, one) for _, by in walk.timeline(since).buckets for version, one in by.items()]
    assert sum(one.failed for version, one in found if version != RELEASE) == 0
    ours = [one for version, one in found if version == RELEASE]
    return sum(one.failed for one in ours), sum(one.count for one in ours)


def test_errors_of_the_release_alone_while_the_fault_lasts(walk: Walk) -> None:
    walk.start()
    walk.held_at(10)
    walk.break_("errors-in-canary")
    since = time.time()
    failed, count = eventually("answers", lambda: bad(walk, since), lambda seen: seen[1] > 50, seconds=20)
    assert 0.2 < failed / count < 0.8
    walk.heal("errors-in-canary")
    since = time.time() + 0.25
    failed, _ = eventually("answers", lambda: bad(walk, since), lambda seen: seen[1] > 20, seconds=20)
    assert failed == 0


def test_errors_of_pods_that_start_later(walk: Walk) -> None:
    walk.break_("errors-in-canary")
    walk.start()
    eventually("errors", lambda: bad(walk, 0), lambda seen: seen[0] >= 10, seconds=20)


def test_a_quota_without_room_for_the_canary(walk: Walk) -> None:
    walk.break_("quota-too-small")
    walk.start()
    sets = f"/apis/apps/v1/namespaces/{walk.place.name}/replicasets"

    def refused() -> list[str]:
        conditions = [each for one in walk.place.sandbox.items(sets) for each in items(one, "status", "conditions")]
        return [text(one, "message") for one in conditions if one.get("reason") == "FailedCreate"]

    (said,) = eventually("pods refused", refused, bool, seconds=20)
    assert "exceeded quota" in said


def test_an_autoscaler_that_owns_the_rollout(walk: Walk) -> None:
    walk.break_("hpa-owned")
    found = walk.place.sandbox.get(walk.place.name, "hpa", ROLLOUT)
    assert (text(found, "spec", "scaleTargetRef", "kind"), text(found, "spec", "scaleTargetRef", "name")) == (
        "Rollout",
        ROLLOUT,
    )


def test_a_second_driver_that_renews_its_lease(walk: Walk) -> None:
    def renewed() -> str:
        return text(walk.place.sandbox.get(walk.place.name, "lease", people.LEASE), "spec", "renewTime")

    walk.break_("second-driver")
    first = renewed()
    eventually("renewed", renewed, lambda at: at > first, seconds=5)
    lease = walk.place.sandbox.get(walk.place.name, "lease", people.LEASE, "--show-managed-fields")
    assert text(lease, "spec", "holderIdentity") == people.HOLDER
    assert {text(one, "manager") for one in items(lease, "metadata", "managedFields")} == {"golive"}


def test_somebody_edits_the_steps_when_25_is_reached(walk: Walk) -> None:
    walk.break_("steps-edited", "at-25")
    walk.start()
    walk.held_at(10)
    assert mapping(walk.facts(), "armed") == {"steps-edited": "at-25"}
    steps = items(walk.rollout(), "spec", "strategy", "canary", "steps")
    walk.promote()
    walk.fired("steps-edited")
    assert items(walk.rollout(), "spec", "strategy", "canary", "steps") == steps[:-1]
    assert walk.facts()["armed"] == {}
    walk.held_at(10)  # Argo begins again


def test_somebody_promotes_at_10(walk: Walk) -> None:
    walk.break_("promoted-by-somebody", "at-10")
    walk.start()
    walk.fired("promoted-by-somebody")
    walk.until(
        "promoted", lambda now: text(now, "status", "phase") == "Healthy" and ":v1.5.0@" in json.dumps(now["spec"])
    )
    walk.only(RELEASE)


def test_somebody_aborts_at_10(walk: Walk) -> None:
    walk.break_("aborted-by-somebody", "at-10")
    walk.start()
    at = walk.fired("aborted-by-somebody")
    walk.until("aborted", lambda now: dig(now, "status", "abort") is True)
    walk.only(STABLE)
    last = walk.timeline(0).last(RELEASE)
    assert last is None or last - at < 2


def test_somebody_pauses_at_10(walk: Walk) -> None:
    walk.break_("paused-by-somebody", "at-10")
    walk.start()
    walk.fired("paused-by-somebody")
    assert dig(walk.rollout(), "spec", "paused") is True


def test_a_fix_arrives_as_soon_as_the_canary_is_aborted(walk: Walk) -> None:
    walk.break_("fix-arrives", "aborted")
    walk.start()
    walk.held_at(10)
    asked = time.time()
    walk.abort()
    assert walk.fired("fix-arrives") - asked < 2
    walk.until("the fix", lambda now: ":v1.6.0@" in json.dumps(dig(now, "spec", "template")))


def test_an_autoscaler_scales_as_soon_as_the_canary_is_aborted(walk: Walk) -> None:
    walk.break_("hpa-scales", "aborted")
    walk.start()
    walk.held_at(10)
    walk.abort()
    walk.fired("hpa-scales")
    assert number(walk.rollout(), "spec", "replicas") == 5
    managers = walk.place.sandbox.get(walk.place.name, "rollout", ROLLOUT, "--show-managed-fields")
    rows = items(managers, "metadata", "managedFields")
    assert ("kube-controller-manager", "scale") in {(text(one, "manager"), text(one, "subresource")) for one in rows}


def test_the_old_replicaset_is_gone_as_soon_as_the_release_is_promoted(walk: Walk) -> None:
    walk.break_("t0-replicaset-gone", "promoted")
    walk.start()
    walk.held_at(10)
    walk.promote("--full")
    walk.fired("t0-replicaset-gone")
    sets = walk.place.sandbox.items(f"/apis/apps/v1/namespaces/{walk.place.name}/replicasets")
    assert not [one for one in sets if ":v1.4.2@" in json.dumps(one)]


def test_what_cannot_be_at_that_moment_is_told(walk: Walk) -> None:
    with pytest.raises(SandboxError, match="expected a canary under way in maestro, found none"):
        walk.break_("aborted-by-somebody")
    with pytest.raises(SandboxError, match="expected a moment of: start, at-10"):
        walk.break_("role-empty", "at-11")
    walk.break_("role-empty", "promoted")
    with pytest.raises(SandboxError, match="is already broken"):
        walk.break_("role-empty")
    walk.heal("role-empty")
    assert walk.facts()["armed"] == {}


def test_every_fault_of_a_canary_is_tested_here_or_beside() -> None:
    beside = ("test_plane_faults.py", "test_slo_faults.py", "test_seeing_faults.py")
    files = (Path(__file__), *(Path(__file__).with_name(name) for name in beside))
    here = "".join(file.read_text(encoding="utf-8") for file in files)
    assert [fault.name for fault in UNDER_WAY if f'"{fault.name}"' not in here] == []
