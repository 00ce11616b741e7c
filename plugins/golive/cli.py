"""``golive``: what a release driver does beside ``pytest``: init, plan, status, approve, replay, rollback."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from golive.config import Settings, load
from golive.criterion import STAGES, find_ratified
from golive.errors import ConfigError, GoliveError
from golive.redact import Redactor
from golive.verdict import Exit

_UNREACHABLE = 1
_DIFFERENT = 1
_INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code.

    0 done, 1 the cluster or the record could not be read, nobody waits for what is approved, or a replay came out
    otherwise, 4 a wrong file or call; ``rollback``: 20 proven, 21 not.
    """
    redactor = Redactor.from_environment()
    try:
        arguments = _parser().parse_args(argv)
        command: Callable[[argparse.Namespace], int] = arguments.command
        return command(arguments)
    except ConfigError as error:
        sys.stderr.write(f"golive: {redactor.text(str(error))}\n")
        return int(Exit.CONFIG)
    except GoliveError as error:
        sys.stderr.write(f"golive: {redactor.text(str(error))}\n")
        return _UNREACHABLE
    except KeyboardInterrupt:
        sys.stderr.write("golive: interrupted; a rollback that was asked for goes on by itself: golive status\n")
        return _INTERRUPTED


class _Parser(argparse.ArgumentParser):
    """Argparse exits with 2, which means something else to pytest's callers."""

    def error(self, message: str) -> None:  # type: ignore[override]  # argparse says NoReturn: it raises all the same
        raise ConfigError(f"{message} (see {self.prog} --help)")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="golive", description=__doc__)
    commands = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=_Parser)
    init = commands.add_parser("init", help="write a golive.toml from what is found in the cluster")
    init.add_argument("--kubeconfig", help="default: $KUBECONFIG, then ~/.kube/config; in-cluster for a pod")
    init.add_argument("--context", help="default: the kubeconfig's current context")
    init.add_argument("--namespace", help="of the release; default: the context's")
    init.add_argument("--rollout", help="name of the Rollout; default: the only one of the namespace")
    init.add_argument("--manifest", default="deploy/argo/rollout-maestro.yaml", help="the reviewed manifest")
    init.add_argument("--output", default="golive.toml", help="the file to write; it must not exist yet")
    init.set_defaults(command=_init)
    plan = commands.add_parser("plan", help="what a run would read, every write it could make, what each needs")
    plan.add_argument("-m", dest="markers", default="", metavar="STAGE", help="as pytest's -m; default: all stages")
    plan.set_defaults(command=_plan)
    status = commands.add_parser("status", help="the rollout now, who drives it, and what the record says of it")
    status.add_argument("--json", action="store_true", help="for machines")
    status.set_defaults(command=_status)
    back = commands.add_parser(
        "rollback", help="take the release back to the last good version, also when the suite is disarmed"
    )
    back.set_defaults(command=_rollback)
    approve = commands.add_parser("approve", help='let the canary go on to a weight, where promotion = "ask"')
    approve.add_argument("weight", nargs="?", type=int, metavar="WEIGHT", help="percent, as the session asks for it")
    approve.set_defaults(command=_approve)
    attest = commands.add_parser("attest", help="record a manual check, for a criterion that allows it (1.4-sbom)")
    attest.add_argument("criterion", metavar="CRITERION", help="its id")
    attest.add_argument("--reason", required=True, help="what was checked, and why it holds (or not)")
    attest.add_argument("--evidence", default="", metavar="URL", help="where the check can be seen")
    attest.add_argument("--withdraw", action="store_true", help="take back what was recorded; --reason says why")
    attest.set_defaults(command=_attest)
    again = commands.add_parser("replay", help="judge a run's stored observations again, without a network")
    again.add_argument("bundle", type=Path, metavar="BUNDLE", help="a folder of reports, or a part of its record")
    again.add_argument("--criteria", type=Path, metavar="FILE", help="the ratified list (default: tests_golive's)")
    again.set_defaults(command=_replay)
    for one in (plan, status, back, approve, attest):
        one.add_argument("--golive-config", "--config", default="golive.toml", metavar="FILE", dest="config")
        one.add_argument("--golive-report-dir", "--report-dir", default="reports", metavar="DIR", dest="reports")
    return parser


def _settings(arguments: argparse.Namespace) -> Settings:
    return load(Path(arguments.config))


def _ratified(settings: Settings, arguments: argparse.Namespace) -> Path:
    return find_ratified(settings.criteria, Path.cwd(), Path(arguments.config).resolve().parent)


def _init(arguments: argparse.Namespace) -> int:
    from golive.initial import Asked, write

    asked = Asked(
        kubeconfig=arguments.kubeconfig,
        context=arguments.context,
        namespace=arguments.namespace,
        rollout=arguments.rollout,
        manifest=arguments.manifest,
    )
    _say(write(Path(arguments.output), asked))
    return 0


def _plan(arguments: argparse.Namespace) -> int:
    from golive.criterion import load_ratified
    from golive.plan import plan
    from golive.stages import scope_of

    settings = _settings(arguments)
    ratified = load_ratified(_ratified(settings, arguments))
    scope = scope_of(arguments.markers, settings.scope, ratified)
    if not scope:
        known = ", ".join(stage.value for stage in STAGES)
        raise ConfigError(f"-m {arguments.markers}: expected to select a stage of {known}, found none")
    _say(plan(settings, ratified, scope))
    return 0


def _status(arguments: argparse.Namespace) -> int:
    from golive.status import observe

    seen = observe(_settings(arguments), Path(arguments.reports))
    _say(json.dumps(seen.to_json(), indent=2) if arguments.json else seen.text())
    return 0 if seen.observed else _UNREACHABLE


def _rollback(arguments: argparse.Namespace) -> int:
    from golive.by_hand import roll_back_by_hand
    from golive.report import rollback_lines

    settings = _settings(arguments)
    target = settings.target
    _say(f"taking {target.namespace}/{target.rollout} on {target.cluster} back from {settings.release.tag} ...")
    rollback = roll_back_by_hand(settings, _ratified(settings, arguments), Path(arguments.reports).resolve())
    _say("\n".join(rollback_lines(rollback)))
    return int(Exit.NO_GO if rollback.get("proven") is True else Exit.NOT_ROLLED_BACK)


def _approve(arguments: argparse.Namespace) -> int:
    from golive.approvals import approve

    if arguments.weight is None:
        raise ConfigError("approve: expected a weight such as 25; the final approval (6-approval) is not built yet")
    settings = _settings(arguments)
    if settings.canary.promotion != "ask":
        raise ConfigError('approve: expected canary.promotion = "ask", found "automatic": nobody is asked')
    _say(approve(settings, Path(arguments.reports), arguments.weight))
    return 0


def _attest(arguments: argparse.Namespace) -> int:
    from golive.attestations import attest, withdraw
    from golive.criterion import load_ratified

    settings = _settings(arguments)
    ratified, reports = load_ratified(_ratified(settings, arguments)), Path(arguments.reports)
    if arguments.withdraw:
        if arguments.evidence:
            raise ConfigError("attest: expected --withdraw or --evidence, found both")
        _say(withdraw(settings, ratified, reports, arguments.criterion, reason=arguments.reason))
    else:
        words = {"reason": arguments.reason, "evidence": arguments.evidence}
        _say(attest(settings, ratified, reports, arguments.criterion, **words))
    return 0


def _replay(arguments: argparse.Namespace) -> int:
    from golive.replay import replay

    found = replay(arguments.bundle, find_ratified(arguments.criteria, Path.cwd()).resolve())
    _say(found.text())
    return 0 if found.same else _DIFFERENT


def _say(words: str) -> None:
    sys.stdout.write(Redactor.from_environment().text(words).rstrip("\n") + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
