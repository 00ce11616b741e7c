"""Keys on NIST curves, and the few forms in which Sigstore writes keys, certificates and bytes."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from golive_sandbox.types import Json


def p256() -> ec.EllipticCurvePrivateKey:
    """For leaves, logs and timestamps."""
    return ec.generate_private_key(ec.SECP256R1())


def p384() -> ec.EllipticCurvePrivateKey:
    """For certificate authorities."""
    return ec.generate_private_key(ec.SECP384R1())


P256_DETAILS = "PKIX_ECDSA_P256_SHA_256"
"""The name of such a key in Sigstore's protobuf."""


def described(key: ec.EllipticCurvePrivateKey) -> Json:
    """The public half of a P-256 key, as a trusted root has it."""
    return {"rawBytes": b64(spki(key)), "keyDetails": P256_DETAILS}


def sign(key: ec.EllipticCurvePrivateKey, data: bytes) -> bytes:
    """ECDSA over SHA-256, DER."""
    return key.sign(data, ec.ECDSA(hashes.SHA256()))


def spki(key: ec.EllipticCurvePrivateKey) -> bytes:
    """The public half, DER."""
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def key_id(key: ec.EllipticCurvePrivateKey) -> bytes:
    """What logs call themselves: SHA-256 of the public key (RFC 6962, section 3.2)."""
    return hashlib.sha256(spki(key)).digest()


def der(certificate: x509.Certificate) -> bytes:
    """A certificate's DER."""
    return certificate.public_bytes(Encoding.DER)


def pem(certificate: x509.Certificate) -> str:
    """A certificate's PEM."""
    return certificate.public_bytes(Encoding.PEM).decode()


def b64(data: bytes) -> str:
    """Base64 with padding, as protobuf writes bytes in JSON."""
    return base64.b64encode(data).decode()


def rfc3339(at: datetime) -> str:
    """Whole seconds of UTC."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def flipped(data: bytes) -> bytes:
    """The same with the lowest bit of the last byte turned over."""
    return data[:-1] + bytes((data[-1] ^ 1,))
