"""What lies beside an image that the release's workflow has built: its signature, its SBOM, its provenance."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from golive_sandbox.registry import catalogue
from golive_sandbox.signing import sboms, statements
from golive_sandbox.signing.authority import Authority
from golive_sandbox.signing.bundles import Fault, sign_statement
from golive_sandbox.signing.workflow import Workflow
from golive_sandbox.types import Json

NAME = catalogue.SHARED[0].repository
"""What SBOM and provenance call the image: where worlds take it from, the same in each."""
_AGO = timedelta(hours=1)  # before the sandbox was there; a certificate lives ten minutes


def workflow(tag: str) -> Workflow:
    """The run that built the image of ``tag``."""
    return Workflow(ref=f"refs/tags/{tag}", commit=catalogue.revision(tag))


class Signer:
    """Signs as GitHub workflows of a private Sigstore instance do; what was signed once has the same bytes again.

    The instance is made anew with each signer, and its keys are nowhere but in memory. Digests are ``sha256:HEX``.
    """

    def __init__(self, now: datetime) -> None:
        self._authority = Authority.new(now)
        self._signed_at = now - _AGO
        self._made: dict[tuple[Workflow, bytes, Fault | None, bool], bytes] = {}

    @property
    def trusted_root(self) -> Json:
        """What a verifier has to trust."""
        return self._authority.trusted_root()

    def evidence(self, tag: str, digest: str) -> tuple[bytes, bytes, bytes]:
        """All three of an image as they should be: signature, SBOM, provenance."""
        return self.signature(workflow(tag), digest), self.sbom(tag, digest), self.provenance(tag, digest)

    def signature(self, run: Workflow, digest: str, *, fault: Fault | None = None, timestamp: bool = True) -> bytes:
        """``run`` signs an image."""
        return self._sign(run, statements.signed(digest), fault, timestamp)

    def sbom(self, tag: str, digest: str, *, of: str = "", packages: int = sboms.DEFAULT_PACKAGES) -> bytes:
        """An SPDX attestation of ``digest``; its document describes the image ``of``, if not the same."""
        document = sboms.spdx(of or digest, NAME, tag=tag, packages=packages)
        return self._sign(workflow(tag), statements.spdx(document, digest, NAME))

    def provenance(self, tag: str, digest: str, *, builder: str = "") -> bytes:
        """SLSA provenance of ``digest``; its builder is the workflow's file ``builder``, if not the one that signs."""
        run = workflow(tag)
        said = replace(run, called=f"{run.repository}/{builder}@{run.ref}") if builder else run
        return self._sign(run, statements.provenance(said, digest, NAME))

    def _sign(self, run: Workflow, statement: bytes, fault: Fault | None = None, timestamp: bool = True) -> bytes:
        key = (run, statement, fault, timestamp)
        if key not in self._made:
            self._made[key] = sign_statement(
                self._authority, run, statement, signed_at=self._signed_at, timestamp=timestamp, fault=fault
            )
        return self._made[key]
