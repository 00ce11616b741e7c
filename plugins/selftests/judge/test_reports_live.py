"""What a session leaves behind for people: the page, Allure's results; and that no secret is in any of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from golive.types import Json, items, text
from selftests.judge.inner import SERVICES, Row, Suite, claim

GO, NO_GO = 0, 20
WORD = "plain words of a secret"
KNOWN, SHAPED, URL = "correct-horse-battery", "ghp_" + "a1B2" * 9, "hunter2hunter2"
LEAKS = f"""
evidence.attach('environment', os.environ['DB_PASSWORD'])
evidence.attach('connection', 'postgres://maestro:{URL}@db:5432/x')
print('said', os.environ['DB_PASSWORD'])
import sys, logging
sys.stderr.write('{SHAPED}')
logging.getLogger().warning('logged %s', os.environ['DB_PASSWORD'])
"""
ENDS = (
    f"raise RuntimeError('refused {SHAPED} ' + os.environ['DB_PASSWORD'])",
    "evidence.equal('token', expected='x', observed=os.environ['DB_PASSWORD'], fix='rotate it')",
    "pytest.skip('because of ' + os.environ['DB_PASSWORD'])",
    f"assert os.environ['DB_PASSWORD'] == '{SHAPED}'",
)
IDS = ("0.2-artifact", "0.3-rollouts", "0.4-routing-key", SERVICES)


def _allure(folder: Path) -> list[Json]:
    results: list[Json] = [json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*-result.json")]
    return results


@pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["alone", "n2"])
def test_no_secret_reaches_a_file_or_the_screen(
    suite: Suite, monkeypatch: pytest.MonkeyPatch, workers: tuple[str, ...]
) -> None:
    monkeypatch.setenv("DB_PASSWORD", KNOWN)
    suite.list(*map(Row, IDS))
    tests = (
        claim(
            Row(name), f"record_property('password', '{KNOWN}')\n{LEAKS}\n{end}", arguments="evidence, record_property"
        )
        for name, end in zip(IDS, ENDS, strict=True)
    )
    suite.write("test_inner.py", *tests)
    outputs = ("--html=page.html", "--self-contained-html", "--alluredir=allure", "--junitxml=junit.xml")
    done = suite.run(*outputs, *workers, "-v", "--metadata", "API_TOKEN", WORD)
    assert (done.exit, done.outcome("0.3-rollouts")) == (NO_GO, "failed")
    assert "'API_TOKEN': '[redacted]'" in done.out
    written = done.written()
    assert "evidence" in written
    for secret in (KNOWN, SHAPED, URL, WORD):
        assert secret not in written
        assert secret not in done.out
    assert "[redacted]" in written


@pytest.mark.parametrize("passes", [True, False], ids=["go", "no-go"])
def test_the_exit_code_holds_with_every_report_at_once_and_the_page_begins_with_the_verdict(
    suite: Suite, passes: bool
) -> None:
    suite.one(f"evidence.check({passes}, expected='<b>', observed='& \\udc80', fix='mend it')", arguments="evidence")
    done = suite.run("-n2", "--html=page.html", "--self-contained-html", "--alluredir=allure")
    assert done.exit == (GO if passes else NO_GO)
    page = (suite.path / "page.html").read_text(encoding="utf-8")
    assert f">{'GO' if passes else 'NO-GO'}</h1>" in page
    assert page.index('<div id="golive"') < page.index('id="results-table"')
    assert "&lt;b&gt;" in page.split('id="results-table"')[0]


def test_allure_holds_severity_link_and_evidence(suite: Suite) -> None:
    p0, p1 = Row(SERVICES), Row("6-comms", gate="p1")
    suite.list(p0, p1)
    body = "evidence.attach('selector', 'app=maestro')\nevidence.equal('x', expected=1, observed=1, fix='')"
    suite.write("test_inner.py", claim(p0, body, arguments="evidence"), claim(p1, body, arguments="evidence"))
    suite.run("--alluredir=allure")
    results = {text(one, "name").split()[0]: one for one in _allure(suite.path / "allure")}
    severity = {
        name: [text(label, "value") for label in items(one, "labels") if text(label, "name") == "severity"]
        for name, one in results.items()
    }
    assert severity == {SERVICES: ["blocker"], "6-comms": ["normal"]}
    link = ("runbook section 0", "https://wiki.example.com/maestro/go-live#section-0")
    assert (text(results[SERVICES], "links", 0, "name"), text(results[SERVICES], "links", 0, "url")) == link
    attached = {text(one, "name"): text(one, "source") for one in items(results[SERVICES], "attachments")}
    assert (suite.path / "allure" / attached["selector"]).read_text(encoding="utf-8") == "app=maestro"
    assert "expected: x: 1" in (suite.path / "allure" / attached["claim"]).read_text(encoding="utf-8")


def test_query_answer_and_age_are_read_on_the_page_and_in_allure(suite: Suite) -> None:
    body = "evidence.facts('query', asked='up{pod=\"a\"}', answer='1\\n<2>', age='0.4 s')\n"
    suite.one(f"{body}evidence.equal('x', expected=1, observed=1, fix='')", arguments="evidence")
    suite.run("--alluredir=allure", "--html=page.html", "--self-contained-html")
    page = (suite.path / "page.html").read_text(encoding="utf-8")
    (result,) = _allure(suite.path / "allure")
    for shown in (page.split('id="results-table"')[0], text(result, "descriptionHtml")):
        rows = {key: f'<td class="name">{key}</td><td class="fact">' for key in ("asked", "answer", "age")}
        assert f"<b>query</b></p><table><tr>{rows['asked']}up{{pod=&quot;a&quot;}}</td>" in shown
        assert f"{rows['answer']}1\n&lt;2&gt;</td></tr><tr>{rows['age']}0.4 s</td>" in shown


def test_a_binary_attachment_reaches_allure_as_it_is(suite: Suite) -> None:
    body = "import allure\nallure.attach(b'\\x89PNG\\xff', name='p')\nopen('f.txt', 'w').write('token=abcdef123')\n"
    suite.one(f"{body}allure.attach.file('f.txt', name='f')\nwith allure.step('token=abcdef123'): pass")
    suite.run("--alluredir=allure")
    kept = [path.read_bytes() for path in (suite.path / "allure").glob("*-attachment*")]
    assert b"\x89PNG\xff" in kept
    assert b"token=[redacted]" in kept
    assert "abcdef123" not in json.dumps(_allure(suite.path / "allure"))
