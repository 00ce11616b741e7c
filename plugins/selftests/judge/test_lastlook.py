"""The last look before a good verdict: what became of the canary since it was last observed."""

from __future__ import annotations

from pathlib import Path

import pytest

from golive.access import Access
from golive.argo import parse
from golive.criterion import Stage
from golive.fence import Fence
from golive.journal import Entry
from golive.lastlook import last_look, left, strayed
from golive.record import open_run
from golive.redact import Redactor
from golive.types import Json
from selftests.judge.recorded import Answer, Recorded
from selftests.judge.small_api import TARGET
from selftests.judge.test_words import SETTINGS

APPLIED: Json = {"uid": "u", "hash": "new", "stable": "old", "generation": 5}
STEPS: list[Json] = [{"setWeight": 25}, {"pause": {}}, {"setWeight": 100}, {"pause": {}}]
HELD: Json = {
    "stableRS": "old",
    "currentPodHash": "new",
    "observedGeneration": "5",
    "currentStepIndex": 3,
    "pauseConditions": [{"reason": "CanaryPauseStep", "startTime": "18:00"}],
}
CASES: dict[str, tuple[Json, str]] = {
    "held": ({}, ""),
    "promoted by somebody else": ({"stableRS": "new"}, "promoted to the end, not by this record"),
    "aborted": ({"abort": True}, "aborted"),
    "restored": ({"currentPodHash": "old"}, "version old"),
    "moved": ({"currentStepIndex": 1}, "at step 1"),
    "walked again": (
        {"pauseConditions": [{"reason": "CanaryPauseStep", "startTime": "18:09"}]},
        "since 18:09, not since",
    ),
    "moving": ({"pauseConditions": []}, "not held at weight 100"),
    "not observed": ({"observedGeneration": "4"}, "not observed"),
}


@pytest.mark.parametrize("case", CASES)
def test_what_became_of_the_canary(case: str) -> None:
    change, wanted = CASES[case]
    body: Json = {
        "metadata": {"uid": "u", "generation": 5},
        "spec": {"strategy": {"canary": {"steps": list(STEPS)}}},
        "status": {**HELD, **change},
    }
    entries = [Entry(0, "", "", "observation", {"weight": 100, "pause_began": "18:00"}, "", "")]
    found = strayed(APPLIED, entries, parse(body))
    assert wanted in found
    assert bool(found) is bool(wanted)


@pytest.mark.parametrize(
    ("written", "ours"),
    [
        ([("promoted", 0)], True),
        ([("promote_sent", 1), ("promote_sent", 3)], True),
        ([("promote_sent", 3), ("promote_sent", 3), ("promote_refused", 3)], True),
        ([("promote_sent", 3), ("promote_refused", 3)], False),
        ([("promote_sent", 1)], False),
    ],
)
def test_only_what_this_record_promoted_is_as_it_left_it(written: list[tuple[str, int]], ours: bool) -> None:
    entries = [Entry(at, "", "", kind, {"index": index}, "", "") for at, (kind, index) in enumerate(written)]
    found = strayed(APPLIED, entries, parse(canary(stableRS="new")))
    assert found == ("" if ours else "new promoted to the end, not by this record")


def test_a_rollout_that_is_gone_is_no_canary() -> None:
    assert strayed(APPLIED, [], None)


def entry(second: int, kind: str, **data: object) -> Entry:
    return Entry(second, f"2031-05-01T11:00:{second:02}+00:00", "", kind, data, "", "")  # type: ignore[arg-type]


def test_the_canary_of_a_record_is_the_newest_that_was_not_taken_back() -> None:
    first, again = entry(1, "applied", hash="one"), entry(5, "applied", hash="two")
    back, taken_up = entry(3, "rollback_request", request="abort"), entry(7, "applied", hash="two", resumed=True)
    early, late = entry(2, "promoted"), entry(6, "observation", weight=100)
    assert left([first, early, back]) == ({}, [])
    assert left([first, early]) == ({"hash": "one"}, [first, early])
    assert left([first, early, back, again, late, taken_up]) == (taken_up.data, [again, late, taken_up])


SYSTEM: dict[str, Answer | list[Answer]] = {"/api/v1/namespaces/kube-system": (200, {"metadata": {"uid": "here"}})}
AFTER = (Stage.ACCEPTANCE,)


def canary(**change: object) -> Json:
    status: Json = {**HELD, **change}  # type: ignore[dict-item]
    spec: Json = {"strategy": {"canary": {"steps": list(STEPS)}}}
    return {"metadata": {"uid": "u", "generation": 5}, "spec": spec, "status": status}


def looked(
    folder: Path, answers: dict[str, Answer | list[Answer]], scope: tuple[Stage, ...] = AFTER, limit: float = 5.0
) -> tuple[str, int]:
    """What the last look of a second session says, whose first one applied and held the canary; how often it asked."""
    digest = SETTINGS.release.digest
    _, earlier = open_run(folder, digest, Redactor(), who="test", about={})
    earlier.append("applied", APPLIED)
    earlier.append("observation", {"weight": 100})
    run, _ = open_run(folder, digest, Redactor(), who="test", about={})
    target = SETTINGS.target.model_copy(update={"cluster_uid": "here", "request_seconds": 1.0})
    rollback = SETTINGS.rollback.model_copy(update={"blind_limit_seconds": limit})
    settings = SETTINGS.model_copy(update={"target": target, "rollback": rollback})
    with Recorded(answers) as server:
        said = last_look(run, settings, Access("recorded", server.cluster().access.server), scope)
        return said, len(server.asked)


def test_what_an_earlier_session_applied_is_looked_at_too(tmp_path: Path) -> None:
    assert looked(tmp_path / "held", {**SYSTEM, TARGET.path: (200, canary())}) == ("", 2)
    said, _ = looked(tmp_path / "aborted", {**SYSTEM, TARGET.path: (200, canary(abort=True))})
    assert "found it aborted" in said


@pytest.mark.parametrize("scope", [(Stage.PREFLIGHT,), (Stage.POSTDEPLOY,)])
def test_a_verdict_that_does_not_speak_of_the_canary_needs_no_look(tmp_path: Path, scope: tuple[Stage, ...]) -> None:
    assert looked(tmp_path, {}, scope) == ("", 0)


def test_a_blip_is_borne_and_blindness_is_not_proven(tmp_path: Path) -> None:
    busy: Answer = (503, {"message": "busy"})
    assert looked(tmp_path / "blip", {**SYSTEM, TARGET.path: [busy, (200, canary())]})[0] == ""
    said, _ = looked(tmp_path / "blind", {**SYSTEM, TARGET.path: busy}, limit=0.1)
    assert "not observed for 0.1 s (golive.toml: rollback.blind_limit_seconds); last: " in said
    assert said.endswith("not proven")


def test_a_closed_fence_is_told(tmp_path: Path) -> None:
    run, journal = open_run(tmp_path, SETTINGS.release.digest, Redactor(), who="test", about={})
    journal.append("applied", APPLIED)
    Fence(run.folder).close("a rollback", patience=1)
    assert "found it closed: a rollback" in last_look(run, SETTINGS, Access("none", "http://127.0.0.1:9"), AFTER)
