"""What ``deploy/argo`` holds, judged by the real controller: it passes what is good and nothing else."""

from __future__ import annotations

import http.server
import json
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

import pytest
import yaml

from golive_sandbox.agent.addresses import on_loopback
from golive_sandbox.errors import SandboxError
from golive_sandbox.types import Json, dig, items, mapping, number, text
from golive_sandbox.world import judges, rights
from golive_sandbox.world.release import RELEASE_TAG, deploy_folder
from selftests.harness import eventually
from selftests.judged import Judged, aborted, metric, weight
from selftests.sandboxes import ROLLOUT, Sandbox, image

AHEAD = 3600
PAGES = ("page", "page-path", "page-both")
P95 = ("p95-invoke", "p95-tools", "p95-runs")
TEMPLATES = {"maestro-error-ratio": ("error-ratio",), "maestro-latency": P95}


@pytest.fixture(scope="module")
def judged(sandbox: Sandbox) -> Iterator[Judged]:
    sandbox.ask("create-world", world="deploy", rate="200")
    world = Judged(sandbox, "deploy")
    world.may_read_leases()
    yield world
    sandbox.ask("delete-world", world="deploy")


def canary(judged: Judged) -> None:
    """Start the release by hand."""
    repository = text(judged.rollout(), "spec", "template", "spec", "containers", 0, "image").rpartition(":")[0]
    name = image(repository.rpartition(":")[0] or repository, RELEASE_TAG)
    judged.sandbox.kubectl(judged.name, "argo", "rollouts", "set", "image", ROLLOUT, f"{ROLLOUT}={name}")


@contextmanager
def started(judged: Judged, seconds: int) -> Iterator[float]:
    """A canary under a Lease of some seconds; when it was written. Afterwards everything is as it was."""
    judged.lease(f"golive-{ROLLOUT}", seconds)
    began = time.time()
    try:
        canary(judged)
        yield began
    finally:
        judged.sandbox.kubectl(judged.name, "argo", "rollouts", "abort", ROLLOUT)
        judged.sandbox.kubectl(judged.name, "argo", "rollouts", "undo", ROLLOUT)
        judged.until("Healthy again", lambda now: text(now, "status", "phase") == "Healthy")
        judged.sandbox.kubectl(judged.name, "delete", "lease", f"golive-{ROLLOUT}")


def behave(judged: Judged, version: str, **changes: object) -> None:
    """Change the behaviour of all pods of a version, once they are there."""

    def pods() -> list[str]:
        path = f"/api/v1/namespaces/{judged.name}/pods?labelSelector=rollouts-pod-template-hash%3D{version}"
        return [text(one, "status", "podIP") for one in judged.sandbox.items(path)]

    for address in eventually("its pods", pods, lambda found: bool(found) and all(found), 10):
        url = f"http://{on_loopback(address)}:4000/-/behaviour"
        request = urllib.request.Request(url, json.dumps(changes).encode(), method="PUT")

        def told(request: urllib.request.Request = request) -> bool:
            try:
                with urllib.request.urlopen(request, timeout=5) as answer:
                    return bool(answer.status < 300)
            except OSError:
                return False  # it is starting

        eventually("it takes it", told, bool, 10)


def judge(judged: Judged, prefix: str, version: str, **arguments: str) -> list[str]:
    """Start both analyses of a version; the names of the runs."""
    given = {
        "namespace": judged.name,
        "canary-hash": version,
        **{key.replace("_", "-"): value for key, value in arguments.items()},
    }
    for template in TEMPLATES:
        judged.run(template, f"{prefix}-{template}", given)
    return [f"{prefix}-{template}" for template in TEMPLATES]


def test_an_argument_that_the_templates_do_not_have_is_refused() -> None:
    template: Json = {"metadata": {"name": "some"}, "spec": {"args": [{"name": "interval"}]}}
    with pytest.raises(SandboxError, match="expected argument interval with a value in some, found none"):
        judges._with_arguments("file.yaml", template, {"interval": "1s"})


def test_the_suite_s_role_reads_no_secret_and_writes_only_the_release_and_its_lease() -> None:
    written = {
        (rule.group, one, rule.names)
        for rule in rights.in_namespace()
        for one in rule.resources
        if {"create", "patch", "update", "delete"} & set(rule.verbs)
    }
    lease = (f"golive-{ROLLOUT}",)
    assert written == {
        ("", "pods/portforward", ()), ("", "services", ()), ("networking.k8s.io", "ingresses", ()),
        ("argoproj.io", "rollouts", ()), ("argoproj.io", "rollouts/status", ()),
        ("coordination.k8s.io", "leases", ()), ("coordination.k8s.io", "leases", lease),
    }  # fmt: skip
    every = [rule for one in rights.objects("any", "someone", rights.in_namespace()) for rule in items(one, "rules")]
    assert not [rule for rule in every if "secrets" in str(rule) or "*" in str(rule)]
    assert {"deletecollection", "escalate", "bind"}.isdisjoint(str(every).split("'"))


def test_every_object_names_no_namespace_but_those_of_rights() -> None:
    for file in ("rollout-maestro", "analysis-maestro", "retention-cronjob"):
        found = yaml.safe_load_all((deploy_folder() / "argo" / f"{file}.yaml").read_text(encoding="utf-8"))
        assert [one for one in found if "namespace" in one["metadata"]] == []


def test_the_driver_may_what_the_role_says(judged: Judged) -> None:
    user = f"--as=release-driver-{judged.name}"

    def may(*words: str, where: str = judged.name, fails: bool = False) -> None:
        judged.sandbox.kubectl(where, "auth", "can-i", *words, user, "-q", fails=fails)

    lease = f"leases.coordination.k8s.io/golive-{ROLLOUT}"
    for verb in ("get", "patch", "update", "delete"):
        may(verb, lease)
        may(verb, "leases.coordination.k8s.io/other", fails=True)
    may("create", "leases.coordination.k8s.io")
    may("list", "nodes")
    may("patch", "analysistemplates.argoproj.io", fails=True)
    may("get", "secrets/golive-heartbeat", fails=True)
    # There is no Argo CD here: whoever may look is told so, whoever may not is told that first.
    for namespace, told in (("argocd", "NotFound"), ("default", "Forbidden")):
        path = f"/apis/argoproj.io/v1alpha1/namespaces/{namespace}/applications/maestro"
        assert told in judged.sandbox.kubectl(judged.name, "get", "--raw", path, user, fails=True)


def test_good_traffic_passes_and_no_traffic_no_metrics_and_no_prometheus_never_do(judged: Judged) -> None:
    stable = text(judged.rollout(), "status", "stableRS")
    good = judge(judged, "good", stable)
    blind = [
        *judge(judged, "unknown", "nothing"),
        *judge(judged, "away", stable, prometheus="http://nobody.deploy-monitoring.svc:9090"),
    ]
    seen = judged.ended(*good, *blind, seconds=40)
    for name in good:
        assert text(seen[name], "phase") == "Successful", seen[name]
        for one in items(seen[name], "metricResults"):
            assert (number(one, "count"), number(one, "successful"), len(items(one, "measurements"))) == (3, 3, 3)
    for name in blind:
        assert text(seen[name], "phase") == "Error", seen[name]
        assert all("successful" not in one for one in items(seen[name], "metricResults"))
    assert "metric result is nil or empty" in text(seen[blind[0]], "message")


@pytest.mark.long
def test_traffic_that_stopped_is_blind_and_not_zero_errors(judged: Judged) -> None:
    judged.sandbox.ask("traffic", world=judged.name, act="pause")
    try:
        stable = text(judged.rollout(), "status", "stableRS")
        # Later than the window is long: rates are 0 by then, and the p95 of nothing is NaN.
        names = judge(judged, "paused", stable, initial_delay="13s", error_limit="0")
        seen = judged.ended(*names, seconds=40)
    finally:
        judged.sandbox.ask("traffic", world=judged.name, act="resume")
    assert [text(one, "phase") for one in seen.values()] == ["Error", "Error"], seen


@pytest.mark.long
def test_a_slow_route_fails_under_its_own_name(judged: Judged) -> None:
    stable = text(judged.rollout(), "status", "stableRS")
    behave(judged, stable, delay_ms_by_route={"/api/maestro/v1/tools": 1800})
    try:
        names = judge(judged, "slow", stable, initial_delay="12s")
        seen = judged.ended(*names, seconds=40)
    finally:
        behave(judged, stable, delay_ms_by_route=None)
    assert [text(seen[name], "phase") for name in names] == ["Successful", "Failed"], seen
    assert {name: text(metric(seen[names[1]], name), "phase") for name in P95}["p95-tools"] == "Failed"
    assert '"p95-tools" assessed Failed' in text(seen[names[1]], "message")


def test_a_canary_that_answers_5xx_is_aborted_at_its_first_weight(judged: Judged) -> None:
    with started(judged, 600):
        now = judged.until("a canary", lambda one: weight(one) == 10)
        behave(judged, text(now, "status", "currentPodHash"), error_ratio=0.2)
        ended = judged.until("aborted", aborted)
    assert '"error-ratio" assessed Failed' in text(ended, "status", "message")


def test_a_canary_without_renewal_is_aborted_when_its_lease_is_over(judged: Judged) -> None:
    with started(judged, 5) as written:
        ended = judged.until("aborted", aborted, 15)
        took = time.time() - written
    assert '"driver-alive" assessed Failed' in text(ended, "status", "message")
    # The stamp has whole seconds; then a look a second, and the controller's own abort.
    assert 3.5 < took < 8, took


def test_the_heartbeat_is_judged_on_both_sides_and_by_its_own_writer(judged: Judged) -> None:
    for name, manager in (("renewed", "golive"), ("foreign", "somebody"), ("ahead", "golive")):
        judged.lease(name, 4, manager)
    found = judged.get("lease", "ahead", "--show-managed-fields")
    (entry,) = items(found, "metadata", "managedFields")
    entry["time"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + AHEAD))
    # With another change: the API server takes back one of times alone.
    found["metadata"] = {**mapping(found, "metadata"), "labels": {"clock": "ahead"}}
    judged.create(found, "--field-manager=clock", verb="replace")
    for name in ("renewed", "foreign", "ahead"):
        judged.heartbeat(name)
    deadline = time.monotonic() + 8
    while time.monotonic() < deadline:
        judged.lease("renewed", 4)
    alive = judged.get("analysisrun", "renewed")
    assert text(alive, "status", "phase") == "Running"
    assert number(metric(_status(alive), "driver-alive"), "successful") >= 6
    seen = judged.ended("renewed", "foreign", "ahead")
    assert {text(one, "phase") for one in seen.values()} == {"Failed"}
    assert [number(metric(seen[one], "driver-alive"), "count") for one in ("foreign", "ahead")] == [1, 1]


def _status(run: Json) -> Json:
    found = dig(run, "status")
    return found if isinstance(found, dict) else {}


@pytest.mark.long
def test_what_is_no_answer_is_an_error_until_the_limit(judged: Judged) -> None:
    judged.token("rejected", "not-a-token")
    judged.lease("unauthorised", 3600)
    with answering(b'{"kind": "Status"}', "application/json") as other:
        judged.heartbeat("missing")
        judged.heartbeat("unauthorised", secret="rejected")
        judged.heartbeat("forbidden", "unauthorised", secret="golive-heartbeat")
        judged.heartbeat("no-lease", server=other)
        began = time.monotonic()
        seen = judged.ended("missing", "unauthorised", "forbidden", "no-lease")
        took = time.monotonic() - began
    assert {name: text(one, "phase") for name, one in seen.items()} == dict.fromkeys(seen, "Error")
    assert 8 < took < 16, took  # the second look is 10 s after the first
    codes = {"missing": "404", "unauthorised": "401", "forbidden": "403"}
    assert all(f"response code: {code}" in text(seen[name], "message") for name, code in codes.items()), seen


class _Answer(http.server.BaseHTTPRequestHandler):
    body: ClassVar[bytes] = b""
    kind: ClassVar[str] = ""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", self.kind)
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def answering(body: bytes, kind: str) -> Iterator[str]:
    """Somebody in the API server's place."""
    handler = type("Answer", (_Answer,), {"body": body, "kind": kind})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.mark.long
def test_argo_takes_a_page_for_success_whatever_the_condition(judged: Judged) -> None:
    """A limit of Argo's web provider, known and written down in heartbeat.yaml: if this fails, Argo has mended it."""
    with answering(b"<h1>Sign in</h1>", "text/html") as page:
        judged.heartbeat("page", server=page)
        judged.heartbeat("page-path", server=page, jsonPath="{$.spec.leaseDurationSeconds}", successCondition="false")
        judged.heartbeat("page-both", server=page, successCondition="false", failureCondition="true")
        eventually(
            "each has looked at the page",
            lambda: [dig(judged.get("analysisrun", one), "status", "metricResults", 0, "successful") for one in PAGES],
            lambda found: all(isinstance(one, int) and one > 0 for one in found),
            10,
        )
