"""What worlds see of the registry: an address that passes reading on, and misbehaves for one world when told to."""

from __future__ import annotations

import aiohttp
from aiohttp import web

from golive_sandbox.registry import misbehaviour
from golive_sandbox.registry.misbehaviour import Act, refusal
from golive_sandbox.registry.server import URL

_READING = ("GET", "HEAD")
_PASSED_ON = ("Accept", "Range", "If-None-Match", "User-Agent")
_PASSED_BACK = (
    "Accept-Ranges", "Content-Length", "Content-Range", "Content-Type", "Docker-Content-Digest",
    "Docker-Distribution-Api-Version", "Etag", "Link", "Location",
)  # fmt: skip
_SECONDS = aiohttp.ClientTimeout(total=30.0)


class Front:
    """``127.0.0.1:port``: passes GET and HEAD below ``/v2/`` on to the registry, byte by byte; refuses all else.

    ``acts`` says for which world (the first part of a repository's name) it does something else than that.
    """

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session
        self._runner: web.AppRunner | None = None
        self.port = 0
        self.acts: dict[str, Act] = {}

    @property
    def host(self) -> str:
        """What stands first in a reference: ``127.0.0.1:PORT``."""
        return f"127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Listen on a free port."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        # Cancellation: one who hangs up does not want the answer any more, however slow it was to be.
        self._runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.port = int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Listen no more."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if request.method not in _READING:
            return refusal(405, "UNSUPPORTED", f"this registry is read only, it takes no {request.method}")
        if not request.path.startswith("/v2/"):
            return refusal(404, "NAME_UNKNOWN", "expected a path below /v2/")
        act = self.acts.get(request.path.removeprefix("/v2/").partition("/")[0], misbehaviour.honest)
        return await act(request, lambda: self._ask(request))

    async def _ask(self, request: web.Request) -> web.Response:
        headers = {name: request.headers[name] for name in _PASSED_ON if name in request.headers}
        try:
            async with self._session.request(
                request.method, URL + request.raw_path, headers=headers, allow_redirects=False, timeout=_SECONDS
            ) as answer:
                return _passed_back(answer, await answer.read())
        except (aiohttp.ClientError, TimeoutError) as trouble:
            return refusal(502, "UNKNOWN", f"the registry behind this address: {type(trouble).__name__}")


def _passed_back(answer: aiohttp.ClientResponse, body: bytes) -> web.Response:
    headers = {name: answer.headers[name] for name in _PASSED_BACK if name in answer.headers}
    return web.Response(status=answer.status, headers=headers, body=body)
