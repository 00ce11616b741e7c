"""The registry's front: passes reading on byte by byte, and misbehaves for one world exactly as it is told."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
from collections.abc import Iterator

import pytest
from aiohttp import web

from golive_sandbox.registry import catalogue, misbehaviour, oci
from golive_sandbox.registry.misbehaviour import Act, Truth
from golive_sandbox.world.images import Images
from golive_sandbox.world.release import NEXT_TAG, RELEASE_TAG
from selftests.harness import Cluster, eventually
from selftests.registries import ACCEPT, ask, look, release

WORLD, OTHER = "fronted", "beside"
BASE = f"/v2/{WORLD}/{catalogue.MAESTRO}"
IMAGE = release(WORLD)
BY_TAG, BY_DIGEST = f"{BASE}/manifests/{RELEASE_TAG}", f"{BASE}/manifests/{IMAGE.digest}"
CONFIG = next(blob for blob in IMAGE.blobs if blob.media_type == oci.CONFIG)
BLOB = f"{BASE}/blobs/{CONFIG.digest}"


@pytest.fixture(scope="module")
def host(cluster: Cluster) -> str:
    for world in (WORLD, OTHER):
        cluster.run(Images(cluster.images, world).push())
    return cluster.images.front.host


@pytest.fixture
def images(cluster: Cluster, host: str) -> Iterator[Images]:
    """The world's images; what was done to them is undone."""
    images = Images(cluster.images, WORLD)
    yield images
    images.behave()
    cluster.run(images.push())


def test_reading_is_passed_on_byte_by_byte(host: str) -> None:
    for path, part in ((BY_TAG, IMAGE.index), (BY_DIGEST, IMAGE.index), (BLOB, CONFIG)):
        came = ask(host, path)
        assert (came.status, came.body) == (200, part.data)
        assert came.headers["Docker-Content-Digest"] == part.digest
        head = ask(host, path, "HEAD")
        assert (head.status, head.body) == (200, b"")
        assert head.headers["Content-Length"] == str(len(part.data)) == came.headers["Content-Length"]
        assert head.headers["Docker-Content-Digest"] == part.digest
    assert ask(host, BY_TAG).headers["Content-Type"] == oci.INDEX
    part_of_it = ask(host, BLOB, Range="bytes=2-5")
    assert (part_of_it.status, part_of_it.body) == (206, CONFIG.data[2:6])


def test_what_is_not_there_is_told_in_the_registry_s_own_words(host: str) -> None:
    for path, word in ((f"{BASE}/manifests/v0.0.0", b"MANIFEST_UNKNOWN"), (f"{BLOB[:-1]}x", b"")):
        came = ask(host, path)
        assert came.status in (400, 404)
        assert word in came.body
    assert ask(host, "/v1/").status == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_writing_is_refused(host: str, method: str) -> None:
    came = ask(host, BY_TAG, method)
    assert (came.status, b"read only" in came.body) == (405, True)
    assert ask(host, BY_TAG).status == 200


def lie(kind: misbehaviour.Kind) -> Act:
    other = oci.build(catalogue.maestro(WORLD, NEXT_TAG))
    pairs = zip(
        (IMAGE.index, *IMAGE.manifests, *IMAGE.blobs), (other.index, *other.manifests, *other.blobs), strict=True
    )
    return misbehaviour.lying(kind, {true.digest: lie.data for true, lie in pairs})


def test_a_lying_registry_names_the_digest_asked_for_and_sends_other_bytes(host: str, images: Images) -> None:
    images.act(lie("manifests"))
    for path in (BY_TAG, BY_DIGEST):
        came = ask(host, path)
        assert came.headers["Docker-Content-Digest"] == IMAGE.digest
        assert came.digest == oci.build(catalogue.maestro(WORLD, NEXT_TAG)).digest
        assert ask(host, path, "HEAD").headers["Content-Length"] == str(len(came.body))
    assert ask(host, BLOB).body == CONFIG.data
    images.act(lie("blobs"))
    assert ask(host, BY_TAG).body == IMAGE.index.data
    came = ask(host, BLOB)
    assert came.status == 200
    assert came.headers["Docker-Content-Digest"] == CONFIG.digest != came.digest


def test_a_redirecting_registry_names_a_host_that_nobody_allowed_or_itself(host: str, images: Images) -> None:
    for act, where in (
        (misbehaviour.redirecting, misbehaviour.ELSEWHERE + BY_TAG),
        (misbehaviour.redirect_loop, BY_TAG),
    ):
        images.act(act)
        came = ask(host, BY_TAG)
        assert (came.status, came.headers["Location"]) == (307, where)


def test_bodies_are_cut_too_large_or_of_another_encoding_or_type(host: str, images: Images) -> None:
    images.act(misbehaviour.cut)
    assert ask(host, BY_TAG).failure == "IncompleteRead"
    images.act(misbehaviour.huge)
    assert len(ask(host, BY_TAG).body) == 1 << 20
    images.act(misbehaviour.wrong_encoding)
    came = ask(host, BY_TAG)
    assert (came.headers["Content-Encoding"], came.body) == ("gzip", IMAGE.index.data)
    images.act(misbehaviour.html)
    came = ask(host, BY_TAG)
    assert (came.status, came.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert came.body.startswith(b"<!doctype html>")


def test_a_registry_that_is_down_broken_or_closed_says_so_and_no_more(host: str, images: Images) -> None:
    images.act(misbehaviour.silent)
    assert ask(host, BY_TAG).failure == "RemoteDisconnected"
    images.act(misbehaviour.error)
    assert ask(host, BY_TAG).status == 500
    images.act(misbehaviour.unauthorized)
    came = ask(host, BY_TAG)
    assert came.status == 401
    assert came.headers["WWW-Authenticate"].startswith(f'Bearer realm="{misbehaviour.ELSEWHERE}/token"')


def test_only_the_world_that_is_meant_is_affected(host: str, images: Images) -> None:
    beside, before = look(host, OTHER), look(host, WORLD)
    images.act(misbehaviour.error)
    assert look(host, OTHER) == beside
    assert all(said.startswith("500") for said in look(host, WORLD).values())
    images.behave()
    assert look(host, WORLD) == before


def test_a_slow_answer_ends_when_the_client_hangs_up(host: str, images: Images) -> None:
    began: list[str] = []
    ended: list[str] = []

    async def watched(request: web.Request, truth: Truth) -> web.StreamResponse:
        began.append(request.path)
        try:
            return await misbehaviour.slow(request, truth)
        except asyncio.CancelledError:
            ended.append(request.path)
            raise

    images.act(watched)
    connection = http.client.HTTPConnection(host, timeout=5)
    with contextlib.closing(connection):
        connection.request("GET", BY_TAG, headers={"Accept": ACCEPT})
        eventually("a request under way", lambda: began, bool)
        assert ended == []
    eventually("the handler has ended", lambda: ended, lambda seen: seen == [BY_TAG])


def test_tags_are_moved_and_deleted_and_come_back(cluster: Cluster, host: str, images: Images) -> None:
    cluster.run(images.untag(RELEASE_TAG))
    assert ask(host, BY_TAG).status == 404
    assert ask(host, BY_DIGEST).status == 200
    other = images.image(NEXT_TAG)
    cluster.run(images.tag(RELEASE_TAG, other))
    assert ask(host, BY_TAG).body == other.index.data
    cluster.run(images.push())
    assert ask(host, BY_TAG).body == IMAGE.index.data
