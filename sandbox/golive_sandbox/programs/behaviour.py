"""How a demo server behaves: from its environment at the start, and changed while it runs.

The keys are those of ``DEFAULTS``; in the environment they are upper case with MAESTRO_ before them, and tables by
route are JSON. A switch in the environment is on with any text.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from golive_sandbox.programs.metrics import MODES

INVOKE, TOOLS, RUNS = "/api/maestro/v1/invoke", "/api/maestro/v1/tools", "/api/maestro/v1/runs"
ROUTES = (INVOKE, TOOLS, RUNS)


class Behaviour:
    """What is wrong with it now. ``change`` it, or ``reset`` it to what the environment said."""

    def __init__(self, env: Mapping[str, str]) -> None:
        """Raise ``ValueError`` in one line when the environment says what cannot be."""
        self.values = dict(DEFAULTS)
        given = {key: env[f"MAESTRO_{key.upper()}"] for key in DEFAULTS if env.get(f"MAESTRO_{key.upper()}")}
        self.change({key: _from_text(key, text) for key, text in given.items()})
        self._start = dict(self.values)

    def change(self, changes: object) -> None:
        """Set some keys; ``None`` puts one back to what the environment said. All or nothing: see ``__init__``."""
        if not isinstance(changes, dict):
            raise _wrong("behaviour", "a JSON object", changes)
        for key, value in changes.items():
            if key not in DEFAULTS:
                raise _wrong("behaviour", f"keys of {', '.join(DEFAULTS)}", key)
            if value is not None:
                _CHECKS[key](key, value)
        for key, value in changes.items():
            self.values[key] = self._start[key] if value is None else value

    def reset(self) -> None:
        """As at the start."""
        self.values = dict(self._start)

    def on(self, key: str) -> bool:
        """Is a switch on?"""
        return self.values[key] is True

    def number(self, key: str) -> float:
        """A number."""
        value = self.values[key]
        return float(value) if isinstance(value, int | float) else 0.0

    def for_route(self, key: str, route: str) -> float:
        """A number that a table may set for one route."""
        table = self.values[f"{key}_by_route"]
        value = table.get(route) if isinstance(table, dict) else None
        return self.number(key) if value is None else float(value)

    @property
    def metrics(self) -> str:
        """The mode of ``/metrics``."""
        return str(self.values["metrics"])


def _wrong(key: str, expected: str, found: object) -> ValueError:
    return ValueError(f"{key}: expected {expected}; found {str(found)[:60]!r}")


def _from_text(key: str, text: str) -> object:
    if isinstance(DEFAULTS[key], bool):
        return True
    if isinstance(DEFAULTS[key], str):
        return text
    try:
        return json.loads(text)
    except ValueError:
        raise _wrong(f"MAESTRO_{key.upper()}", type(DEFAULTS[key]).__name__, text) from None


def _amount(key: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise _wrong(key, "a number of at least 0", value)


def _ratio(key: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise _wrong(key, "a ratio from 0 to 1", value)


def _by_route(check: Callable[[str, object], None]) -> Callable[[str, object], None]:
    def table(key: str, value: object) -> None:
        if not isinstance(value, dict) or not set(value) <= set(ROUTES):
            raise _wrong(key, f"a table of {', '.join(ROUTES)}", value)
        for route, one in value.items():
            check(f"{key}[{route}]", one)

    return table


def _switch(key: str, value: object) -> None:
    if not isinstance(value, bool):
        raise _wrong(key, "true or false", value)


def _mode(key: str, value: object) -> None:
    if value not in MODES:
        raise _wrong(key, f"one of {', '.join(MODES)}", value)


_TABLE: dict[str, tuple[object, Callable[[str, object], None]]] = {
    "error_ratio": (0, _ratio),
    "error_ratio_by_route": ({}, _by_route(_ratio)),
    "delay_ms": (0, _amount),
    "delay_ms_by_route": ({}, _by_route(_amount)),
    "leak_ms_per_second": (0, _amount),
    "start_seconds": (0, _amount),
    "crash_after_seconds": (0, _amount),
    "not_ready": (False, _switch),
    "log_pii": (False, _switch),
    "silent": (False, _switch),
    "metrics": ("ok", _mode),
}
DEFAULTS = {key: default for key, (default, _) in _TABLE.items()}
"""A server that works."""
_CHECKS = {key: check for key, (_, check) in _TABLE.items()}
