"""The images of one world: its own repository, which faults may change, and how the registry behaves towards it."""

from __future__ import annotations

import asyncio

from golive_sandbox.registry import catalogue, oci
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

    async def push(self) -> None:
        """Put all tags in place. Can be repeated."""
        like = catalogue.SHARED[0].repository  # the same bytes: the registry only has to link them
        tags = catalogue.MAESTRO_TAGS
        await asyncio.gather(*(self._registry.store.push(self.name, tag, self.image(tag), like=like) for tag in tags))

    async def tag(self, tag: str, image: Artifact) -> None:
        """Let a tag be an image whose blobs are there."""
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
