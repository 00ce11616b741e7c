"""kubectl and its Argo plugin, real clients, against the sandbox: what a release driver would type."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from golive_sandbox.types import dig, items, text
from golive_sandbox.world.release import RELEASE_TAG, STABLE_TAG
from selftests.harness import IMAGE, eventually
from selftests.sandboxes import ROLLOUT, ROOT, Sandbox, image

JOB = {
    "apiVersion": "batch/v1",
    "kind": "CronJob",
    "metadata": {"name": "nightly"},
    "spec": {
        "schedule": "0 3 * * *",
        "jobTemplate": {
            "spec": {
                "backoffLimit": 0,
                "template": {
                    "spec": {
                        "restartPolicy": "Never",
                        "containers": [{"name": "main", "image": IMAGE, "command": ["/bin/sh", "-c", "echo done"]}],
                    }
                },
            }
        },
    },
}


LEASE = {
    "apiVersion": "coordination.k8s.io/v1",
    "kind": "Lease",
    "metadata": {"name": f"golive-{ROLLOUT}"},
    "spec": {"holderIdentity": "by hand", "leaseDurationSeconds": 3600},
}


class World:
    """A namespace, and kubectl in it."""

    def __init__(self, sandbox: Sandbox, name: str) -> None:
        self.sandbox, self.name = sandbox, name
        settings = Path(text(sandbox.ask("create-world", world=name), "golive_toml"))
        self.repository = text(tomllib.loads(settings.read_text(encoding="utf-8")), "release", "image")
        self.stable = image(self.repository, STABLE_TAG)

    def run(self, *words: str, fails: bool = False) -> str:
        return self.sandbox.kubectl(self.name, *words, fails=fails)

    def argo(self, *words: str, fails: bool = False) -> str:
        return self.run("argo", "rollouts", *words, fails=fails)

    def weight(self) -> object:
        return dig(self.sandbox.get(self.name, "rollout", ROLLOUT), "status", "canary", "weights", "canary", "weight")


@pytest.fixture(scope="module")
def world(sandbox: Sandbox) -> Iterator[World]:
    yield World(sandbox, "kubectl")
    sandbox.ask("delete-world", world="kubectl")


def test_get_and_describe_show_the_release(world: World) -> None:
    pods = world.run("get", "pods").splitlines()
    assert len(pods) == 4
    assert all(" 1/1 " in line and " Running " in line for line in pods[1:])
    described = world.run("describe", "pod", pods[1].split()[0])
    assert f"Image:          {world.stable}" in described
    assert "198.18." in described
    assert "maestro-server-canary" in world.run("get", "services,ingresses,rollouts,endpointslices")


def test_logs_are_those_of_the_pods(world: World) -> None:
    (pod, *_) = world.run("get", "pods", "-o", "name").split()
    line = json.loads(world.run("logs", pod).splitlines()[0])
    assert (line["message"], line["version"]) == ("listening", "1.4.2")
    assert world.run("logs", pod, "--tail", "1", "--timestamps").startswith("20")


def test_apply_patch_and_delete_change_what_is_there(world: World, tmp_path: Path) -> None:
    file = tmp_path / "settings.json"
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"a": "1"}}
    file.write_text(json.dumps(body), encoding="utf-8")
    assert "created" in world.run("apply", "-f", str(file))
    assert "unchanged" in world.run("apply", "-f", str(file))
    assert "serverside-applied" in world.run("apply", "--server-side", "--force-conflicts", "-f", str(file))
    world.run("patch", "configmap", "settings", "-p", '{"data": {"a": "2"}}')
    assert dig(world.sandbox.get(world.name, "configmap", "settings"), "data", "a") == "2"
    world.run("delete", "configmap", "settings")
    assert "NotFound" in world.run("get", "configmap", "settings", fails=True)


def test_the_reviewed_manifest_is_accepted_in_a_dry_run_of_the_server(world: World) -> None:
    manifest = str(ROOT / "deploy" / "argo" / "rollout-maestro.yaml")
    assert "server dry run" in world.run(
        "apply", "--server-side", "--force-conflicts", "--dry-run=server", "-f", manifest
    )


def test_a_job_made_from_a_cron_job_runs_to_its_end(world: World, tmp_path: Path) -> None:
    file = tmp_path / "job.json"
    file.write_text(json.dumps(JOB), encoding="utf-8")
    world.run("create", "-f", str(file))
    world.run("create", "job", "now", "--from=cronjob/nightly")
    world.run("wait", "--for=condition=complete", "job/now", "--timeout=30s")
    assert world.run("logs", "job/now") == "done\n"
    world.run("delete", "cronjob,job", "--all")


def test_the_driver_s_rights_are_asked_as_in_a_real_cluster(world: World) -> None:
    user = f"--as=release-driver-{world.name}"
    for words in (("patch", "rollouts/status"), ("get", "pods"), ("get", "services/proxy"), ("patch", "ingresses")):
        assert world.run("auth", "can-i", *words, user) == "yes\n"
    for words in (("delete", "rollouts"), ("get", "secrets"), ("create", "pods"), ("delete", "namespaces")):
        world.run("auth", "can-i", *words, user, fails=True)
    assert "forbidden" in world.run("get", "secrets", user, fails=True)
    # Elsewhere nothing but a list of pods: how much room they take.
    assert "forbidden" in world.sandbox.kubectl("maestro", "get", "services", user, fails=True)
    assert "forbidden" in world.sandbox.kubectl("maestro", "get", "pods/any", user, fails=True)


def test_the_argo_plugin_gets_promotes_and_aborts(world: World, tmp_path: Path) -> None:
    # Whoever drives by hand says so: the cluster aborts a canary without a heartbeat.
    file = tmp_path / "lease.json"
    file.write_text(json.dumps(LEASE), encoding="utf-8")
    world.run("apply", "--server-side", "--field-manager=golive", "-f", str(file))
    assert "Status:          ✔ Healthy" in world.argo("get", "rollout", ROLLOUT, "--no-color")
    assert world.argo("status", ROLLOUT).strip() == "Healthy"
    world.argo("set", "image", ROLLOUT, f"{ROLLOUT}={image(world.repository, RELEASE_TAG)}")
    eventually("the canary at 10 %", world.weight, lambda weight: weight == 10, seconds=20)
    eventually("a pause", lambda: world.argo("status", ROLLOUT, "--watch=false"), lambda said: "Paused" in said, 40)
    world.argo("promote", ROLLOUT)
    eventually("the canary at 25 %", world.weight, lambda weight: weight == 25, seconds=20)
    world.argo("abort", ROLLOUT)
    eventually("the canary at 0 %", world.weight, lambda weight: weight == 0, seconds=20)
    assert "RolloutAborted" in world.argo("status", ROLLOUT, "--watch=false", fails=True)
    world.argo("undo", ROLLOUT, "--to-revision=1")
    assert "Healthy" in world.argo("status", ROLLOUT, "--timeout", "30s")
    (container,) = items(world.sandbox.get(world.name, "rollout", ROLLOUT), "spec", "template", "spec", "containers")
    assert text(container, "image") == world.stable
