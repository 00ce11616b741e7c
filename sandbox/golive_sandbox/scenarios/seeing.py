"""Faults of what sees the release while it is under way: Prometheus gone, lagging, doubled; its rules; the analyses."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from golive_sandbox import waiting
from golive_sandbox.scenarios.coming import release_servers, started
from golive_sandbox.scenarios.fault import Fault
from golive_sandbox.scenarios.metrics import annotate
from golive_sandbox.scenarios.monitoring import Seen, edited, lead
from golive_sandbox.types import Json, JsonValue, items, mapping, text
from golive_sandbox.world import judges, monitors, paths
from golive_sandbox.world.monitoring import Edit, File, Monitoring
from golive_sandbox.world.monitors import PROMETHEUS, PROMETHEUS_PORT, SERVER
from golive_sandbox.world.world import World

GONE_SECONDS = 4.0
"""Well within ``rollback.blind_limit_seconds`` of a world's ``golive.toml``."""
FLAPPING = "MaestroErrorBudgetBurnFast"
_FLAP_SECONDS = 3
_RECORDS = "maestro-slo-records"
_REPLICA, _REPLICA_INTERVAL = f"{PROMETHEUS}-second", "20s"
TURN_SECONDS = 2.0
"""How long each of two replicas answers. Argo asks again 10 s after an error, and so finds the other one."""
_LAG_INTERVAL = "30s"
_JUDGE = "maestro-error-ratio"


async def _lead_nowhere(world: World) -> None:
    """The Service selects nobody: whoever asks there gets no answer, and Prometheus goes on scraping."""
    own = world.monitoring
    await own.apply(monitors.service(own.namespace, PROMETHEUS, PROMETHEUS_PORT, "nobody"))

    async def led() -> bool:
        return not await own.look.endpoints(PROMETHEUS)

    await own.until("nobody behind the Service", led)


async def _lead_back(world: World) -> None:
    await lead(world.monitoring, PROMETHEUS)


async def _lead_back_soon(world: World) -> None:
    await waiting.pause(GONE_SECONDS)
    await _lead_back(world)


async def _restart(world: World) -> None:
    """Delete its pod: the next one begins with an empty disk."""
    own = world.monitoring
    before = {one.name for one in await own.look.pods(PROMETHEUS)}
    for name in before:
        await world.api.delete(f"/api/v1/namespaces/{own.namespace}/pods/{name}")

    async def another() -> bool:
        return any(one.ready and one.name not in before for one in await own.look.pods(PROMETHEUS))

    await own.until("another pod of Prometheus", another)


async def _nothing(_: World) -> None:
    """It has come back by itself."""


def _scraping_every(interval: str, config: Json) -> Json:
    """The servers are asked so rarely that samples are old when they are read."""
    scrapes: list[JsonValue] = [
        {**one, "scrape_interval": interval} if one.get("job_name") == SERVER else one
        for one in items(config, "scrape_configs")
    ]
    return {**config, "scrape_configs": scrapes}


async def _scrapes_rarely(own: Monitoring) -> bool:
    return f"scrape_interval: {_LAG_INTERVAL}" in text(
        await own.look.prometheus("/api/v1/status/config"), "data", "yaml"
    )


def _replica(world: World) -> list[Json]:
    """A second Prometheus, which asks the servers rarely: what it says is old."""
    own = world.monitoring.namespace
    config = _scraping_every(_REPLICA_INTERVAL, monitors.prometheus_config(world.namespace))
    deployment = monitors.prometheus(own, name=_REPLICA)
    for volume in items(deployment, "spec", "template", "spec", "volumes"):
        if volume.get("name") == "config":
            volume["configMap"] = {"name": _REPLICA}
    return [monitors.config_map(_REPLICA, own, File.PROMETHEUS.value[1], config), deployment]


async def _double(world: World) -> None:
    await world.monitoring.apply(*_replica(world))
    await world.monitoring.until_rolled_out(_REPLICA, 1)
    await lead(world.monitoring, _REPLICA)


async def _take_turns(world: World) -> None:
    """The Service leads to one after the other; were both behind it, chance would decide who answers how often."""
    while True:
        for selected in (_REPLICA, PROMETHEUS):
            await lead(world.monitoring, selected)
            await waiting.pause(TURN_SECONDS)


async def _single(world: World) -> None:
    await _lead_back(world)
    await world.monitoring.remove(*_replica(world))
    await world.monitoring.until_no_pod(_REPLICA)


def _flapping(rules: Json) -> Json:
    """The fast burn's alert fires and resolves, again and again."""
    for group in items(rules, "groups"):
        for rule in items(group, "rules"):
            if rule.get("alert") == FLAPPING:
                every = 2 * _FLAP_SECONDS
                now = f"vector(time() % {every}) < {_FLAP_SECONDS}"
                rule["expr"] = f'sum by (namespace) (up{{job="{SERVER}"}}) and on () ({now})'
    return rules


async def _flaps(own: Monitoring) -> bool:
    return any("vector(time()" in text(one, "query") for one in await own.look.rules())


def _records_stop(rules: Json) -> Json:
    for group in items(rules, "groups"):
        if group.get("name") == _RECORDS:
            group["interval"] = "10y"
    return rules


async def _records_stopped(own: Monitoring) -> bool:
    return any(
        text(one, "name").startswith("maestro:") and one.get("health") == "unknown" for one in await own.look.rules()
    )


def _told(name: str, summary: str, file: File, change: Edit, seen: Seen) -> Fault:
    """Prometheus reads a changed file, and does not say that anything is wrong: healed is what is ``seen`` no more."""
    broken = edited(name, summary, file, change, seen, PROMETHEUS)

    async def off(world: World) -> None:
        own = world.monitoring
        await own.edit(file, name, None)

        async def unseen() -> bool:
            return not await seen(own)

        await own.until(f"no more: {summary}", unseen, PROMETHEUS)

    return replace(broken, off=off)


async def _leave_canary_out(world: World) -> None:
    for pod in await release_servers(world):
        await annotate(world, pod.name, "false")


async def _go_on_leaving_out(world: World) -> None:
    async for pod in started(world):
        await annotate(world, text(pod, "metadata", "name"), "false")


async def _take_canary_in(world: World) -> None:
    for pod in await release_servers(world):
        await annotate(world, pod.name, None)


async def _inconclusive(world: World) -> None:
    """Neither a success nor a failure: what there is to be measured, over -1, is between the two conditions."""
    template = next(one for one in _analyses(world) if text(one, "metadata", "name") == _JUDGE)
    for metric in items(mapping(template, "spec"), "metrics"):
        metric["successCondition"], metric["failureCondition"] = "result[0] < -1", "result[0] > 1"
    await paths.apply(world.api, [template], world.namespace)


def _analyses(world: World) -> list[Json]:
    return judges.analyses(monitors.address(world.namespace))


async def _conclusive(world: World) -> None:
    await paths.apply(world.api, _analyses(world), world.namespace)


FAULTS = (
    Fault(
        "prometheus-gone-short",
        f"nobody is behind Prometheus' Service for {GONE_SECONDS:g} s",
        _lead_nowhere,
        _lead_back,
        blinds=True,
        during=_lead_back_soon,
    ),
    Fault("prometheus-gone-long", "nobody is behind Prometheus' Service", _lead_nowhere, _lead_back, blinds=True),
    Fault(
        "prometheus-restarted",
        "Prometheus' pod is deleted: the next one has nothing of what was before",
        _restart,
        _nothing,
    ),
    _told(
        "prometheus-lags",
        f"Prometheus asks the servers every {_LAG_INTERVAL} only: its samples are old",
        File.PROMETHEUS,
        partial(_scraping_every, _LAG_INTERVAL),
        _scrapes_rarely,
    ),
    Fault(
        "prometheus-stale-replica",
        f"of two replicas of Prometheus, each of which answers for {TURN_SECONDS:g} s in turn, one asks the servers "
        f"every {_REPLICA_INTERVAL} only",
        _double,
        _single,
        blinds=True,
        during=_take_turns,
    ),
    _told(
        "recording-rule-stopped",
        "the recording rules are not evaluated any more",
        File.RULES,
        _records_stop,
        _records_stopped,
    ),
    _told(
        "alert-flaps",
        f"alert {FLAPPING} fires and resolves every {2 * _FLAP_SECONDS} s",
        File.RULES,
        _flapping,
        _flaps,
    ),
    Fault(
        "canary-series-missing",
        "the release's pods serve, and are annotated so that Prometheus leaves them out",
        _leave_canary_out,
        _take_canary_in,
        blinds=True,
        during=_go_on_leaving_out,
    ),
    Fault(
        "analysis-inconclusive",
        f"Argo's analysis {_JUDGE} is neither a success nor a failure",
        _inconclusive,
        _conclusive,
    ),
)
