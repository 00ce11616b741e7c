"""``golive.toml``, the file the user owns, as frozen typed settings.

Every problem is one line that names the key, what was expected and what was found (exit 4). Secrets never stand in the
file: they come from the environment (``{env = "NAME"}``) or from a Kubernetes Secret
(``{secret = "NAME", key = "KEY"}``), and what was resolved cannot be printed.
"""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError, model_validator

from golive.errors import ConfigError
from golive.fields import DIGEST, IMAGE, SELECTOR, TAG, UID, URL, DnsName, Part, SecretRef, shaped
from golive.misread import line_of, unprintable, written_secrets
from golive.servers import Alertmanager, GitHub, Metrics, Platform, Prometheus, Registry
from golive.slo_settings import Slo
from golive.supply_settings import SupplyChain
from golive.walk_settings import Canary, GitOps, Heartbeat


class Target(Part):
    """The one cluster, namespace and Rollout this file is about (runbook section 0)."""

    kubeconfig: str | None = None
    """Path, relative to this file; "in-cluster" for a pod's own account. Default: $KUBECONFIG, then ~/.kube/config."""
    context: str | None = None
    """Context inside the kubeconfig. Default: its current context, taken once at the start."""
    cluster: Annotated[str, Field(min_length=1)]
    """The cluster's name, as people say it; shown in every report."""
    cluster_uid: Annotated[str, shaped(UID, "the UID of namespace kube-system (kubectl get ns kube-system -o yaml)")]
    """UID of namespace ``kube-system``: the cluster's identity, checked before every write."""
    namespace: DnsName
    """Namespace of the release."""
    rollout: DnsName
    """Name of the Argo Rollout."""
    request_seconds: Annotated[float, Field(ge=0.5, le=60, allow_inf_nan=False)] = 5.0
    """Deadline of one API request, in seconds (0.5 to 60); a silent API server costs no more than this."""
    requests_per_second: Annotated[float, Field(ge=1, le=1000, allow_inf_nan=False)] = 10.0
    """Request budget of one client (at least 1); production API servers are shared."""


class Release(Part):
    """The one immutable thing that goes live (criterion 0.2-artifact)."""

    image: Annotated[str, shaped(IMAGE, "a repository such as ghcr.io/org/maestro-control-plane, without tag")]
    """Repository of the image, without tag and digest."""
    tag: Annotated[str, shaped(TAG, "an image tag such as v1.5.0")]
    """The tag people use for this release."""
    digest: Annotated[str, shaped(DIGEST, "sha256: and 64 lower-case hex digits")]
    """The digest the tag resolved to when the release was cut; the record is kept by it."""
    revision: Annotated[str, shaped(re.compile(r"[0-9a-f]{40}"), "a full git commit, 40 hex digits")]
    """The commit the image was built from."""
    platforms: Annotated[tuple[Platform, ...], Field(min_length=1)] = Field(default=("linux/amd64",), strict=False)
    """What the cluster's nodes run: the image must be there for each."""
    manifest: Path = Field(strict=False)
    """The reviewed manifest that will be applied, relative to this file; holds the digest."""
    templates: tuple[Annotated[Path, Field(strict=False)], ...] = Field(default=(), strict=False)
    """Files with the reviewed AnalysisTemplates that its Rollout names, relative to this file. They are never applied:
    the live ones must be these. Empty: not compared."""


class Services(Part):
    """What splits the traffic (runbook section 0)."""

    stable: DnsName
    """Service of the stable version."""
    canary: DnsName
    """Service of the canary."""
    ingress: DnsName | None = None
    """The stable Ingress; Argo keeps ``ROLLOUT-INGRESS-canary`` beside it. Left out: no Ingress splits the traffic."""

    @model_validator(mode="after")
    def _differ(self) -> Services:
        if self.stable == self.canary:
            raise ValueError(f"expected stable and canary to be two different Services, found {self.stable!r} twice")
        return self


class Argo(Part):
    """Where the Argo Rollouts controller runs."""

    namespace: DnsName = "argo-rollouts"
    """Namespace of the controller."""
    selector: Annotated[str, shaped(SELECTOR, "a label selector such as app=argo-rollouts")] = (
        "app.kubernetes.io/name=argo-rollouts"
    )
    """Label selector of the controller's pods."""


class Rollback(Part):
    """How long a rollback may take to be proven, and how long blindness is borne."""

    deadline_seconds: Annotated[float, Field(ge=5, le=3600, allow_inf_nan=False)] = 120.0
    """Every leg of a rollback must be proven within this many seconds, or the verdict is 21."""
    settle_seconds: Annotated[float, Field(ge=0, le=600, allow_inf_nan=False)] = 10.0
    """How long what was taken back is watched before the verdict: a GitOps tool may put it there again."""
    blind_limit_seconds: Annotated[float, Field(ge=10, le=86_400, allow_inf_nan=False)] = 300.0
    """How long the release may take traffic unobserved before it goes back."""
    driver_limit_seconds: Annotated[float, Field(ge=2, le=3600, allow_inf_nan=False)] = 30.0
    """A pytest that does not move for this long counts as gone."""
    closing_seconds: Annotated[float, Field(ge=0, le=604_800, allow_inf_nan=False)] = 3600.0
    """How long after its promotion a release may still be taken back; then it is closed."""


class Record(Part):
    """How long evidence counts."""

    fresh_hours: Annotated[float, Field(gt=0, le=720, allow_inf_nan=False)] = 24.0
    """A pass older than this many hours no longer counts for a later stage or for the release."""


class Report(Part):
    """What reports point to."""

    runbook_url: (
        Annotated[str, shaped(URL, "an http(s) address, with {section} where the section's number goes")] | None
    ) = None
    """Where people read the runbook; Allure links each criterion to it. Left out: the section is a label only."""


class Person(Part):
    """Somebody who answers (runbook section 6)."""

    name: str = ""
    """The person's name; empty is criterion 6-raci's business, not a file error."""
    contact: str = ""
    """How to reach them: mailto:, tel:+, https://, slack:#channel or slack:@user, pagerduty:service."""


class People(Part):
    """Ownership (runbook section 6): six roles, and who approves."""

    release_driver: Person = Person()
    sre: Person = Person()
    app_on_call: Person = Person()
    secops: Person = Person()
    data: Person = Person()
    stakeholder_comms: Person = Person()
    approver: Person | None = None
    """Who gives the final GO. Left out: the release driver, as the runbook says."""
    two_person: bool = True
    """Whether the release driver and the approver must be different people."""


class Settings(Part):
    """Everything ``golive.toml`` says, validated; paths are absolute."""

    armed: bool
    """Whether a failed p0 may take traffic back. No default: somebody has to decide it."""
    criteria: Path | None = Field(default=None, strict=False)
    """The ratified list, relative to this file. Default: ``tests_golive/criteria.toml`` of the suite."""
    scope: tuple[str, ...] | None = Field(default=None, strict=False)
    """Stages to judge when pytest is given no ``-m``. Default: all."""
    target: Target
    release: Release
    services: Services
    argo: Argo = Argo()
    registry: Registry = Registry()
    github: GitHub = GitHub()
    metrics: Metrics = Metrics()
    prometheus: Prometheus = Prometheus()
    alertmanager: Alertmanager = Alertmanager()
    supply_chain: SupplyChain | None = None
    """Who may sign the release. Left out: the criteria 1.4-* and 4-supply-chain are not proven."""
    slo: Slo = Slo()
    canary: Canary = Canary()
    heartbeat: Heartbeat = Heartbeat()
    gitops: GitOps = GitOps()
    rollback: Rollback = Rollback()
    record: Record = Record()
    report: Report = Report()
    people: People = People()

    @property
    def lease(self) -> str:
        """Name of the Lease, in the release's namespace, that says who drives and that the driver lives."""
        return f"golive-{self.target.rollout}"

    @property
    def secrets(self) -> tuple[SecretRef, ...]:
        """Every reference to a secret."""
        places = (self.metrics, self.prometheus, self.alertmanager)
        found = [
            self.registry.password,
            self.github.token,
            *(ref for one in places for ref in (one.bearer, one.password)),
        ]
        return tuple(ref for ref in found if ref is not None)


def load(path: Path) -> Settings:
    """Read and validate ``golive.toml``.

    Raises ``ConfigError``: one line for each problem, naming the key, what was expected and what was found.
    """
    try:
        raw = path.read_bytes()
        data = tomllib.loads(raw.decode("utf-8-sig"))
        strange, problems = unprintable(data), written_secrets(data, "")
    except OSError as error:
        raise ConfigError(f"{path}: expected a readable golive.toml, found: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: expected UTF-8 text, found other bytes at offset {error.start}") from error
    except ValueError as error:  # TOMLDecodeError, and a number with thousands of digits
        raise ConfigError(f"{path}: expected complete TOML, found: {error}") from error
    except RecursionError as error:
        raise ConfigError(f"{path}: expected tables a few levels deep, found far more") from error
    if not data:
        raise ConfigError(f"{path}: expected at least armed, [target], [release] and [services], found an empty file")
    if strange:  # first: what else there is to say would repeat it
        raise ConfigError("\n".join(f"{path.name}: {line}" for line in strange))
    try:
        settings = Settings.model_validate(data)
    except ValidationError as error:
        problems += [line_of(data, item["loc"], item["msg"], item["type"]) for item in error.errors()]
    if problems:
        raise ConfigError("\n".join(f"{path.name}: {line}" for line in dict.fromkeys(problems)))
    try:
        return _absolute(settings, path.resolve().parent)
    except RuntimeError as error:  # what pathlib says of ~nobody
        found = settings.target.kubeconfig
        raise ConfigError(f"{path.name}: target.kubeconfig: expected a home that exists, found {found!r}") from error


def _absolute(settings: Settings, base: Path) -> Settings:
    target = settings.target
    if target.kubeconfig not in (None, "in-cluster"):
        # Several may be joined, as in $KUBECONFIG.
        paths = [str(base / Path(part).expanduser()) for part in str(target.kubeconfig).split(os.pathsep) if part]
        target = target.model_copy(update={"kubeconfig": os.pathsep.join(paths)})
    release = settings.release.model_copy(
        update={
            "manifest": base / settings.release.manifest,
            "templates": tuple(base / one for one in settings.release.templates),
        }
    )
    registry = settings.registry.model_copy(update=_beside(base, settings.registry, "docker_config", "ca_file"))
    github = settings.github.model_copy(update=_beside(base, settings.github, "ca_file"))
    prometheus = settings.prometheus.model_copy(update=_beside(base, settings.prometheus, "ca_file"))
    alertmanager = settings.alertmanager.model_copy(update=_beside(base, settings.alertmanager, "ca_file"))
    criteria = base / settings.criteria if settings.criteria else None
    found = {"target": target, "release": release, "criteria": criteria, "registry": registry}
    if chain := settings.supply_chain:
        trust = chain.trust.model_copy(update=_beside(base, chain.trust, "file"))
        chain = chain.model_copy(update={"trust": trust})
    servers = {"github": github, "prometheus": prometheus, "alertmanager": alertmanager}
    return settings.model_copy(update={**found, **servers, "supply_chain": chain})


def _beside(base: Path, part: Part, *names: str) -> dict[str, Path]:
    """The part's file names that are given, relative to the folder of ``golive.toml``."""
    return {name: base / Path(value).expanduser() for name in names if (value := getattr(part, name)) is not None}
