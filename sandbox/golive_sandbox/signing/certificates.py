"""Certificates of authorities and of the timestamp signer; the signer's own, short-lived ones are in ``leaf``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from golive_sandbox.signing import keys
from golive_sandbox.types import Json


@dataclass(frozen=True, slots=True)
class Holder:
    """A key and the certificate that speaks for it."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate


@dataclass(frozen=True, slots=True)
class Span:
    """Valid from ``start`` to ``end``."""

    start: datetime
    end: datetime


def authority(
    name: str, span: Span, depth: int, *, by: Holder | None = None, usages: Sequence[x509.ObjectIdentifier] = ()
) -> Holder:
    """An authority with ``depth`` more of them below it; without ``by`` it is a root."""
    key = keys.p384()
    builder = _builder(name, key, span, by).add_extension(x509.BasicConstraints(True, depth), critical=True)
    builder = builder.add_extension(usage(authority=True), critical=True)
    if usages:
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    return Holder(key, builder.sign(by.key if by else key, hashes.SHA384()))


def timestamp_signer(name: str, span: Span, by: Holder) -> Holder:
    """RFC 3161, section 2.3: its one extended usage is critical."""
    key = keys.p256()
    builder = _builder(name, key, span, by).add_extension(usage(), critical=True)
    stamping = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
    return Holder(key, builder.add_extension(stamping, critical=True).sign(by.key, hashes.SHA384()))


def usage(*, authority: bool = False) -> x509.KeyUsage:
    """Signs certificates, or data."""
    return x509.KeyUsage(
        digital_signature=not authority, key_cert_sign=authority, crl_sign=authority, content_commitment=False,
        key_encipherment=False, data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip


def described(chain: Sequence[Holder], start: datetime, end: datetime | None) -> Json:
    """A chain as a trusted root lists it: the one that signs first, the root last."""
    names = {one.oid: str(one.value) for one in chain[0].certificate.subject}
    return {
        "subject": {"organization": names[NameOID.ORGANIZATION_NAME], "commonName": names[NameOID.COMMON_NAME]},
        "certChain": {"certificates": [{"rawBytes": keys.b64(keys.der(one.certificate))} for one in chain]},
        "validFor": valid_for(start, end),
    }


def valid_for(start: datetime, end: datetime | None) -> Json:
    """A trusted root's ``TimeRange``; without ``end`` it is open."""
    since: Json = {"start": keys.rfc3339(start)}
    return since if end is None else {**since, "end": keys.rfc3339(end)}


def _builder(name: str, key: ec.EllipticCurvePrivateKey, span: Span, by: Holder | None) -> x509.CertificateBuilder:
    organisation = x509.NameAttribute(NameOID.ORGANIZATION_NAME, "sigstore.example.test")
    subject = x509.Name([organisation, x509.NameAttribute(NameOID.COMMON_NAME, name)])
    signer = by.key if by else key
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.certificate.subject if by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(span.start)
        .not_valid_after(span.end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
