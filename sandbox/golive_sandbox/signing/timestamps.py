"""A timestamp authority: tokens of RFC 3161 in CMS (RFC 5652), about bytes that it is shown."""

from __future__ import annotations

import hashlib
from datetime import datetime

from cryptography import x509
from cryptography.x509.oid import SignatureAlgorithmOID

from golive_sandbox.signing import certificates, der, keys
from golive_sandbox.signing.certificates import Holder, Span

_OID = x509.ObjectIdentifier
_SIGNED_DATA, _TST_INFO = _OID("1.2.840.113549.1.7.2"), _OID("1.2.840.113549.1.9.16.1.4")
_CONTENT_TYPE, _MESSAGE_DIGEST = _OID("1.2.840.113549.1.9.3"), _OID("1.2.840.113549.1.9.4")
_SIGNING_CERTIFICATE_V2 = _OID("1.2.840.113549.1.9.16.2.47")
_POLICY = _OID("1.3.6.1.4.1.57264.2")
_SHA256 = der.sequence(der.oid(_OID("2.16.840.1.101.3.4.2.1")))
_ECDSA_SHA256 = der.sequence(der.oid(SignatureAlgorithmOID.ECDSA_WITH_SHA256))
_EXPLICIT_0 = 0xA0


class TimestampAuthority:
    """A root and the signer below it, valid over ``span``."""

    def __init__(self, span: Span) -> None:
        self.root = certificates.authority("tsa-root", span, 0)
        self.signer = certificates.timestamp_signer("tsa", span, self.root)

    @property
    def chain(self) -> tuple[Holder, Holder]:
        """The signer, then the root."""
        return self.signer, self.root

    def stamp(self, data: bytes, at: datetime) -> bytes:
        """A response (``TimeStampResp``, DER) saying that ``data`` was there at ``at``."""
        info = der.sequence(
            der.integer(1),
            der.oid(_POLICY),
            der.sequence(_SHA256, der.octets(hashlib.sha256(data).digest())),
            der.integer(x509.random_serial_number()),
            der.time(at),
        )
        granted = der.sequence(der.integer(0))
        return der.sequence(granted, der.sequence(der.oid(_SIGNED_DATA), der.tlv(_EXPLICIT_0, self._signed(info))))

    def _signed(self, info: bytes) -> bytes:
        certificate = keys.der(self.signer.certificate)
        return der.sequence(
            der.integer(3),
            der.set_of(_SHA256),
            der.sequence(der.oid(_TST_INFO), der.tlv(_EXPLICIT_0, der.octets(info))),
            der.tlv(_EXPLICIT_0, certificate),
            der.set_of(self._signer_info(info, certificate)),
        )

    def _signer_info(self, info: bytes, certificate: bytes) -> bytes:
        attributes = der.set_of(
            _attribute(_CONTENT_TYPE, der.oid(_TST_INFO)),
            _attribute(_MESSAGE_DIGEST, der.octets(hashlib.sha256(info).digest())),
            # Its hash algorithm is left out: SHA-256 is the default (RFC 5035, section 4).
            _attribute(
                _SIGNING_CERTIFICATE_V2,
                der.sequence(der.sequence(der.sequence(der.octets(hashlib.sha256(certificate).digest())))),
            ),
        )
        who = self.signer.certificate
        return der.sequence(
            der.integer(1),
            der.sequence(who.issuer.public_bytes(), der.integer(who.serial_number)),
            _SHA256,
            bytes((_EXPLICIT_0,)) + attributes[1:],  # signed as a SET, sent under an implicit tag (RFC 5652, 5.4)
            _ECDSA_SHA256,
            der.octets(keys.sign(self.signer.key, attributes)),
        )


def _attribute(kind: x509.ObjectIdentifier, value: bytes) -> bytes:
    return der.sequence(der.oid(kind), der.set_of(value))
