"""The verdict on top of the pytest-html page."""

from __future__ import annotations

from html import escape

from golive.config import Settings
from golive.redact import Redactor
from golive.report import headline, not_built, rollback_lines, why
from golive.verdict import Decision, Judged, Verdict

_COLOUR = {Decision.GO: "#1a7f37", Decision.PENDING: "#9a6700", Decision.NO_GO: "#cf222e"}
_CELL = 'style="border:1px solid #ccc;padding:4px 8px;text-align:left;vertical-align:top"'


def summary_html(verdict: Verdict, settings: Settings, redactor: Redactor) -> str:
    """An HTML block: the verdict, what failed, the rollback's legs, every criterion with its evidence."""

    def clean(value: str) -> str:
        return escape(redactor.text(value)).replace("\n", "<br>")

    colour = _COLOUR[verdict.decision]
    parts = [
        f'<div id="golive" style="border-left:10px solid {colour};padding:8px 16px;margin:12px 0">'
        f'<h1 style="color:{colour};margin:0">{verdict.decision.value}</h1><p>{clean(headline(verdict, settings))}<br>'
        f"{clean(why(verdict))}<br>release_verdict: {verdict.release.value}<br>digest: {settings.release.digest}</p>"
    ]
    parts += [f"<p><b>problem:</b> {clean(problem)}</p>" for problem in verdict.problems]
    if verdict.decision is Decision.NO_GO:
        parts.append(f"<p>{'<br>'.join(clean(line) for line in rollback_lines(verdict.rollback))}</p>")
    rows = sorted(verdict.criteria, key=lambda row: row.good)
    head = "".join(
        f"<th {_CELL}>{word}</th>" for word in ("criterion", "outcome", "expected", "observed", "fix", "evidence")
    )
    body = "".join(_row(row, clean(_evidence(row)), redactor) for row in rows)
    parts.append(f'<table style="border-collapse:collapse;font-size:90%"><tr>{head}</tr>{body}</table>')
    parts += [f"<p>{clean(line)}</p>" for line in not_built([row.id for row in verdict.left_out])]
    return "".join(parts) + "</div>"


def _evidence(row: Judged) -> str:
    return "\n".join(row.evidence)


def _row(row: Judged, evidence: str, redactor: Redactor) -> str:
    criterion = row.criterion
    colour = _COLOUR[Decision.GO if row.good else Decision.NO_GO]
    title = f"{escape(criterion.title)}<br>runbook {escape(criterion.runbook)}"
    name = f"<b>{escape(criterion.id)}</b> {criterion.gate.value}<br>{title}"
    cells = [
        name,
        f'<b style="color:{colour}">{row.outcome.value}</b><br>{row.seconds:.2f} s',
        *(escape(redactor.text(value)).replace("\n", "<br>") for value in (row.expected, row.observed, row.fix)),
        f"<details><summary>{len(row.evidence)} items</summary><pre>{evidence}</pre></details>",
    ]
    return "<tr>" + "".join(f"<td {_CELL}>{cell}</td>" for cell in cells) + "</tr>"
