"""All that lies beside an image: what is accepted counts, what is refused is told, the nearest refusal says why."""

from __future__ import annotations

from typing import NoReturn

import pytest

from golive.supply.errors import Code, Refused
from golive.supply.judged import Offered, judge
from golive.supply.statement import Kind
from golive_sandbox.signing import sboms, statements
from golive_sandbox.signing.bundles import Fault
from selftests.judge.supplied import (
    AMD,
    ARM,
    CHILDREN,
    DIGEST,
    MALLORY,
    OTHER,
    RELEASE,
    SIGNER,
    STRANGER,
    TRUST,
    bundle,
    judged,
    other,
    refused,
)  # fmt: skip

SBOM = bundle(statements.spdx(sboms.spdx(DIGEST, "maestro"), DIGEST, "maestro"))


def test_a_stranger_beside_ours_fails_nothing_and_is_told() -> None:
    report = judged(b"<html>", bundle(by=STRANGER), bundle(), bundle(workflow=other(ref="refs/heads/x")))
    assert [one.source for one in report.of_kind(Kind.SIGNATURE)] == ["referrer 2"]
    codes = [Code.BUNDLE_MALFORMED, Code.CERT_UNTRUSTED_OR_EXPIRED, Code.IDENTITY_MISMATCH]
    assert [one.refused.code for one in report.rejected] == codes


def test_an_sbom_is_no_signature() -> None:
    why = refused(judged(SBOM))
    assert (why.code, why.found) == (Code.NO_SIGNATURE, "none (of other kinds: 1 SBOM)")
    assert refused(judged()).found == "nothing signed at all"
    assert refused(judged(SBOM), Kind.PROVENANCE).code is Code.NO_PROVENANCE
    assert refused(judged(bundle()), Kind.SBOM).code is Code.NO_SBOM


def test_what_is_no_signature_does_not_say_why_there_is_none() -> None:
    foreign = bundle(statements.provenance(RELEASE, DIGEST, "x"), by=STRANGER)
    assert refused(judged(foreign)).code is Code.NO_SIGNATURE


def test_an_sbom_may_be_of_one_platform_and_says_so() -> None:
    (found,) = judged(bundle(statements.spdx(sboms.spdx(ARM, "maestro"), ARM, "maestro"))).of_kind(Kind.SBOM)
    assert (found.digest, found.of) == (ARM, "image of linux/arm64")


def test_the_refusal_that_came_nearest_says_why() -> None:
    stranger, tampered = bundle(by=STRANGER), bundle(fault=Fault.SIGNATURE_TAMPERED)
    fork, branch = bundle(workflow=other(repository=MALLORY)), bundle(workflow=other(commit="ab" * 20))
    for many, code in (
        ((b"junk", stranger), Code.CERT_UNTRUSTED_OR_EXPIRED),
        ((fork, stranger), Code.IDENTITY_MISMATCH),
        ((branch, fork), Code.CLAIM_MISMATCH),
        ((tampered, branch, fork), Code.SIGNATURE_OR_LOG_INVALID),
        ((bundle(statements.signed(OTHER)), tampered), Code.SUBJECT_MISMATCH),
    ):
        assert refused(judged(*many)).code is code
        assert refused(judged(*many[::-1])).code is code


def test_what_could_not_be_fetched_may_have_been_good_and_is_not_proven() -> None:
    down = Refused(Code.REGISTRY_UNAVAILABLE, "referrer", expected="a manifest", found="503")
    offered = [Offered("fork", bundle(workflow=other(repository=MALLORY))), Offered("lost", refused=down)]
    why = refused(judge(DIGEST, CHILDREN, offered, TRUST, SIGNER))
    assert (why.code, why.code.inconclusive) == (Code.REGISTRY_UNAVAILABLE, True)


def test_what_is_only_named_beside_the_image_is_told_and_says_nothing_of_what_is_missing() -> None:
    gone = Refused(Code.BUNDLE_MALFORMED, "referrer", expected="a bundle", found="is listed and not there")
    report = judge(DIGEST, CHILDREN, [Offered("o", bundle()), Offered("x", refused=gone, stray=True)], TRUST, SIGNER)
    assert report.of_kind(Kind.SIGNATURE)
    assert refused(report, Kind.SBOM).code is Code.NO_SBOM
    assert [one.refused for one in report.rejected] == [gone]


def test_a_mistake_of_ours_or_of_the_library_proves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> NoReturn:
        raise AttributeError("no such thing")

    monkeypatch.setattr("golive.supply.bundle.verified", broken)
    why = refused(judged(bundle()))
    assert (why.code, why.found, why.code.inconclusive) == (Code.INTERNAL, "AttributeError", True)


def test_a_value_that_means_harm_cannot_write_on_the_screen() -> None:
    why = Refused(Code.IDENTITY_MISMATCH, "x", expected="a", found="\x1b[2J\u202e\n" + "y" * 1000)
    assert "\x1b" not in f"{why}"
    assert "\n" not in f"{why}"
    assert len(why.found) < 400


def test_what_runs_is_the_image_or_a_platform_of_it() -> None:
    report = judged(bundle())
    assert (report.covers(DIGEST), report.covers(AMD)) == ("index", "image of linux/amd64")
    with pytest.raises(Refused, match=f"running digest: expected {DIGEST} or .*, found {OTHER}"):
        report.covers(OTHER)
