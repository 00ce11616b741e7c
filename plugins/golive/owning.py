"""Whether a GitOps tool forbids to restore a template: what it is asked once is remembered for a second."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from golive.errors import Unreachable
from golive.gitops import Owner, command, heals

if TYPE_CHECKING:
    from golive.cluster import Cluster

_SECONDS = 1.0


class Owning:
    """The owner of the Rollout, as a rollback asks for it."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self._cluster, self._namespace = cluster, namespace
        self._asked, self._heals = -_SECONDS, "it was not asked yet"

    def forbids(self, owner: Owner | None) -> bool:
        """Whether a restore would be reverted. What may not be read counts as if it would: an abort alone is safe."""
        if owner is None:
            return False
        if time.monotonic() - self._asked >= _SECONDS:
            self._asked = time.monotonic()
            try:
                found = heals(self._cluster, owner, self._namespace)
            except Unreachable as error:
                self._heals = f"whether it heals by itself was not observed ({error})"
            else:
                unknown = "whether it heals by itself may not be read"
                self._heals = "" if found is False else "it heals by itself" if found else unknown
        return bool(self._heals)

    def source(self, owner: Owner) -> str:
        """What a person has to do, since Git still has the release."""
        why = f"{self._heals}, so only the abort was sent" if self._heals else "it does not heal by itself"
        source = f"the Rollout is owned by {owner} ({why})"
        return f"{source}: revert its source, or it brings the release back: {command(owner)}"
