"""The published sigstore conformance vectors for bundle verification. Ends with 1 where one differs unexpectedly.

``python benchmarks/conformance.py FOLDER``: FOLDER is ``test/assets/bundle-verify`` of sigstore/sigstore-conformance on
GitHub, which is not part of this repository. A case without a trusted root of its own is judged by the one inside
``sigstore``. The vectors have no commit, ref or runner to expect, so identity and issuer are all that is asked of their
signers; cases signed with a key are left out, since nothing here verifies keys.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from golive.supply import trust as trusts
from golive.supply.bundle import verify_message, verify_statement
from golive.supply.errors import Code, Refused
from golive.supply.identity import GITHUB_ISSUER, Identity, Signer

BEACON = (
    "https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon"
    "/.github/workflows/extremely-dangerous-oidc-beacon.yml@refs/heads/main"
)
EXPECTED = {
    "intoto-with-custom-trust-root": "log entries of kind intoto/0.0.2 (older cosign): the library reads none",
    "trust-root-tsa-validity-end-inclusive": "the library excludes the end of a timestamp authority's validity",
}
"""Differences that are known, and why."""


class Named(Signer):
    """Identity and issuer only; an issuer in the old extension is enough, as it is for the vectors."""

    def check(self, seen: Identity) -> None:
        """Raises ``Refused``."""
        if self.issuer not in (seen.issuer or seen.issuer_old,):
            raise Refused(Code.ISSUER_MISMATCH, "issuer", expected=self.issuer, found=seen.issuer)
        if seen.name != self.workflow:
            raise Refused(Code.IDENTITY_MISMATCH, "identity", expected=self.workflow, found=seen.name)


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("folder", type=Path)
    folder: Path = arguments.parse_args().folder
    cases = sorted(path.parent for path in folder.glob("*/bundle.sigstore.json"))
    if not cases:
        arguments.error(f"expected cases such as {folder}/happy-path-v0.3/bundle.sigstore.json, found none")
    keyed = [case for case in cases if (case / "key.pub").exists() or case.name.startswith("managed-key")]
    judged = [case for case in cases if case not in keyed]
    differing, began = 0, time.perf_counter()
    for case in judged:
        said = verdict(case, folder / "a.txt")
        agrees = (said == "") != case.name.endswith("_fail")
        known = EXPECTED.get(case.name, "")
        differing += not agrees and not known
        mark = "ok" if agrees else f"DIFFERS, as expected: {known}" if known else "DIFFERS"
        print(f"{case.name:72} {said.partition(':')[0] or 'verified':28} {mark}")
        if not agrees:
            print(f"    {said}")
    seconds = time.perf_counter() - began
    print(f"{len(judged)} cases in {seconds:.2f} s, {differing} differ; {len(keyed)} signed with a key left out")
    return 1 if differing else 0


def verdict(case: Path, default: Path) -> str:
    """Nothing where the bundle verifies, or why it does not."""
    artifact = next((path for path in (case / "artifact", default) if path.exists()), default).read_bytes()
    raw = (case / "bundle.sigstore.json").read_bytes()
    signer = Named("", written(case / "identity", BEACON), "", issuer=written(case / "issuer", GITHUB_ISSUER))
    try:
        trust = trusts.load(root_of(case), source=case.name, today=datetime.now(UTC).date())
        if b"dsseEnvelope" in raw:
            digest = f"sha256:{hashlib.sha256(artifact).hexdigest()}"
            verify_statement(trust, raw, signer)[1].bound_to((digest,), digest)
        else:
            verify_message(trust, raw, artifact, signer)
    except Refused as refused:
        return f"{refused}"
    return ""


def root_of(case: Path) -> bytes:
    """The case's own trusted root, or the public one inside the library."""
    import sigstore

    own = case / "trusted_root.json"
    store = Path(sigstore.__file__).parent / "_store" / "https%3A%2F%2Ftuf-repo-cdn.sigstore.dev"
    return (own if own.exists() else store / "trusted_root.json").read_bytes()


def written(path: Path, default: str) -> str:
    """What a file of a case says."""
    return path.read_text(encoding="utf-8").strip() if path.exists() else default


if __name__ == "__main__":
    sys.exit(main())
