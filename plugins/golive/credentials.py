"""Exec credential plugins: run with a timeout, one at a time, kept until shortly before they expire.

Done here and not by ``kubernetes``, whose own handling has no timeout, no lock and no retry, and turns a plugin's
failure into an anonymous request (shared/platform.md, 2.1).
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from shutil import which

from golive.errors import ConfigError, Unreachable
from golive.redact import Redactor
from golive.types import Json, dig, items, mapping, text

EXEC_SECONDS = 30.0
"""Time limit of one run of a plugin; a login that needs a person does not fit into a go-live."""
SKEW_SECONDS = 30.0
"""A token is renewed this long before it expires, or in the middle of its life when that is shorter."""


@dataclass(frozen=True, slots=True)
class Credential:
    """What a plugin gave; empty strings where it gave none. ``until`` is a wall-clock time in seconds, or ``None``."""

    token: str = field(default="", repr=False)
    certificate: str = field(default="", repr=False)
    key: str = field(default="", repr=False)
    until: float | None = None


def is_token(value: str) -> bool:
    """Whether a header can hold it as a token: one word of ASCII."""
    return bool(value) and value.isascii() and value.isprintable() and " " not in value


class ExecPlugin:
    """The ``exec`` part of a kubeconfig user.

    ``folder`` is the kubeconfig's; ``cluster`` what the plugin may know; ``seconds`` the time limit of one run.
    """

    def __init__(self, spec: Json, folder: str, cluster: Json, *, seconds: float = EXEC_SECONDS) -> None:
        self.spec, self.folder, self.cluster, self._seconds = spec, folder, cluster, seconds
        self._lock = threading.Lock()
        self._kept: Credential | None = None

    def __repr__(self) -> str:
        return f"ExecPlugin({text(self.spec, 'command')!r})"

    def check(self) -> None:
        """Raise ``ConfigError`` when the command is not there; runs nothing."""
        if which(self._command()) is None:
            hint = " ".join(text(self.spec, "installHint").split())
            raise ConfigError(
                f"kubeconfig: expected the credential plugin {text(self.spec, 'command')!r} to be installed, "
                f"found no such program{f'; {hint}' if hint else ''}"
            )

    def credential(self) -> Credential:
        """The kept credential, or a new one. Raises ``Unreachable`` with the plugin's own words."""
        with self._lock:
            if self._kept is None or (self._kept.until is not None and time.time() >= self._kept.until):
                self._kept = self._run()
            return self._kept

    def forget(self, refused: Credential) -> None:
        """Drop ``refused``, which the API server did not accept; a newer one stays."""
        with self._lock:
            if self._kept is refused:
                self._kept = None

    def _command(self) -> str:
        command = text(self.spec, "command")
        # As kubectl has it: a path is relative to the kubeconfig, a bare name is looked up in PATH.
        return str(Path(self.folder) / command) if os.sep in command else command

    def _run(self) -> Credential:
        arguments = dig(self.spec, "args", default=[])
        argv = [self._command(), *(str(one) for one in (arguments if isinstance(arguments, list) else []))]
        try:
            process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**os.environ, **self._environment()},
                start_new_session=True,  # so that what it started ends with it
            )
        except OSError as error:
            raise Unreachable(f"credential plugin {argv[0]}: cannot be started: {error.strerror}") from error
        try:
            output, words = process.communicate(timeout=self._seconds)
        except BaseException as error:
            # Also when it has ended itself: what it started may still hold its output open.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            _abandon(process)
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
            raise Unreachable(f"credential plugin {argv[0]}: no answer within {self._seconds:g} s") from error
        if process.returncode != 0:
            raise Unreachable(f"credential plugin {argv[0]}: exit {process.returncode}: {_said(words)}")
        return _parsed(output, f"credential plugin {argv[0]}", _said(words))

    def _environment(self) -> dict[str, str]:
        spec: Json = {"interactive": False}
        if dig(self.spec, "provideClusterInfo") is True:
            spec["cluster"] = self.cluster
        info = {"apiVersion": text(self.spec, "apiVersion"), "kind": "ExecCredential", "spec": spec}
        own = {text(one, "name"): text(one, "value") for one in items(self.spec, "env")}
        return {**own, "KUBERNETES_EXEC_INFO": json.dumps(info)}


def _abandon(process: subprocess.Popen[bytes]) -> None:
    """Close our ends and reap it, without waiting for a stranger who left its group and holds the pipes."""
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()
    process.wait()


def _said(words: bytes) -> str:
    """The last words of a plugin's stderr, on one line and without secrets."""
    return Redactor.from_environment().text(" ".join(words.decode(errors="replace").split())[-500:]) or "(no words)"


def _parsed(output: bytes, who: str, words: str) -> Credential:
    try:
        status = mapping(json.loads(output), "status")
    except ValueError as error:
        raise Unreachable(f"{who}: expected an ExecCredential as JSON, found other text; it said: {words}") from error
    token, certificate = text(status, "token"), text(status, "clientCertificateData")
    key = text(status, "clientKeyData")
    if not token and not (certificate and key):
        raise Unreachable(f"{who}: expected a token, or a certificate and key, found neither; it said: {words}")
    if token and not is_token(token):
        raise Unreachable(f"{who}: expected a token of one word of ASCII, found something else; it said: {words}")
    return Credential(token, certificate, key, _until(text(status, "expirationTimestamp"), who))


def _until(stamp: str, who: str) -> float | None:
    if not stamp:
        return None
    try:
        when = datetime.fromisoformat(stamp)
    except ValueError as error:
        raise Unreachable(f"{who}: expected an RFC 3339 expirationTimestamp, found {stamp!r}") from error
    expires = (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
    return expires - min(SKEW_SECONDS, max(expires - time.time(), 0) / 2)
