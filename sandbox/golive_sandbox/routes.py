"""From Ingresses to routes, as the nginx ingress controller reads them: the primary's paths, and the canary on each.

Pure: objects in, routes out. A canary Ingress adds itself to a path of a primary with the same host and path, never
makes one of its own, and is left out where it names the very Service of the primary (Argo copies rules whole).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from golive_sandbox.agent.directory import Endpoint
from golive_sandbox.types import Json, JsonValue, dig, items, mapping, text

PREFIX = "nginx.ingress.kubernetes.io/"
INGRESS_CLASS = "nginx"
_CLASS_ANNOTATION = "kubernetes.io/ingress.class"


class Services(Protocol):
    """Where the cluster's Services lead; the agent's directory is one."""

    def ready(self, namespace: str, service: str, port: JsonValue) -> Sequence[Endpoint]:
        """The ready endpoints behind a Service's port."""

    def version(self, namespace: str, service: str) -> str:
        """The hash of the version that a Service selects; the empty string when it selects none by hash."""


@dataclass(frozen=True, slots=True)
class Backend:
    """A Service's port, the version it selects (a pod template's hash, or none), and what is ready behind it."""

    namespace: str
    service: str
    port: int | str
    version: str
    endpoints: tuple[Endpoint, ...]


@dataclass(frozen=True, slots=True)
class Canary:
    """Who gets the canary: the header decides, then the cookie, then a draw of ``weight`` in ``weight_total``.

    An empty ``header`` or ``cookie`` is not asked. A header's value ``always`` or ``never`` decides, unless
    ``header_value`` or ``header_pattern`` says which value does.
    """

    ingress: str
    backend: Backend
    weight: int
    weight_total: int
    header: str
    header_value: str
    header_pattern: str
    cookie: str


@dataclass(frozen=True, slots=True)
class Route:
    """One host and path, and where it leads. An empty ``host`` means every host."""

    namespace: str
    ingress: str
    host: str
    path: str
    path_type: str
    backend: Backend
    canary: Canary | None


def routes(ingresses: Iterable[Json], services: Services) -> list[Route]:
    """All routes, in a lasting order; of two primaries with one host and path the older wins."""
    ours = sorted((one for one in ingresses if _is_ours(one)), key=_age)
    canaries = [one for one in ours if _annotation(one, "canary") == "true"]
    found: dict[tuple[str, str, str], Route] = {}
    for ingress in ours:
        if ingress not in canaries:
            for host, path in _paths(ingress):
                route = _route(ingress, host, path, canaries, services)
                found.setdefault((route.host, route.path, route.path_type), route)
    return [found[key] for key in sorted(found)]


def _route(ingress: Json, host: str, path: Json, canaries: Sequence[Json], services: Services) -> Route:
    namespace, name = text(ingress, "metadata", "namespace"), text(ingress, "metadata", "name")
    backend = _backend(namespace, path, services)
    kind = text(path, "pathType") or "ImplementationSpecific"
    place = (namespace, host, text(path, "path") or "/")
    canary = next((one for each in canaries if (one := _canary(each, place, backend, services)) is not None), None)
    return Route(namespace, name, host, place[2], kind, backend, canary)


def _canary(ingress: Json, place: tuple[str, str, str], primary: Backend, services: Services) -> Canary | None:
    """The canary that this Ingress puts on a path, if it does."""
    namespace = text(ingress, "metadata", "namespace")
    for host, path in _paths(ingress):
        if (namespace, host, text(path, "path") or "/") != place:
            continue
        backend = _backend(namespace, path, services)
        if (backend.service, backend.port) == (primary.service, primary.port):
            continue
        return Canary(
            ingress=text(ingress, "metadata", "name"),
            backend=backend,
            weight=_whole(_annotation(ingress, "canary-weight"), 0),
            # A total below one would divide by nothing; nginx takes its default then.
            weight_total=_whole(_annotation(ingress, "canary-weight-total"), 100) or 100,
            header=_annotation(ingress, "canary-by-header"),
            header_value=_annotation(ingress, "canary-by-header-value"),
            header_pattern=_annotation(ingress, "canary-by-header-pattern"),
            cookie=_annotation(ingress, "canary-by-cookie"),
        )
    return None


def _paths(ingress: Json) -> list[tuple[str, Json]]:
    return [
        (text(rule, "host"), path)
        for rule in items(ingress, "spec", "rules")
        for path in items(mapping(rule, "http"), "paths")
    ]


def _backend(namespace: str, path: Json, services: Services) -> Backend:
    service = text(path, "backend", "service", "name")
    port = dig(path, "backend", "service", "port", "number") or text(path, "backend", "service", "port", "name")
    known = port if isinstance(port, int | str) else ""
    version = services.version(namespace, service)
    return Backend(namespace, service, known, version, tuple(services.ready(namespace, service, known)))


def _is_ours(ingress: Json) -> bool:
    named = text(ingress, "spec", "ingressClassName") or text(ingress, "metadata", "annotations", _CLASS_ANNOTATION)
    return named in ("", INGRESS_CLASS)


def _annotation(ingress: Json, name: str) -> str:
    return text(ingress, "metadata", "annotations", PREFIX + name)


def _whole(value: str, default: int) -> int:
    """nginx ignores an annotation that is no whole number."""
    return int(value) if value.isascii() and value.isdigit() else default


def _age(ingress: Json) -> tuple[str, str, str]:
    metadata = mapping(ingress, "metadata")
    return text(metadata, "creationTimestamp"), text(metadata, "namespace"), text(metadata, "name")
