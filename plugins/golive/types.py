"""JSON as it comes from an API: raw and read-only by convention, looked into with the helpers below."""

from __future__ import annotations

import math
from typing import TypeAlias

JsonValue: TypeAlias = "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"
Json: TypeAlias = dict[str, JsonValue]


def dig(value: JsonValue, *path: str | int, default: JsonValue = None) -> JsonValue:
    """The value at ``path`` (``dig(pod, "status", "podIP")``), or ``default`` where any part is missing or null."""
    for part in path:
        step = _step(value, part)
        if step is None:
            return default
        value = step
    return default if value is None else value


def _step(value: JsonValue, part: str | int) -> JsonValue:
    if isinstance(part, str):
        return value.get(part) if isinstance(value, dict) else None
    within = isinstance(value, list) and -len(value) <= part < len(value)
    return value[part] if isinstance(value, list) and within else None


def text(value: JsonValue, *path: str | int) -> str:
    """The string at ``path``; the empty string where there is none."""
    found = dig(value, *path, default="")
    return found if isinstance(found, str) else ""


def number(value: JsonValue, *path: str | int) -> int | None:
    """The whole number at ``path``, or ``None``; a boolean is not a number."""
    found = dig(value, *path)
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def real(value: JsonValue, *path: str | int) -> float:
    """The number at ``path``, ``+Inf`` too; ``nan`` where there is none (a boolean is none): no limit holds for it."""
    found = dig(value, *path)
    if found == "+Inf":
        return math.inf
    return float(found) if isinstance(found, (int, float)) and not isinstance(found, bool) else math.nan


def mapping(value: JsonValue, *path: str | int) -> Json:
    """The object at ``path``; an empty one where there is none."""
    found = dig(value, *path, default={})
    return found if isinstance(found, dict) else {}


def items(value: JsonValue, *path: str | int) -> list[Json]:
    """The objects of the list at ``path``; an empty list where there is none."""
    found = dig(value, *path, default=[])
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []
