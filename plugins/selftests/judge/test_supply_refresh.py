"""The public trusted root: refreshed over TUF in time, or not proven; and which root ``golive.toml`` means."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import threading
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

import pytest
from securesystemslib.signer import CryptoSigner  # type: ignore[attr-defined]
from tuf.api.metadata import (  # type: ignore[attr-defined]
    Metadata,
    MetaFile,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)

from golive.supply import refresh, roots
from golive.supply.errors import Code, Refused
from golive.supply_settings import Trust
from selftests.judge.supplied import AUTHORITY, NOW

RAW = json.dumps(AUTHORITY.trusted_root()).encode()
HASH = hashlib.sha256(RAW).hexdigest()


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder, and tells nobody."""

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


def publish(folder: Path) -> None:
    """A TUF repository with a trusted root in it."""
    expires, signer = NOW + timedelta(days=1), CryptoSigner.generate_ecdsa()
    root, targets = Root(expires=expires, consistent_snapshot=True), Targets(expires=expires)
    for role in ("root", "targets", "snapshot", "timestamp"):
        root.add_key(signer.public_key, role)
    targets.targets["trusted_root.json"] = TargetFile.from_data("trusted_root.json", RAW, ["sha256"])
    snapshot = Snapshot(expires=expires, meta={"targets.json": MetaFile(1)})
    (folder / "targets").mkdir(parents=True)
    (folder / "targets" / f"{HASH}.trusted_root.json").write_bytes(RAW)
    for name, metadata in (
        ("1.root.json", Metadata(root)),
        ("1.targets.json", Metadata(targets)),
        ("1.snapshot.json", Metadata(snapshot)),
        ("timestamp.json", Metadata(Timestamp(expires=expires, snapshot_meta=MetaFile(1)))),
    ):
        metadata.sign(signer)
        metadata.to_file(str(folder / name))


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Instead of Sigstore's repository, one on this machine, whose first root is known; yields its folder."""
    folder, cache = tmp_path / "repository", tmp_path / "tuf"
    publish(folder)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        known = cache / "sigstore-python" / "tuf" / quote(url, safe="")
        known.mkdir(parents=True)
        (known / "root.json").write_bytes((folder / "1.root.json").read_bytes())
        (tmp_path / "sitecustomize.py").write_text(f"import sigstore._internal.tuf as t; t.DEFAULT_TUF_URL = {url!r}\n")
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield folder
        server.shutdown()


def test_what_tuf_verified_is_the_root_and_once_it_is_gone_what_is_left_of_it_is_not(
    mirror: Path, tmp_path: Path
) -> None:
    found = roots.trusted(Trust(), folder=tmp_path / "tuf", today=NOW.date())
    assert found.words == f"Sigstore's, refreshed {NOW.date()}, sha256 {HASH[:16]}…"
    assert found.sha256 == HASH
    (mirror / "timestamp.json").unlink()
    with pytest.raises(Refused, match="expected a refresh, found none") as caught:
        roots.trusted(Trust(), folder=tmp_path / "tuf", today=NOW.date())
    assert caught.value.code.inconclusive


def test_a_root_that_the_repository_did_not_sign_is_not_believed(mirror: Path, tmp_path: Path) -> None:
    (mirror / "targets" / f"{HASH}.trusted_root.json").write_bytes(RAW.replace(b"rekor", b"mekor"))
    with pytest.raises(Refused, match=r"expected a refresh, found none .*TUFError") as caught:
        refresh.public_root(tmp_path / "tuf", seconds=60)
    assert caught.value.code is Code.TRUST_ROOT


def test_a_repository_that_is_silent_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setenv("https_proxy", os.environ["HTTPS_PROXY"])
        with pytest.raises(
            Refused, match=r"expected an answer within 2 s, found none; .*mode = .pinned. reads a file"
        ) as caught:
            refresh.public_root(tmp_path / "tuf", seconds=2)
    assert caught.value.code is Code.TRUST_ROOT


def test_a_replaced_cache_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the library would take without a refresh: the user's cache, and ours of an earlier run."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    for folder in ("user", "ours"):
        cache = tmp_path / folder / "sigstore-python" / "tuf" / "https%3A%2F%2Ftuf-repo-cdn.sigstore.dev"
        cache.mkdir(parents=True)
        (cache / "trusted_root.json").write_bytes(RAW)
    with pytest.raises(Refused) as caught:
        refresh.public_root(tmp_path / "ours", seconds=60)
    assert caught.value.code is Code.TRUST_ROOT


def test_a_file_is_read_at_each_run_and_may_be_pinned(tmp_path: Path) -> None:
    file = tmp_path / "trusted_root.json"
    settings = Trust(mode="file", file=file)
    with pytest.raises(Refused, match="expected a readable trusted root, found No such file") as caught:
        roots.trusted(settings, folder=tmp_path, today=NOW.date())
    assert caught.value.code is Code.TRUST_ROOT
    file.write_bytes(RAW)
    assert roots.trusted(settings, folder=tmp_path, today=NOW.date()).words == (
        f"trusted_root.json, sha256 {HASH[:16]}…"
    )
    pinned_on = NOW.date() - timedelta(days=180)
    pinned = Trust(mode="pinned", file=file, sha256=HASH, pinned_on=pinned_on)
    found = roots.trusted(pinned, folder=tmp_path, today=NOW.date())
    assert found.words.endswith(f"pinned 180 days ago ({pinned_on})")
    with pytest.raises(Refused, match="expected at most 180 days, found 181 days"):
        roots.trusted(pinned, folder=tmp_path, today=NOW.date() + timedelta(days=1))
