"""``pytest --sandbox[=SCENARIO]``: a sandbox for the session, as any cluster would be given to the suite.

Nothing of the suite is imported here: the only thing handed over is the path of a ``golive.toml``.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

if TYPE_CHECKING:
    from golive_sandbox.launch import Launched

_WORKER = "golive_sandbox_settings"
_RUNNING = pytest.StashKey["Session"]()


class Session:
    """The sandbox of one pytest session."""

    def __init__(self, launched: Launched) -> None:
        self._launched = launched
        self.settings = launched.folder.root / "golive.toml"

    def end(self) -> None:
        """Take it down; its folder goes as well."""
        self._launched.stop()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--sandbox``."""
    parser.getgroup("golive").addoption(
        "--sandbox",
        nargs="?",
        const="clean",
        default=None,
        metavar="SCENARIO",
        help="judge a sandbox on this machine instead of the cluster in golive.toml: a real control plane that comes "
        "up for this session (--sandbox=NAME: a world with faults; golive-sandbox scenarios lists them)",
    )


@pytest.hookimpl(tryfirst=True)  # before the suite reads its golive.toml
def pytest_configure(config: pytest.Config) -> None:
    """Bring the sandbox up, once per session: not on xdist's workers, which are told by the controller."""
    workerinput: dict[str, object] | None = getattr(config, "workerinput", None)
    if workerinput is not None:
        if _WORKER in workerinput:
            config.option.golive_config = workerinput[_WORKER]
        return
    scenario: str | None = config.getoption("--sandbox")
    if scenario is None or config.option.collectonly:
        return
    with _terminal(config):
        session = _start(scenario)
    config.stash[_RUNNING] = session
    # xdist's workers read the command line again and would miss what is set here: they are told separately.
    config.option.golive_config = str(session.settings)


class _Node(Protocol):
    """One of xdist's workers, seen from the controller."""

    config: pytest.Config
    workerinput: dict[str, object]


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: _Node) -> None:
    """Tell a worker where the sandbox's ``golive.toml`` is."""
    session = node.config.stash.get(_RUNNING, None)
    if session is not None:
        node.workerinput[_WORKER] = str(session.settings)


def _start(scenario: str) -> Session:
    from golive_sandbox import files
    from golive_sandbox.errors import SandboxError
    from golive_sandbox.folder import Folder
    from golive_sandbox.launch import launch
    from golive_sandbox.options import Options
    from golive_sandbox.scenarios import table

    folder = Path(tempfile.mkdtemp(prefix="golive-sandbox-"))
    try:
        table.named(scenario)
        return Session(launch(Folder(folder), Options(scenario), sys.stdout, detached=False))
    except BaseException as trouble:
        files.remove(folder)
        if isinstance(trouble, SandboxError):
            raise pytest.UsageError(f"--sandbox: {trouble}") from trouble
        raise


@contextmanager
def _terminal(config: pytest.Config) -> Iterator[None]:
    """Show what happens now; pytest has begun to capture already."""
    capture = config.pluginmanager.getplugin("capturemanager")
    if capture is None:
        yield
        return
    with capture.global_and_fixture_disabled():
        yield


@pytest.hookimpl(trylast=True)  # after everything that may still speak to the cluster
def pytest_unconfigure(config: pytest.Config) -> None:
    """Take the sandbox down."""
    session = config.stash.get(_RUNNING, None)
    if session is not None:
        session.end()
        del config.stash[_RUNNING]
