"""What a watchdog is told when it starts: the first line of its pipe."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path

from golive.access import Access
from golive.config import Settings
from golive.criterion import Ratified, Stage, load_ratified
from golive.record import Run
from golive.types import Json, dig, mapping, number, text

LANDING_SECONDS = 2.0
"""On top of one request's deadline: an apply that was sent and not heard of may still be carried out this late."""
AGAIN_SECONDS = 30.0
"""Most that a second look at a rollback may take, before the verdict is written."""


@dataclass(frozen=True)
class Order:
    """One run to watch over. It holds credentials: it travels through a pipe, never through a file.

    ``armed``: whether a failed p0 may take traffic back. ``by_hand``: a person asked for the rollback, which needs no
    arming. ``who`` and ``started`` are for the verdict that the watchdog writes when pytest is gone.
    """

    run: Run
    settings: Settings
    ratified_path: Path
    scope: tuple[Stage, ...]
    access: Access = field(repr=False)
    armed: bool
    who: str
    started: str
    by_hand: bool = False
    driver: int = field(default_factory=os.getpid)
    """The process to watch over."""

    @property
    def ratified(self) -> Ratified:
        """The ratified list, read now."""
        return load_ratified(self.ratified_path)

    def to_json(self) -> Json:
        """For the pipe."""
        return {
            "run": self.run.to_json(),
            "settings": self.settings.model_dump(mode="json"),
            "ratified": str(self.ratified_path),
            "scope": [stage.value for stage in self.scope],
            "access": self.access.to_json(),
            "armed": self.armed,
            "who": self.who,
            "started": self.started,
            "by_hand": self.by_hand,
            "driver": self.driver,
        }

    @classmethod
    def from_json(cls, data: Json) -> Order:
        """What ``to_json`` gave."""
        scope = dig(data, "scope", default=[])
        return cls(
            run=Run.from_json(mapping(data, "run")),
            settings=Settings.model_validate_json(json.dumps(data["settings"])),
            ratified_path=Path(text(data, "ratified")),
            scope=tuple(Stage(str(word)) for word in (scope if isinstance(scope, list) else [])),
            access=Access.from_json(mapping(data, "access")),
            armed=data.get("armed") is True,
            who=text(data, "who"),
            started=text(data, "started"),
            by_hand=data.get("by_hand") is True,
            driver=number(data, "driver") or 0,
        )
