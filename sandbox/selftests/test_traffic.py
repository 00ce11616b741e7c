"""The generator, the behaviours as they are seen through it, and the agreement of all counters."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from golive_sandbox.errors import SandboxError
from golive_sandbox.traffic import DEFAULT_RATE, SMALL_RATE
from golive_sandbox.types import Json, JsonValue, dig, items, mapping, number, text
from selftests.harness import eventually
from selftests.sandboxes import Sandbox, cli

STABLE, RELEASE = "1.4.2", "1.5.0"


@pytest.fixture(scope="module", autouse=True)
def _busy(sandbox: Sandbox) -> Iterator[None]:
    """As much traffic as a user's sandbox has."""
    sandbox.ask("traffic", act="rate", rate=f"{DEFAULT_RATE:g}")
    yield
    sandbox.ask("traffic", act="rate", rate=f"{SMALL_RATE:g}")


def traffic(sandbox: Sandbox, act: str = "counts", **more: str) -> Json:
    return sandbox.ask("traffic", act=act, **more)


def failed(report: Json) -> dict[str, JsonValue]:
    """What was not answered with 200, by reason."""
    found = dict(mapping(report, "errors"))
    for row in items(report, "counts"):
        if number(row, "status") != 200:
            found[f"{number(row, 'status')} from {text(row, 'version')!r}"] = number(row, "count")
    return found


def counted(agreement: Json, source: str) -> dict[str, int]:
    sources = mapping(agreement, "sources", source)
    return {version: number(sources, version) for version in sources}


def test_the_default_world_has_enough_traffic_and_a_pause_stops_it(sandbox: Sandbox) -> None:
    began, first = time.monotonic(), number(traffic(sandbox), "sent")
    seen = eventually("traffic", lambda: traffic(sandbox), lambda now: number(now, "sent") > first + 600, seconds=10)
    assert number(seen, "sent") - first < 600 * (time.monotonic() - began + 1)
    assert {text(row, "route") for row in items(seen, "counts")} == {"invoke", "tools", "runs"}
    paused = traffic(sandbox, "pause")
    try:
        assert (paused["paused"], paused["in_flight"]) == (True, 0)
        answered = sum(number(row, "count") for row in items(paused, "counts"))
        assert (
            answered + sum(number(mapping(paused, "errors"), why) for why in mapping(paused, "errors"))
            == paused["sent"]
        )
        assert traffic(sandbox)["sent"] == paused["sent"]
    finally:
        assert traffic(sandbox, "resume")["paused"] is False


def test_a_world_asks_for_its_rate_and_a_wrong_one_is_refused(sandbox: Sandbox) -> None:
    sandbox.ask("create-world", world="slow", rate="5")
    try:
        assert traffic(sandbox, world="slow")["rate"] == 5.0
        assert traffic(sandbox, "rate", world="slow", rate="50")["rate"] == 50.0
        with pytest.raises(SandboxError, match=r"expected rate: a number from 0 to 20000; got 'much'"):
            traffic(sandbox, "rate", world="slow", rate="much")
        with pytest.raises(SandboxError, match="expected act: counts, pause, resume, rate; got 'jump'"):
            traffic(sandbox, "jump", world="slow")
    finally:
        sandbox.ask("delete-world", world="slow")


def test_status_tells_the_traffic_and_how_to_ask_oneself(sandbox: Sandbox) -> None:
    told = cli("status", "--dir", str(sandbox.folder.root)).stdout
    assert "traffic: 700 requests/s, " in told
    assert "curl -i -H 'Host: maestro.example.test' http://127.0.0.1:" in told


@pytest.mark.parametrize("weight", [25, *(pytest.param(weight, marks=pytest.mark.long) for weight in (10, 50, 100))])
def test_all_counters_agree_at_every_weight(sandbox: Sandbox, weight: int) -> None:
    sandbox.ask("break", fault=f"canary-at-{weight}")
    try:
        found = sandbox.ask("agreement", seconds="3")
    finally:
        sandbox.ask("heal", fault=f"canary-at-{weight}")
    assert number(found, "failed") == 0
    by_generator = counted(found, "generator")
    total = sum(by_generator.values())
    assert total > 900  # half of what was asked for: the machine may be busy
    for source in mapping(found, "sources"):
        assert counted(found, source) == by_generator, source
    share, expected = by_generator.get(RELEASE, 0) / total, weight / 100
    assert abs(share - expected) <= 5 * math.sqrt(expected * (1 - expected) / total)


def test_all_counters_agree_while_the_pods_of_an_aborted_release_end(sandbox: Sandbox) -> None:
    sandbox.ask("break", fault="canary-aborted")
    try:
        with ThreadPoolExecutor(1) as pool:
            measured = pool.submit(sandbox.ask, "agreement", seconds="8")
            eventually("its first reading", lambda: traffic(sandbox)["paused"], lambda now: now is True, seconds=10)
            eventually("the end of it", lambda: traffic(sandbox)["paused"], lambda now: now is False, seconds=20)
            sandbox.ask("heal", fault="canary-aborted")
            found = measured.result()
    finally:
        if sandbox.broken("maestro"):
            sandbox.ask("heal", fault="canary-aborted")
    for source in mapping(found, "sources"):
        assert counted(found, source) == counted(found, "generator"), source


def test_no_request_fails_while_a_release_is_walked_promoted_and_taken_back(sandbox: Sandbox) -> None:
    before = traffic(sandbox)
    for fault in ("release-promoted", "canary-aborted"):
        sandbox.ask("break", fault=fault)
        sandbox.ask("heal", fault=fault)
    after = traffic(sandbox)
    assert failed(after) == failed(before)
    versions = {text(row, "version") for row in items(after, "counts")}
    assert {STABLE, RELEASE} <= versions


def test_the_measurement_is_told_of_a_world_that_is_not_there(sandbox: Sandbox) -> None:
    with pytest.raises(SandboxError, match="expected a world of: maestro"):
        sandbox.ask("agreement", world="nobody")
    assert dig(sandbox.ask("status"), "address") is not None
