"""What was collected: every criterion with an id and a runbook section, sorted by stage, nothing left out silently."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence

import pytest

from golive.criterion import STAGES, Criterion, Gate, Outcome, Ratified
from golive.errors import JournalError
from golive.journal import Journal
from golive.record import Run, once_per_run
from golive.types import Json, JsonValue

ID: pytest.StashKey[str] = pytest.StashKey()
COLLECTED = "collected.json"
_GATES = frozenset(gate.value for gate in Gate)
_STAGES = frozenset(stage.value for stage in STAGES)


def contract_problem(obj: object, markers: Iterable[pytest.Mark], ratified: Ratified) -> str:
    """Why a test function is not a criterion as agreed, or nothing (style guide, rule 2).

    ``markers``: its own, nearest first, and those of its class and module.
    """
    marks = {mark.name: mark for mark in reversed(list(markers))}
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


def missing(generated: Mapping[str, str], kept: Mapping[str, str], scope: Iterable[Criterion]) -> dict[str, str]:
    """Why criteria in ``scope`` will not be wholly tested. Pure.

    ``generated`` is every test case as its function was read, ``kept`` what is left to run: node ids and criteria.
    """
    found: dict[str, str] = {}
    for row in scope:
        lost = sorted(nodeid for nodeid, name in generated.items() if name == row.id and nodeid not in kept)
        if row.id not in kept.values():
            found[row.id] = "its test was not collected, or was deselected by something else than the stage"
        elif lost:
            found[row.id] = f"{len(lost)} of its cases will not run, deselected or not collected: {', '.join(lost)}"
    return found


def journal_collected(
    items: Iterable[pytest.Item], generated: Mapping[str, str], run: Run, scope: Sequence[Criterion], journal: Journal
) -> None:
    """Write what was collected, once a run, and that a criterion in scope of which something is missing is not proven.

    The verdict and the gates wait for an outcome of each case that stands in the entry. Raises ``JournalError``.
    """

    def make() -> Json:
        kept = {item.nodeid: item.stash[ID] for item in items if ID in item.stash}
        found: dict[str, JsonValue] = dict(kept)
        journal.append("collected", {"items": found})
        why = missing(generated, kept, scope)
        for row in (one for one in scope if one.id in why):
            data: Json = {"id": row.id, "outcome": Outcome.NOT_PROVEN.value, "expected": row.title}
            fix = f"run the whole stage: pytest -m {row.stage.value}"
            journal.append("outcome", {**data, "observed": why[row.id], "fix": fix})
        return found

    try:
        once_per_run(run.folder / COLLECTED, make)
    except (OSError, ValueError) as error:
        raise JournalError(f"{run.folder / COLLECTED}: expected to keep what was collected, found: {error}") from error
