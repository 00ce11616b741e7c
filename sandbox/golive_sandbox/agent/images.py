"""From an image reference to the program that runs for it, by asking the registry as a container runtime does."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from golive_sandbox.errors import SandboxError
from golive_sandbox.registry import oci, programs
from golive_sandbox.registry.oci import Blob
from golive_sandbox.registry.store import Store
from golive_sandbox.servers.cache import Built
from golive_sandbox.types import Json, dig, items, text

_PLATFORM = ("linux", "amd64")  # what both nodes say they are


class ImageNotFoundError(SandboxError):
    """The image cannot be had; the pod gets ErrImagePull, as from a container runtime."""


@dataclass(frozen=True, slots=True)
class Image:
    """What a reference means.

    ``repository`` is without tag and digest; ``digest`` (``sha256:…``) is what the reference resolved to: the index,
    where it is one.
    """

    repository: str
    digest: str
    argv: tuple[str, ...]
    env: tuple[tuple[str, str], ...]
    reported: str = ""
    """A digest that the node says instead, where it does not tell the truth."""

    @property
    def image_id(self) -> str:
        """``repository@digest``, as a pod's status shows it."""
        return f"{self.repository}@{self.reported or self.digest}"


def split(reference: str) -> tuple[str, str, str]:
    """``repository[:tag][@digest]`` in its three parts; a missing one is the empty string (a colon may be a port's)."""
    name, _, digest = reference.partition("@")
    head, colon, tag = name.rpartition(":")
    if not colon or "/" in tag:
        return name, "", digest
    return head, tag, digest


class Puller:
    """Pulls images for both nodes. ``built`` has the servers that some of them name."""

    def __init__(self, store: Store, built: Built) -> None:
        self._store = store
        self._built = built
        self._pulled: dict[tuple[str, str], Image] = {}  # by path and digest
        self.reported: dict[tuple[str, str], str] = {}
        """What nodes say instead of the digest that they run, by path and digest."""

    async def resolve(self, reference: str) -> Image:
        """The image that ``reference`` names; a digest wins over a tag, as in containerd.

        The registry's name in it does not matter: the sandbox's answers for all of them. A tag is asked for every
        time, what a digest names is kept. Raises ``ImageNotFoundError``, in containerd's kind of words.
        """
        repository, tag, digest = split(reference)
        path = _path(repository)
        image = self._pulled.get((path, digest))
        try:
            if image is None:
                found = await self._fetch(path, digest or tag or "latest")
                image = self._pulled.get((path, found.digest)) or await self._unpack(path, found)
                self._pulled[path, found.digest] = image
        except SandboxError as trouble:
            raise ImageNotFoundError(f'failed to pull and unpack image "{reference}": {trouble}') from trouble
        return replace(image, repository=repository, reported=self.reported.get((path, image.digest), ""))

    async def _fetch(self, path: str, reference: str) -> Blob:
        found = await self._store.manifest(path, reference)
        if found is None:
            mark = "@" if ":" in reference else ":"
            name = f"{path}{mark}{reference}"
            raise ImageNotFoundError(f'failed to resolve reference "{name}": {name}: not found')
        return found

    async def _unpack(self, path: str, found: Blob) -> Image:
        """Its command line and environment, from the configuration of the manifest for our platform."""
        manifest = found
        if found.media_type == oci.INDEX:
            manifest = await self._fetch(path, _ours(_read(found)))
        config = await self._store.blob(path, text(_read(manifest), "config", "digest"))
        if config is None:
            raise ImageNotFoundError(f"configuration of {path}@{manifest.digest}: not found")
        about = _read(config)
        (entrypoint, *more) = _words(about, "Entrypoint") or [""]
        argv = (*programs.argv(entrypoint, self._built), *more)
        env = tuple((name, value) for name, _, value in (word.partition("=") for word in _words(about, "Env")))
        return Image(path, found.digest, argv, env)


def _path(repository: str) -> str:
    """The repository as its registry knows it: without the registry's name, which the first part is or is not."""
    first, slash, rest = repository.partition("/")
    named = slash and ("." in first or ":" in first or first == "localhost")
    return rest if named else repository


def _ours(index: Json) -> str:
    for one in items(index, "manifests"):
        if (text(one, "platform", "os"), text(one, "platform", "architecture")) == _PLATFORM:
            return text(one, "digest")
    raise ImageNotFoundError(f"no match for platform {'/'.join(_PLATFORM)} in manifest: not found")


def _read(document: Blob) -> Json:
    read: Json = json.loads(document.data)
    return read


def _words(config: Json, key: str) -> list[str]:
    found = dig(config, "config", key, default=[])
    return [str(word) for word in found] if isinstance(found, list) else []
