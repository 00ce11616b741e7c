"""The verdict on top of the pytest-html page: what a person on call reads first, and what an auditor reads all of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from typing import Protocol

import pytest

from golive.config import Settings
from golive.evidence import facts_in
from golive.redact import Redactor
from golive.report import headline, not_built, rollback_headline, rollback_rest, why
from golive.types import Json, items, text
from golive.verdict import Decision, Judged, Verdict

_COLOUR = {Decision.GO: "#1a7f37", Decision.PENDING: "#9a6700", Decision.NO_GO: "#cf222e"}
_STYLE = """<style>
#golive {border-left: 10px solid; padding: 8px 16px; margin: 12px 0; color: #1f2328; font-size: 14px}
#golive h1 {margin: 0; font-size: 32px} #golive h2 {font-size: 16px; margin: 16px 0 4px; color: #1f2328}
#golive table {border-collapse: collapse; width: 100%}
#golive td, #golive th {border: 1px solid #d0d7de; padding: 4px 8px; text-align: left; color: #1f2328}
#golive td, #golive th {vertical-align: top; overflow-wrap: anywhere} #golive table {table-layout: fixed}
#golive th {background: #f6f8fa} #golive td.name {width: 200px} #golive td.word {width: 90px; font-weight: bold}
#golive pre {white-space: pre-wrap; margin: 4px 0; max-height: 400px; overflow: auto}
#golive td.fact {font-family: monospace; white-space: pre-wrap}
#golive .fix {border-left: 3px solid #9a6700; padding-left: 8px}
</style>"""


class HtmlReport(Protocol):
    """What pytest-html hands to its title hook."""

    title: str


class Page:
    """The hooks of pytest-html, whose page is written from the start on and once more at the end."""

    def __init__(self, verdict: Callable[[], Verdict | None], settings: Settings, redactor: Redactor) -> None:
        self._verdict, self._settings, self._redactor = verdict, settings, redactor
        self._report: HtmlReport | None = None

    @pytest.hookimpl(optionalhook=True)
    def pytest_html_report_title(self, report: HtmlReport) -> None:
        """Until there is a verdict, the page's title says so."""
        self._report = report
        report.title = f"NO-GO until the run ends: {self._settings.release.tag} on {self._settings.target.cluster}"

    @pytest.hookimpl(optionalhook=True)
    def pytest_html_results_summary(self, prefix: list[str]) -> None:
        """The verdict on top of the page."""
        verdict = self._verdict()
        if verdict is not None and self._report is not None:
            self._report.title = headline(verdict, self._settings)
            prefix.append(summary_html(verdict, self._settings, self._redactor))


def summary_html(verdict: Verdict, settings: Settings, redactor: Redactor) -> str:
    """An HTML block: the verdict, its problems, the rollback's legs, every criterion with its evidence, worst first."""
    return _Block(verdict, settings, redactor).render()


class _Block:
    def __init__(self, verdict: Verdict, settings: Settings, redactor: Redactor) -> None:
        self._verdict, self._settings, self._redactor = verdict, settings, redactor

    def render(self) -> str:
        verdict, colour = self._verdict, _COLOUR[self._verdict.decision]
        about = [headline(verdict, self._settings), why(verdict), f"release_verdict: {verdict.release.value}"]
        about.append(f"digest: {self._settings.release.digest}")
        parts = [f'{_STYLE}<div id="golive" style="border-color: {colour}">']
        parts.append(f'<h1 style="color: {colour}">{verdict.decision.value}</h1><p>{self._lines(about)}</p>')
        parts += [f"<p><b>problem:</b> {self._clean(problem)}</p>" for problem in verdict.problems]
        if verdict.decision is Decision.NO_GO:
            parts.append(self._rollback(verdict.rollback))
        rows = sorted(verdict.criteria, key=lambda row: row.good)
        parts.append(f"<h2>Criteria</h2><table>{''.join(self._row(row) for row in rows)}</table>")
        parts += [f"<p>{self._clean(line)}</p>" for line in not_built([row.id for row in verdict.left_out])]
        return "".join(parts) + "</div>"

    def _clean(self, value: str) -> str:
        return escape(self._redactor.text(value)).replace("\n", "<br>")

    def _lines(self, lines: Sequence[str]) -> str:
        return "<br>".join(self._clean(line) for line in lines)

    def _rollback(self, rollback: Json | None) -> str:
        legs = "".join(
            f"<tr>{_word('proven' if leg.get('proven') is True else 'NOT proven', good=leg.get('proven') is True)}"
            f'<td class="name">{self._clean(text(leg, "leg"))}</td><td>{self._clean(text(leg, "observed"))}</td></tr>'
            for leg in items(rollback, "legs")
        )
        table = f"<table>{legs}</table>" if legs else ""
        head = self._clean(rollback_headline(rollback))
        return f"<h2>{head}</h2>{table}<p>{self._lines(rollback_rest(rollback))}</p>"

    def _row(self, row: Judged) -> str:
        criterion = row.criterion
        name = (
            f"<b>{escape(criterion.id)}</b> {criterion.gate.value}<br>{escape(criterion.title)}<br>"
            f"runbook {escape(criterion.runbook)}, {row.seconds:.2f} s"
        )
        word = _word(row.outcome.value.replace("_", " "), good=row.good)
        return f'<tr><td class="name">{name}</td>{word}<td>{self._claims(row)}{self._evidence(row)}</td></tr>'

    def _claims(self, row: Judged) -> str:
        """Each claim beside what was seen of it; the fix where it did not hold."""
        expected, observed = row.expected.split("\n"), row.observed.split("\n")
        together = len(expected) != len(observed)
        pairs = [(row.expected, row.observed)] if together else list(zip(expected, observed, strict=True))
        table = "".join(f"<tr><td>{self._clean(one)}</td><td>{self._clean(seen)}</td></tr>" for one, seen in pairs)
        fix = f'<p class="fix"><b>fix:</b> {self._clean(row.fix)}</p>' if row.fix and not row.good else ""
        return f"<table><tr><th>expected</th><th>observed</th></tr>{table}</table>{fix}"

    def _evidence(self, row: Judged) -> str:
        if not row.evidence:
            return ""
        shown = "".join(evidence_html(self._redactor.text(one)) for one in row.evidence)
        opened = "" if row.good else " open"
        return f"<details{opened}><summary>evidence ({len(row.evidence)})</summary>{shown}</details>"


def evidence_html(note: str) -> str:
    """One piece of evidence: a table of its named facts, or its text as it stands. ``note`` is redacted already."""
    name, facts = facts_in(note)
    if not facts:
        return f"<pre>{escape(note)}</pre>"
    rows = "".join(
        f'<tr><td class="name">{escape(key)}</td><td class="fact">{escape(value)}</td></tr>' for key, value in facts
    )
    return f"<p><b>{escape(name)}</b></p><table>{rows}</table>"


def _word(word: str, *, good: bool) -> str:
    colour = _COLOUR[Decision.GO if good else Decision.NO_GO]
    return f'<td class="word" style="color: {colour}">{escape(word)}</td>'
