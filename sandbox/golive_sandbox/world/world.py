"""One world in a running plane: create it, change its files and rights as a fault asks, delete it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias, TypeVar

from golive_sandbox import files
from golive_sandbox.api import Api
from golive_sandbox.kubeconfig import Kubeconfig
from golive_sandbox.plane import Plane
from golive_sandbox.traffic import Traffic
from golive_sandbox.types import Json, text
from golive_sandbox.world import judges, monitors, paths, release, rights
from golive_sandbox.world.images import Images
from golive_sandbox.world.monitoring import Monitoring
from golive_sandbox.world.release import Release
from golive_sandbox.world.rights import Narrow
from golive_sandbox.world.rollout import Rollout
from golive_sandbox.world.settings import KUBECONFIG, MANIFEST, SETTINGS, TRUSTED_ROOT, Settings

EditSettings: TypeAlias = Callable[[Settings], Settings]
EditManifest: TypeAlias = Callable[[str], str]


class World:
    """A namespace of ``plane``, its files in ``folder`` and its ``images``."""

    def __init__(self, plane: Plane, namespace: str, folder: Path, images: Images) -> None:
        self.plane = plane
        self.namespace = namespace
        self.folder = folder
        self.user = f"release-driver-{namespace}"
        self.host = f"{namespace}.example.test"
        """What its clients say in the Host header; the Ingress's host."""
        self.kubeconfig: Kubeconfig = plane.kubeconfig(self.user, namespace=namespace)
        """The suite's user's."""
        self.images = images
        self.stable = self.version(release.STABLE_TAG)
        self.release = self.version(release.RELEASE_TAG)
        self.rollout = Rollout(plane.api, namespace)
        self.monitoring = Monitoring(plane, namespace)
        self.traffic: Traffic | None = None
        """Its clients; ``None`` until it is Healthy."""
        self.saved: dict[str, Json] = {}
        """What faults put aside, by their name."""
        self._settings: dict[str, EditSettings] = {}
        self._manifest: dict[str, EditManifest] = {}
        self._rights: dict[str, Narrow] = {}
        self._cluster_uid = ""

    @property
    def api(self) -> Api:
        """The administrator's client."""
        return self.plane.api

    def version(self, tag: str) -> Release:
        """What has to be applied for that tag's image to run here."""
        return release.load(tag, self.images, self.host)

    def path(self, kind: str, name: str) -> str:
        """Where a core object of this world is."""
        return f"/api/v1/namespaces/{self.namespace}/{kind}/{name}"

    async def create(self) -> None:
        """Namespaces, user, the stable version, its monitoring and the files.

        Returns when the Rollout is Healthy; ``monitoring.until_observing`` waits until Prometheus sees it.
        """
        system = await self.api.get("/api/v1/namespaces/kube-system")
        self._cluster_uid = text(system, "metadata", "uid")
        await self.images.push()
        # First, since rights of both Prometheus and the suite's user are in both.
        await paths.apply(self.api, [_namespace(self.monitoring.namespace)], self.namespace)
        await asyncio.gather(self.create_objects(), self.monitoring.create())
        self.write_files()

    async def create_objects(self) -> None:
        """What is in the cluster for the release. Can be repeated."""
        seen = monitors.may_discover(self.namespace, self.namespace)
        await paths.apply(self.api, [_namespace(self.namespace), *seen], self.namespace)
        await judges.apply(self.plane, self.namespace, monitors.address(self.namespace))
        # Services and Ingress first: the Rollout names them, and would be invalid for a moment without them.
        rollout, *others = self.stable.objects()
        await paths.apply(self.api, [*others, rollout], self.namespace)
        await self._apply_rights()
        await self.rollout.until_healthy(self.stable.image)

    async def delete(self) -> None:
        """Everything of it in the cluster and its files."""
        await asyncio.gather(self.delete_namespace(), self.monitoring.delete())
        for item in rights.objects(self.namespace, self.user, rights.in_namespace()):
            if text(item, "metadata", "namespace") not in (self.namespace, self.monitoring.namespace):
                await paths.delete(self.api, paths.of(item, self.namespace))
        self.images.behave()
        if self.plane.nodes is not None:  # the next world of this name has the same images
            self.plane.nodes.report(self.images.name, self.release.digest, None)
        for name in (KUBECONFIG, MANIFEST, SETTINGS, TRUSTED_ROOT):
            files.remove(self.folder / name)

    async def delete_namespace(self) -> None:
        """Delete the release's namespace and wait until it is gone."""
        await paths.delete(self.api, self.rollout.path)
        await paths.delete_namespace(self.api, self.namespace)

    def write_files(self) -> None:
        """``driver.kubeconfig``, ``trusted_root.json``, ``golive.toml`` and the reviewed manifest."""
        self.kubeconfig.write(self.folder / KUBECONFIG)
        files.write(self.folder / TRUSTED_ROOT, json.dumps(self.images.signer.trusted_root, indent=1))
        self._write_texts()

    def _write_texts(self) -> None:
        settings = Settings(self._cluster_uid, self.namespace, self.release)
        for edit in self._settings.values():
            settings = edit(settings)
        manifest = self.release.manifest
        for change in self._manifest.values():
            manifest = change(manifest)
        files.write(self.folder / MANIFEST, manifest)
        files.write(self.folder / SETTINGS, settings.render())

    def edit_settings(self, fault: str, edit: EditSettings | None) -> None:
        """Put ``edit`` on top of what ``golive.toml`` says, or take it away again (``None``)."""
        _put(self._settings, fault, edit)
        self._write_texts()

    def edit_manifest(self, fault: str, edit: EditManifest | None) -> None:
        """The same for the reviewed manifest."""
        _put(self._manifest, fault, edit)
        self._write_texts()

    async def narrow(self, fault: str, edit: Narrow | None) -> None:
        """The same for what the suite's user may do in the namespace."""
        _put(self._rights, fault, edit)
        await self._apply_rights()

    async def _apply_rights(self) -> None:
        rules = rights.in_namespace()
        for edit in self._rights.values():
            rules = edit(rules)
        await paths.apply(self.api, rights.objects(self.namespace, self.user, rules), self.namespace, "golive-sandbox")


def _namespace(name: str) -> Json:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


Edit = TypeVar("Edit")


def _put(edits: dict[str, Edit], fault: str, edit: Edit | None) -> None:
    if edit is None:
        edits.pop(fault, None)
    else:
        edits[fault] = edit
