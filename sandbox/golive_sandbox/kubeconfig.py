"""Kubeconfig files: one cluster, one user, one context, everything inside the file."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from pathlib import Path

from golive_sandbox import files
from golive_sandbox.pki import Credential
from golive_sandbox.types import Json

CLUSTER = "maestro-sandbox"


@dataclass(frozen=True, slots=True)
class Kubeconfig:
    """How ``user`` reaches ``server`` (``https://127.0.0.1:PORT``); ``ca`` is PEM."""

    server: str
    ca: bytes
    user: str
    credential: Credential
    namespace: str = "default"
    context: str = CLUSTER

    def render(self) -> str:
        """The file's text. JSON is YAML, and every reader of kubeconfigs takes it."""
        user: Json = {
            "client-certificate-data": _base64(self.credential.certificate),
            "client-key-data": _base64(self.credential.key),
        }
        context: Json = {"cluster": CLUSTER, "user": self.user, "namespace": self.namespace}
        config: Json = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {"name": CLUSTER, "cluster": {"server": self.server, "certificate-authority-data": _base64(self.ca)}}
            ],
            "users": [{"name": self.user, "user": user}],
            "contexts": [{"name": self.context, "context": context}],
            "current-context": self.context,
        }
        return json.dumps(config, indent=2) + "\n"

    def write(self, path: Path) -> Path:
        """Write it, readable by its owner only."""
        return files.write_secret(path, self.render())


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
