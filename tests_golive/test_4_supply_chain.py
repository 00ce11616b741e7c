"""Section 4 of the runbook: what was verified is what serves, and so is everything beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from golive.passes import passed_before
from golive.supply.claiming import beside_allowed, fix_of, known
from golive.supply.errors import Code
from golive_fixtures.serving import CONTAINER, EPHEMERAL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from golive.config import Settings
    from golive.evidence import Recorder
    from golive.session import Judge
    from golive_fixtures.other_images import Running
    from golive_fixtures.serving import Served, Serving


@pytest.mark.p0
@pytest.mark.acceptance
@pytest.mark.criterion("4-supply-chain")
def test_what_serves_is_the_digest_that_was_verified(
    serving: Serving, settings: Settings, golive_judge: Judge, evidence: Recorder
) -> None:
    """Every pod that takes traffic MUST run the digest that 1.4 passed for, and beside it what its policy allows.

    Runbook: section 4
    """
    image, names, recorded = settings.release.image, serving.containers(), serving.applied()
    seen = serving.look(lambda one: bool(recorded and _wrong(one, names, recorded, image)))
    evidence.facts(
        "what takes traffic",
        by=", ".join(seen.services),
        without_traffic=", ".join(seen.idle) or "none",
        pods=", ".join(seen.pods) or "none",
    )
    if recorded and _wrong(seen, names, recorded, image):
        _run_the_release(seen, names, recorded, settings, evidence)  # fails, whoever else does not answer
    evidence.facts("verified before, for this digest", **passed_before(golive_judge, "1.4-signature", "1.4-sbom"))
    verified = serving.release()
    _run_the_release(seen, names, verified, settings, evidence)
    others = [one for one in seen.containers if one not in _ours(seen, names, verified, image)]
    debug = [one for one in others if one.kind == EPHEMERAL and serving.others.policy(one) is None]
    if debug:  # takes no traffic, and whoever may add one may do as much without it
        evidence.attach("remark: somebody looks into a pod with", "\n".join(f"{one}" for one in debug))
    judged = serving.others.judged([one for one in others if one.digest and one not in debug])
    doubts = [f"{name}: a ready address without a pod" for name in seen.strange]
    doubts += [] if seen.pods else [f"no ready pod behind {', '.join(seen.services) or 'a Service with traffic'}"]
    doubts += [f"which Service takes traffic: {seen.edited}"] if seen.edited else []
    doubts += [f"{one}" for one in seen.containers if not one.digest and one not in debug]
    doubts += beside_allowed(evidence, [(f"{one}", one.image.repository, finding) for one, finding in judged])
    known(doubts, "everything in the pods that take traffic is verified (golive.toml: [supply_chain], images)")


def _ours(seen: Served, names: frozenset[str], verified: Mapping[str, str], image: str) -> list[Running]:
    """The containers that are to run the release: by the reviewed name, or by what they run.

    A webhook may have put a mirror's name in place of ours: the digest counts.
    """
    return [
        one
        for one in seen.containers
        if (one.kind == CONTAINER and one.name in names)
        or (one.kind != EPHEMERAL and (one.image.repository == image or one.digest in verified))
    ]


def _wrong(seen: Served, names: frozenset[str], verified: Mapping[str, str], image: str) -> list[str]:
    """A line for each container that runs something else, and each pod without one of the release's."""
    ours = _ours(seen, names, verified, image)
    there = {(one.pod, one.name) for one in ours if one.kind == CONTAINER}
    wrong = [f"{one}" for one in ours if one.digest and one.digest not in verified]
    missing = [(pod, name) for pod in seen.pods for name in sorted(names) if (pod, name) not in there]
    return wrong + [f"{pod}: no container {name} of {image}" for pod, name in missing]


def _run_the_release(
    seen: Served, names: frozenset[str], verified: Mapping[str, str], settings: Settings, evidence: Recorder
) -> None:
    told = [one for one in _ours(seen, names, verified, settings.release.image) if one.digest]
    evidence.attach("release", "\n".join(f"{one} ({verified.get(one.digest, 'NOT verified')})" for one in told))
    wrong = _wrong(seen, names, verified, settings.release.image)
    runs = dict.fromkeys(f"{one.digest} ({verified.get(one.digest)})" for one in told)
    evidence.check(
        not wrong,
        expected=f"every pod that takes traffic runs {settings.release.digest}, or its image for their platform",
        observed="; ".join(wrong) or f"{len(seen.pods)} pods run {', '.join(runs) or 'nothing that was told'}",
        fix=fix_of(Code.DIGEST_MISMATCH),
    )
