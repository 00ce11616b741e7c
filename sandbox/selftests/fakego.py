"""A Go that compiles nothing in no time: what is tested is how we build, cache and clean up, not the compiler."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from golive_sandbox.servers import cache
from golive_sandbox.servers.groups import groups
from selftests.sandboxes import ROOT, cli_argv

SCRIPT = f"""#!{sys.executable}
import os, shutil, sys, time
here = os.path.dirname(os.path.abspath(__file__))
words = sys.argv[1:]
if words == ["version"]:
    print("go version go1.99.0 linux/amd64")
elif words[:2] == ["list", "-m"]:
    print(os.path.join(here, "module"))
elif words[0] == "build":
    package = words[-1].rpartition("/cmd/")[2]
    with open(os.path.join(here, "built"), "a") as log:
        log.write(package + "\\n")
    if package == os.environ.get("FAKE_FAIL"):
        sys.exit("undefined: everything")
    if package == os.environ.get("FAKE_SLOW"):
        time.sleep(60)
    time.sleep(0.1)
    shutil.copy("/bin/true", words[words.index("-o") + 1])
"""


class FakeGo:
    """A folder with the tool, its log, and a cache."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cache = folder / "a cache"
        tool = folder / "go"
        tool.write_text(SCRIPT)
        tool.chmod(0o755)
        manifests = folder / "module" / "manifests"
        for name in ("crds", "role"):
            (manifests / name).mkdir(parents=True)
        for kind in ("rollout", "analysis-run", "analysis-template", "experiment"):
            (manifests / "crds" / f"{kind}-crd.yaml").write_text("kind: CustomResourceDefinition\n")
        (manifests / "role" / cache.ROLE).write_text("kind: ClusterRole\n")

    def environment(self, **more: str) -> dict[str, str]:
        path = f"{self.folder}:/usr/bin:/bin"
        return {**os.environ, "PATH": path, "GOLIVE_CACHE": str(self.cache), **more}

    def start(self, **more: str) -> subprocess.Popen[str]:
        """``golive-sandbox build``."""
        return subprocess.Popen(
            cli_argv("build"), cwd=ROOT, env=self.environment(**more), text=True, start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def build(self, **more: str) -> tuple[int, str, str]:
        """The same, to its end: exit code, output, errors."""
        process = self.start(**more)
        said, errors = process.communicate(timeout=60)
        return process.returncode, said, errors

    def built(self) -> Sequence[str]:
        """What was compiled since the last call, in that order."""
        log = self.folder / "built"
        found = log.read_text().split() if log.exists() else []
        log.unlink(missing_ok=True)
        return found

    def servers(self) -> set[str]:
        """The names of what is there, over all groups."""
        return {one.name for group in (self.cache / "bin").iterdir() for one in group.iterdir()}

    def server(self, name: str) -> Path:
        """Where one of them is."""
        (found,) = (self.cache / "bin").glob(f"*/{name}")
        return found


GROUPS = groups()
NAMES = tuple(name for group in GROUPS for name in group.names)
