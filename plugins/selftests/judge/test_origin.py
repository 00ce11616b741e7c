"""A pass of 1.4 counts for what it judged by: other settings, another manifest or a broken journal, and it does not."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from types import SimpleNamespace

import pytest

from golive.config import Settings, load
from golive.criterion import Criterion, Gate, Outcome, Ratified, Stage
from golive.errors import Unreachable
from golive.given import Given
from golive.journal import Entry
from golive.origin import KEY, origin_of
from golive.passes import passed_before
from golive.record import JOURNAL, Kept, open_run, record_folder
from golive.redact import Redactor
from golive.stages import Door, gate
from golive.types import Json
from golive.verdict import Decision, decide

ROOT = Path(__file__).resolve().parents[3]
SETTINGS: Settings = load(ROOT / "golive.example.toml")
SIGNATURE = Criterion("1.4-signature", Gate.P0, Stage.PREFLIGHT, "1.4", "t")
SERVICES = Criterion("0.5-services", Gate.P0, Stage.PREFLIGHT, "0.5", "t")
LATE = Criterion("3.1-mcp", Gate.P0, Stage.LOAD, "3.1", "t")
LIST = Ratified((SIGNATURE, SERVICES, LATE), "sha")
SAME: Json = {"settings": "a", "manifest": "m"}


def entry(kind: str, data: Json) -> Entry:
    return Entry(0, "2026-11-24T00:00:00+00:00", "t", kind, data, "", "")


def outcome(name: str, word: str) -> Entry:
    return entry("outcome", {"id": name, "outcome": word, "nodeid": "", "observed": f"saw {word}"})


def given(settings: Settings, **hashes: str) -> Given:
    """As read at the start; ``root`` and ``manifest`` are the files' hashes."""
    paths = {"manifest": settings.release.manifest}
    if settings.supply_chain and settings.supply_chain.trust.file:
        paths["root"] = settings.supply_chain.trust.file
    found = tuple((path, hashes.get(name, "1")) for name, path in paths.items())
    return Given(settings, LIST, Path("criteria.toml"), found)


def changed(part: str, **fields: object) -> Settings:
    """The example with some fields of a section changed."""
    return SETTINGS.model_copy(update={part: getattr(SETTINGS, part).model_copy(update=fields)})


def pinned(folder: str) -> Settings:
    """With a pinned root in this folder."""
    chain = SETTINGS.supply_chain
    assert chain is not None
    about = {"mode": "pinned", "file": Path(folder) / "root.json", "sha256": "0" * 64, "pinned_on": date(2026, 11, 2)}
    return changed("supply_chain", trust=chain.trust.model_copy(update=about))


@pytest.mark.parametrize(
    "other",
    [
        changed("supply_chain", repository="https://github.com/someone/else"),
        changed("supply_chain", images=()).model_copy(update={"supply_chain": None}),
        changed("release", revision="0" * 40),
        changed("release", tag="v1.5.1"),
        changed("release", platforms=("linux/arm64",)),
        pinned("/a"),
    ],
    ids=range(6),
)
def test_each_setting_that_1_4_judges_by_makes_another_hash(other: Settings) -> None:
    here, there = origin_of(given(SETTINGS)), origin_of(given(other))
    assert here["settings"] != there["settings"]
    assert here["manifest"] == there["manifest"]


def test_the_bytes_of_root_and_manifest_count_and_not_where_they_are() -> None:
    assert origin_of(given(pinned("/a"))) == origin_of(given(pinned("/b")))
    assert origin_of(given(pinned("/a"), root="2"))["settings"] != origin_of(given(pinned("/a")))["settings"]
    assert origin_of(given(SETTINGS, manifest="2"))["manifest"] != origin_of(given(SETTINGS))["manifest"]
    assert origin_of(given(changed("slo", routes="/x"))) == origin_of(given(SETTINGS))


def begun(run: str, origin: Json) -> Entry:
    return entry("run", {"run": run, "ratified": "sha", KEY: origin})


def passed(run: str, origin: Json, problem: str = "") -> Kept:
    """An earlier run in which all of the preflight passed."""
    found = (outcome(one.id, "passed") for one in (SIGNATURE, SERVICES))
    return Kept(run, (begun(run, origin), *found), problem)


@pytest.mark.parametrize(
    ("earlier", "said"),
    [
        (passed("1", {**SAME, "settings": "b"}), "1.4-signature; run 1 is left out: judged by other settings ("),
        (passed("1", {**SAME, "manifest": "n"}), "1.4-signature; run 1 is left out: judged with another reviewed"),
        (passed("1", {}), "judged by other settings (golive.toml: [supply_chain], its trusted root, [release]) and wi"),
        (passed("1", SAME, "it was changed"), "1.4-signature, 0.5-services; run 1 is left out: it was changed"),
    ],
    ids=["settings", "manifest", "untold", "unchained"],
)
def test_a_gate_is_closed_where_1_4_passed_otherwise(earlier: Kept, said: str) -> None:
    now = [begun("2", SAME)]
    closed = gate(LATE, LIST, [Stage.LOAD], now, earlier=[earlier])
    assert closed.door is Door.CLOSED
    assert said in closed.why
    verdict = decide(LIST, [*now, outcome(LATE.id, "passed")], scope=[Stage.LOAD], earlier=(earlier,))
    assert (verdict.decision, verdict.release) == (Decision.GO, Decision.PENDING)


def test_a_gate_is_open_where_1_4_passed_by_the_same() -> None:
    by_hand = Kept("1b", (entry("run", {"run": "1b", "by_hand": True}),))
    earlier = (passed("1", SAME), by_hand)
    now = [begun("2", SAME)]
    assert gate(LATE, LIST, [Stage.LOAD], now, earlier=earlier).door is Door.OPEN
    verdict = decide(LIST, [*now, outcome(LATE.id, "passed")], scope=[Stage.LOAD], earlier=earlier)
    assert verdict.release is Decision.GO


def _recorded(reports: Path, origin: Json, *words: str) -> SimpleNamespace:
    """A judge whose run has just begun, or has these outcomes of 1.4-signature."""
    target, digest = SETTINGS.target, SETTINGS.release.digest
    about: Json = {name: str(getattr(target, name)) for name in ("cluster_uid", "namespace", "rollout")}
    run, journal = open_run(reports, digest, Redactor(), who="test", about={**about, "driver": "me", KEY: origin})
    for word in words:
        journal.append("outcome", {"id": SIGNATURE.id, "outcome": word, "nodeid": "n", "observed": "it is"})
    return SimpleNamespace(settings=SETTINGS, run=run, ratified=LIST)


def test_what_passed_before_by_other_settings_or_in_a_changed_journal_is_named(tmp_path: Path) -> None:
    first = _recorded(tmp_path, SAME, Outcome.PASSED.value)
    judge = _recorded(tmp_path, SAME)
    assert passed_before(judge, SIGNATURE.id)[SIGNATURE.id].startswith("passed at ")  # type: ignore[arg-type]
    other = _recorded(tmp_path, {**SAME, "settings": "b"})
    with pytest.raises(Unreachable, match=rf"found none; run {first.run.id} is left out: judged by other settings"):
        passed_before(other, SIGNATURE.id)  # type: ignore[arg-type]


def test_a_pass_in_a_run_that_does_not_fit_the_chain_does_not_count(tmp_path: Path) -> None:
    first = _recorded(tmp_path, SAME)
    _recorded(tmp_path, SAME, Outcome.PASSED.value)
    (record_folder(tmp_path, SETTINGS.release.digest) / first.run.id / JOURNAL).unlink()
    judge = _recorded(tmp_path, SAME)
    with pytest.raises(Unreachable, match=r"found none; run \S+ is left out: run \S+ continues \S+, which is not in"):
        passed_before(judge, SIGNATURE.id)  # type: ignore[arg-type]
