"""A rollback under a GitOps owner: what heals by itself gets an abort and no restore, and the source is named."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from golive.rollback import T0, Found, classify
from golive.types import Json, JsonValue, dig
from selftests.live.taking import ROLLOUT, Taking, asked_of, assert_proven, assert_serves
from selftests.live.world import World, eventually

TRACKING = "argocd.argoproj.io/tracking-id"
MARK = "maestro:argoproj.io/Rollout:maestro/maestro-server"
APPLICATIONS: Json = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "applications.argoproj.io"},
    "spec": {
        "group": "argoproj.io",
        "scope": "Namespaced",
        "names": {"kind": "Application", "plural": "applications", "singular": "application"},
        "versions": [
            {
                "name": "v1alpha1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                },
            }
        ],
    },
}
"""As much of Argo CD as the suite reads: its Application, without the controller."""


@pytest.fixture
def taking(world: World) -> Taking:
    """As the administrator: whether the suite's own user may read Applications is not the matter here."""
    return Taking(world, admin=True)


@contextmanager
def application(world: World, folder: Path, policy: Json) -> Iterator[None]:
    """An Application ``maestro`` in ``argocd`` with this ``syncPolicy``."""
    body: Json = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": "maestro", "namespace": "argocd"},
        "spec": {"syncPolicy": policy},
    }
    space: Json = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "argocd"}}
    for name, one in (("crd", APPLICATIONS), ("namespace", space), ("app", body)):
        file = folder / f"{name}.json"
        file.write_text(json.dumps(one), encoding="utf-8")
        world.kubectl("apply", "-f", str(file))
        if name == "crd":
            world.kubectl("wait", "--for=condition=Established", "crd/applications.argoproj.io", "--timeout=30s")
    try:
        yield
    finally:
        world.kubectl("-n", "argocd", "delete", "applications.argoproj.io", "maestro")


def weight(world: World) -> JsonValue:
    """What the canary gets, by the Rollout's status."""
    return dig(world.rollout(), "status", "canary", "weights", "canary", "weight")


HEALING: Json = {"automated": {"selfHeal": True}}


def test_an_owner_that_heals_gets_an_abort_and_no_restore(world: World, taking: Taking, tmp_path: Path) -> None:
    t0 = taking.t0()
    with application(world, tmp_path, HEALING), taking.marked(TRACKING, MARK), world.broken("canary-at-25"):
        before = dig(world.rollout(), "spec", "template")
        result = taking.back(t0)
        assert dig(world.rollout(), "spec", "template") == before
        assert weight(world) == 0
        found, _, why = classify(taking.cluster, taking.target, t0=t0, already_rolled_back=True)
    assert (result.found, result.did, result.proven) == (Found.CANARY, ("abort",), True), result
    assert {leg.leg for leg in result.legs} == {"weights", "ingress", "stable_service", "endpoints", "requests"}
    assert "Argo CD Application maestro (it heals by itself, so only the abort was sent)" in result.remark
    assert "argocd app set maestro --sync-policy none" in result.remark
    assert found is Found.ALREADY_BACK, why


def test_an_owner_that_does_not_heal_is_named_after_the_whole_rollback(
    world: World, taking: Taking, tmp_path: Path
) -> None:
    t0 = taking.t0()
    with application(world, tmp_path, {"automated": {}}), taking.marked(TRACKING, MARK), world.broken("canary-at-25"):
        result = taking.back(t0)
        assert_serves(world, t0.hash)
    assert_proven(result, "abort", "restore")
    assert "Argo CD Application maestro (it does not heal by itself): revert its source" in result.remark


@pytest.mark.parametrize("seen", ["healing", "unknown"])
def test_a_promoted_release_of_an_owner_that_may_heal_is_left_and_told(
    world: World, taking: Taking, tmp_path: Path, seen: str
) -> None:
    t0: T0 = taking.t0()
    mark = MARK if seen == "healing" else MARK.replace("maestro:", "nobody:", 1)
    with (
        application(world, tmp_path, HEALING),
        taking.marked(TRACKING, mark),
        world.broken("release-promoted"),
    ):
        version = asked_of(world)
        result = taking.back(t0)
        assert asked_of(world) == version
    assert (result.found, result.did, result.proven) == (Found.PROMOTED, (), False)
    assert "so nothing was restored" in result.remark
    assert ("heals by itself," if seen == "healing" else "may not be read") in result.remark


@pytest.mark.long
def test_a_template_that_comes_back_after_every_restore_is_aborted_and_its_source_named(
    world: World, taking: Taking
) -> None:
    """An owner without a mark: nothing tells of it but what it does."""
    t0 = taking.t0()
    with world.broken("canary-at-25"):
        release = dig(world.rollout(), "spec", "template")
        loop = {"left": 3}

        def again() -> None:
            if loop["left"]:
                loop["left"] -= 1
                taking.patch({"op": "replace", "path": "/spec/template", "value": release})

        result = taking.back(t0, at="restore", does=again, always=True)
        eventually("no weight", lambda: weight(world), lambda one: one == 0)
        assert dig(world.rollout(), "status", "abort") is True
    assert (result.did, result.proven) == (("abort", "restore"), False)
    assert "came back after every restore: revert its source" in result.remark
    assert ROLLOUT in result.remark
