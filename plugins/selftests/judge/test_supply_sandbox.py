"""What the sandbox leaves beside its release is accepted; each of its faults is refused for the criterion it is of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from golive.supply import provenance, sbom, signers
from golive.supply.errors import Code, Refused
from golive.supply.identity import Signer as Expected
from golive.supply.judged import Report
from golive.supply.statement import Kind
from golive.supply_settings import SupplyChain
from golive_sandbox.registry import catalogue, evidence
from golive_sandbox.registry.evidence import Signer
from golive_sandbox.signing.bundles import Fault
from selftests.judge.supplied import DIGEST, MALLORY, NOW, OTHER, judged, trusting

TAG = catalogue.MAESTRO_TAGS[-1]
RUN = evidence.workflow(TAG)
SIGNER = Signer(NOW)
TRUST = trusting(SIGNER.trusted_root)
CHAIN = SupplyChain(repository=RUN.repository, workflow=RUN.file)
EXPECTED: Expected = signers.of_release(CHAIN, TAG, catalogue.revision(TAG))


def found(*raw: bytes) -> Report:
    return judged(*raw, trust=TRUST, signer=EXPECTED)


def test_what_lies_beside_a_sound_release_is_accepted() -> None:
    report = found(*SIGNER.evidence(TAG, DIGEST))
    assert report.rejected == ()
    (signature,) = report.of_kind(Kind.SIGNATURE)
    assert signature.identity.commit == catalogue.revision(TAG)
    (bill,) = report.of_kind(Kind.SBOM)
    assert sbom.check(bill.statement.predicate, {DIGEST: "index"}).packages > 1
    (built,) = report.of_kind(Kind.PROVENANCE)
    assert provenance.check(built.statement, built.identity, EXPECTED).builder == RUN.identity


SIGNATURES: dict[str, tuple[Callable[[], bytes], Code]] = {
    "another repository": (
        lambda: SIGNER.signature(replace(RUN, repository=f"{RUN.repository}-tools"), DIGEST),
        Code.IDENTITY_MISMATCH,
    ),
    "a fork": (lambda: SIGNER.signature(replace(RUN, repository=MALLORY), DIGEST), Code.IDENTITY_MISMATCH),
    "a branch": (lambda: SIGNER.signature(replace(RUN, ref="refs/heads/main"), DIGEST), Code.IDENTITY_MISMATCH),
    "expired": (
        lambda: SIGNER.signature(RUN, DIGEST, fault=Fault.EXPIRED, timestamp=False),
        Code.CERT_UNTRUSTED_OR_EXPIRED,
    ),
    "tampered": (lambda: SIGNER.signature(RUN, DIGEST, fault=Fault.PAYLOAD_TAMPERED), Code.SIGNATURE_OR_LOG_INVALID),
    "another image": (lambda: SIGNER.signature(RUN, OTHER), Code.SUBJECT_MISMATCH),
    "no entry": (lambda: SIGNER.signature(RUN, DIGEST, fault=Fault.ENTRY_MISSING), Code.BUNDLE_UNSUPPORTED),
}


@pytest.mark.parametrize("fault", SIGNATURES)
def test_each_fault_of_the_signature_is_refused_beside_a_sound_sbom(fault: str) -> None:
    made, code = SIGNATURES[fault]
    report = found(made(), SIGNER.sbom(TAG, DIGEST), SIGNER.provenance(TAG, DIGEST))
    with pytest.raises(Refused) as caught:
        report.of_kind(Kind.SIGNATURE)
    assert caught.value.code is code
    assert caught.value.expected != caught.value.found
    assert report.of_kind(Kind.SBOM)
    assert report.of_kind(Kind.PROVENANCE)


def test_no_signature_is_told_beside_what_is_there() -> None:
    with pytest.raises(Refused, match=r"NO_SIGNATURE: .* found none \(of other kinds: 1 SBOM, 1 provenance\)"):
        found(SIGNER.sbom(TAG, DIGEST), SIGNER.provenance(TAG, DIGEST)).of_kind(Kind.SIGNATURE)


def test_the_faults_of_sbom_and_provenance_are_in_what_was_rightly_signed() -> None:
    report = found(SIGNER.sbom(TAG, DIGEST, of=OTHER), SIGNER.sbom(TAG, DIGEST, packages=0))
    of_another, empty = report.of_kind(Kind.SBOM)
    with pytest.raises(Refused, match=f"SUBJECT_MISMATCH: .*expected {DIGEST}, found {OTHER}"):
        sbom.check(of_another.statement.predicate, {DIGEST: "index"})
    with pytest.raises(Refused, match="SBOM_INVALID: packages besides the image itself: expected at least 1, found 0"):
        sbom.check(empty.statement.predicate, {DIGEST: "index"})
    (built,) = found(SIGNER.provenance(TAG, DIGEST, builder=".github/workflows/other.yml")).of_kind(Kind.PROVENANCE)
    with pytest.raises(Refused, match=r"runDetails\.builder\.id: expected .*release\.yml@.*, found .*other\.yml@"):
        provenance.check(built.statement, built.identity, EXPECTED)
