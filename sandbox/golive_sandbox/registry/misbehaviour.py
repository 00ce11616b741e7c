"""How the registry's front can misbehave: each act answers one request, and may ask for the true answer first."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Literal, TypeAlias

from aiohttp import web

from golive_sandbox import waiting

Truth: TypeAlias = Callable[[], Awaitable[web.Response]]
Act: TypeAlias = Callable[[web.Request, Truth], Awaitable[web.StreamResponse]]
Kind: TypeAlias = Literal["manifests", "blobs"]

SLOW_SECONDS = 20.0
"""Clearly more than any deadline of a world's golive.toml."""
ELSEWHERE = "https://elsewhere.example.test"
"""A host that nobody allowed, and that does not exist."""
_CHUNK = b" " * 65536
_HUGE_CHUNKS = 4096  # 256 MiB
_HTML = b"<!doctype html><title>Sign in</title><p>Please sign in to continue.</p>\n"


async def honest(_: web.Request, truth: Truth) -> web.StreamResponse:
    """The true answer."""
    return await truth()


async def slow(_: web.Request, truth: Truth) -> web.StreamResponse:
    """The true answer, after ``SLOW_SECONDS``; ends at once when the client hangs up."""
    await waiting.pause(SLOW_SECONDS)
    return await truth()


def lying(kind: Kind, instead: Mapping[str, bytes]) -> Act:
    """Other bytes where the true ones have a digest of ``instead``, with the headers of the true answer."""

    async def act(request: web.Request, truth: Truth) -> web.StreamResponse:
        true = await truth()
        lie = instead.get(true.headers.get("Docker-Content-Digest", ""))
        if f"/{kind}/" not in request.path or lie is None:
            return true
        headers = {**true.headers, "Content-Length": str(len(lie))}
        return web.Response(status=true.status, headers=headers, body=b"" if request.method == "HEAD" else lie)

    return act


async def redirecting(request: web.Request, _: Truth) -> web.StreamResponse:
    """To another host."""
    return web.Response(status=307, headers={"Location": ELSEWHERE + request.raw_path})


async def redirect_loop(request: web.Request, _: Truth) -> web.StreamResponse:
    """To where the request came from."""
    return web.Response(status=307, headers={"Location": request.raw_path})


async def huge(request: web.Request, truth: Truth) -> web.StreamResponse:
    """The true answer's headers, and a body that does not want to end."""
    true = await truth()
    if request.method == "HEAD" or true.status != 200:
        return true
    answer = web.StreamResponse(headers=_without_length(true))
    await answer.prepare(request)
    for _ in range(_HUGE_CHUNKS):
        await answer.write(_CHUNK)
    return answer


async def cut(request: web.Request, truth: Truth) -> web.StreamResponse:
    """Half of the true body, and then the connection is closed."""
    true = await truth()
    if request.method == "HEAD" or not isinstance(true.body, bytes):
        return true
    answer = web.StreamResponse(status=true.status, headers=_without_length(true))
    answer.content_length = len(true.body)
    await answer.prepare(request)
    await answer.write(true.body[: len(true.body) // 2])
    _hang_up(request)
    return answer


async def html(_: web.Request, __: Truth) -> web.StreamResponse:
    """200, and a page for people."""
    return web.Response(body=_HTML, content_type="text/html", charset="utf-8")


async def error(_: web.Request, __: Truth) -> web.StreamResponse:
    """500."""
    return refusal(500, "UNKNOWN", "the storage of this registry does not answer")


async def wrong_encoding(_: web.Request, truth: Truth) -> web.StreamResponse:
    """The true body, said to be compressed."""
    true = await truth()
    true.headers["Content-Encoding"] = "gzip"
    return true


async def unauthorized(_: web.Request, __: Truth) -> web.StreamResponse:
    """401, with a token service on a foreign host: who follows it, gives an account away."""
    answer = refusal(401, "UNAUTHORIZED", "authentication required")
    answer.headers["WWW-Authenticate"] = f'Bearer realm="{ELSEWHERE}/token",service="registry"'
    return answer


async def silent(request: web.Request, _: Truth) -> web.StreamResponse:
    """The connection is closed without an answer."""
    _hang_up(request)
    return web.Response()


def refusal(status: int, code: str, message: str) -> web.Response:
    """An error as the distribution specification writes it."""
    return web.json_response({"errors": [{"code": code, "message": message}]}, status=status)


def _without_length(answer: web.Response) -> Mapping[str, str]:
    return {name: value for name, value in answer.headers.items() if name.lower() != "content-length"}


def _hang_up(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.close()
