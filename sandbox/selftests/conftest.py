"""One control plane per session, one namespace per test; one sandbox per session, one world per test that needs one."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from golive_sandbox.scenarios.table import Scenario
from golive_sandbox.types import mapping
from golive_sandbox.worlds import DEFAULT
from selftests.harness import Cluster, Room, running_cluster
from selftests.judging import Judged, Judging
from selftests.sandboxes import Sandbox, running_sandbox
from selftests.traces import SILENT, Place
from selftests.walking import Walk

_ROOMS = itertools.count(1)
_WALK_RATE = 100.0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The scenarios last: they are run some at a time, and nothing that counts or times should run beside them."""
    items.sort(key=lambda item: isinstance(item, pytest.Function) and "judging" in item.fixturenames)


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


@pytest.fixture
def judged(judging: Judging, scenario: Scenario) -> Judged:
    """What became of the scenario that the test is about."""
    return judging[scenario]


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    """The default world of a sandbox that has no other: faults of the plane are allowed."""
    with running_sandbox(_WALK_RATE) as sandbox:
        yield Place(sandbox, DEFAULT, sandbox.folder.root)


@pytest.fixture
def walk(place: Place) -> Iterator[Walk]:
    """A clean world, and a clean one afterwards: whatever is broken is healed, and nothing may be left of it."""
    before = place.snapshot()
    assert SILENT not in before
    made = Walk(place)
    yield made
    facts = made.facts()
    for fault in [*mapping(facts, "armed"), *reversed(place.sandbox.broken(place.name))]:
        made.heal(fault)
    made.take_back()
    assert place.snapshot() == before
