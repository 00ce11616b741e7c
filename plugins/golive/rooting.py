"""Undo what pytest does to ``--golive-config FILE``: it looks for its own configuration beside FILE.

Pytest chooses its root folder before it knows the options of plugins, so the value of ``--opt VALUE`` counts as a test
path when it exists. With a world outside the repository the suite's own pytest settings would then be lost.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest
from _pytest.config.findpaths import determine_setup

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = "golive.toml"
_OURS = ("golive_config", "golive_report_dir", "sandbox")


def start_again_where_misread(config: pytest.Config) -> None:
    """Replace this process by pytest with the right root, when an option's value was taken for a test path.

    With workers always: they read the command line again, when a folder that was not there may have been made. Where
    pytest was not started as a command, nothing can be replaced: raises ``pytest.UsageError`` with the way out.
    """
    known = config.known_args_namespace
    ours = any(getattr(known, name, None) for name in _OURS) or (config.invocation_params.dir / CONFIG).exists()
    if known.inifilename or known.rootdir or not ours:
        return
    root, file, _, _ = determine_setup(
        inifile=None,
        override_ini=known.override_ini,
        args=known.file_or_dir,
        rootdir_cmd_arg=None,
        invocation_dir=config.invocation_params.dir,
    )
    misread = file != config.inipath
    distributed = bool(getattr(known, "tx", None) or getattr(known, "numprocesses", None))
    if file is not None and (misread or distributed):
        _start_again(config, root, file, needed=misread)


def _start_again(config: pytest.Config, root: Path, file: Path, *, needed: bool) -> None:
    given = [str(word) for word in config.invocation_params.args]
    before = sys.orig_argv[: len(sys.orig_argv) - len(given)]
    if hasattr(config, "workerinput") or sys.orig_argv != [*before, *given] or sys.argv[1:] != given:
        if not needed:
            return
        raise pytest.UsageError(
            f"expected pytest's settings from {file}, found others: pytest takes the value of an option for a test "
            f"path when it exists; pass --rootdir={root} -c {file}, or write --golive-config=FILE with an equals sign"
        )
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [*before, f"--rootdir={root}", "-c", str(file), *given])
