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
_BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Step:
    """One check: ``commands`` run in this order, each must end with ``code``. ``seconds`` is the usual time."""

    name: str
    title: str
    seconds: int
    commands: tuple[tuple[str, ...], ...]
    code: int = 0


def _selftests(room: str, part: str = "", *options: str) -> tuple[str, ...]:
    return (*_PYTEST, "-q", "-c", f"{room}/selftests/pytest.toml", f"{room}/selftests/{part}", *options)


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
        Step("collect", "the preflight slice collects without a cluster", 3, (_slice("preflight"),)),
        Step("judge", "self-tests of the judge", 430, judge),
        Step("hands", "self-tests of the hands", 120, (_selftests("fixtures", "", "-n2", "--dist=worksteal"),)),
        Step("sandbox", "self-tests of the sandbox, every scenario among them", 900, (_selftests("sandbox"),)),
        Step("go", "a clean sandbox is GO", 20, (_sandbox("clean", reports),)),
        Step(
            "no-go",
            "a canary with a failed p0 is NO-GO and taken back",
            20,
            (_sandbox("canary-at-25-role-empty", reports),),
            20,
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
        chosen = [step for step in every if not wanted or step.name in wanted]
        results = [(step, *_run(step, number, len(chosen))) for number, step in enumerate(chosen, 1)]
    _say("")
    for step, passed, seconds in results:
        _say(f"{'passed' if passed else 'FAILED'}  {step.name:8} {seconds:6.0f} s  {step.title}")
    return 0 if all(passed for _, passed, _ in results) else 1


def _run(step: Step, number: int, total: int) -> tuple[bool, float]:
    _say(f"\n== [{number}/{total}] {step.name}: {step.title} (usually {step.seconds} s)")
    began = time.monotonic()
    passed = True
    for command in step.commands:
        code = subprocess.run(command, cwd=ROOT, check=False).returncode
        if code != step.code:
            _say(f"expected exit {step.code}, found {code}: {' '.join(command)}")
            passed = False
    return passed, time.monotonic() - began


def _say(words: str) -> None:
    sys.stdout.write(words + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
