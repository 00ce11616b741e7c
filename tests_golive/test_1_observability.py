"""Section 1.2 of the runbook: can we see? Metrics, Prometheus, its rules, Alertmanager."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from golive_fixtures.scraping import watched
from golive_fixtures.slo_alerts import asked

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from golive.config import Settings
    from golive.evidence import Recorder
    from golive.servers import Reached
    from golive_fixtures.alert_routes import Routed
    from golive_fixtures.alerts import Alerts, Replica
    from golive_fixtures.metrics import Metrics, Scrape, ServerMetrics
    from golive_fixtures.promapi import RuleState
    from golive_fixtures.reach import PodState
    from golive_fixtures.scraping import Age, Seen


@pytest.mark.p0
@pytest.mark.preflight
@pytest.mark.criterion("1.2-metrics")
def test_the_servers_metrics_endpoint_is_healthy(
    server_metrics: ServerMetrics, settings: Settings, evidence: Recorder
) -> None:
    """Every pod that takes traffic MUST tell its metrics, with the series that the SLO queries use.

    Runbook: section 1.2
    """
    wanted, scrapes = settings.metrics, server_metrics.scrape()
    for one in scrapes:
        _tells_what_the_slos_use(one, settings, evidence)
    told = {
        labels.get(wanted.route, "") for one in scrapes for labels in one.series.get(f"{wanted.durations}_bucket", ())
    }
    silent = [route for route in wanted.critical_routes if route not in told]
    evidence.check(
        not silent,
        expected=f"{wanted.durations}_bucket of each critical route (golive.toml: metrics.critical_routes)",
        observed=f"none of {', '.join(silent)}; there are {', '.join(sorted(told)) or 'none'}"
        if silent
        else "all there",
        fix="spell the routes as the label does, or send each a request: a route nobody asked yet has no series",
    )


def _tells_what_the_slos_use(one: Scrape, settings: Settings, evidence: Recorder) -> None:
    wanted = settings.metrics
    title = f"GET :{wanted.port}{wanted.path} of pod {one.pod}"
    evidence.facts(
        title,
        status=str(one.status),
        content_type=one.content_type or "none",
        answer=one.problem or f"{one.samples} samples of {len(one.series)} series",
        took=f"{one.seconds:.3f} s",
    )
    evidence.check(
        one.status == 200 and not one.problem,
        expected=f"{title}: 200 and Prometheus or OpenMetrics text",
        observed=f"{one.status}, {one.problem or f'{one.samples} samples'}",
        fix=f"kubectl -n {settings.target.namespace} port-forward {one.pod} {wanted.port} and read it; "
        "correct what serves it, or [metrics] of golive.toml",
    )
    needed = {wanted.requests: {wanted.code, wanted.route}, f"{wanted.durations}_bucket": {"le", wanted.route}}
    missing = [
        f"{name}{{{', '.join(sorted(labels))}}}"
        for name, labels in needed.items()
        if not any(labels <= set(found) for found in one.series.get(name, ()))
    ]
    evidence.check(
        not missing,
        expected=f"pod {one.pod}: series {', '.join(needed)} with the labels that the SLO queries use",
        observed=f"missing: {', '.join(missing)}" if missing else "both there",
        fix="without them no SLO can be judged: correct the server, or [metrics] of golive.toml",
    )


@pytest.mark.p0
@pytest.mark.preflight
@pytest.mark.criterion("1.2-prometheus")
def test_prometheus_is_up_and_scrapes_the_server(
    metrics: Metrics, server_metrics: ServerMetrics, settings: Settings, evidence: Recorder
) -> None:
    """Prometheus MUST be ready, and have a fresh sample of every pod that takes traffic.

    Runbook: section 1.2
    """
    _runs("Prometheus", metrics.pods(), settings.prometheus, evidence)
    answer = metrics.ready()
    evidence.facts(
        "GET /-/ready of Prometheus", status=str(answer.status), answer=answer.text[:200], way=str(answer.via)
    )
    evidence.check(
        answer.status == 200,
        expected="GET /-/ready of Prometheus: 200",
        observed=f"{answer.status} {answer.text[:200].strip()}",
        fix="wait until it has read its write-ahead log, or read its log",
    )
    seen = watched(metrics, server_metrics, settings)
    for row in seen.rows:
        evidence.facts("asked Prometheus", query=row.query, answer=row.answer, age=f"answered {row.age:.3f} s ago")
    _scraped(seen, settings, evidence)
    for name, ages in seen.ages.items():
        _fresh(name, seen.pods, ages, evidence)


def _scraped(seen: Seen, settings: Settings, evidence: Recorder) -> None:
    """Every pod is up, and asked again and again."""
    down = [
        f"{pod} {'is not scraped' if pod not in seen.up else 'is down'}" for pod in seen.pods if seen.up.get(pod) != 1
    ]
    evidence.check(
        not down,
        expected=f"up == 1 for each of the pods {', '.join(seen.pods)}",
        observed=", ".join(down) or "up is 1 for each",
        fix="read the page /targets of Prometheus: discovery, relabelling, network policy, or the pod itself",
    )
    place, unknown = settings.prometheus, [pod for pod in seen.pods if not seen.intervals.get(pod, 0.0) > 0]
    evidence.check(
        not unknown,
        expected="an active target with its scrape interval for each pod",
        observed=f"none for {', '.join(unknown)}" if unknown else f"every {max(seen.intervals.values()):g} s",
        fix=f"targets need the labels {place.namespace_label} and {place.pod_label} (golive.toml: [prometheus])",
    )


def _fresh(name: str, pods: Sequence[str], ages: Mapping[str, Age], evidence: Recorder) -> None:
    old = [
        f"{pod} {f'{ages[pod].seconds:.1f} s old' if pod in ages else 'has none that a query sees'}"
        for pod in pods
        if pod not in ages or not ages[pod].fresh
    ]
    evidence.check(
        not old,
        expected=f"the newest sample of {name} of each pod is younger than two scrape intervals",
        observed=", ".join(old) or f"the oldest is {max(one.seconds for one in ages.values()):.1f} s old",
        fix="a pod that tells no such series, its own timestamps, or a Prometheus that lags: compare its page /targets",
    )


@pytest.mark.p0
@pytest.mark.preflight
@pytest.mark.criterion("1.2-rules")
def test_the_slo_alert_rules_are_loaded_and_evaluating(
    metrics: Metrics, settings: Settings, evidence: Recorder
) -> None:
    """Each alert rule that golive.toml names MUST be loaded, healthy, evaluated in time, and told to an Alertmanager.

    The recording rules that it asks MUST be healthy and evaluated in time, too.

    Runbook: section 1.2
    """
    names = settings.prometheus.rules
    evidence.check(
        bool(names),
        expected="the SLO alert rules by name (golive.toml: prometheus.rules)",
        observed=", ".join(names) or "none named",
        fix="name them: deploy/prometheus/maestro-slo.rules.yaml has those of this service",
    )
    look = metrics.look()
    rules = look.rules()
    now = look.time()
    loaded = {one.name for one in rules if one.kind == "alerting"}
    absent = [name for name in names if name not in loaded]
    evidence.check(
        not absent,
        expected=f"alert rules {', '.join(names)}",
        observed=f"not loaded: {', '.join(absent)}" if absent else "all loaded",
        fix="load deploy/prometheus/maestro-slo.rules.yaml into Prometheus, or correct prometheus.rules",
    )
    for rule in asked(rules, names):
        _evaluates(rule, now, evidence)
    told = look.alertmanagers()
    evidence.check(
        bool(told),
        expected="Prometheus sends what fires to an Alertmanager",
        observed=", ".join(told) or "it knows none",
        fix="read alerting.alertmanagers of prometheus.yml and its page /status: a rule that fires tells nobody",
    )


def _evaluates(rule: RuleState, now: float, evidence: Recorder) -> None:
    age = None if rule.last_evaluation is None else now - rule.last_evaluation
    seen = "never evaluated" if age is None else f"evaluated {age:.1f} s ago"
    title = f"rule {rule.name} of group {rule.group}"
    evidence.facts(
        title, health=rule.health, error=rule.last_error or "none", age=seen, interval=f"{rule.interval_seconds:g} s",
        state=rule.state,
    )  # fmt: skip
    evidence.check(
        # An evaluation in the future is one by a clock that was wrong: it says nothing of the last one.
        age is not None and -rule.interval_seconds <= age <= 2 * rule.interval_seconds,
        expected=f"{title}: evaluated within two intervals of {rule.interval_seconds:g} s",
        observed=seen,
        fix="shorten the group's interval, or find out why Prometheus does not get round to it",
    )
    evidence.check(
        rule.health == "ok",
        expected=f"{title}: health ok",
        observed=f"{rule.health}: {rule.last_error or 'no error told'}",
        fix="correct the rule's expression; Prometheus' page /rules shows the error",
    )


@pytest.mark.p0
@pytest.mark.preflight
@pytest.mark.criterion("1.2-alertmanager")
def test_alertmanager_is_ready_and_routes_to_pagerduty(alerts: Alerts, settings: Settings, evidence: Recorder) -> None:
    """Every Alertmanager MUST be ready, and route the synthetic alert's labels to a PagerDuty receiver.

    Runbook: section 1.2
    """
    place = settings.alertmanager
    _runs("Alertmanager", alerts.pods(), place, evidence)
    replicas = alerts.replicas()
    evidence.check(
        bool(replicas),
        expected="an Alertmanager to ask",
        observed=", ".join(one.name for one in replicas) or "there is none",
        fix=f"correct [alertmanager] of golive.toml: selector {place.selector} in {place.namespace}",
    )
    for one in replicas:
        _routes_to_pagerduty(one, settings, evidence)


def _routes_to_pagerduty(one: Replica, settings: Settings, evidence: Recorder) -> None:
    place, answer = settings.alertmanager, one.ready()
    evidence.check(
        answer.status == 200,
        expected=f"GET /-/ready of {one.name}: 200",
        observed=f"{answer.status} {answer.text[:200].strip()}",
        fix="read its log; an alert that reaches nobody is worse than none",
    )
    status = one.status()
    labels = ", ".join(f'{name}="{value}"' for name, value in place.labels.items())
    routed = status.route(place.labels)
    seen = "; ".join(_described(found) for found in routed)
    silenced = [silence.comment or silence.id for silence in one.silences() if silence.mutes(place.labels)]
    evidence.facts(
        f"GET /api/v2/status of {one.name}",
        version=status.version,
        cluster=f"{status.cluster_status}, {len(status.peers)} members",
        silences=", ".join(silenced) or "none for this alert",
        alert=f"{{{labels}}}",
        goes_to=seen,
    )
    evidence.check(
        place.replicas == 1 or len(status.peers) >= place.replicas,
        expected=f"{one.name} knows {place.replicas} members of its cluster (golive.toml: alertmanager.replicas)",
        observed=f"{status.cluster_status}, {len(status.peers)} members",
        fix="without gossip each of them sends the same alert, and silences hold on one only: look at --cluster.peer",
    )
    evidence.check(
        any("pagerduty" in found.integrations and not found.muted_by for found in routed),
        expected=f"{one.name} routes {{{labels}}} to a receiver with PagerDuty (golive.toml: alertmanager.labels)",
        observed=seen,
        fix="correct route and receivers of alertmanager.yml: the first route that fits takes the alert unless it says "
        "continue: true",
    )
    _nothing_keeps_it_silent(one, one.inhibitors(status, place.labels), silenced, labels, evidence)


def _nothing_keeps_it_silent(
    one: Replica, inhibited: Sequence[str], silenced: Sequence[str], labels: str, evidence: Recorder
) -> None:
    evidence.check(
        not inhibited,
        expected=f"no firing alert inhibits {{{labels}}} at {one.name}",
        observed=", ".join(inhibited)[:500] or "none",
        fix="end what fires, or correct inhibit_rules of alertmanager.yml: while it fires nobody is paged",
    )
    evidence.check(
        not silenced,
        expected=f"{one.name} has no active silence for {{{labels}}}",
        observed=", ".join(silenced) or "none",
        fix="expire the silence, or let it end before the cutover: while it lasts nobody is paged",
    )


def _described(found: Routed) -> str:
    muted = f", {', '.join(found.muted_by)}" if found.muted_by else ""
    return f"receiver {found.receiver} ({', '.join(found.integrations) or 'tells nobody'}{muted}) by {found.path}"


def _runs(name: str, pods: Sequence[PodState], place: Reached, evidence: Recorder) -> None:
    """Enough pods by label, none of them not Ready. Not asked where an address stands instead."""
    if place.url is not None:
        evidence.attach(f"pods of {name}", f"not asked: golive.toml names {place.url}")
        return
    ready, rest = [one.name for one in pods if one.ready], [one.name for one in pods if not one.ready]
    evidence.check(
        len(ready) >= place.replicas and not rest,
        expected=f"pods of {name} ({place.selector} in {place.namespace}): {place.replicas} or more, all of them Ready",
        observed=f"Ready: {', '.join(ready) or 'none'}" + (f"; not Ready: {', '.join(rest)}" if rest else ""),
        fix=f"kubectl -n {place.namespace} describe pods -l {place.selector}",
    )
