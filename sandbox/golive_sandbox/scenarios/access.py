"""Faults of the suite's own kubeconfig: the way to the cluster, not the cluster."""

from __future__ import annotations

from dataclasses import replace

from golive_sandbox.pki import Pki
from golive_sandbox.plane import free_ports
from golive_sandbox.world.settings import KUBECONFIG
from golive_sandbox.world.world import World


async def elsewhere(world: World) -> None:
    """The API server's address is one where nobody listens."""
    (port,) = free_ports(1)
    replace(world.kubeconfig, server=f"https://127.0.0.1:{port}").write(world.folder / KUBECONFIG)


async def foreign(world: World) -> None:
    """A certificate of an authority that the API server does not know: 401 to every request."""
    replace(world.kubeconfig, credential=Pki().client(world.user)).write(world.folder / KUBECONFIG)


async def restored(world: World) -> None:
    """The kubeconfig as it was."""
    world.kubeconfig.write(world.folder / KUBECONFIG)
