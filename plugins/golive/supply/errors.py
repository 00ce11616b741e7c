"""Why something that was signed was not believed: a code, the field that did not match, and its two values."""

from __future__ import annotations

from enum import StrEnum

from golive.errors import GoliveError
from golive.types import Json, text

_MOST = 300
"""Characters of a value in a message; what was found may be somebody's who means harm."""


class Code(StrEnum):
    """What kind of refusal it is (``shared/supply-chain.md``, section 4.3)."""

    IMAGE_NOT_FOUND = "IMAGE_NOT_FOUND"
    NO_TAG = "NO_TAG"
    NO_SIGNATURE = "NO_SIGNATURE"
    NO_SBOM = "NO_SBOM"
    NO_PROVENANCE = "NO_PROVENANCE"
    DIGEST_MISMATCH = "DIGEST_MISMATCH"
    SUBJECT_MISMATCH = "SUBJECT_MISMATCH"
    PREDICATE_MISMATCH = "PREDICATE_MISMATCH"
    IDENTITY_MISMATCH = "IDENTITY_MISMATCH"
    ISSUER_MISMATCH = "ISSUER_MISMATCH"
    CLAIM_MISMATCH = "CLAIM_MISMATCH"
    CERT_UNTRUSTED_OR_EXPIRED = "CERT_UNTRUSTED_OR_EXPIRED"
    SIGNATURE_OR_LOG_INVALID = "SIGNATURE_OR_LOG_INVALID"
    TRUST_WINDOW = "TRUST_WINDOW"
    BUNDLE_MALFORMED = "BUNDLE_MALFORMED"
    BUNDLE_UNSUPPORTED = "BUNDLE_UNSUPPORTED"
    STATEMENT_MALFORMED = "STATEMENT_MALFORMED"
    CONTENT_TOO_LARGE = "CONTENT_TOO_LARGE"
    SBOM_INVALID = "SBOM_INVALID"
    PROVENANCE_INVALID = "PROVENANCE_INVALID"
    REGISTRY_AUTH = "REGISTRY_AUTH"
    REGISTRY_UNAVAILABLE = "REGISTRY_UNAVAILABLE"
    RATE_LIMITED = "RATE_LIMITED"
    FLOODED = "FLOODED"
    TLOG_UNAVAILABLE = "TLOG_UNAVAILABLE"
    TRUST_ROOT = "TRUST_ROOT"
    INTERNAL = "INTERNAL"

    @property
    def inconclusive(self) -> bool:
        """Whether nothing was observed to be wrong: the criterion is not proven, rather than failed."""
        return self in _INCONCLUSIVE

    @property
    def passing(self) -> bool:
        """Whether another try may tell what this one did not."""
        return self in _PASSING


_PASSING = frozenset(
    {
        Code.REGISTRY_AUTH,
        Code.REGISTRY_UNAVAILABLE,
        Code.RATE_LIMITED,
        Code.TLOG_UNAVAILABLE,
        Code.TRUST_ROOT,
    }
)
_INCONCLUSIVE = _PASSING | {Code.IMAGE_NOT_FOUND, Code.NO_TAG, Code.FLOODED, Code.INTERNAL}
_NEARNESS = (
    Code.PREDICATE_MISMATCH,
    Code.CONTENT_TOO_LARGE,
    Code.BUNDLE_MALFORMED,
    Code.BUNDLE_UNSUPPORTED,
    Code.CERT_UNTRUSTED_OR_EXPIRED,
    Code.ISSUER_MISMATCH,
    Code.IDENTITY_MISMATCH,
    Code.CLAIM_MISMATCH,
    Code.SIGNATURE_OR_LOG_INVALID,
    Code.TRUST_WINDOW,
    Code.STATEMENT_MALFORMED,
    Code.SUBJECT_MISMATCH,
    Code.SBOM_INVALID,
    Code.PROVENANCE_INVALID,
)
"""In the order of the checks: what failed later was nearer to being accepted, and says more about our own release."""


class Refused(GoliveError):  # noqa: N818  (says what it is: a finding, not our mistake)
    """Something signed was not accepted. ``code.inconclusive`` tells *not proven* from *failed*.

    ``field`` names what did not match, ``expected`` and ``found`` are its two values, ``detail`` is what a library
    says. Raised where a criterion does not look at the code, it makes the criterion not proven, never passed.
    """

    def __init__(self, code: Code, field: str, *, expected: str, found: str, detail: str = "") -> None:
        self.code = code
        self.field = field
        self.expected = shown(expected)
        self.found = shown(found)
        self.detail = shown(detail)
        more = f" ({self.detail})" if detail else ""
        super().__init__(f"{code}: {field}: expected {self.expected}, found {self.found}{more}")

    def to_json(self) -> Json:
        """For the other workers."""
        return {
            "code": self.code.value,
            "field": self.field,
            "expected": self.expected,
            "found": self.found,
            "detail": self.detail,
        }

    @classmethod
    def from_json(cls, data: Json) -> Refused:
        """What ``to_json`` gave."""
        values = text(data, "expected"), text(data, "found")
        detail = text(data, "detail")
        return cls(Code(text(data, "code")), text(data, "field"), expected=values[0], found=values[1], detail=detail)

    @property
    def nearness(self) -> int:
        """How near it came to being accepted; what nothing is known of comes before all (it may have been good)."""
        if self.code.inconclusive:
            return len(_NEARNESS)
        return _NEARNESS.index(self.code) if self.code in _NEARNESS else -1


def shown(value: str) -> str:
    """A value as a message may hold it: one printable line, not too long."""
    line = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in value[: _MOST + 1])
    return line if len(line) <= _MOST else f"{line[:_MOST]}…"
