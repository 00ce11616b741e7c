"""Requests to the API server, with a deadline on each: what ``golive.cluster`` stands on.

The connections are those of the ``kubernetes`` package (proxies and NO_PROXY included); the answers stay raw. One
set of connections a thread, hidden retries off (shared/platform.md, 2.1).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from golive.errors import ApiError, Unreachable
from golive.waiting import wait_for

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse, PoolManager
    from urllib3.exceptions import HTTPError

    from golive.access import Access
    from golive.credentials import Credential

_PART = 65_536


@dataclass(frozen=True, slots=True)
class Response:
    """An answer as it came; ``headers`` keep the server's spelling."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Call:
    """One request. ``seconds`` is until the whole answer is there, ``max_bytes`` its largest body."""

    method: str
    path: str
    body: bytes | None = None
    params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 5.0
    max_bytes: int = 32 * 1024 * 1024

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


class Budget:
    """At most ``rate`` requests a second, first come first served, after a burst of one second's worth."""

    def __init__(self, rate: float) -> None:
        self._gap = 1.0 / rate
        self._burst = max(1.0, min(rate, 20.0)) * self._gap
        self._lock = threading.Lock()
        self._next = time.monotonic() - self._burst

    def take(self) -> None:
        """Wait for a place; the caller's deadline starts afterwards."""
        with self._lock:
            now = time.monotonic()
            self._next = max(self._next, now - self._burst) + self._gap
            delay = self._next - now
            turn = self._next
        if delay > 0:
            wait_for("a place in the request budget", time.monotonic, turn.__le__, deadline=delay + 1.0, every=delay)


class Transport:
    """Connections to the server of ``access``, kept per thread."""

    def __init__(self, access: Access, requests_per_second: float) -> None:
        self.access = access
        self._budget = Budget(requests_per_second)
        self._mine = threading.local()

    def send(self, call: Call) -> Response:
        """One answer, whatever its status. Raises ``Unreachable`` in one line when none came in time.

        A GET whose connection broke, and a request that a plugin's credential was refused for, are sent once more.
        """
        give_up = time.monotonic() + call.seconds
        try:
            return self._with_credential(call, give_up)
        except _Broken as error:
            if call.method != "GET" or time.monotonic() >= give_up:
                raise
            self._mine.pools = None
            return self._with_credential(call, give_up, first=error)

    def stream(self, call: Call, read_seconds: float) -> Iterator[bytes]:
        """The parts of an endless answer, until it ends, is silent for ``read_seconds``, or ``call.seconds`` are over.

        Raises ``ApiError`` for an answer that is not a success, ``Unreachable`` for none.
        """
        from urllib3.exceptions import HTTPError, ReadTimeoutError

        give_up = time.monotonic() + call.seconds
        self._budget.take()
        pools = _connections(self.access, self.access.credential())  # its own: a stream holds its connection
        try:
            answer = self._open(call, pools, self.access.headers(), read_seconds)
            if answer.status >= 300:
                raise ApiError(answer.status, "Refused", answer.read(4096).decode(errors="replace").strip())
            while time.monotonic() < give_up and (part := answer.read1(_PART)):
                yield part
        except ReadTimeoutError:
            return
        except (HTTPError, OSError) as error:
            raise Unreachable(f"{call} at {self.access.server}: the answer broke off: {_reason(error)}") from error
        finally:
            pools.clear()

    def _with_credential(self, call: Call, give_up: float, first: _Broken | None = None) -> Response:
        credential = self.access.credential()
        answer = self._once(call, credential, give_up, first)
        plugin = self.access.plugin
        if answer.status == 401 and plugin is not None and time.monotonic() < give_up:
            plugin.forget(credential)
            answer = self._once(call, plugin.credential(), give_up, first)
        return answer

    def _once(self, call: Call, credential: Credential, give_up: float, first: _Broken | None) -> Response:
        from urllib3.exceptions import HTTPError, NewConnectionError, ProtocolError

        self._budget.take()
        left = max(give_up - time.monotonic(), 0.05) if first else call.seconds
        ends = time.monotonic() + left
        try:
            answer = self._open(call, self._pools(credential), self.access.headers(credential), left)
            try:
                body = _body(answer, call, ends)
            except BaseException:
                answer.close()  # half read: never given to the next request
                raise
            answer.release_conn()
        except (HTTPError, OSError) as error:
            broken = isinstance(error, (ProtocolError, ConnectionError)) or type(error) is NewConnectionError
            kind = _Broken if broken else Unreachable
            why = _reason(error) if "timed out" not in str(error) else f"no answer within {call.seconds:g} s"
            raise kind(f"{call} at {self.access.server}: {why}") from error
        return Response(answer.status, dict(answer.headers.items()), body)

    def _open(self, call: Call, pools: PoolManager, headers: Mapping[str, str], seconds: float) -> BaseHTTPResponse:
        from urllib3 import Timeout

        query = f"?{urlencode(call.params)}" if call.params else ""
        return pools.request(
            call.method,
            f"{self.access.server}{call.path}{query}",
            body=call.body,
            headers={"Accept": "application/json", "User-Agent": "maestro-golive", **call.headers, **headers},
            timeout=Timeout(total=seconds, connect=seconds, read=seconds),
            preload_content=False,
            decode_content=False,
            retries=False,
            redirect=False,  # a redirect would carry our credential elsewhere
        )

    def _pools(self, credential: Credential) -> PoolManager:
        """This thread's connections; made anew when the certificate is another one."""
        shown = (credential.certificate, credential.key)
        if getattr(self._mine, "pools", None) is None or self._mine.shown != shown:
            self._mine.pools, self._mine.shown = _connections(self.access, credential), shown
        pools: PoolManager = self._mine.pools
        return pools


class _Broken(Unreachable):
    """The connection was refused or broke: the request may be sent again where it changes nothing."""


def _connections(access: Access, credential: Credential) -> PoolManager:
    """A pool manager as ``kubernetes`` sets it up, with TLS from memory instead of from files."""
    from kubernetes.client.configuration import Configuration
    from kubernetes.client.rest import RESTClientObject

    options = Configuration(host=access.server, retries=False, verify_ssl=access.verify, proxy=access.proxy or None)
    options.tls_server_name = access.tls_server_name or None
    options.keep_alive = True
    pools: PoolManager = RESTClientObject(options).pool_manager
    if access.server.startswith("https"):
        pools.connection_pool_kw["ssl_context"] = access.ssl_context(credential)
        if not access.verify:
            _be_quiet_about_no_verification()
    return pools


def _be_quiet_about_no_verification() -> None:
    """The kubeconfig says insecure-skip-tls-verify; a warning for each request would drown what matters."""
    import urllib3

    urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)


def _body(answer: BaseHTTPResponse, call: Call, ends: float) -> bytes:
    """The whole body, in time and not larger than asked for; each read is bounded by what is left of the deadline."""
    body = bytearray()
    connection = answer.connection
    while True:
        left = ends - time.monotonic()
        if left <= 0:
            raise Unreachable(f"{call}: the answer was not complete within {call.seconds:g} s")
        sock = getattr(connection, "sock", None)
        if sock is not None:
            sock.settimeout(left)
        part = answer.read1(_PART)
        if not part:
            return bytes(body)
        body += part
        if len(body) > call.max_bytes:
            raise Unreachable(f"{call}: expected an answer of at most {call.max_bytes} bytes, found more")


def _reason(error: HTTPError | OSError) -> str:
    """One line: the innermost words, without the representation of objects."""
    words = " ".join(str(error).split())
    words = words.rpartition("object at 0x")[2].partition(">: ")[2] or words
    return f"{type(error).__name__}: {words}"[:300]
