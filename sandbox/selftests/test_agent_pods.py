from __future__ import annotations

import time
from pathlib import Path

import pytest

from golive_sandbox.types import Json, dig, items, number, text
from selftests.harness import IMAGE, Cluster, Room, condition, eventually, server_container


def waiting_reason(pod: Json) -> str:
    return text(pod, "status", "containerStatuses", 0, "state", "waiting", "reason")


def test_a_deployment_gets_ready_pods_at_once(cluster: Cluster, room: Room) -> None:
    labels: Json = {"app": "web"}
    template: Json = {"metadata": {"labels": labels}, "spec": {"containers": [server_container()]}}
    spec: Json = {"replicas": 3, "selector": {"matchLabels": labels}, "template": template}
    began = time.monotonic()
    cluster.create(room.path("deployments", "apps/v1"), {"metadata": {"name": "web"}, "spec": spec})
    path = f"{room.path('deployments', 'apps/v1')}/web"
    cluster.until(path, lambda one: number(one, "status", "readyReplicas") == 3)
    assert time.monotonic() - began < 3  # 0.4 on an idle machine
    pods = items(cluster.get(room.path("pods")), "items")
    assert len({text(pod, "status", "podIP") for pod in pods}) == 3
    assert {text(pod, "spec", "nodeName") for pod in pods} == {"node-1", "node-2"}
    container = items(pods[0], "status", "containerStatuses")[0]
    assert container["imageID"] == cluster.run(cluster.puller.resolve(IMAGE)).image_id
    assert "running" in container["state"]  # type: ignore[operator]
    assert text(pods[0], "status", "hostIP") in {"198.18." + part for part in host_parts(pods[0])}


def host_parts(pod: Json) -> list[str]:
    block = text(pod, "status", "podIP").split(".")[2]
    return [f"{block}.1", f"{block}.2"]


def test_a_crashing_container_backs_off_and_keeps_the_log_of_its_previous_run(cluster: Cluster, room: Room) -> None:
    path = room.shell("crash", "echo run; exit 3")
    pod = cluster.until(path, lambda one: waiting_reason(one) == "CrashLoopBackOff")
    assert number(pod, "status", "containerStatuses", 0, "lastState", "terminated", "exitCode") == 3
    assert text(pod, "status", "phase") == "Running"
    cluster.until(path, lambda one: number(one, "status", "containerStatuses", 0, "restartCount") >= 1)
    assert room.log("crash", previous="true") == "run\n"


def test_a_job_sees_the_exit_code(cluster: Cluster, room: Room) -> None:
    jobs = room.path("jobs", "batch/v1")
    for name, code, verdict in (("good", 0, "Complete"), ("bad", 7, "Failed")):
        container: Json = {"name": "main", "image": IMAGE, "command": ["/bin/sh", "-c", f"exit {code}"]}
        spec: Json = {"restartPolicy": "Never", "containers": [container]}
        cluster.create(jobs, {"metadata": {"name": name}, "spec": {"backoffLimit": 0, "template": {"spec": spec}}})
        cluster.until(f"{jobs}/{name}", lambda job, kind=verdict: condition(job, kind) == "True")  # type: ignore[misc]
    pods = items(cluster.get(room.path("pods")), "items")
    codes = {number(pod, "status", "containerStatuses", 0, "state", "terminated", "exitCode") for pod in pods}
    assert codes == {0, 7}


@pytest.mark.parametrize("image", ["ghcr.io/acme/nothing:v1", f"{IMAGE}@sha256:{'0' * 64}"])
def test_an_image_that_is_not_there_is_an_image_pull_error(cluster: Cluster, room: Room, image: str) -> None:
    path = room.pod("pull", {"containers": [{"name": "main", "image": image}]})
    cluster.until(path, lambda one: waiting_reason(one) == "ErrImagePull")
    pod = cluster.until(path, lambda one: waiting_reason(one) == "ImagePullBackOff")
    assert text(pod, "status", "phase") == "Pending"


def test_environment_comes_from_secrets_config_maps_fields_and_volumes(cluster: Cluster, room: Room) -> None:
    cluster.create(room.path("secrets"), {"metadata": {"name": "s"}, "stringData": {"key": "from-secret"}})
    cluster.create(room.path("configmaps"), {"metadata": {"name": "c"}, "data": {"key": "from-map", "OTHER": "all"}})
    script = 'echo "$A $B $C $D $E $P_OTHER $(cat $GOLIVE_VOLUME_THE_FILES/key) $0"'
    container: Json = {
        "name": "main",
        "image": IMAGE,
        "command": ["/bin/sh", "-c", script],
        "args": ["$(A)/$(NOTHING)/$$(A)"],
        "env": [
            {"name": "A", "value": "plain"},
            {"name": "B", "value": "$(A)-expanded"},
            {"name": "C", "valueFrom": {"secretKeyRef": {"name": "s", "key": "key"}}},
            {"name": "D", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "key"}}},
            {"name": "E", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}},
        ],
        "envFrom": [{"prefix": "P_", "configMapRef": {"name": "c"}}],
        "volumeMounts": [{"name": "the-files", "mountPath": "/files"}],
    }
    volume: Json = {"name": "the-files", "secret": {"secretName": "s"}}
    spec: Json = {"restartPolicy": "Never", "containers": [container], "volumes": [volume]}
    path = room.pod("env", spec, labels={"app": "label"})
    cluster.until(path, lambda one: text(one, "status", "phase") == "Succeeded")
    expected = "plain plain-expanded from-secret from-map label all from-secret plain/$(NOTHING)/$(A)\n"
    assert room.log("env") == expected


def test_a_missing_secret_holds_the_container_until_it_is_there(cluster: Cluster, room: Room) -> None:
    reference: Json = {"name": "A", "valueFrom": {"secretKeyRef": {"name": "late", "key": "key"}}}
    path = room.pod("late", {"containers": [{**server_container(), "env": [reference]}]})
    cluster.until(path, lambda one: waiting_reason(one) == "CreateContainerConfigError")
    cluster.create(room.path("secrets"), {"metadata": {"name": "late"}, "stringData": {"key": "value"}})
    cluster.until(path, lambda one: condition(one, "Ready") == "True")


def test_init_containers_run_in_order_and_before_the_others(cluster: Cluster, room: Room) -> None:
    def step(name: str, script: str) -> Json:
        return {"name": name, "image": IMAGE, "command": ["/bin/sh", "-c", script]}

    mark = str(cluster.folder / "init-mark")
    inits = [step("one", f"echo 1 >> {mark}"), step("two", f"echo 2 >> {mark}")]
    spec: Json = {"restartPolicy": "Never", "initContainers": [*inits], "containers": [step("main", f"cat {mark}")]}
    path = room.pod("init", spec)
    pod = cluster.until(path, lambda one: text(one, "status", "phase") == "Succeeded")
    assert room.log("init", container="main") == "1\n2\n"
    assert [dig(one, "ready") for one in items(pod, "status", "initContainerStatuses")] == [True, True]


def test_a_failing_readiness_probe_takes_the_pod_out_and_leaves_it_running(cluster: Cluster, room: Room) -> None:
    probe: Json = {"httpGet": {"path": "/nowhere", "port": 4000}, "periodSeconds": 1, "failureThreshold": 1}
    path = room.pod("unready", {"containers": [{**server_container(), "readinessProbe": probe}]})
    pod = cluster.until(path, lambda one: text(one, "status", "phase") == "Running")
    assert condition(pod, "Ready") == "False"
    assert condition(pod, "ContainersReady") == "False"


def test_deletion_ends_the_process_within_its_grace_period(cluster: Cluster, room: Room) -> None:
    mark = cluster.folder / f"{room.name}-term"
    path = room.shell("polite", f"trap 'echo asked > {mark}; exit 0' TERM; echo up; while :; do sleep 0.05; done")
    cluster.until(path, lambda one: text(one, "status", "phase") == "Running")
    eventually("the trap is set", lambda: room.log("polite"), lambda log: log == "up\n")
    cluster.kubectl("delete", "pod", "polite", "-n", room.name, "--timeout=10s")
    assert mark.read_text() == "asked\n"


def test_a_process_that_ignores_sigterm_is_killed_after_the_grace_period(cluster: Cluster, room: Room) -> None:
    path = room.shell("stubborn", "trap '' TERM; echo $$; while :; do sleep 0.05; done")
    cluster.until(path, lambda one: text(one, "status", "phase") == "Running")
    log = eventually("its process id", lambda: room.log("stubborn"), bool)
    cluster.kubectl("delete", "pod", "stubborn", "-n", room.name, "--timeout=10s")
    assert not Path(f"/proc/{log.strip()}").exists()


def test_a_pod_that_fits_no_node_says_so(cluster: Cluster, room: Room) -> None:
    path = room.pod("alone", {"nodeSelector": {"disk": "gold"}, "containers": [server_container()]})
    pod = cluster.until(path, lambda one: condition(one, "PodScheduled") == "False")
    assert text(pod, "status", "conditions", 0, "reason") == "Unschedulable"


def test_a_killed_container_is_started_again(cluster: Cluster, room: Room) -> None:
    path = room.server()
    assert cluster.agent.kill_container(room.name, "server") == "server"
    pod = cluster.until(path, lambda one: number(one, "status", "containerStatuses", 0, "restartCount") == 1)
    assert number(pod, "status", "containerStatuses", 0, "lastState", "terminated", "exitCode") == 137
    cluster.until(path, lambda one: condition(one, "Ready") == "True")
