"""What the suite's user may do in a world, and nothing else: one table, to be laid beside what the suite asks for.

Compare ``golive plan``, which prints what the criteria need.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from golive_sandbox.types import Json, JsonValue
from golive_sandbox.world.monitors import namespace_of

ARGO_NAMESPACE = "argo-rollouts"
ROLE = "golive-driver"
_READ = ("get", "list", "watch")
_CRDS = tuple(f"{kind}.argoproj.io" for kind in ("rollouts", "analysisruns", "analysistemplates"))


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


IN_NAMESPACE: tuple[Rule, ...] = (
    Rule("", ("pods", "services", "endpoints"), _READ),
    Rule("", ("pods/log",), ("get",)),
    Rule("", ("pods/proxy", "services/proxy"), ("get",)),
    Rule("", ("pods/portforward",), ("get", "create")),
    Rule("", ("services",), ("create", "patch")),
    Rule("discovery.k8s.io", ("endpointslices",), _READ),
    Rule("apps", ("replicasets",), _READ),
    Rule("networking.k8s.io", ("ingresses",), (*_READ, "create", "patch")),
    Rule("argoproj.io", ("rollouts", "analysisruns", "analysistemplates"), _READ),
    Rule("argoproj.io", ("rollouts",), ("create", "patch")),
    Rule("argoproj.io", ("rollouts/status",), ("patch",)),
)
"""The release's own namespace: look at everything that takes part, change the rollout and what the manifest holds."""

IN_ARGO_NAMESPACE: tuple[Rule, ...] = (
    Rule("", ("pods",), ("get", "list")),
    Rule("apps", ("deployments",), ("get", "list")),
)
"""The controller's namespace: is it alive, and which version?"""


IN_MONITORING: tuple[Rule, ...] = (
    Rule("", ("pods",), ("get", "list")),
    Rule("", ("services",), ("get",)),
    Rule("", ("services/proxy",), ("get", "create")),
    Rule("", ("pods/proxy",), ("get",)),
    Rule("", ("pods/portforward",), ("get", "create")),
)
"""Where Prometheus and Alertmanager run: ask them, and change nothing."""


def in_cluster(namespace: str) -> tuple[Rule, ...]:
    """Cluster-wide: the cluster's identity, the one namespace, Argo's CRDs; each by name."""
    return (
        Rule("", ("namespaces",), ("get",), ("kube-system", namespace)),
        Rule("apiextensions.k8s.io", ("customresourcedefinitions",), ("get",), _CRDS),
    )


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
    everywhere = f"{ROLE}-{namespace}"
    return [
        *_role("Role", ROLE, namespace, rules, user),
        *_role("Role", everywhere, ARGO_NAMESPACE, IN_ARGO_NAMESPACE, user),
        *_role("Role", ROLE, namespace_of(namespace), IN_MONITORING, user),
        *_role("ClusterRole", everywhere, None, in_cluster(namespace), user),
    ]


def _role(kind: str, name: str, namespace: str | None, rules: Sequence[Rule], user: str) -> list[Json]:
    group = "rbac.authorization.k8s.io"
    metadata: Json = {"name": name, "namespace": namespace} if namespace else {"name": name}
    rendered: list[JsonValue] = [rule.render() for rule in rules]
    role: Json = {"apiVersion": f"{group}/v1", "kind": kind, "metadata": metadata, "rules": rendered}
    binding: Json = {
        "apiVersion": f"{group}/v1",
        "kind": f"{kind}Binding",
        "metadata": metadata,
        "roleRef": {"apiGroup": group, "kind": kind, "name": name},
        "subjects": [{"apiGroup": group, "kind": "User", "name": user}],
    }
    return [role, binding]
