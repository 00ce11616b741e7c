"""Judge one clean sandbox many times in a row: every verdict must be GO. Ends with 1 where one is not."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from golive_sandbox.folder import Folder
from golive_sandbox.launch import launch
from golive_sandbox.options import Options

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--times", type=int, default=50, help="how many verdicts (default 50)")
    times: int = arguments.parse_args().times
    seen: Counter[str] = Counter()
    seconds: list[float] = []
    with tempfile.TemporaryDirectory(prefix="golive-again-", ignore_cleanup_errors=True) as scratch:
        launched = launch(Folder(Path(scratch) / "w"), Options(), sys.stdout, detached=False)
        try:
            for number in range(1, times + 1):
                began = time.monotonic()
                word = verdict(launched.folder.root / "golive.toml", Path(scratch) / "reports")
                seconds.append(time.monotonic() - began)
                seen[word] += 1
                print(f"{number:3} {word:8} {seconds[-1]:.1f} s", flush=True)
        finally:
            launched.stop()
    print(f"{dict(seen)}; median {sorted(seconds)[len(seconds) // 2]:.1f} s, most {max(seconds):.1f} s")
    return 0 if set(seen) == {"GO"} else 1


def verdict(settings: Path, reports: Path) -> str:
    """The word of one preflight; what it printed, too, where it is not GO."""
    words = ("-m", "preflight", "-q", "--golive-config", str(settings), "--golive-report-dir", str(reports))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    found = json.loads((reports / "verdict.json").read_text(encoding="utf-8"))
    word = str(found["verdict"])
    if word != "GO" or done.returncode != 0:
        print(done.stdout + done.stderr)
    return word if done.returncode == 0 or word != "GO" else f"exit {done.returncode}"


if __name__ == "__main__":
    sys.exit(main())
