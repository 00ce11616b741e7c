"""Bills of materials: SPDX 2.2, 2.3 and 3.0, CycloneDX 1.3 to 1.7. Valid, of this very image, and not empty."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from golive.errors import Unreachable
from golive.supply import schemas
from golive.supply.errors import Code, Refused
from golive.types import Json, JsonValue, items, mapping, strict_json, text

_HEX = re.compile(r"[0-9a-f]{64}")
_PURL = re.compile(r"pkg:(?:oci|docker)/[^@?#]+@(?P<version>[^?#]+)", re.IGNORECASE)
_NOTHING = ("NONE", "NOASSERTION")
DOCUMENT = "SPDXRef-DOCUMENT"
_NO_PACKAGES = ("file", "data", "device", "cryptographic-asset")
"""Kinds of elements that are no software; an element that does not say its kind is a package."""


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
class Part:
    """One element of a document. ``digests``: those of an image, ``sha256:…``; ``purls``: its package URLs, bare.

    ``kind`` is the document's own word for what it is, in small letters, such as ``library``; empty: not told.
    """

    name: str
    kind: str
    digests: tuple[str, ...]
    purls: frozenset[str]
    versioned: bool
    located: bool


@dataclass(frozen=True, slots=True)
class Contents:
    """What one format's reader found: what the document is about, and the packages and components beside that."""

    format: str
    name: str
    described: tuple[Part, ...]
    parts: tuple[Part, ...]


def check(predicate: JsonValue, accept: Mapping[str, str], *, min_packages: int = 1) -> Sbom:
    """What a bill of materials says, when it is one of these digests (``sha256:…`` to what each is) and nothing else.

    ``predicate``: the document, or as older versions of cosign wrap it. Raises ``Refused``: SBOM_INVALID, or
    SUBJECT_MISMATCH where it describes another image, be it beside this one.
    """
    document = unwrapped(predicate)
    found = _read(document)
    describes = _subject(found.described, accept)
    packages = _packages(found, accept)
    if len(packages) < min_packages:
        raise invalid("packages besides the image itself", f"at least {min_packages}", f"{len(packages)}")
    versioned, located = sum(one.versioned for one in packages), sum(one.located for one in packages)
    return Sbom(found.format, found.name, describes, accept[describes], len(packages), versioned, located)


def _subject(described: tuple[Part, ...], accept: Mapping[str, str]) -> str:
    """The first digest of what is described; raises ``Refused`` where anything described is, or may be, another."""
    digests = [digest for one in described for digest in one.digests]
    foreign = sorted(set(digests) - set(accept))
    if foreign:
        name, expected = "digest of what the document describes", " or ".join(accept)
        raise Refused(Code.SUBJECT_MISMATCH, name, expected=expected, found=", ".join(foreign))
    for one in described:
        if not one.digests:
            what = "digest of what the document describes (SHA256 checksum, version, or OCI package URL)"
            raise invalid(what, " or ".join(accept), f"none of {one.name}" if digests else "none")
    return digests[0]


def _packages(found: Contents, accept: Mapping[str, str]) -> list[Part]:
    """The parts that are packages: neither the image once more, under another name, nor single files."""
    own = frozenset[str]().union(*(one.purls for one in found.described))
    return [
        one
        for one in found.parts
        if one.kind not in _NO_PACKAGES and not own & one.purls and accept.keys().isdisjoint(one.digests)
    ]


def unwrapped(predicate: JsonValue) -> Json:
    """The document of a predicate: itself, or under ``Data`` as an object or as JSON text (cosign 1.x)."""
    data = predicate["Data"] if isinstance(predicate, dict) and "Data" in predicate else predicate
    if isinstance(data, str):
        try:
            data = strict_json(data.encode())
        except (Unreachable, UnicodeEncodeError) as error:
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
    rest = [one for one in items(document, "packages") if text(one, "SPDXID") not in described]
    about = [one for one in parts if text(one, "SPDXID") in described]
    return Contents(version, text(document, "name"), tuple(map(_spdx2_part, about)), tuple(map(_spdx2_part, rest)))


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


def _spdx2_part(element: Json) -> Part:
    checksums = items(element, "checksums")
    hashes = [text(one, "checksumValue") for one in checksums if text(one, "algorithm") == "SHA256"]
    purls = [
        text(one, "referenceLocator") for one in items(element, "externalRefs") if "purl" in text(one, "referenceType")
    ]
    name, kind = text(element, "name") or text(element, "SPDXID"), text(element, "primaryPackagePurpose")
    return part(name, kind, hashes, text(element, "versionInfo"), purls)


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
    name = f"CycloneDX {version}"
    return Contents(name, text(image, "name"), (_component(image),), tuple(map(_component, packages)))


def _component(one: Json) -> Part:
    hashes = [text(hash_, "content") for hash_ in items(one, "hashes") if text(hash_, "alg") == "SHA-256"]
    return part(text(one, "name"), text(one, "type"), hashes, text(one, "version"), [text(one, "purl")])


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


def part(name: str, kind: str, hashes: Iterable[str], version: str, purls: Iterable[str]) -> Part:
    """An element by what its format says of it; ``hashes`` are SHA-256, with or without ``sha256:``."""
    urls = [one for one in purls if one]
    digests = [digest for one in hashes for digest in _digest_in(one)]
    digests += _digest_in(version, prefixed=True)
    digests += [digest for one in urls if (found := _PURL.match(one))
                for digest in _digest_in(unquote(found["version"]), prefixed=True)]  # fmt: skip
    bare = frozenset(unquote(re.split("[?#]", one)[0]) for one in urls)
    return Part(name, kind.lower(), tuple(dict.fromkeys(digests)), bare, bool(version), bool(urls))


def _digest_in(value: str, *, prefixed: bool = False) -> Iterable[str]:
    """A SHA-256 digest, in hex or (only so, where ``prefixed``) behind ``sha256:``."""
    found = value.lower().removeprefix("sha256:")
    if _HEX.fullmatch(found) and (not prefixed or value.lower() != found):
        yield f"sha256:{found}"


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
