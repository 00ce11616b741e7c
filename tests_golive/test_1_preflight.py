"""Section 1 of the runbook: preflight validation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from golive.config import Settings
    from golive.evidence import Recorder
    from golive_fixtures.manifests import Manifests


@pytest.mark.p0
@pytest.mark.preflight
@pytest.mark.criterion("1.1-manifests")
def test_the_manifests_are_what_was_reviewed(manifests: Manifests, settings: Settings, evidence: Recorder) -> None:
    """The reviewed manifest MUST hold the release's digest, and the API server MUST accept every object of it.

    Runbook: section 1.1
    """
    release, rollout = settings.release, settings.target.rollout
    objects = manifests.objects()
    evidence.attach("manifest", f"{manifests.path.name} sha256 {manifests.sha256()}, {len(objects)} objects")
    ours = [image for image in manifests.images() if image.repository == release.image]
    seen = ", ".join(image.text for image in manifests.images()) or "no image"
    evidence.check(
        bool(ours) and all(image.digest == release.digest for image in ours),
        expected=f"every {release.image} in {manifests.path.name} at {release.digest} (golive.toml: release.digest)",
        observed=seen,
        fix="write IMAGE:TAG@DIGEST of this release into the manifest and have it reviewed again",
    )
    names = [one.name for one in objects if one.kind == "Rollout"]
    evidence.equal(
        "Rollouts in the manifest (golive.toml: target.rollout)",
        expected=[rollout],
        observed=names,
        fix="review the manifest of this very rollout, and only this one",
    )
    for one in objects:
        answer = manifests.dry_run(one)
        evidence.attach(f"diff {answer.title}", answer.diff or "no difference")
        evidence.check(
            answer.accepted,
            expected=f"the API server accepts {answer.title} in a server-side dry run",
            observed="accepted" if answer.accepted else answer.reason,
            fix="correct the manifest; kubectl apply --server-side --dry-run=server -f shows the same",
        )
