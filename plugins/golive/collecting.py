"""What was collected: every criterion with an id and a runbook section, sorted by stage, nothing left out silently."""

from __future__ import annotations

import inspect
from collections.abc import Sequence

import pytest

from golive.criterion import STAGES, Gate, Outcome, Ratified
from golive.journal import Journal
from golive.record import Run, once_per_run
from golive.types import Json, JsonValue

ID: pytest.StashKey[str] = pytest.StashKey()
COLLECTED = "collected.json"
_GATES = frozenset(gate.value for gate in Gate)
_STAGES = frozenset(stage.value for stage in STAGES)


def contract_problem(obj: object, ratified: Ratified) -> str:
    """Why a test function is not a criterion as agreed, or nothing (style guide, rule 2)."""
    marks = {mark.name: mark for mark in getattr(obj, "pytestmark", []) if isinstance(mark, pytest.Mark)}
    if not (marks.keys() & (_GATES | {"criterion"})):
        return ""
    name = getattr(obj, "__name__", "test")
    id_mark = marks.get("criterion")
    if id_mark is None or len(id_mark.args) != 1 or not isinstance(id_mark.args[0], str):
        return f'{name}: expected @pytest.mark.criterion("ID"), found none; take the id from criteria.toml'
    if "Runbook:" not in (inspect.getdoc(obj) or ""):
        return f'{name}: expected a docstring with "Runbook: section ...", found none'
    rows = [row for row in ratified.criteria if row.id == id_mark.args[0] or row.id.startswith(f"{id_mark.args[0]}[")]
    if not rows:
        return f"{name}: expected an id of the ratified list, found {id_mark.args[0]!r}"
    wanted = {rows[0].gate.value, rows[0].stage.value}
    found = marks.keys() & (_GATES | _STAGES)
    if found != wanted:
        return f"{name}: expected the markers {sorted(wanted)} of {rows[0].id}, found {sorted(found)}"
    return ""


def criterion_id(item: pytest.Item, ratified: Ratified | None) -> str:
    """The criterion an item is, with its parameter where the list has one row for each; "" for any other test."""
    mark = item.get_closest_marker("criterion")
    if mark is None or not mark.args:
        gated = any(item.get_closest_marker(gate) for gate in _GATES)
        return item.nodeid if gated else ""
    base = str(mark.args[0])
    callspec = getattr(item, "callspec", None)
    if callspec is None or (ratified is not None and ratified.get(base) is not None):
        return base
    return f"{base}[{callspec.id}]"


def arrange(items: list[pytest.Item], ratified: Ratified) -> None:
    """Give each item its id and sort by stage; other tests come last, in the order they were."""
    last = (len(STAGES), 0)
    order: dict[pytest.Item, tuple[int, int]] = {}
    for item in items:
        name = criterion_id(item, ratified)
        if name:
            item.stash[ID] = name
        row = ratified.get(name)
        order[item] = row.order if row else last
    items.sort(key=order.__getitem__)


def journal_missing(
    items: Sequence[pytest.Item], run: Run, ratified: Ratified, scope_ids: Sequence[str], journal: Journal
) -> None:
    """Write what was collected, once a run, and that a criterion in scope which was not is not proven."""

    def make() -> Json:
        found: dict[str, JsonValue] = {item.nodeid: item.stash[ID] for item in items if ID in item.stash}
        for name in scope_ids:
            row = ratified.get(name)
            if row is not None and name not in found.values():
                missing = "its test was not collected, or was deselected by something else than the stage"
                data: Json = {
                    "id": name,
                    "outcome": Outcome.NOT_PROVEN.value,
                    "expected": row.title,
                    "observed": missing,
                }
                journal.append("outcome", {**data, "fix": f"run the whole stage: pytest -m {row.stage.value}"})
        return found

    once_per_run(run.folder / COLLECTED, make)
