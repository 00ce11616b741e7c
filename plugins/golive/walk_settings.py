"""What ``golive.toml`` says of walking the canary: windows, promotion, the heartbeat, and GitOps."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from golive.fields import DnsName, Part

_Seconds = Annotated[float, Field(ge=0.5, le=86_400, allow_inf_nan=False)]


class Canary(Part):
    """How the canary is walked (runbook section 2)."""

    promotion: Literal["automatic", "ask"] = "automatic"
    """Whether the suite goes on to the next weight by itself, or waits for ``golive approve WEIGHT``."""
    approval_seconds: _Seconds = 3600.0
    """With ``ask``: how long to wait for that; a weight that nobody approved is not proven, and goes back."""
    window_seconds: _Seconds = 300.0
    """How long each weight is observed."""
    step_seconds: _Seconds = 180.0
    """A weight must be reached, with its pods Ready, within this many seconds."""
    analysis_seconds: _Seconds = 900.0
    """Argo's own analysis of a weight must have ended within this many seconds after the weight was reached."""
    look_seconds: Annotated[float, Field(ge=0.1, le=60, allow_inf_nan=False)] = 2.0
    """Between two looks at the canary."""
    first_cutover: bool = False
    """Whether there may be no version to go back to: Argo promotes a first deployment without any step."""
    field_managers: tuple[str, ...] = Field(
        default=("kubectl", "kubectl-client-side-apply", "kubectl-create", "kubectl-replace"), strict=False
    )
    """Who may have written the Rollout before, so that applying the reviewed one takes their fields over."""
    nodes_grow: bool = False
    """Whether nodes are added when pods find no place (a cluster autoscaler): free room is not asked for then."""


class Heartbeat(Part):
    """How the cluster knows that the driver lives (shared/argo-rollouts.md, section 8)."""

    template: DnsName | Literal[""] = "golive-heartbeat"
    """The AnalysisTemplate that judges the driver's Lease all the while; empty: none, so no lost machine is seen."""
    renew_seconds: Annotated[float, Field(ge=0.5, le=60, allow_inf_nan=False)] = 5.0
    """Between two renewals of the Lease."""
    handover_seconds: Annotated[float, Field(ge=10, le=86_400, allow_inf_nan=False)] = 1800.0
    """How long a canary may stand between two sessions that follow each other, such as two jobs of a pipeline."""


class GitOps(Part):
    """Where a GitOps controller keeps what it owns."""

    namespace: DnsName = "argocd"
    """Namespace of Argo CD's Applications; read only where the Rollout says that one owns it."""
