"""Faults that a release's SLOs are about: errors, latency, burn and traffic; and the noise that is none of them."""

from __future__ import annotations

from golive_sandbox import waiting
from golive_sandbox.errors import SandboxError
from golive_sandbox.programs.behaviour import RUNS, TOOLS
from golive_sandbox.scenarios.coming import is_release, release_servers, tell, told
from golive_sandbox.scenarios.fault import Act, Fault
from golive_sandbox.traffic import Traffic
from golive_sandbox.types import dig, text
from golive_sandbox.world.behaviour import behave_pods, servers
from golive_sandbox.world.inside import PodAt
from golive_sandbox.world.monitors import SERVER
from golive_sandbox.world.rollout import NAME
from golive_sandbox.world.world import World

SLOW_MS, LEAK_MS = 3000.0, 300.0
"""Over the first bucket's edge past the limit of 1.5 s, 2.5 s: between 1 and 2.5 s a histogram leaves open what is so.

And what takes a route over it within ten seconds.
"""
LITTLE = 20.0
"""Requests a second of which a canary gets too few to be judged."""
_BURST_AFTER, _BURST_SECONDS, _BURST_RATIO = 4.0, 2.0, 0.5
_STABLE_BURNS, _BURNING = "stable-burns", 0.2
_MISSED, _SECONDS = "missed-scrape", 30.0


async def _nothing(_: World) -> None:
    """There is nothing to do at once, or to take back."""


async def _burst(world: World) -> None:
    """When the window is nearly over: a fixed one is mostly good."""
    await waiting.pause(_BURST_AFTER)
    await tell(world, {"error_ratio": _BURST_RATIO})
    await waiting.pause(_BURST_SECONDS)
    await tell(world, {"error_ratio": None})


async def _well(world: World) -> None:
    await tell(world, {"error_ratio": None})


async def _stable(world: World) -> list[PodAt]:
    ours = {one.name for one in await release_servers(world)}
    return [one for one in await servers(world.api, world.namespace) if one.name not in ours]


async def _stable_burns(world: World) -> None:
    await behave_pods(await _stable(world), {"error_ratio": _BURNING})


async def _all_well(world: World) -> None:
    await tell(world, {"error_ratio": None}, release=False)


def _traffic(world: World) -> Traffic:
    if world.traffic is None:
        raise SandboxError(f"expected clients of world {world.namespace}, found none yet: wait until it is up")
    return world.traffic


def _paced(name: str, summary: str, rate: float) -> Fault:
    """The clients ask ``rate`` times a second."""

    async def on(world: World) -> None:
        world.saved[name] = {"rate": (await _traffic(world).counts()).rate}
        await _traffic(world).set_rate(rate)

    async def off(world: World) -> None:
        before = dig(world.saved.pop(name), "rate")
        await _traffic(world).set_rate(float(before) if isinstance(before, int | float) else LITTLE)

    return Fault(name, summary, on, off)


async def _miss_a_scrape(world: World) -> None:
    """One pod's ``/metrics`` answers 500 until Prometheus has noticed; the release's, where there is one."""
    pods = await release_servers(world) or await servers(world.api, world.namespace)
    chosen = min(pods, key=lambda one: one.name)
    await behave_pods([chosen], {"metrics": "error"})

    async def noticed() -> bool:
        up = await world.monitoring.look.query(f'up{{job="{SERVER}"}}')
        return up.get(chosen.name) == 0

    try:
        await waiting.wait_for("a scrape that failed", noticed, bool, deadline=_SECONDS)
    finally:
        await behave_pods([chosen], {"metrics": None})


async def _reschedule(world: World) -> None:
    """Delete a pod of the release where another can take its place, else one of the stable version."""
    path = f"/api/v1/namespaces/{world.namespace}/pods"
    pods = await world.api.list(path, labelSelector=f"app.kubernetes.io/name={NAME}")
    ours = [text(one, "metadata", "name") for one in pods if is_release(world, one)]
    others = [text(one, "metadata", "name") for one in pods if not is_release(world, one)]
    chosen = min(ours if len(ours) > 1 else others or ours)
    await world.api.delete(f"{path}/{chosen}")

    async def left() -> bool:
        return chosen not in {one.name for one in await servers(world.api, world.namespace)}

    await waiting.wait_for(f"{chosen} ends", left, bool, deadline=_SECONDS)


async def _settled(world: World) -> None:
    await world.rollout.until_settled()


def _noise(name: str, summary: str, on: Act, off: Act = _nothing) -> Fault:
    return Fault(name, summary, on, off)


FAULTS = (
    told("errors-04", "the release's pods answer 0.4 % of all requests with 500: within the limit", error_ratio=0.004),
    told("errors-2", "the release's pods answer 2 % of all requests with 500", error_ratio=0.02),
    told(
        "errors-on-one-route",
        f"the release's pods answer a tenth of {RUNS} with 500, and nothing else",
        error_ratio_by_route={RUNS: 0.1},
    ),
    told(
        "latency-on-one-route",
        f"the release's pods take {SLOW_MS / 1000:g} s for {TOOLS}, and for nothing else",
        delay_ms_by_route={TOOLS: SLOW_MS},
    ),
    told("latency-in-canary", f"the release's pods take {SLOW_MS / 1000:g} s for everything", delay_ms=SLOW_MS),
    told(
        "slow-leak",
        f"the release's pods take {LEAK_MS:g} ms longer with every second that they run",
        leak_ms_per_second=LEAK_MS,
    ),
    Fault(
        "late-burst",
        f"{_BURST_AFTER:g} s later the release's pods answer half with 500, for {_BURST_SECONDS:g} s",
        _nothing,
        _well,
        during=_burst,
    ),
    told("burn-accelerates", "all pods, old and new, answer 20 % with 500", release=False, error_ratio=0.2),
    Fault(
        _STABLE_BURNS,
        f"the stable version's pods answer {_BURNING:.0%} with 500, the release's none",
        _stable_burns,
        _all_well,
    ),
    _paced("no-traffic", "no client asks any more", 0.0),
    _paced("little-traffic", f"the clients ask {LITTLE:g} times a second", LITTLE),
)
"""Of these ``errors-04`` is within the limit, and may not be condemned."""
NOISE = (
    _noise(_MISSED, "one scrape of one pod fails", _miss_a_scrape),
    _noise("pod-rescheduled", "a pod is deleted, and another takes its place", _reschedule, _settled),
    told("errors-03", "all pods answer 0.3 % with 500: within the limit", release=False, error_ratio=0.003),
)
"""What happens to any healthy release."""
