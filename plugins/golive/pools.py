"""Connections of the ``kubernetes`` package, where no read outlives its request's deadline."""

from __future__ import annotations

import http.client
import io
import math
import socket
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from golive.errors import Unreachable

if TYPE_CHECKING:
    from kubernetes.client.configuration import Configuration
    from urllib3 import PoolManager

    from golive.access import Access
    from golive.credentials import Credential

_IMPORTING = threading.Lock()
"""``kubernetes`` imports itself in a circle, and fails when two threads begin with it at once."""


@dataclass(slots=True)
class Clock:
    """Until when the answer is waited for, and for how many seconds each read; set before a request is sent."""

    ends: float = 0.0
    each: float = math.inf

    def left(self) -> float:
        """Seconds for the next read. Raises ``TimeoutError`` when there are none."""
        now = min(self.ends - time.monotonic(), self.each)
        if now <= 0:
            raise TimeoutError("timed out")
        return now


class _Reader(io.RawIOBase):
    """What comes in on a connection. A server that drips costs no more than one that is silent.

    A socket's own time-out begins anew with every byte; urllib3 has no other.
    """

    def __init__(self, sock: socket.socket, clock: Clock) -> None:
        self._sock, self._clock = sock, clock
        self._raw = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int | None:  # type: ignore[override]  # BufferedReader hands over no other
        self._sock.settimeout(self._clock.left())
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


def connections(access: Access, credential: Credential, clock: Clock) -> PoolManager:
    """A pool manager as ``kubernetes`` sets it up (proxies and NO_PROXY included), with TLS from memory."""
    with _IMPORTING:
        from kubernetes.client.rest import RESTClientObject

    class Timed(http.client.HTTPResponse):
        def __init__(self, sock: socket.socket, *arguments: object, **more: object) -> None:
            super().__init__(sock, *arguments, **more)  # type: ignore[arg-type]  # whatever http.client hands over
            self.fp.close()
            self.fp = io.BufferedReader(_Reader(sock, clock))

    def timed(pool: type) -> type:
        connection = type("Connection", (pool.ConnectionCls,), {"response_class": Timed})  # type: ignore[attr-defined]
        return type("Pool", (pool,), {"ConnectionCls": connection})

    pools: PoolManager = RESTClientObject(_options(access)).pool_manager
    pools.pool_classes_by_scheme = {name: timed(pool) for name, pool in pools.pool_classes_by_scheme.items()}
    if access.server.startswith("https"):
        pools.connection_pool_kw["ssl_context"] = access.ssl_context(credential)
        if not access.verify:
            _be_quiet_about_no_verification()
    return pools


def proxy_of(access: Access) -> str:
    """The HTTP proxy on the way to the API server, the kubeconfig's or the environment's; empty where there is none.

    Raises ``Unreachable`` for a kind of proxy that no raw connection can take.
    """
    options = _options(access)
    with _IMPORTING:
        from kubernetes.client.rest import should_bypass_proxies
    if not options.proxy or should_bypass_proxies(access.server, options.no_proxy or ""):
        return ""
    if urlsplit(options.proxy).scheme != "http":
        raise Unreachable("port-forward: expected an http proxy on the way to the API server, found another kind")
    return str(options.proxy)


def _options(access: Access) -> Configuration:
    with _IMPORTING:
        from kubernetes.client.configuration import Configuration
    options = Configuration(host=access.server, retries=False, verify_ssl=access.verify, proxy=access.proxy or None)
    options.tls_server_name = access.tls_server_name or None
    options.keep_alive = True
    return options


def _be_quiet_about_no_verification() -> None:
    """The kubeconfig says insecure-skip-tls-verify; a warning for each request would drown what matters."""
    import urllib3

    urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
