"""Requests to the API server, with a deadline on each: what ``golive.cluster`` stands on.

The connections are those of the ``kubernetes`` package (proxies and NO_PROXY included); the answers stay raw. One
set of connections a thread, hidden retries off (shared/platform.md, 2.1).
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from golive.errors import ApiError, Unreachable
from golive.types import JsonValue, text
from golive.waiting import wait_for

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse, PoolManager
    from urllib3.exceptions import HTTPError

    from golive.access import Access
    from golive.credentials import Credential
    from golive.pools import Clock

REFUSED = "Refused"
"""The reason of an ``ApiError`` where the answer gave none."""
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

        A GET whose connection broke, and a request that a plugin's credential was refused for, are sent once more,
        all within ``call.seconds``; waiting for a place in the budget and a plugin's run do not count.
        """
        left = _Left(call.seconds)
        try:
            return self._with_credential(call, left)
        except _Broken:
            if call.method != "GET" or left.seconds <= 0:
                raise
            self._mine.pools = None
            return self._with_credential(call, left)

    def stream(self, call: Call, read_seconds: float) -> Iterator[bytes]:
        """The parts of an endless answer, until it ends, is silent for ``read_seconds``, or ``call.seconds`` are over.

        Raises ``ApiError`` for an answer that is not a success, ``Unreachable`` when none began within ``read_seconds``
        or when it broke off.
        """
        credential, plugin = self.access.credential(), self.access.plugin
        try:
            yield from self._streamed(call, credential, read_seconds)
        except ApiError as error:  # so nothing was given yet
            if error.status != 401 or plugin is None:
                raise
            plugin.forget(credential)
            yield from self._streamed(call, plugin.credential(), read_seconds)

    def _streamed(self, call: Call, credential: Credential, read_seconds: float) -> Iterator[bytes]:
        from urllib3.exceptions import HTTPError, ReadTimeoutError

        from golive.pools import Clock, connections

        self._budget.take()
        clock = Clock()
        pools = connections(self.access, credential, clock)  # its own: a stream holds its connection
        give_up = time.monotonic() + call.seconds
        clock.ends = min(time.monotonic() + read_seconds, give_up)
        began = False
        try:
            answer = self._open(call, pools, self.access.headers(credential), clock)
            if answer.status >= 300:
                raise refused(answer.status, answer.read(4096))
            clock.ends, clock.each, began = give_up, read_seconds, True
            while time.monotonic() < give_up and (part := answer.read1(_PART)):
                yield part
        except (HTTPError, OSError) as error:
            if began and isinstance(error, ReadTimeoutError):
                return
            what = "the answer broke off" if began else f"no answer within {read_seconds:g} s"
            raise Unreachable(f"{call} at {self.access.server}: {what}: {_reason(error)}") from error
        finally:
            pools.clear()

    def _with_credential(self, call: Call, left: _Left) -> Response:
        credential = self.access.credential()
        answer = self._once(call, credential, left)
        plugin = self.access.plugin
        if answer.status == 401 and plugin is not None and left.seconds > 0:
            plugin.forget(credential)
            answer = self._once(call, plugin.credential(), left)
        return answer

    def _once(self, call: Call, credential: Credential, left: _Left) -> Response:
        from urllib3.exceptions import HTTPError, NewConnectionError, ProtocolError

        self._budget.take()
        pools, clock = self._pools(credential)
        began = time.monotonic()
        clock.ends = began + max(left.seconds, 0.001)
        try:
            answer = self._open(call, pools, self.access.headers(credential), clock)
            try:
                body = _body(answer, call)
            except BaseException:
                answer.close()  # half read: never given to the next request
                raise
            answer.release_conn()
        except (HTTPError, OSError) as error:
            broken = isinstance(error, (ProtocolError, ConnectionError)) or type(error) is NewConnectionError
            kind = _Broken if broken else Unreachable
            why = _reason(error) if "timed out" not in str(error) else f"no whole answer within {call.seconds:g} s"
            raise kind(f"{call} at {self.access.server}: {why}") from error
        finally:
            left.seconds -= time.monotonic() - began
        return Response(answer.status, dict(answer.headers.items()), body)

    def _open(self, call: Call, pools: PoolManager, headers: Mapping[str, str], clock: Clock) -> BaseHTTPResponse:
        from urllib3 import Timeout

        query = f"?{urlencode(call.params)}" if call.params else ""
        seconds = max(clock.ends - time.monotonic(), 0.001)
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

    def _pools(self, credential: Credential) -> tuple[PoolManager, Clock]:
        """This thread's connections; made anew when the certificate is another one."""
        from golive.pools import Clock, connections

        shown = (credential.certificate, credential.key)
        if getattr(self._mine, "pools", None) is None or self._mine.shown != shown:
            self._mine.clock, self._mine.shown = Clock(), shown
            self._mine.pools = connections(self.access, credential, self._mine.clock)
        return self._mine.pools, self._mine.clock


@dataclass(slots=True)
class _Left:
    """How many seconds a call may still take."""

    seconds: float


class _Broken(Unreachable):
    """The connection was refused or broke: the request may be sent again where it changes nothing."""


def refused(status: int, body: bytes) -> ApiError:
    """A refusal in the API's own words, or the start of what stood in their place."""
    try:
        found: JsonValue = json.loads(body)
    except (ValueError, RecursionError):
        found = None
    plain = " ".join(body[:200].decode(errors="replace").split())
    return ApiError(status, text(found, "reason") or REFUSED, text(found, "message") or plain or "no message")


def _body(answer: BaseHTTPResponse, call: Call) -> bytes:
    """The whole body, and not larger than asked for; the connection's clock bounds each read."""
    body = bytearray()
    while part := answer.read1(_PART):
        body += part
        if len(body) > call.max_bytes:
            raise Unreachable(f"{call}: expected an answer of at most {call.max_bytes} bytes, found more")
    return bytes(body)


def _reason(error: HTTPError | OSError) -> str:
    """One line: the innermost words, without the representation of objects."""
    words = " ".join(str(error).split())
    words = words.rpartition("object at 0x")[2].partition(">: ")[2] or words
    return f"{type(error).__name__}: {words}"[:300]
