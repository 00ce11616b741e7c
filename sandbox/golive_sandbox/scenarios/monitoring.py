"""Faults of Prometheus and its rules."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TypeAlias

from golive_sandbox.scenarios.fault import Act, Fault
from golive_sandbox.types import Json, JsonValue, items, text
from golive_sandbox.world import monitors
from golive_sandbox.world.monitoring import Edit, File, Monitoring
from golive_sandbox.world.monitors import ALERTMANAGER, ALERTMANAGER_PORT, PROMETHEUS, PROMETHEUS_PORT, SERVER
from golive_sandbox.world.world import World

_FRONT, _ITSELF, _STORAGE = f"{PROMETHEUS}-front", f"{PROMETHEUS}-itself", "remote-storage"
_FAST, _FIRST, _ALERTS = "MaestroErrorBudgetBurnFast", "MaestroTargetDown", "maestro-slo-alerts"
_STALE = "rules-stale"
NOBODY = "http://127.0.0.1:9"  # the discard port: nobody listens
_LONG_AGO = 5.0  # seconds; five intervals
Seen: TypeAlias = Callable[[Monitoring], Awaitable[bool]]


def scaled(name: str, summary: str, *deployments: str) -> Fault:
    """These are scaled to nothing; Prometheus, where it is left, has noticed."""

    def to(replicas: int) -> Act:
        async def act(world: World) -> None:
            for deployment in deployments:
                await world.monitoring.scale(deployment, replicas)
            if PROMETHEUS not in deployments:
                await world.monitoring.until("Prometheus tells who is there", partial(_tells, world.monitoring))

        return act

    return Fault(name, summary, to(0), to(1), blinds=True)


async def _tells(own: Monitoring) -> bool:
    """Whether Prometheus sends alerts to the Alertmanagers that are there, and to no other."""
    told = items(await own.look.prometheus("/api/v1/alertmanagers"), "data", "activeAlertmanagers")
    there = {f"http://{one.address}:{ALERTMANAGER_PORT}/api/v2/alerts" for one in await own.look.pods(ALERTMANAGER)}
    return {text(one, "url") for one in told} == there


def _fronted(mode: str, summary: str) -> Fault:
    """Prometheus' Service leads to a front that misbehaves, see ``programs/front.py``."""

    def parts(own: str) -> Sequence[Json]:
        upstream = f"http://{_ITSELF}.{own}.svc:{PROMETHEUS_PORT}"
        return (
            monitors.service(own, _ITSELF, PROMETHEUS_PORT, PROMETHEUS),
            monitors.front(own, _FRONT, _FRONT, PROMETHEUS_PORT, mode, upstream),
        )

    async def on(world: World) -> None:
        await world.monitoring.apply(*parts(world.monitoring.namespace))
        await world.monitoring.until_rolled_out(_FRONT, 1)
        await lead(world.monitoring, _FRONT)

    async def off(world: World) -> None:
        await lead(world.monitoring, PROMETHEUS)
        await world.monitoring.remove(*parts(world.monitoring.namespace))
        await world.monitoring.until_no_pod(_FRONT)

    return Fault(f"{PROMETHEUS}-{mode}", summary, on, off, blinds=True)


async def lead(monitoring: Monitoring, selected: str) -> None:
    """Prometheus' Service leads to the pods named ``selected``, and nowhere else."""
    await monitoring.apply(monitors.service(monitoring.namespace, PROMETHEUS, PROMETHEUS_PORT, selected))

    async def led() -> bool:
        wanted = {one.address for one in await monitoring.look.pods(selected) if one.ready}
        return bool(wanted) and await monitoring.look.endpoints(PROMETHEUS) == wanted

    await monitoring.until(f"Service {PROMETHEUS} leads to {selected}", led)


async def _never_ready(world: World) -> None:
    """A change of Prometheus that does not get through: the new pod is never Ready, the old one stays."""
    own = world.monitoring
    await own.apply(monitors.prometheus(own.namespace, readiness="/-/no-such-page"))

    async def half() -> bool:
        return {one.ready for one in await own.look.pods(PROMETHEUS)} == {True, False}

    await own.until("a pod of Prometheus that is not Ready", half)


async def restored(world: World) -> None:
    """Everything that runs, as it was made."""
    await world.monitoring.restore()
    for name in (PROMETHEUS, *monitors.PAIR_NAMES):
        await world.monitoring.until_rolled_out(name, 1)


def edited(name: str, summary: str, file: File, change: Edit, seen: Seen, told: str) -> Fault:
    """A file is changed, the pods whose names begin with ``told`` have read it, and it is ``seen``."""

    async def on(world: World) -> None:
        await world.monitoring.edit(file, name, change)
        await world.monitoring.until(summary, partial(seen, world.monitoring), told)

    async def off(world: World) -> None:
        await world.monitoring.edit(file, name, None)

    return Fault(name, summary, on, off, blinds=True)


def _rules(name: str, summary: str, change: Edit, seen: Seen) -> Fault:
    return edited(name, summary, File.RULES, change, seen, PROMETHEUS)


def _without_fast(rules: Json) -> Json:
    for group in items(rules, "groups"):
        group["rules"] = [rule for rule in items(group, "rules") if rule.get("alert") != _FAST]
    return rules


async def _fast_is_gone(own: Monitoring) -> bool:
    names = {text(rule, "name") for rule in await own.look.rules()}
    return _FIRST in names and _FAST not in names


def _with_ambiguous_join(rules: Json) -> Json:
    """Joined on a label that several series share: many to many, which no evaluation can answer."""
    for group in items(rules, "groups"):
        for rule in items(group, "rules"):
            if rule.get("alert") == _FIRST:
                rule["expr"] = f'up{{job="{SERVER}"}} * on (namespace) up{{job="{SERVER}"}} == 0'
    return rules


async def _fails(own: Monitoring) -> bool:
    return any(text(rule, "name") == _FIRST and rule.get("health") == "err" for rule in await own.look.rules())


def _once_a_decade(rules: Json) -> Json:
    """A wrong unit in a group's interval: its first evaluation is years away."""
    for group in items(rules, "groups"):
        if group.get("name") == _ALERTS:
            group["interval"] = "10y"
    return rules


async def _never_evaluated(own: Monitoring) -> bool:
    alerts = [rule for rule in await own.look.rules() if text(rule, "name") in monitors.alert_names()]
    return all(rule.get("health") == "unknown" and text(rule, "lastEvaluation")[:4] == "0001" for rule in alerts)


def _reading(url: str, **more: JsonValue) -> Edit:
    """Prometheus asks a long-term store at ``url`` as well."""

    def change(config: Json) -> Json:
        return {**config, "remote_read": [{"url": url, "read_recent": True, **more}]}

    return change


async def _warns(own: Monitoring) -> bool:
    return bool((await own.look.prometheus("/api/v1/query", query="up")).get("warnings"))


def _store(own: str) -> Sequence[Json]:
    """A long-term store that takes connections and never answers."""
    return (
        monitors.service(own, _STORAGE, PROMETHEUS_PORT),
        monitors.front(own, _STORAGE, _STORAGE, PROMETHEUS_PORT, "silent"),
    )


async def _evaluation_hangs(world: World) -> None:
    """Queries for the servers' job, which are the rules', wait for the store; the rules stay as they were last."""
    own = world.monitoring
    await own.apply(*_store(own.namespace))
    await own.until_rolled_out(_STORAGE, 1)
    url = f"http://{_STORAGE}.{own.namespace}.svc:{PROMETHEUS_PORT}/api/v1/read"
    more: Json = {"remote_timeout": "1h", "required_matchers": {"job": SERVER}, "proxy_from_environment": True}
    await own.edit(File.PROMETHEUS, _STALE, _reading(url, **more))

    async def told() -> bool:
        return _STORAGE in text(await own.look.prometheus("/api/v1/status/config"), "data", "yaml")

    async def stale() -> bool:
        return all([_age(rule) > _LONG_AGO for rule in await own.look.rules()])

    await own.until("Prometheus reads from the store", told, PROMETHEUS)
    await own.until("the rules' last evaluation is long ago", stale)


async def _evaluation_goes_on(world: World) -> None:
    own = world.monitoring
    await own.edit(File.PROMETHEUS, _STALE, None)
    await own.remove(*_store(own.namespace))
    await own.until_no_pod(_STORAGE)


def _age(rule: Json) -> float:
    """Seconds since the last evaluation; Prometheus writes more digits than Python reads."""
    last = datetime.fromisoformat(text(rule, "lastEvaluation")[:19]).replace(tzinfo=UTC)
    return (datetime.now(UTC) - last).total_seconds()


def _to_nobody(config: Json) -> Json:
    return {key: value for key, value in config.items() if key != "alerting"}


async def _tells_nobody(own: Monitoring) -> bool:
    return not items(await own.look.prometheus("/api/v1/alertmanagers"), "data", "activeAlertmanagers")


FAULTS = (
    scaled("prometheus-down", "Prometheus is scaled to nothing", PROMETHEUS),
    Fault(
        "prometheus-pod-not-ready",
        "a change of Prometheus does not get through: its new pod is never Ready, the old one stays",
        _never_ready,
        restored,
        blinds=True,
    ),
    _fronted("not-ready", "Prometheus' /-/ready answers 503"),
    _fronted("slow", "Prometheus' answers take 20 seconds"),
    _fronted("html", "a login page with status 200 stands where Prometheus was"),
    _fronted("cut", "Prometheus' answers end in the middle"),
    _fronted("huge", "Prometheus' answers have 64 MiB"),
    _fronted("other-type", "Prometheus' answers hold another type than a vector"),
    edited(
        "prometheus-warnings",
        "Prometheus' answers are partial, and say so: its long-term store is dead",
        File.PROMETHEUS,
        _reading(f"{NOBODY}/api/v1/read"),
        _warns,
        PROMETHEUS,
    ),
    _rules("rule-missing", f"rule {_FAST} is not loaded", _without_fast, _fast_is_gone),
    _rules("rule-failing", f"rule {_FIRST} cannot be evaluated: many-to-many matching", _with_ambiguous_join, _fails),
    _rules(
        "rule-never-evaluated",
        "the alerts' group has an interval of ten years, and was never evaluated",
        _once_a_decade,
        _never_evaluated,
    ),
    edited(
        "prometheus-tells-nobody",
        "Prometheus evaluates its rules and has no Alertmanager to tell",
        File.PROMETHEUS,
        _to_nobody,
        _tells_nobody,
        PROMETHEUS,
    ),
    Fault(
        _STALE,
        "the rules' evaluation hangs on a store that does not answer: their last one is long ago",
        _evaluation_hangs,
        _evaluation_goes_on,
        blinds=True,
    ),
)
