"""The images of one world: its own repository, which faults may change, and how the registry behaves towards it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from golive_sandbox.registry import catalogue, oci, referrers
from golive_sandbox.registry.evidence import Signer
from golive_sandbox.registry.image_registry import ImageRegistry
from golive_sandbox.registry.misbehaviour import Act
from golive_sandbox.registry.oci import Artifact, Blob


class Images:
    """``name`` is the repository ``WORLD/maestro-control-plane``; its tags are those of the catalogue."""

    def __init__(self, registry: ImageRegistry, world: str) -> None:
        self._registry = registry
        self._world = world
        self.name = f"{world}/{catalogue.MAESTRO}"

    @property
    def repository(self) -> str:
        """As manifests and ``golive.toml`` name it: ``127.0.0.1:PORT/WORLD/maestro-control-plane``."""
        return f"{self._registry.front.host}/{self.name}"

    def image(self, tag: str) -> Artifact:
        """What was pushed as ``tag``."""
        return oci.build(catalogue.maestro(self._world, tag))

    @property
    def signer(self) -> Signer:
        """Who signs them."""
        return self._registry.signer

    async def push(self) -> None:
        """Put all tags in place, and beside each image what its workflow says of it. Can be repeated."""
        await asyncio.gather(*(self._push(tag) for tag in catalogue.MAESTRO_TAGS))

    async def _push(self, tag: str) -> None:
        image = self.image(tag)
        like = catalogue.SHARED[0].repository  # the same bytes: the registry only has to link them
        pushed = self._registry.store.push(self.name, tag, image, like=like)
        await asyncio.gather(pushed, self.attach(image, self.signer.evidence(tag, image.digest)))

    async def build(self, tag: str, image: Artifact) -> None:
        """Push an image as its workflow would: the tag leads to it, signature, SBOM and provenance are beside it."""
        await self.attach(image, self.signer.evidence(tag, image.digest))
        await self.tag(tag, image)

    async def attach(self, image: Artifact, bundles: Sequence[bytes]) -> None:
        """From now on these bundles are beside the image, and no others."""
        listed = referrers.build(image.index, bundles)
        await self._registry.store.push(self.name, referrers.tag(image.digest), listed)

    async def tag(self, tag: str, image: Artifact) -> None:
        """Let a tag be an image, with whatever is beside it."""
        await self._registry.store.push(self.name, tag, image)

    async def untag(self, tag: str) -> None:
        """Delete a tag."""
        await self._registry.store.untag(self.name, tag)

    async def index(self, reference: str) -> Blob | None:
        """What a tag or digest is in the registry now; ``None``: nothing."""
        return await self._registry.store.manifest(self.name, reference)

    def act(self, act: Act) -> None:
        """From now on the front does this for every request to this world's repositories."""
        self._registry.front.acts[self._world] = act

    def behave(self) -> None:
        """From now on the front passes on what the registry says."""
        self._registry.front.acts.pop(self._world, None)
