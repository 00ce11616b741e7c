"""Which settings of ``golive.toml`` say what is counted: windows that were counted by others cannot be added up."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from golive.config import Settings
    from golive.types import Json


def filters_of(settings: Settings) -> str:
    """The SHA-256 of the series, labels, routes and rules that the SLO queries choose by; not of any limit."""
    metrics, prometheus, slo = settings.metrics, settings.prometheus, settings.slo
    chosen: Json = {
        **{name: getattr(metrics, name) for name in ("requests", "durations", "code", "route")},
        "critical_routes": [*sorted(metrics.critical_routes)],
        "labels": [prometheus.namespace_label, prometheus.pod_label, slo.version_label],
        "namespace": settings.target.namespace,
        "routes": slo.routes,
        "rules": [*sorted(prometheus.rules)],
    }
    return hashlib.sha256(json.dumps(chosen, sort_keys=True).encode()).hexdigest()
