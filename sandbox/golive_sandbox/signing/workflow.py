"""Who signs: a run of a GitHub workflow, as Fulcio writes it into a certificate.

The numbers are those of https://github.com/sigstore/fulcio/blob/main/docs/oid-info.md, below 1.3.6.1.4.1.57264.1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

GITHUB_ISSUER = "https://token.actions.githubusercontent.com"
RAW = range(1, 7)
"""Extensions .1 to .6 are bare text; the ones from .8 on are DER UTF8Strings."""
_HOST = "https://github.com/"


@dataclass(frozen=True, slots=True)
class Workflow:
    """One run.

    ``called`` is the reusable workflow that signed for it (``REPOSITORY/FILE@REF``); empty: it signed itself.
    ``commit`` is 40 hex digits; ``owner_id``, ``repository_id`` and ``run`` are GitHub's numbers.
    """

    repository: str = _HOST + "acme/maestro"
    file: str = ".github/workflows/release.yml"
    ref: str = "refs/tags/v1.5.0"
    commit: str = "5c2f0d4f1f1f6a8de1b3a2c4d5e6f708192a3b4c"
    trigger: str = "push"
    name: str = "Release"
    runner: str = "github-hosted"
    visibility: str = "private"
    issuer: str = GITHUB_ISSUER
    called: str = ""
    called_commit: str = ""
    owner_id: str = "1048576"
    repository_id: str = "700100200"
    run: str = "9000000001"

    @property
    def slug(self) -> str:
        """``OWNER/REPOSITORY``"""
        return self.repository.removeprefix(_HOST)

    @property
    def config(self) -> str:
        """The file that GitHub started: ``REPOSITORY/FILE@REF``."""
        return f"{self.repository}/{self.file}@{self.ref}"

    @property
    def identity(self) -> str:
        """The certificate's subject alternative name, a URI: the file whose steps signed."""
        return self.called or self.config

    @property
    def invocation(self) -> str:
        """Where the run can be seen."""
        return f"{self.repository}/actions/runs/{self.run}/attempts/1"

    def extensions(self) -> Mapping[int, str]:
        """Fulcio's extensions by number."""
        signer_commit = self.called_commit if self.called else self.commit
        return {
            1: self.issuer, 2: self.trigger, 3: self.commit, 4: self.name, 5: self.slug, 6: self.ref,
            8: self.issuer, 9: self.identity, 10: signer_commit, 11: self.runner,
            12: self.repository, 13: self.commit, 14: self.ref, 15: self.repository_id,
            16: _HOST + self.slug.partition("/")[0], 17: self.owner_id,
            18: self.config, 19: self.commit, 20: self.trigger, 21: self.invocation, 22: self.visibility,
        }  # fmt: skip
