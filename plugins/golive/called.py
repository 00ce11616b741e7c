"""How pytest was called: whether this is a go-live, what it is given, and whether it only shows something.

An option that only shows something is meant where it is typed, and nowhere else: a CI job that still has one in
``PYTEST_ADDOPTS`` would end with exit 0, and no criterion would have been judged.
"""

from __future__ import annotations

import os
import shlex
from argparse import Namespace
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import cast

import pytest

from golive.given import Given, read_given
from golive.rooting import CONFIG

_SHOWS = {
    "collectonly": "--collect-only",
    "showfixtures": "--fixtures",
    "show_fixtures_per_test": "--fixtures-per-test",
    "cacheshow": "--cache-show",
    "markers": "--markers",
    "help": "--help",
    "version": "--version",
}
"""Options with which pytest runs no test, by the names of their values."""
_PLAN = {"golive_plan": "--golive-plan"}


def config_file(config: pytest.Config) -> Path:
    """Where ``golive.toml`` is, relative to where pytest was called."""
    return config.invocation_params.dir / (cast("str | None", config.getoption("golive_config")) or CONFIG)


def _speaks_of_golive(config: pytest.Config, ratified: Path) -> bool:
    """Whether this pytest run is a go-live and not somebody's unit tests beside a ``golive.toml``.

    The paths decide, not the markers: ``pytest tests/unit -m "not load"`` must not wake up what can roll back.
    """
    folder = ratified.resolve().parent
    args = config.args or config.known_args_namespace.file_or_dir or ["."]  # pytest reads no paths with --help
    named = [(config.invocation_params.dir / arg.split("::")[0]).resolve() for arg in args]
    return any(path == folder or folder in path.parents or path in folder.parents for path in named)


def called_for(config: pytest.Config) -> Given | None:
    """What a go-live is given; ``None`` where this pytest run is none. Raises ``ConfigError``."""
    named, file = config.getoption("golive_config") is not None, config_file(config)
    if not named and not file.exists():
        return None
    return read_given(file, config.rootpath, lambda path: named or _speaks_of_golive(config, path))


def reports_folder(config: pytest.Config) -> Path:
    """Where the record is kept, relative to where pytest was called."""
    return config.invocation_params.dir / (config.getoption("golive_report_dir") or "reports")


def only_shows(config: pytest.Config) -> bool:
    """Whether pytest runs no test because it was asked to show something."""
    return any(config.getoption(name, False) for name in _SHOWS)


def left_over(config: pytest.Config) -> str:
    """What is wrong with an option that shows something and that nobody typed; empty where there is none.

    Where another one is typed, no verdict is expected anyway.
    """
    options = _SHOWS | _PLAN
    found = [name for name in options if config.getoption(name, False)]
    if not found or _set_by(config, config.invocation_params.args, options):
        return ""
    exported = _set_by(config, shlex.split(os.environ.get("PYTEST_ADDOPTS", "")), options)
    where, name = ("PYTEST_ADDOPTS", exported[0]) if exported else (f"addopts of {config.inipath}", found[0])
    return f"{options[name]}: expected on the command line only, found in {where}: nothing is judged; take it out there"


def _set_by(config: pytest.Config, words: Sequence[str | os.PathLike[str]], options: Iterable[str]) -> list[str]:
    """Which of the options these words alone would set."""
    parsed = config._parser.parse_known_args(words, namespace=Namespace())
    return [name for name in options if getattr(parsed, name, False)]
