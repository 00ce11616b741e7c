"""What a criterion claims and what it saw, and the only way a claim can fail.

A failed claim teaches in three lines: ``expected:``, ``observed:``, ``fix:`` (style guide, rule 7).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NoReturn

from golive.types import Json

MOST_TEXT = 20_000
"""Characters of one piece of evidence; what is longer is cut, and says so."""


class ClaimFailed(AssertionError):  # noqa: N818  (a failed claim is a finding about the cluster, not an error of ours)
    """What was observed is not what the criterion expects. The only thing that makes a criterion *failed*."""

    def __init__(self, expected: str, observed: str, fix: str) -> None:
        super().__init__(f"expected: {expected}\nobserved: {observed}\nfix: {fix}")
        self.expected = expected
        self.observed = observed
        self.fix = fix


_FACT = "\n  "
_MORE = "\n    "


def as_facts(facts: Mapping[str, str]) -> str:
    """Named facts as text: a line each, indented by two; what follows in a value by four."""
    return "".join(f"{_FACT}{key}: {_MORE.join(value.splitlines())}" for key, value in facts.items())


def as_note(name: str, content: str) -> str:
    """One piece of evidence as the journal and every report hold it."""
    return f"{name}:{content}" if content.startswith(_FACT) else f"{name}: {content}"


def facts_in(note: str) -> tuple[str, list[tuple[str, str]]]:
    """A note's name and its facts; none when it was written as text."""
    name, _, content = note.partition("\n")
    lines = content.replace(_MORE, "\x00").splitlines() if name.endswith(":") else []
    if not all(line.startswith("  ") and ": " in line for line in lines):
        return name, []
    facts = [(key, value.replace("\x00", "\n")) for key, _, value in (line[2:].partition(": ") for line in lines)]
    return name.removesuffix(":"), facts


@dataclass
class Recorder:
    """Collects the evidence of one criterion; every check says what it expected and saw, also when it holds."""

    criterion: str
    expected: str = ""
    observed: str = ""
    fix: str = ""
    notes: list[tuple[str, str]] = field(default_factory=list)
    _claims: list[tuple[str, str]] = field(default_factory=list)
    failed: ClaimFailed | None = None
    """The first claim that did not hold; it counts also where somebody caught the exception."""
    attested: bool = False
    """Whether a claim holds by a person's word alone (``attest``)."""

    @property
    def claimed(self) -> bool:
        """Whether at least one claim was made, and said what it saw."""
        return any(seen.strip() for _, seen in self._claims)

    @property
    def held(self) -> tuple[tuple[str, str], ...]:
        """The claims so far and what was seen of each, but for one that did not hold."""
        return tuple(self._claims if self.failed is None else self._claims[:-1])

    @property
    def kept(self) -> tuple[str, ...]:
        """The pieces of evidence as the journal holds them."""
        return tuple(as_note(name, content) for name, content in self.notes)

    def attach(self, name: str, content: str) -> None:
        """Keep a piece of evidence: what was read, from where."""
        more = len(content) - MOST_TEXT
        self.notes.append((name, content if more <= 0 else f"{content[:MOST_TEXT]}\n… {more} characters more"))

    def facts(self, name: str, **facts: str) -> None:
        """Keep what was read as named facts, a line each; reports show them as a table. ``_`` in a name is a blank."""
        self.attach(name, as_facts({key.replace("_", " "): value for key, value in facts.items()}))

    def check(self, holds: bool, *, expected: str, observed: str, fix: str) -> None:
        """Claim that ``holds``; raises ``ClaimFailed`` when it does not."""
        self._claims.append((expected, observed))
        if not holds:
            self.fails(expected=expected, observed=observed, fix=fix)
        if self.failed is not None:
            return  # what did not hold stays on top
        self.expected = "\n".join(claim for claim, _ in self._claims)
        self.observed = "\n".join(seen for _, seen in self._claims)

    def fails(self, *, expected: str, observed: str, fix: str) -> NoReturn:
        """The claim does not hold: raises ``ClaimFailed``."""
        failure = ClaimFailed(expected, observed, fix)
        if self.failed is None:
            self.expected, self.observed, self.fix, self.failed = expected, observed, fix, failure
        raise failure

    def equal(self, what: str, *, expected: object, observed: object, fix: str) -> None:
        """Claim that two values are equal."""
        self.check(expected == observed, expected=f"{what}: {expected}", observed=f"{what}: {observed}", fix=fix)

    def attest(self, *, expected: str, observed: str) -> None:
        """Claim what a person has checked by hand; ``observed`` says who, and when. Never called passed: *attested*."""
        self.check(True, expected=expected, observed=observed, fix="")
        self.attested = True

    def to_json(self) -> Json:
        """For the journal."""
        return {
            "expected": self.expected,
            "observed": self.observed,
            "fix": self.fix,
            "evidence": [*self.kept],
        }
