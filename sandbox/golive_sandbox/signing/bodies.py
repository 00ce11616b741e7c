"""What a log keeps of a signature: the entries' bodies, by kind and version."""

from __future__ import annotations

import hashlib
import json

from cryptography import x509

from golive_sandbox.signing import keys
from golive_sandbox.types import Json, JsonValue


def canonical(value: Json) -> bytes:
    """RFC 8785, as far as ASCII and whole numbers go."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def dsse(envelope: Json, payload: bytes, signature: bytes, certificate: x509.Certificate) -> Json:
    """An envelope in Rekor v1: ``dsse/0.0.1``."""
    verifier = keys.b64(keys.pem(certificate).encode())
    signed: list[JsonValue] = [{"signature": keys.b64(signature), "verifier": verifier}]
    spec: Json = {
        "envelopeHash": _hash(canonical(envelope)),
        "payloadHash": _hash(payload),
        "signatures": signed,
    }
    return {"apiVersion": "0.0.1", "kind": "dsse", "spec": spec}


def hashed(payload: bytes, signature: bytes, certificate: x509.Certificate) -> Json:
    """Bytes that were signed as they are, in Rekor v1: ``hashedrekord/0.0.1``."""
    public_key: Json = {"content": keys.b64(keys.pem(certificate).encode())}
    signed: Json = {"content": keys.b64(signature), "publicKey": public_key}
    return {
        "apiVersion": "0.0.1",
        "kind": "hashedrekord",
        "spec": {"data": {"hash": _hash(payload)}, "signature": signed},
    }


def hashed_v2(data: bytes, signature: bytes, certificate: x509.Certificate) -> Json:
    """Bytes that were signed, an envelope's encoded ones or others, in Rekor v2: ``hashedrekord/0.0.2``."""
    verifier: Json = {
        "keyDetails": keys.P256_DETAILS,
        "x509Certificate": {"rawBytes": keys.b64(keys.der(certificate))},
    }
    record: Json = {
        "data": {"algorithm": "SHA2_256", "digest": keys.b64(hashlib.sha256(data).digest())},
        "signature": {"content": keys.b64(signature), "verifier": verifier},
    }
    return {"apiVersion": "0.0.2", "kind": "hashedrekord", "spec": {"hashedRekordV002": record}}


def _hash(data: bytes) -> Json:
    return {"algorithm": "sha256", "value": hashlib.sha256(data).hexdigest()}
