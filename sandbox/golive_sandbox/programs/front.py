"""A front before an HTTP server that passes everything on, and misbehaves as it was told. Standard library only.

Environment: BIND_ADDRESS, PORT; FRONT_UPSTREAM (``http://NAME.NAMESPACE.svc:PORT``, asked through HTTP_PROXY);
FRONT_MODE, one of:
``pass``        nothing but passing on
``html``        every answer is a page with status 200, as of a login proxy
``slow``        answers of the API come after 20 seconds
``silent``      answers of the API never come
``cut``         answers of the API end in the middle
``huge``        answers of the API have 64 MiB
``other-type``  answers of the API hold another kind of result than a query's
``not-ready``   ``/-/ready`` answers 503
"""

import asyncio
import contextlib
import json
import os
import signal
import time
from typing import TypeAlias
from urllib.parse import urlsplit

MODE = os.environ.get("FRONT_MODE") or "pass"
UPSTREAM = os.environ.get("FRONT_UPSTREAM", "")
PROXY = os.environ.get("HTTP_PROXY", "")
SLOW_SECONDS = 20.0
SILENT_SECONDS = 3600.0
MEBIBYTE = 1 << 20
HUGE = 64
API = "/api/"
PAGE = b"<!doctype html><title>Sign in</title><h1>Sign in to continue</h1>\n"
VECTOR = '{"status":"success","data":{"resultType":"vector","result":['
JSON = "application/json"

Reader: TypeAlias = asyncio.StreamReader
Writer: TypeAlias = asyncio.StreamWriter


async def serve(reader: Reader, writer: Writer) -> None:
    """One request, one answer, and the end of the connection."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {key.strip().lower(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length") or 0))
        method, path, _ = first.split(" ", 2)
        await answer(method, path, headers, body, reader, writer)
        await writer.drain()
    except (OSError, EOFError, ValueError, asyncio.LimitOverrunError):
        pass  # the client went away, or does not speak HTTP
    finally:
        writer.close()


async def answer(method: str, path: str, headers: dict[str, str], body: bytes, reader: Reader, writer: Writer) -> None:
    """What this mode has for it; what it does not touch is passed on."""
    of_api = path.startswith(API)
    if MODE == "html":
        head(writer, "200 OK", "text/html; charset=utf-8", len(PAGE))
        writer.write(PAGE)
    elif MODE == "not-ready" and path.startswith("/-/ready"):
        head(writer, "503 Service Unavailable", "text/plain", 18)
        writer.write(b"Service not ready\n")
    elif of_api and MODE in ("slow", "silent"):
        if await still_there(reader, SLOW_SECONDS if MODE == "slow" else SILENT_SECONDS):
            await pass_on(method, path, headers, body, writer)
    elif of_api and MODE == "cut":
        head(writer, "200 OK", JSON, 4096)
        writer.write(VECTOR.encode() + b'{"metric":{"__name__":"up"},"val')
    elif of_api and MODE == "huge":
        await huge(writer)
    elif of_api and MODE == "other-type":
        result = {"status": "success", "data": {"resultType": "string", "result": [time.time(), "1"]}}
        text = json.dumps(result).encode()
        head(writer, "200 OK", JSON, len(text))
        writer.write(text)
    else:
        await pass_on(method, path, headers, body, writer)


def head(writer: Writer, status: str, kind: str, length: int) -> None:
    """Status line and headers."""
    lines = (f"HTTP/1.1 {status}", f"Content-Type: {kind}", f"Content-Length: {length}", "Connection: close", "", "")
    writer.write("\r\n".join(lines).encode())


async def still_there(reader: Reader, seconds: float) -> bool:
    """Let time pass; false as soon as the client has gone."""
    try:
        await asyncio.wait_for(reader.read(1), seconds)
    except TimeoutError:
        return True
    return False


async def huge(writer: Writer) -> None:
    """A vector that is much too long, and valid to its end."""
    sample = '{"metric":{"__name__":"up","pad":"' + "x" * 980 + f'"}},"value":[{time.time():.3f},"1"]}}'
    block = (",".join([sample] * 1000) + ",").encode()
    last = f"{sample}]}}}}".encode()
    count = HUGE * MEBIBYTE // len(block) + 1
    head(writer, "200 OK", JSON, len(VECTOR) + count * len(block) + len(last))
    writer.write(VECTOR.encode())
    for _ in range(count):
        writer.write(block)
        await writer.drain()
    writer.write(last)


async def pass_on(method: str, path: str, headers: dict[str, str], body: bytes, writer: Writer) -> None:
    """Ask the server behind, through the cluster network, and give its answer on as it comes."""
    proxy = urlsplit(PROXY)
    try:
        upstream, to_upstream = await asyncio.open_connection(proxy.hostname, proxy.port)
    except OSError:
        head(writer, "502 Bad Gateway", "text/plain", 0)
        return
    try:
        kept = {key: value for key, value in headers.items() if key not in ("host", "connection", "content-length")}
        kept |= {"host": urlsplit(UPSTREAM).netloc, "content-length": str(len(body))}
        lines = [f"{method} {UPSTREAM}{path} HTTP/1.1", *(f"{key}: {value}" for key, value in kept.items() if key)]
        to_upstream.write("\r\n".join([*lines, "", ""]).encode() + body)
        # The network asks for one answer per connection, so its end is the answer's.
        while chunk := await upstream.read(1 << 16):
            writer.write(chunk)
            await writer.drain()
    finally:
        to_upstream.close()


async def run() -> None:
    """Until SIGTERM."""
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    server = await asyncio.start_server(serve, os.environ["BIND_ADDRESS"], int(os.environ["PORT"]))
    with contextlib.closing(server):
        await ended.wait()


if __name__ == "__main__":
    asyncio.run(run())
