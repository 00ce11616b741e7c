"""Run every check, one after another, with its name, its place in the line and the time it usually takes."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_PYTEST = (sys.executable, "-m", "pytest")
_SLICES = ("preflight", "canary", "acceptance", "promote", "p0", "p1")
_MOST = 300
"""Characters of a line in the list of what failed."""
_BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Step:
    """One check: ``commands`` run in this order, each must end with ``code``. ``seconds`` is the usual time."""

    name: str
    title: str
    seconds: int
    commands: tuple[tuple[str, ...], ...]
    code: int = 0
    asked: bool = False
    """Only where it is asked for by its name."""


def _selftests(room: str, part: str = "", *options: str) -> tuple[str, ...]:
    where = ("-c", f"{room}/selftests/pytest.toml", f"{room}/selftests/{part}")
    return (*_PYTEST, "-q", "--durations=8", *where, *options)


def _slice(marker: str) -> tuple[str, ...]:
    return (*_PYTEST, "-q", "--collect-only", "-m", marker)


def _sandbox(scenario: str, reports: str) -> tuple[str, ...]:
    return (*_PYTEST, "-m", "preflight", f"--sandbox={scenario}", f"--golive-report-dir={reports}/{scenario}")


def steps(reports: str) -> tuple[Step, ...]:
    """All checks, the quick ones first."""
    lint = (
        (str(_BIN / "ruff"), "check", "."),
        (str(_BIN / "ruff"), "format", "--check", "."),
        (str(_BIN / "mypy"), "."),
        (str(_BIN / "lint-imports"),),
    )
    # Those of the first half need processor time, those of the second wait: for what a fault or a rollback changes.
    judge = (
        _selftests("plugins", "judge", "-n2", "--dist=worksteal"),
        _selftests("plugins", "live", "-n3", "--dist=worksteal"),
    )
    return (
        Step("lint", "ruff, mypy strict, import contracts", 30, lint),
        Step("collect", "every slice with criteria collects without a cluster", 6, (*map(_slice, _SLICES),)),
        Step("judge", "self-tests of the judge", 730, judge),
        Step("hands", "self-tests of the hands", 180, (_selftests("fixtures", "", "-n2", "--dist=worksteal"),)),
        Step("sandbox", "self-tests of the sandbox, every scenario among them", 900, (_selftests("sandbox"),)),
        Step("go", "a clean sandbox is GO", 20, (_sandbox("clean", reports),)),
        Step(
            "no-go",
            "a canary with a failed p0 is NO-GO and taken back",
            20,
            (_sandbox("canary-at-25-role-empty", reports),),
            20,
        ),
        Step(
            "long",
            "self-tests that tell much the same as a shorter one beside them",
            2400,
            tuple(_selftests(room, "", "-m", "long") for room in ("plugins", "fixtures", "sandbox")),
            asked=True,
        ),
    )


def main(wanted: Sequence[str]) -> int:
    """Run the steps named, or all; 0 when every one of them passed."""
    with tempfile.TemporaryDirectory(prefix="golive-check-") as reports:
        every = steps(reports)
        unknown = sorted(set(wanted) - {step.name for step in every})
        if unknown:
            _say(f"expected steps of: {', '.join(step.name for step in every)}; found {', '.join(unknown)}")
            return 2
        chosen = [step for step in every if step.name in wanted or not (wanted or step.asked)]
        results = [(step, *_run(step, number, len(chosen))) for number, step in enumerate(chosen, 1)]
    _say("")
    for step, wrong, seconds in results:
        _say(f"{'FAILED' if wrong else 'passed'}  {step.name:8} {seconds:6.0f} s  {step.title}")
        for line in wrong:  # once more, where the end of a long log is read
            _say(f"  {line}")
    return 1 if any(wrong for _, wrong, _ in results) else 0


def _run(step: Step, number: int, total: int) -> tuple[list[str], float]:
    """What went wrong, and the seconds it took."""
    _say(f"\n== [{number}/{total}] {step.name}: {step.title} (usually {step.seconds} s)")
    began = time.monotonic()
    wrong: list[str] = []
    for command in step.commands:
        code, failures = _watched(command)
        if code != step.code:
            wrong += [f"expected exit {step.code}, found {code}: {' '.join(command)}", *failures]
    _say("\n".join(wrong))
    return wrong, time.monotonic() - began


def _watched(command: Sequence[str]) -> tuple[int, list[str]]:
    """Run it, with its output as it comes; its exit code, and what pytest's summary says failed."""
    failures: list[str] = []
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, errors="replace") as process:
        for line in process.stdout or ():
            _say(line.rstrip("\n"))
            if line.startswith(("FAILED ", "ERROR ")):
                failures.append(f"  {line.strip()[:_MOST]}")
    return process.returncode, failures


def _say(words: str) -> None:
    sys.stdout.write(words + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
