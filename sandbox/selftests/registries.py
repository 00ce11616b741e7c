"""Ask a registry's front as a client does that trusts nothing: what came, or how it failed to come."""

from __future__ import annotations

import hashlib
import http.client
from collections.abc import Mapping
from dataclasses import dataclass

from golive_sandbox.registry import catalogue, oci, referrers
from golive_sandbox.registry.oci import Artifact
from golive_sandbox.world.release import RELEASE_TAG

ACCEPT = f"{oci.INDEX}, {oci.MANIFEST}"
_MOST = 1 << 20


@dataclass(frozen=True, slots=True)
class Came:
    """An answer, of its body not more than a MiB; ``failure`` is the error's class instead of a status of 0."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    failure: str = ""

    @property
    def digest(self) -> str:
        return "sha256:" + hashlib.sha256(self.body).hexdigest()

    def summary(self) -> str:
        kept = ("Content-Type", "Content-Encoding", "Docker-Content-Digest", "Location", "WWW-Authenticate")
        said = [f"{name}: {self.headers[name]}" for name in kept if name in self.headers]
        return "; ".join([self.failure or str(self.status), *said, self.digest])


def ask(host: str, path: str, method: str = "GET", *, seconds: float = 5, **headers: str) -> Came:
    """One request, no redirect followed."""
    connection = http.client.HTTPConnection(host, timeout=seconds)
    try:
        connection.request(method, path, headers={"Accept": ACCEPT, **headers})
        answer = connection.getresponse()
        # With a length the whole body, so that one that was cut is told; without it the body may have no end.
        body = answer.read() if answer.length is not None else answer.read(_MOST)
        return Came(answer.status, dict(answer.getheaders()), body)
    except (OSError, http.client.HTTPException) as failure:
        return Came(0, {}, b"", type(failure).__name__)
    finally:
        connection.close()


def release(world: str) -> Artifact:
    """What a world's release is, as it was pushed."""
    return oci.build(catalogue.maestro(world, RELEASE_TAG))


def look(host: str, world: str) -> dict[str, str]:
    """What the front says of a world's release: by tag, by digest, its parts, what is beside it."""
    image, base = release(world), f"/v2/{world}/{catalogue.MAESTRO}"
    paths = [f"{base}/manifests/{name}" for name in _names(image)]
    paths += [f"{base}/blobs/{blob.digest}" for blob in image.blobs if blob.media_type == oci.CONFIG]
    return {path: ask(host, path, seconds=1).summary() for path in paths}


def _names(image: Artifact) -> tuple[str, ...]:
    return RELEASE_TAG, image.digest, image.manifests[0].digest, referrers.tag(image.digest)
