"""The objects of a world's monitoring namespace: Prometheus, a pair of Alertmanagers, and what they are told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import yaml

from golive_sandbox.types import Json, JsonValue, items, mapping
from golive_sandbox.world.release import deploy_folder

PROMETHEUS, PROMETHEUS_PORT = "prometheus", 9090
ALERTMANAGER, ALERTMANAGER_PORT = "alertmanager", 9093
PAIR = (0, 1)
PAIR_NAMES = tuple(f"{ALERTMANAGER}-{number}" for number in PAIR)
NAME_LABEL, INSTANCE_LABEL = "app.kubernetes.io/name", "app.kubernetes.io/instance"
SERVER, SERVER_PORT = "maestro-server", 4000
_IMAGES = {
    PROMETHEUS: "quay.io/prometheus/prometheus:v3.11.3",
    ALERTMANAGER: "quay.io/prometheus/alertmanager:v0.31.1",
    "front": "ghcr.io/golive-sandbox/front:v1",
}
_RULES = "prometheus/maestro-slo.rules.yaml"
_ROUTING = "alertmanager/alertmanager.yaml"
_SECRET_FOLDER = "/etc/alertmanager/pagerduty/"
_MEMORY = ({"name": "GOGC", "value": "50"}, {"name": "GOMAXPROCS", "value": "1"})
_NOT_TO_SCRAPE = "__meta_kubernetes_pod_annotation_prometheus_io_scrape"


def namespace_of(world: str) -> str:
    """The monitoring namespace of a world."""
    return f"{world}-monitoring"


def address(world: str) -> str:
    """Where a world's Prometheus answers, as pods of the cluster name it."""
    return f"http://{PROMETHEUS}.{namespace_of(world)}.svc:{PROMETHEUS_PORT}"


def user_of(world: str) -> str:
    """Who Prometheus is to the API server."""
    return f"{PROMETHEUS}:{world}"  # a certificate's common name has 64 characters at most


def may_discover(world: str, namespace: str) -> list[Json]:
    """Prometheus' right to see what runs in ``namespace``."""
    group = "rbac.authorization.k8s.io"
    metadata: Json = {"name": PROMETHEUS, "namespace": namespace}
    resources: list[JsonValue] = ["pods", "services", "endpoints"]
    rule: Json = {"apiGroups": [""], "resources": resources, "verbs": ["get", "list", "watch"]}
    return [
        {"apiVersion": f"{group}/v1", "kind": "Role", "metadata": metadata, "rules": [rule]},
        {
            "apiVersion": f"{group}/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": group, "kind": "Role", "name": PROMETHEUS},
            "subjects": [{"apiGroup": group, "kind": "User", "name": user_of(world)}],
        },
    ]


def prometheus_config(world: str) -> Json:
    """``prometheus.yml``: everything once a second, found through the API server, reached through the cluster network.

    The network's address comes from the environment, as a proxy's does elsewhere.
    """
    own = namespace_of(world)
    alertmanagers = _found(own, _keep("pod_label_app_kubernetes_io_name", ALERTMANAGER), ALERTMANAGER_PORT)
    scrapes: list[JsonValue] = [
        {
            "job_name": SERVER,
            # More than a server of ours has to say; what is longer is no metrics page.
            "body_size_limit": "10MB",
            **_found(world, _keep("pod_label_app_kubernetes_io_name", SERVER), SERVER_PORT, _SERVER_LABELS),
        },
        *(
            {"job_name": name, **_found(own, _keep("pod_label_app_kubernetes_io_name", name), port, _POD_LABELS)}
            for name, port in ((PROMETHEUS, PROMETHEUS_PORT), (ALERTMANAGER, ALERTMANAGER_PORT))
        ),
    ]
    return {
        "global": {"scrape_interval": "1s", "scrape_timeout": "900ms", "evaluation_interval": "1s"},
        "rule_files": ["../rules/*.yaml"],
        "alerting": {"alertmanagers": [alertmanagers]},
        "scrape_configs": scrapes,
    }


def _keep(label: str, value: str) -> Json:
    return {"source_labels": [f"__meta_kubernetes_{label}"], "regex": value, "action": "keep"}


def _put(label: str, target: str) -> Json:
    return {"source_labels": [f"__meta_kubernetes_{label}"], "target_label": target}


_POD_LABELS: Sequence[Json] = (_put("namespace", "namespace"), _put("pod_name", "pod"))
_SERVER_LABELS: Sequence[Json] = (
    # A pod can be left out by its annotation, and one that has ended has nothing to say.
    {"source_labels": [_NOT_TO_SCRAPE], "regex": "false", "action": "drop"},
    {"source_labels": ["__meta_kubernetes_pod_phase"], "regex": "Failed|Succeeded", "action": "drop"},
    *_POD_LABELS,
    _put("pod_label_rollouts_pod_template_hash", "rollouts_pod_template_hash"),
)


def _found(namespace: str, which: Json, port: int, more: Sequence[Json] = ()) -> Json:
    """Discovery of the pods of ``namespace`` that are kept, on ``port``."""
    discovery: Json = {
        "role": "pod",
        "kubeconfig_file": "../kubeconfig/kubeconfig",
        "namespaces": {"names": [namespace]},
    }
    relabel: list[JsonValue] = [which, _keep("pod_container_port_number", str(port)), *more]
    return {"kubernetes_sd_configs": [discovery], "relabel_configs": relabel, "proxy_from_environment": True}


def rules() -> Json:
    """The rules that a real installation deploys."""
    found: Json = yaml.safe_load(deploy_folder().joinpath(_RULES).read_text(encoding="utf-8"))
    return found


def alert_names() -> tuple[str, ...]:
    """The alerts among them."""
    every = [rule for group in items(rules(), "groups") for rule in items(group, "rules")]
    return tuple(str(rule["alert"]) for rule in every if "alert" in rule)


def routing(pagerduty: str) -> Json:
    """The routing that a real installation deploys, led to ``pagerduty`` instead of the real one."""
    text = deploy_folder().joinpath(_ROUTING).read_text(encoding="utf-8")
    found: Json = yaml.safe_load(text.replace(_SECRET_FOLDER, "../volumes/pagerduty/"))
    mapping(found, "global")["pagerduty_url"] = pagerduty
    return found


def config_map(name: str, namespace: str, key: str, content: Json) -> Json:
    """A ConfigMap with one YAML file."""
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120)
    metadata: Json = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {key: text}}


def secret(name: str, namespace: str, key: str, content: str) -> Json:
    """A Secret with one file."""
    metadata: Json = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": {key: content}}


def service(namespace: str, name: str, port: int, selected: str = "") -> Json:
    """A Service for the pods named ``selected`` (by default: as itself)."""
    ports: list[JsonValue] = [{"name": "http", "port": port, "targetPort": port, "protocol": "TCP"}]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace, "labels": {NAME_LABEL: name}},
        "spec": {"selector": {NAME_LABEL: selected or name}, "ports": ports},
    }


def prometheus(namespace: str, readiness: str = "/-/ready", name: str = PROMETHEUS) -> Json:
    """Prometheus' Deployment, or that of another one, whose pods are named as itself."""
    args: list[JsonValue] = [
        "--config.file=$(GOLIVE_VOLUME_CONFIG)/prometheus.yml",
        "--storage.tsdb.path=$(GOLIVE_VOLUME_DATA)",
        "--storage.tsdb.retention.time=8h",  # the longest window of the rules, and some
        "--web.listen-address=$(BIND_ADDRESS):9090",
        f"--web.external-url=http://{PROMETHEUS}.{namespace}.svc:{PROMETHEUS_PORT}",
        "--web.enable-lifecycle",
        "--scrape.discovery-reload-interval=200ms",  # discovery itself tells news every 5 s at most
        "--rules.alert.resend-delay=5s",  # a minute elsewhere: an Alertmanager that restarted hears that late
        "--log.level=warn",
    ]
    volumes = {"config": ("configMap", "prometheus-config"), "rules": ("configMap", "prometheus-rules")}
    volumes |= {"kubeconfig": ("secret", "prometheus-kubeconfig"), "data": ("emptyDir", "")}
    container = _container(PROMETHEUS, PROMETHEUS_PORT, args, volumes, readiness)
    return _deployment(namespace, name, name, container, volumes, {"type": "RollingUpdate"})


def alertmanager(namespace: str, number: int, gossip: Sequence[str]) -> Json:
    """The Deployment of one of the pair; ``gossip`` are the addresses at which both speak with each other."""
    args: list[JsonValue] = [
        "--config.file=$(GOLIVE_VOLUME_CONFIG)/alertmanager.yml",
        "--storage.path=$(GOLIVE_VOLUME_DATA)",
        "--web.listen-address=$(BIND_ADDRESS):9093",
        f"--web.external-url=http://{ALERTMANAGER}.{namespace}.svc:{ALERTMANAGER_PORT}",
        f"--cluster.listen-address={gossip[number]}",
        f"--cluster.advertise-address={gossip[number]}",
        *(f"--cluster.peer={one}" for one in gossip if one != gossip[number]),
        # On one machine nothing is far away: they know each other, or miss each other, within a second.
        "--cluster.gossip-interval=50ms",
        "--cluster.reconnect-interval=500ms",
        "--cluster.probe-interval=300ms",
        "--cluster.probe-timeout=200ms",
        "--cluster.pushpull-interval=2s",
        "--cluster.peer-timeout=1s",
        "--log.level=warn",
    ]
    name = PAIR_NAMES[number]
    volumes = {"config": ("configMap", "alertmanager-config"), "pagerduty": ("secret", "pagerduty")}
    volumes |= {"data": ("emptyDir", "")}
    container = _container(ALERTMANAGER, ALERTMANAGER_PORT, args, volumes, "/-/ready")
    return _deployment(namespace, name, ALERTMANAGER, container, volumes, {"type": "Recreate"})


def front(namespace: str, name: str, label: str, port: int, mode: str, upstream: str = "") -> Json:
    """A Deployment of the program that misbehaves, see ``programs/front.py``."""
    container: Json = {
        "name": "front",
        "image": _IMAGES["front"],
        "env": [
            {"name": "PORT", "value": str(port)},
            {"name": "FRONT_MODE", "value": mode},
            {"name": "FRONT_UPSTREAM", "value": upstream},
        ],
        "ports": [{"name": "http", "containerPort": port}],
        "readinessProbe": {"tcpSocket": {"port": port}, "periodSeconds": 2},
    }
    return _deployment(namespace, name, label, container, {}, {"type": "Recreate"})


def _container(
    name: str, port: int, args: list[JsonValue], volumes: Mapping[str, tuple[str, str]], readiness: str
) -> Json:
    mounts: list[JsonValue] = [{"name": one, "mountPath": f"/etc/{name}/{one}"} for one in volumes]
    return {
        "name": name,
        "image": _IMAGES[name],
        "args": args,
        "env": [dict(one) for one in _MEMORY],
        "ports": [{"name": "http", "containerPort": port}],
        "readinessProbe": {"httpGet": {"path": readiness, "port": port}, "periodSeconds": 2, "timeoutSeconds": 2},
        "volumeMounts": mounts,
    }


_NAME_OF_SOURCE: Mapping[str, str] = MappingProxyType({"configMap": "name", "secret": "secretName"})


def _deployment(
    namespace: str, name: str, label: str, container: Json, volumes: Mapping[str, tuple[str, str]], strategy: Json
) -> Json:
    labels: Json = {NAME_LABEL: label, INSTANCE_LABEL: name}
    sources: list[JsonValue] = [
        {"name": one, kind: {_NAME_OF_SOURCE[kind]: source} if source else {}}
        for one, (kind, source) in volumes.items()
    ]
    pod: Json = {"containers": [container], "volumes": sources, "terminationGracePeriodSeconds": 2}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {
            "replicas": 1,
            "strategy": strategy,
            "selector": {"matchLabels": {INSTANCE_LABEL: name}},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }
