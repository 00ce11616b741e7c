"""Statements are about one digest, and the documents in them describe the image that has it."""

from __future__ import annotations

import json

import pytest

from golive_sandbox.signing import sboms, statements
from golive_sandbox.signing.workflow import Workflow
from golive_sandbox.types import dig, items, text

DIGEST = "sha256:" + "1f" * 32
RELEASE = Workflow()
KINDS = [
    (statements.COSIGN_SIGN, statements.signed(DIGEST)),
    (statements.SPDX, statements.spdx(sboms.spdx(DIGEST, "maestro"), DIGEST, "maestro")),
    (statements.CYCLONEDX, statements.cyclonedx(sboms.cyclonedx(DIGEST, "maestro"), DIGEST, "maestro")),
    (statements.SLSA_V1, statements.provenance(RELEASE, DIGEST, "maestro")),
    (statements.SLSA_V02, statements.provenance_v02(RELEASE, DIGEST, "maestro")),
]


@pytest.mark.parametrize(("kind", "statement"), KINDS)
def test_a_statement_is_about_the_digest_and_says_its_kind(kind: str, statement: bytes) -> None:
    said = json.loads(statement)
    assert (said["predicateType"], said["subject"][0]["digest"]) == (kind, {"sha256": "1f" * 32})
    assert ("name" in said["subject"][0]) is (kind != statements.COSIGN_SIGN)


def test_an_spdx_document_describes_the_image_and_holds_its_packages() -> None:
    document = sboms.spdx(DIGEST, "maestro", tag="v1.5.0", packages=3)
    image, *parts = items(document, "packages")
    assert items(image, "checksums") == [{"algorithm": "SHA256", "checksumValue": "1f" * 32}]
    assert (
        text(items(image, "externalRefs")[0], "referenceLocator")
        == "pkg:oci/maestro@sha256%3A" + "1f" * 32 + "?tag=v1.5.0"
    )
    known = {text(one, "SPDXID") for one in (document, image, *parts)}
    assert len(known) == 5
    relations = items(document, "relationships")
    assert {text(one, side) for one in relations for side in ("spdxElementId", "relatedSpdxElement")} == known
    assert text(relations[0], "relationshipType") == "DESCRIBES"


def test_a_cyclonedx_document_is_of_the_image_and_holds_its_packages() -> None:
    document = sboms.cyclonedx(DIGEST, "maestro", packages=3)
    assert dig(document, "metadata", "component", "hashes", 0, "content") == "1f" * 32
    assert len(items(document, "components")) == 3
