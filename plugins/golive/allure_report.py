"""Allure results: severity, the runbook's section as a link, and the evidence; only when ``--alluredir`` is given."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

from golive.criterion import Criterion, Gate
from golive.evidence import Recorder
from golive.redact import Redactor

RUNBOOK = "docs/runbook.md"


def describe(config: pytest.Config, row: Criterion, recorder: Recorder, redactor: Redactor) -> None:
    """Label the running Allure test and attach its evidence; nothing at all without ``--alluredir``."""
    if not config.getoption("allure_report_dir", None):
        return
    # Imported here: it costs every collection otherwise. It is untyped, hence the name that mypy does not follow.
    allure: Any = importlib.import_module("allure")
    severity = allure.severity_level.BLOCKER if row.gate is Gate.P0 else allure.severity_level.NORMAL
    allure.dynamic.severity(severity)
    allure.dynamic.title(f"{row.id} {row.title}")
    allure.dynamic.tag(row.stage.value, row.gate.value)
    allure.dynamic.link(f"{RUNBOOK}#section-{row.runbook}", name=f"runbook section {row.runbook}")
    claim = f"expected: {recorder.expected}\nobserved: {recorder.observed}\nfix: {recorder.fix}"
    for name, content in (("claim", claim), *recorder.notes):
        allure.attach(redactor.text(content), name=name, attachment_type=allure.attachment_type.TEXT)
