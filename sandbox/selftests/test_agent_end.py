"""What is left when the agent ends: nothing, however it ends."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from golive_sandbox.agent.addresses import Block, on_loopback
from golive_sandbox.processes import Identity, Registry
from golive_sandbox.types import Json
from selftests.harness import IMAGE, Cluster, Room, eventually, running_cluster

SUPERVISOR = """
import asyncio, sys, time
from pathlib import Path
from golive_sandbox.agent.containerlogs import ContainerLog
from golive_sandbox.agent.processes import ContainerProcess
from golive_sandbox.processes import Registry

async def main(folder):
    log = ContainerLog(folder / "0.log")
    process = await ContainerProcess.start(["/bin/sleep", "600"], {}, folder, log, Registry(folder / "processes.json"))
    print(process.pid, flush=True)
    await process.wait()

asyncio.run(main(Path(sys.argv[1])))
"""


def test_a_container_dies_with_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    supervisor = subprocess.Popen([sys.executable, "-c", SUPERVISOR, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert supervisor.stdout is not None
    child = Identity.of("child", int(supervisor.stdout.readline()))
    assert child.alive()
    supervisor.send_signal(signal.SIGKILL)
    supervisor.communicate()
    eventually("the container's process", child.alive, lambda alive: not alive)


def test_stop_leaves_no_process_and_no_socket() -> None:
    with running_cluster() as cluster:
        room = Room(cluster, "default")
        room.server()
        stubborn: Json = {
            "name": "main",
            "image": IMAGE,
            "command": ["/bin/sh", "-c", "trap '' TERM; sleep 99"],
        }
        room.pod("stubborn", {"containers": [stubborn]})
        eventually("two containers", lambda: names(cluster), lambda seen: {"main"} <= seen)
        processes = Registry.read(cluster.folder / "processes.json")
        egress = cluster.egress
        assert egress.exists()
    assert [one for one in processes if one.alive()] == []
    assert not egress.exists()


def names(cluster: Cluster) -> set[str]:
    return {one.name for one in Registry.read(cluster.folder / "processes.json")}


def test_two_sandboxes_on_one_machine_have_different_addresses() -> None:
    one, two = Block(), Block()
    try:
        assert one.prefix != two.prefix
        assert one.nodes[0] in one
        assert one.nodes[0] not in two
        assert len({one.take() for _ in range(100)}) == 100
    finally:
        one.release()
        two.release()
    again = Block()
    again.release()
    assert again.prefix == one.prefix


def test_an_address_outside_the_cluster_has_no_place_on_loopback() -> None:
    assert on_loopback("198.19.3.4") == "127.19.3.4"
    with pytest.raises(ValueError, match=r"198\.18"):
        on_loopback("10.0.0.1")
