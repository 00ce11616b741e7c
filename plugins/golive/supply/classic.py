"""What cosign before version 3 left beside an image: annotations of a layer, which need Rekor's own entry to verify.

The annotation carries the log's promise only; the library wants a proof of inclusion, so the entry is fetched (by the
hands), compared with the annotation, and both become a bundle (``shared/supply-chain.md``, section 1).
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping

from golive.errors import Unreachable
from golive.supply.errors import Code, Refused
from golive.supply.statement import COSIGN_SIGN, Statement
from golive.types import Json, JsonValue, dig, mapping, number, strict_json, text

SIGNATURE = "dev.cosignproject.cosign/signature"
CERTIFICATE = "dev.sigstore.cosign/certificate"
ENTRY = "dev.sigstore.cosign/bundle"
TIMESTAMP = "dev.sigstore.cosign/rfc3161timestamp"
_TYPE = "cosign container image signature"
_SAME = ("body", "integratedTime", "logID", "logIndex")


def log_index(annotations: Mapping[str, str]) -> int:
    """The entry that has to be fetched: ``GET REKOR/api/v1/log/entries?logIndex=N``.

    Raises ``Refused`` (BUNDLE_MALFORMED) where a layer is signed with a key, or its annotation cannot be read.
    """
    if not annotations.get(CERTIFICATE):
        raise _malformed(f"annotation {CERTIFICATE}", "a certificate (keyless)", "none: signed with a key")
    found = number(_object(ENTRY, annotations.get(ENTRY, "")), "Payload", "logIndex")
    if found is None:
        raise _malformed(f"Payload.logIndex of annotation {ENTRY}", "a number", "none")
    return found


def to_bundle(annotations: Mapping[str, str], answer: bytes | None) -> bytes:
    """A bundle v0.3 from a layer's annotations and what Rekor answered; ``None``: nobody may be asked, or no answer.

    Raises ``Refused``: TLOG_UNAVAILABLE without an answer, SIGNATURE_OR_LOG_INVALID where Rekor's entry is another than
    the annotation's, BUNDLE_MALFORMED. Nothing is verified here.
    """
    log_index(annotations)
    said = _object(ENTRY, annotations[ENTRY])
    if answer is None:
        expected = "the entry from Rekor (supply_chain.rekor_url)"
        raise Refused(Code.TLOG_UNAVAILABLE, "log entry of a classic signature", expected=expected, found="no answer")
    entry = _only_entry(answer)
    for key in _SAME:
        promised, logged = dig(said, "Payload", key), dig(entry, key)
        if promised != logged or promised is None:
            name = f"{key} of the log entry"
            raise Refused(Code.SIGNATURE_OR_LOG_INVALID, name, expected=f"{promised}", found=f"{logged}")
    material: Json = {
        "certificate": {"rawBytes": _der(annotations[CERTIFICATE])},
        "tlogEntries": [_entry(entry, text(said, "SignedEntryTimestamp"))],
    }
    if stamp := annotations.get(TIMESTAMP):
        signed = text(_object(TIMESTAMP, stamp), "SignedRFC3161Timestamp")
        material["timestampVerificationData"] = {"rfc3161Timestamps": [{"signedTimestamp": signed}]}
    bundle: Json = {
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": material,
        "messageSignature": {"signature": annotations.get(SIGNATURE, "")},
    }
    return json.dumps(bundle).encode()


def as_statement(payload: bytes) -> Statement:
    """A simple-signing payload whose signature was verified, as the statement that cosign signs today.

    Raises ``Refused`` (STATEMENT_MALFORMED). ``docker-reference`` is ignored, as its specification asks.
    """
    try:
        data = strict_json(payload)
    except Unreachable as error:
        expected = "a JSON object without a key twice"
        raise _statement("simple-signing payload", expected, "something else", str(error)) from error
    if text(data, "critical", "type") != _TYPE:
        raise _statement("critical.type of the payload", _TYPE, text(data, "critical", "type") or "none")
    image = {key.lower(): value for key, value in mapping(data, "critical", "image").items()}
    digest = text(image, "docker-manifest-digest")
    if not digest:
        raise _statement("critical.image.docker-manifest-digest of the payload", "a digest", "none")
    return Statement((digest,), COSIGN_SIGN, {}, hashlib.sha256(payload).hexdigest())


def _entry(entry: JsonValue, promise: str) -> Json:
    """As the bundle wants it: identifiers in base64, numbers as text."""
    proof = mapping(entry, "verification", "inclusionProof")
    try:
        body = json.loads(base64.b64decode(text(entry, "body"), validate=True))
        hashes: list[JsonValue] = [_from_hex(one) for one in _texts(proof.get("hashes"))]
        log_id, root = _from_hex(text(entry, "logID")), _from_hex(text(proof, "rootHash"))
    except (ValueError, RecursionError) as error:
        raise _malformed("log entry from Rekor", "an entry with body, identifiers and hashes", str(error)) from error
    return {
        "logIndex": f"{dig(entry, 'logIndex')}",
        "logId": {"keyId": log_id},
        "kindVersion": {"kind": text(body, "kind"), "version": text(body, "apiVersion")},
        "integratedTime": f"{dig(entry, 'integratedTime')}",
        "inclusionPromise": {"signedEntryTimestamp": promise},
        "inclusionProof": {
            "logIndex": f"{dig(proof, 'logIndex')}",
            "rootHash": root,
            "treeSize": f"{dig(proof, 'treeSize')}",
            "hashes": hashes,
            "checkpoint": {"envelope": text(proof, "checkpoint")},
        },
        "canonicalizedBody": text(entry, "body"),
    }


def _only_entry(answer: bytes) -> JsonValue:
    try:
        data: JsonValue = json.loads(answer)
    except (ValueError, RecursionError) as error:
        found = "something else"
        raise Refused(Code.TLOG_UNAVAILABLE, "answer of Rekor", expected="JSON", found=found) from error
    if not isinstance(data, dict) or len(data) != 1:
        found = f"{len(data)}" if isinstance(data, dict) else type(data).__name__
        raise Refused(Code.TLOG_UNAVAILABLE, "answer of Rekor", expected="one entry", found=found)
    return next(iter(data.values()))


def _texts(value: JsonValue) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def _from_hex(value: str) -> str:
    return base64.b64encode(bytes.fromhex(value)).decode()


def _der(pem: str) -> str:
    from cryptography.hazmat.primitives.serialization import Encoding
    from cryptography.x509 import load_pem_x509_certificate

    try:
        return base64.b64encode(load_pem_x509_certificate(pem.encode()).public_bytes(Encoding.DER)).decode()
    except ValueError as error:
        raise _malformed(f"annotation {CERTIFICATE}", "a certificate (PEM)", "something else") from error


def _object(name: str, written: str) -> JsonValue:
    try:
        data: JsonValue = json.loads(written)
    except (ValueError, RecursionError) as error:
        raise _malformed(f"annotation {name}", "JSON", "something else" if written else "none") from error
    return data


def _malformed(name: str, expected: str, found: str) -> Refused:
    return Refused(Code.BUNDLE_MALFORMED, name, expected=expected, found=found)


def _statement(name: str, expected: str, found: str, detail: str = "") -> Refused:
    return Refused(Code.STATEMENT_MALFORMED, name, expected=expected, found=found, detail=detail)
