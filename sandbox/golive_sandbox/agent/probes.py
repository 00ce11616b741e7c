"""Probes of a container, as its pod template asks for them: ``httpGet`` and ``tcpSocket``."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass

from golive_sandbox import waiting
from golive_sandbox.types import Json, dig, items, mapping, number, text

_EAGER = 0.03  # seconds between two attempts right after the start, doubled each time until it is the period


@dataclass(frozen=True, slots=True)
class Probe:
    """What to ask and when; times in seconds. ``host`` is the pod's address on this machine."""

    host: str
    port: int
    path: str | None  # None: a connection that is accepted is enough
    headers: tuple[tuple[str, str], ...]
    https: bool
    initial_delay: float
    period: float
    timeout: float
    failures: int
    successes: int

    @classmethod
    def of(cls, container: Json, kind: str, host: str) -> Probe | None:
        """The probe of that kind (``readinessProbe`` …), or ``None`` when there is none that we can make."""
        spec = mapping(container, kind)
        action = mapping(spec, "httpGet") or mapping(spec, "tcpSocket")
        if not action:
            return None
        return cls(
            host=host,
            port=_port(container, dig(action, "port")),
            path="/" + text(action, "path").lstrip("/") if "httpGet" in spec else None,
            headers=tuple((text(header, "name"), text(header, "value")) for header in items(action, "httpHeaders")),
            https=text(action, "scheme") == "HTTPS",
            initial_delay=number(spec, "initialDelaySeconds"),
            period=number(spec, "periodSeconds", default=10),
            timeout=number(spec, "timeoutSeconds", default=1),
            failures=number(spec, "failureThreshold", default=3),
            successes=number(spec, "successThreshold", default=1),
        )

    async def attempt(self) -> str:
        """Ask once: the empty string for success, otherwise what was seen."""
        try:
            async with asyncio.timeout(self.timeout):
                return await self._ask()
        except TimeoutError:
            return f"no answer within {self.timeout:g} s"
        except OSError as refused:
            return str(refused)

    async def until_success(self) -> None:
        """Ask soon and often until it has succeeded ``successes`` times in a row: a pod is used when it can be."""
        await waiting.pause(self.initial_delay)
        step, good = _EAGER, 0
        while True:
            good = 0 if await self.attempt() else good + 1
            if good >= self.successes:
                return
            await waiting.pause(min(step, self.period))
            step *= 2

    async def until_failure(self) -> str:
        """Ask every period until it has failed ``failures`` times in a row; what was seen last."""
        bad = 0
        while True:
            await waiting.pause(self.period)
            seen = await self.attempt()
            bad = bad + 1 if seen else 0
            if bad >= self.failures:
                return seen

    async def _ask(self) -> str:
        reader, writer = await asyncio.open_connection(self.host, self.port, ssl=_unverified() if self.https else None)
        try:
            if self.path is None:
                return ""
            headers = {"Host": f"{self.host}:{self.port}", "User-Agent": "kube-probe/1.34", "Accept": "*/*"}
            headers |= dict(self.headers) | {"Connection": "close"}
            lines = [f"GET {self.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
            writer.write("\r\n".join([*lines, "", ""]).encode())
            status = (await reader.readline()).split()
            code = int(status[1]) if len(status) > 1 and status[1].isdigit() else 0
            return "" if 200 <= code < 400 else f"HTTP probe failed with statuscode: {code}"
        finally:
            writer.close()


def _port(container: Json, port: object) -> int:
    if isinstance(port, int):
        return port
    named = [number(entry, "containerPort") for entry in items(container, "ports") if text(entry, "name") == port]
    return named[0] if named else 0


def _unverified() -> ssl.SSLContext:
    # A kubelet does not verify the certificate of a pod it probes either.
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
