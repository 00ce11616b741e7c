"""The parts of ``golive.toml`` that say where to look: metrics, Prometheus, Alertmanager, registry, GitHub."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from golive.fields import SELECTOR, URL, DnsName, Part, SecretRef, shaped

HOST = re.compile(r"[a-z0-9][a-z0-9.\-]*(:[0-9]{1,5})?")
METRIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
ROUTE = re.compile(r"/\S*")
_BELOW = re.compile(r"(\*\.)?" + HOST.pattern)
MIRROR = re.compile(r"(localhost|[a-z0-9\-]+\.[a-z0-9.\-]+|[a-z0-9.\-]+(?=:))(:[0-9]{1,5})?(/[a-z0-9._\-]+)*")
PREFIX = re.compile(r"(/[A-Za-z0-9._~\-]+)*")

_Port = Annotated[int, Field(ge=1, le=65_535)]
_Deadline = Annotated[float, Field(ge=0.5, le=120, allow_inf_nan=False)]
_Metric = Annotated[str, shaped(METRIC, "a metric's name such as http_requests_total")]
_Label = Annotated[str, shaped(LABEL, "a label's name such as code")]
_Selector = Annotated[str, shaped(SELECTOR, "a label selector such as app.kubernetes.io/name=prometheus")]
_Mirror = Annotated[str, shaped(MIRROR, "a host with or without a path such as mirror.example.com/ghcr, no scheme")]
_Url = Annotated[str, shaped(URL, "an http(s) address such as https://prometheus.example.com")]


class Guarded(Part):
    """What may want to know who asks: nobody, a bearer token, or a name and a password."""

    bearer: SecretRef | None = None
    """Where its bearer token is."""
    username: str | None = None
    """Name for basic authentication."""
    password: SecretRef | None = None
    """Where the password for it is."""

    @model_validator(mode="after")
    def _one_account(self) -> Guarded:
        if (self.username is None) != (self.password is None):
            raise ValueError("expected username and password together, found one of them")
        if self.bearer is not None and self.username is not None:
            raise ValueError("expected bearer, or username and password, found both")
        return self


class Metrics(Guarded):
    """The server's own metrics endpoint, and the series that the SLO queries use (criterion 1.2-metrics)."""

    port: _Port = 4000
    """Port of the release's pods."""
    scheme: Literal["http", "https"] = "http"
    """What they speak there."""
    path: Annotated[str, shaped(ROUTE, "a path such as /metrics")] = "/metrics"
    """Path of the endpoint."""
    requests: _Metric = "http_requests_total"
    """Counter of answered requests."""
    durations: _Metric = "http_request_duration_seconds"
    """Histogram of answer times in seconds, without ``_bucket``."""
    code: _Label = "code"
    """Label of ``requests`` with the HTTP status, such as 200 or 5xx.

    Of answers with another kind of code (gRPC's ``OK`` or 13) it is not known whether they are a 5xx: each counts as
    one for passing, and as none for failing.
    """
    route: _Label = "route"
    """Label of both with the route."""
    critical_routes: Annotated[tuple[str, ...], Field(min_length=1, max_length=200)] = Field(
        default=("/api/maestro/v1/invoke",), strict=False
    )
    """The routes whose latency decides, as the label spells them."""


class Reached(Guarded):
    """A server and the way to it: a Service through the API server, or an address of its own."""

    namespace: DnsName = "monitoring"
    """Namespace of its pods and its Service."""
    service: DnsName
    """Its Service, asked through the API server, unless ``url`` names another way."""
    port: _Port
    """Port of the Service and of the pods."""
    scheme: Literal["http", "https"] = "http"
    """What Service and pods speak."""
    prefix: Annotated[str, shaped(PREFIX, "nothing, or a path such as /prometheus without a slash at its end")] = ""
    """Where its paths begin (``--web.route-prefix``); one of an address stands in ``url``."""
    selector: _Selector
    """Label selector of its pods."""
    replicas: Annotated[int, Field(ge=1, le=20)] = 1
    """How many pods must be Ready at least; none of them may be not Ready."""
    url: _Url | None = None
    """Ask this address instead of the Service."""
    ca_file: Path | None = Field(default=None, strict=False)
    """PEM file with the authority that signed its certificate, relative to this file. Default: the system's."""
    request_seconds: _Deadline = 10.0
    """Deadline of one request, in seconds (0.5 to 120)."""

    @property
    def proxy_name(self) -> str:
        """The Service's name in the API server's proxy and in ``resourceNames``: ``http:NAME:PORT``."""
        return f"{self.scheme}:{self.service}:{self.port}"

    @model_validator(mode="after")
    def _one_prefix(self) -> Reached:
        if self.url is not None and self.prefix:
            raise ValueError("expected the prefix within url, found both")
        return self

    @model_validator(mode="after")
    def _secret_on_the_way(self) -> Reached:
        if self.url is not None and self.url.startswith("http://") and (self.bearer or self.username):
            raise ValueError("expected https for an address that gets a secret, found http in url")
        return self


class Prometheus(Reached):
    """Where Prometheus is, how it labels our pods, which rules it must have (criteria 1.2-prometheus, 1.2-rules)."""

    service: DnsName = "prometheus"
    """Its Service, asked through the API server, unless ``url`` names another way."""
    port: _Port = 9090
    """Port of the Service and of the pods."""
    selector: _Selector = "app.kubernetes.io/name=prometheus"
    """Label selector of its pods."""
    namespace_label: _Label = "namespace"
    """Label that scraping gives each series with the pod's namespace."""
    pod_label: _Label = "pod"
    """Label with the pod's name."""
    rules: tuple[str, ...] = Field(default=(), strict=False)
    """Names of the SLO alert rules that must be loaded and evaluating."""
    queries_per_look: Annotated[int, Field(ge=5, le=500)] = 20
    """Most requests of one look; one that needs more is not proven."""


class Alertmanager(Reached):
    """Where Alertmanager is, and the synthetic alert it must route to PagerDuty (criterion 1.2-alertmanager)."""

    service: DnsName = "alertmanager"
    """Its Service, asked through the API server, unless ``url`` names another way."""
    port: _Port = 9093
    """Port of the Service and of the pods."""
    selector: _Selector = "app.kubernetes.io/name=alertmanager"
    """Label selector of its pods."""
    labels: dict[str, str] = Field(default={"alertname": "PD_Synthetic", "severity": "warning"})
    """Labels of the synthetic alert (runbook 1.3)."""


class Registry(Part):
    """How to ask the registry of ``release.image`` (criterion 0.2-artifact)."""

    username: str | None = None
    """Account for basic authentication or for a token. Default: docker's configuration, else anonymous."""
    password: SecretRef | None = None
    """Where its password or token is."""
    docker_config: Path | None = Field(default=None, strict=False)
    """Docker's config.json, relative to this file. Default: $DOCKER_CONFIG/config.json, then ~/.docker/config.json."""
    ca_file: Path | None = Field(default=None, strict=False)
    """PEM file with one more authority for the registry's certificate, relative to this file.

    A registry on this machine (127.0.0.0/8, localhost) is asked by http unless this is given; all others by https.
    """
    token_hosts: tuple[Annotated[str, shaped(HOST, "a host such as auth.example.com")], ...] = Field(
        default=(), strict=False
    )
    """Hosts beside the registry's own that may be asked for a token, and so get the password."""
    blob_hosts: tuple[Annotated[str, shaped(HOST, "a host such as blobs.example.com")], ...] = Field(
        default=(), strict=False
    )
    """Hosts that the registry may redirect a download to; never get a secret. Default: its own only."""
    mirrors: Annotated[tuple[_Mirror, ...], Field(max_length=8)] = Field(default=(), strict=False)
    """Registries that keep copies, asked first and in this order for what has a digest; their accounts are docker's."""
    request_seconds: _Deadline = 10.0
    """Deadline of one request, in seconds (0.5 to 120)."""

    @model_validator(mode="after")
    def _whole_account(self) -> Registry:
        if (self.username is None) != (self.password is None):
            raise ValueError("expected username and password together, found one of them")
        return self


class GitHub(Part):
    """Where the release's assets and its workflow's artifacts are (criterion 1.4-sbom)."""

    api_url: _Url = "https://api.github.com"
    """Address of the API; of an enterprise's own it ends in /api/v3."""
    token: SecretRef | None = None
    """Where a token is that may read the repository. Default: none, which GitHub allows 60 requests an hour."""
    ca_file: Path | None = Field(default=None, strict=False)
    """PEM file with one more authority for its certificate, relative to this file."""
    sbom_asset: str = ""
    """Name of the release's asset that is its SBOM, or a shell's pattern for it. Empty: none is looked for."""
    sbom_artifact: str = ""
    """Name of the workflow's artifact with the SBOM as its one file. Empty: none is looked for."""
    download_hosts: tuple[Annotated[str, shaped(_BELOW, "a host, or *. and a domain")], ...] = Field(
        default=("*.githubusercontent.com", "*.blob.core.windows.net"), strict=False
    )
    """Hosts that a download may be redirected to; never get a secret."""
    request_seconds: _Deadline = 10.0
    """Deadline of one request, in seconds (0.5 to 120)."""

    @model_validator(mode="after")
    def _secret_on_the_way(self) -> GitHub:
        if self.api_url.startswith("http://") and self.token is not None:
            raise ValueError("expected https for an address that gets a secret, found http in api_url")
        return self


Platform = Annotated[str, shaped(re.compile(r"[a-z0-9]+/[a-z0-9]+(/[a-z0-9]+)?"), "a platform such as linux/amd64")]
