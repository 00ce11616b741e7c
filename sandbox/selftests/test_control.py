"""The sandbox's control socket, when what was asked for goes wrong."""

from __future__ import annotations

import asyncio
import errno
import os
import tempfile
from pathlib import Path

import pytest

from golive_sandbox import control, files
from golive_sandbox.errors import SandboxError
from golive_sandbox.types import Json


def test_a_disk_that_is_full_is_told_and_the_next_request_is_answered() -> None:
    async def handle(request: Json, say: control.Say) -> Json:
        if request["do"] == "break":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return {"yes": 1}

    async def both(path: Path) -> Json:
        server = await control.serve(path, handle)
        async with server:
            with pytest.raises(SandboxError, match="No space left on device"):
                await asyncio.to_thread(control.ask, str(path), {"do": "break"}, lambda _: None)
            return await asyncio.to_thread(control.ask, str(path), {"do": "status"}, lambda _: None)

    folder = Path(tempfile.mkdtemp(prefix="golive-control-"))  # a socket's path must be short
    try:
        assert asyncio.run(both(folder / "s")) == {"yes": 1}
    finally:
        files.remove(folder)
