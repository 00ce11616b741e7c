"""What the suite's user may do in a world, and nothing else: ``deploy/argo/role-golive.yaml``, fitted to that world.

Compare ``golive plan``, which prints what the criteria need.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import yaml

from golive_sandbox.errors import SandboxError
from golive_sandbox.types import Json, JsonValue, dig, items, mapping, text
from golive_sandbox.world.monitors import namespace_of
from golive_sandbox.world.release import deploy_folder

ARGO_NAMESPACE, GITOPS_NAMESPACE = "argo-rollouts", "argocd"
ROLE = "golive-driver"
_FILE = "argo/role-golive.yaml"
_RELEASE, _MONITORING = "maestro", "monitoring"
"""Namespaces as the file has them; those of Argo Rollouts and Argo CD are the same in a sandbox."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of a Role."""

    group: str
    resources: tuple[str, ...]
    verbs: tuple[str, ...]
    names: tuple[str, ...] = ()
    """Only these objects; empty: all."""

    def render(self) -> Json:
        """As the API has it."""
        rule: Json = {"apiGroups": [self.group], "resources": list(self.resources), "verbs": list(self.verbs)}
        return {**rule, "resourceNames": list(self.names)} if self.names else rule


def in_namespace() -> tuple[Rule, ...]:
    """The release's own namespace: look at everything that takes part, change the rollout and the run's Lease."""
    for item in _file():
        if (text(item, "kind"), text(item, "metadata", "namespace")) == ("Role", _RELEASE):
            return tuple(_rule(one) for one in items(item, "rules"))
    raise SandboxError(f"deploy/{_FILE}: expected a Role in namespace {_RELEASE}, found none")


def _rule(found: Json) -> Rule:
    groups, resources, verbs, names = (
        _strings(found, key) for key in ("apiGroups", "resources", "verbs", "resourceNames")
    )
    if len(groups) != 1:
        raise SandboxError(f"deploy/{_FILE}: expected rules of one API group each, found {', '.join(groups)}")
    return Rule(groups[0], resources, verbs, names)


def _strings(found: Json, key: str) -> tuple[str, ...]:
    values = dig(found, key)
    return tuple(str(one) for one in values) if isinstance(values, list) else ()


@functools.cache
def _text() -> str:
    return deploy_folder().joinpath(_FILE).read_text(encoding="utf-8")


def _file() -> list[Json]:
    return [item for item in yaml.safe_load_all(_text()) if item]


def without(rules: Sequence[Rule], resource: str, verbs: Sequence[str]) -> tuple[Rule, ...]:
    """The same rules, but ``verbs`` on ``resource`` are not in them."""
    found: list[Rule] = []
    for rule in rules:
        if resource not in rule.resources:
            found.append(rule)
            continue
        others = tuple(one for one in rule.resources if one != resource)
        left = tuple(verb for verb in rule.verbs if verb not in verbs)
        if others:
            found.append(replace(rule, resources=others))
        if left:
            found.append(replace(rule, resources=(resource,), verbs=left))
    return tuple(found)


Narrow = Callable[[tuple[Rule, ...]], tuple[Rule, ...]]
"""What a fault does to the rules of the release's own namespace."""


def objects(namespace: str, user: str, rules: Sequence[Rule]) -> list[Json]:
    """All Roles, ClusterRoles and bindings of ``user``; ``rules`` are those of its namespace."""
    return [_fitted(item, namespace, user, rules) for item in _file()]


def _fitted(item: Json, namespace: str, user: str, rules: Sequence[Rule]) -> Json:
    place, metadata = text(item, "metadata", "namespace"), mapping(item, "metadata")
    if place in (_RELEASE, _MONITORING):
        metadata["namespace"] = namespace if place == _RELEASE else namespace_of(namespace)
    else:
        # Several worlds have theirs there.
        metadata["name"] = f"{ROLE}-{namespace}"
    if "roleRef" in item:
        mapping(item, "roleRef")["name"] = metadata["name"]
        item["subjects"] = [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}]
    elif place == _RELEASE:
        item["rules"] = [rule.render() for rule in rules]
    else:
        for rule in items(item, "rules"):
            _name_the_world(rule, namespace)
    return item


def _name_the_world(rule: Json, namespace: str) -> None:
    if (names := _strings(rule, "resourceNames")) and _strings(rule, "resources") == ("namespaces",):
        found: list[JsonValue] = [namespace if one == _RELEASE else one for one in names]
        rule["resourceNames"] = found
