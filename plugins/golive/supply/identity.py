"""Whose certificate it is, and whether that is who may sign: exact, field by field, no alternative."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from golive.supply.errors import Code, Refused

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

GITHUB_ISSUER = "https://token.actions.githubusercontent.com"
_ARC = "1.3.6.1.4.1.57264.1."
"""Fulcio's extensions (sigstore/fulcio, docs/oid-info.md); 1 is a raw string, those from 8 on are DER UTF8Strings."""
_ISSUER_OLD, _ISSUER, _BUILDER, _RUNNER = "1", "8", "9", "11"
_REPOSITORY, _COMMIT, _REF, _RUN = "12", "13", "14", "21"
_MOST_NAME = 2048


@dataclass(frozen=True, slots=True)
class Identity:
    """What a signing certificate says of its owner; empty: it does not say."""

    name: str
    """Its only subject alternative name, an address: who signs."""
    issuer: str
    """Who told Fulcio so (.1.8)."""
    issuer_old: str
    """The same, as older versions wrote it (.1.1)."""
    builder: str
    """Workflow that ran the job (.1.9)."""
    runner: str
    """``github-hosted`` or ``self-hosted`` (.1.11)."""
    repository: str
    """Repository that was built (.1.12); with a reusable workflow not the one of ``name``."""
    commit: str
    """Its commit (.1.13)."""
    ref: str
    """Its branch or tag (.1.14)."""
    run: str
    """The run's page (.1.21)."""


@dataclass(frozen=True, slots=True)
class Signer:
    """Who may sign. Every field that is not empty must be met; ``name``, ``issuer`` and ``repository`` never are empty.

    ``ref`` beginning with ``^`` is a pattern, matched whole; ``name_pattern`` is one for the whole name, beside it.
    """

    repository: str
    """``https://github.com/OWNER/REPOSITORY``"""
    workflow: str
    """The file in it, or the whole name of a reusable workflow with its ref."""
    ref: str
    issuer: str = GITHUB_ISSUER
    runner: str = "github-hosted"
    commit: str = ""
    name_pattern: str = ""

    @property
    def name(self) -> str:
        """The expected name, as messages tell it."""
        return self.workflow if self.reusable else f"{self.repository}/{self.workflow}@{self.ref}"

    @property
    def reusable(self) -> bool:
        """Whether the workflow is another repository's."""
        return self.workflow.startswith("https://")

    def verify(self, cert: Certificate) -> None:
        """``sigstore``'s policy protocol; raises ``Refused``, which its verifier passes on as it is."""
        self.check(read(cert))

    def check(self, seen: Identity) -> None:
        """Raises ``Refused`` (ISSUER, IDENTITY or CLAIM_MISMATCH) for the first field that does not match."""
        _same(Code.ISSUER_MISMATCH, "issuer (.1.8)", self.issuer, seen.issuer)
        if seen.issuer_old:
            _same(Code.ISSUER_MISMATCH, "issuer (.1.1)", self.issuer, seen.issuer_old)
        self._check_name(seen.name)
        _same(Code.CLAIM_MISMATCH, "source repository (.1.12)", self.repository, seen.repository)
        if not matches_ref(self.ref, seen.ref):
            raise Refused(Code.CLAIM_MISMATCH, "source ref (.1.14)", expected=self.ref, found=seen.ref or "none")
        if self.commit:
            _same(Code.CLAIM_MISMATCH, "source commit (.1.13)", self.commit, seen.commit)
        if self.runner:
            _same(Code.CLAIM_MISMATCH, "runner environment (.1.11)", self.runner, seen.runner)

    def _check_name(self, name: str) -> None:
        if self.reusable:
            holds = name == self.workflow
        else:
            before = f"{self.repository}/{self.workflow}@"
            holds = name.startswith(before) and matches_ref(self.ref, name.removeprefix(before))
        if not holds:
            raise Refused(Code.IDENTITY_MISMATCH, "certificate identity", expected=self.name, found=name)
        if self.name_pattern and not re.fullmatch(self.name_pattern, name):
            raise Refused(Code.IDENTITY_MISMATCH, "certificate identity", expected=self.name_pattern, found=name)


def matches_ref(expected: str, ref: str) -> bool:
    """Whether a ref is the expected one, or matches the expected pattern whole."""
    if not expected.startswith("^"):
        return ref == expected
    # "$" also matches before a line break at the end, so the line break is refused by itself.
    return "\n" not in ref and re.fullmatch(expected, ref) is not None


def _same(code: Code, field: str, expected: str, found: str) -> None:
    if found != expected:
        raise Refused(code, field, expected=expected, found=found or "none")


def read(cert: Certificate) -> Identity:
    """What the certificate says. Raises ``Refused`` where it has not exactly one name, an address; ``ValueError`` where
    an extension cannot be decoded.
    """
    from cryptography.hazmat import asn1
    from cryptography.x509 import UnrecognizedExtension

    raw = {
        one.oid.dotted_string.removeprefix(_ARC): one.value.value
        for one in cert.extensions
        if one.oid.dotted_string.startswith(_ARC) and isinstance(one.value, UnrecognizedExtension)
    }

    def told(number: str) -> str:
        return asn1.decode_der(str, raw[number]) if number in raw else ""

    return Identity(
        name=_name(cert),
        issuer=told(_ISSUER),
        issuer_old=raw.get(_ISSUER_OLD, b"").decode(),
        builder=told(_BUILDER),
        runner=told(_RUNNER),
        repository=told(_REPOSITORY),
        commit=told(_COMMIT),
        ref=told(_REF),
        run=told(_RUN),
    )


def _name(cert: Certificate) -> str:
    from cryptography.x509 import ExtensionNotFound, SubjectAlternativeName, UniformResourceIdentifier

    try:
        names = list(cert.extensions.get_extension_for_class(SubjectAlternativeName).value)
    except ExtensionNotFound:
        names = []
    found = ", ".join(f"{type(one).__name__} {one.value}" for one in names) or "none"
    if len(names) != 1 or not isinstance(names[0], UniformResourceIdentifier) or len(names[0].value) > _MOST_NAME:
        expected = f"one address of at most {_MOST_NAME} characters"
        raise Refused(Code.IDENTITY_MISMATCH, "subject alternative names", expected=expected, found=found)
    return names[0].value
