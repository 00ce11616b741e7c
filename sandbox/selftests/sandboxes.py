"""A running sandbox, reached as its users reach it: the control socket, kubectl, the processes in its registry."""

from __future__ import annotations

import base64
import functools
import http.client
import io
import json
import os
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from golive_sandbox import control, files
from golive_sandbox.folder import Folder
from golive_sandbox.launch import launch
from golive_sandbox.options import Options
from golive_sandbox.processes import Identity, Registry
from golive_sandbox.registry import catalogue, oci
from golive_sandbox.traffic import SMALL_RATE
from golive_sandbox.types import Json, items, mapping, strings, text

ROOT = Path(__file__).resolve().parents[2]
ROLLOUT = "maestro-server"
_READ_SECONDS = 5.0
_PEM = ("certificate-authority", "client-certificate", "client-key")


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A sandbox in ``folder``."""

    folder: Folder

    def ask(self, do: str, **more: str) -> Json:
        """One request on the control socket."""
        return control.ask(text(self.folder.running(), "control"), {"do": do, **more}, lambda _: None)

    def kubectl(self, namespace: str, *words: str, fails: bool = False) -> str:
        """Run ``DIR/bin/kubectl`` as the administrator; its output (its errors, when it has to fail)."""
        path = f"{self.folder.root / 'bin'}:{os.environ['PATH']}"
        environment = {**os.environ, "PATH": path, "KUBECONFIG": str(self.folder.kubeconfig)}
        done = subprocess.run(
            ["kubectl", *words, "-n", namespace],
            capture_output=True, text=True, timeout=60, check=False, env=environment,
        )  # fmt: skip
        assert (done.returncode != 0) == fails, done.stdout + done.stderr
        return done.stderr if fails else done.stdout

    def get(self, namespace: str, *words: str) -> Json:
        """``kubectl get ... -o json``."""
        found: Json = json.loads(self.kubectl(namespace, "get", *words, "-o", "json"))
        return found

    def read(self, path: str, kubeconfig: Path | None = None) -> str:
        """GET as the administrator, or as whoever ``kubeconfig`` is for; what kubectl takes a fifth of a second for.

        Raises ``AssertionError`` with the answer when it is no success.
        """
        config = (kubeconfig or self.folder.kubeconfig).read_text(encoding="utf-8")
        server, context = _connection(config)
        connection = http.client.HTTPSConnection(server, context=context, timeout=_READ_SECONDS)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            body = answer.read().decode("utf-8")
        except (OSError, http.client.HTTPException) as silent:
            raise AssertionError(f"GET {path}: {silent!r}") from silent
        finally:
            connection.close()
        assert answer.status == 200, body
        return body

    def items(self, path: str) -> list[Json]:
        """What a list of the API holds."""
        return items(json.loads(self.read(path)), "items")

    def facts(self, world: str) -> Json:
        """What ``status`` says of a world."""
        (one,) = [one for one in items(self.ask("status"), "worlds") if text(one, "name") == world]
        return one

    def broken(self, world: str) -> list[str]:
        """What ``status`` says is broken there."""
        return strings(self.facts(world), "broken")

    def assert_untroubled(self, world: str) -> None:
        """Nothing that the sandbox does by itself in a world went wrong."""
        assert strings(self.facts(world), "trouble") == []

    def processes(self) -> list[Identity]:
        """All that are alive, its supervisor among them."""
        return [one for one in Registry.read(self.folder.processes) if one.alive()]


@functools.cache
def _connection(kubeconfig: str) -> tuple[str, ssl.SSLContext]:
    """Host and port of the API server, and the user's certificate; a sandbox's kubeconfigs are JSON."""
    config: Json = json.loads(kubeconfig)
    cluster = mapping(items(config, "clusters")[0], "cluster")
    user = mapping(items(config, "users")[0], "user")
    data = {name: base64.b64decode(text({**cluster, **user}, f"{name}-data")) for name in _PEM}
    context = ssl.create_default_context(cadata=data["certificate-authority"].decode())
    with tempfile.NamedTemporaryFile(prefix="golive-selftest-") as both:
        both.write(data["client-certificate"] + data["client-key"])
        both.flush()
        context.load_cert_chain(both.name)
    return text(cluster, "server").removeprefix("https://"), context


def image(repository: str, tag: str) -> str:
    """The full name of a demo image in a world's repository, as its manifest has it."""
    return f"{repository}:{tag}@{oci.build(catalogue.maestro('any', tag)).digest}"


@contextmanager
def running_sandbox(rate: float = SMALL_RATE) -> Iterator[Sandbox]:
    """A sandbox that ends with the block, or with us; nothing is left of it. ``rate``: its requests a second."""
    # Not pytest's folder: a unix socket's path must be short.
    root = Path(tempfile.mkdtemp(prefix="golive-selftest-"))
    said = io.StringIO()
    try:
        launched = launch(Folder(root), Options(rate=rate), said, detached=False)
    except BaseException:
        files.remove(root)
        raise
    sandbox = Sandbox(launched.folder)
    started = sandbox.processes()
    try:
        yield sandbox
    finally:
        launched.stop()
    assert [one for one in started if one.alive()] == []
    assert not root.exists()


def cli(*words: str, env: dict[str, str] | None = None, seconds: float = 120) -> subprocess.CompletedProcess[str]:
    """``golive-sandbox ...``, to its end."""
    return subprocess.run(
        cli_argv(*words), capture_output=True, text=True, timeout=seconds, check=False, env=env, cwd=ROOT
    )


def cli_argv(*words: str) -> Sequence[str]:
    """The command line of ``golive-sandbox ...``."""
    return [sys.executable, "-m", "golive_sandbox.cli", *words]
