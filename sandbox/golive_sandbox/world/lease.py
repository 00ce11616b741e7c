"""The Lease of whoever drives a release: in a sandbox, of somebody who started one by hand and went away.

Without a fresh one the cluster takes a canary back by itself (``deploy/argo/heartbeat.yaml``).
"""

from __future__ import annotations

import datetime

from golive_sandbox import waiting
from golive_sandbox.api import Api
from golive_sandbox.errors import ApiError
from golive_sandbox.types import Json, number, text
from golive_sandbox.world import paths

HOLDER = "golive-sandbox"
MANAGER = "golive"
"""The field manager whose writing is the heartbeat."""
_SECONDS = 86_400  # longer than anybody looks at one world
_SLACK = 5.0


class Lease:
    """The Lease ``golive-ROLLOUT`` in ``namespace``."""

    def __init__(self, api: Api, namespace: str, rollout: str) -> None:
        self._api = api
        self._namespace = namespace
        self._name = f"golive-{rollout}"
        self.path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/{self._name}"

    async def hold(self, digest: str) -> None:
        """Let there be a fresh one for a release of ``digest``, handed to nobody; a living driver's is left alone.

        Of a driver that is gone nothing is left but a Lease that runs out: that is waited for.
        """
        found = await self._read()
        if found is not None and _driven(found):
            renewed = text(found, "spec", "renewTime")
            limit = number(found, "spec", "leaseDurationSeconds") + _SLACK
            later = await waiting.wait_for(
                "the Lease renewed or over", self._read, lambda one: not _waits(one, renewed), deadline=limit
            )
            if later is not None and _driven(later):
                return
        now = _stamp(datetime.datetime.now(datetime.UTC))
        facts: Json = {"run": HOLDER, "driver": HOLDER, "digest": digest, "since": now, "handover": "true"}
        lease: Json = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": self._name, "annotations": {f"golive/{key}": value for key, value in facts.items()}},
            "spec": {
                "holderIdentity": HOLDER,
                "acquireTime": now,
                "renewTime": now,
                "leaseDurationSeconds": _SECONDS,
            },
        }
        await paths.apply(self._api, [lease], self._namespace, MANAGER)

    async def release(self) -> None:
        """Delete it, unless a driver holds it."""
        found = await self._read()
        if found is not None and not _driven(found):
            await paths.delete(self._api, self.path)

    async def _read(self) -> Json | None:
        try:
            return await self._api.get(self.path)
        except ApiError as answer:
            if answer.status != 404:
                raise
            return None


def _driven(lease: Json) -> bool:
    """Whether a driver renews it; one that was handed over waits for a driver and is nobody's."""
    return text(lease, "metadata", "annotations", "golive/handover") != "true" and _fresh(lease)


def _waits(lease: Json | None, last: str) -> bool:
    """Whether nobody can tell yet: still fresh, and not renewed since ``last``."""
    return lease is not None and _driven(lease) and text(lease, "spec", "renewTime") == last


def _fresh(lease: Json) -> bool:
    renewed = text(lease, "spec", "renewTime")
    if not renewed:
        return False
    age = datetime.datetime.now(datetime.UTC) - datetime.datetime.fromisoformat(renewed)
    return age.total_seconds() < number(lease, "spec", "leaseDurationSeconds")


def _stamp(moment: datetime.datetime) -> str:
    """As a MicroTime of the API."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
