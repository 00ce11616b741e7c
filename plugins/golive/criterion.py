"""The ratified list: which criteria there are, whatever was collected, run or reported.

``criteria.toml`` beside the criteria names each one with its stage, its gate and its runbook section. The verdict is
computed from this list, so a test that was skipped, deselected or deleted cannot turn into a GO.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import cast

from golive.errors import ConfigError


class Gate(StrEnum):
    """``p0`` must have passed for a GO; ``p1`` is shown and acknowledged."""

    P0 = "p0"
    P1 = "p1"


class Stage(StrEnum):
    """The parts of a go-live, in the runbook's order."""

    PREFLIGHT = "preflight"
    CANARY = "canary"
    LOAD = "load"
    ACCEPTANCE = "acceptance"
    PROMOTE = "promote"
    POSTDEPLOY = "postdeploy"


class Outcome(StrEnum):
    """What became of a criterion; only ``PASSED`` is a pass, unless the list allows ``OFF`` or ``ATTESTED`` for it."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_PROVEN = "not_proven"
    OFF = "off"
    ATTESTED = "attested"


STAGES = tuple(Stage)
TARGET = "0.1-target"
"""The criterion that everything else hangs on: is this the intended cluster?"""
APPROVAL = "6-approval"
"""The criterion whose absence is PENDING, not NO-GO."""
_ID = re.compile(r"[0-9]+(\.[0-9]+)?-[a-z0-9][a-z0-9-]*(\[[^\[\]]+\])?")
_PLACES = {
    "": "",
    "@release": "",
    "@argo": "argo",
    "@kube-system": "kube-system",
    "@prometheus": "{prometheus}",
    "@alertmanager": "{alertmanager}",
    "@cluster": "*",
}
WORDS = ("namespace", "lease", "prometheus_service", "alertmanager_service")
"""What a need's name may hold in braces: the release's namespace, the driver's Lease, two Services as the proxy has
them."""
_WORD = re.compile(r"\{([^{}]*)\}")
_NEED = re.compile(
    r"(?P<verb>[a-z]+) (?P<resource>[a-z]+)(/(?P<sub>[a-z]+))?(\.(?P<group>[a-z0-9.]+))?( (?P<scope>\S+))?"
)


@dataclass(frozen=True, slots=True)
class Need:
    """One permission: a verb on a resource.

    ``namespace``: "" the release's, "argo" the controller's, "kube-system", "*" the whole cluster. Namespace and name
    may hold words in braces until ``resolved``. Reading a Namespace object is asked inside that namespace.
    """

    verb: str
    group: str
    resource: str
    subresource: str = ""
    name: str = ""
    namespace: str = ""

    @classmethod
    def parse(cls, line: str) -> Need:
        """Read ``"patch rollouts/status.argoproj.io"``; a last word is a place, with ``:NAME`` for one object."""
        found = _NEED.fullmatch(line)
        if found is None:
            raise ValueError(f'expected a need such as "get services" or "list pods @argo", found {line!r}')
        scope, _, name = (found["scope"] or "").partition(":")
        if scope not in _PLACES:
            raise ValueError(f"expected one of {', '.join(filter(None, _PLACES))}, with or without :NAME, in {line!r}")
        if set(_WORD.findall(name)) - set(WORDS):
            raise ValueError(f"expected only {', '.join(WORDS)} in braces, found {line!r}")
        return cls(found["verb"], found["group"] or "", found["resource"], found["sub"] or "", name, _PLACES[scope])

    def resolved(self, words: Mapping[str, str]) -> Need | None:
        """The same with what ``golive.toml`` says for the words in braces; ``None`` where it says that nothing is."""
        before = (self.namespace, self.name)
        namespace, name = (text.format_map(words) for text in before)
        if any(text and not found for text, found in zip(before, (namespace, name), strict=True)):
            return None
        return replace(self, namespace=namespace, name=name)

    def __str__(self) -> str:
        resource = f"{self.resource}/{self.subresource}" if self.subresource else self.resource
        group = f".{self.group}" if self.group else ""
        place = {"": "", "argo": " (Argo's namespace)", "*": " (cluster)"}.get(self.namespace, f" ({self.namespace})")
        return f"{self.verb} {resource}{group}{f' {self.name}' if self.name else ''}{place}"


@dataclass(frozen=True, slots=True)
class Criterion:
    """One row of the ratified list.

    ``step`` orders criteria inside a stage: each canary weight is a stage of its own (percent), everything else is 0.
    ``reads`` and ``writes`` are sentences for the plan; ``needs`` the permissions they take.
    """

    id: str
    gate: Gate
    stage: Stage
    runbook: str
    title: str
    step: int = 0
    implemented: bool = True
    soak: bool = False
    reads: str = ""
    writes: tuple[str, ...] = ()
    needs: tuple[Need, ...] = ()
    allows: tuple[Outcome, ...] = ()

    @property
    def order(self) -> tuple[int, int]:
        """Where it stands in the runbook's order; 0.1-target is before everything, the approval first in its stage."""
        if self.id == TARGET:
            return (-1, 0)
        return (STAGES.index(self.stage), -1 if self.id == APPROVAL else self.step)

    @property
    def markers(self) -> frozenset[str]:
        """What ``-m`` can select it by."""
        return frozenset({self.gate.value, self.stage.value} | ({"soak"} if self.soak else set()))

    def counts_as_passed(self, outcome: Outcome) -> bool:
        """Whether ``outcome`` is good enough for this criterion."""
        return outcome is Outcome.PASSED or outcome in self.allows


@dataclass(frozen=True, slots=True)
class Ratified:
    """The whole list, the SHA-256 of its bytes, and the permissions a rollback takes."""

    criteria: tuple[Criterion, ...]
    sha256: str
    rollback_needs: tuple[Need, ...] = ()

    def get(self, criterion_id: str) -> Criterion | None:
        """The row with this id, or ``None``."""
        return next((row for row in self.criteria if row.id == criterion_id), None)

    def in_scope(self, scope: Iterable[Stage]) -> tuple[Criterion, ...]:
        """The implemented rows of these stages, in the runbook's order; soak is its own marker, not part of a scope."""
        stages = set(scope)
        rows = [row for row in self.criteria if row.stage in stages and row.implemented and not row.soak]
        return tuple(sorted(rows, key=lambda row: row.order))

    def not_implemented(self, scope: Iterable[Stage] = STAGES) -> tuple[Criterion, ...]:
        """The rows of these stages that are not built yet."""
        stages = set(scope)
        return tuple(row for row in self.criteria if row.stage in stages and not row.implemented)


def find_ratified(named: Path | None, *folders: Path) -> Path:
    """The ratified list: the one that ``golive.toml`` names, else ``tests_golive/criteria.toml`` of the first folder.

    Raises ``ConfigError`` when there is none.
    """
    if named is not None:
        return named
    places = tuple(dict.fromkeys(folder / "tests_golive" / "criteria.toml" for folder in folders))
    found = next((path for path in places if path.is_file()), None)
    if found is None:
        seen = " or ".join(str(path) for path in places)
        raise ConfigError(f"criteria: expected the ratified list in {seen}, found none; name it in golive.toml")
    return found


def load_ratified(path: Path) -> Ratified:
    """Read ``criteria.toml``. Raises ``ConfigError`` naming the row, what was expected and what was found."""
    try:
        raw = path.read_bytes()
        data = tomllib.loads(raw.decode("utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: expected the ratified list of criteria, found: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: expected complete TOML, found: {error}") from error
    rows = data.get("criterion")
    if not isinstance(rows, list) or not rows:
        raise ConfigError(f"{path}: expected at least one [[criterion]], found none")
    try:
        criteria = [row for number, raw_row in enumerate(rows, 1) for row in _expand(number, raw_row)]
        rollback = data.get("rollback")
        lines = _texts(rollback if isinstance(rollback, dict) else {"needs": rollback}, "needs", "rollback.needs")
        needs = tuple(Need.parse(line) for line in lines)
    except ValueError as error:
        raise ConfigError(f"{path.name}: {error}") from error
    ids = [row.id for row in criteria]
    twice = sorted({one for one in ids if ids.count(one) > 1})
    if twice:
        raise ConfigError(f"{path.name}: expected each id once, found twice: {', '.join(twice)}")
    return Ratified(tuple(criteria), hashlib.sha256(raw).hexdigest(), needs)


_KEYS = frozenset(
    {"id", "gate", "stage", "runbook", "title", "weights", "implemented", "soak", "reads", "writes", "needs", "allows"}
)


def _expand(number: int, row: object) -> list[Criterion]:
    """One row as written; with ``weights`` one criterion for each canary weight."""
    if not isinstance(row, dict):
        raise ValueError(f"criterion {number}: expected a table, found {row!r}")  # noqa: TRY004  (one kind for the file)
    where = f"criterion {number} ({row.get('id', 'no id')})"
    unknown = sorted(set(row) - _KEYS)
    if unknown:
        raise ValueError(f"{where}: expected keys {', '.join(sorted(_KEYS))}, found {', '.join(unknown)}")
    missing = [key for key in ("id", "gate", "stage", "runbook", "title") if not isinstance(row.get(key), str)]
    if missing:
        raise ValueError(f"{where}: expected a text for {', '.join(missing)}, found none")
    try:
        return [_one(weight, row) for weight in _weights(row)]
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


def _weights(row: Mapping[str, object]) -> list[int]:
    found = row.get("weights", [0])
    whole = isinstance(found, list) and all(type(one) is int and 0 <= one <= 100 for one in found)
    if not whole or not found:
        raise ValueError(f"expected whole percents for weights, found {found!r}")
    return cast("list[int]", found)


def _texts(row: Mapping[str, object], key: str, name: str = "") -> list[str]:
    found = row.get(key)
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise ValueError(f"{name or key}: expected a list of texts, found {found!r}")
    return cast("list[str]", found)


def _flag(row: Mapping[str, object], key: str, default: bool) -> bool:
    found = row.get(key, default)
    if not isinstance(found, bool):
        raise ValueError(f"expected true or false for {key}, found {found!r}")  # noqa: TRY004  (one kind for the file)
    return found


def _allows(row: Mapping[str, object]) -> tuple[Outcome, ...]:
    """What counts as a pass beside a pass; a failure never does."""
    words = tuple(Outcome(word) for word in _texts(row, "allows"))
    strange = [word.value for word in words if word not in (Outcome.OFF, Outcome.ATTESTED)]
    if strange:
        raise ValueError(f"expected off or attested for allows, found {', '.join(strange)}")
    return words


def _one(weight: int, row: Mapping[str, object]) -> Criterion:
    name = f"{row['id']}[{weight}]" if weight else str(row["id"])
    if not _ID.fullmatch(name):
        raise ValueError(f"expected an id such as 0.5-services, found {name!r}")
    return Criterion(
        id=name,
        gate=Gate(str(row["gate"])),
        stage=Stage(str(row["stage"])),
        runbook=str(row["runbook"]),
        title=str(row["title"]),
        step=weight,
        implemented=_flag(row, "implemented", default=True),
        soak=_flag(row, "soak", default=False),
        reads=str(row.get("reads", "")),
        writes=tuple(_texts(row, "writes")),
        needs=tuple(Need.parse(line) for line in _texts(row, "needs")),
        allows=_allows(row),
    )
