"""The API server's command line, and the files that it names."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from golive_sandbox import files
from golive_sandbox.pki import Credential, Pki, signing_key
from golive_sandbox.types import Json


def flags(pki: Pki, folder: Path, etcd: str, port: int, egress: Path) -> Sequence[str]:
    """All of it; what it names is in ``folder``, so that a server that is started again knows the same keys."""
    names = ["localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"]
    serving = pki.serving("kube-apiserver", ["127.0.0.1", "10.0.0.1"], names).save(folder, "apiserver")
    kubelet = pki.client("kube-apiserver-kubelet-client", ["system:masters"]).save(folder, "kubelet-client")
    accounts = _save_account_key(signing_key(), folder)
    authority = files.write(folder / "ca.crt", pki.certificate)
    return [
        f"--etcd-servers={etcd}",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        f"--tls-cert-file={serving[0]}",
        f"--tls-private-key-file={serving[1]}",
        f"--client-ca-file={authority}",
        "--service-cluster-ip-range=10.0.0.0/24",
        "--authorization-mode=RBAC",
        "--endpoint-reconciler-type=none",
        # Pods here need no token of their own, and none exists before the first service account does.
        "--disable-admission-plugins=ServiceAccount",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={accounts[0]}",
        f"--service-account-signing-key-file={accounts[1]}",
        f"--egress-selector-config-file={_egress_config(folder, egress)}",
        f"--kubelet-client-certificate={kubelet[0]}",
        f"--kubelet-client-key={kubelet[1]}",
        "--kubelet-preferred-address-types=InternalIP",
        "--allow-privileged=true",
        "--profiling=false",
    ]


def _egress_config(folder: Path, egress: Path) -> Path:
    """Everything the API server dials inside the cluster goes through our socket: pods may have any address."""
    transport: Json = {"uds": {"udsName": str(egress)}}
    selection: Json = {"name": "cluster", "connection": {"proxyProtocol": "HTTPConnect", "transport": transport}}
    config: Json = {
        "apiVersion": "apiserver.k8s.io/v1beta1",
        "kind": "EgressSelectorConfiguration",
        "egressSelections": [selection],
    }
    return files.write(folder / "egress.json", json.dumps(config))


def _save_account_key(key: Credential, folder: Path) -> tuple[Path, Path]:
    return files.write(folder / "accounts.pub", key.certificate), files.write_secret(folder / "accounts.key", key.key)
