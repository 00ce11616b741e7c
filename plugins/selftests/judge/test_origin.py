"""A pass counts for what it judged by: another golive.toml, another manifest or a broken journal, and it does not."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from types import SimpleNamespace

import pytest

from golive.checked import ATTESTED
from golive.config import Person, Settings, load
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
SAME: Json = {"[people]": "a", "[slo]": "b", "release.manifest": "m"}
OTHERWISE: Json = {**SAME, "[people]": "b"}


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


def placed(folder: str) -> Settings:
    """With every file that can be named in this folder."""
    base, file = pinned(folder), Path(folder) / "file"
    parts: dict[str, dict[str, object]] = {
        "target": {"kubeconfig": str(file)},
        "release": {"manifest": file, "templates": (file,)},
        "registry": {"docker_config": file, "ca_file": file},
        **{name: {"ca_file": file} for name in ("github", "prometheus", "alertmanager")},
    }
    made = {name: getattr(base, name).model_copy(update=fields) for name, fields in parts.items()}
    return base.model_copy(update={**made, "criteria": file})


def differing(other: Json) -> set[str]:
    """The parts that are judged otherwise than by the example."""
    here = origin_of(given(SETTINGS))
    assert other.keys() >= here.keys()
    return {name for name in other if other[name] != here.get(name)}


@pytest.mark.parametrize(
    ("other", "part"),
    [
        (changed("people", approver=Person()), "[people]"),
        (changed("services", ingress="maestro-other"), "[services]"),
        (changed("slo", routes="/x"), "[slo]"),
        (changed("target", namespace="other"), "[target]"),
        (changed("supply_chain", repository="https://github.com/someone/else"), "[supply_chain]"),
        (SETTINGS.model_copy(update={"supply_chain": None}), "[supply_chain]"),
        (changed("release", platforms=("linux/arm64",)), "[release]"),
        (SETTINGS.model_copy(update={"armed": True}), "armed"),
    ],
    ids=range(8),
)
def test_each_section_that_is_judged_by_is_told_by_its_name(other: Settings, part: str) -> None:
    assert differing(origin_of(given(other))) == {part}


def test_what_judges_nothing_makes_no_difference() -> None:
    """Which stages run, what reports point to, and where files are."""
    other = changed("report", runbook_url="https://wiki.example.com/{section}")
    assert differing(origin_of(given(other.model_copy(update={"scope": ("preflight",)})))) == set()
    assert origin_of(given(placed("/a"))) == origin_of(given(placed("/b")))


def test_the_bytes_of_root_and_manifest_count_and_not_where_they_are() -> None:
    assert origin_of(given(pinned("/a"))) == origin_of(given(pinned("/b")))
    here = origin_of(given(pinned("/a")))
    assert {name for name, told in origin_of(given(pinned("/a"), root="2")).items() if told != here[name]} == {
        "supply_chain.trust.file"
    }
    assert differing(origin_of(given(SETTINGS, manifest="2"))) == {"release.manifest"}


def begun(run: str, origin: Json) -> Entry:
    return entry("run", {"run": run, "ratified": "sha", KEY: origin})


def passed(run: str, origin: Json, problem: str = "") -> Kept:
    """An earlier run in which all of the preflight passed."""
    found = (outcome(one.id, "passed") for one in (SIGNATURE, SERVICES))
    return Kept(run, (begun(run, origin), *found), problem)


@pytest.mark.parametrize(
    ("earlier", "said"),
    [
        (passed("1", OTHERWISE), "judged by another [people] (golive.toml)"),
        (
            passed("1", {**SAME, "release.manifest": "n"}),
            "judged by another release.manifest (golive.toml)",
        ),
        (passed("1", {}), "it does not tell by which golive.toml it judged"),
        (passed("1", SAME, "it was changed"), "it was changed"),
    ],
    ids=["settings", "manifest", "untold", "unchained"],
)
def test_a_gate_is_closed_where_what_is_before_it_passed_otherwise(earlier: Kept, said: str) -> None:
    now = [begun("2", SAME)]
    # What a person did is no outcome, and tells no golive.toml.
    attests = (entry("run", {"run": "1b", "by_hand": True}), entry(ATTESTED, {"id": SIGNATURE.id}))
    closed = gate(LATE, LIST, [Stage.LOAD], now, earlier=[earlier, Kept("1b", attests)])
    assert closed.door is Door.CLOSED
    assert closed.why.endswith(f"1.4-signature, 0.5-services; run 1 is left out: {said}")
    assert closed.fix.startswith("pytest -m preflight")
    verdict = decide(LIST, [*now, outcome(LATE.id, "passed")], scope=[Stage.LOAD], earlier=(earlier,))
    assert (verdict.decision, verdict.release) == (Decision.GO, Decision.PENDING)


def test_a_gate_is_open_where_all_passed_by_the_same() -> None:
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
    other = _recorded(tmp_path, OTHERWISE)
    with pytest.raises(Unreachable, match=rf"found none; run {first.run.id} is left out: judged by another \[people\]"):
        passed_before(other, SIGNATURE.id)  # type: ignore[arg-type]


def test_a_pass_in_a_run_that_does_not_fit_the_chain_does_not_count(tmp_path: Path) -> None:
    first = _recorded(tmp_path, SAME)
    _recorded(tmp_path, SAME, Outcome.PASSED.value)
    (record_folder(tmp_path, SETTINGS.release.digest) / first.run.id / JOURNAL).unlink()
    judge = _recorded(tmp_path, SAME)
    with pytest.raises(Unreachable, match=r"found none; run \S+ is left out: run \S+ continues \S+, which is not in"):
        passed_before(judge, SIGNATURE.id)  # type: ignore[arg-type]
