"""How many pods the Rollout asks for: who decides it, and that there are any to go back to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from golive.errors import ApiError
from golive.types import Json, mapping, number, text

if TYPE_CHECKING:
    from golive.argo import RolloutView
    from golive.cluster import Cluster
    from golive.owning import Owning
    from golive.t0 import T0, RollbackTarget
    from golive.writes import Writes

_BY_HAND = "kubectl -n {namespace} scale rollout {rollout} --replicas={wanted}"


def autoscalers(cluster: Cluster, namespace: str, rollout: str) -> tuple[str, ...]:
    """The HorizontalPodAutoscalers that scale the Rollout, with their limits."""
    found = cluster.list(f"/apis/autoscaling/v2/namespaces/{namespace}/horizontalpodautoscalers")
    ours = [one for one in found if _scales(mapping(one, "spec", "scaleTargetRef"), rollout)]
    return tuple(
        f"{text(one, 'metadata', 'name')} ({number(one, 'spec', 'minReplicas') or 1} to "
        f"{number(one, 'spec', 'maxReplicas')})"
        for one in ours
    )


def _scales(target: Json, rollout: str) -> bool:
    return (text(target, "kind"), text(target, "name")) == ("Rollout", rollout)


class Scaling:
    """A Rollout that somebody scaled down while its canary was under way: too few answer, or none, whatever is stable.

    An autoscaler mends every number but 0, which it leaves alone for good.
    """

    def __init__(self, cluster: Cluster, target: RollbackTarget, t0: T0 | None, writes: Writes, owning: Owning) -> None:
        self._cluster, self._target, self._t0, self._do, self._owning = cluster, target, t0, writes, owning
        self._scalers: tuple[str, ...] | None = None

    def up_again(self, view: RolloutView) -> bool:
        """Whether T0's replicas were asked for just now; false too where the cluster's rules refused that.

        Raises ``Unreachable`` where it is not known who has the replicas.
        """
        if not self._low(view):
            return False
        try:
            if self._scalers is None:
                self._scalers = autoscalers(self._cluster, self._target.namespace, self._target.rollout)
        except ApiError as error:
            if error.status not in (401, 403):
                raise
            self.told(view, f"and whether an autoscaler has its replicas may not be read ({error})")
            return False
        has = ", ".join(self._scalers)
        wanted = self._wanted(view)
        if has and view.replicas:
            return False  # its number to choose
        if not wanted:
            self.told(view, "and how many pods T0 had is not known")
        elif has and self._owning.forbids(view.owner):
            self.told(view, f"HorizontalPodAutoscaler {has} leaves 0 alone, and its source would undo another number")
        elif self._do.scale(view, wanted):
            then = f"; HorizontalPodAutoscaler {has} has them from there" if has else ""
            self._do.remember(
                f"it had been scaled to {view.replicas} (spec.replicas): T0's {wanted} were asked for again{then}"
            )
            return True
        return False

    def told(self, view: RolloutView, why: str) -> None:
        """Say what a person has to do where no pod is asked for."""
        if self._low(view):
            names = {"namespace": self._target.namespace, "rollout": self._target.rollout}
            by_hand = _BY_HAND.format(**names, wanted=self._wanted(view) or "NUMBER")
            self._do.remember(f"it was scaled to {view.replicas} (spec.replicas), {why}; by hand: {by_hand}")

    def _low(self, view: RolloutView) -> bool:
        return not view.replicas or view.replicas < self._wanted(view)

    def _wanted(self, view: RolloutView) -> int:
        t0 = self._t0
        mine = t0 is not None and (t0.rollout, t0.hash) == (view.uid, view.stable_hash)
        return (number(t0.about, "replicas") or 0) if mine and t0 is not None else 0
