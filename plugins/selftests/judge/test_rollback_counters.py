"""Whether a version answers requests, by what its pods tell, and what their Rollout says of itself."""

from __future__ import annotations

import json
import time

import pytest

from golive.argo import parse
from golive.counters import QUIET_SECONDS, Counters, Exporter, count_of
from golive.errors import Unreachable
from golive.t0 import T0
from golive.types import Json
from golive.waiting import wait_for
from selftests.judge.recorded import Answer, Recorded

SOURCE = Exporter("http", 4000, "/metrics", "http_requests_total", "route", ("/a", "/b"))
TYPE = "# TYPE http_requests_total counter\n"


def pod(name: str, *, ready: str = "True", leaving: bool = False) -> Json:
    metadata: Json = {"name": name, **({"deletionTimestamp": "2026-11-24T12:00:00Z"} if leaving else {})}
    return {"metadata": metadata, "status": {"conditions": [{"type": "Ready", "status": ready}]}}


def told(count: int) -> Answer:
    return 200, f'{TYPE}http_requests_total{{route="/a",code="200"}} {count}\n'


def path(name: str) -> str:
    return f"/api/v1/namespaces/maestro/pods/{name}:4000/proxy/metrics"


@pytest.mark.parametrize(
    ("exposition", "count"),
    [
        (TYPE, 0),
        (f'{TYPE}http_requests_total{{route="/a"}} 2\nhttp_requests_total{{route="/b"}} 3\n', 5),
        (f'{TYPE}http_requests_total{{route="/healthz"}} 9\n', 0),
        ('http_requests_total{route="/a"} 7\n', 7),
        (f'broken {{ of somebody else\n{TYPE}http_requests_total{{route="/a"}} 1\n', 1),
    ],
)
def test_requests_are_counted_on_the_routes_that_matter(exposition: str, count: float) -> None:
    assert count_of(exposition, SOURCE) == count


@pytest.mark.parametrize(
    ("exposition", "why"),
    [
        ("", "no series http_requests_total"),
        ("<!doctype html><title>Sign in</title>", "no series"),
        ("http_requests_total_other 1\n", "no series"),
        (f'{TYPE}http_requests_total{{route="/a"}} many\n', "expected a metrics text"),
        (f'{TYPE}http_requests_total{{path="/a"}} 1\n', "has no label route"),
    ],
)
def test_a_text_that_does_not_tell_is_never_a_zero(exposition: str, why: str) -> None:
    with pytest.raises(Unreachable, match=why):
        count_of(exposition, SOURCE)


def settled(counters: Counters, *pods: Json) -> tuple[bool, str]:
    """The last of two looks, far enough from each other."""
    counters.look(pods)
    ends = time.monotonic() + QUIET_SECONDS + 0.05
    wait_for("a moment", time.monotonic, ends.__le__, deadline=5.0, every=0.05)
    return counters.look(pods)


def test_a_counter_that_stands_still_is_no_request_and_one_look_alone_proves_nothing() -> None:
    with Recorded({path("a"): told(5)}) as server:
        counters = Counters(server.cluster(), "maestro", SOURCE)
        assert counters.look([pod("a")])[0] is False
        assert settled(counters, pod("a"))[0] is True


@pytest.mark.parametrize("later", [told(6), told(0)], ids=["more", "started anew"])
def test_a_counter_that_moves_is_traffic(later: Answer) -> None:
    with Recorded({path("a"): [told(5), later]}) as server:
        proven, observed = settled(Counters(server.cluster(), "maestro", SOURCE), pod("a"))
    assert not proven
    assert "requests answered, or not yet two equal looks: a" in observed


@pytest.mark.parametrize("answer", [(401, "who?"), (500, "trouble"), (200, "<html>"), (404, {"message": "gone"})])
def test_a_pod_that_does_not_tell_is_waited_for(answer: Answer) -> None:
    with Recorded({path("a"): answer}) as server:
        proven, observed = settled(Counters(server.cluster(), "maestro", SOURCE), pod("a"))
    assert not proven
    assert "a does not tell" in observed
    assert "waiting for it to be gone" in observed


def test_pods_that_get_no_traffic_are_not_asked() -> None:
    with Recorded({}) as server:
        seen = Counters(server.cluster(), "maestro", SOURCE).look([pod("a", ready="False"), pod("b", leaving=True)])
        assert (seen, server.asked) == ((True, "no pod of another version may take traffic"), [])


def test_of_many_pods_five_are_asked_and_that_is_told() -> None:
    pods = [pod(f"p{number}") for number in range(8)]
    with Recorded({path(f"p{number}"): told(1) for number in range(8)}) as server:
        proven, observed = settled(Counters(server.cluster(), "maestro", SOURCE), *pods)
        assert len(set(server.asked)) == 5
    assert proven
    assert observed.startswith("5 of 8 pods")


@pytest.mark.parametrize(
    ("seen", "wanted", "observed"), [("4", "4", True), ("3", "4", False), ("", "4", False), ("", "", True)]
)
def test_a_workload_that_the_controller_has_not_seen_is_not_observed(seen: str, wanted: str, observed: bool) -> None:
    body: Json = {
        "metadata": {"generation": 2, "annotations": {"rollout.argoproj.io/workload-generation": wanted}},
        "spec": {"workloadRef": {"kind": "Deployment", "name": "maestro-server"}},
        "status": {"observedGeneration": "2", "workloadObservedGeneration": seen},
    }
    assert parse(body).observed is observed


def test_a_selector_of_expressions_is_asked_for_as_it_is_meant() -> None:
    expressions: list[Json] = [
        {"key": "tier", "operator": "In", "values": ["a", "b"]},
        {"key": "job", "operator": "DoesNotExist"},
    ]
    body: Json = {"spec": {"selector": {"matchLabels": {"app": "m"}, "matchExpressions": [*expressions]}}}
    assert parse(body).selector == "app=m,tier in (a,b),!job"


def test_a_snapshot_of_an_older_record_is_read_without_what_it_lacks() -> None:
    t0 = T0("uid", 3, "abc", {"spec": {}}, ("image",), "2026-11-24T12:00:00+00:00", {"digests": {"c": ["sha256:1"]}})
    data: Json = json.loads(json.dumps(t0.to_json()))
    assert T0.from_json(data) == t0
    data.pop("about")
    assert T0.from_json(data).about == {}
