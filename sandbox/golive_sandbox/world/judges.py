"""What judges a release beside the suite, put into a world: Argo's analyses, the heartbeat and its account's token.

They are the files of ``deploy/argo``; times and addresses are arguments there, and only those are set here.
"""

from __future__ import annotations

from collections.abc import Mapping

import yaml

from golive_sandbox.errors import SandboxError
from golive_sandbox.plane import Plane
from golive_sandbox.types import Json, items, mapping, text
from golive_sandbox.world import paths
from golive_sandbox.world.release import deploy_folder

HEARTBEAT = "golive-heartbeat"
"""The name of the heartbeat's template, and of its account, Role and Secret."""
_ANALYSIS, _HEARTBEAT = "argo/analysis-maestro.yaml", "argo/heartbeat.yaml"
_TOKEN_SECONDS = 86_400
# Argo asks again 10 s after an error, whatever the interval: 1 is the blind limit of 10 s that golive.toml says here.
_ERRORS = "1"
# One more here: at 10 % of little traffic there may be no p95 of each route at the first look, nor at the second.
# The window is as short as traffic so small allows.
_TIMES = {"interval": "1s", "count": "3", "window": "10s", "error-limit": "2"}


async def apply(plane: Plane, namespace: str, prometheus: str) -> None:
    """Put all of them in place in ``namespace``, which is there; ``prometheus`` is its address. Can be repeated."""
    await paths.apply(plane.api, analyses(prometheus), namespace)
    await paths.apply(plane.api, heartbeat(plane.server, namespace), namespace)
    account = f"/api/v1/namespaces/{namespace}/serviceaccounts/{HEARTBEAT}"
    asked: Json = {"spec": {"expirationSeconds": _TOKEN_SECONDS}}
    token = text(await plane.api.create(f"{account}/token", asked), "status", "token")
    # In a cluster with that controller the Secret is filled in by itself.
    await plane.api.patch(f"/api/v1/namespaces/{namespace}/secrets/{HEARTBEAT}", {"stringData": {"token": token}})


def analyses(prometheus: str) -> list[Json]:
    """The AnalysisTemplates of the steps, with a sandbox's times."""
    return [_with_arguments(_ANALYSIS, item, {**_TIMES, "prometheus": prometheus}) for item in _objects(_ANALYSIS)]


def heartbeat(server: str, namespace: str) -> list[Json]:
    """The heartbeat's template, account, Role and an empty Secret; ``server`` is the API server's address."""
    found = _objects(_HEARTBEAT)
    values = {"interval": _TIMES["interval"], "error-limit": _ERRORS, "api-server": server}
    for item in found:
        if text(item, "kind") == "AnalysisTemplate":
            _with_arguments(_HEARTBEAT, item, values)
        for subject in items(item, "subjects"):
            subject["namespace"] = namespace
    return found


def _objects(file: str) -> list[Json]:
    return [item for item in yaml.safe_load_all(deploy_folder().joinpath(file).read_text(encoding="utf-8")) if item]


def _with_arguments(file: str, template: Json, values: Mapping[str, str]) -> Json:
    """Set arguments' values. Raises ``SandboxError`` for one that the template has not, or leaves to the Rollout."""
    given = {text(one, "name"): one for one in items(template, "spec", "args")}
    for name, value in values.items():
        if "value" not in given.get(name, {}):
            title = text(mapping(template, "metadata"), "name")
            raise SandboxError(f"deploy/{file}: expected argument {name} with a value in {title}, found none")
        given[name]["value"] = value
    return template
