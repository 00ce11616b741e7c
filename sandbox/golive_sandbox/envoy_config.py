"""What Envoy is told, from the routes of the Ingresses. Pure: routes in, configuration out.

A cluster is one version behind one Service (``NAMESPACE.SERVICE.HASH``), so that Envoy's counters are per version.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from golive_sandbox.agent.addresses import on_loopback
from golive_sandbox.agent.directory import Endpoint
from golive_sandbox.routes import Backend, Canary, Route
from golive_sandbox.types import Json, JsonValue

LISTENER = "ingress"
_ROUTES = "ingress"
_TYPE = "type.googleapis.com/envoy."
_CONNECT_TIMEOUT = "1s"
# The server closes an idle connection after 75 s: whoever closes first must not be the one that is asked just then.
_UPSTREAM_IDLE = "30s"
_ANSWER_TIMEOUT = "60s"  # nginx's proxy_read_timeout
_MANY = 100_000
# nginx tries the next pod when one could not be reached; what was sent once is never sent twice (POST counts).
_RETRY: Json = {
    "retry_on": "connect-failure,reset-before-request",
    "num_retries": 2,
    "retry_host_predicate": [
        {
            "name": "envoy.retry_host_predicates.previous_hosts",
            "typed_config": {"@type": _TYPE + "extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"},
        }
    ],
    "host_selection_retry_max_attempts": 3,
    "retry_back_off": {"base_interval": "0.01s", "max_interval": "0.05s"},
}
_COUNTED = r"cluster\..*\.upstream_(rq_completed|rq_total|rq_retry|cx_connect_fail)|http\.ingress\.rds\..*"


@dataclass(frozen=True, slots=True)
class Files:
    """Where the configuration lies below ``folder``."""

    folder: Path

    @property
    def bootstrap(self) -> Path:
        """What Envoy is started with."""
        return self.folder / "bootstrap.json"

    @property
    def clusters(self) -> Path:
        """Followed: all clusters."""
        return self.folder / "clusters.json"

    @property
    def routes(self) -> Path:
        """Followed: all routes."""
        return self.folder / "routes.json"

    def endpoints(self, cluster: str) -> Path:
        """Followed: what is ready in one cluster."""
        return self.folder / "endpoints" / f"{cluster}.json"


def names(routes: Iterable[Route]) -> dict[Backend, str]:
    """The cluster of each backend. A second port of one Service gets a name of its own, with the port in it."""
    found: dict[Backend, str] = {}
    for route in routes:
        for backend in (route.backend, *([route.canary.backend] if route.canary else [])):
            if backend not in found:
                name = f"{backend.namespace}.{backend.service}.{backend.version or 'none'}"
                found[backend] = f"{name}.{backend.port}" if name in found.values() else name
    return found


def bootstrap(files: Files, admin: Path) -> Json:
    """The static part: the admin socket, one listener on a free port, and where the rest is read."""
    manager: Json = {
        "@type": _TYPE + "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "ingress",
        "strip_any_host_port": False,
        "rds": {"route_config_name": _ROUTES, "config_source": _source(files.routes)},
        "http_filters": [
            {
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": _TYPE + "extensions.filters.http.router.v3.Router"},
            }
        ],
    }
    listener: Json = {
        "name": LISTENER,
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    }
    counted: Json = {"safe_regex": {"regex": _COUNTED}}
    return {
        "node": {"id": "ingress", "cluster": "golive-sandbox"},
        "admin": {"address": {"pipe": {"path": str(admin), "mode": 0o600}}},
        "stats_config": {"stats_matcher": {"inclusion_list": {"patterns": [counted]}}},
        "dynamic_resources": {"cds_config": _source(files.clusters)},
        "static_resources": {"listeners": [listener]},
    }


def clusters(files: Files, known: Iterable[str]) -> Json:
    """All clusters; their endpoints come from a file of each."""
    return _resources([_cluster(files, name) for name in sorted(known)])


def endpoints(cluster: str, ready: Sequence[Endpoint]) -> Json:
    """What is ready in one cluster; nothing at all gives its callers 503."""
    addresses: list[JsonValue] = [
        {"endpoint": {"address": {"socket_address": {"address": on_loopback(one.address), "port_value": one.port}}}}
        for one in ready
    ]
    assignment: Json = {
        "@type": _TYPE + "config.endpoint.v3.ClusterLoadAssignment",
        "cluster_name": cluster,
        "endpoints": [{"lb_endpoints": addresses}] if addresses else [],
    }
    return _resources([assignment])


def route_table(routes: Sequence[Route], named: Mapping[Backend, str]) -> Json:
    """All routes: a virtual host a host; exact paths before prefixes, long ones before short ones."""
    hosts: dict[str, list[Route]] = {}
    for route in sorted(routes, key=lambda one: (one.path_type != "Exact", -len(one.path), one.path)):
        hosts.setdefault(route.host or "*", []).append(route)
    virtual: list[JsonValue] = [
        {"name": host, "domains": [host], "routes": [rule for route in of_host for rule in _rules(route, named)]}
        for host, of_host in sorted(hosts.items())
    ]
    table: Json = {
        "@type": _TYPE + "config.route.v3.RouteConfiguration",
        "name": _ROUTES,
        "ignore_port_in_host_matching": True,
        "virtual_hosts": virtual,
    }
    return _resources([table])


def _source(path: Path) -> Json:
    return {"resource_api_version": "V3", "path_config_source": {"path": str(path)}}


def _resources(found: Sequence[Json]) -> Json:
    return {"resources": list(found)}


def _cluster(files: Files, name: str) -> Json:
    return {
        "@type": _TYPE + "config.cluster.v3.Cluster",
        "name": name,
        "type": "EDS",
        "connect_timeout": _CONNECT_TIMEOUT,
        "eds_cluster_config": {"eds_config": _source(files.endpoints(name))},
        # nginx knows no such limits.
        "circuit_breakers": {
            "thresholds": [
                {"max_connections": _MANY, "max_pending_requests": _MANY, "max_requests": _MANY, "max_retries": _MANY}
            ]
        },
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": _TYPE + "extensions.upstreams.http.v3.HttpProtocolOptions",
                "common_http_protocol_options": {"idle_timeout": _UPSTREAM_IDLE},
                "explicit_http_config": {"http_protocol_options": {}},
            }
        },
    }


def _rules(route: Route, named: Mapping[Backend, str]) -> list[JsonValue]:
    """The route's rules: who asked for the canary or against it, then the draw."""
    primary, match = named[route.backend], _match(route)
    canary = route.canary
    # As nginx: without a ready pod the canary is passed over, and without one the primary answers 503 to all.
    if canary is None or not canary.backend.endpoints or not route.backend.endpoints:
        return [_rule(match, {"cluster": primary})]
    new = named[canary.backend]
    asked = [
        _rule({**match, "headers": [header]}, {"cluster": new if wanted else primary})
        for header, wanted in _asked(canary)
    ]
    weight = min(canary.weight, canary.weight_total)
    share: list[JsonValue] = [
        {"name": name, "weight": part}
        for name, part in ((primary, canary.weight_total - weight), (new, weight))
        if part
    ]
    return [*asked, _rule(match, {"weighted_clusters": {"clusters": share}})]


def _match(route: Route) -> Json:
    if route.path_type == "Exact":
        return {"path": route.path}
    if route.path_type == "Prefix" and (path := route.path.rstrip("/")):
        return {"path_separated_prefix": path}
    return {"prefix": route.path}


def _rule(match: Json, target: Json) -> Json:
    return {"match": match, "route": {**target, "timeout": _ANSWER_TIMEOUT, "retry_policy": _RETRY}}


def _asked(canary: Canary) -> list[tuple[Json, bool]]:
    """Matchers of the headers that decide, and for which side."""
    found: list[tuple[Json, bool]] = []
    if canary.header and canary.header_value:
        found.append((_header(canary.header, {"exact": canary.header_value}), True))
    elif canary.header and canary.header_pattern:
        if _plain(canary.header_pattern):
            found.append((_header(canary.header, _regex(f".*(?:{canary.header_pattern}).*")), True))
    elif canary.header:
        found += [(_header(canary.header, {"exact": word}), word == "always") for word in ("always", "never")]
    if canary.cookie:
        name = re.escape(canary.cookie)
        found += [
            (_header("cookie", _regex(rf"(?:.*;\s*)?{name}={word}(?:;.*)?")), word == "always")
            for word in ("always", "never")
        ]
    return found


def _header(name: str, value: Json) -> Json:
    return {"name": name, "string_match": value}


def _regex(pattern: str) -> Json:
    return {"safe_regex": {"regex": pattern}}


def _plain(pattern: str) -> bool:
    """Would Envoy (RE2) read it? One pattern it refuses would keep every world's routes from changing."""
    if re.search(r"\(\?(?!:)|\\[1-9]|\+\+|\*\+", pattern):
        return False
    try:
        re.compile(pattern)
    except re.error:
        return False
    return True
