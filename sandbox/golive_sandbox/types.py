"""JSON as the Kubernetes API speaks it, and helpers to look into it without a ladder of checks."""

from __future__ import annotations

from typing import TypeAlias

JsonValue: TypeAlias = "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"
Json: TypeAlias = dict[str, JsonValue]


def dig(value: JsonValue, *path: str | int, default: JsonValue = None) -> JsonValue:
    """The value at ``path`` (``dig(pod, "status", "podIP")``), or ``default`` where any part is missing or null."""
    for part in path:
        value = _step(value, part)
    return default if value is None else value


def _step(value: JsonValue, part: str | int) -> JsonValue:
    if isinstance(value, dict) and isinstance(part, str):
        return value.get(part)
    if isinstance(value, list) and isinstance(part, int) and -len(value) <= part < len(value):
        return value[part]
    return None


def text(value: JsonValue, *path: str | int) -> str:
    """The string at ``path``; the empty string where there is none."""
    found = dig(value, *path)
    return found if isinstance(found, str) else ""


def number(value: JsonValue, *path: str | int, default: int = 0) -> int:
    """The whole number at ``path``, or ``default``."""
    found = dig(value, *path)
    return found if isinstance(found, int) and not isinstance(found, bool) else default


def mapping(value: JsonValue, *path: str | int) -> Json:
    """The object at ``path``; an empty one where there is none."""
    found = dig(value, *path)
    return found if isinstance(found, dict) else {}


def items(value: JsonValue, *path: str | int) -> list[Json]:
    """The objects of the list at ``path``; an empty list where there is none."""
    found = dig(value, *path)
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def strings(value: JsonValue, *path: str | int) -> list[str]:
    """The strings of the list at ``path``; an empty list where there is none."""
    found = dig(value, *path)
    return [item for item in found if isinstance(item, str)] if isinstance(found, list) else []
