"""What there is to take back: by what takes traffic, not by what the spec says."""

from __future__ import annotations

import pytest

from golive.rollback import T0, Found, classify
from golive.types import Json
from selftests.judge.small_api import BAD, BEFORE, GOOD, RELEASE, TARGET, SmallApi, rollout

PHASE, MESSAGE = "Degraded", "InvalidSpec: the canary Service is gone"
KNOWN = T0("u", 3, GOOD, BEFORE, (), "2031-05-01T11:00:00+00:00")


def found(body: Json, *, stable: str = GOOD, before: bool = True) -> tuple[Found, str]:
    with SmallApi(body) as api:
        api.stable_selects(stable)
        seen, _, why = classify(api.cluster(), TARGET, t0=KNOWN, already_rolled_back=before)
    return seen, why


def test_a_template_that_was_restored_and_is_not_carried_out_is_not_back() -> None:
    seen, why = found(rollout(BEFORE, canary=25, currentPodHash=BAD, phase=PHASE, message=MESSAGE))
    assert seen is Found.CANARY
    assert "weight 25 of 100 is on bad" in why
    assert "InvalidSpec: the canary Service is gone" in why


def test_a_stable_service_that_selects_the_release_is_not_back() -> None:
    seen, why = found(rollout(BEFORE), stable=BAD)
    assert seen is Found.CANARY
    assert f"Service {TARGET.stable_service} selects its pods (bad)" in why


def test_pods_without_a_router_take_traffic() -> None:
    body = rollout(BEFORE, currentPodHash=BAD)
    body["spec"] = {"replicas": 3, "template": BEFORE, "strategy": {"canary": {}}}
    seen, why = found(body)
    assert seen is Found.CANARY
    assert "3 of its pods are available" in why


@pytest.mark.parametrize("before", [True, False])
def test_what_gets_no_traffic_is_back(before: bool) -> None:
    assert found(rollout(BEFORE), before=before)[0] is Found.ALREADY_BACK
    fix = rollout(BEFORE, canary=10, on="fix", currentPodHash="fix")
    assert found(fix, before=before)[0] is Found.ALREADY_BACK


def test_a_release_whose_spec_is_refused_is_not_the_stable_version() -> None:
    """The hashes speak of what was there before: the good version would be taken for the promoted release."""
    assert found(rollout(RELEASE, phase=PHASE, message=MESSAGE), before=False)[0] is Found.CANARY
    promoted = rollout(RELEASE, stableRS=BAD, currentPodHash=BAD)
    assert found(promoted, before=False)[0] is Found.PROMOTED
