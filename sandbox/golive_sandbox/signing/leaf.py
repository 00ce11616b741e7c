"""The certificate of one signature, as Fulcio mints it: ten minutes, one URI, and the proof that a CT log saw it."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from golive_sandbox.signing import certificates, der, keys
from golive_sandbox.signing.authority import Authority
from golive_sandbox.signing.certificates import Holder
from golive_sandbox.signing.workflow import RAW, Workflow

_FULCIO = "1.3.6.1.4.1.57264.1"
_SCT_LIST = x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")
_PRECERTIFICATE, _SHA256, _ECDSA = 1, 4, 3  # RFC 6962, section 3.2, and RFC 5246, section 7.4.1.4.1

Sct: TypeAlias = Literal["own", "none", "foreign"]


@dataclass(frozen=True, slots=True)
class Leaf:
    """How the certificate differs from the one that Fulcio would mint."""

    san: str | None = None
    """A URI instead of the workflow's own; empty: no subject alternative name."""
    san_critical: bool = True
    dropped: frozenset[int] = frozenset()
    """Fulcio's extensions that it has not, by number."""
    instead: Mapping[int, str] = field(default_factory=dict)
    """Values instead of the workflow's, by number."""
    lifetime: timedelta = timedelta(minutes=10)
    sct: Sct = "own"
    """Seen by the authority's CT log, by none, or by one that nobody knows."""
    key_usage: bool = True
    extended_key_usage: bool = True


PLAIN = Leaf()
"""As Fulcio mints it."""


def mint(authority: Authority, workflow: Workflow, at: datetime, leaf: Leaf = PLAIN) -> Holder:
    """A new key and its certificate, valid from ``at``."""
    key = keys.p256()
    issuer = authority.intermediate
    builder = _builder(issuer, key, workflow, at, leaf)
    if leaf.sct == "none":
        return Holder(key, builder.sign(issuer.key, hashes.SHA384()))
    # What the CT log signs is the certificate without the extension that then carries its signature.
    before = builder.sign(issuer.key, hashes.SHA384()).tbs_certificate_bytes
    seen = _sct_list(authority.ct_key if leaf.sct == "own" else keys.p256(), keys.key_id(issuer.key), before, at)
    builder = builder.add_extension(x509.UnrecognizedExtension(_SCT_LIST, der.octets(seen)), critical=False)
    return Holder(key, builder.sign(issuer.key, hashes.SHA384()))


def _builder(
    issuer: Holder, key: ec.EllipticCurvePrivateKey, workflow: Workflow, at: datetime, leaf: Leaf
) -> x509.CertificateBuilder:
    public = key.public_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(issuer.certificate.subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(at)
        .not_valid_after(at + leaf.lifetime)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()), critical=False)
    )
    if leaf.key_usage:
        builder = builder.add_extension(certificates.usage(), critical=True)
    if leaf.extended_key_usage:
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
    san = workflow.identity if leaf.san is None else leaf.san
    if san:
        name = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(san)])
        builder = builder.add_extension(name, critical=leaf.san_critical)
    for number, value in {**workflow.extensions(), **leaf.instead}.items():
        if number not in leaf.dropped:
            raw = value.encode() if number in RAW else der.text(value)
            extension = x509.UnrecognizedExtension(x509.ObjectIdentifier(f"{_FULCIO}.{number}"), raw)
            builder = builder.add_extension(extension, critical=False)
    return builder


def _sct_list(ct_key: ec.EllipticCurvePrivateKey, issuer: bytes, tbs: bytes, at: datetime) -> bytes:
    """A list of one signed certificate timestamp in TLS's encoding."""
    milliseconds = int(at.timestamp() * 1000)
    entry = issuer + len(tbs).to_bytes(3, "big") + tbs
    signed = struct.pack(">BBQH", 0, 0, milliseconds, _PRECERTIFICATE) + entry + struct.pack(">H", 0)
    signature = keys.sign(ct_key, signed)
    sct = struct.pack(">B32sQH", 0, keys.key_id(ct_key), milliseconds, 0)
    sct += struct.pack(">BBH", _SHA256, _ECDSA, len(signature)) + signature
    return struct.pack(">HH", len(sct) + 2, len(sct)) + sct
