"""The catalogue of images: one row is one image that pods of the sandbox can run."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

PLATFORMS = ("linux/amd64", "linux/arm64")


@dataclass(frozen=True, slots=True)
class Row:
    """One image.

    ``repository`` is the path without the registry's host, as the agent asks for it. ``program`` is what its
    entrypoint names: ``/maestro-server`` is ``programs/maestro_server.py``, any other a server of the build cache.
    """

    repository: str
    tag: str
    program: str
    env: tuple[tuple[str, str], ...] = ()
    platforms: tuple[str, ...] = PLATFORMS


MAESTRO = "maestro-control-plane"
"""The last part of the release's repository; before it stands the name of the world."""
MAESTRO_TAGS = ("v1.4.2", "v1.4.9", "v1.5.0", "v1.6.0")


def maestro(world: str, tag: str) -> Row:
    """The image of the demo server in a world; the same bytes in each."""
    version = (("APP_VERSION", tag.removeprefix("v")),)
    return Row(f"{world}/{MAESTRO}", tag, "/maestro-server", version)


def revision(tag: str) -> str:
    """The commit that an image was built from, 40 hex digits; demo images have none, so it is made from the tag."""
    return hashlib.sha1(tag.encode(), usedforsecurity=False).hexdigest()


SHARED = (
    *(maestro("acme", tag) for tag in MAESTRO_TAGS),  # worlds take theirs from here
    Row("argoproj/argo-rollouts", "v1.10.2", "/rollouts-controller"),
    Row("prometheus/prometheus", "v3.11.3", "/prometheus"),
    Row("prometheus/alertmanager", "v0.31.1", "/alertmanager"),
    Row("golive-sandbox/front", "v1", "/front"),
)
"""In the registry from the start, for every pod; a world's own images are beside them."""
