"""One control plane per session, one namespace per test."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from selftests.harness import Cluster, Room, running_cluster

_ROOMS = itertools.count(1)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A real control plane with agent, network and ingress controller."""
    with running_cluster() as running:
        yield running


@pytest.fixture
def room(cluster: Cluster) -> Iterator[Room]:
    """A namespace of this test's own."""
    name = f"room-{next(_ROOMS)}"
    cluster.create("/api/v1/namespaces", {"metadata": {"name": name}})
    yield Room(cluster, name)
    cluster.run(cluster.plane.api.delete(f"/api/v1/namespaces/{name}"))
