"""A small asynchronous client for the API server: raw JSON in and out, a deadline on every request.

The sandbox's own hands. The suite under test has its own client and reaches the sandbox as any cluster.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator
from typing import Literal, TypeAlias, cast

import aiohttp

from golive_sandbox import waiting
from golive_sandbox.errors import ApiError
from golive_sandbox.types import Json, items, text

Param: TypeAlias = str | int | bool | None
PatchKind: TypeAlias = Literal["merge", "json", "apply"]
Body: TypeAlias = "Json | list[Json] | None"
Event: TypeAlias = tuple[str, Json]

_CONTENT_TYPES: dict[PatchKind, str] = {
    "merge": "application/merge-patch+json",
    "json": "application/json-patch+json",
    "apply": "application/apply-patch+yaml",
}
FIELD_MANAGER = "golive-sandbox"
_WATCH_SECONDS = 300  # the server ends a watch after this; the next one continues where it ended
_RETRY_SECONDS = 0.2


class Api:
    """One API server, reached at ``server`` (``https://127.0.0.1:PORT``) with the client certificate in ``tls``.

    ``seconds`` is the deadline of one request. Raises ``ApiError`` for every answer that is not a success;
    its ``status`` is 0 when there was no answer. Use inside one event loop, and ``await close()`` at the end.
    """

    def __init__(self, server: str, tls: ssl.SSLContext, *, seconds: float = 10.0) -> None:
        self.server = server.rstrip("/")
        self._tls = tls
        self._seconds = seconds
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close the connections; watches end with an error."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def get(self, path: str, **params: Param) -> Json:
        """GET an object or a list."""
        return await self._send("GET", path, None, params)

    async def create(self, path: str, body: Json, **params: Param) -> Json:
        """POST ``body`` to a collection or a subresource."""
        return await self._send("POST", path, body, params)

    async def replace(self, path: str, body: Json, **params: Param) -> Json:
        """PUT ``body``; it has to carry the resourceVersion that was read."""
        return await self._send("PUT", path, body, params)

    async def patch(self, path: str, body: Body, kind: PatchKind = "merge", **params: Param) -> Json:
        """PATCH as a merge patch, a JSON patch (a list of operations) or a forced server-side apply."""
        if kind == "apply":
            params = {"fieldManager": FIELD_MANAGER, "force": True, **params}
        return await self._send("PATCH", path, body, params, _CONTENT_TYPES[kind])

    async def delete(self, path: str, body: Json | None = None, **params: Param) -> Json:
        """DELETE an object; ``body`` is a ``DeleteOptions`` (grace period, propagation policy, preconditions)."""
        return await self._send("DELETE", path, body, params)

    async def list(self, path: str, **params: Param) -> list[Json]:
        """The items of a list."""
        return items(await self.get(path, **params), "items")

    async def gone(self, path: str) -> bool:
        """Is there no such object?"""
        try:
            await self.get(path)
        except ApiError as answer:
            if answer.status == 404:
                return True
            raise
        return False

    async def text(self, path: str, **params: Param) -> str:
        """GET something that is not JSON (``/readyz``, a pod's log)."""
        return (await self._raw("GET", path, None, params)).decode()

    async def watch(self, path: str, **params: Param) -> AsyncIterator[Event]:
        """List, then watch, for ever: ``("ADDED" | "MODIFIED" | "DELETED", object)``.

        Survives expired resource versions (410), ended watches and lost connections by listing again; what
        vanished meanwhile is reported as DELETED. Raises ``ApiError`` when the server refuses (403, 404 …).
        """
        known: dict[str, Json] = {}
        while True:
            try:
                async for event in self._list_and_watch(path, params, known):
                    yield event
            except ApiError as trouble:
                if trouble.status not in (0, 410, 429, 500, 503, 504):
                    raise
            await waiting.pause(_RETRY_SECONDS)

    async def _list_and_watch(
        self, path: str, params: dict[str, Param], known: dict[str, Json]
    ) -> AsyncIterator[Event]:
        listing = await self.get(path, **params)
        kind, version = text(listing, "kind").removesuffix("List"), text(listing, "apiVersion")
        present = {text(item, "metadata", "uid"): item for item in items(listing, "items")}
        for uid in known.keys() - present.keys():
            yield "DELETED", known.pop(uid)
        for uid, item in present.items():
            # A list leaves these two out of its items; a watch does not.
            item.setdefault("kind", kind)
            item.setdefault("apiVersion", version)
            before = known.get(uid)
            known[uid] = item
            if before is None:
                yield "ADDED", item
            elif text(before, "metadata", "resourceVersion") != text(item, "metadata", "resourceVersion"):
                yield "MODIFIED", item
        at = text(listing, "metadata", "resourceVersion")
        while True:
            async for event_type, item in self._watch_once(path, {**params, "resourceVersion": at}):
                at = text(item, "metadata", "resourceVersion") or at
                if event_type == "BOOKMARK":
                    continue
                uid = text(item, "metadata", "uid")
                if event_type == "DELETED":
                    known.pop(uid, None)
                else:
                    known[uid] = item
                yield event_type, item

    async def _watch_once(self, path: str, params: dict[str, Param]) -> AsyncIterator[Event]:
        query = _query({**params, "watch": True, "allowWatchBookmarks": True, "timeoutSeconds": _WATCH_SECONDS})
        # No deadline on the whole (it is a watch), but one on connecting and on silence beyond the server's own limit.
        limits = aiohttp.ClientTimeout(total=None, sock_connect=self._seconds, sock_read=_WATCH_SECONDS + 30)
        try:
            async with self._client().get(self.server + path, params=query, timeout=limits) as answer:
                if answer.status != 200:
                    raise _error(answer.status, await answer.read())
                async for line in _lines(answer.content):
                    event = cast("Json", json.loads(line))
                    item = cast("Json", event["object"])
                    if event["type"] == "ERROR":
                        raise ApiError(
                            int(cast("int", item.get("code", 500))), text(item, "reason"), text(item, "message")
                        )
                    yield cast("str", event["type"]), item
        except (aiohttp.ClientError, TimeoutError, OSError) as lost:
            raise ApiError(0, "Unreachable", f"watch {path}: {lost!r}") from lost

    async def _send(
        self,
        method: str,
        path: str,
        body: Body,
        params: dict[str, Param],
        content: str = "application/json",
    ) -> Json:
        answer = await self._raw(method, path, body, params, content)
        return cast("Json", json.loads(answer)) if answer else {}

    async def _raw(
        self,
        method: str,
        path: str,
        body: Body,
        params: dict[str, Param],
        content: str = "application/json",
    ) -> bytes:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": content} if data is not None else {}
        request = self._client().request(method, self.server + path, params=_query(params), data=data, headers=headers)
        try:
            async with request as answer:
                received = await answer.read()
                if answer.status >= 300:
                    raise _error(answer.status, received)
                return received
        except (aiohttp.ClientError, TimeoutError, OSError) as lost:
            raise ApiError(0, "Unreachable", f"{method} {path} at {self.server}: {lost!r}") from lost

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            # limit=0: every watch holds a connection, and a bound on them would deadlock the next request.
            connector = aiohttp.TCPConnector(ssl=self._tls, limit=0)
            self._session = aiohttp.ClientSession(
                connector=connector, timeout=aiohttp.ClientTimeout(total=self._seconds)
            )
        return self._session


async def _lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Whole lines of any length: a watch event may be longer than the 64 kB the reader's own iteration allows."""
    rest = b""
    async for chunk in content.iter_any():
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            if line.strip():
                yield line


def _query(params: dict[str, Param]) -> dict[str, str]:
    return {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in params.items()
        if value is not None
    }


def _error(status: int, body: bytes) -> ApiError:
    try:
        answer = cast("Json", json.loads(body))
    except ValueError:
        return ApiError(status, "Unknown", body.decode(errors="replace")[:500])
    return ApiError(status, text(answer, "reason") or "Unknown", text(answer, "message"))
