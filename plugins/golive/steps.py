"""The steps of a canary: which belong to which weight, and where it holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from golive.types import Json, JsonValue, items, number


@dataclass(frozen=True, slots=True)
class Held:
    """A weight and the pause without duration that holds it; step indexes count from 0."""

    weight: int
    first: int
    """Its ``setWeight``."""
    pause: int


@dataclass(frozen=True, slots=True)
class Steps:
    """The weights of a canary in their order."""

    held: tuple[Held, ...]
    problems: tuple[str, ...]
    """Why the canary would not stand still at each weight until somebody promotes it; empty when it would."""

    @property
    def end(self) -> int:
        """The step index when all are done: past the last pause."""
        return self.held[-1].pause + 1 if self.held else 0

    def at(self, weight: int) -> Held | None:
        """Where ``weight`` is held."""
        return next((one for one in self.held if one.weight == weight), None)

    @property
    def weights(self) -> tuple[int, ...]:
        """In their order."""
        return tuple(one.weight for one in self.held)

    def before(self, weight: int) -> Held | None:
        """What is held before ``weight``; ``None`` for the first, which comes with the apply."""
        index = self.weights.index(weight) if weight in self.weights else 0
        return self.held[index - 1] if index else None

    def weight_of(self, step: int | None) -> int | None:
        """The weight that a step index belongs to; ``None`` before the first and after the last."""
        found = [one.weight for one in self.held if step is not None and one.first <= step <= one.pause]
        return found[0] if found else None


def steps_of(canary: Json) -> Steps:
    """Read ``spec.strategy.canary.steps``."""
    steps = items(canary, "steps")
    starts = [index for index, one in enumerate(steps) if "setWeight" in one]
    held, problems = [], []
    if starts[:1] != [0]:
        problems.append("its first step is not a setWeight")
    for start, end in zip(starts, [*starts[1:], len(steps)], strict=True):
        weight = number(steps[start], "setWeight") or 0
        pauses = [index for index in range(start, end) if steps[index].get("pause") == {}]
        if pauses != [end - 1]:
            problems.append(f"weight {weight} does not end in one pause without duration")
        else:
            held.append(Held(weight, start, end - 1))
        problems += _moving(steps[start + 1 : end], weight)
    if [one.weight for one in held] != sorted({one.weight for one in held}):
        problems.append("its weights do not rise")
    return Steps(tuple(held), tuple(problems))


def _moving(steps: Sequence[Json], weight: int) -> list[str]:
    """Steps between a weight and its pause that may change traffic or pods by themselves."""
    strange = sorted({key for one in steps for key in one if key not in ("analysis", "pause")})
    timed: list[JsonValue] = [one["pause"] for one in steps if "pause" in one and one["pause"] != {}]
    found = [f"between weight {weight} and its pause there is {', '.join(strange)}"] if strange else []
    return found + [f"weight {weight} has a pause that ends by itself: {one}" for one in timed]
