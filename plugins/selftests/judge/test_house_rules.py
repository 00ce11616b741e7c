"""House rules that a machine can hold: what criteria may not do, and what looking at them may not cost."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from golive.criterion import STAGES, Gate, load_ratified

ROOT = Path(__file__).parents[3]
CRITERIA = sorted((ROOT / "tests_golive").glob("*.py"))
LIST = load_ratified(ROOT / "tests_golive" / "criteria.toml")
CLIENTS = {
    "aiohttp", "allure", "allure_commons", "httpx", "kubernetes", "prometheus_api_client", "psycopg", "requests",
    "sigstore", "socket", "subprocess", "urllib", "urllib3", "websocket", "yaml",
}  # fmt: skip
HEAVY = (
    "kubernetes",
    "sigstore",
    "prometheus_api_client",
    "allure",
    "httpx",
    "psycopg",
    "yaml",
    "jsonschema",
    "aiohttp",
    "scipy",
    "numpy",
    "cryptography",
    "fastjsonschema",
)
FORBIDDEN = {"sleep", "skip", "skipif", "xfail", "importorskip", "flaky", "raises", "suppress", "_exit", "exit"}


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imports(tree: ast.Module) -> set[str]:
    """The first part of every module imported, for type checking too."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {name.name.split(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").split(".")[0])
    return found


def criterion_ids(tree: ast.Module) -> list[str]:
    """The ids that the tests of a file are marked with."""
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    marks = (node for node in calls if isinstance(node.func, ast.Attribute) and node.func.attr == "criterion")
    return [str(arg.value) for node in marks for arg in node.args if isinstance(arg, ast.Constant)]


def collect(*args: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, *args]
    return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("path", CRITERIA, ids=lambda path: str(path.name))
def test_criteria_import_no_client_and_neither_wait_nor_skip_nor_catch(path: Path) -> None:
    tree = parsed(path)
    assert not imports(tree) & CLIENTS
    assert "golive_sandbox" not in imports(tree)
    names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    names |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    assert not names & FORBIDDEN
    catching = (ast.Try, ast.TryStar)
    assert not [node.lineno for node in ast.walk(tree) if isinstance(node, catching)]


def test_the_list_and_the_tests_name_each_other() -> None:
    marked = [name for path in CRITERIA for name in criterion_ids(parsed(path))]
    built = {row.id.split("[")[0] if row.step else row.id for row in LIST.criteria if row.implemented}
    unbuilt = {row.id.split("[")[0] if row.step else row.id for row in LIST.criteria if not row.implemented}
    assert sorted(marked) == sorted(set(marked))
    assert set(marked) == built
    assert not set(marked) & unbuilt


@pytest.mark.parametrize("path", CRITERIA, ids=lambda path: str(path.name))
def test_each_criterion_is_a_claim_with_its_contract(path: Path) -> None:
    functions = [node for node in parsed(path).body if isinstance(node, ast.FunctionDef)]
    for function in (one for one in functions if one.name.startswith("test")):
        doc = ast.get_docstring(function) or ""
        assert "MUST" in doc.splitlines()[0], function.name
        assert "Runbook: section" in doc, function.name
        assert not re.search(r"should|works|basic|misc", function.name)
        marks = [re.sub(r"\(.*", "", ast.unparse(one)).rsplit(".", 1)[-1] for one in function.decorator_list]
        own = [mark for mark in marks if mark != "parametrize"]
        assert [own[0] in set(Gate), own[1] in {*STAGES}, own[-1]] == [True, True, "criterion"], function.name


def test_looking_at_criteria_imports_no_client() -> None:
    code = (
        "import sys, pytest\n"
        # Allure's own plugin imports Allure; what is looked at here is ours.
        "code = pytest.main(['-p', 'no:allure_pytest', '--collect-only', '-q', 'tests_golive'])\n"
        f"loaded = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "print('loaded:', loaded, 'code:', int(code))\n"
    )
    done = collect("-c", code)
    assert "loaded: [] code: 0" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("marker", [*STAGES, *Gate, "soak", "not p1"])
def test_every_marker_slice_collects(marker: str) -> None:
    done = collect("-m", "pytest", "--collect-only", "-q", "-m", marker, "tests_golive")
    assert done.returncode in (0, 5), done.stdout + done.stderr


def test_every_option_says_what_it_does() -> None:
    help_text = collect("-m", "pytest", "--help").stdout
    for option in ("--golive-config", "--golive-report-dir", "--golive-plan", "--golive-disarm"):
        assert option in help_text
