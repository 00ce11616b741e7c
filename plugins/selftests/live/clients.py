"""What clients at the ingress saw: which version answered, and when. Nothing of it comes from the API or the suite."""

from __future__ import annotations

import json
from dataclasses import dataclass

from golive.types import Json, JsonValue, dig, mapping
from selftests.live.world import World

RELEASE, STABLE = "1.5.0", "1.4.2"
"""As the servers name themselves."""
_LATE = 0.5
"""Seconds that one answer may be late, from a version that has just lost its traffic."""
_CHANGE = 3.0
"""Seconds in which both may answer while all traffic changes sides; a walk over four weights takes far longer."""


@dataclass(frozen=True, slots=True)
class Seen:
    """The moments (unix seconds) at which each version answered, in buckets of a quarter of a second."""

    release: tuple[tuple[float, float], ...]
    stable: tuple[tuple[float, float], ...]
    """First and last answer of each bucket that has one."""
    failed: int

    @property
    def release_came_once(self) -> bool:
        """Whether the release answered during one span only: taken back, it never came again; none is well too."""
        # At 10 % of a hundred requests a second, ten a second are its own.
        gaps = [later[0] - earlier[1] for earlier, later in zip(self.release, self.release[1:], strict=False)]
        return all(gap < 2.0 for gap in gaps)

    @property
    def ends_on_stable(self) -> bool:
        """Whether the stable version answered last, and the release not at the end."""
        return bool(self.stable) and (not self.release or self.release[-1][1] < self.stable[-1][1] - _LATE)

    @property
    def changes_at_once(self) -> bool:
        """Whether the release's last answer came before the stable version's first, or soon after it."""
        return bool(self.release and self.stable) and self.release[-1][1] - self.stable[0][0] < _CHANGE


def seen_from_outside(world: World, since: float) -> Seen:
    """What was answered since then, once the newest answers are old enough to tell who answers last."""
    told: Json = json.loads(world.sandbox("versions", "--since", str(since)))
    buckets = told["buckets"]
    rows = [mapping(row, 1) for row in (buckets if isinstance(buckets, list) else [])]
    failed = sum(int(_number(one, 1)) for row in rows for one in row.values())
    return Seen(_spans(rows, RELEASE), _spans(rows, STABLE), failed)


def _spans(rows: list[Json], version: str) -> tuple[tuple[float, float], ...]:
    found = [row[version] for row in rows if version in row]
    return tuple((_number(one, 2), _number(one, 3)) for one in found)


def _number(value: JsonValue, at: int) -> float:
    found = dig(value, at)
    return float(found) if isinstance(found, int | float) else 0.0
