"""The bytes of an image: deterministic, so that an image has the same digest in every world."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from dataclasses import dataclass
from functools import cache

from golive_sandbox.registry.catalogue import Row
from golive_sandbox.registry.programs import source
from golive_sandbox.types import Json, JsonValue

_OCI = "application/vnd.oci.image"
INDEX, MANIFEST, CONFIG = f"{_OCI}.index.v1+json", f"{_OCI}.manifest.v1+json", f"{_OCI}.config.v1+json"
LAYER = f"{_OCI}.layer.v1.tar+gzip"
STATEMENT = "application/vnd.in-toto+json"
_NOWHERE = "unknown/unknown"  # the platform of what is no image
_EPOCH = "2026-01-01T00:00:00Z"  # when every demo image was made


@dataclass(frozen=True, slots=True)
class Blob:
    """Bytes with their media type."""

    media_type: str
    data: bytes

    @property
    def digest(self) -> str:
        """``sha256:…``"""
        return "sha256:" + hashlib.sha256(self.data).hexdigest()

    def descriptor(self) -> Json:
        """How a manifest or an index refers to it."""
        return {"mediaType": self.media_type, "digest": self.digest, "size": len(self.data)}


@dataclass(frozen=True, slots=True)
class Artifact:
    """An image: its index, the manifests that the index names, and the blobs that the manifests name.

    The manifest of the image itself comes first, in the order of ``platforms``; the attestation's is the last one.
    """

    index: Blob
    manifests: tuple[Blob, ...]
    blobs: tuple[Blob, ...]

    @property
    def parts(self) -> tuple[Blob, ...]:
        """All of it, what names others first."""
        return (self.index, *self.manifests, *self.blobs)

    @property
    def digest(self) -> str:
        """What a tag of it resolves to: the index."""
        return self.index.digest


@cache
def build(row: Row) -> Artifact:
    """The image of a row: one config and one manifest a platform, one layer for all, one attestation."""
    layer, unpacked = _layer(row)
    configs = [_config(row, platform, unpacked) for platform in row.platforms]
    manifests = [_manifest(config, layer) for config in configs]
    entries = [
        {**manifest.descriptor(), "platform": _platform(name)}
        for manifest, name in zip(manifests, row.platforms, strict=True)
    ]
    statement = _statement(row, manifests[0])
    about = Blob(CONFIG, as_json({**_platform(_NOWHERE), "config": {}, "rootfs": _rootfs(statement.digest)}))
    attestation = _manifest(about, statement)
    notes: Json = {
        "vnd.docker.reference.type": "attestation-manifest",
        "vnd.docker.reference.digest": manifests[0].digest,
    }
    entries.append({**attestation.descriptor(), "platform": _platform(_NOWHERE), "annotations": notes})
    index = Blob(INDEX, as_json({"schemaVersion": 2, "mediaType": INDEX, "manifests": [*entries]}))
    return Artifact(index, (*manifests, attestation), (layer, *configs, statement, about))


def _layer(row: Row) -> tuple[Blob, str]:
    """The layer and the digest of what is in it (its ``diff_id``): the program's own text."""
    content = source(row.program)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        member = tarfile.TarInfo(row.program.lstrip("/"))
        member.size, member.mode = len(content), 0o755
        tar.addfile(member, io.BytesIO(content))
    data = packed.getvalue()
    return Blob(LAYER, gzip.compress(data, mtime=0)), Blob(LAYER, data).digest


def _config(row: Row, platform: str, unpacked: str) -> Blob:
    config: Json = {"Entrypoint": [row.program], "Env": [f"{name}={value}" for name, value in row.env]}
    return Blob(
        CONFIG,
        as_json(
            {
                **_platform(platform),
                "created": _EPOCH,
                "config": config,
                "rootfs": _rootfs(unpacked),
                "history": [{"created": _EPOCH, "created_by": f"golive-sandbox {row.program} {row.tag}"}],
            }
        ),
    )


def _manifest(config: Blob, layer: Blob) -> Blob:
    return Blob(
        MANIFEST,
        as_json(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": config.descriptor(),
                "layers": [layer.descriptor()],
            }
        ),
    )


def _statement(row: Row, subject: Blob) -> Blob:
    """Provenance that says nothing yet beyond its subject."""
    about: list[JsonValue] = [
        {"name": f"pkg:docker/{row.repository.rpartition('/')[2]}@{row.tag}", "digest": {"sha256": subject.digest[7:]}}
    ]
    statement: Json = {
        "_type": "https://in-toto.io/Statement/v1",
        "predicateType": "https://slsa.dev/provenance/v1",
        "subject": about,
        "predicate": {"buildDefinition": {}, "runDetails": {}},
    }
    return Blob(STATEMENT, as_json(statement))


def _rootfs(unpacked: str) -> Json:
    return {"type": "layers", "diff_ids": [unpacked]}


def _platform(name: str) -> Json:
    system, _, architecture = name.partition("/")
    return {"architecture": architecture, "os": system}


def as_json(value: Json) -> bytes:
    """The one way in which documents of the registry are written."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
