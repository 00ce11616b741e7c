"""The rollback on the real controller: from a canary, from a promotion, and whatever happens meanwhile."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from dataclasses import replace

import pytest

from golive.rollback import T0, Found, RollbackResult
from golive.types import Json, dig, items, text
from selftests.live.taking import ROLLOUT, Taking, api_server, asked_of, assert_proven, assert_serves, masked
from selftests.live.world import World, eventually


@pytest.fixture
def taking(world: World) -> Taking:
    return Taking(world)


@pytest.fixture
def t0(taking: Taking) -> T0:
    return taking.t0()


@pytest.mark.parametrize("weight", [25, 100])
def test_a_canary_goes_back_and_its_pods_are_seen_to_answer_nothing(
    world: World, taking: Taking, t0: T0, weight: int
) -> None:
    with world.broken(f"canary-at-{weight}"):
        result = taking.back(t0)
        assert_serves(world, t0.hash)
    assert_proven(result, "abort", "restore")
    legs = {leg.leg: leg.observed for leg in result.legs}
    assert legs["digests"].endswith("their digests those of T0")
    assert "no request for 0.4 s" in legs["requests"]


def test_a_promoted_release_goes_back_without_walking_the_steps(world: World, taking: Taking, t0: T0) -> None:
    with world.broken("release-promoted"):
        result = taking.back(t0)
        assert_serves(world, t0.hash)
        again = taking.back(t0, before=True)
    assert result.found is Found.PROMOTED
    assert_proven(result, "restore", "promote_full")
    assert (again.found, again.did, again.proven) == (Found.ALREADY_BACK, (), True)


@pytest.mark.parametrize("kept", ["record", "replica set"])
def test_t0_comes_back_from_the_record_or_from_its_replica_set(world: World, taking: Taking, t0: T0, kept: str) -> None:
    with world.broken("release-promoted"):
        if kept == "record":
            world.kubectl("delete", "rs", f"{ROLLOUT}-{t0.hash}", "--wait=true")
        result = taking.back(t0 if kept == "record" else masked(t0))
        assert_proven(result, "restore", "promote_full")
        # Argo may give the very same template another hash once its ReplicaSet is gone.
        assert_serves(world, t0.hash if kept == "replica set" else text(world.rollout(), "status", "stableRS"))
        served = items(world.rollout(), "spec", "template", "spec", "containers")
        assert tuple(text(one, "image") for one in served) == t0.images


@pytest.mark.parametrize("missing", ["template", "t0", "closed", "other rollout"])
def test_where_there_is_nothing_to_go_back_to_nothing_is_written(
    world: World, taking: Taking, t0: T0, missing: str
) -> None:
    known: dict[str, T0 | None] = {"template": masked(t0), "closed": t0, "other rollout": replace(t0, rollout="else")}
    closed = "since 12:00, 3600 s after its promotion" if missing == "closed" else ""
    with world.broken("release-promoted"):
        if missing == "template":
            world.kubectl("delete", "rs", f"{ROLLOUT}-{t0.hash}", "--wait=true")
        seen = asked_of(world)
        result = taking.back(known.get(missing), closed=closed)
        assert asked_of(world) == seen
        if missing == "template":  # the sandbox goes back by what it knows
            assert "is gone from the record and from the ReplicaSets" in result.remark
    assert (result.found, result.did, result.proven) == (Found.PROMOTED, (), False)
    assert "by hand: golive rollback" in result.remark if closed else "promote maestro-server --full" in result.remark
    assert [leg.leg for leg in result.legs] == ["closed" if closed else "promoted"]


def test_a_template_that_gives_another_hash_is_not_promoted(world: World, taking: Taking, t0: T0) -> None:
    with world.broken("release-promoted"):
        result = taking.back(replace(t0, hash="5f5f5f5f5f"))
        now = world.rollout()
        assert dig(now, "status", "abort") is True
    assert (result.found, result.did, result.proven) == (Found.PROMOTED, ("restore", "abort"), False)
    assert f"gave hash {t0.hash}, expected 5f5f5f5f5f" in result.remark


@pytest.mark.long
def test_a_controller_that_carries_nothing_out_is_waited_for(world: World, taking: Taking, t0: T0) -> None:
    with world.broken("release-promoted"):
        with world.broken("canary-service-missing"):
            first = taking.back(t0, deadline=3.0)
            again = taking.back(t0, before=True, deadline=1.0)
        result = taking.back(t0, before=True)
        assert_serves(world, t0.hash)
    assert (first.did, first.proven) == (("restore",), False)
    assert (again.did, again.proven) == ((), False)
    assert "carries nothing out until this is repaired" in again.remark
    assert result.proven


@pytest.mark.parametrize("start", ["canary", "promoted"])
def test_a_fix_is_never_overwritten(world: World, taking: Taking, t0: T0, start: str) -> None:
    """It arrives between the abort and the restore, or is under way over a promoted release."""
    fixes: list[Json] = []

    def fix() -> None:
        fixes.append(taking.fix(t0))

    with world.broken("canary-at-25" if start == "canary" else "release-promoted"):
        if start == "promoted":
            fix()
        result = taking.back(t0, at="abort", does=fix, deadline=3.0)
        there = dig(world.rollout(), "spec", "template")
        # The sandbox goes back by an apply, which would leave the fix's variable there.
        taking.patch({"op": "replace", "path": "/spec/template", "value": t0.template})
    assert there == fixes[0]
    assert not {"restore", "promote_full"} & set(result.did)
    # That the release itself has no traffic is proven beside a fix; over a promoted release there is nothing to prove.
    assert result.proven is (start == "canary"), result
    if start == "promoted":
        assert "left alone: it may be the fix" in result.remark


def test_a_release_that_is_promoted_during_the_rollback_goes_back_all_the_same(
    world: World, taking: Taking, t0: T0
) -> None:
    def promote() -> None:
        world.kubectl("argo", "rollouts", "promote", ROLLOUT, "--full")
        eventually("promoted", lambda: text(world.rollout(), "status", "stableRS"), lambda one: one != t0.hash)

    with world.broken("canary-at-25"):
        result = taking.back(None, at="rollback_found", does=promote)
        assert_serves(world, t0.hash)
    assert (result.found, result.proven) == (Found.PROMOTED, True), result
    assert {"restore", "promote_full"} <= set(result.did)
    assert "became stable" in result.remark


def test_a_rollback_window_is_no_obstacle(world: World, taking: Taking, t0: T0) -> None:
    # The window comes after the promotion: within it, a release that was here before is not walked either.
    with world.broken("release-promoted"), taking.changed(rollbackWindow={"revisions": 3}):
        result = taking.back(t0)
        assert_serves(world, t0.hash)
    assert result.proven, result
    assert result.did[0] == "restore"


def edit_steps(taking: Taking) -> None:
    taking.patch({"op": "add", "path": "/spec/strategy/canary/steps/0", "value": {"setWeight": 5}})


def undo_steps(taking: Taking) -> None:
    taking.patch({"op": "remove", "path": "/spec/strategy/canary/steps/0"})


def test_steps_that_are_edited_after_the_abort_start_nothing(world: World, taking: Taking, t0: T0) -> None:
    try:
        with world.broken("canary-at-25"):
            result = taking.back(t0, at="abort", does=lambda: edit_steps(taking))
            assert_serves(world, t0.hash)
    finally:
        undo_steps(taking)
    assert_proven(result, "abort", "restore")


@pytest.mark.parametrize("moment", [pytest.param("abort", marks=pytest.mark.long), "restore"])
@pytest.mark.parametrize("start", [pytest.param("canary-at-25", marks=pytest.mark.long), "release-promoted"])
def test_an_autoscaler_changes_nothing(world: World, taking: Taking, t0: T0, start: str, moment: str) -> None:
    def scale() -> None:
        taking.patch({"op": "replace", "path": "/spec/replicas", "value": 4})

    at = "rollback_found" if (start, moment) == ("release-promoted", "abort") else moment
    try:
        with world.broken(start):
            result = taking.back(t0, at=at, does=scale)
            assert_serves(world, t0.hash)
    finally:
        taking.patch({"op": "replace", "path": "/spec/replicas", "value": 3})
    assert result.proven, result
    assert result.did[-1] == ("restore" if start == "canary-at-25" else "promote_full")


@pytest.mark.long
def test_a_paused_rollout_goes_back(world: World, taking: Taking, t0: T0) -> None:
    with world.broken("canary-paused-by-hand"):
        result = taking.back(t0)
        assert_serves(world, t0.hash)
    assert_proven(result, "abort", "unpause", "restore")


@pytest.mark.parametrize("start", ["canary-at-25", pytest.param("release-promoted", marks=pytest.mark.long)])
def test_two_at_once_move_the_traffic_once(world: World, taking: Taking, t0: T0, start: str) -> None:
    results: list[RollbackResult] = []
    with world.broken(start):
        both = [threading.Thread(target=lambda: results.append(Taking(world).back(t0))) for _ in range(2)]
        for one in both:
            one.start()
        for one in both:
            one.join()
        assert_serves(world, t0.hash)
    assert [one.proven for one in results] == [True, True], results
    assert sum("restore" in one.did for one in results) == 1


@pytest.mark.parametrize("start", ["canary-at-25", pytest.param("release-promoted", marks=pytest.mark.long)])
def test_a_controller_that_is_away_finds_everything_said_when_it_is_back(
    world: World, taking: Taking, t0: T0, start: str
) -> None:
    def scale(replicas: int) -> None:
        world.kubectl("-n", "argo-rollouts", "scale", "deployment", "argo-rollouts", f"--replicas={replicas}")

    def pods() -> str:
        return world.kubectl("-n", "argo-rollouts", "get", "pods", "-o", "name")

    with world.broken(start):
        scale(0)
        try:
            eventually("no controller", pods, lambda left: not left)
            result = taking.back(t0, at="restore", does=lambda: scale(1), deadline=30)
        finally:
            scale(1)
        assert_serves(world, t0.hash)
    assert result.proven, result


@pytest.mark.parametrize(
    ("start", "moment"),
    [
        ("canary-at-25", "abort"),
        pytest.param("release-promoted", "restore", marks=pytest.mark.long),
        pytest.param("release-promoted", "promote_full", marks=pytest.mark.long),
    ],
)
def test_an_api_server_that_stalls_only_delays(world: World, taking: Taking, t0: T0, start: str, moment: str) -> None:
    server = api_server(world)

    def stall() -> None:
        os.kill(server, signal.SIGSTOP)
        threading.Timer(6.0, os.kill, (server, signal.SIGCONT)).start()

    with world.broken(start):
        result = taking.back(t0, at=moment, does=stall, deadline=30.0)
        assert_serves(world, t0.hash)
    assert result.proven, result
    assert result.to_stable is not None


def test_an_apply_that_arrives_late_is_taken_back(world: World, t0: T0) -> None:
    taking = Taking(world, request_seconds=1.0)
    still = taking.back(t0, applying=True)
    assert (still.found, still.did, still.proven) == (Found.NOT_STARTED, (), True)
    try:
        late = taking.back(t0, applying=True, at="rollback_found", does=starting(world))
        assert_serves(world, t0.hash)
    finally:
        world.sandbox("heal", "canary-at-10")
    assert late.found is Found.CANARY
    assert_proven(late, "abort", "restore")


def starting(world: World) -> Callable[[], object]:
    return lambda: world.sandbox("break", "canary-at-10")
