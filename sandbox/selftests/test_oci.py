"""Images are bytes that anybody can check, the same in every world."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest

from golive_sandbox.registry import catalogue, oci, programs
from golive_sandbox.registry.catalogue import Row
from golive_sandbox.servers.cache import Built
from golive_sandbox.servers.groups import groups
from golive_sandbox.types import Json, JsonValue, dig, items, text

ROWS = pytest.mark.parametrize("row", catalogue.SHARED, ids=[f"{row.repository}-{row.tag}" for row in catalogue.SHARED])


def read(data: bytes) -> Json:
    found: Json = json.loads(data)
    return found


def test_the_same_image_has_the_same_bytes_in_every_world_and_at_every_time() -> None:
    first = oci.build.__wrapped__(catalogue.maestro("one", "v1.5.0"))
    assert first == oci.build.__wrapped__(catalogue.maestro("another", "v1.5.0"))
    assert first != oci.build(catalogue.maestro("one", "v1.6.0"))


def test_no_two_images_of_the_catalogue_have_one_digest() -> None:
    assert len({oci.build(row).digest for row in catalogue.SHARED}) == len(catalogue.SHARED)


@ROWS
def test_every_part_is_named_by_its_digest_and_size(row: Row) -> None:
    image = oci.build(row)
    parts = {one.digest: one for one in (*image.manifests, *image.blobs)}
    named: list[Json] = items(read(image.index.data), "manifests")
    for manifest in image.manifests:
        document = read(manifest.data)
        config: JsonValue = document["config"]
        assert isinstance(config, dict)
        named += [config, *items(document, "layers")]
    assert {text(one, "digest") for one in named} == set(parts)
    for one in named:
        part = parts[text(one, "digest")]
        assert (one["size"], one["mediaType"]) == (len(part.data), part.media_type)


@ROWS
def test_an_image_has_two_platforms_and_one_attestation_of_the_first(row: Row) -> None:
    entries = items(read(oci.build(row).index.data), "manifests")
    platforms = [f"{text(one, 'platform', 'os')}/{text(one, 'platform', 'architecture')}" for one in entries]
    assert platforms == ["linux/amd64", "linux/arm64", "unknown/unknown"]
    assert dig(entries[2], "annotations", "vnd.docker.reference.digest") == entries[0]["digest"]


@ROWS
def test_the_layer_holds_what_runs_and_the_configuration_names_it(row: Row) -> None:
    image = oci.build(row)
    layer, config = image.blobs[0], read(image.blobs[1].data)
    unpacked = gzip.decompress(layer.data)
    assert dig(config, "rootfs", "diff_ids") == ["sha256:" + hashlib.sha256(unpacked).hexdigest()]
    with tarfile.open(fileobj=io.BytesIO(unpacked)) as tar:
        (member,) = tar.getmembers()
        file = tar.extractfile(member)
        assert file is not None
        assert file.read() == programs.source(row.program)
    assert dig(config, "config", "Entrypoint") == [f"/{member.name}"] == [row.program]


@ROWS
def test_every_program_of_the_catalogue_is_one_of_ours_or_a_server_of_the_build(row: Row) -> None:
    servers = {name: Path("/bin") / name for group in groups() for name in group.names}
    argv = programs.argv(row.program, Built(servers, Path()))
    assert argv[-1].rpartition("/")[2] in (f"{row.program[1:].replace('-', '_')}.py", row.program[1:])
