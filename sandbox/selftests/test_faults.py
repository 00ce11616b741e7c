"""Faults that no traced scenario heals are switched off exactly; and what is refused of faults and worlds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from golive_sandbox.errors import SandboxError
from golive_sandbox.scenarios.faults import FAULTS, UNDER_WAY
from selftests.judging import TRACED
from selftests.sandboxes import Sandbox
from selftests.traces import SILENT, Place

OWN = [fault for fault in FAULTS if fault.own_plane]
HEALED = {fault for one in TRACED for fault in one.faults}
REST = [fault.name for fault in FAULTS if fault.name not in HEALED and fault not in UNDER_WAY]
"""Those of a canary under way are in test_canary_faults.py: they need one."""
ALIKE = ("canary-at-10", "canary-at-50", "canary-at-100")
"""Healed as ``canary-at-25`` is, which a scenario does."""


@pytest.fixture(scope="module")
def shared(sandbox: Sandbox) -> Iterator[Place]:
    yield Place.made(sandbox, "faults")
    sandbox.ask("delete-world", world="faults")


@pytest.mark.parametrize("fault", [pytest.param(one, marks=pytest.mark.long if one in ALIKE else ()) for one in REST])
def test_a_healed_fault_leaves_no_trace(shared: Place, fault: str) -> None:
    before = shared.snapshot()
    assert SILENT not in before
    assert shared.sandbox.ask("break", world=shared.name, fault=fault) == {"broken": [fault]}
    assert shared.sandbox.broken(shared.name) == [fault]
    assert shared.snapshot() != before
    assert shared.sandbox.ask("heal", world=shared.name, fault=fault) == {"broken": []}
    assert shared.snapshot() == before


def test_a_fault_is_broken_once_and_healed_once(shared: Place) -> None:
    shared.sandbox.ask("break", world=shared.name, fault="role-empty")
    with pytest.raises(SandboxError, match="is already broken"):
        shared.sandbox.ask("break", world=shared.name, fault="role-empty")
    shared.sandbox.ask("heal", world=shared.name, fault="role-empty")
    with pytest.raises(SandboxError, match="is not broken"):
        shared.sandbox.ask("heal", world=shared.name, fault="role-empty")


def test_a_fault_of_the_plane_is_refused_while_the_plane_has_several_worlds(shared: Place) -> None:
    with pytest.raises(SandboxError, match="which has other worlds"):
        shared.sandbox.ask("break", world=shared.name, fault=OWN[0].name)
    with pytest.raises(SandboxError, match="start a sandbox of its own"):
        shared.sandbox.ask("create-world", world="another", scenario=OWN[0].name)


@pytest.mark.parametrize("name", ["kube-system", "default", "argo-rollouts", "Upper", "-x", "a" * 60, ""])
def test_a_world_is_not_made_in_a_namespace_that_is_somebody_else_s(sandbox: Sandbox, name: str) -> None:
    with pytest.raises(SandboxError, match="a name for a namespace of its own"):
        sandbox.ask("create-world", world=name)


def test_a_world_that_is_there_is_not_made_again(shared: Place) -> None:
    with pytest.raises(SandboxError, match="exists already"):
        shared.sandbox.ask("create-world", world=shared.name)
