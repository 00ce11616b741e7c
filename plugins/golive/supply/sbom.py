"""Bills of materials: SPDX 2.2, 2.3 and 3.0, CycloneDX 1.3 to 1.7. Valid, of this very image, and not empty."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from golive.supply import schemas
from golive.supply.errors import Code, Refused
from golive.types import Json, JsonValue, items, mapping, text

_HEX = re.compile(r"[0-9a-f]{64}")
_PURL = re.compile(r"pkg:(?:oci|docker)/[^@?#]+@(?P<version>[^?#]+)")
_NOTHING = ("NONE", "NOASSERTION")
DOCUMENT = "SPDXRef-DOCUMENT"


@dataclass(frozen=True, slots=True)
class Sbom:
    """What a bill of materials is. ``packages`` are those besides the image itself."""

    format: str
    name: str
    describes: str
    """The digest, ``sha256:…``."""
    platform: str
    """What that digest is: the index, or which platform's image."""
    packages: int
    versioned: int
    """Packages with a version."""
    located: int
    """Packages with a package URL."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What one format's reader found: the digests of what the document is about, and its packages."""

    format: str
    name: str
    digests: tuple[str, ...]
    packages: tuple[Json, ...]
    versioned: int
    located: int


def check(predicate: JsonValue, accept: Mapping[str, str], *, min_packages: int = 1) -> Sbom:
    """What a bill of materials says, when it is one of these digests (``sha256:…`` to what each is).

    ``predicate``: the document, or as older versions of cosign wrap it. Raises ``Refused``: SBOM_INVALID, or
    SUBJECT_MISMATCH where it describes another image.
    """
    document = unwrapped(predicate)
    found = _read(document)
    mine = [one for one in found.digests if one in accept]
    if not found.digests:
        what = "digest of what the document describes (SHA256 checksum, version, or OCI package URL)"
        raise invalid(what, " or ".join(accept), "none")
    if not mine:
        name = "digest of what the document describes"
        raise Refused(
            Code.SUBJECT_MISMATCH, name, expected=" or ".join(accept), found=", ".join(sorted(set(found.digests)))
        )
    if len(found.packages) < min_packages:
        raise invalid("packages besides the image itself", f"at least {min_packages}", f"{len(found.packages)}")
    return Sbom(found.format, found.name, mine[0], accept[mine[0]], len(found.packages), found.versioned, found.located)


def unwrapped(predicate: JsonValue) -> Json:
    """The document of a predicate: itself, or under ``Data`` as an object or as JSON text (cosign 1.x)."""
    data = predicate["Data"] if isinstance(predicate, dict) and "Data" in predicate else predicate
    if isinstance(data, str):
        try:
            data = json.loads(data)
        except (ValueError, RecursionError) as error:
            tags = "tag-value text: attest it with --type spdxjson"
            found = tags if "SPDXVersion:" in data else "other text"
            raise invalid("predicate", "an SPDX or CycloneDX document as JSON", found or "nothing") from error
    if not isinstance(data, dict) or not data:
        raise invalid("predicate", "an SPDX or CycloneDX document as JSON", type(data).__name__ if data else "nothing")
    return data


def _read(document: Json) -> Contents:
    if "spdxVersion" in document:
        return _spdx2(document)
    if "bomFormat" in document:
        return _cyclonedx(document)
    if "@context" in document:
        from golive.supply import spdx3

        return spdx3.read(document)
    keys = "spdxVersion, bomFormat or @context"
    raise invalid("kind of document", f"one with {keys}", ", ".join(sorted(document)[:5]))


def _spdx2(document: Json) -> Contents:
    version = text(document, "spdxVersion")
    if version not in schemas.SPDX:
        raise invalid("spdxVersion", " or ".join(schemas.SPDX), version or "none")
    schemas.check(schemas.SPDX[version], document)
    same("dataLicense", "CC0-1.0", text(document, "dataLicense"))
    same("SPDXID", DOCUMENT, text(document, "SPDXID"))
    namespace = text(document, "documentNamespace")
    if not re.fullmatch(r"[a-zA-Z][\w+.-]*:[^\s#]+", namespace):
        raise invalid("documentNamespace", "an absolute address without #", namespace or "none")
    parts = [*items(document, "packages"), *items(document, "files"), *items(document, "snippets")]
    ids = unique("SPDXID", [DOCUMENT, *(text(one, "SPDXID") for one in parts)])
    described = _described(document, ids)
    if not described:
        raise invalid("what the document DESCRIBES", "at least one element", "none")
    digests = [digest for one in parts if text(one, "SPDXID") in described for digest in _spdx2_digests(one)]
    packages = [one for one in items(document, "packages") if text(one, "SPDXID") not in described]
    located = sum(any("purl" in text(ref, "referenceType") for ref in items(one, "externalRefs")) for one in packages)
    versioned = sum(bool(text(one, "versionInfo")) for one in packages)
    return Contents(version, text(document, "name"), tuple(digests), tuple(packages), versioned, located)


def _described(document: Json, ids: set[str]) -> set[str]:
    """What the document is about; raises where a relationship leads nowhere."""
    foreign = {text(one, "externalDocumentId") for one in items(document, "externalDocumentRefs")}
    listed = document.get("documentDescribes")
    found = {one for one in listed if isinstance(one, str)} if isinstance(listed, list) else set()
    for one in found:
        _known("documentDescribes", one, ids, foreign)
    for relation in items(document, "relationships"):
        left, right = text(relation, "spdxElementId"), text(relation, "relatedSpdxElement")
        _known("spdxElementId of a relationship", left, ids, foreign)
        _known("relatedSpdxElement of a relationship", right, ids, foreign)
        kind = text(relation, "relationshipType")
        if kind == "DESCRIBES" and left == DOCUMENT:
            found.add(right)
        if kind == "DESCRIBED_BY" and right == DOCUMENT:
            found.add(left)
    return found & ids - {DOCUMENT}


def _known(where: str, element: str, ids: set[str], foreign: set[str]) -> None:
    document, _, _ = element.partition(":")
    if element not in ids and element not in _NOTHING and document not in foreign:
        raise invalid(where, "an element of the document", element)


def _spdx2_digests(element: Json) -> Iterable[str]:
    for checksum in items(element, "checksums"):
        if text(checksum, "algorithm") == "SHA256":
            yield from digest_in(text(checksum, "checksumValue"))
    yield from digest_in(text(element, "versionInfo"), prefixed=True)
    for reference in items(element, "externalRefs"):
        yield from digest_in_purl(text(reference, "referenceLocator"))


def _cyclonedx(document: Json) -> Contents:
    version = text(document, "specVersion")
    same("bomFormat", "CycloneDX", text(document, "bomFormat"))
    if version not in schemas.CYCLONEDX:
        raise invalid("specVersion", " or ".join(schemas.CYCLONEDX), version or "none")
    schemas.check(schemas.CYCLONEDX[version], document)
    image = mapping(document, "metadata", "component")
    if not image:
        raise invalid("metadata.component", "what the document describes", "none")
    packages = list(_nested(document))
    ids = unique("bom-ref", list(_references(document)))
    for dependency in items(document, "dependencies"):
        needs = dependency.get("dependsOn")
        for name in (f"{one}" for one in [dependency.get("ref"), *(needs if isinstance(needs, list) else [])]):
            if name not in ids and not name.startswith("urn:cdx:"):
                raise invalid("ref of a dependency", "something in the document", name)
    digests = [one for hash_ in items(image, "hashes") if text(hash_, "alg") == "SHA-256"
               for one in digest_in(text(hash_, "content"))]  # fmt: skip
    digests += [*digest_in(text(image, "version"), prefixed=True), *digest_in_purl(text(image, "purl"))]
    versioned = sum(bool(text(one, "version")) for one in packages)
    located = sum(bool(text(one, "purl")) for one in packages)
    name = f"CycloneDX {version}"
    return Contents(name, text(image, "name"), tuple(digests), tuple(packages), versioned, located)


def _nested(holder: Json) -> Iterable[Json]:
    """All components, those inside components too."""
    waiting = items(holder, "components")
    while waiting:
        one = waiting.pop()
        yield one
        waiting += items(one, "components")


def _references(value: JsonValue) -> Iterable[str]:
    """Every name that something in a CycloneDX document has: components, services, tools, licences."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            if isinstance(name := one.get("bom-ref"), str):
                yield name
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one


def digest_in(value: str, *, prefixed: bool = False) -> Iterable[str]:
    """A SHA-256 digest, in hex or (only so, where ``prefixed``) behind ``sha256:``."""
    found = value.lower().removeprefix("sha256:")
    if _HEX.fullmatch(found) and (not prefixed or value.lower() != found):
        yield f"sha256:{found}"


def digest_in_purl(purl: str) -> Iterable[str]:
    """The digest that an image's package URL has as its version."""
    if match := _PURL.match(purl):
        yield from digest_in(unquote(match["version"]), prefixed=True)


def unique(what: str, names: list[str]) -> set[str]:
    """The names; raises ``Refused`` (SBOM_INVALID) where one is there twice."""
    found: set[str] = set()
    for name in names:
        if name in found:
            raise invalid(what, "a name of its own for each element", f"{name} twice")
        found.add(name)
    return found


def same(where: str, expected: str, found: str) -> None:
    """Raises ``Refused`` (SBOM_INVALID) where the two differ."""
    if found != expected:
        raise invalid(where, expected, found or "none")


def invalid(where: str, expected: str, found: str) -> Refused:
    """A refusal of the document."""
    return Refused(Code.SBOM_INVALID, where, expected=expected, found=found)
