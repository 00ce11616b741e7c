"""Inner suites: a few lines of criteria with their own ratified list, judged by pytest in a process of its own."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from golive.journal import Entry, Journal
from golive.redact import Redactor
from golive.types import Json, items, mapping, text

TARGET, SERVICES, CANARY = "0.1-target", "0.5-services", "2.2-step"
"""Ids of inner criteria; the real list's are used, so that what the judge says about them is exercised too."""
PRELUDE = "import os, pytest\n"


@dataclass(frozen=True, slots=True)
class Row:
    """A row of an inner ratified list, and how its test is marked."""

    id: str
    gate: str = "p0"
    stage: str = "preflight"
    more: str = ""

    def toml(self) -> str:
        """As ``criteria.toml`` has it."""
        head = f'[[criterion]]\nid = "{self.id}"\ngate = "{self.gate}"\nstage = "{self.stage}"\n'
        return f'{head}runbook = "0"\ntitle = "{self.id} holds"\n{self.more}\n'


_HOLDS = "evidence.check(True, expected='it holds', observed='it does', fix='none')"


def claim(row: Row, body: str, *, name: str = "", arguments: str = "", above: str = "", claims: bool = True) -> str:
    """A test that is this criterion; ``above`` is one more decorator.

    A body that makes no claim of its own makes one at its end, unless ``claims`` is false.
    """
    if claims and "evidence" not in arguments:
        body, arguments = f"{body}\n{_HOLDS}", f"{arguments}, evidence".lstrip(", ")
    word = name or row.id.replace("-", "_").replace(".", "_")
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    return (
        f'\n{above}\n@pytest.mark.{row.gate}\n@pytest.mark.{row.stage}\n@pytest.mark.criterion("{row.id}")\n'
        f"def test_{word}({arguments}):\n"
        f'    """It MUST hold.\n\n    Runbook: section 0\n    """\n{lines}\n'
    )


@dataclass(frozen=True, slots=True)
class Result:
    """What an inner run left."""

    exit: int
    out: str
    reports: Path

    @property
    def verdict(self) -> Json:
        """The newest ``verdict.json``."""
        value: Json = json.loads((self.reports / "verdict.json").read_text(encoding="utf-8"))
        return value

    @property
    def word(self) -> str:
        """GO, NO-GO or PENDING, as the file on disk says."""
        return text(self.verdict, "verdict")

    @property
    def rollback(self) -> Json:
        """What became of the traffic."""
        return mapping(self.verdict, "rollback")

    def criterion(self, name: str) -> Json:
        """One criterion's row in the verdict."""
        return next(row for row in items(self.verdict, "criteria") if text(row, "id") == name)

    def outcome(self, name: str) -> str:
        """One criterion's outcome."""
        return text(self.criterion(name), "outcome")

    def journal(self) -> tuple[Entry, ...]:
        """The newest run's journal, its chain checked."""
        newest = max(self.reports.glob("record/*/*/journal.jsonl"))
        return Journal(newest, "reader", Redactor()).read()

    def kinds(self) -> list[str]:
        """What happened, in order."""
        return [entry.kind for entry in self.journal()]

    def written(self) -> str:
        """Everything under the folder of the inner suite that a run wrote, as one text."""
        files = (
            path for path in self.reports.parent.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")
        )
        return "\n".join(path.read_bytes().decode("utf-8", "replace") for path in files)


@dataclass(frozen=True, slots=True)
class Suite:
    """An inner suite in a folder of its own, beside a ``golive.toml`` that leads to a real cluster."""

    pytester: pytest.Pytester
    settings: str

    @property
    def path(self) -> Path:
        """Its folder."""
        return self.pytester.path

    def list(self, *rows: Row) -> None:
        """Write the ratified list."""
        (self.path / "criteria.toml").write_text("\n".join(row.toml() for row in rows), encoding="utf-8")

    def configure(self, *changes: tuple[str, str]) -> None:
        """Write ``golive.toml``, with some of its text replaced."""
        words = self.settings
        for old, new in changes:
            assert old in words, f"{old!r} is not in golive.toml"
            words = words.replace(old, new)
        (self.path / "golive.toml").write_text(words, encoding="utf-8")

    def write(self, name: str, *sources: str) -> None:
        """Write a Python file."""
        (self.path / name).write_text(PRELUDE + "\n".join(sources), encoding="utf-8")

    def one(self, body: str, *, arguments: str = "", above: str = "", claims: bool = True) -> None:
        """A suite of one p0 criterion."""
        row = Row(SERVICES)
        self.list(row)
        self.write("test_inner.py", claim(row, body, arguments=arguments, above=above, claims=claims))

    def run(self, *args: str, timeout: float = 60.0) -> Result:
        """Run pytest on it."""
        done = self.pytester.runpytest_subprocess("-p", "no:cacheprovider", *args, timeout=timeout)
        return Result(int(done.ret), done.stdout.str() + done.stderr.str(), self.path / "reports")
