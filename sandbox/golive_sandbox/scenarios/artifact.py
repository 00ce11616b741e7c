"""Faults of the release's image: what the registry holds, and how it answers this world."""

from __future__ import annotations

from dataclasses import replace

from golive_sandbox.registry import catalogue, misbehaviour, oci
from golive_sandbox.registry.misbehaviour import Act, Kind
from golive_sandbox.registry.oci import Artifact
from golive_sandbox.scenarios import fault
from golive_sandbox.scenarios.fault import Fault
from golive_sandbox.world.release import NEXT_TAG, RELEASE_TAG
from golive_sandbox.world.settings import Settings
from golive_sandbox.world.world import World

_PLATFORM_MISSING = "platform-missing"


async def _tag_away(world: World) -> None:
    await world.images.untag(RELEASE_TAG)


async def _tag_moved(world: World) -> None:
    await world.images.tag(RELEASE_TAG, world.images.image(NEXT_TAG))


async def _tag_back(world: World) -> None:
    await world.images.tag(RELEASE_TAG, world.images.image(RELEASE_TAG))


def _with_digest(now: Settings, image: Artifact) -> Settings:
    return replace(now, release=replace(now.release, digest=image.digest))


def _other_digest(now: Settings) -> Settings:
    return _with_digest(now, oci.build(catalogue.maestro(now.namespace, NEXT_TAG)))


async def _platform_away(world: World) -> None:
    row = catalogue.maestro(world.namespace, RELEASE_TAG)
    image = oci.build(replace(row, platforms=("linux/arm64",)))
    await world.images.tag(RELEASE_TAG, image)
    world.edit_settings(_PLATFORM_MISSING, lambda now: _with_digest(now, image))
    world.edit_manifest(_PLATFORM_MISSING, lambda text: text.replace(world.release.digest, image.digest))


async def _platform_back(world: World) -> None:
    await _tag_back(world)
    world.edit_settings(_PLATFORM_MISSING, None)
    world.edit_manifest(_PLATFORM_MISSING, None)


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
    fault.settings("digest-of-another-image", "golive.toml has another image's digest", _other_digest),
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
