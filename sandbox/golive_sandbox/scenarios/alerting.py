"""Faults of the pair of Alertmanagers."""

from __future__ import annotations

from collections.abc import Sequence

from golive_sandbox.scenarios.fault import Fault
from golive_sandbox.scenarios.monitoring import NOBODY, edited, restored, scaled
from golive_sandbox.types import Json, items, mapping
from golive_sandbox.world import monitors
from golive_sandbox.world.monitoring import Edit, File, Monitoring
from golive_sandbox.world.monitors import ALERTMANAGER, ALERTMANAGER_PORT
from golive_sandbox.world.world import World

_PAIR = monitors.PAIR_NAMES
_SECOND = _PAIR[1]


async def _pages(world: World) -> None:
    """In the place of both Alertmanagers, something answers with a page for people."""
    own = world.monitoring
    for name in _PAIR:
        await own.apply(monitors.front(own.namespace, name, ALERTMANAGER, ALERTMANAGER_PORT, "html"))
    for name in _PAIR:
        await own.until_rolled_out(name, 1)


def _routing(name: str, summary: str, change: Edit, told: Sequence[str] = _PAIR) -> Fault:
    """Those ``told`` route otherwise than they did, the others as before."""

    async def seen(own: Monitoring) -> bool:
        now = await own.look.routings()
        return len(now) == len(_PAIR) and all(
            (routing != own.look.routing) is pod.startswith(tuple(told)) for pod, routing in now.items()
        )

    return edited(name, summary, File.ROUTING, change, seen, told[0] if len(told) == 1 else ALERTMANAGER)


def _without_routes(config: Json) -> Json:
    mapping(config, "route")["routes"] = []
    return config


def _with_earlier_route(config: Json) -> Json:
    route = mapping(config, "route")
    earlier: Json = {"receiver": "default", "matchers": ['severity = "warning"']}
    route["routes"] = [earlier, *items(route, "routes")]
    return config


def _with_webhook(config: Json) -> Json:
    hook: Json = {"url": f"{NOBODY}/hook"}
    for receiver in items(config, "receivers"):
        if receiver.pop("pagerduty_configs", None):
            receiver["webhook_configs"] = [hook]
    return config


FAULTS = (
    scaled("alertmanager-one-down", "one of two Alertmanagers is scaled to nothing", _SECOND),
    scaled("alertmanager-down", "both Alertmanagers are scaled to nothing", *_PAIR),
    _routing("alertmanager-route-missing", "no route of Alertmanager leads to PagerDuty", _without_routes),
    _routing(
        "alertmanager-route-shadowed",
        "an earlier route of Alertmanager takes what should go to PagerDuty",
        _with_earlier_route,
    ),
    _routing(
        "alertmanager-receiver-without-pagerduty",
        "Alertmanager's receiver named pagerduty calls a webhook",
        _with_webhook,
    ),
    _routing(
        "alertmanager-pair-differs",
        "one of two Alertmanagers has read a configuration without a route to PagerDuty, the other has not",
        _without_routes,
        (_SECOND,),
    ),
    Fault(
        "alertmanager-html",
        "a login page with status 200 stands where the Alertmanagers were",
        _pages,
        restored,
        blinds=True,
    ),
)
