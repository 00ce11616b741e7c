"""Signatures as they lie beside an image: cosign v3's and GitHub's bundles, and cosign's annotations of before."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from golive_sandbox.signing import bodies, keys, leaf
from golive_sandbox.signing.authority import Authority
from golive_sandbox.signing.bodies import canonical
from golive_sandbox.signing.leaf import Leaf
from golive_sandbox.signing.log import Entry, Log, TiledLog
from golive_sandbox.signing.workflow import Workflow
from golive_sandbox.types import Json

BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
IN_TOTO = "application/vnd.in-toto+json"
SIMPLE_SIGNING = "application/vnd.dev.cosign.simplesigning.v1+json"
_LATE = timedelta(hours=1)
_OTHER = b'{"somebody": "else\'s"}'


class Fault(StrEnum):
    """What is wrong with a signature; all else of it is right."""

    PAYLOAD_TAMPERED = "payload-tampered"
    """The payload was changed after it was signed and logged."""
    SIGNATURE_TAMPERED = "signature-tampered"
    SIGNATURE_OF_OTHER_BYTES = "signature-of-other-bytes"
    """Signed something else, and logged as if it were this: only the signature itself tells."""
    ENTRY_MISSING = "entry-missing"
    """There is no log entry (a bundle's list of them is empty)."""
    ENTRY_OF_ANOTHER = "entry-of-another"
    """The log entry is a good one, of another artefact."""
    PROMISE_CORRUPTED = "promise-corrupted"
    """The signed entry timestamp does not verify."""
    PROMISE_MISSING = "promise-missing"
    PROOF_CORRUPTED = "proof-corrupted"
    CHECKPOINT_BY_ANOTHER = "checkpoint-by-another"
    """Another key signed the checkpoint, in the log's name."""
    EXPIRED = "expired"
    """Log and timestamp saw it an hour after the certificate's end."""
    TIMESTAMP_OF_OTHER_BYTES = "timestamp-of-other-bytes"


@dataclass(frozen=True, slots=True)
class Classic:
    """One layer of the tag ``sha256-HEX.sig``: its bytes, its annotations, and what Rekor answers for its entry."""

    payload: bytes
    annotations: Mapping[str, str]
    answer: Json


def sign_statement(
    authority: Authority,
    workflow: Workflow,
    statement: bytes,
    *,
    signed_at: datetime,
    timestamp: bool = True,
    tiled: bool = False,
    fault: Fault | None = None,
    like: Leaf = leaf.PLAIN,
) -> bytes:
    """A bundle v0.3 (JSON) with the statement in a DSSE envelope, its log entry and, if asked, a timestamp.

    ``tiled`` logs it in Rekor v2, which promises nothing: it needs the timestamp. Raises ``ValueError`` for a
    fault of a promise there.
    """
    signer = leaf.mint(authority, workflow, signed_at, like)
    seen_at = _seen_at(signed_at, fault, like)
    signature = keys.sign(signer.key, _encoded(_OTHER if fault is Fault.SIGNATURE_OF_OTHER_BYTES else statement))
    logged = _OTHER if fault is Fault.ENTRY_OF_ANOTHER else statement
    if tiled:
        body = bodies.hashed_v2(_encoded(logged), signature, signer.certificate)
        entry = _entry(authority.tiled_log, body, seen_at, fault)
    else:
        body = bodies.dsse(_envelope(logged, signature), logged, signature, signer.certificate)
        entry = _entry(authority.log, body, seen_at, fault)
    material: Json = {
        "certificate": {"rawBytes": keys.b64(keys.der(signer.certificate))},
        "tlogEntries": [] if fault is Fault.ENTRY_MISSING else [entry.in_bundle()],
    }
    if timestamp:
        about = _OTHER if fault is Fault.TIMESTAMP_OF_OTHER_BYTES else signature
        stamp = keys.b64(authority.timestamps.stamp(about, seen_at))
        material["timestampVerificationData"] = {"rfc3161Timestamps": [{"signedTimestamp": stamp}]}
    sent = _tampered(statement) if fault is Fault.PAYLOAD_TAMPERED else statement
    said = keys.flipped(signature) if fault is Fault.SIGNATURE_TAMPERED else signature
    return canonical({"mediaType": BUNDLE, "verificationMaterial": material, "dsseEnvelope": _envelope(sent, said)})


def sign_classic(
    authority: Authority,
    workflow: Workflow,
    payload: bytes,
    *,
    signed_at: datetime,
    fault: Fault | None = None,
    like: Leaf = leaf.PLAIN,
) -> Classic:
    """What cosign before version 3 leaves beside an image, for a ``simple_signing`` payload.

    ``ENTRY_MISSING`` leaves the annotation with the log's promise out, and Rekor's answer is empty.
    """
    signer = leaf.mint(authority, workflow, signed_at, like)
    signature = keys.sign(signer.key, _OTHER if fault is Fault.SIGNATURE_OF_OTHER_BYTES else payload)
    logged = _OTHER if fault is Fault.ENTRY_OF_ANOTHER else payload
    body = bodies.hashed(logged, signature, signer.certificate)
    entry = _entry(authority.log, body, _seen_at(signed_at, fault, like), fault)
    annotations = {
        "dev.cosignproject.cosign/signature": keys.b64(
            keys.flipped(signature) if fault is Fault.SIGNATURE_TAMPERED else signature
        ),
        "dev.sigstore.cosign/certificate": keys.pem(signer.certificate),
        "dev.sigstore.cosign/chain": keys.pem(authority.intermediate.certificate)
        + keys.pem(authority.root.certificate),
    }
    sent = _tampered(payload) if fault is Fault.PAYLOAD_TAMPERED else payload
    if fault is Fault.ENTRY_MISSING:
        return Classic(sent, annotations, {})
    promised: Json = {"SignedEntryTimestamp": keys.b64(entry.promise), "Payload": entry.promised()}
    return Classic(sent, {**annotations, "dev.sigstore.cosign/bundle": json.dumps(promised)}, entry.answer())


def simple_signing(digest: str, reference: str) -> bytes:
    """What the classic signature of an image is over; ``reference`` is its repository."""
    critical: Json = {
        "identity": {"docker-reference": reference},
        "image": {"docker-manifest-digest": digest},
        "type": "cosign container image signature",
    }
    return canonical({"critical": critical, "optional": None})


def _entry(log: Log | TiledLog, body: Json, at: datetime, fault: Fault | None) -> Entry:
    if isinstance(log, TiledLog) and fault in (Fault.PROMISE_CORRUPTED, Fault.PROMISE_MISSING):
        raise ValueError(f"expected a fault of what Rekor v2 has, which promises nothing; got {fault}")
    entry = log.add(body, at)
    if fault is Fault.PROMISE_CORRUPTED:
        return replace(entry, promise=keys.flipped(entry.promise))
    if fault is Fault.PROMISE_MISSING:
        return replace(entry, promise=b"")
    if fault is Fault.PROOF_CORRUPTED:
        first, *others = entry.proof.path
        return replace(entry, proof=replace(entry.proof, path=(keys.flipped(first), *others)))
    return log.forged(entry) if fault is Fault.CHECKPOINT_BY_ANOTHER else entry


def _seen_at(signed_at: datetime, fault: Fault | None, like: Leaf) -> datetime:
    return signed_at + like.lifetime + _LATE if fault is Fault.EXPIRED else signed_at


def _envelope(payload: bytes, signature: bytes) -> Json:
    return {
        "payload": keys.b64(payload),
        "payloadType": IN_TOTO,
        "signatures": [{"sig": keys.b64(signature)}],
    }


def _encoded(payload: bytes) -> bytes:
    """DSSE's pre-authentication encoding, which is what is signed."""
    return f"DSSEv1 {len(IN_TOTO)} {IN_TOTO} {len(payload)} ".encode() + payload


def _tampered(payload: bytes) -> bytes:
    return payload + b"\n"
