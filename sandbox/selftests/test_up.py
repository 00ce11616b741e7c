"""`golive-sandbox up`, `status`, `break`, `heal`, `down`, as a user meets them; and nothing is left of any of it."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from golive_sandbox.folder import Folder
from golive_sandbox.processes import Identity, Registry
from golive_sandbox.scenarios.table import SCENARIOS
from golive_sandbox.types import Json, items, text
from selftests.leftovers import listeners, mentioning, outside_loopback, until_gone
from selftests.sandboxes import ROOT, Sandbox, cli, cli_argv


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder for a sandbox, with a TMPDIR of its own beside it; whatever a test leaves is taken down."""
    root = Path(tempfile.mkdtemp(prefix="golive-up-"))
    (root / "tmp").mkdir()
    yield root / "world"
    for found in root.rglob(".golive-sandbox"):
        cli("down", "--dir", str(found.parent))
    shutil.rmtree(root)


def environment(place: Path) -> dict[str, str]:
    return {**os.environ, "TMPDIR": str(next(one for one in place.parents if (one / "tmp").is_dir()) / "tmp")}


def running(place: Path) -> list[Identity]:
    found = [one for one in Registry.read(Folder(place).processes) if one.alive()]
    assert {"supervisor", "etcd", "kube-apiserver", "kube-controller-manager"} <= {one.name for one in found}
    return found


def assert_nothing_is_left(place: Path, found: list[Identity]) -> None:
    until_gone(found)
    assert mentioning(str(place)) == []
    assert {one.name for one in place.iterdir()} <= {".golive-sandbox", ".golive-sandbox.lock", "state"}
    assert {one.name for one in (place / "state").iterdir()} == {"logs"}
    assert list(Path(environment(place)["TMPDIR"]).iterdir()) == []


def test_a_detached_sandbox_outlives_its_parent_in_a_long_path_with_spaces(place: Path) -> None:
    place = place / "a folder with spaces" / ("long" * 25)
    words = " ".join(f"'{word}'" for word in cli_argv("up", "--detach", "--dir", str(place)))
    done = subprocess.run(
        ["sh", "-c", f"{words}; kill -HUP $$"], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
        env=environment(place), start_new_session=True,
    )  # fmt: skip
    assert done.returncode == -signal.SIGHUP, done.stderr
    assert f"golive-sandbox down --dir '{place}'" in done.stdout
    found = running(place)

    told = cli("status", "--dir", str(place))
    assert (told.returncode, told.stderr) == (0, "")
    assert "broken: nothing" in told.stdout
    assert "Healthy, canary weight 0" in told.stdout
    assert cli("break", "role-empty", "--dir", str(place)).returncode == 0
    assert "broken: role-empty" in cli("status", "--dir", str(place)).stdout
    assert 'sre = {name = "", contact = ""}' in (place / "golive.toml").read_text(encoding="utf-8")
    assert cli("heal", "role-empty", "--dir", str(place)).returncode == 0
    assert 'sre = {name = "", contact = ""}' not in (place / "golive.toml").read_text(encoding="utf-8")

    again = cli("up", "--detach", "--dir", str(place))
    assert again.returncode == 1
    assert "a sandbox is already running in" in again.stderr
    down = cli("down", "--dir", str(place))
    assert (down.returncode, down.stderr) == (0, "")
    assert down.stdout.endswith("All gone.\n")
    assert_nothing_is_left(place, found)
    assert cli("down", "--dir", str(place)).stdout == f"Nothing is running in {place}.\n"


@pytest.mark.parametrize(
    ("more", "at", "code"),
    [
        ([], "Ready after", 0),
        pytest.param([], "Starting the nodes", 0, marks=pytest.mark.long),
        ([], "Starting etcd", 0),
        (["--detach"], "Starting etcd", 130),
        (["--detach"], "Creating the world", 130),
    ],
)
def test_ctrl_c_ends_a_sandbox_that_starts_or_is_up(place: Path, more: list[str], at: str, code: int) -> None:
    process = subprocess.Popen(
        cli_argv("up", "--dir", str(place), *more), cwd=ROOT, env=environment(place), start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    said = [process.stdout.readline()]
    while at not in said[-1]:
        assert said[-1], said
        said.append(process.stdout.readline())
    found = [one for one in Registry.read(Folder(place).processes) if one.alive()]
    assert found
    os.killpg(process.pid, signal.SIGINT)
    rest = process.communicate(timeout=30)[0]
    assert process.returncode == code, rest
    assert "Traceback" not in rest
    assert rest.endswith("All gone.\n" if code == 0 else "golive-sandbox: interrupted; nothing is left running\n")
    assert_nothing_is_left(place, found)


@pytest.mark.long
def test_a_sandbox_ends_though_its_terminal_is_closed(place: Path) -> None:
    process = subprocess.Popen(
        cli_argv("up", "--dir", str(place)), cwd=ROOT, env=environment(place), start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    while "Ready after" not in (line := process.stdout.readline()):
        assert line
    found = running(place)
    process.stdout.close()
    os.killpg(process.pid, signal.SIGHUP)
    process.wait(timeout=30)
    assert_nothing_is_left(place, found)


def test_a_log_that_another_start_writes_is_left_to_it(place: Path) -> None:
    log = Folder(place).log
    log.parent.mkdir(parents=True)
    Folder(place).marker.touch()
    with log.open("a", encoding="utf-8") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        other.write("Starting etcd ...\n")
        other.flush()
        done = cli("up", "--detach", "--dir", str(place), env=environment(place))
    assert (done.returncode, done.stdout) == (1, "")
    assert f"a sandbox is starting or ending in {place}: wait for it" in done.stderr
    assert log.read_text() == "Starting etcd ...\n"


@pytest.mark.long
def test_a_killed_supervisor_leaves_no_process_and_down_removes_the_rest(place: Path) -> None:
    place = place / ("long" * 30)
    assert cli("up", "--detach", "--dir", str(place), env=environment(place)).returncode == 0
    found = running(place)
    (supervisor,) = [one for one in found if one.name == "supervisor"]
    os.kill(supervisor.pid, signal.SIGKILL)
    until_gone(found)
    told = cli("status", "--dir", str(place))
    assert told.returncode == 1
    assert f"no sandbox is running in {place}: start one with" in told.stderr
    assert cli("down", "--dir", str(place)).returncode == 0
    assert_nothing_is_left(place, found)


@pytest.mark.long
def test_a_sandbox_ends_with_the_process_it_was_tied_to(place: Path) -> None:
    holder = subprocess.Popen(["sleep", "120"])
    words = ("up", "--detach", "--dir", str(place), "--until-exit", str(holder.pid))
    assert cli(*words, env=environment(place)).returncode == 0
    found = running(place)
    holder.kill()
    holder.wait()
    until_gone(found)
    assert_nothing_is_left(place, found)
    again = cli(*words, env=environment(place))
    assert again.returncode == 1
    assert f"--until-exit {holder.pid}: expected a running process" in again.stdout + again.stderr


def test_a_sandbox_starts_where_another_was_killed_and_ends_when_a_server_does(place: Path) -> None:
    assert cli("up", "--detach", "--dir", str(place), env=environment(place)).returncode == 0
    first = running(place)
    os.kill(next(one.pid for one in first if one.name == "supervisor"), signal.SIGKILL)
    until_gone(first)
    assert cli("up", "--detach", "--dir", str(place), env=environment(place)).returncode == 0
    found = running(place)
    os.kill(next(one.pid for one in found if one.name == "etcd"), signal.SIGKILL)
    until_gone(found)
    log = (place / "state" / "logs" / "supervisor.log").read_text(encoding="utf-8")
    assert "etcd ended with -9" in log
    assert_nothing_is_left(place, found)


def test_a_folder_with_somebody_s_files_is_refused_and_left_as_it_is(place: Path) -> None:
    place.mkdir()
    (place / "kubeconfig").write_text("mine")
    for more in ([], ["--detach"], ["--remove"]):
        done = cli("up", "--dir", str(place), *more)
        assert done.returncode == 1
        assert done.stderr.startswith(f"golive-sandbox: {place} is not empty and was not made by a sandbox")
    assert cli("down", "--dir", str(place)).returncode == 0
    assert {one.name: one.read_text() for one in place.iterdir()} == {"kubeconfig": "mine"}


@pytest.mark.parametrize("more", [[], ["--detach"], ["--remove"], ["--detach", "--remove"]])
def test_a_second_sandbox_in_the_same_folder_is_refused_and_the_first_goes_on(
    sandbox: Sandbox, more: list[str]
) -> None:
    done = cli("up", "--dir", str(sandbox.folder.root), *more)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "a sandbox is already running in" in done.stderr
    assert sandbox.ask("status")["worlds"]
    assert sandbox.folder.kubeconfig.exists()


@pytest.mark.parametrize("where", ["file", "file/below", "/proc/nothing/here"])
def test_a_folder_that_cannot_be_is_refused_in_one_line(place: Path, where: str) -> None:
    place.mkdir()
    (place / "file").write_text("mine")
    for command in (["up"], ["up", "--detach"], ["down"], ["status"]):
        done = cli(*command, "--dir", str(place / where))
        assert done.returncode == (0 if command == ["down"] else 1)
        assert done.stderr.count("\n") == (0 if command == ["down"] else 1), done.stderr
    assert (place / "file").read_text() == "mine"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("up", "--scenario", "nothing"), "expected a scenario of: clean, wrong-cluster"),
        (("up", "--detach", "--scenario", "nothing"), "expected a scenario of: clean, wrong-cluster"),
        (("break", "nothing"), "expected a fault of: wrong-cluster, namespace-missing"),
        (("heal", "nothing"), "expected a fault of: wrong-cluster, namespace-missing"),
        (("heal", "role-empty"), "role-empty is not broken in world maestro"),
        (("break", "role-empty", "--world", "nothing"), "expected a world of: maestro"),
    ],
)
def test_a_wrong_name_is_told_in_one_line_with_what_there_is(
    sandbox: Sandbox, tmp_path: Path, words: tuple[str, ...], told: str
) -> None:
    folder = tmp_path if words[0] == "up" else sandbox.folder.root
    done = cli(*words, "--dir", str(folder))
    assert done.returncode == 1
    assert done.stderr.startswith(f"golive-sandbox: {told}")
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["status", "break role-empty", "heal role-empty"])
def test_without_a_sandbox_one_is_asked_to_start_it(tmp_path: Path, command: str) -> None:
    done = cli(*command.split(), "--dir", str(tmp_path))
    assert done.returncode == 1
    assert done.stderr == (
        f"golive-sandbox: no sandbox is running in {tmp_path}: start one with `golive-sandbox up --dir {tmp_path}`\n"
    )


def test_two_sandboxes_share_no_listener_and_only_argo_s_two_ports_leave_loopback(
    sandbox: Sandbox, place: Path
) -> None:
    assert cli("up", "--detach", "--dir", str(place), env=environment(place)).returncode == 0
    mine, other = running(place), sandbox.processes()
    ours, theirs = (listeners(one.pid for one in found) for found in (mine, other))
    assert ours.isdisjoint(theirs)
    assert len(ours) > 8  # etcd's two, API server, two kubelets, the network, Argo's two, three pods
    for found, listening in ((mine, ours), (other, theirs)):
        argo = listeners(one.pid for one in found if one.name == "argo-rollouts")
        assert len(argo) == 2
        assert outside_loopback(listening) <= {port for _, port in argo}
    for folder in (place, sandbox.folder.root):
        assert "Healthy, canary weight 0" in cli("status", "--dir", str(folder)).stdout


def test_scenarios_are_listed_for_machines() -> None:
    found: list[Json] = json.loads(cli("scenarios", "--json").stdout)
    listed: Json = tomllib.loads((ROOT / "tests_golive" / "criteria.toml").read_text(encoding="utf-8"))
    gates = {text(row, "id"): text(row, "gate") for row in items(listed, "criterion")}
    keys = ["name", "faults", "when", "stage", "criterion", "outcome", "dependants", "verdict", "exit", "rollback"]
    keys.append("own_plane")
    assert [list(row) for row in found] == [keys] * len(SCENARIOS)
    assert [text(row, "name") for row in found] == [one.name for one in SCENARIOS]
    assert {row["exit"] for row in found} == {0, 20, 21}
    for row in found:
        assert (row["verdict"] == "GO") == (row["exit"] == 0)
        assert (row["criterion"] is None) == (row["outcome"] is None)
        assert (row["verdict"] == "GO") == (gates.get(text(row, "criterion").partition("[")[0]) != "p0")
        assert row["rollback"] in (None, "not_started", "canary", "promoted", "already_back", "unknown")
        assert row["stage"] in ("preflight", "canary")


def test_scenarios_and_faults_are_listed_for_people() -> None:
    done = cli("scenarios")
    assert done.returncode == 0
    for row in SCENARIOS:
        assert f"  {row.name} " in done.stdout
