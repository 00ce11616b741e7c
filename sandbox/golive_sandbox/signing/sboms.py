"""Bills of materials of an image: small, valid, and as syft would name the image in them."""

from __future__ import annotations

import uuid
from urllib.parse import quote

from golive_sandbox.types import Json, JsonValue

_CREATED = "2026-01-01T00:00:00Z"  # the images' own: a document does not change with the time
_ROOT = "SPDXRef-DocumentRoot-Image"
DEFAULT_PACKAGES = 24


def spdx(digest: str, name: str, *, tag: str = "", packages: int = DEFAULT_PACKAGES) -> Json:
    """An SPDX 2.3 document of the image ``name`` at ``digest`` (``sha256:HEX``) with so many packages in it."""
    image: Json = {
        "SPDXID": _ROOT, "name": name, "versionInfo": tag or digest,
        "downloadLocation": "NOASSERTION", "filesAnalyzed": False, "supplier": "NOASSERTION",
        "checksums": [{"algorithm": "SHA256", "checksumValue": digest.partition(":")[2]}],
        "externalRefs": [_purl(image_purl(digest, name, tag))], "primaryPackagePurpose": "CONTAINER",
        "licenseConcluded": "NOASSERTION", "licenseDeclared": "NOASSERTION", "copyrightText": "NOASSERTION",
    }  # fmt: skip
    parts = [_spdx_package(number) for number in range(packages)]
    contains: list[JsonValue] = [_relation(_ROOT, "CONTAINS", str(part["SPDXID"])) for part in parts]
    return {
        "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": name,
        "documentNamespace": f"https://sbom.example.test/{name}-{_uuid(digest)}",
        "creationInfo": {"created": _CREATED, "creators": ["Organization: Example", "Tool: golive-sandbox"]},
        "packages": [image, *parts],
        "relationships": [_relation("SPDXRef-DOCUMENT", "DESCRIBES", _ROOT), *contains],
    }  # fmt: skip


def cyclonedx(digest: str, name: str, *, tag: str = "", packages: int = DEFAULT_PACKAGES) -> Json:
    """A CycloneDX 1.6 document of the same."""
    image: Json = {
        "bom-ref": image_purl(digest, name, tag), "type": "container", "name": name, "version": tag or digest,
        "hashes": [{"alg": "SHA-256", "content": digest.partition(":")[2]}], "purl": image_purl(digest, name, tag),
    }  # fmt: skip
    parts: list[JsonValue] = [
        {"bom-ref": purl, "type": "library", "name": package, "version": version, "purl": purl}
        for package, version, purl in map(_package, range(packages))
    ]
    return {
        "bomFormat": "CycloneDX", "specVersion": "1.6", "serialNumber": f"urn:uuid:{_uuid(digest)}", "version": 1,
        "metadata": {"timestamp": _CREATED, "component": image}, "components": parts,
    }  # fmt: skip


def image_purl(digest: str, name: str, tag: str = "") -> str:
    """The image's package URL: ``pkg:oci/NAME@sha256%3AHEX``."""
    return f"pkg:oci/{name.rpartition('/')[2]}@{quote(digest, safe='')}" + (f"?tag={tag}" if tag else "")


def _package(number: int) -> tuple[str, str, str]:
    name, version = f"example-part-{number}", f"1.{number}.0"
    return name, version, f"pkg:pypi/{name}@{version}"


def _spdx_package(number: int) -> Json:
    name, version, purl = _package(number)
    return {
        "SPDXID": f"SPDXRef-Package-{number}", "name": name, "versionInfo": version,
        "downloadLocation": "NOASSERTION", "filesAnalyzed": False, "externalRefs": [_purl(purl)],
        "licenseConcluded": "NOASSERTION", "licenseDeclared": "MIT", "copyrightText": "NOASSERTION",
    }  # fmt: skip


def _purl(locator: str) -> Json:
    return {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": locator}


def _relation(one: str, kind: str, other: str) -> Json:
    return {"spdxElementId": one, "relationshipType": kind, "relatedSpdxElement": other}


def _uuid(digest: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, digest))
