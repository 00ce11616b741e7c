"""The one Kubernetes client: raw JSON, a deadline and a request budget on every call, the identity before every write.

Everything this suite says to a cluster goes through ``Cluster``. It writes only after it has read, live, that the
cluster is the one ``golive.toml`` names.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

from golive.errors import ApiError, Unreachable, WrongCluster
from golive.transport import REFUSED, Call, Response, Transport, refused
from golive.types import Json, JsonValue, dig, items, text
from golive.waiting import wait_for

if TYPE_CHECKING:
    from golive.access import Access
    from golive.config import Target

__all__ = ["Cluster", "PatchKind", "Response", "Review"]

_SYSTEM = "/api/v1/namespaces/kube-system"
_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_JSON_BYTES = 64 * 1024 * 1024
_PAGE = "500"
Objects: TypeAlias = list[Json]


class PatchKind(StrEnum):
    """How a patch is meant; the value is its content type."""

    MERGE = "application/merge-patch+json"
    JSON = "application/json-patch+json"


@dataclass(frozen=True, slots=True)
class Review:
    """The API server's answer to "may I?"."""

    allowed: bool
    reason: str


class Cluster:
    """The cluster behind ``access``; safe to use from several threads.

    ``uid`` is the expected UID of namespace ``kube-system``. ``request_seconds`` is the deadline of one request,
    without the wait for a place among ``requests_per_second``. Every method raises ``Unreachable`` when no proper
    answer came, and its kind ``ApiError`` when the API refused.
    """

    def __init__(self, access: Access, *, uid: str, request_seconds: float, requests_per_second: float) -> None:
        self.access = access
        self.request_seconds = request_seconds
        self._uid = uid
        self._transport = Transport(access, requests_per_second)

    @classmethod
    def of(cls, access: Access, target: Target) -> Cluster:
        """The cluster of ``golive.toml``, with its deadline and its request budget."""
        return cls(
            access,
            uid=target.cluster_uid,
            request_seconds=target.request_seconds,
            requests_per_second=target.requests_per_second,
        )

    def get(self, path: str, **params: str) -> Json:
        """One object."""
        return self._json("GET", path, params=params)

    def find(self, path: str) -> Json | None:
        """One object, or ``None`` where the API server says that there is none."""
        try:
            return self.get(path)
        except ApiError as error:
            if error.status != 404:
                raise
            return None

    def list(self, path: str, **params: str) -> Objects:
        """All objects of a list, page after page; one consistent list, started again when it expired on the way."""
        try:
            return self._pages(path, params)
        except ApiError as error:
            if error.status != 410:
                raise
            return self._pages(path, params)

    def request(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        deadline: float | None = None,
        max_bytes: int = _JSON_BYTES,
    ) -> Response:
        """The raw answer, whatever its status: for proxies and logs. ``deadline`` in seconds."""
        seconds = deadline or self.request_seconds
        return self._transport.send(Call(method, path, body, params or {}, headers or {}, seconds, max_bytes))

    def stream(
        self, path: str, *, params: Mapping[str, str] | None = None, read_seconds: float, deadline: float
    ) -> Iterator[bytes]:
        """An endless answer in parts; ends after ``read_seconds`` of silence or ``deadline`` seconds."""
        return self._transport.stream(Call("GET", path, params=params or {}, seconds=deadline), read_seconds)

    def apply(self, path: str, body: Json, *, field_manager: str, force: bool, dry_run: bool = False) -> Json:
        """A server-side apply, and what it leaves behind; ``dry_run`` changes nothing.

        Raises ``ApiError`` 409 for conflicts with other field managers, or with the body's resource version.
        """
        params = {
            "fieldValidation": "Strict",
            "fieldManager": field_manager,
            "force": "true" if force else "false",
            **({"dryRun": "All"} if dry_run else {}),
        }
        if not dry_run:
            self.check_identity()
        return self._json("PATCH", path, body=body, params=params, content="application/apply-patch+yaml")

    def create(self, path: str, body: Json, *, field_manager: str) -> Json:
        """Create an object in the collection ``path``; ``ApiError`` 409 where it is there already."""
        self.check_identity()
        return self._json("POST", path, body=body, params={"fieldManager": field_manager})

    def delete(self, path: str, *, uid: str, resource_version: str = "") -> None:
        """Delete this very object, if it is as it was seen; ``ApiError`` 404 or 409 otherwise."""
        self.check_identity()
        seen: Json = {"uid": uid, **({"resourceVersion": resource_version} if resource_version else {})}
        self._json("DELETE", path, body={"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": seen})

    def can_i(
        self, verb: str, group: str, resource: str, *, subresource: str = "", namespace: str = "", name: str = ""
    ) -> Review:
        """Ask the API server for one permission; an empty ``namespace`` means the whole cluster."""
        asked: Json = {
            "verb": verb,
            "group": group,
            "resource": resource,
            "subresource": subresource,
            "namespace": namespace,
            "name": name,
        }
        body: Json = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {key: value for key, value in asked.items() if value}},
        }
        answer = self._json("POST", _REVIEWS, body=body)
        allowed = dig(answer, "status", "allowed") is True
        return Review(allowed, text(answer, "status", "reason") or text(answer, "status", "evaluationError"))

    def patch(
        self,
        path: str,
        body: Json | Sequence[Json],
        *,
        kind: PatchKind = PatchKind.MERGE,
        params: Mapping[str, str] | None = None,
    ) -> Json:
        """A write. Raises ``WrongCluster``, with nothing written, when this is not the cluster it should be."""
        self.check_identity()
        return self._json("PATCH", path, body=body, params=params or {}, content=kind.value)

    def observed_uid(self) -> str:
        """The UID of namespace ``kube-system``, read now."""
        uid = text(self.get(_SYSTEM), "metadata", "uid")
        if not uid:
            raise Unreachable(f"GET {_SYSTEM} at {self.access.server}: expected a namespace with a UID, found none")
        return uid

    def check_identity(self) -> None:
        """Read the cluster's identity, now. Raises ``WrongCluster`` when it is another one."""
        seen = self.observed_uid()
        if seen != self._uid:
            raise WrongCluster(
                f"cluster at {self.access.server} (context {self.access.context!r}): expected the kube-system UID "
                f"{self._uid} of target.cluster_uid, found {seen}; nothing was written"
            )

    def version(self) -> str:
        """The server's version, such as ``v1.34.4``."""
        return text(self.get("/version"), "gitVersion")

    def _pages(self, path: str, params: Mapping[str, str]) -> Objects:
        found: Objects = []
        more = ""
        where = f"GET {path} at {self.access.server}"
        while True:
            page = self._json("GET", path, params={"limit": _PAGE, **params, **({"continue": more} if more else {})})
            there, whole = items(page, "items"), page.get("items", "")
            # An object, or a proxy's answer, must not look like "there are none"; null is how the API writes [].
            if whole is not None and (not isinstance(whole, list) or len(there) != len(whole)):
                raise Unreachable(f"{where}: expected a list, found something else")
            found += there
            before, more = more, text(page, "metadata", "continue")
            if not more:
                return found
            if more == before:
                raise Unreachable(f"{where}: expected another page, found the same again")

    def _json(
        self,
        method: str,
        path: str,
        *,
        body: Json | Sequence[Json] | None = None,
        params: Mapping[str, str] | None = None,
        content: str = "application/json",
    ) -> Json:
        data = None if body is None else json.dumps(body).encode()
        headers = {} if data is None else {"Content-Type": content}

        def ask(seconds: float) -> Response:
            return self.request(method, path, body=data, params=params, headers=headers, deadline=seconds)

        answer = self._patiently(ask)
        where = f"{method} {path} at {self.access.server}"
        if answer.status >= 300:
            raise self._refused(answer, where)
        try:
            found: JsonValue = json.loads(answer.body)
        except (ValueError, RecursionError) as error:
            raise Unreachable(f"{where}: expected JSON, found {answer.body[:80]!r} (a proxy or login page?)") from error
        if not isinstance(found, dict):
            raise Unreachable(f"{where}: expected a JSON object, found {answer.body[:80]!r}")
        return found

    def _patiently(self, ask: Callable[[float], Response]) -> Response:
        """The answer; "too many requests" is asked again after as long as the server says, within the deadline."""
        seconds = self.request_seconds
        give_up = time.monotonic() + seconds
        while True:
            answer = ask(seconds)
            pause = next((value for name, value in answer.headers.items() if name.lower() == "retry-after"), "")
            turn = time.monotonic() + (int(pause) if pause.isdecimal() else math.inf)
            if answer.status != 429 or turn >= give_up:
                return answer
            wait_for("the server's turn", time.monotonic, turn.__le__, deadline=seconds, every=0.1)
            seconds = max(give_up - time.monotonic(), 0.05)

    def _refused(self, answer: Response, where: str) -> ApiError:
        """The API's own words as an error; for expired credentials what to do, too."""
        error = refused(answer.status, answer.body)
        message = error.message
        if answer.status == 401:
            message = (
                f"{where}: expected valid credentials for context {self.access.context!r}, found them refused "
                f"(expired or revoked: {message}); log in again or renew the kubeconfig, then start again"
            )
        elif answer.status < 400:
            place = next((value for name, value in answer.headers.items() if name.lower() == "location"), "nowhere")
            message = f"{where}: expected an answer, found it redirected to {place[:200]} (a proxy or login page?)"
        elif answer.status >= 500 or answer.status == 429 or error.reason == REFUSED:
            message = f"{where}: {message}"
        return ApiError(answer.status, error.reason, message)
