"""Allure results: severity, the runbook's section as a link, and the evidence; only when ``--alluredir`` is given."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import pytest

from golive.criterion import Criterion, Gate
from golive.evidence import Recorder, as_facts, as_note
from golive.html_report import evidence_html
from golive.redact import Redactor


def redact_all(config: pytest.Config, redactor: Redactor) -> None:
    """Put the filter in front of what Allure writes: it takes exceptions and captured output from pytest directly."""
    if not config.getoption("allure_report_dir", None):
        return
    # Imported here: it costs every collection otherwise. It is untyped, hence the names that mypy does not follow.
    commons: Any = importlib.import_module("allure_commons")
    writer: Any = importlib.import_module("allure_commons.logger").AllureFileLogger
    manager = commons.plugin_manager
    for logger in [plugin for plugin in manager.get_plugins() if isinstance(plugin, writer)]:
        name = manager.get_name(logger)
        manager.unregister(logger)
        _filter(logger, redactor, commons.hookimpl)
        manager.register(logger, name)


class _Writer(Protocol):
    """What is used of Allure's file logger."""

    _report_item: Callable[[object], None]
    report_attached_data: Callable[..., None]
    report_attached_file: Callable[..., None]


def _filter(logger: _Writer, redactor: Redactor, hookimpl: Callable[[object], Callable[..., None]]) -> None:
    """Pluggy takes the hooks from the object when it is registered; each is replaced by one that cleans first."""
    write_item, write_data, write_file = logger._report_item, logger.report_attached_data, logger.report_attached_file

    def clean_item(item: object) -> None:
        _clean(item, redactor)
        write_item(item)

    def report_attached_data(body: str | bytes, file_name: str) -> None:
        write_data(_cleaned(body, redactor), file_name)

    def report_attached_file(source: str, file_name: str) -> None:
        body = Path(source).read_bytes()
        cleaned = _cleaned(body, redactor)
        if cleaned == body:
            write_file(source, file_name)
        else:
            write_data(cleaned, file_name)

    logger._report_item = clean_item
    logger.report_attached_data = hookimpl(report_attached_data)
    logger.report_attached_file = hookimpl(report_attached_file)


def _cleaned(body: str | bytes, redactor: Redactor) -> str | bytes:
    if isinstance(body, str):
        return redactor.text(body)
    try:
        return redactor.text(body.decode("utf-8")).encode("utf-8")
    except UnicodeDecodeError:
        return body  # an image or an archive


def _clean(item: object, redactor: Redactor) -> None:
    """Every text in one of Allure's objects, in place; a parameter is also judged by its name."""
    for field, value in vars(item).items():
        if isinstance(value, str):
            name = getattr(item, "name", "") if field == "value" else ""
            setattr(item, field, redactor.json({str(name): value})[str(name)])
        elif isinstance(value, list):
            for number, one in enumerate(value):
                if isinstance(one, str):
                    value[number] = redactor.text(one)
                elif hasattr(one, "__attrs_attrs__"):
                    _clean(one, redactor)
        elif hasattr(value, "__attrs_attrs__"):
            _clean(value, redactor)


def describe(
    config: pytest.Config, row: Criterion, recorder: Recorder, runbook_url: str | None, redactor: Redactor
) -> None:
    """Label the running Allure test and attach its evidence; nothing at all without ``--alluredir``."""
    if not config.getoption("allure_report_dir", None):
        return
    allure: Any = importlib.import_module("allure")
    severity = allure.severity_level.BLOCKER if row.gate is Gate.P0 else allure.severity_level.NORMAL
    allure.dynamic.severity(severity)
    allure.dynamic.title(f"{row.id} {row.title}")
    allure.dynamic.tag(row.stage.value, row.gate.value)
    allure.dynamic.label("runbook", row.runbook)
    if runbook_url:
        allure.dynamic.link(runbook_url.replace("{section}", row.runbook), name=f"runbook section {row.runbook}")
    data = recorder.to_json()
    claim = "\n".join(f"{key}: {data[key]}" for key in ("expected", "observed", "fix"))
    for name, content in (("claim", claim), *recorder.notes):
        allure.attach(content, name=name, attachment_type=allure.attachment_type.TEXT)
    # Attached only, nobody reads it: the page of the test shows claim and evidence at once.
    shown = [as_note("claim", as_facts({key: str(data[key]) for key in ("expected", "observed", "fix")}))]
    shown += [as_note(name, content) for name, content in recorder.notes]
    allure.dynamic.description_html("".join(evidence_html(redactor.text(note)) for note in shown))
