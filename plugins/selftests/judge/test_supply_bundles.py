"""Bundles: what the release's workflow signed is accepted; each thing that is not right has its code and its field."""

from __future__ import annotations

import json
import socket
from dataclasses import replace
from typing import NoReturn

import pytest

from golive.supply import bundle as bundles
from golive.supply.errors import Code
from golive.supply.statement import Kind
from golive.types import JsonValue, dig
from golive_sandbox.signing import statements
from golive_sandbox.signing.bundles import Fault
from golive_sandbox.signing.workflow import GITHUB_ISSUER
from selftests.judge.supplied import (
    AMD,
    AUTHORITY,
    DIGEST,
    ENTRY,
    GONE,
    OTHER,
    RELEASE,
    SIGNED,
    SIGNER,
    STATEMENT,
    STRANGER,
    at,
    bundle,
    changed,
    judged,
    refused,
    trusting,
)

HOST = "https://github.com/"


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> NoReturn:
        raise AssertionError("a bundle is verified without a network")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.mark.parametrize("timestamp", [True, False])
def test_what_the_workflow_signed_is_accepted_with_who_when_and_where(timestamp: bool) -> None:
    (found,) = judged(bundle(timestamp=timestamp)).of_kind(Kind.SIGNATURE)
    assert found.to_json() == {
        "source": "referrer 0",
        "predicate_type": "https://sigstore.dev/cosign/sign/v1",
        "digest": DIGEST,
        "of": "index",
        "identity": f"{RELEASE.repository}/{RELEASE.file}@{RELEASE.ref}",
        "issuer": GITHUB_ISSUER,
        "commit": RELEASE.commit,
        "run": RELEASE.invocation,
        "log_index": found.signed.log_index,
        "signed_at": f"{SIGNED:%Y-%m-%dT%H:%M:%SZ}",
        "statement_sha256": found.statement.sha256,
    }
    assert found.signed.log_index > 0


def without_subject_name(version: str) -> bytes:
    return statements.statement(statements.COSIGN_SIGN, {}, DIGEST, version=version)


@pytest.mark.parametrize(
    "raw",
    [
        bundle(fault=Fault.PROMISE_MISSING, timestamp=True),
        bundle(without_subject_name("https://in-toto.io/Statement/v0.1")),
        bundle(fault=Fault.TIMESTAMP_OF_OTHER_BYTES, timestamp=True),  # the log's own time is believed then
        bundle(statements.statement(statements.COSIGN_SIGN, {}, DIGEST, name="ghcr.io/acme/anything")),
    ],
)
def test_other_ways_of_signing_rightly_are_accepted(raw: bytes) -> None:
    assert judged(raw).of_kind(Kind.SIGNATURE)


def test_a_pattern_of_the_ref_and_a_reusable_workflow_are_accepted_when_asked_for() -> None:
    pattern = replace(SIGNER, ref=r"^refs/tags/v\d+\.\d+\.\d+$")
    assert judged(bundle(), signer=pattern).of_kind(Kind.SIGNATURE)
    called = f"{HOST}acme/build/.github/workflows/sign.yml@{'ab' * 20}"
    raw = bundle(workflow=replace(RELEASE, called=called, called_commit="ab" * 20))
    assert judged(raw, signer=replace(SIGNER, workflow=called)).of_kind(Kind.SIGNATURE)
    assert refused(judged(raw)).code is Code.IDENTITY_MISMATCH


def twice(key: str, first: bytes, last: bytes) -> bytes:
    """A statement that says ``key`` as ``first`` does, and again as ``last`` does."""
    return first[:-1] + b", " + json.dumps({key: dig(json.loads(last), key)}).encode()[1:]


@pytest.mark.parametrize("key", ["subject", "predicate", "predicateType"])
def test_a_statement_that_says_two_things_is_refused(key: str) -> None:
    why = refused(judged(bundle(twice(key, statements.signed(OTHER if key == "subject" else DIGEST), STATEMENT))))
    assert (why.code, why.field) == (Code.STATEMENT_MALFORMED, "statement")
    assert "a key that stands twice" in why.detail


SHA512 = statements.statement(statements.COSIGN_SIGN, {}, DIGEST, algorithm="sha512")
PLATFORM = statements.signed(AMD)


@pytest.mark.parametrize(
    ("statement", "code", "field", "found"),
    [
        (statements.signed(OTHER), Code.SUBJECT_MISMATCH, "subject of the statement", OTHER),
        (PLATFORM, Code.SUBJECT_MISMATCH, "subject of the statement", AMD),
        (SHA512, Code.SUBJECT_MISMATCH, "subject of the statement", "no sha256"),
        (b"[1]", Code.STATEMENT_MALFORMED, "statement", "something else"),
        (b"{", Code.STATEMENT_MALFORMED, "statement", "something else"),
        (b"[" * 100_000, Code.STATEMENT_MALFORMED, "statement", "something else"),
        (b'{"_type": "https://in-toto.io/Statement/v1"}', Code.STATEMENT_MALFORMED, "subject of the statement", "none"),
        (
            b'{"_type": "https://in-toto.io/Statement/v1", "subject": [{}]}',
            Code.STATEMENT_MALFORMED,
            "predicateType of the statement",
            "none",
        ),
        (STATEMENT.replace(b"Statement/v1", b"Statement/v9"), Code.STATEMENT_MALFORMED, "_type of the statement", "v9"),
    ],
)
def test_a_statement_of_something_else_is_refused(statement: bytes, code: Code, field: str, found: str) -> None:
    why = refused(judged(bundle(statement)))
    assert (why.code, why.field) == (code, field)
    assert found in why.found


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Fault.PAYLOAD_TAMPERED, Code.SIGNATURE_OR_LOG_INVALID),
        (Fault.SIGNATURE_TAMPERED, Code.SIGNATURE_OR_LOG_INVALID),
        (Fault.SIGNATURE_OF_OTHER_BYTES, Code.SIGNATURE_OR_LOG_INVALID),
        (Fault.ENTRY_OF_ANOTHER, Code.SIGNATURE_OR_LOG_INVALID),
        (Fault.PROOF_CORRUPTED, Code.SIGNATURE_OR_LOG_INVALID),
        (Fault.CHECKPOINT_BY_ANOTHER, Code.SIGNATURE_OR_LOG_INVALID),
        (Fault.TIMESTAMP_OF_OTHER_BYTES, Code.SIGNATURE_OR_LOG_INVALID),
        (Fault.EXPIRED, Code.CERT_UNTRUSTED_OR_EXPIRED),
    ],
)
def test_each_fault_of_a_bundle_in_rekor_v2_is_refused(fault: Fault, code: Code) -> None:
    assert refused(judged(bundle(fault=fault, tiled=True))).code is code


def test_a_bundle_in_rekor_v2_is_accepted_by_its_timestamp() -> None:
    (found,) = judged(bundle(tiled=True)).of_kind(Kind.SIGNATURE)
    assert (found.signed_at, found.of) == (SIGNED, "index")
    raw = bundle(tiled=True)
    bare = changed(raw, "verificationMaterial.timestampVerificationData", GONE)
    assert refused(judged(bare)).code is Code.BUNDLE_MALFORMED
    unknown = trusting(
        {**AUTHORITY.trusted_root(), "timestampAuthorities": STRANGER.trusted_root()["timestampAuthorities"]}
    )
    assert refused(judged(raw, trust=unknown)).code is Code.SIGNATURE_OR_LOG_INVALID


@pytest.mark.parametrize(
    ("fault", "timestamp", "code"),
    [
        (Fault.PAYLOAD_TAMPERED, False, Code.SIGNATURE_OR_LOG_INVALID),
        (Fault.SIGNATURE_TAMPERED, False, Code.SIGNATURE_OR_LOG_INVALID),
        (Fault.SIGNATURE_OF_OTHER_BYTES, False, Code.SIGNATURE_OR_LOG_INVALID),
        (Fault.ENTRY_OF_ANOTHER, False, Code.SIGNATURE_OR_LOG_INVALID),
        (Fault.PROMISE_CORRUPTED, False, Code.SIGNATURE_OR_LOG_INVALID),
        (Fault.PROOF_CORRUPTED, False, Code.SIGNATURE_OR_LOG_INVALID),
        (Fault.CHECKPOINT_BY_ANOTHER, False, Code.SIGNATURE_OR_LOG_INVALID),
        (Fault.PROMISE_MISSING, False, Code.BUNDLE_MALFORMED),
        (Fault.ENTRY_MISSING, False, Code.BUNDLE_MALFORMED),
        (Fault.ENTRY_MISSING, True, Code.BUNDLE_UNSUPPORTED),
    ],
)
def test_what_was_tampered_with_or_is_not_logged_is_refused(fault: Fault, timestamp: bool, code: Code) -> None:
    assert refused(judged(bundle(fault=fault, timestamp=timestamp))).code is code


STAMP: JsonValue = {"rfc3161Timestamps": [{"signedTimestamp": "AAAA"}]}
SIGNATURES = "dsseEnvelope.signatures"
CHECKPOINT = f"{ENTRY}.inclusionProof.checkpoint"


@pytest.mark.parametrize(
    ("path", "value", "code"),
    [
        (f"{ENTRY}.inclusionProof", GONE, Code.BUNDLE_MALFORMED),
        (CHECKPOINT, GONE, Code.BUNDLE_MALFORMED),
        (f"{ENTRY}.inclusionProof.hashes", [], Code.SIGNATURE_OR_LOG_INVALID),
        (f"{CHECKPOINT}.envelope", "rekor\n", Code.SIGNATURE_OR_LOG_INVALID),
        (f"{CHECKPOINT}.envelope", "rekor\n1\nAA==\n\n— rekor !!!\n", Code.SIGNATURE_OR_LOG_INVALID),
        (f"{ENTRY}.kindVersion.version", "0.0.2", Code.SIGNATURE_OR_LOG_INVALID),
        (f"{ENTRY}.kindVersion.version", "9", Code.BUNDLE_MALFORMED),
        (f"{ENTRY}.kindVersion.kind", "intoto", Code.BUNDLE_UNSUPPORTED),
        ("verificationMaterial.tlogEntries", [{}, {}], Code.BUNDLE_UNSUPPORTED),
        ("verificationMaterial.timestampVerificationData", STAMP, Code.BUNDLE_MALFORMED),
        ("verificationMaterial.publicKey", {"hint": "x"}, Code.BUNDLE_MALFORMED),
        (SIGNATURES, [], Code.BUNDLE_MALFORMED),
        (SIGNATURES, [{"sig": "AAAA"}, {"sig": "AAAA"}], Code.BUNDLE_MALFORMED),
        ("dsseEnvelope.payloadType", "text/plain", Code.SIGNATURE_OR_LOG_INVALID),
        ("dsseEnvelope", GONE, Code.BUNDLE_UNSUPPORTED),
        ("mediaType", "application/vnd.dev.sigstore.bundle.v9+json", Code.BUNDLE_MALFORMED),
        ("colour", "red", Code.BUNDLE_MALFORMED),
        ("verificationMaterial", GONE, Code.BUNDLE_MALFORMED),
        ("verificationMaterial", [], Code.BUNDLE_MALFORMED),
    ],
    ids=str,
)
def test_a_bundle_that_is_not_one_is_refused(path: str, value: JsonValue, code: Code) -> None:
    assert refused(judged(changed(bundle(), path, value))).code is code


def test_a_bundle_with_two_entries_or_a_message_is_refused() -> None:
    raw = bundle()
    twice = changed(raw, "verificationMaterial.tlogEntries", [at(raw, ENTRY)] * 2)
    assert refused(judged(twice)).code is Code.BUNDLE_MALFORMED
    message = changed(changed(raw, "dsseEnvelope", GONE), "messageSignature", {"signature": "MEUC"})
    why = refused(judged(message))
    assert (why.code, why.found) == (Code.BUNDLE_UNSUPPORTED, "a message signature")


@pytest.mark.parametrize("raw", [b"", b"<html>login</html>", b"[]", b"null", b"\xff\xfe", b"[" * 200_000])
def test_what_is_no_document_is_refused(raw: bytes) -> None:
    assert refused(judged(raw)).code is Code.BUNDLE_MALFORMED


def test_another_payload_type_is_refused_though_it_is_signed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("golive_sandbox.signing.bundles.IN_TOTO", "application/json")
    report = judged(bundle())
    assert [one.refused.code for one in report.rejected] == [Code.PREDICATE_MISMATCH]
    assert report.rejected[0].refused.field == "payloadType of the envelope"


def test_what_is_too_large_is_not_even_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundles, "MOST_BYTES", 100)
    assert refused(judged(bundle())).code is Code.CONTENT_TOO_LARGE


def test_without_a_time_that_is_believed_it_is_refused() -> None:
    raw = changed(bundle(fault=Fault.TIMESTAMP_OF_OTHER_BYTES, timestamp=True), f"{ENTRY}.inclusionPromise", GONE)
    why = refused(judged(raw))
    assert (why.code, "verified time" in why.detail) == (Code.SIGNATURE_OR_LOG_INVALID, True)


def test_a_timestamp_where_no_authority_is_trusted_is_refused() -> None:
    trust = trusting(AUTHORITY.trusted_root(tsa=False))
    assert refused(judged(bundle(timestamp=True), trust=trust)).code is Code.SIGNATURE_OR_LOG_INVALID
