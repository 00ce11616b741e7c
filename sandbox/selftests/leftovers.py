"""What must not be left: processes, sockets, listeners. Read from /proc, so that nobody has to be believed."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Iterable
from pathlib import Path

from golive_sandbox.processes import Identity
from selftests.harness import eventually

_LISTEN = "0A"
_SOCKET = re.compile(r"socket:\[(\d+)\]")


def until_gone(found: Iterable[Identity], seconds: float = 15) -> None:
    """Wait for the end of processes that nobody here can wait for."""
    eventually("all processes ended", lambda: [one for one in found if one.alive()], lambda left: not left, seconds)


def mentioning(words: str) -> list[str]:
    """Command lines and working folders of living processes that hold ``words``, but for our own."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        if int(folder.name) in (os.getpid(), os.getppid()):
            continue
        try:
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            place = str((folder / "cwd").readlink())
        except OSError:
            continue  # it ended meanwhile
        if words in line or words in place:
            found.append(f"{folder.name} {line}")
    return found


def listeners(pids: Iterable[int]) -> set[tuple[str, int]]:
    """Address and port of every TCP socket on which these processes listen."""
    inodes = {inode for pid in pids for inode in _sockets(pid)}
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text(encoding="ascii").splitlines()[1:]:
            fields = line.split()
            if fields[3] == _LISTEN and fields[9] in inodes:
                address, _, port = fields[1].partition(":")
                found.add((_address(address), int(port, 16)))
    return found


def outside_loopback(found: Iterable[tuple[str, int]]) -> set[int]:
    """The ports of listeners on anything but 127.0.0.0/8."""
    inside = ipaddress.ip_network("127.0.0.0/8")
    return {port for address, port in found if ipaddress.ip_address(address) not in inside}


def _sockets(pid: int) -> Iterable[str]:
    try:
        links = [str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()]
    except OSError:
        return []
    return [found[1] for link in links if (found := _SOCKET.fullmatch(link))]


def _address(hexadecimal: str) -> str:
    # Each group of four bytes is in the machine's own order.
    raw = b"".join(bytes.fromhex(hexadecimal[at : at + 8])[::-1] for at in range(0, len(hexadecimal), 8))
    address = ipaddress.ip_address(raw)
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)
