"""How a test asks for the saboteur."""

from __future__ import annotations

import os
from pathlib import Path

from selftests.live.world import ROOT

SABOTEUR = ("-p", "selftests.live.saboteur")


def sabotage(what: str, file: Path | None = None) -> dict[str, str]:
    """The environment for ``SABOTEUR``: what to do, and the file that it waits for where it waits."""
    path = f"{ROOT / 'plugins'}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    return {"SABOTAGE": what, "SABOTAGE_FILE": str(file or ""), "PYTHONPATH": path}
