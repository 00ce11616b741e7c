"""What changes between two sessions of one go-live: the later one notices, and what runs is what was verified."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from golive_sandbox.traffic import DEFAULT_RATE
from golive_sandbox.types import Json, mapping, text
from golive_sandbox.world.judges import HEARTBEAT
from selftests.harness import eventually
from selftests.judging import Run, suite
from selftests.sandboxes import ROLLOUT, Sandbox
from selftests.test_slo_faults import value
from selftests.traces import Place
from selftests.walking import STABLE, Walk, is_ready

WORLD = "between-sessions"
REST = "canary or acceptance or promote"


@pytest.fixture
def walk(sandbox: Sandbox) -> Iterator[Walk]:
    """A world with enough traffic for the suite to walk its release."""
    yield Walk(Place.made(sandbox, WORLD, rate=str(DEFAULT_RATE)))
    sandbox.ask("delete-world", world=WORLD)


def settings(walk: Walk) -> Path:
    return walk.place.folder / "golive.toml"


def running(walk: Walk) -> set[str]:
    """The digests that the nodes tell of the release's pods."""
    told = {text(pod, "status", "containerStatuses", 0, "imageID") for pod in walk.pods()}
    return {one.rpartition("@")[2] for one in told}


def taken_back(done: Run, criterion: str, *, outcome: str = "failed", found: str = "canary") -> Json:
    """The criterion's row of a session that ended by it, with a rollback that is proven."""
    assert done.exit == 20, done.output
    row = done.criteria()[criterion]
    assert row["outcome"] == outcome, done.output
    assert (done.rollback["found"], done.rollback["proven"]) == (found, True)
    return row


def test_a_tag_that_moves_after_preflight_is_noticed_and_nothing_is_applied(walk: Walk, tmp_path: Path) -> None:
    first = suite(settings(walk), "preflight", tmp_path)
    assert first.exit == 0, first.output
    before = walk.rollout()
    walk.break_("tag-moved")
    second = suite(settings(walk), REST, tmp_path)
    assert second.exit == 20, second.output
    row = second.criteria()["2.1-baseline"]
    assert row["outcome"] == "failed", second.output
    verified = text(first.verdict, "release", "digest")
    assert verified in text(row, "expected")
    assert "sha256:" in text(row, "observed")
    assert verified not in text(row, "observed")
    assert second.rollback["found"] == "not_started"
    assert (walk.pods(), walk.rollout()["spec"]) == ([], before["spec"])


@pytest.mark.long
def test_a_tag_that_moves_while_the_canary_is_walked_changes_nothing_that_runs(walk: Walk, tmp_path: Path) -> None:
    assert suite(settings(walk), "preflight", tmp_path).exit == 0
    walk.break_("tag-moved", "at-10")
    done = suite(settings(walk), REST, tmp_path)
    assert walk.fired("tag-moved")
    assert done.exit == 0, done.output
    assert running(walk) == {text(done.verdict, "release", "digest")}


@pytest.mark.long
def test_other_bytes_that_serve_at_the_held_100_are_seen_by_acceptance(walk: Walk, tmp_path: Path) -> None:
    first = suite(settings(walk), "preflight or canary", tmp_path)
    assert first.exit == 0, first.output
    walk.break_("wrong-digest")
    kept, *_ = (text(pod, "metadata", "name") for pod in walk.pods())
    walk.place.sandbox.kubectl(WORLD, "delete", "pod", kept)
    walk.until_pods("ready again", lambda pod: is_ready(pod) and not mapping(pod, "metadata").get("deletionTimestamp"))
    (other,) = running(walk) - {text(first.verdict, "release", "digest")}
    second = suite(settings(walk), "acceptance", tmp_path)
    row = taken_back(second, "4-supply-chain")
    (other,) = running(walk) - {text(first.verdict, "release", "digest")} or {""}
    assert other in text(row, "observed")
    walk.only(STABLE)


@pytest.mark.long
def test_a_canary_that_somebody_took_back_and_walked_again_is_not_promoted(walk: Walk, tmp_path: Path) -> None:
    first = suite(settings(walk), "preflight or canary", tmp_path)
    assert first.exit == 0, first.output
    walk.abort()
    walk.until("aborted", lambda now: text(now, "status", "phase") == "Degraded")
    walk.place.sandbox.kubectl(WORLD, "argo", "rollouts", "retry", "rollout", ROLLOUT)
    walk.to(10, 25, 50, 100)
    second = suite(settings(walk), "acceptance or promote", tmp_path)
    row = taken_back(second, "4-availability", outcome="not_proven")
    assert "it left its pause at step" in text(row, "observed")


@pytest.mark.long
@pytest.mark.parametrize(
    ("markers", "criterion"),
    [("canary", "2.2-step[100]"), ("acceptance", "4-availability"), ("promote", "2.3-promoted")],
    ids=["walk", "accept", "end"],
)
def test_a_held_canary_whose_heartbeat_was_terminated_is_no_good_any_more(
    markers: str, criterion: str, walk: Walk, tmp_path: Path
) -> None:
    before = "preflight or canary or acceptance" if markers == "promote" else "preflight or canary"
    first = suite(settings(walk), before, tmp_path)
    assert first.exit == 0, first.output
    status = mapping(walk.rollout(), "status", "canary", "currentBackgroundAnalysisRunStatus")
    heartbeat, end = text(status, "name"), '{"spec":{"terminate":true}}'
    walk.place.sandbox.kubectl(WORLD, "patch", "analysisrun", heartbeat, "--type", "merge", "-p", end)
    second = suite(settings(walk), markers, tmp_path)
    row = taken_back(second, criterion, outcome="not_proven")
    assert f"AnalysisRun {heartbeat}, which lasts as long as the canary, is Successful, terminated" in text(
        row, "observed"
    )


@pytest.mark.long
def test_a_pod_that_is_not_scraped_at_the_held_100_keeps_it_from_its_promotion(walk: Walk, tmp_path: Path) -> None:
    first = suite(settings(walk), "preflight or canary", tmp_path)
    assert first.exit == 0, first.output
    hidden, *_ = (text(pod, "metadata", "name") for pod in walk.pods())
    walk.place.sandbox.kubectl(WORLD, "annotate", "pod", hidden, "prometheus.io/scrape=false", "--overwrite")
    unseen = f'count(count_over_time(up{{pod="{hidden}"}}[3s]))'
    eventually("it is not scraped any more", lambda: value(walk, unseen), lambda seen: seen == 0, seconds=30)
    second = suite(settings(walk), "acceptance or promote", tmp_path)
    row = taken_back(second, "4-availability", outcome="not_proven")
    assert f"tells nothing new of {hidden}, Ready" in text(row, "observed")


@pytest.mark.long
def test_errors_at_the_held_100_are_not_forgotten_however_long_ago(walk: Walk, tmp_path: Path) -> None:
    longest = 12.0
    file = settings(walk)
    told = file.read_text(encoding="utf-8")
    file.write_text(told.replace("max_window_seconds = 64.0", f"max_window_seconds = {longest}"), encoding="utf-8")
    first = suite(file, "preflight or canary", tmp_path)
    assert first.exit == 0, first.output
    walk.break_("errors-in-canary")
    began = time.time()
    eventually("errors", lambda: walk.timeline(began).failed(), lambda failed: failed > 300)
    walk.heal("errors-in-canary")
    ended = time.time()
    eventually("longer ago than any window", time.time, lambda now: now > ended + longest + 2, seconds=60)
    second = suite(file, "acceptance or promote", tmp_path)
    row = taken_back(second, "4-availability")
    assert ": 5xx " in text(row, "observed")


def bad_for_a_while(walk: Walk) -> None:
    """Until clients had errors enough to be told from chance."""
    walk.break_("errors-in-canary")
    began = time.time()
    eventually("errors", lambda: walk.timeline(began).failed(), lambda failed: failed > 300)


@pytest.mark.long
@pytest.mark.parametrize(
    ("markers", "criterion"), [("canary", "2.2-errors[100]"), ("acceptance", "4-availability")], ids=["walk", "accept"]
)
def test_a_held_canary_that_went_bad_is_taken_back_by_whoever_looks_next(
    markers: str, criterion: str, walk: Walk, tmp_path: Path
) -> None:
    first = suite(settings(walk), "preflight or canary", tmp_path)
    assert first.exit == 0, first.output
    bad_for_a_while(walk)
    second = suite(settings(walk), markers, tmp_path)
    taken_back(second, criterion)
    walk.only(STABLE)


@pytest.mark.long
@pytest.mark.parametrize(
    ("markers", "criterion"),
    [("promote", "2.3-promoted"), (f"preflight or {REST}", "2.1-baseline")],
    ids=["end", "all"],
)
def test_a_promoted_release_that_went_bad_is_taken_back_until_it_is_closed(
    markers: str, criterion: str, walk: Walk, tmp_path: Path
) -> None:
    everything = f"preflight or {REST}"
    first = suite(settings(walk), everything, tmp_path)
    assert first.exit == 0, first.output
    again = suite(settings(walk), everything, tmp_path)
    assert again.exit == 0, again.output
    bad_for_a_while(walk)
    second = suite(settings(walk), markers, tmp_path)
    taken_back(second, criterion, found="promoted")
    walk.only(STABLE)


@pytest.mark.long
def test_a_heartbeat_that_is_weakened_after_preflight_is_seen_before_the_apply(walk: Walk, tmp_path: Path) -> None:
    live = walk.place.sandbox.kubectl(WORLD, "get", "analysistemplates", "-o", "json")
    kept = json.loads(live)["items"]
    for one in kept:
        one["metadata"] = {"name": one["metadata"]["name"]}
    file = settings(walk)
    (file.parent / "templates.yaml").write_text(yaml.safe_dump_all(kept), encoding="utf-8")
    told = file.read_text(encoding="utf-8")
    file.write_text(told.replace("[release]\n", '[release]\ntemplates = ["templates.yaml"]\n'), encoding="utf-8")
    assert suite(file, "preflight", tmp_path).exit == 0
    weak = '[{"op": "replace", "path": "/spec/metrics/0/successCondition", "value": "true || len(result) >= 0"}]'
    walk.place.sandbox.kubectl(WORLD, "patch", "analysistemplate", HEARTBEAT, "--type=json", f"-p={weak}")
    second = suite(file, "canary", tmp_path)
    assert second.exit == 20, second.output
    row = second.criteria()["2.1-baseline"]
    assert row["outcome"] == "failed", second.output
    assert f"AnalysisTemplate/{HEARTBEAT}" in text(row, "expected")
    assert second.rollback["found"] == "not_started"
