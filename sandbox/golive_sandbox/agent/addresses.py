"""Addresses of the cluster and where they really are.

The API server refuses loopback addresses in endpoints, so pods and nodes have addresses of 198.18.0.0/15 (reserved for
benchmarks, never routed) and listen on the same address with 127 as its first number, ports unchanged.
"""

from __future__ import annotations

import errno
import ipaddress
import socket
from collections.abc import Iterator
from contextlib import ExitStack

from golive_sandbox.errors import SandboxError

CLUSTER_RANGE = ipaddress.ip_network("198.18.0.0/15")
SERVICE_RANGE = ipaddress.ip_network("10.0.0.0/24")
KUBELET_PORT = 10250
_NODES = 2
_FIRST_POD, _LAST_POD = 10, 250


def on_loopback(address: str) -> str:
    """Where ``address`` of the cluster listens on this machine (``198.18.3.4`` is ``127.18.3.4``)."""
    if ipaddress.ip_address(address) not in CLUSTER_RANGE:
        raise ValueError(f"expected an address of {CLUSTER_RANGE}, got {address}")
    return "127." + address.split(".", 1)[1]


class Block:
    """256 addresses that belong to this sandbox alone: two nodes and its pods.

    Several sandboxes may run on one machine. A block is claimed by listening on the kubelet port of its first node, so
    the claim ends with the process, however it ends. Raises ``SandboxError`` when none is free.
    """

    def __init__(self) -> None:
        self.kubelet_sockets: list[socket.socket] = []
        self.prefix = self._claim()
        self._used: set[str] = set()
        self._next = _FIRST_POD

    @property
    def nodes(self) -> list[str]:
        """The addresses of the nodes; never given to a pod."""
        return [f"{self.prefix}.{number}" for number in range(1, _NODES + 1)]

    def __contains__(self, address: str) -> bool:
        return address.rpartition(".")[0] == self.prefix

    def take(self) -> str:
        """A pod address that is not in use, and was not a moment ago either."""
        size = _LAST_POD - _FIRST_POD + 1
        for step in range(size):
            number = _FIRST_POD + (self._next - _FIRST_POD + step) % size
            address = f"{self.prefix}.{number}"
            if address not in self._used:
                self._used.add(address)
                self._next = number + 1
                return address
        raise SandboxError(
            f"expected a free pod address in {self.prefix}.0/24, all {size} are in use: delete some pods"
        )

    def give_back(self, address: str) -> None:
        """The pod is gone."""
        self._used.discard(address)

    def release(self) -> None:
        """Give the whole block back."""
        for listener in self.kubelet_sockets:
            listener.close()
        self.kubelet_sockets.clear()

    def _claim(self) -> str:
        for prefix in _prefixes():
            with ExitStack() as opened:
                try:
                    for number in range(1, _NODES + 1):
                        listener = opened.enter_context(_listener(f"{prefix}.{number}"))
                        self.kubelet_sockets.append(listener)
                except OSError as taken:
                    self.kubelet_sockets.clear()
                    if taken.errno != errno.EADDRINUSE:
                        raise SandboxError(
                            f"cannot listen on {on_loopback(prefix + '.1')}:{KUBELET_PORT} ({taken}); "
                            "the sandbox needs Linux, where all of 127.0.0.0/8 is this machine"
                        ) from taken
                    continue
                opened.pop_all()
                return prefix
        raise SandboxError(
            "expected a free block of 127.18.0.0/15, all are taken: end other sandboxes (golive-sandbox down)"
        )


def _prefixes() -> Iterator[str]:
    return (f"198.{second}.{third}" for second in (18, 19) for third in range(256))


def _listener(address: str) -> socket.socket:
    listener = socket.socket()
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((on_loopback(address), KUBELET_PORT))
        listener.listen(64)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener
