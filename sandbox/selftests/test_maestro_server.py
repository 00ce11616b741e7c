from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from golive_sandbox.registry import catalogue, programs
from golive_sandbox.servers.cache import Built

ADDRESS = "127.18.255.77"  # in no block that is handed out to pods in these tests
PERSONAL = {"email": "ann@example.org", "note": "call +1 (555) 123-4567 or bob@example.org, ssn 123-45-6789", "n": 3}


@contextmanager
def server(**env: str) -> Iterator[subprocess.Popen[str]]:
    row = catalogue.maestro("acme", "v1.5.0")
    process = subprocess.Popen(
        programs.argv(row.program, Built({}, Path())),
        env={"BIND_ADDRESS": ADDRESS, **dict(row.env), **env}, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["message"] == "listening"
        yield process
    finally:
        process.kill()
        process.communicate()


def ask(method: str, path: str, body: str | None = None, **headers: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection(ADDRESS, 4000, timeout=5)
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


def test_it_listens_soon_after_its_start() -> None:
    times = []
    for _ in range(3):
        began = time.monotonic()
        with server():
            times.append(time.monotonic() - began)
    assert min(times) < 0.2, times


def test_it_counts_what_it_answers() -> None:
    with server():
        assert ask("GET", "/healthz")[0] == 200
        assert ask("GET", "/nowhere")[0] == 404
        assert ask("GET", "/api/maestro/v1/invoke")[0] == 405
        assert ask("POST", "/api/maestro/v1/invoke", "[]")[0] == 400
        assert ask("POST", "/api/maestro/v1/invoke", "{}")[0] == 200
        metrics = ask("GET", "/metrics")[1]
    assert 'http_requests_total{route="/api/maestro/v1/invoke",code="200"} 1' in metrics
    assert 'http_requests_total{route="other",code="404"} 1' in metrics
    assert 'http_request_duration_seconds_bucket{route="/healthz",le="+Inf"} 1' in metrics
    assert 'build_info{version="1.5.0"} 1' in metrics


def test_its_log_has_the_caller_s_trace_and_no_personal_data() -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    with server() as process:
        ask("POST", "/api/maestro/v1/invoke", json.dumps(PERSONAL), traceparent=f"00-{trace}-b7ad6b7169203331-01")
        assert process.stdout is not None
        line = process.stdout.readline()
    assert json.loads(line)["traceId"] == trace
    assert json.loads(line)["request"]["n"] == 3
    for leak in ("ann@", "bob@", "123-45", "555"):
        assert leak not in line


def test_sigterm_lets_a_request_finish_and_ends_with_zero() -> None:
    with server(MAESTRO_DELAY_MS="500") as process:
        connection = http.client.HTTPConnection(ADDRESS, 4000, timeout=5)
        connection.request("POST", "/api/maestro/v1/invoke", "{}")
        time.sleep(0.1)
        os.kill(process.pid, signal.SIGTERM)
        assert connection.getresponse().status == 200
        connection.close()
        assert process.wait(5) == 0


@pytest.mark.parametrize("request_bytes", ["x", "GET / HTTP/1.1\r\nContent-Length: many\r\n\r\n"])
def test_nonsense_ends_its_own_connection_only(request_bytes: str) -> None:
    import socket

    with server():
        with socket.create_connection((ADDRESS, 4000), timeout=5) as line:
            line.sendall(request_bytes.encode())
            line.shutdown(socket.SHUT_WR)
            assert line.recv(10) == b""
        assert ask("GET", "/healthz")[0] == 200
