"""One scenario: a world with faults, the criterion that must fail, and the verdict that must follow."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from golive_sandbox.scenarios.faults import named
from golive_sandbox.scenarios.moments import Moment
from golive_sandbox.types import Json


class Verdict(enum.Enum):
    """What the suite has to say."""

    GO = "GO"
    NO_GO = "NO-GO"


class Found(enum.Enum):
    """What the rollback hook finds when it is called."""

    NOT_STARTED = "not_started"
    CANARY = "canary"
    PROMOTED = "promoted"
    ALREADY_BACK = "already_back"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Scenario:
    """One row."""

    name: str
    faults: tuple[str, ...]
    criterion: str | None
    verdict: Verdict = Verdict.NO_GO
    rollback: Found | None = Found.NOT_STARTED
    """``None``: the hook is not called."""
    proven: bool = True
    """Whether the rollback can be proven, where there is something to take back."""
    blind: bool = False
    """The criterion is not proven, since nothing can be observed; otherwise it fails."""
    dependants: tuple[str, ...] = ()
    """Criteria that cannot pass either while this one does not: they see less, or see the same thing to be wrong."""
    stage: str = "preflight"
    moments: tuple[tuple[str, Moment], ...] = ()
    """When a fault is switched on, where that is not the start."""
    rate: float | None = None
    """Requests a second, where it is not what its stage needs."""

    def moment(self, fault: str) -> Moment:
        """When ``fault`` is switched on."""
        return dict(self.moments).get(fault, Moment.START)

    @property
    def markers(self) -> str:
        """What the suite has to be asked for with ``-m``."""
        return "preflight or canary or acceptance or promote" if self.stage == "canary" else self.stage

    @property
    def own_plane(self) -> bool:
        """It cannot share a plane with other worlds."""
        return any(named(name).own_plane for name in self.faults)

    @property
    def exit(self) -> int:
        """The exit code that the suite must end with."""
        if self.verdict is Verdict.GO:
            return 0
        return 20 if self.proven else 21

    def row(self) -> Json:
        """As ``golive-sandbox scenarios --json`` prints it."""
        return {
            "name": self.name,
            "faults": list(self.faults),
            "when": {fault: self.moment(fault).value for fault in self.faults},
            "stage": self.stage,
            "criterion": self.criterion,
            "outcome": None if self.criterion is None else "not_proven" if self.blind else "failed",
            "dependants": list(self.dependants),
            "verdict": self.verdict.value,
            "exit": self.exit,
            "rollback": self.rollback.value if self.rollback else None,
            "own_plane": self.own_plane,
        }
