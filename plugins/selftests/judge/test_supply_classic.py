"""Classic cosign signatures: annotations and Rekor's entry become a bundle, or say why not."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from golive.supply import classic
from golive.supply.errors import Code, Refused
from golive.supply.judged import Offered, Report, judge
from golive.supply.statement import Kind
from golive.types import Json
from golive_sandbox.signing.bundles import Classic, Fault, sign_classic, simple_signing
from golive_sandbox.signing.workflow import Workflow
from selftests.judge.supplied import (
    AUTHORITY,
    CHILDREN,
    DIGEST,
    MALLORY,
    OTHER,
    RELEASE,
    SIGNED,
    SIGNER,
    TRUST,
    other,
    refused,
)  # fmt: skip

PAYLOAD = simple_signing(DIGEST, "ghcr.io/acme/maestro")


def made(payload: bytes = PAYLOAD, workflow: Workflow = RELEASE, fault: Fault | None = None) -> Classic:
    return sign_classic(AUTHORITY, workflow, payload, signed_at=SIGNED, fault=fault)


def offered(found: Classic, answer: bytes | None = b"") -> Offered:
    """As the hands offer it; ``answer`` instead of what Rekor says."""
    said = json.dumps(found.answer).encode() if answer == b"" else answer
    try:
        return Offered("the signature tag", classic.to_bundle(found.annotations, said), found.payload)
    except Refused as why:
        return Offered("the signature tag", payload=found.payload, refused=why)


def judged(found: Classic, answer: bytes | None = b"") -> Report:
    return judge(DIGEST, CHILDREN, [offered(found, answer)], TRUST, SIGNER)


def test_a_classic_signature_is_accepted_with_rekors_entry() -> None:
    found = made()
    (one,) = judged(found).of_kind(Kind.SIGNATURE)
    assert one.signed.log_index == classic.log_index(found.annotations)
    assert (one.digest, one.of, one.signed_at) == (DIGEST, "index", SIGNED)


def test_the_key_of_the_digest_may_be_spelled_in_either_case() -> None:
    assert judged(made(PAYLOAD.replace(b"docker-manifest-digest", b"Docker-manifest-digest"))).accepted


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Fault.PAYLOAD_TAMPERED, Code.SIGNATURE_OR_LOG_INVALID),
        (Fault.SIGNATURE_TAMPERED, Code.SIGNATURE_OR_LOG_INVALID),
        (Fault.SIGNATURE_OF_OTHER_BYTES, Code.SIGNATURE_OR_LOG_INVALID),
        (Fault.ENTRY_OF_ANOTHER, Code.SIGNATURE_OR_LOG_INVALID),
        (Fault.PROMISE_CORRUPTED, Code.SIGNATURE_OR_LOG_INVALID),
        (Fault.PROOF_CORRUPTED, Code.SIGNATURE_OR_LOG_INVALID),
        (Fault.CHECKPOINT_BY_ANOTHER, Code.SIGNATURE_OR_LOG_INVALID),
        (Fault.EXPIRED, Code.CERT_UNTRUSTED_OR_EXPIRED),
        (Fault.ENTRY_MISSING, Code.BUNDLE_MALFORMED),
    ],
)
def test_each_fault_is_refused(fault: Fault, code: Code) -> None:
    assert refused(judged(made(fault=fault))).code is code


def test_a_signature_of_another_image_or_by_another_workflow_is_refused() -> None:
    replayed = refused(judged(made(simple_signing(OTHER, "ghcr.io/acme/maestro"))))
    assert (replayed.code, replayed.expected, replayed.found) == (Code.SUBJECT_MISMATCH, DIGEST, OTHER)
    assert refused(judged(made(workflow=other(repository=MALLORY)))).code is Code.IDENTITY_MISMATCH


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"[]",
        b"{}",
        PAYLOAD.replace(b"container image", b"other"),
        b'{"critical": {"image": {}}}',
        b'{"critical": {}, ' + PAYLOAD[1:],
    ],
)
def test_a_payload_of_something_else_is_refused_though_it_is_signed(payload: bytes) -> None:
    assert refused(judged(made(payload))).code is Code.STATEMENT_MALFORMED


def test_without_rekor_it_is_not_proven() -> None:
    for answer, said in ((None, "no answer"), (b"<html>", "something else"), (b"{}", "0"), (b"[]", "list")):
        why = refused(judged(made(), answer))
        assert (why.code, why.code.inconclusive, why.found) == (Code.TLOG_UNAVAILABLE, True, said)


def test_another_entry_than_the_annotations_is_refused_by_its_field() -> None:
    mine, theirs = made(), json.dumps(made().answer).encode()
    why = refused(judged(mine, theirs))
    assert (why.code, why.field) == (Code.SIGNATURE_OR_LOG_INVALID, "body of the log entry")


@pytest.mark.parametrize("key", ["integratedTime", "logIndex", "logID"])
def test_each_field_of_the_entry_is_compared(key: str) -> None:
    found = made()
    (uuid, entry), *_ = found.answer.items()
    assert isinstance(entry, dict)
    answer: Json = {uuid: {**entry, key: 1 if key != "logID" else "00"}}
    assert refused(judged(found, json.dumps(answer).encode())).field == f"{key} of the log entry"


def test_an_entry_that_cannot_be_read_is_refused() -> None:
    found = made()
    (uuid, entry), *_ = found.answer.items()
    assert isinstance(entry, dict)
    for verification in ({}, {"inclusionProof": {"hashes": ["zz"], "rootHash": ""}}):
        answer = json.dumps({uuid: {**entry, "verification": verification}}).encode()
        assert refused(judged(found, answer)).code is Code.BUNDLE_MALFORMED


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (classic.CERTIFICATE, ""),
        (classic.CERTIFICATE, "-----BEGIN CERTIFICATE-----"),
        (classic.ENTRY, ""),
        (classic.ENTRY, "{"),
        (classic.ENTRY, "{}"),
        (classic.TIMESTAMP, "{}"),
    ],
)
def test_annotations_that_are_not_keyless_or_not_readable_are_refused(annotation: str, value: str) -> None:
    found = made()
    changed = replace(found, annotations={**found.annotations, annotation: value})
    assert refused(judged(changed)).code is Code.BUNDLE_MALFORMED


def test_another_promise_certificate_or_signature_is_refused() -> None:
    mine, theirs = made(), made()
    said = json.loads(mine.annotations[classic.ENTRY])
    said["SignedEntryTimestamp"] = json.loads(theirs.annotations[classic.ENTRY])["SignedEntryTimestamp"]
    for annotation, value in (
        (classic.SIGNATURE, ""),
        (classic.SIGNATURE, "!!"),
        (classic.ENTRY, json.dumps(said)),
        (classic.CERTIFICATE, theirs.annotations[classic.CERTIFICATE]),
    ):
        changed = replace(mine, annotations={**mine.annotations, annotation: value})
        assert refused(judged(changed)).code is Code.SIGNATURE_OR_LOG_INVALID
