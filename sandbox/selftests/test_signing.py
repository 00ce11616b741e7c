"""What the private Sigstore makes, sigstore's own verifier takes, offline; and what is wrong with it, it tells."""

from __future__ import annotations

import base64
import json
import socket
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NoReturn

import pytest
from cryptography import x509
from cryptography.x509 import load_pem_x509_certificate
from sigstore.errors import CertValidationError, Error, MetadataError, VerificationError
from sigstore.models import Bundle, InvalidBundle, TransparencyLogEntry, TrustedRoot
from sigstore.verify import Verifier, policy

from golive_sandbox.signing import statements
from golive_sandbox.signing.authority import Authority
from golive_sandbox.signing.bundles import IN_TOTO, Classic, Fault, sign_classic, sign_statement, simple_signing
from golive_sandbox.signing.leaf import Leaf
from golive_sandbox.signing.workflow import GITHUB_ISSUER, Workflow
from golive_sandbox.types import Json, dig, items, text

NOW = datetime.now(UTC)
SIGNED = NOW - timedelta(hours=2)
AUTHORITY, STRANGER = Authority.new(NOW), Authority.new(NOW)
RELEASE = Workflow()
IDENTITY = policy.Identity(identity=RELEASE.identity, issuer=GITHUB_ISSUER)
DIGEST = "sha256:" + "1f" * 32
STATEMENT = statements.signed(DIGEST)
PAYLOAD = simple_signing(DIGEST, "registry.example.test/maestro")


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> NoReturn:
        raise AssertionError("nothing here may need a network")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture
def verifier(tmp_path: Path) -> Verifier:
    return trusting(AUTHORITY.trusted_root(), tmp_path)


def trusting(root: Json, folder: Path) -> Verifier:
    file = folder / "trusted_root.json"
    file.write_text(json.dumps(root))
    return Verifier(trusted_root=TrustedRoot.from_file(str(file)))


def signed(
    *, timestamp: bool = True, tiled: bool = False, fault: Fault | None = None, like: Leaf | None = None
) -> Bundle:
    made = sign_statement(
        AUTHORITY, RELEASE, STATEMENT,
        signed_at=SIGNED, timestamp=timestamp, tiled=tiled, fault=fault, like=like or Leaf(),
    )  # fmt: skip
    return Bundle.from_json(made)


@pytest.mark.parametrize("timestamp", [True, False])
def test_a_bundle_verifies_with_and_without_a_timestamp(verifier: Verifier, timestamp: bool) -> None:
    assert verifier.verify_dsse(signed(timestamp=timestamp), IDENTITY) == (IN_TOTO, STATEMENT)


def test_a_timestamp_is_enough_where_the_log_promises_no_time(verifier: Verifier) -> None:
    assert verifier.verify_dsse(signed(fault=Fault.PROMISE_MISSING), IDENTITY) == (IN_TOTO, STATEMENT)


def test_a_bundle_verifies_wherever_it_is_in_the_log(verifier: Verifier) -> None:
    for _ in range(40):
        verifier.verify_dsse(signed(timestamp=False), IDENTITY)


SIGNATURE, SET = "DSSE: invalid signature", "SET: invalid inclusion promise"
BAD_BUNDLES: list[tuple[Fault, bool, type[Error], str]] = [
    (Fault.PAYLOAD_TAMPERED, True, VerificationError, SIGNATURE),
    (Fault.SIGNATURE_TAMPERED, True, VerificationError, SIGNATURE),
    (Fault.SIGNATURE_OF_OTHER_BYTES, True, VerificationError, SIGNATURE),
    (Fault.ENTRY_MISSING, True, InvalidBundle, "exactly one log entry"),
    (Fault.ENTRY_OF_ANOTHER, True, VerificationError, "log entry payload hash does not match"),
    (Fault.PROMISE_CORRUPTED, True, VerificationError, SET),
    (Fault.PROMISE_MISSING, False, InvalidBundle, "inclusion promise or signed timestamp"),
    (Fault.PROOF_CORRUPTED, True, VerificationError, "invalid root hash"),
    (Fault.CHECKPOINT_BY_ANOTHER, True, VerificationError, "checkpoint: invalid signature"),
    (Fault.EXPIRED, False, CertValidationError, "not valid at validation time"),
    (Fault.EXPIRED, True, CertValidationError, "not valid at validation time"),
]


@pytest.mark.parametrize(("fault", "timestamp", "error", "message"), BAD_BUNDLES)
def test_each_fault_of_a_bundle_is_told(
    verifier: Verifier, fault: Fault, timestamp: bool, error: type[Error], message: str
) -> None:
    with pytest.raises(error, match=message):
        verifier.verify_dsse(signed(timestamp=timestamp, fault=fault), IDENTITY)


def test_a_bundle_in_the_tiled_log_verifies_by_its_timestamp(verifier: Verifier) -> None:
    for _ in range(5):
        assert verifier.verify_dsse(signed(tiled=True), IDENTITY) == (IN_TOTO, STATEMENT)
    with pytest.raises(InvalidBundle, match="inclusion promise or signed timestamp"):
        signed(tiled=True, timestamp=False)


BAD_TILED = [
    (Fault.PAYLOAD_TAMPERED, SIGNATURE),
    (Fault.SIGNATURE_TAMPERED, "not enough sources of verified time"),
    (Fault.SIGNATURE_OF_OTHER_BYTES, SIGNATURE),
    (Fault.ENTRY_OF_ANOTHER, "inconsistent with other materials"),
    (Fault.PROOF_CORRUPTED, "invalid root hash"),
    (Fault.CHECKPOINT_BY_ANOTHER, "checkpoint: invalid signature"),
    (Fault.TIMESTAMP_OF_OTHER_BYTES, "not enough sources of verified time"),
    (Fault.EXPIRED, "not valid at validation time"),
]


@pytest.mark.parametrize(("fault", "message"), BAD_TILED)
def test_each_fault_of_a_bundle_in_the_tiled_log_is_told(verifier: Verifier, fault: Fault, message: str) -> None:
    with pytest.raises(VerificationError, match=message):
        verifier.verify_dsse(signed(tiled=True, fault=fault), IDENTITY)


def test_the_tiled_log_has_no_promise_to_break() -> None:
    with pytest.raises(ValueError, match="promises nothing; got promise-corrupted"):
        signed(tiled=True, fault=Fault.PROMISE_CORRUPTED)


def test_a_timestamp_of_other_bytes_is_no_source_of_time(verifier: Verifier) -> None:
    bundle = json.loads(
        sign_statement(AUTHORITY, RELEASE, STATEMENT, signed_at=SIGNED, fault=Fault.TIMESTAMP_OF_OTHER_BYTES)
    )
    del bundle["verificationMaterial"]["tlogEntries"][0]["inclusionPromise"]
    with pytest.raises(VerificationError, match="not enough sources of verified time"):
        verifier.verify_dsse(Bundle.from_json(json.dumps(bundle)), IDENTITY)


BAD_LEAVES: list[tuple[Leaf, type[Exception], str]] = [
    (
        Leaf(san="https://github.com/mallory/maestro/release.yml@refs/heads/main"),
        VerificationError,
        "SANs do not match",
    ),
    (Leaf(san=""), CertValidationError, "missing required extension"),
    (Leaf(san_critical=False), CertValidationError, "MUST be critical"),
    (Leaf(dropped=frozenset({1})), VerificationError, "OIDCIssuer"),
    (Leaf(instead={1: "https://issuer.example.test"}), VerificationError, "issuer.example.test"),
    (Leaf(lifetime=timedelta(seconds=-1)), ValueError, "before"),
    (Leaf(sct="none"), VerificationError, "signed certificate timestamp"),
    (Leaf(sct="foreign"), VerificationError, "SCT verify failed"),
    (Leaf(key_usage=False), x509.ExtensionNotFound, "KeyUsage"),
    (Leaf(extended_key_usage=False), x509.ExtensionNotFound, "ExtendedKeyUsage"),
]


@pytest.mark.parametrize(("like", "error", "message"), BAD_LEAVES)
def test_each_other_certificate_is_told(verifier: Verifier, like: Leaf, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        verifier.verify_dsse(signed(like=like), IDENTITY)


def test_another_instance_is_not_trusted(tmp_path: Path) -> None:
    with pytest.raises(CertValidationError):
        trusting(STRANGER.trusted_root(), tmp_path).verify_dsse(signed(), IDENTITY)


def test_a_trusted_root_may_lack_a_part(tmp_path: Path) -> None:
    with pytest.raises(VerificationError, match="no transparency log"):
        trusting(AUTHORITY.trusted_root(log=False), tmp_path)
    with pytest.raises(MetadataError, match="CTFE keys"):
        trusting(AUTHORITY.trusted_root(ct_log=False), tmp_path).verify_dsse(signed(), IDENTITY)
    with pytest.raises(VerificationError, match="no Timestamp Authorities"):
        trusting(AUTHORITY.trusted_root(tsa=False), tmp_path).verify_dsse(signed(), IDENTITY)


def test_what_was_retired_says_when() -> None:
    root = AUTHORITY.trusted_root(ca_until=SIGNED, log_until=SIGNED, log_since=SIGNED - timedelta(days=1))
    end = SIGNED.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert text(items(root, "certificateAuthorities")[0], "validFor", "end") == end
    assert text(items(root, "tlogs")[0], "publicKey", "validFor", "end") == end
    assert text(items(root, "tlogs")[0], "publicKey", "validFor", "start") < end


def test_the_certificate_says_all_that_fulcio_says_of_a_run(verifier: Verifier) -> None:
    called = "https://github.com/acme/workflows/.github/workflows/sign.yml@" + "ab" * 20
    run = replace(RELEASE, called=called, called_commit="ab" * 20)
    bundle = Bundle.from_json(sign_statement(AUTHORITY, run, STATEMENT, signed_at=SIGNED))
    claims = [
        policy.GitHubWorkflowTrigger("push"),
        policy.GitHubWorkflowSHA(run.commit),
        policy.GitHubWorkflowName("Release"),
        policy.GitHubWorkflowRepository("acme/maestro"),
        policy.GitHubWorkflowRef("refs/tags/v1.5.0"),
        policy.OIDCIssuerV2(GITHUB_ISSUER),
        policy.OIDCBuildSignerURI(called),
        policy.OIDCBuildSignerDigest("ab" * 20),
        policy.OIDCRunnerEnvironment("github-hosted"),
        policy.OIDCSourceRepositoryURI("https://github.com/acme/maestro"),
        policy.OIDCSourceRepositoryDigest(run.commit),
        policy.OIDCSourceRepositoryRef(run.ref),
        policy.OIDCSourceRepositoryIdentifier(run.repository_id),
        policy.OIDCSourceRepositoryOwnerURI("https://github.com/acme"),
        policy.OIDCSourceRepositoryOwnerIdentifier(run.owner_id),
        policy.OIDCBuildConfigURI(RELEASE.identity),
        policy.OIDCBuildConfigDigest(run.commit),
        policy.OIDCBuildTrigger("push"),
        policy.OIDCRunInvocationURI("https://github.com/acme/maestro/actions/runs/9000000001/attempts/1"),
        policy.OIDCSourceRepositoryVisibility("private"),
    ]
    verifier.verify_dsse(bundle, policy.AllOf([policy.Identity(identity=called, issuer=GITHUB_ISSUER), *claims]))


def classic(fault: Fault | None = None) -> Classic:
    return sign_classic(AUTHORITY, RELEASE, PAYLOAD, signed_at=SIGNED, fault=fault)


def assembled(found: Classic) -> Bundle:
    """As a client builds it, which has asked Rekor for the entry."""
    return Bundle.from_parts(
        load_pem_x509_certificate(found.annotations["dev.sigstore.cosign/certificate"].encode()),
        base64.b64decode(found.annotations["dev.cosignproject.cosign/signature"]),
        TransparencyLogEntry._from_v1_response(dict(found.answer)),
    )


def test_a_classic_signature_verifies_with_rekors_answer_which_is_the_annotations(verifier: Verifier) -> None:
    found = classic()
    verifier.verify_artifact(found.payload, assembled(found), IDENTITY)
    promised = json.loads(found.annotations["dev.sigstore.cosign/bundle"])
    (entry,) = (value for value in found.answer.values() if isinstance(value, dict))
    assert promised["Payload"] == {name: entry[name] for name in ("body", "integratedTime", "logID", "logIndex")}
    assert promised["SignedEntryTimestamp"] == dig(entry, "verification", "signedEntryTimestamp")
    assert text(json.loads(found.payload), "critical", "image", "docker-manifest-digest") == DIGEST


INCONSISTENT, NOT_SIGNED = "inconsistent with other materials", "Signature is invalid"
BAD_CLASSICS = [
    (Fault.PAYLOAD_TAMPERED, NOT_SIGNED),
    (Fault.SIGNATURE_TAMPERED, NOT_SIGNED),
    (Fault.SIGNATURE_OF_OTHER_BYTES, NOT_SIGNED),
    (Fault.ENTRY_OF_ANOTHER, INCONSISTENT),
    (Fault.PROMISE_CORRUPTED, SET),
    (Fault.PROOF_CORRUPTED, "invalid root hash"),
    (Fault.CHECKPOINT_BY_ANOTHER, "checkpoint: invalid signature"),
    (Fault.EXPIRED, "not valid at validation time"),
]


@pytest.mark.parametrize(("fault", "message"), BAD_CLASSICS)
def test_each_fault_of_a_classic_signature_is_told(verifier: Verifier, fault: Fault, message: str) -> None:
    found = classic(fault)
    with pytest.raises(VerificationError, match=message):
        verifier.verify_artifact(found.payload, assembled(found), IDENTITY)


def test_a_classic_signature_without_its_entry_has_no_promise_and_no_answer() -> None:
    found = classic(Fault.ENTRY_MISSING)
    assert "dev.sigstore.cosign/bundle" not in found.annotations
    assert found.answer == {}
