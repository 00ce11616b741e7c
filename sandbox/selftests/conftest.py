"""One control plane per session, one namespace per test; one sandbox per session, one world per test that needs one."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from golive_sandbox.scenarios.table import Scenario
from selftests.harness import Cluster, Room, running_cluster
from selftests.judging import Judging
from selftests.sandboxes import Sandbox, running_sandbox

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


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    """A sandbox as `golive-sandbox up` makes it; tests leave its default world as they found it."""
    with running_sandbox() as running:
        yield running


@pytest.fixture(scope="session")
def judging(sandbox: Sandbox, request: pytest.FixtureRequest) -> Iterator[Judging]:
    """The real suite on the worlds of all scenarios that this session's tests ask for."""
    asked: dict[str, Scenario] = {}
    for item in request.session.items:
        if isinstance(item, pytest.Function) and "judging" in item.fixturenames:
            scenario = item.callspec.params["scenario"]
            assert isinstance(scenario, Scenario)
            asked[scenario.name] = scenario
    with Judging(sandbox, list(asked.values())) as running:
        yield running
