"""All that is signed about one image, judged once: what was accepted, what was refused and why.

Anyone who may write to the registry can put things beside an image, so what is refused fails nothing as long as
something is accepted. Where nothing is, the refusal that came nearest says why.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from golive.supply import classic
from golive.supply.bundle import Signed, claimed_kind, verify_message, verify_statement
from golive.supply.errors import Code, Refused, shown
from golive.supply.identity import Identity, Signer
from golive.supply.statement import Kind, Statement
from golive.supply.trust import Trust
from golive.types import Json

_MISSING = {
    Kind.SIGNATURE: Code.NO_SIGNATURE,
    Kind.SBOM: Code.NO_SBOM,
    Kind.PROVENANCE: Code.NO_PROVENANCE,
}


@dataclass(frozen=True, slots=True)
class Offered:
    """Something that lies beside the image. ``source`` says where, for people.

    ``raw``: a bundle as JSON. Of a classic signature (``classic.to_bundle``) ``payload`` is what was signed.
    ``refused``: it could not even be fetched, or made into a bundle. ``stray``: there is nothing of this image to be
    judged, only a name in a list that anybody may add to; it is told, and says nothing of what is missing.
    """

    source: str
    raw: bytes = b""
    payload: bytes | None = None
    refused: Refused | None = None
    stray: bool = False


@dataclass(frozen=True, slots=True)
class Accepted:
    """One statement that was verified: by whom, when, of which digest. ``of`` says what that digest is."""

    source: str
    statement: Statement
    signed: Signed
    digest: str
    of: str

    @property
    def identity(self) -> Identity:
        """Who signed it."""
        return self.signed.identity

    @property
    def signed_at(self) -> datetime:
        """When it was signed, by the log or the timestamp authority; the earliest of several."""
        return self.signed.signed_at

    def to_json(self) -> Json:
        """For evidence."""
        return {
            "source": self.source,
            "predicate_type": self.statement.predicate_type,
            "digest": self.digest,
            "of": self.of,
            "identity": self.identity.name,
            "issuer": self.identity.issuer,
            "commit": self.identity.commit,
            "run": self.identity.run,
            "log_index": self.signed.log_index,
            "signed_at": f"{self.signed_at:%Y-%m-%dT%H:%M:%SZ}",
            "statement_sha256": self.statement.sha256,
        }


@dataclass(frozen=True, slots=True)
class Rejected:
    """One that was not, and why. ``kind``: what it said it was, unverified; ``stray``: as in ``Offered``."""

    source: str
    kind: Kind
    refused: Refused
    stray: bool = False

    def to_json(self) -> Json:
        """For evidence."""
        return {"source": self.source, "kind": self.kind, "code": self.refused.code, "text": f"{self.refused}"}


@dataclass(frozen=True, slots=True)
class Report:
    """What lies beside one image. ``children``: the digests of its platforms' images, and the platform of each."""

    digest: str
    children: Mapping[str, str]
    trust: str
    """Which trusted root, and how old."""
    accepted: tuple[Accepted, ...]
    rejected: tuple[Rejected, ...]

    def of_kind(self, kind: Kind) -> tuple[Accepted, ...]:
        """What was accepted of this kind; raises the ``Refused`` that came nearest where there is none."""
        found = tuple(one for one in self.accepted if one.statement.kind is kind)
        if not found:
            raise self._why_none(kind)
        return found

    def covers(self, digest: str) -> str:
        """What a digest that runs is: the image itself, or which platform of it; raises ``Refused``."""
        names = _names(self.digest, self.children)
        if digest not in names:
            expected = " or ".join(names)
            raise Refused(Code.DIGEST_MISMATCH, "running digest", expected=expected, found=digest)
        return names[digest]

    def _why_none(self, kind: Kind) -> Refused:
        near = [one for one in self.rejected if one.kind in (kind, Kind.UNKNOWN) and not one.stray]
        if near:
            return max(near, key=lambda one: one.refused.nearness).refused
        counts = Counter(one.statement.kind for one in self.accepted) + Counter(
            one.kind for one in self.rejected if not one.stray
        )
        others = ", ".join(f"{number} {name}" for name, number in sorted(counts.items()))
        found = f"none (of other kinds: {others})" if others else "nothing signed at all"
        return Refused(_MISSING.get(kind, Code.NO_SIGNATURE), f"{kind} of {self.digest}", expected="one", found=found)

    def to_json(self) -> Json:
        """For evidence."""
        return {
            "digest": self.digest,
            "children": dict(self.children),
            "trust": self.trust,
            "accepted": [one.to_json() for one in self.accepted],
            "rejected": [one.to_json() for one in self.rejected],
        }


def judge(digest: str, children: Mapping[str, str], offered: Iterable[Offered], trust: Trust, signer: Signer) -> Report:
    """Judge all that lies beside an image. ``digest``: what the tag resolved to; ``children``: its platforms by digest.

    A signature is of the image's own digest; an SBOM or a provenance may be of one platform. Raises nothing but what
    is wrong with ourselves: each refusal is in the report.
    """
    accepted: list[Accepted] = []
    rejected: list[Rejected] = []
    for one in offered:
        kind = Kind.SIGNATURE if one.payload is not None else claimed_kind(one.raw)
        try:
            if one.refused is not None:
                raise one.refused
            accepted.append(_accepted(one, digest, children, trust, signer))
        except Refused as refused:
            rejected.append(Rejected(shown(one.source), kind, refused, one.stray))
    return Report(digest, dict(children), trust.words, tuple(accepted), tuple(rejected))


def _accepted(one: Offered, digest: str, children: Mapping[str, str], trust: Trust, signer: Signer) -> Accepted:
    if one.payload is not None:
        signed = verify_message(trust, one.raw, one.payload, signer)
        statement = classic.as_statement(one.payload)
    else:
        signed, statement = verify_statement(trust, one.raw, signer)
    names = _names(digest, children)
    may_be = [digest] if statement.kind is Kind.SIGNATURE else [*names]
    subject = statement.bound_to(may_be, " or ".join(may_be))
    return Accepted(shown(one.source), statement, signed, subject, names[subject])


def _names(digest: str, children: Mapping[str, str]) -> dict[str, str]:
    """Each digest and what it is."""
    platforms = {child: f"image of {platform}" for child, platform in children.items() if child != digest}
    return {digest: "index" if children else "image", **platforms}
