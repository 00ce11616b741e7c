"""Section 1.4 of the runbook: who signed the release, what is in it, and what built it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from golive.attestations import attested
from golive.supply.claiming import beside_allowed, claim, known, shown, told

if TYPE_CHECKING:
    from golive.config import Settings
    from golive.evidence import Recorder
    from golive.session import Judge
    from golive.supply.findings import Findings
    from golive_fixtures.serving import Serving


@pytest.mark.p0
@pytest.mark.preflight
@pytest.mark.criterion("1.4-signature")
def test_the_release_is_signed_by_the_named_workflow(
    supply: Findings, serving: Serving, settings: Settings, evidence: Recorder
) -> None:
    """The release's digest MUST be signed by the workflow of golive.toml: certificate, log and signature verify.

    The other images of its pods are judged here too, by their own policies: 4-supply-chain would say it with all
    traffic on the canary.

    Runbook: section 1.4
    """
    told(evidence, supply)
    release = settings.release
    claim(
        evidence,
        "signature",
        supply.signature,
        expected=f"{release.image}@{release.digest} is signed by the workflow of [supply_chain] for tag {release.tag}",
    )
    planned = serving.planned()
    judged = serving.others.judged([one for one in planned if one.digest])
    doubts = [f"{one}" for one in planned if not one.digest and serving.others.policy(one)]
    doubts += [f"{one}: no policy names {one.image.repository}" for one in planned if not serving.others.policy(one)]
    beside = [(f"{one}", one.image.repository, finding) for one, finding in judged if finding]
    if planned:
        doubts += beside_allowed(evidence, beside)
    known(doubts, "each image beside the release's is verified (golive.toml: [supply_chain], images)")


@pytest.mark.p0
@pytest.mark.preflight
@pytest.mark.criterion("1.4-sbom")
def test_the_release_has_a_bill_of_materials_of_its_own(
    supply: Findings, settings: Settings, golive_judge: Judge, evidence: Recorder
) -> None:
    """A valid SPDX or CycloneDX document of this very image, with packages, MUST be there, or a manual check recorded.

    A document that the workflow signed and that is wrong is no matter of a manual check: it fails. What others put
    there fails too, unless a manual check is recorded: whoever may push could take back a release that was checked.

    Runbook: section 1.4
    """
    told(evidence, supply)
    expected = f"an SPDX or CycloneDX document is attached, and describes {settings.release.digest}"
    refused, chain = supply.sbom.refused, settings.supply_chain
    by_person = supply.sbom.missing and chain is not None and chain.sbom.accept_attested
    by_hand = attested(golive_judge, "1.4-sbom") if by_person else None
    if by_hand is not None:
        shown(evidence, "SBOM that nobody signed", supply.sbom.facts)
        evidence.facts(
            "manual check",
            by=by_hand.by,
            at=by_hand.time,
            age=f"{by_hand.age:.1f} h of {settings.record.fresh_hours:g} h (record.fresh_hours)",
            digest=by_hand.digest,
            reason=by_hand.reason,
            evidence=by_hand.evidence or "none given",
            instead_of=f"{refused}",
        )
        evidence.attest(expected=f"{expected}, or a manual check is recorded (golive attest)", observed=str(by_hand))
        return
    claim(evidence, "SBOM", supply.sbom, expected=expected)


@pytest.mark.p1
@pytest.mark.preflight
@pytest.mark.criterion("1.4-provenance")
def test_the_release_was_built_from_its_commit_by_the_named_workflow(
    supply: Findings, settings: Settings, evidence: Recorder
) -> None:
    """An SLSA provenance of the release's digest MUST name its repository, ref and builder.

    Runbook: section 1.4
    """
    told(evidence, supply)
    release = settings.release
    claim(
        evidence,
        "provenance",
        supply.provenance,
        expected=f"SLSA provenance of {release.digest}: built from {release.revision} by [supply_chain]'s workflow",
    )
