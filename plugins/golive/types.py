"""JSON as it comes from an API: raw and read-only by convention, looked into with the helpers below."""

from __future__ import annotations

import json
import math
from typing import NoReturn, TypeAlias

from golive.errors import Unreachable

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


def strict_json(body: bytes) -> Json:
    """A JSON object in UTF-8 in which no key stands twice, for what people or programs decide by.

    Two readers that understand the same bytes differently are how one thing is reviewed and another one used. Raises
    ``Unreachable`` in one line.
    """

    def once(pairs: list[tuple[str, JsonValue]]) -> Json:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError("a key that stands twice")
        return found

    try:
        found: JsonValue = json.loads(body.decode("utf-8"), object_pairs_hook=once, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        words = " ".join(str(error).split())[:120]
        raise Unreachable(f"expected JSON, found {body[:60]!r}: {words}") from error
    if not isinstance(found, dict):
        raise Unreachable(f"expected a JSON object, found {body[:60]!r}")
    return found


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")
