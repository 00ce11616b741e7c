"""AnalysisRuns made from a world's live templates, as Argo's controller makes them, and Leases for them to judge."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from golive_sandbox.types import Json, dig, items, mapping, number, text
from selftests.harness import eventually
from selftests.sandboxes import ROLLOUT, Sandbox

READER = "reader"
_NONE: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Judged:
    """A world of ``sandbox``."""

    sandbox: Sandbox
    name: str

    def create(self, item: Json, *words: str, verb: str = "create") -> None:
        """``kubectl create -f``, or another verb."""
        self._piped(json.dumps(item), verb, "-f", "-", *words)

    def _piped(self, text_: str, *words: str) -> None:
        argv = [str(self.sandbox.folder.root / "bin" / "kubectl"), "--kubeconfig", str(self.sandbox.folder.kubeconfig)]
        done = subprocess.run(
            [*argv, "-n", self.name, *words], input=text_, capture_output=True, text=True, timeout=30, check=False
        )
        assert done.returncode == 0, done.stderr

    def get(self, *words: str) -> Json:
        return self.sandbox.get(self.name, *words)

    def may_read_leases(self) -> None:
        """A Secret ``reader`` with the token of an account that reads every Lease, for runs that look at their own."""
        self.sandbox.kubectl(self.name, "create", "serviceaccount", READER)
        words = ("--verb=get", "--resource=leases")
        self.sandbox.kubectl(self.name, "create", "role", READER, *words)
        account = f"--serviceaccount={self.name}:{READER}"
        self.sandbox.kubectl(self.name, "create", "rolebinding", READER, f"--role={READER}", account)
        token = self.sandbox.kubectl(self.name, "create", "token", READER).strip()
        self.token(READER, token)

    def token(self, secret: str, token: str) -> None:
        self.create(
            {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": secret}, "stringData": {"token": token}}
        )

    def run(self, template: str, name: str, arguments: Mapping[str, str], secret: str = "", **spec: str) -> None:
        """Start a run of ``template``; ``spec`` replaces its metrics' conditions, ``jsonPath`` the web provider's."""
        body = mapping(self.get("analysistemplate", template), "spec")
        for one in items(body, "args"):
            if text(one, "name") in arguments:
                one["value"] = arguments[text(one, "name")]
            if secret and "valueFrom" in one:
                mapping(one, "valueFrom", "secretKeyRef")["name"] = secret
        for metric in items(body, "metrics"):
            for key, value in spec.items():
                where = mapping(metric, "provider", "web") if key == "jsonPath" else metric
                where[key] = value
        metadata: Json = {"name": name}
        self.create({"apiVersion": "argoproj.io/v1alpha1", "kind": "AnalysisRun", "metadata": metadata, "spec": body})

    def heartbeat(self, name: str, lease: str = "", secret: str = READER, server: str = "", **spec: str) -> None:
        """A run that judges Lease ``lease`` (as the run, if not given)."""
        arguments = {"namespace": self.name, "lease": lease or name, "error-limit": "1"}
        if server:
            arguments["api-server"] = server
        self.run("golive-heartbeat", name, arguments, secret, **spec)

    def lease(self, name: str, seconds: int, manager: str = "golive") -> None:
        """Write, or renew, a Lease."""
        now = time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime())
        spec: Json = {"holderIdentity": f"test at {time.time()}", "leaseDurationSeconds": seconds, "renewTime": now}
        kind: Json = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease"}
        item: Json = {**kind, "metadata": {"name": name}, "spec": spec}
        self.create(item, "--server-side", "--force-conflicts", f"--field-manager={manager}", verb="apply")

    def ended(self, *names: str, seconds: float = 30) -> dict[str, Json]:
        """The status of these runs, once all have ended."""

        def seen() -> dict[str, Json]:
            return {name: mapping(self.get("analysisrun", name), "status") for name in names}

        return eventually("the runs end", seen, lambda now: all("completedAt" in one for one in now.values()), seconds)

    def rollout(self) -> Json:
        return self.get("rollout", ROLLOUT)

    def until(self, what: str, ok: Callable[[Json], bool], seconds: float = 30) -> Json:
        """Look at the Rollout until ``ok``."""
        path = f"/apis/argoproj.io/v1alpha1/namespaces/{self.name}/rollouts/{ROLLOUT}"

        def look() -> Json:
            found: Json = json.loads(self.sandbox.read(path))
            return found

        return eventually(what, look, ok, seconds)


def weight(rollout: Json) -> int:
    """What the canary gets; -1 when nothing says it."""
    return number(rollout, "status", "canary", "weights", "canary", "weight", default=-1)


def aborted(rollout: Json) -> bool:
    """Was it taken back?"""
    return dig(rollout, "status", "abort") is True and weight(rollout) == 0


def metric(status: Json, name: str) -> Json:
    """The result of one metric."""
    return next(one for one in items(status, "metricResults") if text(one, "name") == name)
