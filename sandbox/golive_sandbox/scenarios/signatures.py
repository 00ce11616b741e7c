"""Faults of what lies beside the release's image: who signed it, what its SBOM and its provenance are of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

from golive_sandbox.registry import evidence
from golive_sandbox.registry.evidence import Signer
from golive_sandbox.scenarios.artifact import names
from golive_sandbox.scenarios.fault import Fault
from golive_sandbox.signing import bundles
from golive_sandbox.signing.workflow import Workflow
from golive_sandbox.world.release import NEXT_TAG, OTHER_TAG, RELEASE_TAG
from golive_sandbox.world.world import World

Make: TypeAlias = Callable[[World, Signer, str], bytes]
"""One bundle for the release's digest."""

RUN = evidence.workflow(RELEASE_TAG)
"""Who should have signed."""
OTHER_REPOSITORY = replace(RUN, repository="https://github.com/acme/somewhere-else", repository_id="700100201")
FORK = replace(RUN, repository="https://github.com/mallory/maestro", repository_id="700100202", owner_id="2097152")
BRANCH = replace(RUN, ref="refs/heads/main")
_BUILDER = ".github/workflows/nightly.yml"
MOVED, OLDER_TAG = "tag-moved-after-signature", OTHER_TAG


def _beside(
    name: str, summary: str, *, signature: Make | None = None, sbom: Make | None = None, provenance: Make | None = None
) -> Fault:
    """One of the three is another; the other two are as they should be."""

    async def on(world: World) -> None:
        image, signer = world.images.image(RELEASE_TAG), world.images.signer
        right = signer.evidence(RELEASE_TAG, image.digest)
        makes = zip((signature, sbom, provenance), right, strict=True)
        await world.images.attach(image, [make(world, signer, image.digest) if make else one for make, one in makes])

    return Fault(name, summary, on, _restore)


async def _restore(world: World) -> None:
    image = world.images.image(RELEASE_TAG)
    await world.images.attach(image, world.images.signer.evidence(RELEASE_TAG, image.digest))


async def _unsign(world: World) -> None:
    image = world.images.image(RELEASE_TAG)
    _, *others = world.images.signer.evidence(RELEASE_TAG, image.digest)
    await world.images.attach(image, others)


async def _without_sbom(world: World) -> None:
    image = world.images.image(RELEASE_TAG)
    signature, _, provenance = world.images.signer.evidence(RELEASE_TAG, image.digest)
    await world.images.attach(image, (signature, provenance))


async def _move(world: World) -> None:
    image = world.images.image(OLDER_TAG)
    await world.images.tag(RELEASE_TAG, image)
    names(world, MOVED, image)


async def _move_back(world: World) -> None:
    await world.images.tag(RELEASE_TAG, world.images.image(RELEASE_TAG))
    names(world, MOVED, None)


def _by(run: Workflow) -> Make:
    return lambda _, signer, digest: signer.signature(run, digest)


def _wrong(fault: bundles.Fault, *, timestamp: bool = True) -> Make:
    return lambda _, signer, digest: signer.signature(RUN, digest, fault=fault, timestamp=timestamp)


def _next(world: World) -> str:
    """The digest of another image."""
    return world.images.image(NEXT_TAG).digest


FAULTS: tuple[Fault, ...] = (
    Fault("unsigned", "the release has no signature; its SBOM and provenance are there, and signed", _unsign, _restore),
    _beside(
        "signed-by-another-repository", "another repository's workflow signed", signature=_by(OTHER_REPOSITORY)
    ),
    _beside("signed-by-a-fork", "the same workflow signed, in somebody's fork", signature=_by(FORK)),
    _beside(
        "signed-from-another-branch", "the right workflow signed, on branch main instead of the tag",
        signature=_by(BRANCH),
    ),
    _beside(
        "certificate-expired", "the signature was logged an hour after the certificate's end, without a timestamp",
        signature=_wrong(bundles.Fault.EXPIRED, timestamp=False),
    ),
    _beside(
        "signature-tampered", "the signature has another byte than the one that was made",
        signature=_wrong(bundles.Fault.SIGNATURE_TAMPERED),
    ),
    _beside(
        "payload-tampered", "what is signed was changed afterwards", signature=_wrong(bundles.Fault.PAYLOAD_TAMPERED)
    ),
    _beside(
        "log-entry-missing", "the signature was never logged", signature=_wrong(bundles.Fault.ENTRY_MISSING)
    ),
    _beside(
        "signature-of-another-image", "the signature is a good one of another image",
        signature=lambda world, signer, _: signer.signature(RUN, _next(world)),
    ),
    Fault(
        MOVED, "the tag was moved to an older image, signed as its own tag; golive.toml and manifest follow",
        _move, _move_back,
    ),
    Fault("sbom-missing", "the release has no SBOM; its signature and provenance are there", _without_sbom, _restore),
    _beside(
        "sbom-of-another-image", "the SBOM, attested for the release, describes another image",
        sbom=lambda world, signer, digest: signer.sbom(RELEASE_TAG, digest, of=_next(world)),
    ),
    _beside(
        "sbom-empty", "the SBOM names the image and no package in it",
        sbom=lambda _, signer, digest: signer.sbom(RELEASE_TAG, digest, packages=0),
    ),
    _beside(
        "provenance-of-another-builder", "the provenance says that another workflow built the release",
        provenance=lambda _, signer, digest: signer.provenance(RELEASE_TAG, digest, builder=_BUILDER),
    ),
)  # fmt: skip
