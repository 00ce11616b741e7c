"""Put images into the registry and read them back; every byte that is read is compared with its digest."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import aiohttp

from golive_sandbox.errors import SandboxError
from golive_sandbox.registry.oci import INDEX, MANIFEST, Artifact, Blob
from golive_sandbox.registry.server import URL

_ACCEPT = {"Accept": f"{INDEX}, {MANIFEST}"}
_SECONDS = aiohttp.ClientTimeout(total=10.0)


class RegistryError(SandboxError):
    """The registry answered with something else than what was asked for, or not at all."""


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


class Store:
    """The registry as ``session`` reaches it at ``url``. Raises ``RegistryError`` for whatever goes wrong."""

    def __init__(self, session: aiohttp.ClientSession, url: str = URL) -> None:
        self._session = session
        self._url = url

    async def push(self, repository: str, tag: str, image: Artifact, *, like: str = "") -> None:
        """Upload an image and tag it; what the repository ``like`` has already is taken from there."""
        await asyncio.gather(*(self._blob_there(repository, blob, like) for blob in image.blobs))
        await asyncio.gather(*(self._put(repository, one.digest, one) for one in image.manifests))
        await self._put(repository, tag, image.index)

    async def tag(self, repository: str, tag: str, index: Blob) -> None:
        """Let ``tag`` be ``index``, whose manifests are there."""
        await self._put(repository, tag, index)

    async def untag(self, repository: str, tag: str) -> None:
        """Delete a tag; what it named stays, by its digest."""
        await self._send("DELETE", f"{repository}/manifests/{tag}", {202})

    async def manifest(self, repository: str, reference: str) -> Blob | None:
        """The manifest or index of a tag or digest; ``None`` when the registry has none."""
        answer = await self._send("GET", f"{repository}/manifests/{reference}", {200, 404}, headers=_ACCEPT)
        if answer.status == 404:
            return None
        found = Blob(answer.headers.get("Content-Type", ""), answer.body)
        said = reference if reference.startswith("sha256:") else answer.headers.get("Docker-Content-Digest", "")
        return _proven(found, said)

    async def blob(self, repository: str, digest: str) -> Blob | None:
        """A blob; ``None`` when the registry has none."""
        answer = await self._send("GET", f"{repository}/blobs/{digest}", {200, 404})
        return None if answer.status == 404 else _proven(Blob("", answer.body), digest)

    async def _blob_there(self, repository: str, blob: Blob, like: str) -> None:
        more = f"?mount={blob.digest}&from={like}" if like else ""
        # 201: it was taken from the other repository; 202: an upload is open.
        opened = await self._send("POST", f"{repository}/blobs/uploads/{more}", {201, 202})
        if opened.status == 201:
            return
        where = opened.headers["Location"]
        where += ("&" if "?" in where else "?") + f"digest={blob.digest}"
        headers = {"Content-Type": "application/octet-stream"}
        await self._send("PUT", where.removeprefix("/v2/"), {201}, headers=headers, body=blob.data)

    async def _put(self, repository: str, reference: str, one: Blob) -> None:
        path = f"{repository}/manifests/{reference}"
        await self._send("PUT", path, {201}, headers={"Content-Type": one.media_type}, body=one.data)

    async def _send(
        self, method: str, path: str, wanted: set[int], *, headers: dict[str, str] | None = None, body: bytes = b""
    ) -> _Answer:
        try:
            async with self._session.request(
                method, f"{self._url}/v2/{path}", headers=headers, data=body, timeout=_SECONDS, allow_redirects=False
            ) as answer:
                found = _Answer(answer.status, answer.headers, await answer.read())
        except (aiohttp.ClientError, TimeoutError) as trouble:
            raise RegistryError(f"{method} {path}: {type(trouble).__name__}: {trouble}") from trouble
        if found.status not in wanted:
            said = found.body[:200].decode(errors="replace").strip()
            raise RegistryError(f"{method} {path}: expected status {min(wanted)}, found {found.status}: {said}")
        return found


def _proven(found: Blob, said: str) -> Blob:
    if found.digest != said:
        raise RegistryError(f"expected digest {said or '(the registry names none)'}, found {found.digest}")
    return found
