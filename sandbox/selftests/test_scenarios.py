"""Every row of the scenario table is what the real suite says, with the least-privilege user, on a real cluster."""

from __future__ import annotations

import tomllib
from functools import partial

from golive_sandbox.scenarios.faults import FAULTS
from golive_sandbox.scenarios.table import CLEAN, SCENARIOS, Found, Verdict
from golive_sandbox.scenarios.walks import SCENARIOS as WALKED
from golive_sandbox.types import Json, dig, items, text
from golive_sandbox.world.release import STABLE_TAG
from selftests import judging
from selftests.judging import TRACED, Judged
from selftests.sandboxes import ROOT, image
from selftests.traces import SILENT

OBSERVED = {
    "wrong-cluster": "kube-system",
    "namespace-missing": "there is none",
    "api-unreachable": "Connection refused",
    "credentials-rejected": "refused",
    "status-patch-forbidden": "missing: patch rollouts/status.argoproj.io",
    "rollout-patch-forbidden": "missing: patch rollouts.argoproj.io",
    "manifest-apply-forbidden": "missing: patch services, create services",
    "tag-missing": "the registry has no such tag",
    "tag-moved": "v1.5.0 (golive.toml: release.digest): sha256:",
    "digest-of-another-image": "v1.5.0 (golive.toml: release.digest): sha256:",
    "platform-missing": "index: expected one image for linux/amd64, found linux/arm64",
    "registry-lying": "as Docker-Content-Digest says, found bytes of digest sha256:",
    "registry-lying-blob": "expected bytes of digest sha256:",
    "registry-slow": "no whole answer within 2.0 s",
    "registry-down": "disconnected without sending a response",
    "registry-error": "found 500 application/json",
    "registry-html": "expected an image index or manifest, found text/html",
    "registry-cut": "closed connection without sending complete message body",
    "registry-huge": "expected an answer of at most 4194304 bytes, found more",
    "registry-wrong-encoding": "content encoding: expected gzip, found bytes that are not",
    "registry-redirecting": "(registry.blob_hosts), found elsewhere.example.test",
    "registry-redirect-loop": "expected at most 5 redirects, found more",
    "registry-unauthorized": "wants a token from elsewhere.example.test, which may not see an account",
    "metrics-empty": "missing: http_requests_total{code, route}, http_request_duration_seconds_bucket{le, route}",
    "metrics-malformed": "expected NAME{LABELS} VALUE [TIME], found",
    "metrics-no-slo": "missing: http_requests_total{code, route}, http_request_duration_seconds_bucket{le, route}",
    "metrics-error": "500, expected 200, found 500: metrics are out of order",
    "metrics-html": "200, expected text/plain or application/openmetrics-text, found text/html",
    "metrics-cut": "Connection broken",
    "metrics-huge": "expected an answer of at most 8388608 bytes, found more",
    "metrics-slow": "no whole answer within 5 s",
    "metrics-old": "has none",
    "one-pod-not-scraped": "is not scraped",
    "prometheus-down": "Ready: none",
    "prometheus-slow": "no whole answer within 2 s",
    "prometheus-html": "expected application/json, found text/html",
    "prometheus-cut": "Connection aborted",
    "prometheus-huge": "expected an answer of at most 33554432 bytes, found more",
    "prometheus-other-type": "expected a vector, found a string",
    "prometheus-warnings": "expected a complete answer, found one with warnings",
    "prometheus-not-ready": "503 Service not ready",
    "prometheus-pod-not-ready": "not Ready: prometheus-",
    "rule-missing": "not loaded: MaestroErrorBudgetBurnFast",
    "rule-failing": "err: found duplicate series",
    "rule-never-evaluated": "never evaluated",
    "rules-stale": " s ago",
    "prometheus-tells-nobody": "it knows none",
    "alertmanager-one-down": "Ready: alertmanager-0-",
    "alertmanager-down": "Ready: none",
    "alertmanager-route-missing": "receiver default (tells nobody) by route",
    "alertmanager-route-shadowed": 'receiver default (tells nobody) by route.routes[0]{severity="warning"}',
    "alertmanager-receiver-without-pagerduty": "receiver pagerduty (webhook) by route.routes[0]",
    "alertmanager-pair-differs": "receiver default (tells nobody) by route",
    "alertmanager-html": "expected application/json, found text/html",
    "argo-controller-down": "none Ready: no such pod",
    "argo-crd-missing": "there is no such CRD",
    "canary-service-missing": "there is no such Service",
    "stable-without-endpoints": "0 of 0 ready",
    "stable-selects-other-pods": "its selector is {'app.kubernetes.io/name': 'somebody-else'",
    "canary-selects-other-pods": "its selector is {'app.kubernetes.io/name': 'somebody-else'",
    "routing-names-other-service": "it names maestro-server and maestro-server-next",
    "manifest-unknown-field": "progressDeadlineSecond: field not declared in schema",
    "manifest-other-digest": "sha256:" + "0" * 64,
    "manifest-refused": "must be between 1 and 65535",
    "ingress-missing": "there is no such Ingress",
    "ingress-routes-elsewhere": "its rules lead to maestro-server-next:4000",
    "stable-leads-to-no-port": "nowhere: port 4000",
    "manifest-other-tag": ":v0.0.1@sha256:",
    "manifest-skips-canary": "it names maestro-server, maestro-server, maestro-server, router: nginx",
    "manifest-without-steps": "there are no steps",
    "approver-empty": "nobody for: approver",
    "approver-unseen": "approver \u200bRobin Castillo",
    "unsigned": "none (of other kinds: 1 SBOM, 1 provenance) (NO_SIGNATURE)",
    "signed-by-another-repository": "identity: https://github.com/acme/somewhere-else/.github/workflows/release.yml@",
    "signed-by-a-fork": "identity: https://github.com/mallory/maestro/.github/workflows/release.yml@refs/tags/v1.5.0",
    "signed-from-another-branch": "release.yml@refs/heads/main (IDENTITY_MISMATCH)",
    "certificate-expired": "cert is not valid at validation time",
    "signature-tampered": "DSSE: invalid signature",
    "payload-tampered": "DSSE: invalid signature",
    "log-entry-missing": "log entry: a timestamp only",
    "signature-of-another-image": "subject of the statement: sha256:",
    "tag-moved-after-signature": "release.yml@refs/tags/v1.4.9 (IDENTITY_MISMATCH)",
    "sbom-missing": "none (of other kinds: 1 provenance, 1 signature) (NO_SBOM)",
    "sbom-of-another-image": "digest of what the document describes: sha256:",
    "sbom-empty": "packages besides the image itself: 0 (SBOM_INVALID)",
    "provenance-of-another-builder": "runDetails.builder.id: https://github.com/acme/maestro/.github/workflows/nightly.yml",
    "role-empty": "nobody for: sre",
    "one-person-two-roles": "driver Robin Castillo, approver Robin Castillo",
}
"""What the failing criterion must say that it saw, by the fault that makes it fail."""
DID = {
    "canary-paused-by-hand": ["abort", "unpause", "restore"],
    "canary-aborted": ["restore"],
    "status-patch-forbidden": ["restore"],
    "rollout-patch-forbidden": ["abort"],
}
"""What a rollback of a canary does, by fault, where it is not abort and restore."""
PREFLIGHT = [one for one in SCENARIOS if one not in WALKED]
"""The others are in test_walks.py."""
FAILING = [one for one in PREFLIGHT if one.criterion is not None]
TAKEN_BACK = [one for one in PREFLIGHT if one.rollback is Found.CANARY and one.proven]
LEFT_ALONE = [one for one in PREFLIGHT if one.rollback is not Found.CANARY and "namespace-missing" not in one.faults]


LONG = frozenset(
    {
        "tag-missing",
        "canary-at-25-stable-without-endpoints",
        "argo-controller-down",
        "unsigned",
        "prometheus-tells-nobody",
        "canary-service-missing",
        "argo-crd-missing",
        "wrong-cluster",
        "other-canary-at-25-role-empty",
        "canary-aborted",
        "manifest-refused",
        "alertmanager-one-down",
        "prometheus-pod-not-ready",
        "metrics-old",
        "metrics-error",
        "registry-slow",
        "signed-by-another-repository",
        "signed-from-another-branch",
        "certificate-expired",
        "signature-tampered",
        "payload-tampered",
        "log-entry-missing",
        "signature-of-another-image",
        "tag-moved-after-signature",
        "sbom-empty",
        "sbom-missing",
        "canary-at-25-rollout-patch-forbidden",
        "registry-lying-blob",
        "registry-error",
        "registry-html",
        "registry-cut",
        "registry-wrong-encoding",
        "registry-redirecting",
        "registry-redirect-loop",
        "registry-unauthorized",
        "stable-selects-other-pods",
        "stable-leads-to-no-port",
        "canary-at-25-canary-selects-other-pods",
        "canary-at-25-stable-selects-other-pods",
        "canary-at-25-routing-names-other-service",
        "manifest-other-tag",
        "manifest-without-steps",
        "approver-unseen",
        "canary-at-10-role-empty",
        "canary-at-100-role-empty",
        "metrics-malformed",
        "metrics-html",
        "metrics-cut",
        "metrics-huge",
        "prometheus-html",
        "prometheus-cut",
        "prometheus-huge",
        "prometheus-other-type",
        "rule-never-evaluated",
        "alertmanager-route-missing",
        "alertmanager-html",
        "credentials-rejected",
        "rollout-patch-forbidden",
        "manifest-apply-forbidden",
        "digest-of-another-image",
        "platform-missing",
        "registry-huge",
        "canary-selects-other-pods",
        "routing-names-other-service",
        "ingress-routes-elsewhere",
        "manifest-unknown-field",
        "approver-empty",
        "metrics-no-slo",
        "metrics-slow",
        "prometheus-slow",
        "prometheus-warnings",
        "prometheus-not-ready",
        "rule-failing",
        "rules-stale",
        "alertmanager-down",
        "alertmanager-pair-differs",
        "alertmanager-receiver-without-pagerduty",
        "canary-never-ready",
        "canary-at-50-role-empty",
        "canary-never-ready-role-empty",
        "canary-at-25-canary-service-missing",
        "canary-at-25-manifest-other-digest",
        "one-pod-not-scraped",
    }
)
"""A criterion fails alike in another scenario, and the hands' self-tests have the same answer from a local server."""


rows = partial(judging.rows, long=LONG)


@rows(PREFLIGHT)
def test_verdict_and_exit_code_are_the_table_s(judged: Judged) -> None:
    scenario, run = judged.scenario, judged.run
    assert run.exit == scenario.exit, run.output
    assert run.verdict["verdict"] == scenario.verdict.value
    assert run.verdict["problems"] == []
    assert items(run.verdict, "criteria")


@rows(PREFLIGHT)
def test_the_named_criterion_is_the_only_one_that_does_not_pass(judged: Judged) -> None:
    scenario = judged.scenario
    outcomes = {name: row["outcome"] for name, row in judged.run.criteria().items()}
    wanted = dict.fromkeys(outcomes, "passed")
    if scenario.criterion is not None:
        wanted[scenario.criterion] = "not_proven" if scenario.blind else "failed"
    for name in scenario.dependants:  # they see less, or see the same thing to be wrong
        assert outcomes.pop(name) in ("failed", "not_proven"), judged.run.output
        del wanted[name]
    assert outcomes == wanted, judged.run.output


@rows(FAILING)
def test_the_failure_says_what_was_seen_and_what_to_do(judged: Judged) -> None:
    assert judged.scenario.criterion is not None
    row = judged.run.criteria()[judged.scenario.criterion]
    assert OBSERVED[judged.scenario.faults[-1]] in text(row, "observed")
    assert text(row, "expected")
    assert len(text(row, "fix")) > 20
    for words in (text(row, "observed"), text(row, "fix").partition("\n")[0]):
        assert words.partition("\n")[0] in judged.run.output  # what a person reads in the terminal


@rows(PREFLIGHT)
def test_the_rollback_finds_what_the_table_says(judged: Judged) -> None:
    scenario, rollback = judged.scenario, judged.run.rollback
    if scenario.rollback is None:
        assert judged.run.verdict["rollback"] is None
        return
    found = [scenario.rollback.value]
    if (
        scenario.rollback is Found.ALREADY_BACK
    ):  # its pods are kept for half a minute: a slow machine may find them gone
        found.append(Found.NOT_STARTED.value)
    assert rollback["found"] in found
    assert rollback["proven"] is scenario.proven
    # The first that fails calls it, which may be a dependant; what is not proven calls it at the end.
    assert rollback["cause"] in (scenario.criterion, *scenario.dependants)
    legs = items(rollback, "legs")
    assert all(leg["proven"] for leg in legs) is scenario.proven
    assert bool(legs) is (rollback["found"] != Found.NOT_STARTED.value)
    asked = next((DID[fault] for fault in scenario.faults if fault in DID), ["abort", "restore"])
    assert rollback["did"] == (asked if scenario.rollback is Found.CANARY else [])


@rows(LEFT_ALONE)
def test_what_is_not_a_canary_of_the_release_is_left_alone(judged: Judged) -> None:
    assert judged.before
    assert judged.after == judged.before


@rows(TAKEN_BACK)
def test_argo_says_that_the_stable_version_has_all_traffic(judged: Judged) -> None:
    lines = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in judged.argo.splitlines())}
    stable = image(text(judged.run.verdict, "release", "image"), STABLE_TAG)
    assert lines["Status"] == "✔ Healthy", judged.argo
    assert lines["Images"] == f"{stable} (stable)", judged.argo
    assert (lines["Desired"], lines["Updated"]) == ("3", "3"), judged.argo
    assert int(lines["Available"]) >= 3  # the release's pods, which get nothing, stay for half a minute
    assert dig(judged.after, "weights", "canary", "weight") == 0
    assert dig(judged.after, "status", "currentPodHash") == dig(judged.after, "status", "stableRS")
    assert text(judged.after, "spec", "template", "spec", "containers", 0, "image") == stable
    assert dig(judged.before, "status", "currentPodHash") != dig(judged.before, "status", "stableRS")


@rows([one for one in PREFLIGHT if any(fault.startswith("canary-at-") for fault in one.faults) and not one.rollback])
def test_a_canary_stays_where_it_is_while_nothing_is_wrong_or_the_cluster_is_another(judged: Judged) -> None:
    assert dig(judged.after, "weights", "canary", "weight") == 25
    assert dig(judged.after, "status", "phase") == "Paused"


@rows(TRACED)
def test_healed_faults_leave_no_trace(judged: Judged) -> None:
    traces = judged.traces
    assert traces is not None
    assert SILENT not in traces.clean
    assert traces.healed == traces.clean
    assert (traces.broken != traces.clean) is bool(judged.scenario.faults)


ELSEWHERE = {
    "2.2-compare": "a p1 makes no NO-GO: test_walks.py has it fail beside the errors",
    "4-availability": "what passed at each weight passes in sum; the hands' self-tests make windows in which not",
    "4-latency": "the same",
    "4-supply-chain": "a pod of another digest fails at its weight; test_between_sessions.py has it serve later",
}
"""Criteria that no scenario ends with, and why."""


def implemented() -> set[str]:
    listed: Json = tomllib.loads((ROOT / "tests_golive" / "criteria.toml").read_text(encoding="utf-8"))
    return {text(row, "id") for row in items(listed, "criterion") if row.get("implemented") is not False}


def test_every_criterion_that_is_built_fails_in_a_scenario_and_passes_in_clean() -> None:
    failing = {one.criterion.partition("[")[0] for one in SCENARIOS if one.criterion is not None and not one.blind}
    assert implemented() - failing == set(ELSEWHERE)
    (clean,) = [one for one in SCENARIOS if one.name == CLEAN]
    assert (clean.verdict, clean.faults) == (Verdict.GO, ())


@rows([one for one in SCENARIOS if one.name == CLEAN])
def test_every_criterion_of_preflight_that_is_built_passes_in_a_clean_world(judged: Judged) -> None:
    passed = {name for name, row in judged.run.criteria().items() if row["outcome"] == "passed"}
    listed: Json = tomllib.loads((ROOT / "tests_golive" / "criteria.toml").read_text(encoding="utf-8"))
    stages = {text(row, "id"): text(row, "stage") for row in items(listed, "criterion")}
    assert passed == {name for name in implemented() if stages[name] == "preflight"}


def test_every_fault_is_part_of_a_scenario() -> None:
    used = {fault for one in SCENARIOS for fault in one.faults}
    assert used == {fault.name for fault in FAULTS}
    assert len({one.name for one in SCENARIOS}) == len(SCENARIOS)
