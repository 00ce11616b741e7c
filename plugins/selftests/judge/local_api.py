"""A local server in an API server's place, until a ``with`` block ends; what it answers is its handler's."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

from golive.access import Access
from golive.cluster import Cluster


class LocalApi:
    """Served by ``handler``; ``name`` is what its client calls it."""

    def __init__(self, name: str, handler: type[BaseHTTPRequestHandler]) -> None:
        self._name = name
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True

    def cluster(self) -> Cluster:
        """A client of it."""
        access = Access(self._name, f"http://127.0.0.1:{self._server.server_port}")
        return Cluster(access, uid="none", request_seconds=5.0, requests_per_second=1000.0)

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
