"""Who answered when, as the clients at the ingress saw it: read from the answers, never from the API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from golive_sandbox.types import Json, JsonValue, dig, mapping

NOBODY = "-"
"""In the place of a version: no answer at all. The empty version is an answer of the ingress itself."""


@dataclass(frozen=True, slots=True)
class Answers:
    """What one version answered in one bucket; ``first`` and ``last`` are unix seconds."""

    count: int
    failed: int
    """Answers of 500 and above."""
    first: float
    last: float


@dataclass(frozen=True, slots=True)
class Timeline:
    """Buckets of ``bucket_seconds`` in their order, from the answer to ``{"do": "versions"}``; ``now`` is its time.

    A version is what the server's own ``X-Maestro-Version`` says: the tag without its ``v``.
    """

    bucket_seconds: float
    now: float
    buckets: Sequence[tuple[float, Mapping[str, Answers]]]
    """The beginning of each, unix seconds, and the answers by version; one without any answer is not there."""

    @classmethod
    def of(cls, answer: Json) -> Timeline:
        """Read the answer of the control socket."""
        rows = answer.get("buckets")
        buckets = [
            (_number(row, 0), {version: _answers(mapping(row, 1), version) for version in mapping(row, 1)})
            for row in (rows if isinstance(rows, list) else [])
        ]
        return cls(_number(answer, "bucket_seconds"), _number(answer, "now"), buckets)

    def answered(self, since: float = 0.0) -> dict[str, int]:
        """Answers by version since then; a bucket that holds the moment counts when its last answer came later."""
        found: dict[str, int] = {}
        for _, by_version in self.buckets:
            for version, one in by_version.items():
                if one.last >= since:
                    found[version] = found.get(version, 0) + one.count
        return found

    def first(self, version: str) -> float | None:
        """When it first answered; ``None``: never."""
        return next((found[version].first for _, found in self.buckets if version in found), None)

    def last(self, version: str) -> float | None:
        """When it last answered; ``None``: never."""
        return next((found[version].last for _, found in reversed(self.buckets) if version in found), None)

    def failed(self, since: float = 0.0) -> int:
        """Requests since then without an answer, and answers of 500 and above."""
        return sum(one.failed for _, found in self.buckets for one in found.values() if one.last >= since)

    def only(self, version: str, since: float) -> bool:
        """Whether ``version`` has answered since then, and nobody else has (the ingress's own errors count)."""
        return set(self.answered(since)) == {version}


def _answers(by_version: Json, version: str) -> Answers:
    count, failed, first, last = (_number(by_version, version, at) for at in range(4))
    return Answers(int(count), int(failed), first, last)


def _number(value: JsonValue, *path: str | int) -> float:
    found = dig(value, *path)
    return float(found) if isinstance(found, int | float) else 0.0
