"""A small API server that keeps objects: enough of one for a rollback to read a Rollout, patch it and read again."""

from __future__ import annotations

import copy
import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, urlsplit

from golive.argo import HASH
from golive.t0 import RollbackTarget, target_of
from golive.types import Json, JsonValue, dig, mapping, number, text
from selftests.judge.local_api import LocalApi
from selftests.judge.test_words import SETTINGS

TARGET: RollbackTarget = target_of(SETTINGS)
GOOD, BAD = "good", "bad"
_APPS = f"/apis/apps/v1/namespaces/{TARGET.namespace}/replicasets"
_CORE = f"/api/v1/namespaces/{TARGET.namespace}"
_SYSTEM = "/api/v1/namespaces/kube-system"
SCALERS = f"/apis/autoscaling/v2/namespaces/{TARGET.namespace}/horizontalpodautoscalers"
Patched = Callable[[Json], None]
Refusal = tuple[int, Json]


def template(image: str) -> Json:
    """A pod template with one container."""
    return {"spec": {"containers": [{"name": "server", "image": image}]}}


RELEASE = template(f"{TARGET.image}:{TARGET.tag}@{TARGET.digest}")
BEFORE = template(f"{TARGET.image}:v1@sha256:{'a' * 64}")


def rollout(spec: Json, *, canary: int = 0, on: str = BAD, **status: JsonValue) -> Json:
    """The Rollout with this template, stable on the good version; ``canary``: the weight ``on`` another one."""
    weights: Json = {
        "canary": {"weight": canary, "podTemplateHash": on if canary else GOOD},
        "stable": {"weight": 100 - canary, "podTemplateHash": GOOD},
    }
    strategy: Json = {"canary": {"trafficRouting": {"nginx": {"stableIngress": TARGET.ingress}}}}
    seen: Json = {"observedGeneration": "5", "phase": "Healthy", "stableRS": GOOD, "currentPodHash": GOOD}
    return {
        "metadata": {"name": TARGET.rollout, "uid": "u", "generation": 5, "resourceVersion": "1"},
        "spec": {"replicas": 3, "template": copy.deepcopy(spec), "strategy": strategy},
        "status": {**seen, "canary": {"weights": weights}, **status},
    }


def replica_set(pod_hash: str, spec: Json, replicas: int = 3) -> Json:
    """One that the Rollout owns."""
    owners: list[JsonValue] = [{"uid": "u"}]
    name = f"{TARGET.rollout}-{pod_hash}"
    return {
        "metadata": {"name": name, "labels": {HASH: pod_hash}, "ownerReferences": owners},
        "spec": {"replicas": replicas, "template": copy.deepcopy(spec)},
        "status": {"replicas": replicas, "availableReplicas": replicas},
    }


def service(selected: str) -> Json:
    """A Service that selects this version."""
    return {"spec": {"selector": {"app": "maestro", HASH: selected}, "ports": [{"port": 80}]}}


def answering(pod_hash: str, digest: str) -> dict[str, Json]:
    """A pod of this version behind the stable Service, and the canary's Ingress without weight."""
    status: Json = {"containerStatuses": [{"name": "server", "imageID": f"{TARGET.image}@{digest}"}]}
    slices = f"/apis/discovery.k8s.io/v1/namespaces/{TARGET.namespace}/endpointslices"
    ingresses = f"/apis/networking.k8s.io/v1/namespaces/{TARGET.namespace}/ingresses"
    weight: Json = {"nginx.ingress.kubernetes.io/canary-weight": "0"}
    return {
        f"{_CORE}/pods/one": {"metadata": {"name": "one", "labels": {HASH: pod_hash}}, "status": status},
        f"{slices}/stable": {
            "metadata": {"labels": {"kubernetes.io/service-name": TARGET.stable_service}},
            "endpoints": [{"targetRef": {"name": "one"}}],
        },
        f"{ingresses}/{TARGET.rollout}-{TARGET.ingress}-canary": {"metadata": {"annotations": weight}},
    }


class SmallApi(LocalApi):
    """``objects`` by path, served until the ``with`` block ends.

    ``patched`` is told the object after each patch, as a controller is. ``refuses`` may answer a patch instead.
    """

    def __init__(self, body: Json, *, patched: Patched = lambda _: None) -> None:
        self.objects: dict[str, Json] = {
            _SYSTEM: {"metadata": {"name": "kube-system", "uid": "none"}},
            TARGET.path: body,
            f"{_APPS}/{GOOD}": replica_set(GOOD, BEFORE),
            f"{_APPS}/{BAD}": replica_set(BAD, RELEASE),
            f"{_CORE}/services/{TARGET.stable_service}": service(GOOD),
            f"{_CORE}/services/{TARGET.canary_service}": service(GOOD),
            **answering(GOOD, f"sha256:{'a' * 64}"),
        }
        self.patched = patched
        self.refuses: Callable[[list[Json]], Refusal | None] = lambda _: None
        self.asked: list[str] = []
        self.writes: list[list[Json]] = []
        self._lock = threading.Lock()
        super().__init__("small", self._handler())

    @property
    def rollout(self) -> Json:
        """The Rollout now."""
        return self.objects[TARGET.path]

    @property
    def did(self) -> list[str]:
        """The path that each patch changed last, in their order."""
        return [text(one[-1], "path") for one in self.writes]

    def stable_selects(self, pod_hash: str) -> None:
        """Point the stable Service at another version."""
        self.objects[f"{_CORE}/services/{TARGET.stable_service}"] = service(pod_hash)

    def answer(self, method: str, target: str, body: bytes) -> tuple[int, Json]:
        """What the API server says."""
        path = urlsplit(target).path
        with self._lock:
            self.asked.append(f"{method} {path}")
            if method == "PATCH":
                return self._patch(path, json.loads(body))
            if path in self.objects:
                return 200, self.objects[path]
            if path.rpartition("/")[2] in ("replicasets", "pods", "endpointslices", "horizontalpodautoscalers"):
                return 200, {"items": self._listed(path, parse_qs(urlsplit(target).query))}
        return 404, {"reason": "NotFound", "message": f"no {path}"}

    def _listed(self, path: str, asked: dict[str, list[str]]) -> list[JsonValue]:
        wanted = [one.partition("=") for one in ",".join(asked.get("labelSelector", [])).split(",")]
        pairs = [(key, value) for key, sign, value in wanted if sign and key == HASH]
        mine = [body for name, body in self.objects.items() if name.rpartition("/")[0] == path]
        return [one for one in mine if all(text(one, "metadata", "labels", key) == value for key, value in pairs)]

    def _patch(self, path: str, changes: list[Json]) -> tuple[int, Json]:
        body = self.objects[path.removesuffix("/status")]
        if refusal := self.refuses(changes):
            return refusal
        for one in changes:
            keys = text(one, "path").strip("/").split("/")
            if one["op"] == "test" and dig(body, *keys) != one["value"]:
                return 422, {"reason": "Invalid", "message": "the server rejected our request due to an error in it"}
            if one["op"] != "test":
                mapping(body, *keys[:-1])[keys[-1]] = one["value"]
        self.writes.append(changes)
        if not path.endswith("/status"):
            mapping(body, "metadata")["generation"] = (number(body, "metadata", "generation") or 0) + 1
        self.patched(body)
        return 200, body

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        answer = self.answer

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._say("GET")

            def do_PATCH(self) -> None:
                self._say("PATCH")

            def _say(self, method: str) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                status, found = answer(method, self.path, body)
                data = json.dumps(found).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: object) -> None:
                """Nothing: the test looks at what was asked."""

        return Handler
