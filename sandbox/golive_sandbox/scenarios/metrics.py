"""Faults of what the servers say about themselves, and of who asks them; on and off return when Prometheus shows it."""

from __future__ import annotations

from functools import partial

from golive_sandbox.scenarios.fault import Fault
from golive_sandbox.types import Json, items, text
from golive_sandbox.world.behaviour import behave
from golive_sandbox.world.monitors import SERVER
from golive_sandbox.world.world import World

_UP = f'up{{job="{SERVER}"}}'
_COUNTED = f'count by (pod) (http_requests_total{{job="{SERVER}"}})'
_ANNOTATION = "prometheus.io/scrape"
_NOT_SCRAPED = "one-pod-not-scraped"


async def _ready(world: World) -> set[str]:
    return {one.name for one in await world.monitoring.look.servers() if one.ready}


async def _down(world: World) -> bool:
    """No scrape succeeds."""
    up = await world.monitoring.look.query(_UP)
    return all(up.get(name) == 0 for name in await _ready(world))


async def _uncounted(world: World) -> bool:
    """Scrapes succeed, and bring no counter of requests that is of now."""
    up, counted = await world.monitoring.look.query(_UP), await world.monitoring.look.query(_COUNTED)
    return all(up.get(name) == 1 and name not in counted for name in await _ready(world))


async def _counted(world: World) -> bool:
    return await _ready(world) <= (await world.monitoring.look.query(_COUNTED)).keys()


def _metrics(mode: str, summary: str, *, scraped: bool = False) -> Fault:
    """The servers' ``/metrics`` is ``mode``; ``scraped``: Prometheus takes it for a success."""

    async def on(world: World) -> None:
        await behave(world, metrics=mode)
        seen = partial(_uncounted if scraped else _down, world)
        await world.monitoring.until(f"metrics {mode} seen by Prometheus", seen)

    async def off(world: World) -> None:
        await behave(world, metrics=None)
        await world.monitoring.until("metrics seen by Prometheus", partial(_counted, world))

    return Fault(f"metrics-{mode}", summary, on, off, blinds=True)


async def _leave_out(world: World) -> None:
    """As somebody who looks into a pod does: annotate it by hand, and forget it."""
    name = min(await _ready(world))
    await annotate(world, name, "false")
    world.saved[_NOT_SCRAPED] = {"name": name}

    async def gone() -> bool:
        answer = await world.monitoring.look.prometheus("/api/v1/targets", state="active", scrapePool=SERVER)
        return name not in {text(one, "labels", "pod") for one in items(answer, "data", "activeTargets")}

    await world.monitoring.until(f"{name} is no target", gone)


async def _take_in(world: World) -> None:
    await annotate(world, text(world.saved.pop(_NOT_SCRAPED), "name"), None)


async def annotate(world: World, pod: str, value: str | None) -> None:
    """Set whether Prometheus may scrape a pod; ``None``: it says nothing of that."""
    body: Json = {"metadata": {"annotations": {_ANNOTATION: value}}}
    await world.api.patch(world.path("pods", pod), body)


FAULTS = (
    _metrics("empty", "the servers' /metrics answers 200 with nothing in it", scraped=True),
    _metrics("malformed", "the servers' /metrics answers 200 with lines that are no metrics"),
    _metrics("no-slo", "the servers' /metrics lacks the series of requests and durations", scraped=True),
    _metrics("error", "the servers' /metrics answers 500"),
    _metrics("html", "the servers' /metrics answers 200 with a page for people"),
    _metrics("cut", "the servers' /metrics ends in the middle of its answer"),
    _metrics("huge", "the servers' /metrics answers more than anybody should read"),
    _metrics("slow", "the servers' /metrics takes longer than anybody should wait"),
    _metrics("old", "the servers' /metrics carries samples of ten minutes ago", scraped=True),
    Fault(
        _NOT_SCRAPED,
        "one pod serves, and is annotated so that Prometheus leaves it out",
        _leave_out,
        _take_in,
        blinds=True,
    ),
)
