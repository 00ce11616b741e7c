"""Bundles beside an image, as cosign v3 stores them: one manifest each, which names the image as its subject."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence

from golive_sandbox.registry.oci import INDEX, MANIFEST, Artifact, Blob, as_json
from golive_sandbox.signing.bundles import BUNDLE
from golive_sandbox.types import Json, JsonValue, text

_EMPTY = Blob("application/vnd.oci.empty.v1+json", b"{}")


def tag(digest: str) -> str:
    """Where the list of an image's referrers is in a registry without a referrers API (OCI distribution 1.1)."""
    return digest.replace(":", "-")


def build(subject: Blob, bundles: Sequence[bytes]) -> Artifact:
    """The list of ``subject``'s referrers, their manifests, and the bundles in them."""
    blobs = [Blob(BUNDLE, one) for one in bundles]
    notes = [_notes(one) for one in bundles]
    manifests = [_manifest(blob, subject, about) for blob, about in zip(blobs, notes, strict=True)]
    listed: list[JsonValue] = [
        {**manifest.descriptor(), "artifactType": BUNDLE, "annotations": about}
        for manifest, about in zip(manifests, notes, strict=True)
    ]
    index = Blob(INDEX, as_json({"schemaVersion": 2, "mediaType": INDEX, "manifests": listed}))
    return Artifact(index, tuple(manifests), (_EMPTY, *blobs))


def _manifest(bundle: Blob, subject: Blob, notes: Json) -> Blob:
    document: Json = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": BUNDLE,
        "config": _EMPTY.descriptor(),
        "layers": [bundle.descriptor()],
        "subject": subject.descriptor(),
        "annotations": notes,
    }
    return Blob(MANIFEST, as_json(document))


def _notes(bundle: bytes) -> Json:
    payload = json.loads(base64.b64decode(text(json.loads(bundle), "dsseEnvelope", "payload")))
    return {
        "dev.sigstore.bundle.content": "dsse-envelope",
        "dev.sigstore.bundle.predicateType": payload["predicateType"],
    }
