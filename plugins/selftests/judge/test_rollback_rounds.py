"""A rollback round by round, on a small API server: what it does when something changes while it waits."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from golive.rollback import T0, Found, RollbackResult, roll_back
from golive.types import Json, mapping
from golive.whose import Guard
from selftests.judge.small_api import BAD, BEFORE, GOOD, RELEASE, SCALERS, TARGET, Refusal, SmallApi, rollout

KNOWN = T0("u", 3, GOOD, BEFORE, (), "2031-05-01T11:00:00+00:00")


def back(
    api: SmallApi,
    *,
    deadline: float = 30.0,
    t0: T0 = KNOWN,
    barred: Callable[[], str] = lambda: "",
    note: Callable[[str, Json], None] = lambda *_: None,
) -> RollbackResult:
    return roll_back(
        api.cluster(),
        TARGET,
        "2.2-errors[25]",
        t0=t0,
        rolled_back_before=False,
        deadline=deadline,
        note=note,
        started=time.monotonic(),
        barred=barred,
    )


def canary() -> Json:
    """The release at 25 %."""
    return rollout(RELEASE, canary=25, currentPodHash=BAD, phase="Paused")


def carried_out(body: Json) -> None:
    """What the controller makes of an abort and of a restore."""
    status = mapping(body, "status")
    status["observedGeneration"] = str(mapping(body, "metadata")["generation"])
    if mapping(body, "spec")["template"] != RELEASE:
        status.update(mapping(rollout(BEFORE), "status") | {"observedGeneration": status["observedGeneration"]})
        status.pop("abort", None)
    elif status.get("abort"):
        status.update(abortedAt="2031-05-01T11:00:00Z", phase="Degraded")
        mapping(status, "canary")["weights"] = mapping(rollout(BEFORE), "status", "canary", "weights")


def test_another_driver_that_comes_while_it_waits_is_left_alone() -> None:
    def applied_anew(body: Json) -> None:
        mapping(body, "metadata")["generation"] = 9
        mapping(body, "status").pop("abort")

    api = SmallApi(canary(), patched=applied_anew)

    def barred() -> str:
        return "driven by Robin, run theirs" if mapping(api.rollout, "metadata")["generation"] == 9 else ""

    with api:
        result = back(api, barred=barred)
    assert (result.found, result.did, result.proven) == (Found.CANARY, ("abort",), False)
    assert api.did == ["/status/abort"]
    assert "driven by Robin, run theirs; by hand: golive rollback" in result.remark


def test_what_it_wrote_itself_is_nobody_elses() -> None:
    asked: list[str] = []

    def barred() -> str:
        asked.append("again")
        return "" if len(asked) == 1 else "this run lost its Lease and the Rollout is not as it left it"

    with SmallApi(canary(), patched=carried_out) as api:
        result = back(api, barred=barred)
    assert api.did == ["/status/abort", "/spec/template"]
    assert (result.did, asked, result.proven) == (("abort", "restore"), ["again"], True)


def test_a_guard_is_asked_again_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    answers, now = ["", "driven by Robin"], [5.0]
    monkeypatch.setattr("golive.whose.clock", lambda: now[0])
    guard = Guard(lambda: answers.pop(0))
    assert [guard.look(), guard.look()] == ["", ""]
    now[0] += 1.5
    assert guard.look() == "driven by Robin"


ZERO = replace(KNOWN, about={"replicas": 4})
SCALER: Json = {
    "metadata": {"name": "cpu"},
    "spec": {"scaleTargetRef": {"kind": "Rollout", "name": TARGET.rollout}, "minReplicas": 2, "maxReplicas": 9},
}


def scaled(body: Json, replicas: int = 0) -> Json:
    mapping(body, "spec")["replicas"] = replicas
    return body


@pytest.mark.parametrize(("replicas", "scaler"), [(0, False), (1, False), (0, True)])
def test_a_rollout_that_was_scaled_down_gets_t0s_pods_again(replicas: int, scaler: bool) -> None:
    with SmallApi(scaled(canary(), replicas), patched=carried_out) as api:
        if scaler:
            api.objects[f"{SCALERS}/cpu"] = SCALER
        result = back(api, t0=ZERO)
    assert api.did == ["/status/abort", "/spec/template", "/spec/replicas"]
    assert (result.did, result.proven) == (("abort", "restore", "scale"), True)
    assert mapping(api.rollout, "spec")["replicas"] == 4
    assert f"it had been scaled to {replicas} (spec.replicas): T0's 4 were asked for again" in result.remark
    assert ("HorizontalPodAutoscaler cpu (2 to 9) has them from there" in result.remark) is scaler


def test_a_number_that_an_autoscaler_chose_is_left_to_it() -> None:
    with SmallApi(scaled(canary(), 2), patched=carried_out) as api:
        api.objects[f"{SCALERS}/cpu"] = SCALER
        result = back(api, t0=ZERO)
    assert (api.did, result.proven) == (["/status/abort", "/spec/template"], True)
    assert "scaled" not in result.remark


def test_how_many_pods_there_were_is_asked_of_a_person_where_it_is_not_known() -> None:
    with SmallApi(scaled(canary()), patched=carried_out) as api:
        result = back(api, t0=KNOWN)
    assert "/spec/replicas" not in api.did
    assert "how many pods T0 had is not known" in result.remark
    assert f"scale rollout {TARGET.rollout} --replicas=NUMBER" in result.remark


def test_a_scale_that_is_refused_is_not_told_as_done_and_the_legs_are_looked_at() -> None:
    with SmallApi(scaled(canary(), 1), patched=carried_out) as api:
        api.refuses = lambda changes: REFUSALS["webhook 403"] if changes[-1]["path"] == "/spec/replicas" else None
        result = back(api, t0=ZERO)
    assert result.did == ("abort", "restore")
    assert "the scale is refused, and tried again" in result.remark
    assert "asked for again" not in result.remark
    assert {one.leg for one in result.legs} >= {"hashes", "weights"}


def test_a_rollout_at_rest_keeps_the_pods_that_its_owners_asked_for() -> None:
    with SmallApi(scaled(rollout(BEFORE)), patched=carried_out) as api:
        result = back(api, t0=ZERO)
    assert (api.did, result.did) == ([], ())


REFUSALS: dict[str, Refusal] = {
    "webhook 403": (403, {"reason": "Forbidden", "message": 'admission webhook "tags.example" denied the request: v1'}),
    "webhook 422": (422, {"reason": "Invalid", "message": 'admission webhook "tags.example" denied the request: v1'}),
    "webhook 400": (400, {"reason": "BadRequest", "message": 'admission webhook "tags.example" denied the request'}),
    "policy": (422, {"reason": "Invalid", "message": "ValidatingAdmissionPolicy 'tags' denied request: v1"}),
    "schema": (422, {"reason": "Invalid", "message": 'Rollout.argoproj.io "maestro-server" is invalid: spec'}),
}


@pytest.mark.parametrize("kind", REFUSALS)
def test_a_restore_that_the_clusters_rules_refuse_is_told_at_once_and_sent_again(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("golive.writes._REFUSED_SECONDS", 0.2)
    told: list[tuple[str, Json]] = []
    tries: list[float] = []

    def refuses(changes: list[Json]) -> Refusal | None:
        if changes[-1]["path"] != "/spec/template":
            return None
        tries.append(time.monotonic())
        assert len(tries) < 2 or [one for one, _ in told].count("rollback_forbidden") == 1
        return REFUSALS[kind] if len(tries) < 3 else None

    with SmallApi(canary(), patched=carried_out) as api:
        api.refuses = refuses
        result = back(api, note=lambda what, facts: told.append((what, facts)))
    assert (result.did, result.proven) == (("abort", "restore"), True)
    said = str(REFUSALS[kind][1]["message"])
    assert f"the restore is refused, and tried again: {REFUSALS[kind][0]}" in result.remark
    assert said in result.remark
    assert tries[1] - tries[0] >= 0.2, "once in a while, not in each round"


def test_a_refusal_that_is_worded_anew_each_time_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("golive.writes._REFUSED_SECONDS", 0.1)
    told: list[str] = []
    tries: list[int] = []

    def refuses(changes: list[Json]) -> Refusal | None:
        if changes[-1]["path"] != "/spec/template" or len(tries) == 4:
            return None
        tries.append(len(tries))
        message = f'admission webhook "tags.example" denied the request: {len(tries)}'
        return 403, {"reason": "Forbidden", "message": message}

    with SmallApi(canary(), patched=carried_out) as api:
        api.refuses = refuses
        result = back(api, note=lambda what, _: told.append(what))
    assert (len(tries), told.count("rollback_forbidden")) == (4, 1)
    assert result.remark.count("the restore is refused") == 1
    assert result.proven


def test_what_was_refused_to_the_end_leaves_the_canary_without_weight_and_the_reason() -> None:
    with SmallApi(canary(), patched=carried_out) as api:
        api.refuses = lambda changes: REFUSALS["webhook 403"] if changes[-1]["path"] == "/spec/template" else None
        result = back(api, deadline=5.0)
    assert (result.did, result.proven) == (("abort",), False)
    assert 'admission webhook "tags.example" denied the request: v1' in result.remark
    legs = {one.leg: one for one in result.legs}
    assert legs["weights"].proven
    assert not legs["hashes"].proven


def test_an_abort_that_is_refused_does_not_keep_the_restore_waiting() -> None:
    with SmallApi(canary(), patched=carried_out) as api:
        api.refuses = lambda changes: REFUSALS["webhook 403"] if changes[-1]["path"] == "/status/abort" else None
        result = back(api)
    assert result.did == ("restore",)
    assert "the abort is refused, and tried again" in result.remark


def test_missing_rights_are_not_tried_again_once_the_canary_has_no_weight() -> None:
    refusal: Refusal = (403, {"reason": "Forbidden", "message": 'User "golive" cannot patch resource "rollouts"'})
    with SmallApi(canary(), patched=carried_out) as api:
        api.refuses = lambda changes: refusal if changes[-1]["path"] == "/spec/template" else None
        result = back(api)
    assert "the restore was refused: 403" in result.remark
    assert not result.proven


def test_a_guard_that_does_not_hold_is_no_refusal() -> None:
    with SmallApi(canary(), patched=carried_out) as api:

        def fixed(changes: list[Json]) -> Refusal | None:
            if changes[-1]["path"] == "/spec/template":
                mapping(api.rollout, "metadata")["generation"] = 6
                mapping(api.rollout, "status")["observedGeneration"] = "6"
                api.refuses = lambda _: None
            return None

        api.refuses = fixed
        result = back(api)
    assert result.did == ("abort", "restore")
    assert "refused" not in result.remark


@pytest.mark.parametrize("trouble", ["rights", "server", "webhook"])
def test_an_abort_that_fails_for_long_is_sent_on_where_an_owner_allows_nothing_else(
    trouble: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("golive.writes._ABORT_SECONDS", 0.3)
    monkeypatch.setattr("golive.writes._REFUSED_SECONDS", 0.1)
    refusals: dict[str, Refusal] = {
        "rights": (403, {"reason": "Forbidden", "message": 'User "golive" cannot patch resource "rollouts/status"'}),
        "server": (500, {"reason": "InternalError", "message": "etcd has no leader"}),
        "webhook": REFUSALS["webhook 403"],
    }
    began = time.monotonic()
    body = canary()
    tracking = f"shop:argoproj.io/Rollout:{TARGET.namespace}/{TARGET.rollout}"
    mapping(body, "metadata")["annotations"] = {"argocd.argoproj.io/tracking-id": tracking}
    mapping(body, "metadata")["namespace"] = TARGET.namespace
    body["kind"] = "Rollout"
    with SmallApi(body, patched=carried_out) as api:
        api.refuses = lambda _: refusals[trouble] if time.monotonic() - began < 1.0 else None
        result = back(api, deadline=20.0)
    assert (api.did, result.did) == (["/status/abort"], ("abort",))
    assert result.proven
    assert "so only the abort was sent" in result.remark
