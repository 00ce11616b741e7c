"""What the criteria of 1.4 claim of one image: its signature, its SBOM and its provenance, each found or refused.

Plain values, so that workers share what one of them has read and judged.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import cast

from golive.journal import canonical
from golive.supply import provenance, sbom
from golive.supply.errors import Code, Refused
from golive.supply.identity import Signer
from golive.supply.judged import Accepted, Report
from golive.supply.statement import Kind
from golive.supply_settings import ProvenanceRules, SbomRules
from golive.types import Json, JsonValue, mapping, text


@dataclass(frozen=True, slots=True)
class Finding:
    """``facts`` of what was accepted, for evidence; or why nothing was, ``refused``.

    ``ours``: what was refused was signed by the expected workflow, for this image. Anything else may be a stranger's.
    """

    facts: Mapping[str, str] = field(default_factory=dict)
    refused: Refused | None = None
    ours: bool = False

    @property
    def missing(self) -> bool:
        """Whether it is known that the expected workflow signed nothing of the kind, whatever else lies there."""
        return self.refused is not None and not self.refused.code.inconclusive and not self.ours

    def to_json(self) -> Json:
        """For the other workers."""
        refused: Json = self.refused.to_json() if self.refused else {}
        return {"facts": dict(self.facts), "refused": refused, "ours": self.ours}

    @classmethod
    def from_json(cls, data: Json) -> Finding:
        """What ``to_json`` gave."""
        said = mapping(data, "refused")
        refused = Refused.from_json(said) if said else None
        return cls(_texts(mapping(data, "facts")), refused, data["ours"] is True)


@dataclass(frozen=True, slots=True)
class Unsigned:
    """A bill of materials that lies there, and that nobody signed; ``refused`` where it could not be read.

    ``document``: its JSON; ``where`` is for people.
    """

    where: str
    document: JsonValue = None
    refused: Refused | None = None


@dataclass(frozen=True, slots=True)
class Findings:
    """All that is claimed of one image. ``children``: the digests of its platforms' images, and the platform of each.

    ``trust``: which roots, and how old; ``about``: what was read from where; ``rejected``: a line for each refusal.
    """

    digest: str
    children: Mapping[str, str]
    trust: str
    signature: Finding
    sbom: Finding
    provenance: Finding
    about: Mapping[str, str] = field(default_factory=dict)
    rejected: tuple[str, ...] = ()

    def to_json(self) -> Json:
        """For the other workers."""
        return {
            "digest": self.digest,
            "children": dict(self.children),
            "trust": self.trust,
            "signature": self.signature.to_json(),
            "sbom": self.sbom.to_json(),
            "provenance": self.provenance.to_json(),
            "about": dict(self.about),
            "rejected": list(self.rejected),
        }

    @classmethod
    def from_json(cls, data: Json) -> Findings:
        """What ``to_json`` gave."""
        kinds = {kind: Finding.from_json(mapping(data, kind)) for kind in ("signature", "sbom", "provenance")}
        return cls(
            digest=text(data, "digest"),
            children=_texts(mapping(data, "children")),
            trust=text(data, "trust"),
            about=_texts(mapping(data, "about")),
            rejected=tuple(str(one) for one in cast("list[JsonValue]", data["rejected"])),
            **kinds,
        )


def signature(report: Report) -> Finding:
    """Who signed the image."""
    return _first(lambda: report.of_kind(Kind.SIGNATURE), _signed)


def bill(report: Report, rules: SbomRules, shipped: Mapping[str, str], unsigned: Iterable[Unsigned] = ()) -> Finding:
    """Its bill of materials; ``shipped``: the digests that it may describe, and what each is.

    What nobody signed is looked at where the expected workflow signed none: it is refused for what is wrong with it,
    and accepted only where ``rules`` say so. What strangers signed takes nothing from it.
    """

    def facts(one: Accepted) -> Mapping[str, str]:
        return {**_signed(one), **_document(one.statement.predicate, rules, shipped)[1]}

    found = _first(lambda: report.of_kind(Kind.SBOM), facts)
    if found.refused is None or not found.missing:
        return found
    return _unsigned(found.refused, report.digest, rules, shipped, unsigned)


def built(report: Report, rules: ProvenanceRules, signer: Signer) -> Finding:
    """Where it was built, and by whom."""

    def facts(one: Accepted) -> Mapping[str, str]:
        seen = provenance.check(
            one.statement, one.identity, signer, builders=rules.builders, build_types=rules.build_types
        )
        named = {"builder": seen.builder, "build type": seen.build_type, "source": seen.source, "commit": seen.commit}
        return {**_signed(one), **named, "predicate": seen.predicate_type, "run": seen.run or "not told"}

    return _first(lambda: report.of_kind(Kind.PROVENANCE), facts)


def _first(offered: Callable[[], tuple[Accepted, ...]], facts: Callable[[Accepted], Mapping[str, str]]) -> Finding:
    """The first that is as it should be; else the refusal that came nearest."""
    refusals: list[Refused] = []
    try:
        for one in offered():
            try:
                return Finding(facts(one))
            except Refused as refused:
                refusals.append(refused)
    except Refused as refused:
        return Finding(refused=refused)
    return Finding(refused=_nearest(refusals), ours=True)


def _nearest(refusals: Iterable[Refused]) -> Refused:
    return max(refusals, key=lambda one: one.nearness)


def _signed(one: Accepted) -> Mapping[str, str]:
    signed, of = one.signed, one.identity
    return {
        "identity": of.name,
        "issuer": of.issuer,
        "log index": f"{signed.log_index}",
        "signed at": f"{one.signed_at:%Y-%m-%dT%H:%M:%SZ}",
        "digest": f"{one.digest} ({one.of})",
        "commit": of.commit or "not told",
        "run": of.run or "not told",
        "found by": one.source,
        "statement": f"sha256:{one.statement.sha256}",
    }


def _document(document: JsonValue, rules: SbomRules, shipped: Mapping[str, str]) -> tuple[sbom.Sbom, Mapping[str, str]]:
    """What a bill of materials is, and the facts of it. Raises ``Refused``, whatever is wrong with the document."""
    try:
        seen = sbom.check(document, shipped, min_packages=rules.min_packages)
        digest = hashlib.sha256(canonical(sbom.unwrapped(document))).hexdigest()
    except Refused:
        raise
    except (
        Exception
    ) as error:  # whoever wrote it may mean harm: lists in lists until the validator gives up, no numbers
        found = f"{type(error).__name__}: {error}"
        raise sbom.invalid("the document", "one that can be checked against its schema", found) from error
    return seen, {
        "format": seen.format,
        "document": seen.name,
        "document digest": f"sha256:{digest} (of its canonical JSON)",
        "describes": f"{seen.describes} ({seen.platform})",
        "packages": f"{seen.packages}, {seen.versioned} with a version, {seen.located} with a package URL",
    }


def _unsigned(
    missing: Refused, digest: str, rules: SbomRules, shipped: Mapping[str, str], found: Iterable[Unsigned]
) -> Finding:
    """Documents that lie there without a signature: the first good one; else the nearest refusal, ``missing`` too."""
    refusals = [missing]
    for one in found:
        try:
            if one.refused is not None:
                raise one.refused
            seen, told = _document(one.document, rules, shipped)
        except Refused as refused:
            refusals.append(refused)
            continue
        facts = {"found by": one.where, "signed": "by nobody", **told}
        if rules.accept_unsigned:
            return Finding(facts)
        words = f"one that nobody signed ({one.where}: {seen.format}, {seen.packages} packages)"
        return Finding(facts, Refused(Code.NO_SBOM, f"SBOM of {digest}", expected="one", found=words))
    return Finding(refused=_nearest(refusals))


def _texts(found: Json) -> Mapping[str, str]:
    return {key: value for key, value in found.items() if isinstance(value, str)}
