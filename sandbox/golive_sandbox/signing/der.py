"""As much DER (ITU-T X.690) as certificates' extensions and signed timestamps need."""

from __future__ import annotations

from datetime import UTC, datetime

from cryptography import x509

SEQUENCE, SET, UTF8, GENERALIZED_TIME, OCTETS, INTEGER, OID = 0x30, 0x31, 0x0C, 0x18, 0x04, 0x02, 0x06


def tlv(tag: int, *parts: bytes) -> bytes:
    """Tag, length and the concatenated ``parts``."""
    value = b"".join(parts)
    size = len(value)
    if size < 0x80:
        return bytes((tag, size)) + value
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + value


def sequence(*parts: bytes) -> bytes:
    """SEQUENCE of what is encoded already."""
    return tlv(SEQUENCE, *parts)


def set_of(*parts: bytes) -> bytes:
    """SET OF, in DER's order."""
    return tlv(SET, *sorted(parts))


def integer(value: int) -> bytes:
    """INTEGER, not negative."""
    return tlv(INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def octets(value: bytes) -> bytes:
    """OCTET STRING."""
    return tlv(OCTETS, value)


def text(value: str) -> bytes:
    """UTF8String."""
    return tlv(UTF8, value.encode())


def time(at: datetime) -> bytes:
    """GeneralizedTime in whole seconds."""
    return tlv(GENERALIZED_TIME, at.astimezone(UTC).strftime("%Y%m%d%H%M%SZ").encode())


def oid(one: x509.ObjectIdentifier) -> bytes:
    """OBJECT IDENTIFIER."""
    first, second, *others = (int(arc) for arc in one.dotted_string.split("."))
    return tlv(OID, *(_base128(arc) for arc in (first * 40 + second, *others)))


def _base128(arc: int) -> bytes:
    digits = [arc & 0x7F]
    while arc := arc >> 7:
        digits.append(0x80 | arc & 0x7F)
    return bytes(reversed(digits))
