"""Logs, proxies, port-forward, cluster network: all through the real API server where there is a way through it."""

from __future__ import annotations

import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import kubernetes
import pytest
from kubernetes.stream import portforward

from golive_sandbox.types import number, text
from selftests.harness import Cluster, Room, eventually


@pytest.fixture
def server(cluster: Cluster, room: Room) -> str:
    """The address of a ready pod of the demo server, named `server` like its Service."""
    return text(cluster.get(room.server()), "status", "podIP")


def numbers(room: Room, cluster: Cluster) -> None:
    path = room.shell("count", "for i in 1 2 3 4 5; do echo line $i; done; sleep 60")
    cluster.until(path, lambda one: text(one, "status", "phase") == "Running")
    eventually("its log", lambda: room.log("count"), lambda log: log.count("\n") == 5)


def test_logs_are_cut_as_asked(cluster: Cluster, room: Room) -> None:
    numbers(room, cluster)
    assert room.log("count", tailLines="2") == "line 4\nline 5\n"
    assert room.log("count", tailLines="0") == ""
    assert room.log("count", limitBytes="8") == "line 1\nl"
    assert room.log("count", sinceSeconds="100") == "".join(f"line {i}\n" for i in range(1, 6))
    assert room.log("count", sinceTime="2999-01-01T00:00:00Z") == ""
    stamp, _, line = room.log("count", timestamps="true", tailLines="1").partition(" ")
    assert stamp.endswith("Z")
    assert line == "line 5\n"


def test_kubectl_logs_works_and_says_why_there_is_no_previous_log(cluster: Cluster, room: Room) -> None:
    numbers(room, cluster)
    assert cluster.kubectl("logs", "count", "-n", room.name, "--tail=1") == "line 5\n"
    assert "previous terminated container" in cluster.kubectl("logs", "count", "-n", room.name, "-p", fails=True)


def test_a_followed_log_ends_with_its_container(cluster: Cluster, room: Room) -> None:
    path = room.shell("follow", "echo one; sleep 0.5; echo two; sleep 0.5; exit 0", restartPolicy="Never")
    cluster.until(path, lambda one: text(one, "status", "phase") == "Running")
    began = time.monotonic()
    assert room.log("follow", follow="true") == "one\ntwo\n"
    assert time.monotonic() - began < 5


def test_the_services_proxy_and_the_pods_proxy_reach_the_pod(cluster: Cluster, room: Room, server: str) -> None:
    read = cluster.plane.api.text
    metrics = cluster.run(read(f"{room.path('services')}/server:http/proxy/metrics"))
    assert 'build_info{version="1.4.2"} 1' in metrics
    assert cluster.run(read(f"{room.path('services')}/server:80/proxy/healthz")) == "ok\n"
    assert cluster.run(read(f"{room.path('pods')}/server:4000/proxy/healthz")) == "ok\n"
    assert server.startswith("198.18.")


def test_port_forward_speaks_to_the_pod_and_names_a_refused_port(cluster: Cluster, room: Room, server: str) -> None:
    # fmt: off
    with kubernetes.config.new_client_from_config(str(cluster.kubeconfig)) as client:  # type: ignore[no-untyped-call]
    # fmt: on
        forward = portforward(
            kubernetes.client.CoreV1Api(client).connect_get_namespaced_pod_portforward,
            "server",
            room.name,
            ports="4000,4001",
        )
        good = forward.socket(4000)
        good.settimeout(5)
        good.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert good.recv(1000).startswith(b"HTTP/1.1 200")
        assert "4001" in eventually("the error", lambda: forward.error(4001), bool)
        forward.close()
        for thread in [one for one in threading.enumerate() if one.name.startswith("Kubernetes port forward proxy")]:
            thread.join(5)
        forward.websocket.shutdown()  # the library leaves its socket open when the other side closed first
    assert server


def test_the_kubelet_answers_to_the_api_server_only(server: str) -> None:
    node = "127." + server.split(".", 1)[1].rpartition(".")[0] + ".1"
    done = subprocess.run(
        ["curl", "-sk", "--max-time", "5", f"https://{node}:10250/containerLogs/default/x/y"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0, done.stdout


def ask(cluster: Cluster, request: str) -> str:
    """Everything the cluster network's proxy answers to a request."""
    with socket.create_connection(("127.0.0.1", cluster.agent.network_port), timeout=8) as line:
        line.sendall(request.encode())
        answer = b""
        while chunk := line.recv(1 << 16):
            answer += chunk
        return answer.decode()


def test_the_network_knows_services_by_name_and_address_and_pods(cluster: Cluster, room: Room, server: str) -> None:
    cluster_ip = text(cluster.get(f"{room.path('services')}/server"), "spec", "clusterIP")
    name = f"server.{room.name}.svc"
    for host in (name, f"{name}:80", f"{name}.cluster.local", cluster_ip, f"{server}:4000"):
        answer = ask(cluster, f"GET http://{host}/healthz HTTP/1.1\r\nHost: {host}\r\n\r\n")
        assert answer.startswith("HTTP/1.1 200"), (host, answer)
    tunnel = f"CONNECT {name}:80 HTTP/1.1\r\n\r\nGET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n"
    assert ask(cluster, tunnel).endswith("ok\n")


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("example.com:443", "not in the cluster"),
        ("127.0.0.1:22", "not in the cluster"),
        ("192.0.2.1:80", "not in the cluster"),
        ("10.0.1.1:80", "not in the cluster"),
        ("198.19.255.9:80", "not in the cluster"),
        ("nothing.default.svc:80", "no Service nothing"),
        ("[::1]:80", "not in the cluster"),
    ],
)
def test_the_network_refuses_what_is_not_in_the_cluster(cluster: Cluster, target: str, why: str) -> None:
    answer = ask(cluster, f"CONNECT {target} HTTP/1.1\r\n\r\n")
    assert answer.startswith("HTTP/1.1 403")
    assert why in answer


def test_a_closed_port_is_a_bad_gateway(cluster: Cluster, server: str) -> None:
    assert ask(cluster, f"CONNECT {server}:4999 HTTP/1.1\r\n\r\n").startswith("HTTP/1.1 502")


@pytest.mark.parametrize(
    "request_head", ["nonsense\r\n\r\n", "GET /relative HTTP/1.1\r\n\r\n", "CONNECT x:y HTTP/1.1\r\n\r\n"]
)
def test_what_is_no_proxy_request_is_a_bad_request(cluster: Cluster, request_head: str) -> None:
    assert ask(cluster, request_head).startswith("HTTP/1.1 400")


@contextmanager
def silent_clients(cluster: Cluster, count: int) -> Iterator[None]:
    lines = [socket.create_connection(("127.0.0.1", cluster.agent.network_port)) for _ in range(count)]
    try:
        yield
    finally:
        for line in lines:
            line.close()


def test_silent_clients_hold_up_nobody(cluster: Cluster, room: Room, server: str) -> None:
    with silent_clients(cluster, 50):
        began = time.monotonic()
        assert ask(cluster, f"GET http://{server}:4000/healthz HTTP/1.1\r\n\r\n").endswith("ok\n")
        assert time.monotonic() - began < 2


def test_the_end_of_one_direction_leaves_the_other_open(cluster: Cluster, room: Room) -> None:
    """A server that answers only after its client has said all it has to say."""
    script = (
        "import os, socket; s = socket.create_server((os.environ['BIND_ADDRESS'], 4000)); c, _ = s.accept(); "
        "seen = b''.join(iter(lambda: c.recv(99), b'')); c.sendall(b'got ' + seen); c.close(); input()"
    )
    path = room.shell("echo", f'exec python3 -c "{script}"')
    pod = cluster.until(path, lambda one: bool(text(one, "status", "podIP")))
    assert number(pod, "metadata", "generation", default=1)
    address = text(pod, "status", "podIP")
    eventually("it listens", lambda: listening(address), bool)
    with socket.create_connection(("127.0.0.1", cluster.agent.network_port), timeout=5) as line:
        line.sendall(f"CONNECT {address}:4000 HTTP/1.1\r\n\r\n".encode())
        assert line.recv(1000).startswith(b"HTTP/1.1 200")
        line.sendall(b"everything")
        line.shutdown(socket.SHUT_WR)
        assert line.recv(1000) == b"got everything"


def listening(address: str) -> bool:
    host = "".join(f"{int(part):02X}" for part in reversed(("127." + address.split(".", 1)[1]).split(".")))
    with open("/proc/net/tcp", encoding="ascii") as table:
        return any(f" {host}:0FA0 " in line and " 0A " in line for line in table)


def test_many_connections_at_once_are_served(cluster: Cluster, room: Room, server: str) -> None:
    answers: list[str] = []

    def one() -> None:
        answers.append(ask(cluster, f"GET http://{server}:4000/readyz HTTP/1.1\r\n\r\n"))

    threads = [threading.Thread(target=one) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answer[:12] for answer in answers] == ["HTTP/1.1 200"] * 50
