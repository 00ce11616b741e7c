"""What is written for people: secrets masked, claims in three lines, the summary in the order a tired person reads."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import cast

import pytest

from golive.config import Settings
from golive.criterion import Criterion, Gate, Outcome, Stage
from golive.evidence import MOST_TEXT, ClaimFailed, Recorder, facts_in
from golive.html_report import summary_html
from golive.redact import MASK, Redactor
from golive.report import rollback_lines, summary
from golive.types import Json
from golive.verdict import Decision, Judged, Verdict

JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJtYWVzdHJvIn0.c2lnbmF0dXJl"
SETTINGS = Settings.model_validate(
    {
        "armed": True,
        "target": {
            "cluster": "prod",
            "cluster_uid": "867b47fd-96d8-4581-b3c7-c752bc94844d",
            "namespace": "maestro",
            "rollout": "maestro-server",
        },
        "release": {
            "image": "ghcr.io/intelgraph/maestro",
            "tag": "v1.5.0",
            "digest": "sha256:" + "b" * 64,
            "revision": "d" * 40,
            "manifest": "rollout.yaml",
        },
        "services": {"stable": "a", "canary": "b"},
    }
)


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (f"token {JWT} expired", JWT),
        ("push with ghp_" + "a" * 30, "a" * 30),
        ("github_pat_" + "a1" * 15, "a1a1"),
        ("glpat-" + "a1" * 10, "a1a1"),
        ("xoxb-123456789012-abcdef", "abcdef"),
        ("key AKIA0123456789ABCDEF used", "AKIA0123456789ABCDEF"),
        ("see https://hooks.slack.com/services/T0/B0/abcdef", "abcdef"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----", "MIIE"),
        ("-----BEGIN PRIVATE KEY-----\nMIIE", "MIIE"),
        ("Authorization: Bearer abcd1234", "abcd1234"),
        ("authorization=Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
        ('{"Authorization": "token abcd1234"}', "abcd1234"),
        ("sent Bearer abcdefghij0123456789", "abcdefghij"),
        ("postgres://maestro:hunter2@db:5432/x", "hunter2"),
        ("postgres://maestro:hunt@er2@db:5432/x", "er2"),
        ("redis://:hunter2@cache", "hunter2"),
        ("password=hunter2", "hunter2"),
        ("DB_PASSWORD: hunter2", "hunter2"),
        ("PGPASSWORD=hunter2 psql", "hunter2"),
        ("DB_PASS=hunter2", "hunter2"),
        ("api_key='hunter2'", "hunter2"),
        ('{"routing_key": "R0123456789abcdef"}', "R0123456789abcdef"),
        ("client-key-data: TUlJRQ==", "TUlJRQ"),
    ],
)
def test_a_secret_is_masked_by_its_shape(text: str, secret: str) -> None:
    clean = Redactor().text(text)
    assert secret not in clean
    assert MASK in clean
    assert Redactor().text(clean) == clean


@pytest.mark.parametrize(
    "text",
    [
        "sha256:bf82b72b931bfcb2cd968d8a367a2798c617e76609da74f4c00a74d32829dbd3",
        "867b47fd-96d8-4581-b3c7-c752bc94844d",
        "ghcr.io/intelgraph/maestro-control-plane:v1.5.0@sha256:" + "b" * 64,
        "pods maestro-server-6d5f8c7b9-x2x4z, maestro-server-canary",
        "kubectl -n maestro logs deploy/argo-rollouts; https://10.0.0.1:6443/readyz?verbose",
        "basic authentication is switched off; bearer credentials were not sent",
        "bypass: true; passed: 12 of 12; first pass: 12:03; compass: north",
        "log index 123456789, integrated 2026-11-24T09:00:00Z, issuer https://token.actions.githubusercontent.com",
        "tokens: 4096, secrets: 3 found, secretName pagerduty, passwordless login",
        "mailto:alex.moreau@example.com, tel:+49 30 123456, slack:#go-live",
        "imagePullSecrets, serviceAccountToken, automountServiceAccountToken",
        "PWD=/work/main",
    ],
)
def test_ordinary_evidence_is_left_as_it_is(text: str) -> None:
    assert Redactor().text(text) == text
    assert Redactor().json({"observed": text, "list": [text, 1, None, True]}) == {
        "observed": text,
        "list": [text, 1, None, True],
    }


@pytest.mark.parametrize(
    "name", ["password", "DB_PASSWORD", "apiKey", "clientSecret", "x-api-key", "routing_key", "token"]
)
def test_a_value_under_a_secrets_name_is_masked_whatever_it_is(name: str) -> None:
    assert Redactor().json({"outer": [{name: "x"}]}) == {"outer": [{name: MASK}]}
    assert Redactor().json({name: ""}) == {name: ""}


@pytest.mark.parametrize("value", ["correct horse", 'quo"te\\d', "üñïcode", "a/b+c=d&e"])
def test_a_known_value_is_masked_also_where_it_is_escaped_or_encoded(value: str) -> None:
    import base64
    from urllib.parse import quote

    redactor = Redactor([value])
    forms = (value, json.dumps(value), quote(value, safe=""), base64.b64encode(value.encode()).decode())
    for form in forms:
        assert redactor.text(f"<{form}>").replace('"', "") == f"<{MASK}>"


def test_a_short_known_value_masks_no_words() -> None:
    assert Redactor(["prod"]).text("prod is up") == "prod is up"


def test_the_environments_secrets_are_known_and_its_folders_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", "swordfish")
    monkeypatch.setenv("PGURL", "postgres://maestro:marlinspike@db/x")
    monkeypatch.setenv("PWD", "/work/somewhere")
    monkeypatch.setenv("OLDPWD", "/work/elsewhere")
    clean = Redactor.from_environment().text("swordfish marlinspike /work/somewhere /work/elsewhere")
    assert clean == f"{MASK} {MASK} /work/somewhere /work/elsewhere"


def test_a_text_that_fits_in_no_file_is_escaped() -> None:
    assert Redactor().text("a\udc80b") == "a\\udc80b"


def test_masking_a_large_text_takes_no_time() -> None:
    began = time.monotonic()
    Redactor(["correct horse"]).text("basic bearer https://a:b password token= eyJ " * 20_000)
    assert time.monotonic() - began < 5


def test_a_container_s_secret_variable_is_masked_by_its_name() -> None:
    env: Json = {"env": [{"name": "DB_PASSWORD", "value": "hunter22"}, {"name": "LEVEL", "value": "info"}]}
    seen = Redactor().json(env)
    assert seen == {"env": [{"name": "DB_PASSWORD", "value": MASK}, {"name": "LEVEL", "value": "info"}]}


def test_a_failed_claim_teaches_in_three_lines() -> None:
    evidence = Recorder("2.2-errors")
    with pytest.raises(ClaimFailed) as caught:
        evidence.check(False, expected="<= 0.5 %", observed="2.1 % over 10m", fix="compare the logs")
    assert str(caught.value) == "expected: <= 0.5 %\nobserved: 2.1 % over 10m\nfix: compare the logs"
    assert isinstance(caught.value, AssertionError)


def test_a_passing_criterion_keeps_every_claim_and_what_was_seen() -> None:
    evidence = Recorder("0.5-services")
    evidence.check(True, expected="two Services", observed="two", fix="")
    evidence.equal("replicas", expected=3, observed=3, fix="")
    evidence.attach("selector", "app=maestro")
    assert evidence.to_json() == {
        "expected": "two Services\nreplicas: 3",
        "observed": "two\nreplicas: 3",
        "fix": "",
        "evidence": ["selector: app=maestro"],
    }


def test_a_failed_claim_stays_on_top_of_what_is_claimed_after_it() -> None:
    evidence = Recorder("0.5-services")
    with pytest.raises(ClaimFailed):
        evidence.equal("replicas", expected=3, observed=1, fix="scale up")
    evidence.check(True, expected="two Services", observed="two", fix="")
    assert (evidence.expected, evidence.observed, evidence.fix) == ("replicas: 3", "replicas: 1", "scale up")
    assert evidence.failed is not None


def test_long_evidence_is_cut_and_says_so() -> None:
    evidence = Recorder("1.6-pii")
    evidence.attach("log", "x" * (MOST_TEXT + 7))
    assert evidence.notes[0][1].endswith("… 7 characters more")


def judged(name: str, outcome: Outcome, gate: Gate = Gate.P0) -> Judged:
    criterion = Criterion(name, gate, Stage.PREFLIGHT, "0", f"{name} holds")
    return Judged(criterion, outcome, "three\nreplicas", "one <b>", "scale up", ("pods: a, b",), 1.5)


UNBUILT = Criterion("0.6-backup", Gate.P0, Stage.PREFLIGHT, "0", "Backups")
BACK: Json = {
    "cause": "0.5-services",
    "found": "canary",
    "did": ["abort", "restore"],
    "proven": False,
    "legs": [
        {"leg": "weights", "proven": True, "observed": "canary 0"},
        {"leg": "phase", "proven": False, "observed": "Degraded"},
    ],
    "seconds": {"to_request": 0.1, "to_stable": 2.5},
    "remark": "by hand: golive rollback",
}


def verdict(decision: Decision, *rows: Judged, rollback: Json | None = None, problems: tuple[str, ...] = ()) -> Verdict:
    return Verdict((Stage.PREFLIGHT,), decision, decision, rows, (UNBUILT,), problems, rollback)


def test_a_no_go_is_told_verdict_first_then_failures_then_the_rollbacks_legs() -> None:
    rows = (
        judged("0.1-target", Outcome.PASSED),
        judged("6-raci", Outcome.NOT_PROVEN),
        judged("0.5-services", Outcome.FAILED),
        judged("6-comms", Outcome.FAILED, Gate.P1),
    )
    told = verdict(Decision.NO_GO, *rows, rollback=BACK, problems=("the session was interrupted",))
    three = "  expected: three\n            replicas\n  observed: one <b>\n  fix:      scale up\n"
    assert summary(told, SETTINGS, Path("reports")) == (
        "NO-GO for scope preflight: ghcr.io/intelgraph/maestro:v1.5.0 on prod\n"
        "  1 of 3 p0 criteria passed; 1 criteria of this scope are not built yet and were left out\n"
        "  release_verdict: NO-GO\n\n"
        "problem: the session was interrupted\n"
        f"0.5-services failed (runbook 0): 0.5-services holds\n{three}"
        f"6-raci not proven (runbook 0): 6-raci holds\n{three}"
        f"6-comms failed (runbook 0): 6-comms holds\n{three}"
        "  (p1: needs an acknowledgement in the record, does not stop the release)\n"
        "rollback (cause 0.5-services): found canary, did abort, restore: "
        "NOT PROVEN: act by hand now (golive rollback; golive status)\n"
        "  ok  weights: canary 0\n"
        "  NOT phase: Degraded\n"
        "  abort sent after 0.1 s, stable proven after 2.5 s\n"
        "  by hand: golive rollback\n"
        "not built yet, never counted as passed (1): 0.6-backup\n"
        "record: reports/verdict.json"
    )


def test_a_go_is_told_in_few_lines() -> None:
    told = summary(verdict(Decision.GO, judged("0.1-target", Outcome.PASSED)), SETTINGS, Path("reports"))
    assert told.splitlines()[:2] == [
        "GO for scope preflight: ghcr.io/intelgraph/maestro:v1.5.0 on prod",
        "  all 1 p0 criteria passed; 1 criteria of this scope are not built yet and were left out",
    ]
    assert "rollback" not in told


@pytest.mark.parametrize(
    ("rollback", "said"),
    [
        (None, "rollback: the hook was not called; nothing was written to the cluster"),
        ({**BACK, "found": "not_started", "did": [], "proven": True}, "found not started, did nothing: proven"),
        ({**BACK, "found": "already_back", "did": [], "proven": True}, "found already back, did nothing: proven"),
        ({**BACK, "did": ["abort"], "proven": True}, "found canary, did abort: proven"),
    ],
)
def test_what_became_of_the_traffic_is_one_line(rollback: Json | None, said: str) -> None:
    assert said in rollback_lines(rollback)[0]


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        ({"to_request": None, "to_stable": None}, []),
        ({"to_request": None, "to_stable": 2.5}, ["  stable proven after 2.5 s"]),
        ({"to_request": 0.1, "to_stable": None}, ["  abort sent after 0.1 s"]),
    ],
)
def test_only_what_is_known_of_the_time_is_told(seconds: Json, said: list[str]) -> None:
    assert rollback_lines({**BACK, "legs": [], "remark": "", "seconds": seconds})[1:] == said


@pytest.mark.parametrize("decision", Decision)
def test_the_page_begins_with_the_verdict_and_escapes_what_was_observed(decision: Decision) -> None:
    page = summary_html(verdict(decision, judged("0.5-services", Outcome.FAILED)), SETTINGS, Redactor(["scale up"]))
    assert f">{decision.value}</h1>" in page.split("<p>")[0]
    assert "one &lt;b&gt;" in page
    assert "scale up" not in page
    assert ("the hook was not called" in page) == (decision is Decision.NO_GO)


@pytest.mark.parametrize(
    "facts", [{"query": "up", "answer": "a\nb\n c"}, {"answer": "with: colons\nand: more"}, {"empty": ""}]
)
def test_named_facts_are_read_back_as_they_were_kept(facts: dict[str, str]) -> None:
    recorder = Recorder("1.2-prometheus")
    recorder.facts("a query", **facts)
    for words in ("query: up", "\ncanary:\n  a: b\n- c", "\n  no colon"):
        recorder.attach("a text", words)
    kept, *plain = cast("list[str]", recorder.to_json()["evidence"])
    assert facts_in(kept) == ("a query", list(facts.items()))
    assert [facts_in(one)[1] for one in plain] == [[]] * 3
