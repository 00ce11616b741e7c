"""The ``golive.toml`` of a world, as a release driver would have written it for a real cluster."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from golive_sandbox.api import FIELD_MANAGER
from golive_sandbox.kubeconfig import CLUSTER
from golive_sandbox.registry import evidence
from golive_sandbox.world import monitors
from golive_sandbox.world.judges import HEARTBEAT
from golive_sandbox.world.paths import PIPELINE
from golive_sandbox.world.release import Release
from golive_sandbox.world.rights import ARGO_NAMESPACE

KUBECONFIG, MANIFEST, SETTINGS = "driver.kubeconfig", "rollout-maestro.yaml", "golive.toml"
"""The files' names in a world's folder."""
TRUSTED_ROOT = "trusted_root.json"
"""Beside them: what a verifier has to trust, since the images' signatures are not of the public Sigstore."""

CRITICAL_ROUTES = tuple(f"/api/maestro/v1/{name}" for name in ("invoke", "tools", "runs"))
_MANAGERS = ("kubectl", "kubectl-client-side-apply", "kubectl-create", "kubectl-replace", PIPELINE, FIELD_MANAGER)
_PEOPLE = MappingProxyType(
    {
        "release_driver": "Robin Castillo",
        "sre": "Sanne de Wit",
        "app_on_call": "Amara Okafor",
        "secops": "Jonas Lindqvist",
        "data": "Priya Raman",
        "stakeholder_comms": "Mei Tanaka",
        "approver": "Alex Moreau",
    }
)


@dataclass(frozen=True, slots=True)
class Settings:
    """What the file says that differs between worlds, or that a fault changes."""

    cluster_uid: str
    namespace: str
    release: Release
    people: Mapping[str, str] = field(default_factory=lambda: _PEOPLE)
    """Role and name; an empty name is a role that nobody fills."""
    managers: tuple[str, ...] = _MANAGERS
    """Whose fields the release may take over."""

    def with_person(self, role: str, name: str) -> Settings:
        """The same with another person in one role."""
        return replace(self, people={**self.people, role: name})

    def with_manager(self, name: str) -> Settings:
        """The same with one more whose fields the release may take over."""
        return replace(self, managers=(*self.managers, name))

    def render(self) -> str:
        """The file's text."""
        return self._what() + self._signed() + self._observed() + self._limits() + self._walk() + self._people()

    def _what(self) -> str:
        return f"""\
# Written by golive-sandbox for the world in namespace {self.namespace}; written anew at every start and by every fault.
# The file for a real cluster looks the same: copy golive.example.toml.

# A failed p0 takes traffic back. There is no default: somebody has to decide it.
armed = true

[target]
# The least-privilege user of the suite, not the administrator (that is the file `kubeconfig` of the sandbox).
kubeconfig = {_quoted(KUBECONFIG)}
context = {_quoted(CLUSTER)}
cluster = {_quoted(CLUSTER)}
# The cluster's identity: UID of namespace kube-system. Another cluster is refused before the first write.
cluster_uid = {_quoted(self.cluster_uid)}
namespace = {_quoted(self.namespace)}
rollout = "maestro-server"
request_seconds = 5.0
# Nobody shares this API server; production keeps the default of 10.
requests_per_second = 50.0

[release]
image = {_quoted(self.release.repository)}
tag = {_quoted(self.release.tag)}
digest = {_quoted(self.release.digest)}
revision = {_quoted(self.release.revision)}
# The reviewed manifest, a copy of deploy/argo/rollout-maestro.yaml.
manifest = {_quoted(MANIFEST)}

[services]
stable = "maestro-server"
canary = "maestro-server-canary"
ingress = "maestro-server"

"""

    def _signed(self) -> str:
        run = evidence.workflow(self.release.tag)
        return f"""\
# Who may sign the release: this workflow, for this tag (the images are a made-up company's, built nowhere).
[supply_chain]
repository = {_quoted(run.repository)}
workflow = {_quoted(run.file)}

[supply_chain.trust]
# The sandbox's own Sigstore; production keeps the default, the public one.
mode = "file"
file = {_quoted(TRUSTED_ROOT)}

"""

    def _observed(self) -> str:
        return f"""\
# How long one request may take: everything is on this machine. Production keeps the default of 10.
[registry]
request_seconds = 2.0

[metrics]
critical_routes = {json.dumps(CRITICAL_ROUTES)}

[prometheus]
namespace = {_quoted(monitors.namespace_of(self.namespace))}
rules = {json.dumps(monitors.alert_names(), indent=4)}
request_seconds = 2.0

[alertmanager]
namespace = {_quoted(monitors.namespace_of(self.namespace))}
replicas = {len(monitors.PAIR)}
request_seconds = 2.0

"""

    def _limits(self) -> str:
        return f"""\
[argo]
namespace = {_quoted(ARGO_NAMESPACE)}
selector = "app.kubernetes.io/name=argo-rollouts"

[rollback]
# A rollback takes less than a second here; production keeps the default of 120.
deadline_seconds = 10.0
settle_seconds = 1.0
# As long as the cluster itself waits here, see error-limit in the templates; production keeps the default of 300.
blind_limit_seconds = 10.0
driver_limit_seconds = 5.0
closing_seconds = 300.0

[slo]
# 4, 8, 16, 32, 64 s: without an error, 919 requests of the canary decide (5 % shared among five ends, limit 0.5 %),
# which at 10 % of a walk's 700 a second are there after 16 s. Production keeps the defaults.
max_window_seconds = 64.0
pass_chance = 0.05
fail_chance = 0.01

"""

    def _walk(self) -> str:
        return f"""\
[canary]
# Traffic is of a known kind and Argo's analysis takes seconds; production keeps the defaults.
window_seconds = 4.0
step_seconds = 15.0
# Three measurements, each after two errors at most, after each of which Argo waits for 10 s.
analysis_seconds = 70.0
look_seconds = 0.2
# Who may have created the Rollout, so that a release may take its fields over.
field_managers = {json.dumps(self.managers)}

[heartbeat]
template = {_quoted(HEARTBEAT)}
renew_seconds = 1.0
handover_seconds = 60.0

[record]
fresh_hours = 24.0

[report]
runbook_url = "https://wiki.example.com/maestro/go-live#section-{{section}}"

# Made-up people of a made-up company (example.com).
[people]
# Who drives the release does not approve it.
two_person = true
"""

    def _people(self) -> str:
        return "".join(
            f"{role} = {{name = {_quoted(name)}, contact = {_quoted(_contact(name))}}}\n"
            for role, name in self.people.items()
        )


def _contact(name: str) -> str:
    seen = "".join(one for one in name if one.isprintable())
    return f"mailto:{seen.lower().replace(' ', '.')}@example.com" if seen else ""


def _quoted(value: str) -> str:
    return json.dumps(value)  # a JSON string is a TOML basic string
