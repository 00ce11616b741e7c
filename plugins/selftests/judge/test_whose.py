"""Whose canary is it: what another driver's Lease, and this run's own lost one, forbid an automatic rollback."""

from __future__ import annotations

from pathlib import Path

import pytest

from golive.access import Access
from golive.argo import RolloutView
from golive.argo import parse as rollout
from golive.config import load
from golive.errors import Unreachable
from golive.executor import Executor
from golive.journal import Entry
from golive.lease import LeaseView, parse
from golive.order import Order
from golive.record import open_run
from golive.redact import Redactor
from golive.specs import spec_of
from golive.types import Json
from golive.whose import Holding, Whose, clock
from selftests.judge.recorded import Recorded
from selftests.judge.test_lease import MINE, NOW, OTHER, lease

SPEC: Json = {"template": {"spec": {"containers": []}}, "strategy": {"canary": {"steps": [{"setWeight": 10}]}}}


def entries(*kinds: str) -> list[Entry]:
    data: Json = {"uid": "u", "generation": 5, "hash": "new", "stable": "old", "spec": spec_of({"spec": SPEC})}
    return [Entry(number, "", "", kind, data, "", "") for number, kind in enumerate(kinds)]


def seen(
    generation: int = 5, *, stable: str = "old", abort: bool = False, uid: str = "u", spec: Json | None = None
) -> RolloutView:
    status: Json = {"stableRS": stable, "currentPodHash": "new", **({"abort": True} if abort else {})}
    return rollout({"metadata": {"uid": uid, "generation": generation}, "spec": spec or {}, "status": status})


def bars(found: Json | None, journal: list[Entry], view: RolloutView | None = None, *, lost: bool = False) -> str:
    def read() -> LeaseView | None:
        return None if found is None else parse(found, NOW)

    return Whose("me", MINE, read, lambda: view).bars(journal, Holding(lost))


@pytest.mark.parametrize("kinds", [("run",), ("apply_sent", "apply_refused")])
def test_a_run_without_a_canary_leaves_a_living_drivers_alone(kinds: tuple[str, ...]) -> None:
    said = bars(lease(), entries(*kinds))
    assert said == "driven by Robin, run earlier, since 2031-05-01T11:00:00+00:00"


@pytest.mark.parametrize(
    "found", [None, lease(age=99), lease(handover=True, seconds=60), lease(holder="me"), lease(digest=OTHER)]
)
def test_it_takes_back_what_nobody_drives(found: Json | None) -> None:
    assert not bars(found, entries("run"))


@pytest.mark.parametrize("kinds", [("applied",), ("apply_sent",), ("lock", "applied")])
def test_its_own_canary_goes_back_while_the_lease_is_its_own(kinds: tuple[str, ...]) -> None:
    assert not bars(lease(holder="me"), entries(*kinds), seen(9))


OTHERS = [seen(6), seen(abort=True), seen(stable="new"), seen(uid="v"), None]


@pytest.mark.parametrize("view", OTHERS)
@pytest.mark.parametrize("lost", [True, False], ids=["told", "not yet told"])
def test_after_the_lease_was_lost_only_what_was_applied_goes_back(view: RolloutView | None, lost: bool) -> None:
    journal = entries("lock", "applied")
    assert "run earlier" in bars(lease(), journal, view, lost=lost)
    assert not bars(lease(), journal, seen(), lost=lost)


@pytest.mark.parametrize("lost", [True, False], ids=["told", "not yet told"])
def test_what_an_autoscaler_scaled_is_still_its_own(lost: bool) -> None:
    journal = entries("lock", "applied")
    assert not bars(lease(), journal, seen(6, spec={**SPEC, "replicas": 7}), lost=lost)
    assert "run earlier" in bars(lease(), journal, seen(6, spec={**SPEC, "paused": True}), lost=lost)


@pytest.mark.parametrize("view", OTHERS)
@pytest.mark.parametrize("lost", [True, False], ids=["told", "not yet told"])
def test_where_the_lease_is_gone_nobody_else_answers_for_the_canary(view: RolloutView | None, lost: bool) -> None:
    assert not bars(None, entries("lock", "applied"), view, lost=lost)


def test_a_lease_that_cannot_be_read_bars_nothing() -> None:
    def unread() -> LeaseView | None:
        raise Unreachable("no answer")

    assert not Whose("me", MINE, unread, lambda: seen(9)).bars(entries("run"), Holding())


def test_a_renewal_a_moment_ago_needs_no_look_and_one_before_a_gap_does() -> None:
    journal, whose = entries("lock", "applied"), Whose("me", MINE, lambda: parse(lease(), NOW), lambda: seen(9))
    assert not whose.bars(journal, Holding(sure_until=clock() + 5))
    assert whose.bars(journal, Holding(sure_until=clock() - 1))


def test_the_executor_only_looks_at_another_drivers_canary(tmp_path: Path) -> None:
    settings = load(Path(__file__).resolve().parents[3] / "golive.example.toml")
    path = f"/apis/coordination.k8s.io/v1/namespaces/{settings.target.namespace}/leases/{settings.lease}"
    run, journal = open_run(tmp_path, settings.release.digest, Redactor(), who="test", about={})
    with Recorded({path: (200, lease(digest=settings.release.digest))}) as server:
        order = Order(
            run=run,
            settings=settings,
            ratified_path=tmp_path,
            scope=(),
            access=Access("none", "http://127.0.0.1:9"),
            armed=True,
            who="Sanne",
            started="",
        )
        hands = Executor(order, journal, Redactor(), cluster=server.cluster())
        hands.act("0.5-services", 0.0)
    assert hands.result is not None
    assert not hands.result.did
    assert not hands.result.proven
    assert "driven by Robin, run earlier" in hands.result.remark
    (said,) = [entry for entry in journal.read() if entry.kind.startswith("rollback")]
    assert (said.kind, said.data) == ("rollback_looked", hands.result.to_json())
