"""How to reach the cluster: resolved once from the kubeconfig, and from then on deaf to changes of it.

A kubeconfig is edited by every ``kubectl config use-context`` on the machine. What is read here is read once, file
contents included, so that a run that began against one cluster cannot go on against another.
"""

from __future__ import annotations

import base64
import os
import ssl
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from golive.credentials import Credential, ExecPlugin, is_token
from golive.errors import ConfigError, Unreachable
from golive.kubeconfig import Part, load
from golive.types import Json, dig, items, mapping, text

IN_CLUSTER = "in-cluster"
_FOR_PLUGINS = "client.authentication.k8s.io/exec"
_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


@dataclass(frozen=True, slots=True)
class Access:
    """One API server and who we are there. PEM texts are contents, not paths; empty where there is none."""

    context: str
    server: str
    ca: str = field(default="", repr=False)
    certificate: str = field(default="", repr=False)
    key: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    token_file: str = ""
    """A rotating token's file, read anew for each request; ``token`` serves where it cannot be read, as in kubectl."""
    basic: str = field(default="", repr=False)
    verify: bool = True
    proxy: str = field(default="", repr=False)
    tls_server_name: str = ""
    plugin: ExecPlugin | None = field(default=None, compare=False)

    def to_json(self) -> Json:
        """Everything, secrets included: for a pipe to the watchdog, never for a file."""
        plain: Json = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "plugin"}
        if self.plugin is not None:
            plain["plugin"] = {"spec": self.plugin.spec, "folder": self.plugin.folder, "cluster": self.plugin.cluster}
        return plain

    @classmethod
    def from_json(cls, data: Json) -> Access:
        """What ``to_json`` gave."""
        plain = {name: value for name, value in data.items() if name != "plugin"}
        made = mapping(data, "plugin")
        plugin = ExecPlugin(mapping(made, "spec"), text(made, "folder"), mapping(made, "cluster")) if made else None
        return cls(**plain, plugin=plugin)  # type: ignore[arg-type] # the names and types are those of to_json

    def credential(self) -> Credential:
        """Who we are now. Raises ``Unreachable`` when a plugin failed or a token file cannot be read."""
        if self.plugin is not None:
            return self.plugin.credential()
        if not self.token_file:
            return Credential(self.token, self.certificate, self.key)
        try:
            token = Path(self.token_file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            if self.token:
                return Credential(self.token, self.certificate, self.key)
            raise Unreachable(f"token file {self.token_file}: expected a token, found: {error}") from error
        if not is_token(token):
            found = "something else than one word of ASCII" if token else "an empty file"
            raise Unreachable(f"token file {self.token_file}: expected a token, found {found}")
        return Credential(token, self.certificate, self.key)

    def headers(self, credential: Credential | None = None) -> dict[str, str]:
        """``Authorization``, as it is now; empty with a client certificate."""
        now = credential or self.credential()
        if now.token:
            return {"Authorization": f"Bearer {now.token}"}
        return {"Authorization": f"Basic {self.basic}"} if self.basic else {}

    def ssl_context(self, credential: Credential | None = None) -> ssl.SSLContext:
        """The CA to trust and the certificate to show."""
        now = credential or self.credential()
        try:
            made = ssl.create_default_context(cadata=self.ca or None)
            if not self.verify:
                made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
            if now.certificate:
                _load(made, now.certificate, now.key)
        except (ssl.SSLError, ValueError) as error:
            raise ConfigError(
                f"kubeconfig, context {self.context!r}: expected PEM certificates and a fitting key, found: {error}"
            ) from error
        return made


def resolve(kubeconfig: str | None, context: str | None) -> Access:
    """Read the kubeconfig once; no request is sent and no plugin is run yet.

    ``kubeconfig``: a path, several joined as in ``$KUBECONFIG``, ``in-cluster``, or ``None`` for ``$KUBECONFIG``
    and then ``~/.kube/config``. Raises ``ConfigError`` with what was expected and what was found.
    """
    if kubeconfig == IN_CLUSTER:
        return _in_cluster()
    found = load(kubeconfig, context)
    server = _server(found.cluster)
    verify = dig(found.cluster.body, "insecure-skip-tls-verify") is not True
    plugin = _plugin(found.user, found.cluster)
    user, password = found.user.word("username"), found.user.word("password")
    token = found.user.word("token")
    if token and not is_token(token):
        raise ConfigError(f"{found.user}: expected token to be one word of ASCII, found something else")
    access = Access(
        context=found.context,
        server=server,
        ca=found.cluster.pem("certificate-authority"),
        certificate=found.user.pem("client-certificate"),
        key=found.user.pem("client-key"),
        token=token,
        token_file=found.user.path("tokenFile"),
        basic=base64.b64encode(f"{user}:{password}".encode()).decode() if user else "",
        verify=verify,
        proxy=found.cluster.word("proxy-url"),
        tls_server_name=found.cluster.word("tls-server-name"),
        plugin=plugin,
    )
    if plugin is None:
        access.ssl_context()  # a wrong certificate is the file's fault, and told as such
    return access


def _server(cluster: Part) -> str:
    """The API server's address. Raises ``ConfigError`` where it is none, or holds a password."""
    server = cluster.word("server")
    try:
        parts = urlsplit(server)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, or too large
        usable = False
    if "@" in server:  # it would be printed with every error
        raise ConfigError(f"{cluster}: expected server to be an http(s) address without a user, found one with")
    if not usable:
        raise ConfigError(f"{cluster}: expected server to be an http(s) address, found {server!r}")
    return server.rstrip("/")


def _plugin(user: Part, cluster: Part) -> ExecPlugin | None:
    if "auth-provider" in user.body:
        name = text(user.body, "auth-provider", "name")
        raise ConfigError(
            f"{user}: expected a token, a certificate or an exec plugin, found auth-provider {name!r}, "
            "which Kubernetes removed in 1.26; use its exec plugin"
        )
    spec = mapping(user.body, "exec")
    if not spec:
        return None
    if not text(spec, "command") or not text(spec, "apiVersion"):
        raise ConfigError(f"{user}: expected exec.command and exec.apiVersion, found one missing")
    plugin = ExecPlugin(spec, user.folder, _told(cluster))
    plugin.check()
    return plugin


def _told(cluster: Part) -> Json:
    """The cluster as a plugin with ``provideClusterInfo`` is told of it; the authority's content, not its path."""
    keys = ("server", "tls-server-name", "insecure-skip-tls-verify", "proxy-url")
    told: Json = {key: cluster.body[key] for key in keys if cluster.body.get(key)}
    if authority := cluster.pem("certificate-authority"):
        told["certificate-authority-data"] = base64.b64encode(authority.encode()).decode()
    for one in items(cluster.body, "extensions"):
        if text(one, "name") == _FOR_PLUGINS:
            told["config"] = one.get("extension")
    return told


def _in_cluster() -> Access:
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST", ""), os.environ.get("KUBERNETES_SERVICE_PORT", "")
    if not host or not port:
        raise ConfigError(
            'target.kubeconfig: expected to run in a pod for "in-cluster", found no KUBERNETES_SERVICE_HOST and _PORT'
        )
    token = _ACCOUNT / "token"
    try:
        authority = (_ACCOUNT / "ca.crt").read_text(encoding="utf-8")
        token.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"target.kubeconfig: expected a mounted service account, found: {error.strerror}: {error.filename}"
        ) from error
    address = f"[{host}]" if ":" in host else host
    return Access(IN_CLUSTER, f"https://{address}:{port}", ca=authority, token_file=str(token))


def _load(made: ssl.SSLContext, certificate: str, key: str) -> None:
    """Load a key pair; OpenSSL takes it from a file only, so it is one in memory where the system has that."""
    pair = f"{certificate.rstrip()}\n{key}".encode()
    if hasattr(os, "memfd_create"):
        handle = os.memfd_create("golive-client")
        try:
            os.write(handle, pair)
            made.load_cert_chain(f"/proc/self/fd/{handle}", password="")
        finally:
            os.close(handle)
        return
    with tempfile.NamedTemporaryFile() as file:  # readable by this user only
        file.write(pair)
        file.flush()
        made.load_cert_chain(file.name, password="")  # never ask on the terminal
