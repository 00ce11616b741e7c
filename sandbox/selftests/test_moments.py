"""When an armed fault is switched on, and what ``scenarios --json`` says of it."""

from __future__ import annotations

import pytest

from golive_sandbox.errors import SandboxError
from golive_sandbox.scenarios.moments import Moment
from golive_sandbox.scenarios.table import SCENARIOS, named
from golive_sandbox.timeline import Timeline
from golive_sandbox.types import Json

IMAGE = "127.0.0.1:5000/w/maestro:v1.5.0@"


def rollout(weight: int = 0, *, image: str = IMAGE, generation: int = 3, **status: object) -> Json:
    """As far as a moment looks."""
    container: Json = {"image": f"{image}sha256:00"}
    seen: Json = {"observedGeneration": "3", "currentPodHash": "new", "stableRS": "old"}
    canary: Json = {"weights": {"canary": {"weight": weight}}}
    if analysis := status.pop("analysis", ""):
        canary["currentStepAnalysisRunStatus"] = {"status": str(analysis)}
    more: Json = {key: value for key, value in status.items() if isinstance(value, str | bool | list)}
    return {
        "metadata": {"generation": generation},
        "spec": {"template": {"spec": {"containers": [container]}}},
        "status": {**seen, "canary": canary, **more},
    }


@pytest.mark.parametrize(
    ("moment", "now", "reached"),
    [
        ("start", rollout(), True),
        ("at-25", rollout(10, phase="Paused"), False),
        ("at-25", rollout(25, phase="Progressing"), False),
        ("at-25", rollout(25, phase="Progressing", analysis="Running"), True),
        ("at-25", rollout(25, phase="Progressing", analysis="Successful"), False),
        ("at-25", rollout(25, phase="Paused"), True),
        ("at-25", rollout(50, phase="Paused"), True),  # it was there, and is further already
        ("at-25", rollout(25, phase="Paused", abort=True), False),
        ("at-100", rollout(100, phase="Paused"), True),
        ("aborted", rollout(25, phase="Paused"), False),
        ("aborted", rollout(25, abort=True), True),
        ("promoted", rollout(100, phase="Paused"), False),
        ("promoted", rollout(stableRS="new"), True),
        ("promoted", rollout(stableRS="new", image="127.0.0.1:5000/w/maestro:v1.4.2@"), False),
        ("promoted", rollout(stableRS="new", generation=4), False),  # what is named was not observed
    ],
)
def test_a_moment_is_read_from_weights_and_phase(moment: str, now: Json, reached: bool) -> None:
    assert Moment.named(moment).reached(now, IMAGE) is reached


def test_no_moment_is_the_start_and_another_word_is_refused() -> None:
    assert Moment.named("") is Moment.START
    with pytest.raises(SandboxError, match=r"expected a moment of: start, at-10, .*; got 'later'"):
        Moment.named("later")


def test_a_row_says_when_each_fault_is_switched_on_and_what_the_suite_is_asked_for() -> None:
    one = named("errors-in-canary-hpa-scales")
    assert one.row()["when"] == {"errors-in-canary": "start", "hpa-scales": "aborted"}
    assert one.markers == "preflight or canary or acceptance or promote"
    assert named("clean").markers == "preflight"
    assert named("good-release").row()["exit"] == 0


def test_a_moment_is_of_a_fault_that_the_row_has() -> None:
    assert [one.name for one in SCENARIOS if not set(dict(one.moments)) <= set(one.faults)] == []


TIMELINE: Json = {
    "bucket_seconds": 0.25,
    "now": 102.0,
    "buckets": [
        [100.0, {"1.4.2": [20, 0, 100.0, 100.2]}],
        [100.25, {"1.4.2": [18, 0, 100.25, 100.49], "1.5.0": [2, 1, 100.3, 100.4]}],
        [100.5, {"1.4.2": [19, 0, 100.5, 100.7], "": [1, 1, 100.6, 100.6], "-": [1, 1, 100.7, 100.7]}],
        [100.75, {"1.4.2": [20, 0, 100.75, 100.99]}],
    ],
}


def test_a_timeline_says_who_answered_first_last_and_alone() -> None:
    seen = Timeline.of(TIMELINE)
    assert (seen.first("1.5.0"), seen.last("1.5.0"), seen.first("1.6.0")) == (100.3, 100.4, None)
    assert seen.answered() == {"1.4.2": 77, "1.5.0": 2, "": 1, "-": 1}
    assert seen.answered(100.45) == {"1.4.2": 57, "": 1, "-": 1}
    assert (seen.failed(), seen.failed(100.65), seen.failed(100.75)) == (3, 1, 0)
    assert not seen.only("1.4.2", 100.45)  # the ingress's own errors are no answers of it
    assert seen.only("1.4.2", 100.75)
    assert not seen.only("1.4.2", 101.0)  # nobody answered
