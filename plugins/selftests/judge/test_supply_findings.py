"""What is claimed of an image: found with its facts, refused with the field and both values, or not known."""

from __future__ import annotations

import json
import math

import pytest

from golive.evidence import ClaimFailed, Recorder
from golive.supply.claiming import claim
from golive.supply.errors import Code, Refused
from golive.supply.findings import Finding, Findings, Unsigned, bill, built, signature
from golive.supply.judged import Offered, Report, judge
from golive.supply_settings import ProvenanceRules, SbomRules
from golive.types import Json, JsonValue
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
    TRUST,
    bundle,
    judged,
    other,
)  # fmt: skip

SHIPPED = {DIGEST: "index", AMD: "image of linux/amd64"}
DOCUMENT = sboms.spdx(DIGEST, "maestro")
SBOM = bundle(statements.spdx(DOCUMENT, DIGEST, "maestro"))
BARE = judged(bundle())


def found(document: Json, digest: str = DIGEST) -> Finding:
    return bill(judged(bundle(statements.spdx(document, digest, "maestro"))), SbomRules(), SHIPPED)


def said(finding: Finding) -> Code | None:
    return finding.refused.code if finding.refused else None


def test_what_is_accepted_tells_who_signed_when_and_what_is_in_it() -> None:
    report = judged(bundle(), SBOM, bundle(statements.provenance(RELEASE, DIGEST, "maestro")))
    facts = signature(report).facts
    assert facts["identity"] == RELEASE.identity
    assert facts["issuer"] == RELEASE.issuer
    assert facts["log index"].isdecimal()
    assert facts["signed at"].endswith("Z")
    document = bill(report, SbomRules(), SHIPPED).facts
    assert document["format"] == "SPDX-2.3"
    assert document["packages"].split(",")[0].isdecimal()
    assert document["document digest"].startswith("sha256:")
    assert built(report, ProvenanceRules(), SIGNER).facts["builder"] == RELEASE.identity


def test_a_signature_refused_names_the_field_and_both_values() -> None:
    finding = signature(judged(bundle(workflow=other(repository=MALLORY))))
    recorder = Recorder("1.4-signature")
    with pytest.raises(ClaimFailed) as caught:
        claim(recorder, "signature", finding, expected="it is signed")
    failed = caught.value
    assert failed.expected == f"it is signed; certificate identity: {RELEASE.identity}"
    assert failed.observed.startswith(f"certificate identity: {MALLORY}/")
    assert "(IDENTITY_MISMATCH)" in failed.observed
    assert "which workflow made this" in failed.fix


def test_what_could_not_be_read_is_not_proven_and_never_called_unsigned() -> None:
    trouble = Refused(Code.REGISTRY_UNAVAILABLE, "beside the image", expected="an answer", found="503")
    finding = signature(judge(DIGEST, CHILDREN, [Offered("api", refused=trouble)], TRUST, SIGNER))
    recorder = Recorder("1.4-signature")
    with pytest.raises(Refused, match="REGISTRY_UNAVAILABLE"):
        claim(recorder, "signature", finding, expected="it is signed")
    assert recorder.failed is None
    assert not recorder.claimed


def test_one_good_document_is_enough_beside_a_wrong_one() -> None:
    wrong = bundle(statements.spdx(sboms.spdx(OTHER, "maestro"), DIGEST, "maestro"))
    assert bill(judged(wrong, SBOM), SbomRules(), SHIPPED).refused is None
    assert said(bill(judged(wrong), SbomRules(), SHIPPED)) is Code.SUBJECT_MISMATCH


def test_a_document_of_a_platform_that_is_not_shipped_is_of_another_image() -> None:
    assert found(sboms.spdx(AMD, "maestro")).facts["describes"] == f"{AMD} (image of linux/amd64)"
    assert said(found(sboms.spdx(ARM, "maestro"))) is Code.SUBJECT_MISMATCH


UNSIGNED: list[tuple[Unsigned, Code | None, Code | None]] = [
    (Unsigned("asset a", DOCUMENT), Code.NO_SBOM, None),
    (Unsigned("asset a", sboms.spdx(OTHER, "maestro")), Code.SUBJECT_MISMATCH, Code.SUBJECT_MISMATCH),
    (Unsigned("asset a", sboms.spdx(DIGEST, "maestro", packages=0)), Code.SBOM_INVALID, Code.SBOM_INVALID),
    (
        Unsigned("asset a", refused=Refused(Code.REGISTRY_UNAVAILABLE, "asset a", expected="an answer", found="503")),
        Code.REGISTRY_UNAVAILABLE,
        Code.REGISTRY_UNAVAILABLE,
    ),
]


@pytest.mark.parametrize(("one", "strict", "accepting"), UNSIGNED)
def test_a_document_that_nobody_signed_counts_only_where_that_is_said(
    one: Unsigned, strict: Code | None, accepting: Code | None
) -> None:
    assert said(bill(BARE, SbomRules(), SHIPPED, [one])) is strict
    assert said(bill(BARE, SbomRules(accept_unsigned=True), SHIPPED, [one])) is accepting


FOREIGN = bundle(statements.spdx(DOCUMENT, DIGEST, "maestro"), workflow=other(repository=MALLORY))
REPLAYED = bundle(statements.spdx(sboms.spdx(OTHER, "worker"), OTHER, "worker"))
"""The workflow's own, of another image: anybody who may push can copy it."""


@pytest.mark.parametrize(
    ("stranger", "code"),
    [
        (b"{}", Code.BUNDLE_MALFORMED),
        (FOREIGN, Code.IDENTITY_MISMATCH),
        (bundle(statements.spdx(DOCUMENT, DIGEST, "maestro"), fault=Fault.SIGNATURE_TAMPERED),
         Code.SIGNATURE_OR_LOG_INVALID),
        (REPLAYED, Code.SUBJECT_MISMATCH),
    ],
    ids=["nothing", "another workflow", "tampered", "replayed"],
)  # fmt: skip
def test_what_a_stranger_put_there_is_said_and_is_not_ours(stranger: bytes, code: Code) -> None:
    report = judged(bundle(), stranger)
    finding = bill(report, SbomRules(), SHIPPED)
    assert (said(finding), finding.missing) == (code, True)
    assert bill(report, SbomRules(accept_unsigned=True), SHIPPED, [Unsigned("asset a", DOCUMENT)]).refused is None


def test_what_the_workflow_signed_for_this_image_and_that_is_wrong_is_ours_whoever_adds_what() -> None:
    wrong = bundle(statements.spdx(sboms.spdx(OTHER, "maestro"), DIGEST, "maestro"))
    finding = bill(judged(b"{}", wrong, FOREIGN), SbomRules(accept_unsigned=True), SHIPPED, [Unsigned("a", DOCUMENT)])
    assert (said(finding), finding.missing) == (Code.SUBJECT_MISMATCH, False)
    assert Finding.from_json(json.loads(json.dumps(finding.to_json()))).missing is False


def test_a_wrong_document_that_nobody_signed_is_not_ours_and_a_lost_one_is_not_known_to_be_missing() -> None:
    assert bill(BARE, SbomRules(), SHIPPED, [Unsigned("a", sboms.spdx(OTHER, "maestro"))]).missing
    down = Refused(Code.REGISTRY_UNAVAILABLE, "asset a", expected="an answer", found="503")
    assert not bill(judged(bundle(), b"{}"), SbomRules(), SHIPPED, [Unsigned("a", refused=down)]).missing


def test_one_that_nobody_signed_is_told_with_what_it_is() -> None:
    finding = bill(BARE, SbomRules(), SHIPPED, [Unsigned("asset a", DOCUMENT)])
    assert finding.refused is not None
    assert "one that nobody signed (asset a: SPDX-2.3, " in finding.refused.found
    assert finding.facts["signed"] == "by nobody"


def spdx3() -> Json:
    """The least that is an SPDX 3 document of this image."""
    about: Json = {"creationInfo": "_:i"}
    info: Json = {"type": "CreationInfo", "@id": "_:i", "specVersion": "3.0.1", "created": "2026-01-01T00:00:00Z"}
    document: Json = {**about, "type": "SpdxDocument", "spdxId": "urn:d", "rootElement": ["urn:i"]}
    image: Json = {
        **about,
        "type": "software_Package",
        "spdxId": "urn:i",
        "name": "m",
        "software_packageVersion": DIGEST,
    }
    part: Json = {**about, "type": "software_Package", "spdxId": "urn:p", "name": "p"}
    context = "https://spdx.org/rdf/3.0.1/spdx-context.jsonld"
    return {"@context": context, "@graph": [info, document, image, part]}


def nested(depth: int) -> JsonValue:
    """Lists in lists."""
    made: JsonValue = []
    for _ in range(depth):
        made = [made]
    return made


@pytest.mark.parametrize(
    ("more", "words"),
    [(math.nan, "ValueError"), (nested(100_000), "RecursionError")],
    ids=["no-number", "deep"],
)
def test_a_document_that_breaks_its_reader_is_invalid_and_breaks_nothing_else(more: JsonValue, words: str) -> None:
    cyclonedx = {**sboms.cyclonedx(DIGEST, "maestro"), "metadata": more}
    good = spdx3()
    assert said(bill(BARE, SbomRules(accept_unsigned=True), SHIPPED, [Unsigned("a", good)])) is None
    for document in (cyclonedx, {**good, "x-more": more}):
        finding = bill(BARE, SbomRules(accept_unsigned=True), SHIPPED, [Unsigned("a", document)])
        assert said(finding) is Code.SBOM_INVALID
    finding = bill(BARE, SbomRules(accept_unsigned=True), SHIPPED, [Unsigned("a", {**good, "x-more": more})])
    assert finding.refused is not None
    assert words in finding.refused.found


def test_workers_share_findings_as_plain_values() -> None:
    report: Report = judged(bundle(workflow=other(ref="refs/heads/x")), SBOM)
    findings = Findings(
        digest=DIGEST,
        children=CHILDREN,
        trust="a root",
        signature=signature(report),
        sbom=bill(report, SbomRules(), SHIPPED),
        provenance=built(report, ProvenanceRules(), SIGNER),
        about={"took": "1 s"},
        rejected=("one",),
    )
    again = Findings.from_json(json.loads(json.dumps(findings.to_json())))
    assert again.to_json() == findings.to_json()
    assert (again.sbom, again.rejected, again.children) == (findings.sbom, ("one",), CHILDREN)
    assert f"{again.signature.refused}" == f"{findings.signature.refused}"
