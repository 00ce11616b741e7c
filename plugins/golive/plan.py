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
        name = f"rollout {target.namespace}/{target.rollout}"
        lines += [
            f"  abort: merge patch of {name} status",
            f"  restore: JSON patch of {name} spec.template, guarded by uid and generation",
        ]
        lines += [f"  needs: {need}" for need in _resolved(ratified.rollback_needs, settings)]
    return "\n".join([*lines, *not_built([row.id for row in ratified.not_implemented(stages)])]) + "\n"


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
    words = {"namespace": settings.target.namespace}
    for name, place in (("prometheus", settings.prometheus), ("alertmanager", settings.alertmanager)):
        through = place.url is None
        words |= {name: place.namespace if through else "", f"{name}_service": place.proxy_name if through else ""}
    found = (need.resolved(words) for need in needs)
    return tuple(dict.fromkeys(need for need in found if need is not None))
