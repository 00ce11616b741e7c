"""SPDX 3.0 as JSON-LD: its structure, checked by ourselves.

There is a schema, but it needs JSON Schema 2020-12 with ``unevaluatedProperties`` over all classes, which takes minutes
for a thousand packages. Checked here: creation information, unique identifiers, no reference that leads nowhere, the
document's root, the properties that each package must have.
"""

from __future__ import annotations

import re

from golive.supply.sbom import Contents, Part, invalid, part, unique
from golive.types import Json, JsonValue, items, mapping, text

_CONTEXT = re.compile(r"https://spdx\.org/rdf/3\.0\.\d+/spdx-context\.jsonld")
_VERSION = re.compile(r"3\.0\.\d+")
_PACKAGE = "software_Package"
_REFERENCES = ("from", "to", "element", "rootElement")
_INDIVIDUALS = ("https://spdx.org/rdf/3.0", "NoAssertionElement", "NoneElement")


def read(document: Json) -> Contents:
    """What the document is about and its packages. Raises ``Refused`` (SBOM_INVALID)."""
    if not _CONTEXT.fullmatch(text(document, "@context")):
        raise invalid("@context", "that of SPDX 3.0", text(document, "@context") or "another")
    graph = items(document, "@graph")
    ids = unique("spdxId", [name for one in graph if (name := text(one, "spdxId") or text(one, "@id"))])
    documents = [one for one in graph if text(one, "type") == "SpdxDocument"]
    if len(documents) != 1:
        raise invalid("SpdxDocument", "one", f"{len(documents)}")
    foreign = {text(one, "externalSpdxId") for one in items(documents[0], "import")}
    infos = {text(one, "@id"): one for one in graph if text(one, "type") == "CreationInfo"}
    named = ids | foreign
    for one in graph:
        _check(one, named, infos)
    roots = _roots(documents[0], {text(one, "spdxId"): one for one in graph})
    packages = [one for one in graph if text(one, "type") == _PACKAGE]
    rooted = {text(one, "spdxId") for one in roots}
    rest = [one for one in packages if text(one, "spdxId") not in rooted]
    name = text(documents[0], "name") or ", ".join(text(one, "name") for one in roots)
    return Contents("SPDX-3.0", name, tuple(map(_part, roots)), tuple(map(_part, rest)))


def _check(element: Json, ids: set[str], infos: dict[str, Json]) -> None:
    kind = text(element, "type")
    if not kind:
        raise invalid("type of an element", "a class of SPDX 3.0", "none")
    if kind == "CreationInfo":
        _creation(element)
        return
    own = text(element, "spdxId")
    if not own:
        if not text(element, "@id"):
            raise invalid(f"spdxId of a {kind}", "an identifier", "none")
        return  # no element: a part of one, such as a hash, that stands by itself
    inline, info = mapping(element, "creationInfo"), text(element, "creationInfo")
    if inline:
        _creation(inline)
    elif info not in infos:
        raise invalid(f"creationInfo of {own}", "one of the document", info or "none")
    if kind == _PACKAGE and not text(element, "name"):
        raise invalid(f"name of {own}", "a name", "none")
    _references(element, own, ids)


def _references(element: Json, own: str, ids: set[str]) -> None:
    for key in _REFERENCES:
        for name in _names(element.get(key)):
            if name not in ids and not name.startswith(_INDIVIDUALS):
                raise invalid(f"{key} of {own}", "an element of the document", name)


def _creation(info: Json) -> None:
    version = text(info, "specVersion")
    if not _VERSION.fullmatch(version):
        raise invalid("specVersion of the creation information", "3.0.x", version or "none")
    if not text(info, "created"):
        raise invalid("created of the creation information", "a time", "none")


def _roots(document: Json, by_id: dict[str, Json]) -> list[Json]:
    """What the document is about: its root elements; where one is a bill of materials, that one's."""
    found: list[Json] = []
    seen: set[str] = set()
    waiting = _names(document.get("rootElement"))
    while waiting:
        name = waiting.pop()
        if name in seen or name not in by_id:
            continue
        seen.add(name)
        if "rootElement" in by_id[name]:
            waiting += _names(by_id[name].get("rootElement"))
        else:
            found.append(by_id[name])
    if not found:
        raise invalid("rootElement of the document", "at least one element", "none")
    return found


def _part(element: Json) -> Part:
    hashes = [text(one, "hashValue") for one in items(element, "verifiedUsing") if text(one, "algorithm") == "sha256"]
    others = items(element, "externalIdentifier")
    purls = [text(one, "identifier") for one in others if text(one, "externalIdentifierType") == "packageUrl"]
    name, kind = text(element, "name") or text(element, "spdxId"), text(element, "software_primaryPurpose")
    version, purl = text(element, "software_packageVersion"), text(element, "software_packageUrl")
    return part(name, kind, hashes, version, [purl, *purls])


def _names(value: JsonValue) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []
