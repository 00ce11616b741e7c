"""The scenarios: a world with faults, the criterion that must fail, and the verdict that must follow."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from golive_sandbox.errors import SandboxError
from golive_sandbox.scenarios.faults import named as fault_named
from golive_sandbox.types import Json

CLEAN = "clean"


class Verdict(enum.Enum):
    """What the suite has to say, and its exit code where everything goes as it should."""

    GO = "GO"
    NO_GO = "NO-GO"

    @property
    def exit(self) -> int:
        """The exit code."""
        return 0 if self is Verdict.GO else 20


class Found(enum.Enum):
    """What the rollback hook finds when it is called."""

    NOT_STARTED = "not_started"
    CANARY = "canary"


@dataclass(frozen=True, slots=True)
class Scenario:
    """One row."""

    name: str
    faults: tuple[str, ...]
    criterion: str | None
    verdict: Verdict = Verdict.NO_GO
    rollback: Found | None = Found.NOT_STARTED
    """``None``: the hook is not called."""
    stage: str = "preflight"

    @property
    def own_plane(self) -> bool:
        """It cannot share a plane with other worlds."""
        return any(fault_named(name).own_plane for name in self.faults)

    def row(self) -> Json:
        """As ``golive-sandbox scenarios --json`` prints it."""
        return {
            "name": self.name,
            "faults": list(self.faults),
            "stage": self.stage,
            "criterion": self.criterion,
            "verdict": self.verdict.value,
            "exit": self.verdict.exit,
            "rollback": self.rollback.value if self.rollback else None,
            "own_plane": self.own_plane,
        }


def _one(fault: str, criterion: str, rollback: Found | None = Found.NOT_STARTED) -> Scenario:
    return Scenario(fault, (fault,), criterion, rollback=rollback)


SCENARIOS: tuple[Scenario, ...] = (
    Scenario(CLEAN, (), None, Verdict.GO, None),
    # Nothing is written to a cluster, or a namespace, that is not the intended one: the hook is not called.
    _one("wrong-cluster", "0.1-target", None),
    _one("namespace-missing", "0.1-target", None),
    _one("status-patch-forbidden", "0.1-access"),
    _one("manifest-apply-forbidden", "0.1-access"),
    _one("argo-controller-down", "0.3-rollouts"),
    _one("argo-crd-missing", "0.3-rollouts"),
    _one("canary-service-missing", "0.5-services"),
    _one("stable-without-endpoints", "0.5-services"),
    _one("canary-selects-other-pods", "0.5-services"),
    _one("routing-names-other-service", "0.5-services"),
    _one("manifest-unknown-field", "1.1-manifests"),
    _one("manifest-other-digest", "1.1-manifests"),
    _one("manifest-refused", "1.1-manifests"),
    _one("role-empty", "6-raci"),
    _one("one-person-two-roles", "6-raci"),
    Scenario("canary-at-25-role-empty", ("canary-at-25", "role-empty"), "6-raci", rollback=Found.CANARY),
    Scenario(
        "canary-at-25-manifest-other-digest",
        ("canary-at-25", "manifest-other-digest"),
        "1.1-manifests",
        rollback=Found.CANARY,
    ),
)


def named(name: str) -> Scenario:
    """One scenario. Raises ``SandboxError`` naming all when there is none of that name."""
    for scenario in SCENARIOS:
        if scenario.name == name:
            return scenario
    raise SandboxError(f"expected a scenario of: {', '.join(one.name for one in SCENARIOS)}; got {name!r}")
