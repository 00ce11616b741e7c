"""The agent pulls as a container runtime does: by asking the registry, and believing only what has its digest."""

from __future__ import annotations

from dataclasses import replace

import aiohttp
import pytest

from golive_sandbox.agent.images import Image, ImageNotFoundError, Puller, split
from golive_sandbox.registry import catalogue, oci
from golive_sandbox.registry.catalogue import Row
from golive_sandbox.registry.misbehaviour import Kind, lying
from golive_sandbox.registry.store import Store
from golive_sandbox.types import Json, text
from golive_sandbox.world.images import Images
from selftests.harness import Cluster, Room, condition, server_container

MAESTRO = "ghcr.io/acme/maestro-control-plane"
DIGEST = oci.build(catalogue.maestro("acme", "v1.5.0")).digest


def push(cluster: Cluster, row: Row) -> oci.Artifact:
    image = oci.build(row)
    cluster.run(cluster.images.store.push(row.repository, row.tag, image))
    return image


def resolve(cluster: Cluster, reference: str) -> Image:
    return cluster.run(cluster.puller.resolve(reference))


def waiting(pod: Json) -> str:
    return text(pod, "status", "containerStatuses", 0, "state", "waiting", "reason")


@pytest.mark.parametrize("form", ["{r}:v1.5.0", "{r}@{d}", "{r}:v1.5.0@{d}", "{r}:v1.4.2@{d}"])
@pytest.mark.parametrize("host", ["ghcr.io/", "127.0.0.1:5000/", "localhost/", ""])
def test_an_image_is_found_by_tag_and_by_digest_which_wins_whatever_the_host(
    cluster: Cluster, form: str, host: str
) -> None:
    repository = f"{host}acme/maestro-control-plane"
    image = resolve(cluster, form.format(r=repository, d=DIGEST))
    assert image.image_id == f"{repository}@{DIGEST}"
    assert dict(image.env)["APP_VERSION"] == "1.5.0"
    assert image.argv[-1].endswith("/maestro_server.py")


def test_a_server_of_the_build_runs_for_the_image_that_names_it(cluster: Cluster) -> None:
    image = resolve(cluster, "quay.io/argoproj/argo-rollouts:v1.10.2")
    assert image.argv == (str(cluster.built.binary("rollouts-controller")),)


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        (f"{MAESTRO}:v9", "acme/maestro-control-plane:v9: not found"),
        (MAESTRO, "acme/maestro-control-plane:latest: not found"),
        (f"{MAESTRO}:v1.5.0@sha256:{'0' * 64}", f"acme/maestro-control-plane@sha256:{'0' * 64}: not found"),
        ("ghcr.io/acme/nothing:v1", "acme/nothing:v1: not found"),
    ],
)
def test_what_is_not_there_is_told_as_a_container_runtime_tells_it(cluster: Cluster, reference: str, said: str) -> None:
    with pytest.raises(ImageNotFoundError) as told:
        resolve(cluster, reference)
    assert str(told.value).startswith(f'failed to pull and unpack image "{reference}": failed to resolve reference "')
    assert str(told.value).endswith(said)


def test_an_image_that_is_not_there_for_the_nodes_platform_is_not_pulled(cluster: Cluster) -> None:
    push(cluster, replace(catalogue.maestro("arm", "v1"), platforms=("linux/arm64",)))
    with pytest.raises(ImageNotFoundError, match="no match for platform linux/amd64 in manifest: not found"):
        resolve(cluster, "r.example/arm/maestro-control-plane:v1")


@pytest.mark.parametrize("kind", ["manifests", "blobs"])
@pytest.mark.parametrize("reference", ["v1.5.0", DIGEST])
def test_bytes_with_another_digest_are_not_believed(cluster: Cluster, kind: Kind, reference: str) -> None:
    own, front = Images(cluster.images, "tampered"), cluster.images.front
    pairs = zip(own.image("v1.5.0").parts, own.image("v1.6.0").parts, strict=True)

    async def pull() -> Image:
        await own.push()
        own.act(lying(kind, {true.digest: lie.data for true, lie in pairs}))
        async with aiohttp.ClientSession(auto_decompress=False) as session:
            puller = Puller(Store(session, f"http://{front.host}"), cluster.built)
            return await puller.resolve(f"{own.repository}{'@' if ':' in reference else ':'}{reference}")

    with pytest.raises(ImageNotFoundError, match=r"expected digest sha256:\w{64}, found sha256:\w{64}"):
        cluster.run(pull())
    own.behave()


def test_a_pod_waits_for_a_tag_and_runs_when_it_appears(cluster: Cluster, room: Room) -> None:
    row = catalogue.maestro(room.name, "v3")
    path = room.pod("late", {"containers": [{**server_container(), "image": f"r.example/{row.repository}:v3"}]})
    cluster.until(path, lambda pod: waiting(pod) == "ErrImagePull")
    image = push(cluster, row)
    pod = cluster.until(path, lambda pod: condition(pod, "Ready") == "True")
    assert text(pod, "status", "containerStatuses", 0, "imageID") == f"r.example/{row.repository}@{image.digest}"


def test_a_tag_is_asked_for_every_time_and_what_a_digest_names_is_kept(cluster: Cluster) -> None:
    first = push(cluster, Row("moving/image", "v1", "/maestro-server", (("WORD", "one"),)))
    assert resolve(cluster, "moving/image:v1").digest == first.digest
    second = push(cluster, Row("moving/image", "v1", "/maestro-server", (("WORD", "two"),)))
    assert resolve(cluster, "moving/image:v1").digest == second.digest
    assert dict(resolve(cluster, f"moving/image@{first.digest}").env) == {"WORD": "one"}


def test_a_reference_has_three_parts() -> None:
    assert split("localhost:5000/a/b@sha256:1") == ("localhost:5000/a/b", "", "sha256:1")
    assert split("localhost:5000/a/b:v1@sha256:1") == ("localhost:5000/a/b", "v1", "sha256:1")
