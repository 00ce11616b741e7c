"""Who may sign: everybody else is refused by the field that differs, and so is a certificate that is not Fulcio's."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from golive.supply.errors import Code
from golive.supply.identity import Signer
from golive.supply.statement import Kind
from golive_sandbox.signing import leaf
from golive_sandbox.signing.bundles import Fault
from golive_sandbox.signing.leaf import Leaf
from golive_sandbox.signing.workflow import GITHUB_ISSUER, Workflow
from selftests.judge.supplied import (
    AUTHORITY,
    ENTRY,
    MALLORY,
    RELEASE,
    SIGNER,
    STRANGER,
    at,
    b64,
    bundle,
    changed,
    judged,
    other,
    refused,
)  # fmt: skip

HOST = "https://github.com/"
IDENTITY = "certificate identity"
REPOSITORY = "source repository (.1.12)"


@pytest.mark.parametrize(
    ("workflow", "like", "code", "field", "found"),
    [
        (other(repository=MALLORY), leaf.PLAIN, Code.IDENTITY_MISMATCH, IDENTITY, MALLORY),
        (other(repository=f"{HOST}acme/maestro-evil"), leaf.PLAIN, Code.IDENTITY_MISMATCH, IDENTITY, "maestro-evil"),
        (other(repository=f"{HOST}acme-evil/maestro"), leaf.PLAIN, Code.IDENTITY_MISMATCH, IDENTITY, "acme-evil"),
        (other(repository=f"{HOST}evil/actions"), leaf.PLAIN, Code.IDENTITY_MISMATCH, IDENTITY, "evil/actions"),
        (other(ref="refs/heads/main"), leaf.PLAIN, Code.IDENTITY_MISMATCH, IDENTITY, "@refs/heads/main"),
        (other(ref="refs/pull/41/merge"), leaf.PLAIN, Code.IDENTITY_MISMATCH, IDENTITY, "@refs/pull/41/merge"),
        (other(ref="refs/tags/v1.4.9"), leaf.PLAIN, Code.IDENTITY_MISMATCH, IDENTITY, "@refs/tags/v1.4.9"),
        (other(ref="refs/tags/v1.5.0-rc1"), leaf.PLAIN, Code.IDENTITY_MISMATCH, IDENTITY, "v1.5.0-rc1"),
        (other(file=".github/workflows/test.yml"), leaf.PLAIN, Code.IDENTITY_MISMATCH, IDENTITY, "test.yml"),
        (RELEASE, Leaf(san=f"https://evil.example/?{RELEASE.identity}"), Code.IDENTITY_MISMATCH, IDENTITY, "evil."),
        (RELEASE, Leaf(san=RELEASE.identity + "x" * 4000), Code.IDENTITY_MISMATCH, "subject alternative names", "xx"),
        (RELEASE, Leaf(instead={8: "https://evil.example"}), Code.ISSUER_MISMATCH, "issuer (.1.8)", "evil.example"),
        (other(issuer=f"{GITHUB_ISSUER}/acme"), leaf.PLAIN, Code.ISSUER_MISMATCH, "issuer (.1.8)", ".com/acme"),
        (RELEASE, Leaf(instead={1: "https://evil.example"}), Code.ISSUER_MISMATCH, "issuer (.1.1)", "evil.example"),
        (RELEASE, Leaf(dropped=frozenset({8})), Code.ISSUER_MISMATCH, "issuer (.1.8)", "none"),
        (RELEASE, Leaf(dropped=frozenset({1, 8})), Code.ISSUER_MISMATCH, "issuer (.1.8)", "none"),
        (other(runner="self-hosted"), leaf.PLAIN, Code.CLAIM_MISMATCH, "runner environment (.1.11)", "self-hosted"),
        (RELEASE, Leaf(dropped=frozenset({11})), Code.CLAIM_MISMATCH, "runner environment (.1.11)", "none"),
        (RELEASE, Leaf(instead={12: MALLORY}), Code.CLAIM_MISMATCH, REPOSITORY, MALLORY),
        (RELEASE, Leaf(instead={14: "refs/heads/x"}), Code.CLAIM_MISMATCH, "source ref (.1.14)", "refs/heads/x"),
        (other(commit="ab" * 20), leaf.PLAIN, Code.CLAIM_MISMATCH, "source commit (.1.13)", "abab"),
    ],
)
def test_somebody_else_is_refused_by_the_field_that_differs(
    workflow: Workflow, like: Leaf, code: Code, field: str, found: str
) -> None:
    why = refused(judged(bundle(workflow=workflow, like=like)))
    assert (why.code, why.field) == (code, field)
    assert found in f"{why.found}{why}"
    assert why.expected in f"{why}"


def test_an_old_issuer_alone_is_enough_for_no_one_and_its_absence_bad_for_no_one() -> None:
    assert judged(bundle(like=Leaf(dropped=frozenset({1})))).of_kind(Kind.SIGNATURE)


def test_a_pattern_of_the_ref_is_matched_whole() -> None:
    signer = replace(SIGNER, ref="^refs/tags/v1$")
    for ref in ("refs/tags/v1.5.0", "refs/tags/v1\n", "x/refs/tags/v1"):
        raw = bundle(workflow=other(ref=ref))
        assert refused(judged(raw, signer=signer)).code is Code.IDENTITY_MISMATCH


def test_a_pattern_for_the_whole_identity_narrows_further() -> None:
    signer = Signer(RELEASE.repository, RELEASE.file, "^refs/tags/v.*$", name_pattern="^.*@refs/tags/v2.*$")
    why = refused(judged(bundle(), signer=signer))
    assert (why.code, why.expected) == (Code.IDENTITY_MISMATCH, "^.*@refs/tags/v2.*$")


@pytest.mark.parametrize(
    ("like", "code", "said"),
    [
        (Leaf(san=""), Code.CERT_UNTRUSTED_OR_EXPIRED, "missing required extension"),
        (Leaf(san_critical=False), Code.CERT_UNTRUSTED_OR_EXPIRED, "MUST be critical"),
        (Leaf(sct="none"), Code.SIGNATURE_OR_LOG_INVALID, "signed certificate timestamp"),
        (Leaf(sct="foreign"), Code.SIGNATURE_OR_LOG_INVALID, "SCT verify failed"),
        (Leaf(key_usage=False), Code.BUNDLE_MALFORMED, "KeyUsage"),
        (Leaf(extended_key_usage=False), Code.BUNDLE_MALFORMED, "ExtendedKeyUsage"),
    ],
)
def test_a_certificate_that_is_not_fulcios_is_refused(like: Leaf, code: Code, said: str) -> None:
    why = refused(judged(bundle(like=like)))
    assert why.code is code
    assert said in why.detail


CA_AS_LEAF = b64(AUTHORITY.intermediate.certificate.public_bytes(Encoding.DER))


def test_certificates_of_others_and_of_other_times_are_refused() -> None:
    for raw in (
        bundle(by=STRANGER),
        bundle(fault=Fault.EXPIRED),
        bundle(fault=Fault.EXPIRED, timestamp=True),
        changed(bundle(), "verificationMaterial.certificate.rawBytes", CA_AS_LEAF),
    ):
        assert refused(judged(raw)).code is Code.CERT_UNTRUSTED_OR_EXPIRED


def test_a_bundle_with_anothers_certificate_is_refused() -> None:
    where = "verificationMaterial.certificate"
    assert refused(judged(changed(bundle(), where, at(bundle(), where)))).code is Code.SIGNATURE_OR_LOG_INVALID


@pytest.mark.parametrize(
    ("seconds", "code"), [(1, Code.SIGNATURE_OR_LOG_INVALID), (-99, Code.CERT_UNTRUSTED_OR_EXPIRED)]
)
def test_a_time_that_was_altered_is_refused(seconds: int, code: Code) -> None:
    where = f"{ENTRY}.integratedTime"
    raw = bundle()
    assert refused(judged(changed(raw, where, f"{int(str(at(raw, where))) + seconds}"))).code is code


def test_a_certificate_that_lives_longer_does_not_help_what_is_signed_later() -> None:
    late = bundle(like=Leaf(lifetime=timedelta(minutes=1)), fault=Fault.EXPIRED)
    assert refused(judged(late)).code is Code.CERT_UNTRUSTED_OR_EXPIRED
