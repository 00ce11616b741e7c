"""The plan: each criterion, what it reads, every write a run would make, and the permission each needs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from golive.config import Settings
from golive.criterion import Criterion, Need, Ratified, Stage
from golive.report import not_built


def plan(settings: Settings, ratified: Ratified, scope: Sequence[str]) -> str:
    """The plan of a run with this scope, as text. Nothing is contacted."""
    stages = [Stage(word) for word in scope]
    target, release = settings.target, settings.release
    lines = [
        f"plan for {release.image}:{release.tag} ({release.digest})",
        f"  on {target.cluster} ({target.cluster_uid}), namespace {target.namespace}, rollout {target.rollout}",
        f"  scope: {', '.join(stages)}; rollback: {'armed' if settings.armed else 'disarmed'}",
        "",
    ]
    for row in ratified.in_scope(stages):
        lines += _criterion(row, settings)
    lines += [
        "",
        "writes, only when a p0 fails while the release takes traffic:"
        if settings.armed
        else "writes: none (disarmed)",
    ]
    if settings.armed:
        lines += _rollback(settings)
        lines += [f"  needs: {need}" for need in _resolved(ratified.rollback_needs, settings)]
    return "\n".join([*lines, *not_built([row.id for row in ratified.not_implemented(stages)])]) + "\n"


def _rollback(settings: Settings) -> list[str]:
    target = settings.target
    name, lease = f"rollout {target.namespace}/{target.rollout}", f"lease {target.namespace}/{settings.lease}"
    return [
        f"  abort: JSON patch of {name} status, guarded by uid and generation",
        f"  unpause: JSON patch of {name} spec.paused, where somebody paused it",
        f"  restore: JSON patch of {name} spec.template, guarded by uid, generation and stable version",
        f"  promote fully, to the version before a promoted release: JSON patch of {name} status, guarded the same",
        "writes, while a canary of this release is under way:",
        f"  who drives: {lease}, created, renewed every {settings.heartbeat.renew_seconds:g} s, handed over, deleted",
    ]


def _criterion(row: Criterion, settings: Settings) -> list[str]:
    lines = [
        f"{row.id} ({row.gate}, {row.stage}, runbook {row.runbook}): {row.title}",
        f"  reads:  {row.reads or 'golive.toml'}",
    ]
    lines += [f"  writes: {write}" for write in row.writes] or ["  writes: nothing"]
    return [*lines, *(f"  needs:  {need}" for need in _resolved(row.needs, settings))]


def needs_of(ratified: Ratified, scope: Iterable[Stage], settings: Settings, *, armed: bool) -> tuple[Need, ...]:
    """Every permission that a run with this scope takes, each once."""
    needs = [need for row in ratified.in_scope(scope) for need in row.needs]
    secrets = [Need("get", "", "secrets", name=ref.secret) for ref in settings.secrets if ref.secret]
    return _resolved((*needs, *secrets, *(ratified.rollback_needs if armed else ())), settings)


def _resolved(needs: Iterable[Need], settings: Settings) -> tuple[Need, ...]:
    """Each once; what is only needed on the way through the API server is left out where another way is named."""
    words = {"namespace": settings.target.namespace, "lease": settings.lease}
    for name, place in (("prometheus", settings.prometheus), ("alertmanager", settings.alertmanager)):
        through = place.url is None
        words |= {name: place.namespace if through else "", f"{name}_service": place.proxy_name if through else ""}
    found = (need.resolved(words) for need in needs)
    return tuple(dict.fromkeys(need for need in found if need is not None))
