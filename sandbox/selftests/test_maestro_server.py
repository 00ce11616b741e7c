from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from golive_sandbox.registry import catalogue, programs
from golive_sandbox.servers.cache import Built

ADDRESS = "127.18.255.77"  # in no block that is handed out to pods in these tests
INVOKE, TOOLS, RUNS = (f"/api/maestro/v1/{name}" for name in ("invoke", "tools", "runs"))
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


def behave(changes: object, method: str = "PUT") -> tuple[int, dict[str, object]]:
    status, said = ask(method, "/-/behaviour", json.dumps(changes))
    found: dict[str, object] = json.loads(said)
    return status, found


def test_all_three_routes_answer_and_say_which_version_did() -> None:
    with server():
        assert ask("POST", INVOKE, "{}")[0] == ask("GET", TOOLS)[0] == ask("GET", RUNS)[0] == 200
        assert ask("POST", TOOLS, "{}")[0] == 405
        assert '"version":"1.5.0"' in ask("GET", RUNS)[1]


def test_errors_and_delays_are_set_while_it_runs_for_all_routes_or_for_one() -> None:
    with server(MAESTRO_ERROR_RATIO="1"):
        assert ask("GET", TOOLS)[0] == ask("GET", RUNS)[0] == 500
        assert behave({"error_ratio_by_route": {RUNS: 0}})[0] == 200
        assert (ask("GET", TOOLS)[0], ask("GET", RUNS)[0]) == (500, 200)
        assert behave({"error_ratio": 0, "delay_ms_by_route": {RUNS: 300}})[0] == 200
        began = time.monotonic()
        assert ask("GET", TOOLS)[0] == 200
        assert ask("GET", RUNS)[0] == 200
        assert time.monotonic() - began > 0.3
        assert behave({"error_ratio": None})[1]["error_ratio"] == 1  # as the environment says
        assert behave({}, "DELETE")[1]["delay_ms_by_route"] == {}


def test_readiness_is_switched_off_and_on_while_it_runs() -> None:
    with server(MAESTRO_NOT_READY="yes"):
        assert ask("GET", "/readyz")[0] == 503
        behave({"not_ready": False})
        assert ask("GET", "/readyz")[0] == 200


def test_a_silent_server_counts_and_logs_nothing() -> None:
    trace = f"00-{'a' * 32}-{'b' * 16}-01"
    with server(MAESTRO_SILENT="yes") as process:
        assert ask("GET", TOOLS, traceparent=trace)[0] == 200
        assert TOOLS not in ask("GET", "/metrics")[1]
        behave({"silent": False})
        assert ask("GET", RUNS, traceparent=trace)[0] == 200
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["route"] == RUNS


def test_a_leak_makes_it_slower_and_a_crash_ends_it_with_one() -> None:
    with server(MAESTRO_LEAK_MS_PER_SECOND="2000") as process:
        times = []
        for _ in range(3):
            began = time.monotonic()
            ask("GET", TOOLS)
            times.append(time.monotonic() - began)
        assert times == sorted(times)
        behave({"crash_after_seconds": 0.01})
        assert process.wait(5) == 1


def test_a_slow_start_listens_later() -> None:
    began = time.monotonic()
    with server(MAESTRO_START_SECONDS="0.4"):
        assert time.monotonic() - began > 0.4


@pytest.mark.parametrize(
    ("mode", "status", "holds"),
    [
        ("ok", 200, 'http_requests_total{route="/api/maestro/v1/tools",code="200"} 1\n'),
        ("malformed", 200, 'code="200"} a lot'),
        ("error", 500, "out of order"),
        ("html", 200, "<!doctype html>"),
        ("no-slo", 200, "build_info"),
    ],
)
def test_metrics_can_be_wrong(mode: str, status: int, holds: str) -> None:
    with server():
        ask("GET", TOOLS)
        behave({"metrics": mode})
        seen = ask("GET", "/metrics")
    assert seen[0] == status
    assert holds in seen[1]
    assert ("http_requests_total" in seen[1]) == (mode in ("ok", "malformed"))


def test_metrics_can_be_empty_old_huge_or_cut() -> None:
    with server():
        ask("GET", TOOLS)
        behave({"metrics": "empty"})
        assert ask("GET", "/metrics") == (200, "")
        behave({"metrics": "old"})
        line = next(one for one in ask("GET", "/metrics")[1].splitlines() if one.startswith("build_info"))
        assert 590 < time.time() - int(line.split()[-1]) / 1000 < 620
        behave({"metrics": "huge"})
        assert len(ask("GET", "/metrics")[1]) > 30_000_000
        behave({"metrics": "cut"})
        with pytest.raises(http.client.IncompleteRead):
            ask("GET", "/metrics")


def test_slow_metrics_are_still_on_their_way_after_a_while_and_hold_nothing_else_up() -> None:
    with server():
        behave({"metrics": "slow"})
        with socket.create_connection((ADDRESS, 4000), timeout=0.3) as line:
            line.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            with pytest.raises(TimeoutError):
                line.recv(1)
        assert ask("GET", TOOLS)[0] == 200


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ([], "behaviour: expected a JSON object; found '[]'"),
        ({"error": 1}, "behaviour: expected keys of error_ratio, "),
        ({"error_ratio": 2}, "error_ratio: expected a ratio from 0 to 1; found '2'"),
        ({"delay_ms": "much"}, "delay_ms: expected a number of at least 0; found 'much'"),
        ({"delay_ms": True}, "delay_ms: expected a number of at least 0; found 'True'"),
        ({"not_ready": 1}, "not_ready: expected true or false; found '1'"),
        ({"metrics": "odd"}, "metrics: expected one of ok, empty, "),
        ({"delay_ms_by_route": {"/x": 1}}, "delay_ms_by_route: expected a table of /api/maestro/v1/invoke, "),
    ],
)
def test_a_behaviour_that_cannot_be_is_refused_and_changes_nothing(changes: object, told: str) -> None:
    with server():
        before = ask("GET", "/-/behaviour")
        status, said = behave(changes)
        assert (status, str(said["error"])[: len(told)]) == (400, told)
        assert ask("GET", "/-/behaviour") == before


def test_behaviour_is_not_there_for_who_names_another_host() -> None:
    with server():
        assert ask("GET", "/-/behaviour", Host="maestro.example.test")[0] == 404


def test_sigterm_lets_a_request_finish_and_ends_with_zero() -> None:
    with server(MAESTRO_DELAY_MS="500") as process:
        connection = http.client.HTTPConnection(ADDRESS, 4000, timeout=5)
        connection.request("POST", INVOKE, "{}")
        os.kill(process.pid, signal.SIGTERM)
        answer = connection.getresponse()
        assert (answer.status, answer.getheader("Connection")) == (200, "close")
        connection.close()
        assert process.wait(5) == 0


def test_several_requests_in_one_packet_are_answered_in_their_order() -> None:
    one = b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n"
    with server(), socket.create_connection((ADDRESS, 4000), timeout=5) as line:
        behave({"delay_ms_by_route": {TOOLS: 50}})
        line.sendall(one % TOOLS.encode() + one % b"/healthz" + b"GET /nowhere HTTP/1.1\r\nConnection: close\r\n\r\n")
        got = b""
        while chunk := line.recv(1 << 16):
            got += chunk
    assert [part[:3] for part in got.split(b"HTTP/1.1 ")[1:]] == [b"200", b"200", b"404"]
    assert got.index(b'"tools"') < got.index(b"ok\n")


@pytest.mark.parametrize("request_bytes", ["x", "GET / HTTP/1.1\r\nContent-Length: many\r\n\r\n"])
def test_nonsense_ends_its_own_connection_only(request_bytes: str) -> None:
    with server():
        with socket.create_connection((ADDRESS, 4000), timeout=5) as line:
            line.sendall(request_bytes.encode())
            line.shutdown(socket.SHUT_WR)
            assert line.recv(10) == b""
        assert ask("GET", "/healthz")[0] == 200
