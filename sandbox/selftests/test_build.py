"""`golive-sandbox build`: interrupted, twice at once, in a damaged cache, without room, without Go."""

from __future__ import annotations

import importlib.util
import io
import os
import shutil
import signal
from pathlib import Path
from typing import NamedTuple

import pytest

from golive_sandbox.errors import SandboxError
from golive_sandbox.servers import build, toolchain
from selftests.fakego import GROUPS, NAMES, FakeGo
from selftests.harness import eventually
from selftests.leftovers import mentioning
from selftests.sandboxes import cli

ALL_THERE = "The servers are in {}/bin\n"


@pytest.fixture
def go(tmp_path: Path) -> FakeGo:
    return FakeGo(tmp_path)


def until_building(go: FakeGo, package: str) -> None:
    log = go.folder / "built"
    eventually(f"{package} under way", lambda: log.exists() and log.read_text(), lambda seen: package in str(seen), 30)


def test_what_is_built_once_is_not_built_again(go: FakeGo) -> None:
    code, said, errors = go.build()
    assert (code, errors) == (0, "")
    assert "usually about" in said
    steps = len(NAMES) + len(GROUPS)
    assert [line.split()[0] for line in said.splitlines() if "done in" in line] == [
        f"[{step}/{steps}]" for step in range(1, steps + 1)
    ]
    assert said.endswith(ALL_THERE.format(go.cache))
    assert len(go.built()) == len(NAMES)
    assert go.servers() == {*NAMES, "argo"}
    assert go.build() == (0, ALL_THERE.format(go.cache), "")
    assert go.built() == []


def test_only_the_group_of_what_is_missing_is_built(go: FakeGo) -> None:
    go.build()
    go.built()
    go.server("alertmanager").unlink()
    code, said, errors = go.build()
    assert (code, errors) == (0, "")
    assert "[3/3] alertmanager: done" in said
    assert "already built" in said
    assert "etcd" not in said
    assert "usually about 0:25 on two cores" in said
    assert go.built() == ["alertmanager"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_build_leaves_no_compiler_and_goes_on_where_it_was(go: FakeGo, number: signal.Signals) -> None:
    process = go.start(FAKE_SLOW="kube-controller-manager")
    until_building(go, "kube-controller-manager")
    os.kill(process.pid, number)
    _, errors = process.communicate(timeout=20)
    if number is signal.SIGINT:
        assert process.returncode == 130
        assert errors == "golive-sandbox: interrupted; nothing is left running\n"
    eventually("compilers gone", lambda: mentioning(str(go.folder)), lambda found: not found)
    before = go.built()
    assert go.build()[0] == 0
    assert go.built() == ["kube-controller-manager", *_after("kube-controller-manager")]
    assert before[-1] == "kube-controller-manager"
    assert list(go.cache.glob("build-*")) == []


def _after(name: str) -> list[str]:
    return list(NAMES[NAMES.index(name) + 1 :])


def test_two_builds_at_once_build_everything_once(go: FakeGo) -> None:
    first = go.start()
    until_building(go, "etcd")
    second = go.start()
    said = [process.communicate(timeout=60)[0] for process in (first, second)]
    assert (first.returncode, second.returncode) == (0, 0)
    assert "Another process is building the servers; waiting for it." in said[1]
    assert len(go.built()) == len(NAMES)


class Damage(NamedTuple):
    name: str

    def do(self, binary: Path) -> None:
        if self.name == "missing":
            binary.unlink()
        elif self.name == "truncated":
            os.truncate(binary, binary.stat().st_size // 2)
        elif self.name == "empty":
            binary.write_bytes(b"")
        elif self.name == "not executable":
            binary.chmod(0o644)
        else:
            binary.unlink()
            binary.mkdir()


@pytest.mark.parametrize("damage", ["missing", "truncated", "empty", "not executable", "a folder"])
def test_a_damaged_server_alone_is_built_again(go: FakeGo, damage: str) -> None:
    go.build()
    go.built()
    Damage(damage).do(go.server("kube-apiserver"))
    code, _, errors = go.build()
    assert (code, errors) == (0, "")
    assert go.built() == ["kube-apiserver"]
    assert go.build() == (0, ALL_THERE.format(go.cache), "")


@pytest.mark.parametrize("name", ["rollout-crd.yaml", "argo-rollouts-clusterrole.yaml"])
def test_missing_manifests_are_copied_again(go: FakeGo, name: str) -> None:
    go.build()
    go.built()
    (go.server("argo") / name).unlink()
    assert go.build()[0] == 0
    assert go.built() == []
    assert (go.server("argo") / name).is_file()


def test_a_compile_error_is_shown_and_nothing_is_kept_of_it(go: FakeGo) -> None:
    code, _, errors = go.build(FAKE_FAIL="kube-apiserver")
    assert code == 1
    assert "building kube-apiserver failed (go exited with 1); its last lines" in errors
    assert "undefined: everything" in errors
    assert "Traceback" not in errors
    assert go.servers() == {"etcd"}


def test_too_little_room_is_told_before_anything_is_built(go: FakeGo, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in go.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**12, 10**12 - 10**9, 10**9))
    with pytest.raises(SandboxError) as told:
        build.ensure(io.StringIO())
    assert f"needs about 9.8 GB in {go.cache}, 1.0 GB are free: make room, or put the cache elsewhere" in str(
        told.value
    )
    assert "GOLIVE_CACHE=/some/folder" in str(told.value)
    assert go.built() == []


@pytest.mark.parametrize("command", [["build"], ["up", "--detach"], ["up"]])
def test_a_cache_that_cannot_be_written_is_told_in_one_line(go: FakeGo, command: list[str]) -> None:
    more = [] if command == ["build"] else ["--dir", str(go.folder / "world")]
    done = cli(*command, *more, env=go.environment(GOLIVE_CACHE="/proc/nothing"))
    assert done.returncode == 1
    assert done.stderr.startswith("golive-sandbox: cannot write to the cache /proc/nothing (")
    assert done.stderr.endswith("name another one: GOLIVE_CACHE=/some/folder\n")
    assert done.stderr.count("\n") == 1


def test_without_go_on_path_the_one_of_the_wheel_builds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert toolchain.find().binary.parts[-3:] == ("go", "bin", "go")
    old = tmp_path / "go"
    old.write_text("#!/bin/sh\necho go version go1.20.1 linux/amd64\n")
    old.chmod(0o755)
    assert toolchain.find().binary.parts[-3:] == ("go", "bin", "go")


def test_without_any_go_one_is_told_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(
        SandboxError, match=r"found none\. Install it from the Python index: pip install \'maestro-golive\[sandbox\]\'"
    ):
        toolchain.find()


def test_dropping_the_sources_keeps_the_servers(go: FakeGo) -> None:
    go.build()
    module = go.cache / "gomod" / "cache" / "file"
    module.parent.mkdir(parents=True)
    module.write_bytes(b"x" * 4096)
    module.parent.chmod(0o555)
    done = cli("build", "--drop-sources", env=go.environment())
    assert done.returncode == 0, done.stderr
    assert "GB are free again." in done.stdout
    assert not (go.cache / "gomod").exists()
    assert go.servers() == {*NAMES, "argo"}
