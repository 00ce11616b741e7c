"""Trusted roots: pinned, complete, and believed only for what was signed while they were in use."""

from __future__ import annotations

import ast
import base64
import hashlib
import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from golive.supply import trust
from golive.supply.errors import Code, Refused
from golive.supply.statement import Kind
from golive.types import Json, JsonValue
from golive_sandbox.signing import leaf
from golive_sandbox.signing.bundles import Fault
from selftests.judge.supplied import AUTHORITY, NOW, SIGNED, STRANGER, bundle, judged, refused, trusting

ROOT = AUTHORITY.trusted_root()
RAW = json.dumps(ROOT).encode()
HASH = hashlib.sha256(RAW).hexdigest()
BEFORE, AFTER = SIGNED - timedelta(minutes=1), SIGNED + timedelta(minutes=1)
UNVERIFIED = {"UnsafeNoOp", "AnyOf", "production", "staging"}
REPOSITORY = Path(__file__).parents[3]


def why(raw: bytes, **pins: object) -> Refused:
    with pytest.raises(Refused) as caught:
        trust.load(raw, source="root.json", today=NOW.date(), **pins)  # type: ignore[arg-type]
    assert caught.value.code is Code.TRUST_ROOT
    assert caught.value.code.inconclusive
    return caught.value


def test_a_pinned_root_shows_its_hash_and_its_age() -> None:
    pinned_on = NOW.date() - timedelta(days=12)
    found = trust.load(RAW, source="root.json", sha256=HASH, pinned_on=pinned_on, max_age_days=12, today=NOW.date())
    assert found.words == f"root.json, sha256 {HASH[:16]}…, pinned 12 days ago ({pinned_on})"
    assert judged(bundle(), trust=found).of_kind(Kind.SIGNATURE)
    assert judged(bundle(), trust=found).trust == found.words


def test_another_file_and_an_old_one_are_not_believed() -> None:
    other = why(RAW + b" ", sha256=HASH)
    assert (other.field, other.expected) == ("sha256 of root.json", HASH)
    old = why(RAW, pinned_on=NOW.date() - timedelta(days=31), max_age_days=30)
    assert (old.expected, old.found.split(":")[0]) == ("at most 30 days", "31 days")
    assert "a day that has been" in why(RAW, pinned_on=NOW.date() + timedelta(days=1)).expected


def with_key(key: str, value: JsonValue) -> bytes:
    return json.dumps({**ROOT, key: value}).encode()


def window(kind: str, key: str, value: Json) -> bytes:
    root = json.loads(RAW)
    holder = root[kind][0] if kind == "certificateAuthorities" else root[kind][0]["publicKey"]
    holder[key] = value
    return json.dumps(root).encode()


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        (b"<html>", "root.json"),
        (b"[]", "root.json"),
        (b"{}", "certificateAuthorities of root.json"),
        (with_key("tlogs", []), "tlogs of root.json"),
        (with_key("ctlogs", []), "ctlogs of root.json"),
        (with_key("certificateAuthorities", []), "certificateAuthorities of root.json"),
        (window("tlogs", "validFor", {}), "tlogs[0].validFor"),
        (window("ctlogs", "validFor", {"end": "2026-01-01T00:00:00Z"}), "ctlogs[0].validFor"),
        (window("certificateAuthorities", "validFor", {"start": "yesterday"}), "certificateAuthorities[0].validFor"),
        (
            json.dumps({**ROOT, "mediaType": "application/vnd.dev.sigstore.trustedroot.v0.2+json"}).encode(),
            "trusted root",
        ),
        (json.dumps({**ROOT, "colour": "red"}).encode(), "trusted root"),
        (b"[" * 200_000, "root.json"),
    ],
    ids=[f"{number}" for number in range(12)],
)
def test_what_is_no_whole_root_is_not_believed(raw: bytes, field: str) -> None:
    assert why(raw).field == field


@pytest.mark.parametrize("timestamp", [True, False])
@pytest.mark.parametrize("what", ["certificateAuthorities[0]", "tlogs[0]"])
def test_what_was_retired_before_the_signature_does_not_count(what: str, timestamp: bool) -> None:
    def until(end: datetime) -> trust.Trust:
        of_logs = what.startswith("tlogs")
        return trusting(AUTHORITY.trusted_root(log_until=end) if of_logs else AUTHORITY.trusted_root(ca_until=end))

    raw = bundle(timestamp=timestamp)
    found = refused(judged(raw, trust=until(BEFORE)))
    assert found.code is Code.TRUST_WINDOW
    assert f"only with what was not in use then, of {what}" in found.found
    assert f"{SIGNED:%Y-%m-%dT%H:%M:%SZ}" in found.expected
    assert judged(raw, trust=until(AFTER)).accepted
    assert judged(raw, trust=until(SIGNED)).accepted


def test_a_retired_log_of_rekor_v2_does_not_count() -> None:
    raw = bundle(tiled=True)
    assert judged(raw, trust=trusting(AUTHORITY.trusted_root(log_until=AFTER))).accepted
    for root in (AUTHORITY.trusted_root(log_until=BEFORE), AUTHORITY.trusted_root(ca_until=BEFORE)):
        assert refused(judged(raw, trust=trusting(root))).code is Code.TRUST_WINDOW


def test_a_log_key_that_was_not_in_use_yet_does_not_count() -> None:
    found = refused(judged(bundle(), trust=trusting(AUTHORITY.trusted_root(log_since=AFTER))))
    assert found.code is Code.TRUST_WINDOW


def test_a_retired_certificate_log_does_not_count() -> None:
    root = json.loads(RAW)
    root["ctlogs"][0]["publicKey"]["validFor"]["end"] = f"{BEFORE:%Y-%m-%dT%H:%M:%SZ}"
    found = refused(judged(bundle(), trust=trusting(root)))
    assert found.code is Code.TRUST_WINDOW
    assert found.found.endswith("not in use then, of ctlogs[0]")


def test_a_retired_part_beside_one_in_use_harms_nothing() -> None:
    root, other = json.loads(RAW), json.loads(json.dumps(STRANGER.trusted_root(ca_until=BEFORE, log_until=BEFORE)))
    for kind in ("tlogs", "ctlogs", "certificateAuthorities"):
        root[kind] = [*other[kind], *root[kind]]
    assert judged(bundle(), trust=trusting(root)).accepted
    why_not = refused(judged(bundle(by=STRANGER), trust=trusting(root)))
    assert why_not.code is Code.TRUST_WINDOW


def test_what_does_not_verify_says_its_own_reason_and_not_the_window() -> None:
    root = trusting(AUTHORITY.trusted_root(log_until=BEFORE))
    assert refused(judged(bundle(fault=Fault.SIGNATURE_TAMPERED), trust=root)).code is Code.SIGNATURE_OR_LOG_INVALID
    assert refused(judged(bundle(by=STRANGER), trust=root)).code is Code.CERT_UNTRUSTED_OR_EXPIRED


def test_a_certificate_that_had_expired_is_told_with_its_window_and_the_time_of_signing() -> None:
    found = refused(judged(bundle(fault=Fault.EXPIRED)))
    end = SIGNED + leaf.PLAIN.lifetime
    first, last, seen = (f"{one:%Y-%m-%dT%H:%M:%SZ}" for one in (SIGNED, end, end + timedelta(hours=1)))
    assert (found.code, found.found) == (Code.CERT_UNTRUSTED_OR_EXPIRED, f"one valid from {first} to {last}")
    assert found.expected.endswith(f"valid when it signed, at {seen}")
    assert "cert is not valid at validation time" in found.detail


def names_in(tree: ast.Module) -> set[str]:
    found = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    found |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    return found | {one.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for one in node.names}


def test_no_source_of_ours_takes_what_nobody_verified() -> None:
    rooms = ("plugins/golive", "fixtures/golive_fixtures", "tests_golive")
    files = [path for room in rooms for path in (REPOSITORY / room).rglob("*.py")]
    assert len(files) > 100
    for path in files:
        source = path.read_text(encoding="utf-8")
        if not any(word in source for word in (*UNVERIFIED, "offline")):
            continue
        tree = ast.parse(source)
        assert not names_in(tree) & UNVERIFIED, path
        for node in ast.walk(tree):
            if isinstance(node, ast.keyword) and node.arg == "offline":
                assert isinstance(node.value, ast.Constant), path
                assert node.value.value is False, path


def test_the_embedded_public_root_is_one_that_we_read() -> None:
    import sigstore

    store = Path(sigstore.__file__).parent / "_store" / "https%3A%2F%2Ftuf-repo-cdn.sigstore.dev"
    found = trust.load((store / "trusted_root.json").read_bytes(), source="embedded", today=NOW.date())
    assert base64.b64encode(bytes.fromhex(found.sha256))
    assert found.root["mediaType"] == "application/vnd.dev.sigstore.trustedroot+json;version=0.1"
