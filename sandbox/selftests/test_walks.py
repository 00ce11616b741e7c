"""A canary that the real suite walks or takes back while something happens: verdict, rollback, and what clients saw."""

from __future__ import annotations

from functools import partial

from golive_sandbox.scenarios.table import Found, Verdict
from golive_sandbox.scenarios.walks import SCENARIOS
from golive_sandbox.timeline import NOBODY
from golive_sandbox.types import items, text
from selftests import judging
from selftests.judging import Judged
from selftests.walking import RELEASE, STABLE

OBSERVED = {
    "crash-loop": "CrashLoopBackOff",
    "never-ready": "Ready",
    "too-slow-start": "Ready",
    "wrong-digest": "sha256:",
    "errors-in-canary": "0.5 %",
    "quota-too-small": "golive-sandbox-quota",
    "second-driver": "another-run",
    "gitops-self-heal": "maestro",
    "steps-edited": "steps",
    "aborted-by-somebody": "abort",
    "paused-by-somebody": "pause",
    "promoted-by-somebody": "promot",
    "t0-replicaset-gone": "it is gone",
    "canary-at-25": "nobody for: sre",
    "errors-2": "0.5 %",
    "errors-on-one-route": "/api/maestro/v1/runs",
    "late-burst": "0.5 %",
    "latency-on-one-route": "/api/maestro/v1/tools",
    "latency-in-canary": "1.5 s",
    "slow-leak": "1.5 s",
    "burn-accelerates": "0.5 %",
    "stable-burns": "acceleration of the burn",
    "alert-flaps": "MaestroErrorBudgetBurnFast",
    "analysis-inconclusive": "Inconclusive",
    "errors-04": "0.5 %",
    "no-traffic": "requests",
    "little-traffic": "requests",
    "prometheus-gone-long": "not observed for 10 s",
    "prometheus-lags": "not observed for 10 s",
    "metrics-old": "not observed for 10 s",
    "canary-series-missing": "tells nothing new of",
    "recording-rule-stopped": "maestro:",
}
"""What the failing criterion must say that it saw, by the first fault of the scenario."""
DID = {
    "errors-in-canary-fix-arrives": [],
    "canary-at-25-gitops-self-heal-role-empty": ["abort"],
    "promoted-by-somebody-at-25": ["restore", "promote_full"],
    "t0-replicaset-gone-promoted": ["restore", "promote_full"],
    "aborted-by-somebody-at-25": ["restore"],
}
"""What the rollback does, where it is not abort and restore. Argo itself may have aborted already."""
UNDER_WAY = {
    "promoted-by-somebody-at-25": (["abort", "restore"],),
    "errors-in-canary-fix-arrives": (["abort"], ["abort", "restore"]),
}
"""Where the rollback may begin before what somebody did was carried out: it finds a canary then, and does this."""
SHORT = frozenset(
    {
        "good-release",
        "crash-loop",
        "steps-edited-at-25",
        "promoted-by-somebody-at-25",
        "errors-in-canary-fix-arrives",
        "errors-in-canary-api-server-restarted",
        "errors-2-held-at-10",
        "latency-on-one-route-held-at-10",
        "stable-burns-held-at-10",
    }
)
"""One of each kind."""
FAILING = [one for one in SCENARIOS if one.criterion is not None]


rows = partial(judging.rows, long={one.name for one in SCENARIOS} - SHORT)


@rows(SCENARIOS)
def test_verdict_and_exit_code_are_the_table_s(judged: Judged) -> None:
    scenario, run = judged.scenario, judged.run
    assert run.exit == scenario.exit, run.output
    assert run.verdict["verdict"] == scenario.verdict.value
    assert run.verdict["problems"] == []


@rows(SCENARIOS)
def test_all_before_the_named_criterion_pass_and_it_fails(judged: Judged) -> None:
    outcomes = {name: row["outcome"] for name, row in judged.run.criteria().items()}
    if judged.scenario.criterion is None:
        assert set(outcomes.values()) == {"passed"}, judged.run.output
        return
    names = list(outcomes)
    said = outcomes[judged.scenario.criterion]
    if judged.scenario.blind:
        assert said == "not_proven", judged.run.output
    else:  # what decides first ends the weight, and may leave this one undecided
        either = [outcomes.get(name) for name in (judged.scenario.criterion, *judged.scenario.dependants)]
        assert (said != "passed", "failed" in either) == (True, True), judged.run.output
    before = names[: names.index(judged.scenario.criterion)]
    unsaid = [name for name in before if name not in judged.scenario.dependants]
    assert {name: outcomes[name] for name in unsaid if outcomes[name] != "passed"} == {}, judged.run.output


@rows([one for one in SCENARIOS if one.name == "errors-2-held-at-10"])
def test_a_canary_with_errors_is_worse_than_the_stable_version_too(judged: Judged) -> None:
    assert judged.run.criteria()["2.2-compare[10]"]["outcome"] == "failed", judged.run.output


@rows(FAILING)
def test_the_failure_says_what_was_seen_and_what_to_do(judged: Judged) -> None:
    row = judged.run.criteria()[str(judged.scenario.criterion)]
    assert OBSERVED[judged.scenario.faults[0]] in text(row, "observed")
    assert text(row, "expected")
    assert len(text(row, "fix")) > 20


@rows(SCENARIOS)
def test_the_rollback_finds_what_the_table_says(judged: Judged) -> None:
    scenario, rollback = judged.scenario, judged.run.rollback
    if scenario.rollback is None:
        assert judged.run.verdict["rollback"] is None
        return
    early = scenario.name in UNDER_WAY and rollback["found"] == Found.CANARY.value
    assert early or rollback["found"] == scenario.rollback.value
    assert rollback["proven"] is scenario.proven
    assert rollback["cause"] in (scenario.criterion, *scenario.dependants)
    legs = items(rollback, "legs")
    assert all(leg["proven"] for leg in legs) is scenario.proven
    did = rollback["did"]
    assert isinstance(did, list)
    if scenario.rollback is Found.NOT_STARTED:
        assert did == []
    elif early:
        assert did in UNDER_WAY[scenario.name]
    elif scenario.name in DID:
        # A promotion that is still under way is aborted first.
        assert did in (DID[scenario.name], ["abort", *DID[scenario.name]])
    else:
        assert "restore" in did
        assert did in (["abort", "restore"], ["restore"], ["abort", "unpause", "restore"])


@rows(SCENARIOS)
def test_clients_at_the_ingress_agree_with_the_verdict(judged: Judged) -> None:
    scenario, seen = judged.scenario, judged.clients
    assert seen is not None
    # One that got no answer says nothing of who answers: it may be from before the end, or lost by a busy machine.
    after = {who: count for who, count in seen.answered(judged.ended).items() if who != NOBODY}
    if scenario.verdict is Verdict.GO:
        assert set(after) == {RELEASE}
    elif "fix-arrives" in scenario.faults:
        assert RELEASE not in after
        assert after[STABLE] > 0
    else:
        assert set(after) == {STABLE}
    if scenario.rollback is Found.NOT_STARTED:
        assert seen.first(RELEASE) is None
