"""What goes live in a world: the repository's own manifest, its stable and its release image."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import yaml

from golive_sandbox.errors import SandboxError
from golive_sandbox.registry import catalogue
from golive_sandbox.types import Json
from golive_sandbox.world.images import Images

STABLE_TAG, RELEASE_TAG = "v1.4.2", "v1.5.0"
OTHER_TAG = "v1.4.9"
"""Neither of them: somebody else's release."""
NEXT_TAG = "v1.6.0"
"""An image that is not to be released yet."""
WEIGHTS = (10, 25, 50, 100)
"""The canary steps of the manifest."""
_MANIFEST = "argo/rollout-maestro.yaml"
_IMAGE_LINE = re.compile(r"(?m)^(\s*image:\s*)\S+$")
# In the flow style of the steps. The pods of the first weight are new to Prometheus, which discovers every 5 s.
_DELAY = re.compile(r"({name: initial-delay, value: )\w+(?=})")
_FIRST_DELAY = "6s"
_HOST_LINE = re.compile(r"(?m)^(\s*- host:\s*)\S+$")


@dataclass(frozen=True, slots=True)
class Release:
    """A version of the image and the manifest that puts it in place."""

    repository: str
    tag: str
    digest: str
    manifest: str
    """The manifest's text, its image line naming tag and digest."""

    @property
    def image(self) -> str:
        """``repository:tag@digest``"""
        return f"{self.repository}:{self.tag}@{self.digest}"

    @property
    def revision(self) -> str:
        """The commit it was built from."""
        return catalogue.revision(self.tag)

    def objects(self) -> list[Json]:
        """The manifest's objects."""
        return [item for item in yaml.safe_load_all(self.manifest) if item]


def load(tag: str, images: Images, host: str) -> Release:
    """The manifest of the repository with the image of ``tag`` and the world's own ``host``."""
    text = deploy_folder().joinpath(_MANIFEST).read_text(encoding="utf-8")
    digest = images.image(tag).digest
    text = _line(text, _IMAGE_LINE, "image: REPOSITORY:TAG@DIGEST", f"{images.repository}:{tag}@{digest}")
    text = _line(text, _HOST_LINE, "- host: NAME", host)
    text = _line(text, _DELAY, "{name: initial-delay, value: TIME}", _FIRST_DELAY)
    return Release(images.repository, tag, digest, text)


def _line(text: str, pattern: re.Pattern[str], expected: str, value: str) -> str:
    """Put ``value`` behind the colon of the line that matches."""
    changed, times = pattern.subn(rf"\g<1>{value}", text)
    if times == 0:
        raise SandboxError(f"deploy/{_MANIFEST}: expected a line `{expected}`, found none")
    return changed


def deploy_folder() -> Path:
    """``deploy/`` of the source tree, or the copy that an installed wheel carries."""
    package = Path(str(resources.files("golive_sandbox"))).resolve()  # sys.path may hold a "..", which has no parent
    for folder in (package / "deploy", package.parent.parent / "deploy"):
        if (folder / _MANIFEST).is_file():
            return folder
    raise SandboxError(f"expected deploy/{_MANIFEST} in the source tree or in the installed package, found neither")
