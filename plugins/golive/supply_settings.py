"""What ``golive.toml`` says of the supply chain: who may sign, by which roots, and other images (runbook 1.4)."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from golive.fields import DIGEST, IMAGE, URL, Part, shaped
from golive.supply.lint import identity_problem, ref_problem

_EXAMPLE_TAG = "v1.5.0"
_REPOSITORY = re.compile(r"https://[\w.-]+(:\d+)?/[\w.-]+/[\w.-]+(?<!\.git)")
_WORKFLOW = re.compile(
    r"\.github/workflows/[\w.-]+\.ya?ml|https://[\w.-]+/[\w.-]+/[\w.-]+/\.github/workflows/[\w.-]+\.ya?ml@\S+"
)
_HTTPS = re.compile(r"https://\S+")
_SHA256 = re.compile(r"[0-9a-f]{64}")

_Repository = Annotated[
    str, shaped(_REPOSITORY, "a repository's exact address such as https://github.com/intelgraph/maestro, no pattern")
]
_Workflow = Annotated[
    str,
    shaped(
        _WORKFLOW,
        "a workflow file such as .github/workflows/release.yml, or a reusable one's whole identity, https://…@REF",
    ),
]


class Trust(Part):
    """By which roots signatures are believed."""

    mode: Literal["public", "file", "pinned"] = "public"
    """Sigstore's public root, refreshed at each run; a private one's file; or a file with a hash, for no network."""
    file: Path | None = Field(default=None, strict=False)
    """``trusted_root.json``, relative to this file (modes file and pinned)."""
    sha256: Annotated[str, shaped(_SHA256, "64 lower-case hex digits")] | None = None
    """Hash of the file, in hex; mode pinned needs it."""
    pinned_on: date | None = None
    """Day on which the file was fetched and its hash written here; mode pinned needs it."""
    max_age_days: Annotated[int, Field(ge=1, le=3650)] = 180
    """A pinned file older than this many days is not believed: authorities and logs change about twice a year."""
    refresh_seconds: Annotated[float, Field(ge=1, le=300, allow_inf_nan=False)] = 30.0
    """Mode public: the refresh must end within this many seconds."""

    @model_validator(mode="after")
    def _complete(self) -> Trust:
        needed = {"public": (), "file": ("file",), "pinned": ("file", "sha256", "pinned_on")}[self.mode]
        given = [name for name in ("file", "sha256", "pinned_on") if getattr(self, name) is not None]
        missing = [name for name in needed if name not in given]
        if missing:
            raise ValueError(f"expected {', '.join(needed)} with mode {self.mode}, found no {', '.join(missing)}")
        if self.mode == "public" and given:
            raise ValueError(f"expected no {', '.join(given)} with mode public, found it: mode pinned reads a file")
        return self


class Signing(Part):
    """Which workflow may sign an image: exact, but for a pattern of its ref."""

    repository: _Repository
    """Address of the repository that is built."""
    workflow: _Workflow
    """The workflow file in it that signs; of a reusable workflow its whole identity with ref or commit."""
    ref: str = "refs/tags/{tag}"
    """The exact ref with {tag} for the image's tag, or a pattern of tags, ^refs/tags/…$."""

    @field_validator("ref")
    @classmethod
    def _ref(cls, value: str) -> str:
        if problem := ref_problem(ref_of(value, _EXAMPLE_TAG)):
            raise ValueError(problem)
        return value


class SbomRules(Part):
    """What a bill of materials must be."""

    min_packages: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    """How many packages it lists at least, besides the image itself."""
    accept_unsigned: bool = False
    """Whether a document that nobody signed counts: beside the image, or a file of GitHub (sbom_asset, sbom_artifact).
    Whoever may write there can replace it."""
    accept_attested: bool = True
    """Whether a recorded manual check (golive attest) may stand for it; shown as attested."""


class ProvenanceRules(Part):
    """What a provenance must say."""

    builders: tuple[str, ...] = Field(default=(), strict=False)
    """Builder ids that may be. None named: the workflow that signed it."""
    build_types: Annotated[tuple[str, ...], Field(min_length=1)] = Field(
        default=(
            "https://actions.github.io/buildtypes/workflow/v1",
            "https://github.com/slsa-framework/slsa-github-generator/container@v1",
        ),
        strict=False,
    )
    """Build types that may be."""


class OtherImage(Part):
    """An image beside the release's in its pods (init and sidecar containers): who signs it, or its known digests."""

    image: Annotated[str, shaped(IMAGE, "a repository such as docker.io/envoyproxy/envoy, without tag")]
    """The repository, or the path that it begins with."""
    signed: Signing | None = None
    """Which workflow signs it; {tag} is its own tag."""
    trusted_digests: tuple[Annotated[str, shaped(DIGEST, "sha256: and 64 lower-case hex digits")], ...] = Field(
        default=(), strict=False
    )
    """The digests that somebody looked at, where it is not signed."""

    @model_validator(mode="after")
    def _one(self) -> OtherImage:
        if (self.signed is None) == (not self.trusted_digests):
            found = "neither" if self.signed is None else "both"
            raise ValueError(f"expected signed or trusted_digests, found {found}")
        return self


class SupplyChain(Signing):
    """Who signs the release, and how that is judged."""

    identity: str = ""
    """A pattern ^…$ for the whole identity, beside the fields above. Empty: they alone decide, exactly."""
    issuer: Annotated[str, shaped(_HTTPS, "an https address")] = "https://token.actions.githubusercontent.com"
    """Who tells Fulcio whose workflow it is; exact, an enterprise's own has a path behind it."""
    runner: Literal["github-hosted", "self-hosted", "any"] = "github-hosted"
    """On whose machine the workflow runs."""
    rekor_url: Annotated[str, shaped(URL, "an http(s) address such as https://rekor.sigstore.dev")] | Literal[""] = ""
    """Log that classic signatures (cosign before 3) are looked up in. Empty: they are not proven."""
    trust: Trust = Trust()
    """By which roots signatures are believed."""
    sbom: SbomRules = SbomRules()
    """The bill of materials (1.4-sbom)."""
    provenance: ProvenanceRules = ProvenanceRules()
    """The provenance (1.4-provenance)."""
    images: tuple[OtherImage, ...] = Field(default=(), strict=False)
    """Images beside the release's; the longest path that fits decides, and none that fits is not proven."""

    @model_validator(mode="after")
    def _narrow(self) -> SupplyChain:
        if not self.identity:
            return self
        if self.ref.startswith("^"):
            raise ValueError("expected identity or a pattern in ref, found both: leave identity out")
        place = self.workflow if self.workflow.startswith("https://") else f"{self.repository}/{self.workflow}"
        name = place if "@" in place else f"{place}@{ref_of(self.ref, _EXAMPLE_TAG)}"
        tag = re.escape(_EXAMPLE_TAG)
        if problem := identity_problem(self.identity.replace("{tag}", tag), name):
            said = problem.replace(repr(tag)[1:-1], "{tag}").replace(_EXAMPLE_TAG, "{tag}")
            raise ValueError(f"{said} (leave identity out: repository, workflow and ref say it exactly)")
        return self

    def other(self, image: str) -> OtherImage | None:
        """The policy of an image's repository (without tag and digest); ``None``: there is none."""
        fitting = [one for one in self.images if image == one.image or image.startswith(f"{one.image}/")]
        return max(fitting, key=lambda one: len(one.image), default=None)


def ref_of(ref: str, tag: str) -> str:
    """The ref, or its pattern, with the tag filled in."""
    return ref.replace("{tag}", re.escape(tag) if ref.startswith("^") else tag)
