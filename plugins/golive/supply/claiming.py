"""From what was found of an image to a claim: failed, with the field and its two values, or not proven."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from golive.errors import Unreachable
from golive.supply.errors import Code, Refused

if TYPE_CHECKING:
    from golive.evidence import Recorder
    from golive.supply.findings import Finding, Findings

_WHO = (
    "find out which workflow made this and who could; release anew from the right one, or correct [supply_chain] of "
    "golive.toml if that names the wrong one"
)
_ALTERED = (
    "what lies beside the image was changed, or its entry in the log is not there: find out by whom, and have the "
    "workflow sign the digest again (cosign 3: cosign sign IMAGE@DIGEST)"
)
_OTHER = "it is of another image: have the workflow make it for this digest (IMAGE@DIGEST, never a tag)"
_DOCUMENT = "have the workflow make it anew, complete and for this digest, and attach it again (cosign attest)"
_MAKE = {
    Code.NO_SIGNATURE: "have the workflow sign the digest: cosign sign IMAGE@DIGEST (a platform's signature is not the "
    "index's)",
    Code.NO_SBOM: "have the workflow attest it: cosign attest --type spdxjson (or cyclonedx) --predicate FILE "
    "IMAGE@DIGEST; or check it by hand and record that: golive attest 1.4-sbom --reason ... (where "
    "supply_chain.sbom.accept_attested); supply_chain.sbom.accept_unsigned takes one that nobody signed",
    Code.NO_TAG: "write the tag beside the digest, an exact ref for signed, or trusted_digests",
    Code.NO_PROVENANCE: "have the workflow attest it: actions/attest-build-provenance with push-to-registry: true",
    Code.IDENTITY_MISMATCH: _WHO,
    Code.ISSUER_MISMATCH: _WHO,
    Code.CLAIM_MISMATCH: _WHO,
    Code.CERT_UNTRUSTED_OR_EXPIRED: "see who issued the certificate, and when it was signed: only supply_chain.trust's "
    "authorities count, and only what was signed while the certificate was valid; sign again",
    Code.SIGNATURE_OR_LOG_INVALID: _ALTERED,
    Code.TRUST_WINDOW: "an authority or a log that was retired then made it: sign again",
    Code.SUBJECT_MISMATCH: _OTHER,
    Code.DIGEST_MISMATCH: "find out what the nodes pulled (a mirror? a webhook that rewrites images?) and take it back",
    Code.SBOM_INVALID: _DOCUMENT,
    Code.PROVENANCE_INVALID: "find out what built it; release anew by the workflow that [supply_chain] names, or "
    "correct [supply_chain.provenance]",
    Code.BUNDLE_UNSUPPORTED: "sign with cosign 3 in a workflow of GitHub's public instance: a certificate, an entry in "
    "the log, and a bundle v0.3",
}


def told(evidence: Recorder, found: Findings) -> None:
    """Keep what was read, by which roots it was judged, and what was refused."""
    facts = {key.replace(" ", "_"): value for key, value in found.about.items()}
    evidence.facts(f"beside {found.digest}", trusted_root=found.trust, **facts)
    if found.rejected:
        evidence.attach("refused", "\n".join(found.rejected))


def claim(evidence: Recorder, name: str, finding: Finding, *, expected: str) -> None:
    """Claim that ``name`` is as ``expected``: what was observed to be otherwise fails, with its field and both values.

    Raises the ``Refused`` where nothing is known: not proven.
    """
    shown(evidence, name, finding.facts)
    refused = finding.refused
    if refused is not None and refused.code.inconclusive:
        raise refused
    evidence.check(
        refused is None,
        expected=f"{expected}; {wanted(refused)}" if refused else expected,
        observed=said(refused) if refused else _words(finding.facts),
        fix=fix_of(refused.code) if refused else "nothing",
    )


def beside_allowed(evidence: Recorder, found: Sequence[tuple[str, str, Finding | None]]) -> list[str]:
    """Claim that other containers run what their policies allow: each its name, its repository and what was found.

    ``None``: no policy names its image. What is known to be wrong fails; returns a line for each that is not known.
    """
    for title, _, finding in found:
        if finding is not None:
            words = ", ".join(f"{key} {value}" for key, value in finding.facts.items())
            evidence.attach("beside the release", f"{title}: {words or 'NOT verified'}")
    refused = [(title, image, finding.refused) for title, image, finding in found if finding and finding.refused]
    wrong = [one for one in refused if not one[2].code.inconclusive]
    evidence.check(
        not wrong,
        expected="each other container runs what its policy allows: "
        + ("; ".join(f"{image}: {wanted(why)}" for _, image, why in wrong) or "images"),
        observed="; ".join(f"{title}: {said(why)}" for title, _, why in wrong) or f"{len(found)} containers",
        fix="; ".join(dict.fromkeys(fix_of(why.code) for *_, why in wrong)) or "nothing",
    )
    unknown = [f"{title}: {why}" + (f"; {_MAKE[why.code]}" if why.code in _MAKE else "") for title, _, why in refused]
    return unknown + [f"{title}: no policy names {image}" for title, image, finding in found if finding is None]


def shown(evidence: Recorder, name: str, facts: Mapping[str, str]) -> None:
    """Keep what was found."""
    if facts:
        evidence.facts(name, **{key.replace(" ", "_"): value for key, value in facts.items()})


def known(doubts: Sequence[str], expected: str) -> None:
    """Raises ``Unreachable`` where ``expected`` is not known, for these reasons."""
    if doubts:
        raise Unreachable(
            f"expected {expected}; not known: {'; '.join(doubts)}; name each image's signer or trusted digests in "
            "[[supply_chain.images]], and see that pods and registry tell what they have"
        )


def wanted(refused: Refused) -> str:
    """The field that did not match and the value that was expected."""
    return f"{refused.field}: {refused.expected}"


def said(refused: Refused) -> str:
    """The field that did not match and the value that was found."""
    more = f"; {refused.detail}" if refused.detail else ""
    return f"{refused.field}: {refused.found} ({refused.code}{more})"


def fix_of(code: Code) -> str:
    """What a person can do."""
    return _MAKE.get(code, _DOCUMENT)


def _words(facts: Mapping[str, str]) -> str:
    told_of = ("identity", "signed at", "log index", "format", "packages", "describes", "builder", "source")
    return ", ".join(f"{key} {facts[key]}" for key in told_of if key in facts)
