from __future__ import annotations

from collections.abc import Sequence

import pytest

from golive_sandbox.agent.directory import Endpoint
from golive_sandbox.routes import PREFIX, Canary, Route, routes
from golive_sandbox.types import Json, JsonValue


class Known:
    """Every Service has one ready pod and selects the version of its own name."""

    def ready(self, _namespace: str, service: str, _port: JsonValue) -> Sequence[Endpoint]:
        return [Endpoint(f"198.18.0.{len(service)}", 4000)]

    def version(self, _namespace: str, service: str) -> str:
        return f"hash-{service}"


def ingress(name: str, *backends: tuple[str, str], kind: str = "nginx", **annotations: str) -> Json:
    """An Ingress of one host; ``backends`` are paths and Services, ``annotations`` nginx ones with `_` for `-`."""
    paths: list[JsonValue] = [
        {"path": path, "pathType": "Prefix", "backend": {"service": {"name": service, "port": {"number": 80}}}}
        for path, service in backends
    ]
    marks: Json = {PREFIX + key.replace("_", "-"): value for key, value in annotations.items()}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": name, "namespace": "n", "annotations": marks},
        "spec": {"ingressClassName": kind, "rules": [{"host": "h", "http": {"paths": paths}}]},
    }


def canary(**annotations: str) -> Canary | None:
    """What a canary Ingress with these annotations adds to its primary."""
    (route,) = routes(
        [ingress("p", ("/", "stable")), ingress("c", ("/", "new"), canary="true", **annotations)], Known()
    )
    return route.canary


def test_a_primary_is_a_route_with_its_endpoints() -> None:
    (route,) = routes([ingress("p", ("/", "stable"))], Known())
    assert isinstance(route, Route)
    assert (route.host, route.path, route.backend.service) == ("h", "/", "stable")
    assert route.backend.endpoints == (Endpoint("198.18.0.6", 4000),)
    assert route.canary is None


@pytest.mark.parametrize(
    ("annotations", "weight", "total"),
    [
        ({"canary_weight": "25"}, 25, 100),
        ({"canary_weight": "5", "canary_weight_total": "1000"}, 5, 1000),
        ({}, 0, 100),
        ({"canary_weight": "much"}, 0, 100),
        ({"canary_weight": "-1"}, 0, 100),
        ({"canary_weight": "1", "canary_weight_total": "0"}, 1, 100),
    ],
)
def test_the_weight_is_read_as_nginx_reads_it(annotations: dict[str, str], weight: int, total: int) -> None:
    found = canary(**annotations)
    assert found is not None
    assert (found.weight, found.weight_total, found.backend.service) == (weight, total, "new")


def test_header_and_cookie_are_kept() -> None:
    found = canary(canary_by_header="x-v", canary_by_header_value="new", canary_by_cookie="beta")
    assert found is not None
    assert (found.header, found.header_value, found.header_pattern, found.cookie) == ("x-v", "new", "", "beta")


def test_a_canary_of_the_same_service_or_of_an_unknown_path_is_none() -> None:
    both = [
        ingress("p", ("/", "stable"), ("/docs", "docs")),
        ingress("c", ("/", "new"), ("/docs", "docs"), ("/more", "more"), canary="true", canary_weight="10"),
    ]
    found = {route.path: route.canary for route in routes(both, Known())}
    assert set(found) == {"/", "/docs"}
    assert found["/docs"] is None
    assert found["/"] is not None


def test_another_class_of_ingress_is_somebody_else_s() -> None:
    assert routes([ingress("p", ("/", "stable"), kind="traefik")], Known()) == []


def dict_of(value: Json, key: str) -> Json:
    found = value[key]
    assert isinstance(found, dict)
    return found
