"""Faults of the release's image: what the registry holds, and how it answers this world."""

from __future__ import annotations

from dataclasses import replace

from golive_sandbox.registry import catalogue, misbehaviour, oci
from golive_sandbox.registry.misbehaviour import Act, Kind
from golive_sandbox.registry.oci import Artifact
from golive_sandbox.scenarios.fault import Fault
from golive_sandbox.world.release import NEXT_TAG, RELEASE_TAG
from golive_sandbox.world.world import World

_OTHER_DIGEST, _PLATFORM_MISSING = "digest-of-another-image", "platform-missing"


async def _tag_away(world: World) -> None:
    await world.images.untag(RELEASE_TAG)


async def _tag_moved(world: World) -> None:
    await world.images.tag(RELEASE_TAG, world.images.image(NEXT_TAG))


async def _tag_back(world: World) -> None:
    await world.images.tag(RELEASE_TAG, world.images.image(RELEASE_TAG))


def names(world: World, fault: str, image: Artifact | None) -> None:
    """Let golive.toml and manifest agree on the digest of ``image``, or on the release's again (``None``).

    Were it one of the two alone, the manifest would not be the release's, which is criterion 1.1-manifests' matter.
    """
    if image is None:
        world.edit_settings(fault, None)
        world.edit_manifest(fault, None)
        return
    digest = image.digest
    world.edit_settings(fault, lambda now: replace(now, release=replace(now.release, digest=digest)))
    world.edit_manifest(fault, lambda text: text.replace(world.release.digest, digest))


async def _other_digest(world: World) -> None:
    names(world, _OTHER_DIGEST, world.images.image(NEXT_TAG))


async def _own_digest(world: World) -> None:
    names(world, _OTHER_DIGEST, None)


async def _platform_away(world: World) -> None:
    row = catalogue.maestro(world.namespace, RELEASE_TAG)
    image = oci.build(replace(row, platforms=("linux/arm64",)))
    await world.images.build(RELEASE_TAG, image)
    names(world, _PLATFORM_MISSING, image)


async def _platform_back(world: World) -> None:
    await _tag_back(world)
    names(world, _PLATFORM_MISSING, None)


def _front(name: str, summary: str, act: Act) -> Fault:
    """The registry's front answers this world otherwise."""

    async def on(world: World) -> None:
        world.images.act(act)

    async def off(world: World) -> None:
        world.images.behave()

    return Fault(name, f"the registry {summary}", on, off)


def _lying(name: str, summary: str, kind: Kind) -> Fault:
    """The registry says one image's digest and sends another one's bytes."""

    async def on(world: World) -> None:
        pairs = zip(world.images.image(RELEASE_TAG).parts, world.images.image(NEXT_TAG).parts, strict=True)
        world.images.act(misbehaviour.lying(kind, {true.digest: lie.data for true, lie in pairs}))

    async def off(world: World) -> None:
        world.images.behave()

    return Fault(name, f"the registry {summary}", on, off)


FAULTS: tuple[Fault, ...] = (
    Fault("tag-missing", "the release's tag is deleted in the registry", _tag_away, _tag_back),
    Fault("tag-moved", "the release's tag leads to another image", _tag_moved, _tag_back),
    Fault(_OTHER_DIGEST, "golive.toml and manifest have the digest of another image", _other_digest, _own_digest),
    Fault(_PLATFORM_MISSING, "the release's image is not there for linux/amd64", _platform_away, _platform_back),
    _lying("registry-lying", "sends another image's manifests under the digests that it names", "manifests"),
    _lying("registry-lying-blob", "sends another image's configuration under the digest asked for", "blobs"),
    _front("registry-slow", f"answers after {misbehaviour.SLOW_SECONDS:g} s", misbehaviour.slow),
    _front("registry-down", "closes each connection without an answer", misbehaviour.silent),
    _front("registry-error", "answers 500", misbehaviour.error),
    _front("registry-html", "answers with a page to sign in, status 200", misbehaviour.html),
    _front("registry-cut", "sends half of each body and closes the connection", misbehaviour.cut),
    _front("registry-huge", "sends bodies of 256 MiB", misbehaviour.huge),
    _front("registry-wrong-encoding", "says gzip of bodies that are not compressed", misbehaviour.wrong_encoding),
    _front("registry-redirecting", "redirects to a host that nobody allowed", misbehaviour.redirecting),
    _front("registry-redirect-loop", "redirects each request to itself", misbehaviour.redirect_loop),
    _front("registry-unauthorized", "wants a token of a host that nobody allowed", misbehaviour.unauthorized),
)
