"""Bills of materials: valid, of this image, not empty; each of the others has its field."""

from __future__ import annotations

import copy
import json

import pytest

from golive.supply import sbom
from golive.supply.errors import Code, Refused
from golive.types import Json, JsonValue, dig, items
from golive_sandbox.signing import sboms
from selftests.judge.supplied import AMD, DIGEST, GONE, OTHER

ACCEPT = {DIGEST: "index", AMD: "image of linux/amd64"}
HEX = DIGEST.removeprefix("sha256:")
SPDX = sboms.spdx(DIGEST, "maestro", packages=5)
CYCLONEDX = sboms.cyclonedx(DIGEST, "maestro", packages=5)


def edited(document: Json, path: str, value: JsonValue) -> Json:
    """The document with another value at ``path``, or with none."""
    found = copy.deepcopy(document)
    *way, last = (int(part) if part.isdigit() else part for part in path.split("."))
    holder = dig(found, *way) if way else found
    if isinstance(holder, list):
        assert isinstance(last, int)
        holder[last : last + 1] = [] if value == GONE else [value]
    else:
        assert isinstance(holder, dict)
        holder[str(last)] = value
        if value == GONE:
            del holder[str(last)]
    return found


def why(document: JsonValue, *, min_packages: int = 1) -> Refused:
    with pytest.raises(Refused) as caught:
        sbom.check(document, ACCEPT, min_packages=min_packages)
    return caught.value


PACKAGE: Json = {"type": "software_Package", "creationInfo": "_:info", "software_packageVersion": "1"}


def spdx3(digest: str = DIGEST, packages: int = 3) -> Json:
    """A document such as SPDX 3's tools write: the document's root is a bill, whose root is the image."""
    image: Json = {
        **PACKAGE,
        "spdxId": "urn:image",
        "name": "maestro",
        "verifiedUsing": [{"type": "Hash", "algorithm": "sha256", "hashValue": digest.removeprefix("sha256:")}],
    }
    parts: list[JsonValue] = [
        {**PACKAGE, "spdxId": f"urn:p{n}", "name": f"p{n}", "software_packageUrl": f"pkg:pypi/p{n}@1"}
        for n in range(packages)
    ]
    holds: Json = {
        "type": "Relationship",
        "spdxId": "urn:holds",
        "creationInfo": "_:info",
        "relationshipType": "contains",
        "from": "urn:image",
        "to": [f"urn:p{n}" for n in range(packages)] or ["https://spdx.org/rdf/3.0.1/terms/Core/NoneElement"],
    }
    info: Json = {"type": "CreationInfo", "@id": "_:info", "specVersion": "3.0.1", "created": "2026-01-01T00:00:00Z"}
    document: Json = {
        "type": "SpdxDocument", "spdxId": "urn:doc", "creationInfo": "_:info", "name": "maestro",
        "rootElement": ["urn:bill"],
    }  # fmt: skip
    bill: Json = {"type": "software_Sbom", "spdxId": "urn:bill", "creationInfo": "_:info", "rootElement": ["urn:image"]}
    graph: list[JsonValue] = [info, document, bill, image, holds, *parts]
    return {"@context": "https://spdx.org/rdf/3.0.1/spdx-context.jsonld", "@graph": graph}


@pytest.mark.parametrize("version", ["SPDX-2.2", "SPDX-2.3"])
def test_an_spdx_document_of_this_image_is_accepted(version: str) -> None:
    document = edited(SPDX, "spdxVersion", version)
    if version == "SPDX-2.2":  # it has no purpose, and another word for package managers
        document = json.loads(json.dumps(document).replace("PACKAGE-MANAGER", "PACKAGE_MANAGER"))
        for one in items(document, "packages"):
            one.pop("primaryPackagePurpose", None)
    assert sbom.check(document, ACCEPT) == sbom.Sbom(version, "maestro", DIGEST, "index", 5, 5, 5)


@pytest.mark.parametrize("version", ["1.3", "1.4", "1.5", "1.6", "1.7"])
@pytest.mark.long
def test_a_cyclonedx_document_of_each_version_is_accepted(version: str) -> None:
    found = sbom.check(edited(CYCLONEDX, "specVersion", version), ACCEPT)
    assert found == sbom.Sbom(f"CycloneDX {version}", "maestro", DIGEST, "index", 5, 5, 5)


def test_an_spdx_3_document_of_this_image_is_accepted() -> None:
    assert sbom.check(spdx3(), ACCEPT) == sbom.Sbom("SPDX-3.0", "maestro", DIGEST, "index", 3, 3, 3)


def test_a_document_of_one_platform_says_which() -> None:
    for document in (sboms.spdx(AMD, "m"), sboms.cyclonedx(AMD, "m"), spdx3(AMD)):
        assert sbom.check(document, ACCEPT).platform == "image of linux/amd64"


@pytest.mark.parametrize("predicate", [SPDX, {"Data": SPDX}, {"Data": json.dumps(SPDX)}], ids=["bare", "in", "text"])
def test_each_shape_of_a_predicate_is_read(predicate: JsonValue) -> None:
    assert sbom.check(predicate, ACCEPT).packages == 5


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("checksums", [{"algorithm": "SHA256", "checksumValue": HEX}]),
        ("versionInfo", DIGEST),
        (
            "externalRefs",
            [
                {
                    "referenceCategory": "PACKAGE-MANAGER",
                    "referenceType": "purl",
                    "referenceLocator": f"pkg:oci/maestro@sha256%3A{HEX}?repository_url=ghcr.io/acme",
                }
            ],
        ),
    ],
)
def test_the_digest_may_stand_in_each_of_three_places(key: str, value: JsonValue) -> None:
    bare = edited(
        edited(edited(SPDX, "packages.0.checksums", []), "packages.0.externalRefs", []), "packages.0.versionInfo", "1"
    )
    assert why(bare).found == "none"
    assert sbom.check(edited(bare, f"packages.0.{key}", value), ACCEPT).describes == DIGEST


def test_anothers_document_is_refused_by_both_digests() -> None:
    for document in (sboms.spdx(OTHER, "maestro"), sboms.cyclonedx(OTHER, "maestro"), spdx3(OTHER)):
        found = why(document)
        assert (found.code, found.found) == (Code.SUBJECT_MISMATCH, OTHER)
        assert found.expected == f"{DIGEST} or {AMD}"


def purl(digest: str) -> str:
    return f"pkg:oci/maestro@{digest.replace(':', '%3A')}?repository_url=ghcr.io/acme"


def referred(digest: str) -> JsonValue:
    return [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl(digest)}]


def with_twin(document: Json, **values: JsonValue) -> Json:
    """An SPDX document whose last package is its first again, as another element."""
    found = copy.deepcopy(document)
    packages = found["packages"]
    assert isinstance(packages, list)
    packages.append({**items(found, "packages")[0], "SPDXID": "SPDXRef-twin", **values})
    return found


TWO_IMAGES = edited(
    with_twin(SPDX, checksums=[{"algorithm": "SHA256", "checksumValue": OTHER.removeprefix("sha256:")}],
              versionInfo=OTHER, externalRefs=referred(OTHER)),
    "documentDescribes", ["SPDXRef-twin"],
)  # fmt: skip
CONTRADICTING: dict[str, Json] = {
    "SPDX purl": edited(SPDX, "packages.0.externalRefs", referred(OTHER)),
    "SPDX version": edited(SPDX, "packages.0.versionInfo", OTHER),
    "SPDX checksum": edited(SPDX, "packages.0.checksums.0.checksumValue", OTHER.removeprefix("sha256:")),
    "SPDX two images": TWO_IMAGES,
    "CycloneDX purl": edited(CYCLONEDX, "metadata.component.purl", purl(OTHER)),
    "CycloneDX loud purl": edited(CYCLONEDX, "metadata.component.purl", purl(OTHER).replace("pkg:oci", "pkg:OCI")),
    "CycloneDX version": edited(CYCLONEDX, "metadata.component.version", OTHER),
    "SPDX 3 version": edited(spdx3(), "@graph.3.software_packageVersion", OTHER),
    "SPDX 3 two images": edited(
        edited(spdx3(), "@graph.2.rootElement", ["urn:image", "urn:p0"]), "@graph.5.software_packageUrl", purl(OTHER)
    ),
}


@pytest.mark.parametrize("document", CONTRADICTING.values(), ids=CONTRADICTING)
def test_one_digest_that_fits_does_not_excuse_another_images(document: Json) -> None:
    found = why(document)
    assert (found.code, found.found) == (Code.SUBJECT_MISMATCH, OTHER)
    assert found.expected == f"{DIGEST} or {AMD}"


def test_the_index_and_its_platforms_image_may_both_be_named() -> None:
    document = edited(SPDX, "packages.0.externalRefs", referred(AMD))
    assert sbom.check(document, ACCEPT).describes == DIGEST


def test_each_of_several_things_described_must_be_the_image() -> None:
    bare = with_twin(SPDX, name="other", checksums=[], versionInfo="1", externalRefs=[])
    found = why(edited(bare, "documentDescribes", ["SPDXRef-twin"]))
    assert (found.code, found.found) == (Code.SBOM_INVALID, "none of other")


NO_SPDX, NO_CYCLONEDX = sboms.spdx(DIGEST, "m", packages=0), sboms.cyclonedx(DIGEST, "m", packages=0)
IMAGE = dig(NO_CYCLONEDX, "metadata", "component")
assert isinstance(IMAGE, dict)
FILE: Json = {"type": "file", "name": "/etc/passwd"}
NAMED: Json = {"type": "container", "name": "m", "purl": "pkg:docker/acme/m@v1?arch=amd64"}
EMPTY: dict[str, Json] = {
    "SPDX image again": with_twin(NO_SPDX),
    "SPDX file": with_twin(NO_SPDX, checksums=[], versionInfo="", externalRefs=[], primaryPackagePurpose="FILE"),
    "CycloneDX image again": edited(NO_CYCLONEDX, "components", [{**IMAGE, "bom-ref": "twin"}]),
    "CycloneDX image by its URL": edited(
        edited(NO_CYCLONEDX, "components", [NAMED]), "metadata.component.purl", "pkg:docker/acme/m@v1"
    ),
    "CycloneDX file": edited(NO_CYCLONEDX, "components", [FILE]),
    "SPDX 3 image again": edited(spdx3(packages=1), "@graph.5.software_packageUrl", purl(DIGEST)),
    "SPDX 3 file": edited(spdx3(packages=1), "@graph.5.software_primaryPurpose", "file"),
}


@pytest.mark.parametrize("document", EMPTY.values(), ids=EMPTY)
def test_the_image_once_more_and_single_files_are_no_packages(document: Json) -> None:
    found = why(document)
    assert (found.code, found.expected, found.found) == (Code.SBOM_INVALID, "at least 1", "0")


@pytest.mark.parametrize("kind", ["application", "framework", "library", "operating-system", "container"])
def test_each_kind_of_software_is_a_package(kind: str) -> None:
    one: Json = {"type": kind, "name": "base", "version": OTHER}
    assert sbom.check(edited(NO_CYCLONEDX, "components", [FILE, one]), ACCEPT).packages == 1


def test_a_document_with_nothing_in_it_is_refused() -> None:
    for document in (sboms.spdx(DIGEST, "m", packages=0), sboms.cyclonedx(DIGEST, "m", packages=0), spdx3(packages=0)):
        found = why(document)
        assert (found.code, found.expected, found.found) == (Code.SBOM_INVALID, "at least 1", "0")
    assert why(SPDX, min_packages=6).found == "5"


RELATION: JsonValue = {
    "spdxElementId": "SPDXRef-DOCUMENT",
    "relationshipType": "CONTAINS",
    "relatedSpdxElement": "SPDXRef-none",
}
TWICE = json.dumps(edited(SPDX, "name", "another"))[:-1] + ', "name": "maestro"}'
TAGS = "SPDXVersion: SPDX-2.3\nDataLicense: CC0-1.0\n"
BAD: list[tuple[JsonValue, str]] = [
    ("", "predicate"),
    ("<html>", "predicate"),
    ([], "predicate"),
    ({}, "predicate"),
    (None, "predicate"),
    ({"Data": TAGS}, "predicate"),
    ({"Data": TWICE}, "predicate"),
    ({"Data": "\ud800"}, "predicate"),
    ({"name": "x"}, "kind of document"),
    (edited(SPDX, "spdxVersion", "SPDX-2.1"), "spdxVersion"),
    (edited(SPDX, "spdxVersion", 23), "spdxVersion"),
    (edited(SPDX, "dataLicense", "MIT"), "dataLicense"),
    (edited(SPDX, "creationInfo", GONE), "the document"),
    (edited(SPDX, "packages.1.name", GONE), "packages.1"),
    (edited(SPDX, "documentNamespace", "maestro"), "documentNamespace"),
    (edited(SPDX, "documentNamespace", "https://x.example/#a"), "documentNamespace"),
    (edited(SPDX, "documentNamespace", GONE), "documentNamespace"),
    (edited(SPDX, "relationships.0", GONE), "what the document DESCRIBES"),
    (edited(SPDX, "relationships.1", RELATION), "relatedSpdxElement of a relationship"),
    (edited(SPDX, "documentDescribes", ["SPDXRef-none"]), "documentDescribes"),
    (edited(SPDX, "packages.1.SPDXID", "SPDXRef-Package-1"), "SPDXID"),
    (edited(CYCLONEDX, "bomFormat", "cyclonedx"), "bomFormat"),
    (edited(CYCLONEDX, "specVersion", "2.0"), "specVersion"),
    (edited(CYCLONEDX, "components.1.name", GONE), "components.1"),
    (edited(CYCLONEDX, "metadata.component", GONE), "metadata.component"),
    (edited(CYCLONEDX, "components.1.bom-ref", "pkg:pypi/example-part-0@1.0.0"), "bom-ref"),
    (edited(CYCLONEDX, "dependencies", [{"ref": "nobody"}]), "ref of a dependency"),
    (edited(spdx3(), "@context", "https://x.example"), "@context"),
    (edited(spdx3(), "@graph.1", GONE), "SpdxDocument"),
    (edited(spdx3(), "@graph.0.specVersion", "4.0"), "specVersion of the creation information"),
    (edited(spdx3(), "@graph.0.created", GONE), "created of the creation information"),
    (edited(spdx3(), "@graph.0", GONE), "creationInfo of urn:doc"),
    (edited(spdx3(), "@graph.1.rootElement", []), "rootElement of the document"),
    (edited(spdx3(), "@graph.2.rootElement", ["urn:none"]), "rootElement of urn:bill"),
    (edited(spdx3(), "@graph.4.to", ["urn:none"]), "to of urn:holds"),
    (edited(spdx3(), "@graph.5.spdxId", "urn:p1"), "spdxId"),
    (edited(spdx3(), "@graph.4.spdxId", GONE), "spdxId of a Relationship"),
    (edited(spdx3(), "@graph.5.name", GONE), "name of urn:p0"),
    (edited(spdx3(), "@graph.5.type", GONE), "type of an element"),
]


@pytest.mark.parametrize(("document", "field"), BAD, ids=[f"{n}-{field}" for n, (_, field) in enumerate(BAD)])
def test_what_is_no_valid_document_is_refused_by_its_field(document: JsonValue, field: str) -> None:
    found = why(document)
    assert (found.code, found.field) == (Code.SBOM_INVALID, field)


def test_tag_value_text_is_told_what_to_do() -> None:
    assert why({"Data": TAGS}).found == "tag-value text: attest it with --type spdxjson"


def test_a_dependency_may_be_a_tool_or_a_service() -> None:
    services: JsonValue = [{"bom-ref": "outer", "name": "a", "services": [{"bom-ref": "inner", "name": "b"}]}]
    document = edited(
        edited(CYCLONEDX, "services", services), "dependencies", [{"ref": "outer", "dependsOn": ["inner"]}]
    )
    assert sbom.check(document, ACCEPT).packages == 5


def test_a_licence_that_is_newer_than_our_list_makes_no_document_invalid() -> None:
    licence: JsonValue = [{"license": {"id": "Brand-New-9.0"}}]
    assert sbom.check(edited(CYCLONEDX, "components.1.licenses", licence), ACCEPT)


def test_many_packages_are_read_in_time_that_grows_with_them() -> None:
    assert sbom.check(sboms.spdx(DIGEST, "m", packages=5000), ACCEPT).packages == 5000
    assert sbom.check(sboms.cyclonedx(DIGEST, "m", packages=5000), ACCEPT).packages == 5000
    assert sbom.check(spdx3(packages=5000), ACCEPT).packages == 5000
