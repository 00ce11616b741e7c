"""``golive-sandbox``: a real cluster to go live in, on this machine."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

from golive_sandbox.errors import SandboxError
from golive_sandbox.folder import Folder
from golive_sandbox.types import Json, items, mapping, strings, text

_ERROR, _INTERRUPTED = 1, 130
Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
"""Where a command is added."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0, 1 for an error (told in one paragraph), 130 for Ctrl-C."""
    arguments = _parser().parse_args(argv)
    command: Callable[[argparse.Namespace], None] = arguments.command
    try:
        command(arguments)
    except (SandboxError, OSError) as trouble:
        sys.stderr.write(f"golive-sandbox: {trouble}\n")
        return _ERROR
    except KeyboardInterrupt:
        # What `up` started is gone by now; the others only asked a sandbox, which goes on.
        more = "; nothing is left running" if command in (_up, _build) else ""
        sys.stderr.write(f"golive-sandbox: interrupted{more}\n")
        return _INTERRUPTED
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="golive-sandbox", description=__doc__)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    build = commands.add_parser("build", help="build and cache the servers (minutes once, then nothing)")
    build.add_argument("--drop-sources", action="store_true", help="afterwards remove Go's caches (about 9 GB)")
    build.set_defaults(command=_build)

    up = commands.add_parser("up", help="start a sandbox; Ctrl-C takes it down")
    up.add_argument("--scenario", default="clean", help="the world to make (see `scenarios`; default: clean)")
    up.add_argument("--detach", action="store_true", help="return when it is up, and leave it running")
    up.set_defaults(command=_up)

    up.add_argument("--rate", type=float, default=700.0, help="requests a second through the ingress (default: 700)")
    up.add_argument("--until-exit", type=int, metavar="PID", help="end it when this process ends, however that ends")
    up.add_argument("--remove", action="store_true", help=argparse.SUPPRESS)  # the folder too, at the end

    for one in (up, *_running(commands)):
        one.add_argument("--dir", default="sandbox-world", help="the sandbox's folder (default: ./sandbox-world)")

    scenarios = commands.add_parser("scenarios", help="list scenarios and faults")
    scenarios.add_argument("--json", action="store_true", help="the scenarios as a JSON list")
    scenarios.set_defaults(command=_scenarios)
    return parser


def _running(commands: Commands) -> list[argparse.ArgumentParser]:
    """The commands that ask a sandbox which is up."""
    status = commands.add_parser("status", help="what is running, and what is broken in it")
    status.set_defaults(command=_status)
    of_a_world: list[argparse.ArgumentParser] = []
    for word, doc in (("break", "switch a fault on"), ("heal", "switch a fault off")):
        switch = commands.add_parser(word, help=doc)
        switch.add_argument("fault", metavar="FAULT", help="one of those that `scenarios` lists")
        switch.set_defaults(command=_switch, word=word, when="")
        of_a_world.append(switch)
    when = "not now, but when the release has come that far: at-10, at-25, at-50, at-100, aborted, promoted"
    of_a_world[0].add_argument("--when", default="", metavar="MOMENT", help=when)
    reset = commands.add_parser("reset", help="heal everything, and bring the stable version back")
    reset.set_defaults(command=_reset)
    seen = commands.add_parser("versions", help="which version answered clients at the ingress, and when, as JSON")
    since = "from this time of day on (unix seconds)"
    seen.add_argument("--since", type=float, default=0.0, metavar="UNIX", help=since)
    seen.set_defaults(command=_versions)
    of_a_world += [reset, seen]
    for one in of_a_world:
        one.add_argument("--world", default="", help="the world's name (default: maestro)")
    down = commands.add_parser("down", help="end it, and what a crash left of it")
    down.set_defaults(command=_down)
    return [status, *of_a_world, down]


def _say(words: str) -> None:
    sys.stdout.write(words + "\n")
    sys.stdout.flush()


def _folder(arguments: argparse.Namespace) -> Folder:
    return Folder(Path(arguments.dir).expanduser().absolute())


def _build(arguments: argparse.Namespace) -> None:
    from golive_sandbox.servers import build, cache

    build.ensure(sys.stdout)
    _say(f"The servers are in {cache.servers()}")
    if arguments.drop_sources:
        with cache.locked(sys.stdout):
            _say(f"Removing Go's module and build caches from {cache.root()} ...")
            _say(f"{cache.drop_sources():.1f} GB are free again.")


def _up(arguments: argparse.Namespace) -> None:
    from golive_sandbox import launch, supervisor
    from golive_sandbox.options import Options
    from golive_sandbox.scenarios import table
    from golive_sandbox.servers import build
    from golive_sandbox.traffic import MOST_RATE

    folder = _folder(arguments)
    folder.check()
    table.named(arguments.scenario)
    if not 0 <= arguments.rate <= MOST_RATE:
        raise SandboxError(f"expected --rate: a number from 0 to {MOST_RATE:g}; got {arguments.rate:g}")
    options = Options(arguments.scenario, arguments.rate, arguments.until_exit, arguments.remove)
    if arguments.detach:
        launch.launch(folder, options, sys.stdout, detached=True)
        _say(_to_try(folder))
        return
    built = build.ensure(sys.stdout)
    # A supervisor in the background is followed by the process that launched it, which prints the commands itself.
    ready = (lambda: _say(_to_try(folder))) if sys.stdout.isatty() or sys.stdin.isatty() else (lambda: None)
    supervisor.run(folder, built, options, _say, ready)


def _to_try(folder: Folder) -> str:
    place, address = shlex.quote(str(folder.root)), text(folder.running(), "address")
    return f"""
Copy and paste:
  export PATH={place}/bin:$PATH KUBECONFIG={place}/kubeconfig
  kubectl get pods
  kubectl argo rollouts get rollout maestro-server
  {_curl(address, "maestro.example.test")}
  pytest -m preflight --golive-config {place}/golive.toml
  golive-sandbox break canary-service-missing --dir {place}     # and `heal`; `golive-sandbox scenarios` lists more
  golive-sandbox status --dir {place}
  golive-sandbox down --dir {place}
"""


def _curl(address: str, host: str) -> str:
    return f"curl -i -H 'Host: {host}' http://{address}/api/maestro/v1/tools"


def _status(arguments: argparse.Namespace) -> None:
    from golive_sandbox import control

    folder = _folder(arguments)
    facts = folder.running()
    answer = control.ask(text(facts, "control"), {"do": "status"}, _say)
    _say(
        f"Sandbox in {folder.root}: process {facts.get('pid')}, "
        f"up since {text(facts, 'since')}, {text(facts, 'server')}"
    )
    for world in items(answer, "worlds"):
        _say(f"  world {text(world, 'name')}: Rollout {text(world, 'rollout')}")
        _say(f"    broken: {', '.join(strings(world, 'broken')) or 'nothing'}")
        for kind in ("armed", "fired"):
            if said := ", ".join(f"{name} ({moment})" for name, moment in mapping(world, kind).items()):
                _say(f"    {kind}: {said}")
        for trouble in strings(world, "trouble"):
            _say(f"    went wrong: {trouble}")
        _say(f"    traffic: {text(world, 'traffic')}")
        _say(f"    {_curl(text(answer, 'address'), text(world, 'host'))}")
        _say(f"    {text(world, 'golive_toml')}")


def _switch(arguments: argparse.Namespace) -> None:
    from golive_sandbox import control

    request: Json = {"do": arguments.word, "fault": arguments.fault, "world": arguments.world, "when": arguments.when}
    control.ask(text(_folder(arguments).running(), "control"), request, _say)
    _say("Done.")


def _reset(arguments: argparse.Namespace) -> None:
    from golive_sandbox import control

    control.ask(text(_folder(arguments).running(), "control"), {"do": "reset", "world": arguments.world}, _say)
    _say("Done.")


def _versions(arguments: argparse.Namespace) -> None:
    from golive_sandbox import control

    request: Json = {"do": "versions", "world": arguments.world, "since": arguments.since}
    _say(json.dumps(control.ask(text(_folder(arguments).running(), "control"), request, _say)))


def _down(arguments: argparse.Namespace) -> None:
    from golive_sandbox import launch

    launch.take_down(_folder(arguments), _say)


def _scenarios(arguments: argparse.Namespace) -> None:
    from golive_sandbox.scenarios import faults, table

    if arguments.json:
        _say(json.dumps([scenario.row() for scenario in table.SCENARIOS], indent=1))
        return
    _say("Scenarios (golive-sandbox up --scenario NAME, pytest --sandbox=NAME):")
    for one in table.SCENARIOS:
        _say(f"  {one.name:42} {one.verdict.value:6} {one.criterion or ''}")
    _say("\nFaults (golive-sandbox break NAME, heal NAME):")
    for fault in faults.FAULTS:
        _say(f"  {fault.name:42} {fault.summary}")


if __name__ == "__main__":
    sys.exit(main())
