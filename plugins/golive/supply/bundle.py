"""Sigstore bundles: parsed, verified, and every way in which that can fail mapped to a refusal."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from golive.supply import statement
from golive.supply.errors import Code, Refused
from golive.supply.identity import Identity, Signer, read
from golive.supply.statement import PAYLOAD_TYPE, Kind
from golive.supply.trust import Trust, verified
from golive.types import JsonValue, dig, items, mapping, text

if TYPE_CHECKING:
    from sigstore.models import Bundle

MOST_BYTES = 32 << 20
"""A bundle with the SBOM of 5,000 packages has 4.4 MB."""
_KINDS = ("dsse", "hashedrekord")


@dataclass(frozen=True, slots=True)
class Signed:
    """What a bundle that verified is: who signed it, when, and where that is logged."""

    identity: Identity
    signed_at: datetime
    log_index: int
    log_id: str


def verify_statement(trust: Trust, raw: bytes, signer: Signer) -> tuple[Signed, statement.Statement]:
    """A statement in a DSSE envelope. Whose digest it is about is still to be compared.

    Raises ``Refused``: as it comes from the bundle, the signer, the logs, or the statement itself.
    """
    data = _data(raw)
    if not mapping(data, "dsseEnvelope"):
        found = "a message signature" if mapping(data, "messageSignature") else "none"
        raise Refused(Code.BUNDLE_UNSUPPORTED, "content of the bundle", expected="a DSSE envelope", found=found)
    with _mapped(Code.BUNDLE_MALFORMED):
        bundle = _parsed(raw)
    with _mapped(Code.SIGNATURE_OR_LOG_INVALID):
        (kind, payload), at = verified(trust, bundle, lambda verifier: verifier.verify_dsse(bundle, signer))
        signed = _signed(bundle, data, at)
    if kind != PAYLOAD_TYPE:
        raise Refused(Code.PREDICATE_MISMATCH, "payloadType of the envelope", expected=PAYLOAD_TYPE, found=kind)
    return signed, statement.parse(payload)


def verify_message(trust: Trust, raw: bytes, message: bytes, signer: Signer) -> Signed:
    """A signature of these bytes. Raises ``Refused``."""
    data = _data(raw)
    if not mapping(data, "messageSignature"):
        found = "a DSSE envelope" if mapping(data, "dsseEnvelope") else "none"
        raise Refused(Code.BUNDLE_UNSUPPORTED, "content of the bundle", expected="a message signature", found=found)
    with _mapped(Code.BUNDLE_MALFORMED):
        bundle = _parsed(raw)
    with _mapped(Code.SIGNATURE_OR_LOG_INVALID):
        _, at = verified(trust, bundle, lambda verifier: verifier.verify_artifact(message, bundle, signer))
        return _signed(bundle, data, at)


def claimed_kind(raw: bytes) -> Kind:
    """What kind of statement a bundle that nobody verified says it holds."""
    if len(raw) > MOST_BYTES:
        return Kind.UNKNOWN
    try:
        data: JsonValue = json.loads(raw)
        return statement.claimed(base64.b64decode(text(data, "dsseEnvelope", "payload"), validate=True))
    except (ValueError, RecursionError):
        return Kind.UNKNOWN


def _data(raw: bytes) -> JsonValue:
    """The bundle as JSON, for what the library is not asked: kinds of content that it cannot verify."""
    if len(raw) > MOST_BYTES:
        raise Refused(Code.CONTENT_TOO_LARGE, "bundle", expected=f"at most {MOST_BYTES} bytes", found=f"{len(raw)}")
    try:
        data: JsonValue = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise _malformed("bundle", "JSON", "something else", str(error)) from error
    material = mapping(data, "verificationMaterial")
    if not material:
        raise _malformed("verificationMaterial", "an object", "none")
    if "publicKey" in material:
        raise _malformed("verificationMaterial", "a certificate (keyless)", "a public key")
    entries = items(material, "tlogEntries")
    if not entries and items(material, "timestampVerificationData", "rfc3161Timestamps"):
        found = "a timestamp only, as GitHub signs for private repositories: sign with the public instance"
        raise Refused(Code.BUNDLE_UNSUPPORTED, "log entry", expected="one", found=found)
    for entry in entries:
        kind = f"{text(entry, 'kindVersion', 'kind')}/{text(entry, 'kindVersion', 'version')}"
        if text(entry, "kindVersion", "kind") not in _KINDS:
            expected = " or ".join(_KINDS)
            raise Refused(Code.BUNDLE_UNSUPPORTED, "kind of the log entry", expected=expected, found=kind)
    return data


def _parsed(raw: bytes) -> Bundle:
    from sigstore.models import Bundle

    bundle = Bundle.from_json(raw)
    # Looked at lazily by the library: what is wrong there is the document's, not the signature's.
    _ = bundle.signature, bundle.verification_material.timestamp_verification_data
    return bundle


def _signed(bundle: Bundle, data: JsonValue, at: datetime) -> Signed:
    entry = items(data, "verificationMaterial", "tlogEntries")[0]
    index = dig(entry, "logIndex", default="0")
    return Signed(read(bundle.signing_certificate), at, int(str(index)), text(entry, "logId", "keyId"))


def _malformed(name: str, expected: str, found: str, detail: str = "") -> Refused:
    return Refused(Code.BUNDLE_MALFORMED, name, expected=expected, found=found, detail=detail)


@contextmanager
def _mapped(code: Code) -> Iterator[None]:
    """Whatever is raised becomes a refusal, by its type: nothing that went wrong may pass.

    ``code`` is for ``VerificationError``, which the library raises while it parses too.
    """
    try:
        yield
    except Refused:
        raise
    except Exception as error:
        raise _refusal(error, code) from error


def _refusal(error: Exception, code: Code) -> Refused:
    from cryptography.exceptions import InvalidSignature
    from cryptography.x509 import ExtensionNotFound
    from sigstore.dsse import InvalidEnvelope
    from sigstore.errors import MetadataError, VerificationError
    from sigstore.models import InvalidBundle

    text_of = " ".join(str(error).split()) or type(error).__name__
    match error:
        case VerificationError() | InvalidSignature():
            name = "bundle" if code is Code.BUNDLE_MALFORMED else "signature or log entry"
            return Refused(code, name, expected="one that verifies", found="one that does not", detail=text_of)
        case MetadataError():
            return Refused(Code.TRUST_ROOT, "trusted root", expected="keys", found="none", detail=text_of)
        case ExtensionNotFound():
            return _malformed("certificate", "key usage and extended key usage", "none", text_of)
        case InvalidBundle() | InvalidEnvelope() | ValueError():  # pydantic's ValidationError is a ValueError
            return _malformed("bundle", "a sigstore bundle with one signature and one log entry", "another", text_of)
    found = type(error).__name__
    return Refused(Code.INTERNAL, "verification", expected="an answer", found=found, detail=text_of)
