"""In-toto statements, read by ourselves: the library's parser refuses what cosign writes.

It wants a name for every subject, ``Statement/v1`` only, and no other digests than SHA-2 and SHA-3
(``shared/supply-chain.md``, 2.3 gap 3).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Container
from dataclasses import dataclass, field
from enum import StrEnum

from golive.errors import Unreachable
from golive.supply.errors import Code, Refused
from golive.types import JsonValue, dig, items, strict_json, text

PAYLOAD_TYPE = "application/vnd.in-toto+json"
COSIGN_SIGN = "https://sigstore.dev/cosign/sign/v1"
_TYPES = ("https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v0.1")
_SPDX, _CYCLONEDX = "https://spdx.dev/Document", "https://cyclonedx.org/bom"
SLSA_V1, SLSA_V02 = "https://slsa.dev/provenance/v1", "https://slsa.dev/provenance/v0.2"


class Kind(StrEnum):
    """What a statement is about its subject."""

    SIGNATURE = "signature"
    SBOM = "SBOM"
    PROVENANCE = "provenance"
    OTHER = "other"
    UNKNOWN = "unreadable"
    """Not even its kind can be told."""


def kind_of(predicate_type: str) -> Kind:
    """The kind by the predicate's type; SPDX and CycloneDX with or without a version behind it."""
    if predicate_type == COSIGN_SIGN:
        return Kind.SIGNATURE
    if predicate_type in (SLSA_V1, SLSA_V02):
        return Kind.PROVENANCE
    if any(predicate_type == one or predicate_type.startswith(f"{one}/v") for one in (_SPDX, _CYCLONEDX)):
        return Kind.SBOM
    return Kind.OTHER


@dataclass(frozen=True, slots=True)
class Statement:
    """``subjects`` are the SHA-256 digests, ``sha256:…``, that it speaks of; ``sha256`` is its own, in hex."""

    subjects: tuple[str, ...]
    predicate_type: str
    predicate: JsonValue = field(repr=False)
    sha256: str

    @property
    def kind(self) -> Kind:
        """What it is about its subjects."""
        return kind_of(self.predicate_type)

    def bound_to(self, digests: Container[str], expected: str) -> str:
        """The first subject that is one of the digests; raises ``Refused`` (SUBJECT_MISMATCH)."""
        for one in self.subjects:
            if one in digests:
                return one
        found = ", ".join(self.subjects) or "no sha256"
        raise Refused(Code.SUBJECT_MISMATCH, "subject of the statement", expected=expected, found=found)


def parse(payload: bytes) -> Statement:
    """The statement in a payload whose signature was verified. Raises ``Refused`` (STATEMENT_MALFORMED)."""
    try:
        data = strict_json(payload)
    except Unreachable as error:
        raise _refuse("statement", "a JSON object without a key twice", "something else", str(error)) from error
    kind = text(data, "_type")
    if kind not in _TYPES:
        raise _refuse("_type of the statement", " or ".join(_TYPES), kind or "none")
    if not items(data, "subject"):
        raise _refuse("subject of the statement", "at least one", "none")
    if not text(data, "predicateType"):
        raise _refuse("predicateType of the statement", "an address", "none")
    digests = [text(one, "digest", "sha256") for one in items(data, "subject")]
    subjects = tuple(f"sha256:{one}" for one in digests if one)
    return Statement(subjects, text(data, "predicateType"), dig(data, "predicate"), hashlib.sha256(payload).hexdigest())


def claimed(payload: bytes) -> Kind:
    """What kind a payload that nobody verified says it is: to sort refusals by, and for nothing else."""
    try:
        said = text(json.loads(payload), "predicateType")
    except (ValueError, RecursionError):
        return Kind.UNKNOWN
    return kind_of(said) if said else Kind.UNKNOWN


def _refuse(name: str, expected: str, found: str, detail: str = "") -> Refused:
    return Refused(Code.STATEMENT_MALFORMED, name, expected=expected, found=found, detail=detail)
