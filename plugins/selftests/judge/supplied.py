"""A release as a private Sigstore signed it, for the self-tests of what judges signatures. Keys are made once."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from golive.supply import trust as trusts
from golive.supply.errors import Refused
from golive.supply.identity import Signer
from golive.supply.judged import Offered, Report, judge
from golive.supply.statement import Kind
from golive.supply.trust import Trust
from golive.types import Json, JsonValue, dig
from golive_sandbox.signing import statements
from golive_sandbox.signing.authority import Authority
from golive_sandbox.signing.bundles import Fault, sign_statement
from golive_sandbox.signing.leaf import PLAIN, Leaf
from golive_sandbox.signing.workflow import Workflow

NOW = datetime.now(UTC).replace(microsecond=0)
SIGNED = NOW - timedelta(hours=2)
AUTHORITY, STRANGER = Authority.new(NOW), Authority.new(NOW)
RELEASE = Workflow()
DIGEST, AMD, ARM, OTHER = (f"sha256:{pair * 32}" for pair in ("1f", "2a", "3b", "4c"))
CHILDREN = {AMD: "linux/amd64", ARM: "linux/arm64"}
SIGNER = Signer(RELEASE.repository, RELEASE.file, RELEASE.ref, commit=RELEASE.commit)
STATEMENT = statements.signed(DIGEST)


def other(**fields: str) -> Workflow:
    """Another run than the release's."""
    return replace(RELEASE, **fields)


def trusting(root: Json) -> Trust:
    """A trusted root as it is loaded."""
    return trusts.load(json.dumps(root).encode(), source="trusted_root.json", today=NOW.date())


TRUST = trusting(AUTHORITY.trusted_root())


def bundle(
    statement: bytes = STATEMENT,
    workflow: Workflow = RELEASE,
    *,
    fault: Fault | None = None,
    like: Leaf = PLAIN,
    timestamp: bool = False,
    by: Authority = AUTHORITY,
    tiled: bool = False,
) -> bytes:
    """A bundle as the release's workflow would leave it, but for what is named; ``tiled``: logged in Rekor v2."""
    return sign_statement(
        by, workflow, statement, signed_at=SIGNED, timestamp=timestamp or tiled, fault=fault, like=like, tiled=tiled
    )


MALLORY = "https://github.com/mallory/maestro"
GONE = "(gone)"
ENTRY = "verificationMaterial.tlogEntries.0"


def changed(raw: bytes, path: str, value: JsonValue) -> bytes:
    """A bundle with another value at ``path`` (``a.0.b``), or with none (``GONE``)."""
    data: JsonValue = json.loads(raw)
    *way, last = path.split(".")
    holder = dig(data, *(int(part) if part.isdigit() else part for part in way))
    assert isinstance(holder, dict), path
    if value == GONE:
        del holder[last]
    else:
        holder[last] = value
    return json.dumps(data).encode()


def at(raw: bytes, path: str) -> JsonValue:
    """What a bundle holds at ``path``."""
    return dig(json.loads(raw), *(int(part) if part.isdigit() else part for part in path.split(".")))


def judged(*raw: bytes, trust: Trust = TRUST, signer: Signer = SIGNER, digest: str = DIGEST) -> Report:
    """What is found of bundles that lie beside the image."""
    offered = [Offered(f"referrer {number}", one) for number, one in enumerate(raw)]
    return judge(digest, CHILDREN, offered, trust, signer)


def refused(report: Report, kind: Kind = Kind.SIGNATURE) -> Refused:
    """Why nothing of this kind was accepted."""
    try:
        report.of_kind(kind)
    except Refused as found:
        return found
    raise AssertionError(f"expected a refusal, accepted: {report.accepted}")


def b64(data: bytes) -> str:
    """Base64 as bundles hold bytes."""
    return base64.b64encode(data).decode()
