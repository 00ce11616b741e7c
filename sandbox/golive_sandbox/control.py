"""Speak to a running sandbox: one JSON line in, lines of progress and one answer out, over a unix socket in DIR."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeAlias

from golive_sandbox.errors import SandboxError
from golive_sandbox.types import Json, text

Say: TypeAlias = Callable[[str], None]
Handler: TypeAlias = Callable[[Json, Say], Awaitable[Json]]
_ANSWER_SECONDS = 180.0  # the longest fault waits twice for pods on a busy machine


async def serve(path: Path, handle: Handler) -> asyncio.Server:
    """Answer requests with ``handle``; a ``SandboxError`` or ``OSError`` becomes the answer's ``error``."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        def send(line: Json) -> None:
            writer.write(json.dumps(line).encode() + b"\n")

        try:
            request: Json = json.loads(await reader.readline())
            send({"done": await handle(request, lambda words: send({"say": words}))})
        except SandboxError as trouble:
            send({"error": str(trouble)})
        except OSError as trouble:  # a full disk, say: the sandbox goes on
            send({"error": str(trouble)})
        except ValueError as trouble:
            send({"error": f"expected one line of JSON: {trouble}"})
        finally:
            writer.close()

    server = await asyncio.start_unix_server(connected, path)
    path.chmod(0o600)
    return server


def ask(control: str, request: Json, say: Say) -> Json:
    """Send ``request`` to the sandbox whose socket is ``control``, and return its answer.

    Raises ``SandboxError`` with what went wrong there, or when nobody answers.
    """
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(_ANSWER_SECONDS)
            connection.connect(control)
            connection.sendall(json.dumps(request).encode() + b"\n")
            with connection.makefile(encoding="utf-8") as lines:
                for line in lines:
                    answer: Json = json.loads(line)
                    if "say" in answer:
                        say(text(answer, "say"))
                    elif "error" in answer:
                        raise SandboxError(text(answer, "error"))
                    else:
                        done = answer.get("done")
                        return done if isinstance(done, dict) else {}
    except OSError as silent:
        raise SandboxError(f"the sandbox does not answer on {control} ({silent}): look into its logs") from silent
    raise SandboxError(f"the sandbox on {control} ended before it answered")
