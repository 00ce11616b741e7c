"""What ``golive.toml`` says of the SLOs: limits, certainty of a judgement, burn factors (runbook sections 2.2, 4)."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field, field_validator, model_validator

from golive.fields import Part
from golive.servers import LABEL

_Ratio = Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)]
_Chance = Annotated[float, Field(ge=1e-6, le=0.2, allow_inf_nan=False)]
_Factor = Annotated[float, Field(ge=1, le=1000, allow_inf_nan=False)]


class Slo(Part):
    """The limits, and how they are judged."""

    routes: str = "/api/.+"
    """Regular expression (RE2, anchored by Prometheus) of the routes whose answers count as the service's."""
    version_label: str = ""
    """Label of the series that tells the version by its pod-template hash; empty: told by the pods' names.

    The series must name their pod in ``prometheus.pod_label`` all the same.
    """
    error_limit: _Ratio = 0.005
    """Fewer of the answers than this are a 5xx (runbook 2.2: 0.5 %)."""
    latency_seconds: Annotated[float, Field(gt=0, le=600, allow_inf_nan=False)] = 1.5
    """The latency quantile of each critical route is below this."""
    latency_quantile: _Ratio = 0.95
    """Which quantile."""
    max_window_seconds: Annotated[float, Field(ge=0.5, le=86_400, allow_inf_nan=False)] = 900.0
    """How long a window that does not decide may become; then it is not proven."""
    pass_chance: _Chance = 0.05
    """At most this often, a weight of a release that is just over a limit passes."""
    fail_chance: _Chance = 0.01
    """At most this often, a release that is just within a limit is condemned, however often it is looked at."""
    burn_fast: _Factor = 14.4
    """Factor of the error budget's burn over 5 minutes and 1 hour, and of the canary alone over 5 minutes."""
    burn_slow: _Factor = 6.0
    """Factor over 30 minutes and 6 hours."""
    burn_growth: _Factor = 2.0
    """*Accelerating*: over 5 minutes more than 1, and this many times what it was at T0, in two looks running."""
    compare_worse: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 0.001
    """How much higher the canary's error ratio must surely be than the stable version's to be called worse."""

    @field_validator("routes")
    @classmethod
    def _compiles(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as error:
            raise ValueError(f"expected a regular expression, found {value!r}: {error}") from error
        if not value:
            raise ValueError("expected a regular expression such as /api/.+, found nothing")
        return value

    @field_validator("version_label")
    @classmethod
    def _labels(cls, value: str) -> str:
        if value and not LABEL.fullmatch(value):
            raise ValueError(f"expected a label's name such as rollouts_pod_template_hash, found {value!r}")
        return value

    @model_validator(mode="after")
    def _ordered(self) -> Slo:
        if self.burn_slow > self.burn_fast:
            raise ValueError(f"expected burn_slow up to burn_fast, found {self.burn_slow:g} over {self.burn_fast:g}")
        return self
