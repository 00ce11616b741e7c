"""``golive attest``: only what the list allows, for this digest and target, while it is fresh; shown as attested."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from golive.attestations import Attestation, attest, newest, withdraw
from golive.bundle import _newest
from golive.checked import WITHDRAWN
from golive.cli import main
from golive.config import Person, Settings, load
from golive.criterion import load_ratified
from golive.errors import ConfigError, Unreachable
from golive.record import JOURNAL, open_run, read_record, record_folder
from golive.redact import Redactor
from golive.status import _run
from selftests.judge.inner import SERVICES, Row, Suite, claim

if TYPE_CHECKING:
    pass

ROOT = Path(__file__).resolve().parents[3]
LIST = load_ratified(ROOT / "tests_golive" / "criteria.toml")
SETTINGS: Settings = load(ROOT / "golive.example.toml")
DIGEST = SETTINGS.release.digest
SBOM, REASON = "1.4-sbom", "the scan of this digest was read, 214 packages"


def recorded(
    reports: Path, *, hours: float = 0.0, digest: str = DIGEST, settings: Settings = SETTINGS
) -> Attestation | None:
    """What is found so many hours from now."""
    kept = read_record(reports, DIGEST, settings.target)
    later = datetime.now(UTC) + timedelta(hours=hours)
    return newest(kept, SBOM, digest, fresh=timedelta(hours=24), now=later)


def test_it_says_who_when_for_which_digest_and_why(tmp_path: Path) -> None:
    line = attest(SETTINGS, LIST, tmp_path, SBOM, reason=f" {REASON}\n", evidence="https://ci.example.com/7")
    assert line.startswith(f"attested: {SBOM} for {DIGEST}, by {SETTINGS.people.release_driver.name} (")
    found = recorded(tmp_path)
    assert found is not None
    assert (found.reason, found.evidence) == (REASON, "https://ci.example.com/7")
    assert (
        str(found)
        == f"attested by {found.by} at {found.time} (0.0 h ago) for {DIGEST}: {REASON} (https://ci.example.com/7)"
    )


def test_the_newest_counts_while_it_is_fresh_and_for_its_own_digest_and_target_only(tmp_path: Path) -> None:
    attest(SETTINGS, LIST, tmp_path, SBOM, reason=REASON)
    attest(SETTINGS, LIST, tmp_path, SBOM, reason=f"{REASON}, again")
    found = recorded(tmp_path)
    assert found is not None
    assert found.reason.endswith("again")
    assert recorded(tmp_path, hours=25) is None
    assert recorded(tmp_path, hours=-1) is None  # from the future: a clock is wrong
    assert recorded(tmp_path, digest="sha256:" + "0" * 64) is None
    target = SETTINGS.target.model_copy(update={"namespace": "elsewhere"})
    assert recorded(tmp_path, settings=SETTINGS.model_copy(update={"target": target})) is None


def test_one_in_a_journal_that_was_changed_counts_for_nothing(tmp_path: Path) -> None:
    attest(SETTINGS, LIST, tmp_path, SBOM, reason=REASON)
    (journal,) = record_folder(tmp_path, DIGEST).glob(f"*/{JOURNAL}")
    journal.write_text(journal.read_text(encoding="utf-8").replace("214", "2140"), encoding="utf-8")
    assert recorded(tmp_path) is None


@pytest.mark.parametrize(
    ("criterion", "reason", "words"),
    [
        ("1.4-signature", REASON, r"expected a criterion that allows it \(1.4-sbom\), found 1.4-signature"),
        ("0.7-temporary-controls", REASON, "found 0.7-temporary-controls"),
        ("9-nothing", REASON, "found 9-nothing, which is not in the ratified list"),
        (SBOM, "  ok  ", "--reason: expected 10 to 2000 characters that say what was checked, found 2"),
        (SBOM, "x" * 2001, "found 2001"),
        (SBOM, "\u200b" * 12, "found 0"),
    ],
)
def test_what_is_not_allowed_or_says_nothing_is_refused_and_not_recorded(
    tmp_path: Path, criterion: str, reason: str, words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        attest(SETTINGS, LIST, tmp_path, criterion, reason=reason)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("name", "found"), [("", "''"), ("\u200b", r"'\\u200b'"), ("TBD", "'TBD'")])
def test_nobody_checks_nothing_and_may_take_a_check_back(tmp_path: Path, name: str, found: str) -> None:
    people = SETTINGS.people.model_copy(update={"release_driver": Person(name=name)})
    nobodys = SETTINGS.model_copy(update={"people": people})
    with pytest.raises(ConfigError, match=rf"names who checks \(people.release_driver\), found {found}"):
        attest(nobodys, LIST, tmp_path, SBOM, reason=REASON)
    assert not list(tmp_path.iterdir())
    attest(SETTINGS, LIST, tmp_path, SBOM, reason=REASON)
    assert withdraw(nobodys, LIST, tmp_path, SBOM, reason=REASON).startswith("withdrawn:")
    assert recorded(tmp_path) is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("accept_attested = false", "found supply_chain.sbom.accept_attested = false"),
        ("", r"found no \[supply_chain\], so that it is not proven"),
    ],
)
def test_what_golive_toml_does_not_accept_is_not_promised_to_count(tmp_path: Path, text: str, words: str) -> None:
    chain = SETTINGS.supply_chain
    assert chain is not None
    strict = chain.model_copy(update={"sbom": chain.sbom.model_copy(update={"accept_attested": False})})
    chosen = SETTINGS.model_copy(update={"supply_chain": strict if text else None})
    with pytest.raises(ConfigError, match=words):
        attest(chosen, LIST, tmp_path, SBOM, reason=REASON)
    assert not list(tmp_path.iterdir())


def test_it_says_its_age(tmp_path: Path) -> None:
    attest(SETTINGS, LIST, tmp_path, SBOM, reason=REASON)
    found = recorded(tmp_path, hours=3)
    assert found is not None
    assert f"at {found.time} (3.0 h ago) for {DIGEST}" in str(found)


def test_a_withdrawal_is_added_and_takes_back_every_check_before_it(tmp_path: Path) -> None:
    attest(SETTINGS, LIST, tmp_path, SBOM, reason=REASON)
    attest(SETTINGS, LIST, tmp_path, SBOM, reason=f"{REASON}, again")
    before = {path: path.read_bytes() for path in record_folder(tmp_path, DIGEST).glob(f"*/{JOURNAL}")}
    line = withdraw(SETTINGS, LIST, tmp_path, SBOM, reason=" the scan was of another image\n")
    assert line.startswith(f"withdrawn: {SBOM} for {DIGEST}, by {SETTINGS.people.release_driver.name} (")
    assert recorded(tmp_path) is None
    assert {path: path.read_bytes() for path in before} == before
    last = read_record(tmp_path, DIGEST)[-1].entries[-1]
    assert (last.kind, last.data["reason"], last.data["id"]) == (WITHDRAWN, "the scan was of another image", SBOM)
    attest(SETTINGS, LIST, tmp_path, SBOM, reason=f"{REASON}, of the right image")
    found = recorded(tmp_path)
    assert found is not None
    assert found.reason.endswith("of the right image")


def test_a_check_beside_a_journal_that_cannot_be_read_is_not_proven(tmp_path: Path) -> None:
    attest(SETTINGS, LIST, tmp_path, SBOM, reason=REASON)
    withdraw(SETTINGS, LIST, tmp_path, SBOM, reason=REASON)
    last = max(record_folder(tmp_path, DIGEST).glob(f"*/{JOURNAL}"))
    last.write_text("nothing", encoding="utf-8")
    with pytest.raises(Unreachable, match=rf"shows no withdrawal of the manual check, found run {last.parent.name}: "):
        recorded(tmp_path)


def test_a_check_that_counts_for_nothing_can_be_withdrawn(tmp_path: Path) -> None:
    open_run(tmp_path, DIGEST, Redactor(), who="test", about={})
    attest(SETTINGS, LIST, tmp_path, SBOM, reason=REASON)
    first = min(record_folder(tmp_path, DIGEST).glob(f"*/{JOURNAL}"))
    first.unlink()
    assert recorded(tmp_path) is None  # its run continues one that is gone
    withdraw(SETTINGS, LIST, tmp_path, SBOM, reason=REASON)


def test_what_was_not_checked_is_not_withdrawn(tmp_path: Path) -> None:
    words = rf"--withdraw: expected a check of {SBOM} for {DIGEST} in .*, found none"
    with pytest.raises(ConfigError, match=words):
        withdraw(SETTINGS, LIST, tmp_path, SBOM, reason=REASON)
    assert not list(tmp_path.iterdir())
    attest(SETTINGS, LIST, tmp_path, SBOM, reason=REASON)
    withdraw(SETTINGS, LIST, tmp_path, SBOM, reason=REASON)
    with pytest.raises(ConfigError, match=words):
        withdraw(SETTINGS, LIST, tmp_path, SBOM, reason=REASON)
    with pytest.raises(ConfigError, match="characters that say what was checked, found 2"):
        withdraw(SETTINGS, LIST, tmp_path, SBOM, reason="no")


def test_what_golive_toml_accepts_no_more_can_still_be_withdrawn(tmp_path: Path) -> None:
    attest(SETTINGS, LIST, tmp_path, SBOM, reason=REASON)
    withdraw(SETTINGS.model_copy(update={"supply_chain": None}), LIST, tmp_path, SBOM, reason=REASON)
    assert recorded(tmp_path) is None


def test_status_shows_a_check_only_where_it_was_recorded(tmp_path: Path) -> None:
    attest(SETTINGS, LIST, tmp_path, SBOM, reason=REASON)
    (kept,) = read_record(tmp_path, DIGEST)
    assert " golive attest 1.4-sbom, by " in _run(kept, tmp_path, DIGEST, "")
    empty = replace(kept, entries=kept.entries[:1])
    assert "attest 1.4-sbom, of which nothing was recorded, by " in _run(empty, tmp_path, DIGEST, "")
    withdraw(SETTINGS, LIST, tmp_path, SBOM, reason=REASON)
    assert " golive attest 1.4-sbom --withdraw, by " in _run(read_record(tmp_path, DIGEST)[-1], tmp_path, DIGEST, "")


def test_the_command_takes_the_same_files_as_the_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["attest", SBOM, "--reason", REASON, "--config", str(ROOT / "golive.example.toml")]
    assert main([*words, "--report-dir", str(tmp_path)]) == 0
    assert f"attested: {SBOM}" in capsys.readouterr().out
    assert recorded(tmp_path) is not None
    assert main([*words, "--report-dir", str(tmp_path), "--withdraw", "--evidence", "https://x.example"]) == 4
    assert main([*words, "--report-dir", str(tmp_path), "--withdraw"]) == 0
    assert f"withdrawn: {SBOM}" in capsys.readouterr().out
    assert recorded(tmp_path) is None
    assert main(["attest", SBOM]) == 4
    assert "--reason" in capsys.readouterr().err


def test_a_replay_takes_the_newest_run_that_judged_something(tmp_path: Path) -> None:
    run, _ = open_run(tmp_path, DIGEST, Redactor(), who="test", about={"driver": "me"})
    attest(SETTINGS, LIST, tmp_path, SBOM, reason=REASON)
    assert _newest(tmp_path) == run.folder.resolve()


@pytest.mark.parametrize(("more", "word"), [('allows = ["attested"]', "GO"), ("", "NO-GO")])
def test_a_claim_by_a_persons_word_is_attested_and_counts_where_the_list_allows_it(
    suite: Suite, more: str, word: str
) -> None:
    row = Row(SERVICES, more=more)
    suite.list(row)
    body = "evidence.attest(expected='it holds', observed='attested by Ann at noon')"
    suite.write("test_inner.py", claim(row, body, arguments="evidence"))
    done = suite.run()
    assert (done.word, done.outcome(SERVICES)) == (word, "attested")
    assert done.criterion(SERVICES)["observed"] == "attested by Ann at noon"
    assert ("(0.5-services attested)" in done.out) == (word == "GO")
    assert "attested by Ann at noon" in done.out
