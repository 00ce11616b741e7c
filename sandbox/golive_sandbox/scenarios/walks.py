"""The scenarios of a release that the suite itself walks: applied, held at each weight, promoted; and what disturbs it.

Those of stage ``preflight`` are here for their fault: a canary that somebody else started is taken back while something
happens to the cluster.
"""

from __future__ import annotations

from golive_sandbox.scenarios import judged
from golive_sandbox.scenarios.moments import Moment
from golive_sandbox.scenarios.scenario import Found, Scenario, Verdict

_BASELINE, _PROMOTED = "2.1-baseline", "2.3-promoted"
_CANARY = "canary"


def _step(weight: int) -> str:
    return f"2.2-step[{weight}]"


def _errors(weight: int) -> str:
    return f"2.2-errors[{weight}]"


def _burn(weight: int) -> str:
    return f"2.2-burn[{weight}]"


def _walk(
    fault: str,
    criterion: str,
    *dependants: str,
    at: Moment = Moment.START,
    found: Found = Found.CANARY,
) -> Scenario:
    """One fault at one moment, and the walk ends there."""
    name = fault if at is Moment.START else f"{fault}-{at.value}"
    moments = () if at is Moment.START else ((fault, at),)
    return Scenario(name, (fault,), criterion, rollback=found, dependants=dependants, stage=_CANARY, moments=moments)


def _refused(fault: str) -> Scenario:
    """Nothing is applied."""
    return _walk(fault, _BASELINE, found=Found.NOT_STARTED)


def _good(fault: str, at: Moment = Moment.START) -> Scenario:
    """The release is promoted all the same."""
    moments = () if at is Moment.START else ((fault, at),)
    name = fault if at is Moment.START else f"{fault}-{at.value}"
    return Scenario(name, (fault,), None, Verdict.GO, None, stage=_CANARY, moments=moments)


def _while_going_back(fault: str, found: Found = Found.CANARY) -> Scenario:
    """The canary answers errors, and as soon as it is aborted something else happens."""
    moments = ((fault, Moment.ABORTED),)
    return Scenario(
        f"errors-in-canary-{fault}",
        ("errors-in-canary", fault),
        _errors(10),
        rollback=found,
        dependants=(_step(10), _burn(10)),
        stage=_CANARY,
        moments=moments,
    )


def _while_taken_back(fault: str) -> Scenario:
    """A canary that somebody else started is taken back in preflight, and meanwhile something else happens."""
    return Scenario(
        f"canary-at-25-role-empty-{fault}",
        ("canary-at-25", fault, "role-empty"),
        "6-raci",
        rollback=Found.CANARY,
        moments=((fault, Moment.ABORTED),),
    )


SCENARIOS = (
    Scenario("good-release", (), None, Verdict.GO, None, stage=_CANARY),
    _good("slow-start"),
    _good("gitops-owned"),
    _good("hpa-owned"),
    # The baseline waits until the controller has the new pods and looks at those that there are.
    _walk("wrong-digest", _BASELINE),
    _walk("crash-loop", _step(10), _BASELINE),
    _walk("never-ready", _step(10), _BASELINE),
    _walk("too-slow-start", _step(10), _BASELINE),
    _walk("errors-in-canary", _errors(10), _step(10), _burn(10)),
    *(_refused(fault) for fault in ("quota-too-small", "second-driver", "gitops-self-heal")),
    _walk("steps-edited", _step(25), at=Moment.AT_25),
    _walk("aborted-by-somebody", _step(25), at=Moment.AT_25),
    _walk("paused-by-somebody", _step(25), at=Moment.AT_25),
    _walk("promoted-by-somebody", _step(25), at=Moment.AT_25, found=Found.PROMOTED),
    _walk("errors-in-canary", _errors(50), _step(50), _burn(50), at=Moment.AT_50),
    _good("node-drained", Moment.AT_50),
    # The version to go back to is made again from the T0 snapshot.
    _walk("t0-replicaset-gone", _PROMOTED, at=Moment.PROMOTED, found=Found.PROMOTED),
    # It is the template by the time that the criterion has failed.
    _while_going_back("fix-arrives", Found.ALREADY_BACK),
    *(
        _while_going_back(fault)
        for fault in (
            "hpa-scales",
            "argo-controller-killed",
            "api-server-stalled",
            "api-server-restarted",
        )
    ),
    *(
        _while_taken_back(fault)
        for fault in ("hpa-scales", "argo-controller-killed", "api-server-stalled", "api-server-restarted")
    ),
    # Abort only: a restore would be undone, and the bad canary begin again.
    Scenario(
        "canary-at-25-gitops-self-heal-role-empty",
        ("canary-at-25", "gitops-self-heal", "role-empty"),
        "6-raci",
        rollback=Found.CANARY,
    ),
    *judged.SCENARIOS,
)
