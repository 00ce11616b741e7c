"""Prometheus and a pair of Alertmanagers watch a world as in production: discovered, evaluated, told."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from golive_sandbox.errors import SandboxError
from golive_sandbox.types import Json, dig, items, mapping, text
from selftests.harness import eventually
from selftests.sandboxes import Sandbox
from selftests.watched import Watched

ALWAYS = "groups: [{name: always, rules: [{alert: Always, expr: vector(1), labels: {severity: warning}}]}]"


@pytest.fixture(scope="module")
def watched(sandbox: Sandbox) -> Iterator[Watched]:
    made = sandbox.ask("create-world", world="watched")
    yield Watched(sandbox, "watched", Path(text(made, "golive_toml")).parent)
    sandbox.ask("delete-world", world="watched")


def test_every_server_pod_is_a_target_with_its_labels(watched: Watched) -> None:
    pods = items(watched.sandbox.get(watched.world, "pods"), "items")
    wanted = {
        (text(pod, "metadata", "name"), text(pod, "metadata", "labels", "rollouts-pod-template-hash")) for pod in pods
    }
    targets = watched.query('up{job="maestro-server"} == 1')
    labels = [mapping(one, "metric") for one in targets]
    assert {(text(one, "pod"), text(one, "rollouts_pod_template_hash")) for one in labels} == wanted
    assert {text(one, "namespace") for one in labels} == {watched.world}
    assert all(text(one, "instance").endswith(":4000") for one in labels)


def test_the_rules_that_golive_toml_names_are_healthy_and_none_fires(watched: Watched) -> None:
    settings: Json = tomllib.loads((watched.folder / "golive.toml").read_text(encoding="utf-8"))
    rules = watched.rules()
    named = dig(settings, "prometheus", "rules")
    assert isinstance(named, list)
    assert named == [name for name, rule in rules.items() if rule["type"] == "alerting"]
    for rule in rules.values():
        assert (rule["health"], rule["interval"]) == ("ok", 1)
        assert rule.get("state", "inactive") == "inactive"
    for name in named:
        assert set(mapping(rules[str(name)], "labels")) == {"severity", "service"}
        assert set(mapping(rules[str(name)], "annotations")) == {"summary", "runbook_url"}


def test_the_pair_finds_together_again_after_a_restart_of_either(watched: Watched) -> None:
    assert watched.paired()
    for name in ("alertmanager-0", "alertmanager-1"):
        watched.sandbox.kubectl(watched.namespace, "delete", "pod", "-l", f"app.kubernetes.io/instance={name}")
        ready = f"deployment/{name}"
        watched.sandbox.kubectl(watched.namespace, "rollout", "status", ready, "--timeout=20s")
        eventually("the pair", watched.paired, bool, seconds=15)


def _put_rules(watched: Watched, content: str | None) -> None:
    patch = json.dumps({"data": {"always.yaml": content}})
    watched.sandbox.kubectl(watched.namespace, "patch", "configmap", "prometheus-rules", "--type=merge", "-p", patch)

    def reloaded() -> bool:
        reload = ("create", "--raw", f"{watched.prometheus}/-/reload", "-f", "/dev/null")
        watched.sandbox.kubectl(watched.namespace, *reload)
        return "Always" in watched.rules()

    eventually("the rules are read", reloaded, lambda there: there is (content is not None))


def test_a_changed_configmap_is_read_and_its_alert_reaches_both(watched: Watched) -> None:
    _put_rules(watched, ALWAYS)

    def told() -> list[list[str]]:
        answers = watched.alertmanagers("/api/v2/alerts").values()
        return [[text(alert, "labels", "alertname") for alert in json.loads(body)] for body in answers]

    # Prometheus discovers new pods of Alertmanager every 5 s.
    eventually("the alert is in both", told, lambda seen: seen == [["Always"]] * 2, seconds=15)
    _put_rules(watched, None)


@pytest.mark.parametrize("words", ["delete pods", "patch deployments", "update configmaps", "get secrets"])
def test_the_suite_s_user_changes_nothing_there(watched: Watched, words: str) -> None:
    driver = ("--kubeconfig", str(watched.folder / "driver.kubeconfig"))
    said = watched.sandbox.kubectl(watched.namespace, *driver, "auth", "can-i", *words.split(), "-q", fails=True)
    assert said == ""


def test_a_fault_that_is_healed_without_having_been_on_is_refused(watched: Watched) -> None:
    with pytest.raises(SandboxError, match="is not broken"):
        watched.sandbox.ask("heal", world=watched.world, fault="rules-stale")
