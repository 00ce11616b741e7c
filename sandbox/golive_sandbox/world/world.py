"""One world in a running plane: create it, change its files and rights as a fault asks, delete it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeAlias, TypeVar

from golive_sandbox import files, waiting
from golive_sandbox.api import Api
from golive_sandbox.kubeconfig import Kubeconfig
from golive_sandbox.plane import Plane
from golive_sandbox.types import Json, text
from golive_sandbox.world import paths, release, rights
from golive_sandbox.world.rights import Narrow
from golive_sandbox.world.rollout import Rollout
from golive_sandbox.world.settings import KUBECONFIG, MANIFEST, SETTINGS, Settings

EditSettings: TypeAlias = Callable[[Settings], Settings]
EditManifest: TypeAlias = Callable[[str], str]
_DELETE_SECONDS = 60.0


class World:
    """A namespace of ``plane`` and its files in ``folder``."""

    def __init__(self, plane: Plane, namespace: str, folder: Path) -> None:
        self.plane = plane
        self.namespace = namespace
        self.folder = folder
        self.user = f"release-driver-{namespace}"
        self.host = f"{namespace}.example.test"
        """What its clients say in the Host header; the Ingress's host."""
        self.kubeconfig: Kubeconfig = plane.kubeconfig(self.user, namespace=namespace)
        """The suite's user's."""
        self.stable = release.load(release.STABLE_TAG)
        self.release = release.load(release.RELEASE_TAG)
        self.rollout = Rollout(plane.api, namespace)
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

    def path(self, kind: str, name: str) -> str:
        """Where a core object of this world is."""
        return f"/api/v1/namespaces/{self.namespace}/{kind}/{name}"

    async def create(self) -> None:
        """Namespace, user, the stable version and the files; returns when the Rollout is Healthy."""
        system = await self.api.get("/api/v1/namespaces/kube-system")
        self._cluster_uid = text(system, "metadata", "uid")
        await self.create_objects()
        self.write_files()

    async def create_objects(self) -> None:
        """What is in the cluster. Can be repeated."""
        namespace: Json = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}}
        await paths.apply(self.api, [namespace], self.namespace)
        # Services and Ingress first: the Rollout names them, and would be invalid for a moment without them.
        rollout, *others = self.stable.objects()
        await paths.apply(self.api, [*others, rollout], self.namespace)
        await self._apply_rights()
        await self.rollout.until_healthy(self.stable.image)

    async def delete(self) -> None:
        """Everything of it in the cluster and its files."""
        await self.delete_namespace()
        for item in rights.objects(self.namespace, self.user, rights.IN_NAMESPACE):
            if text(item, "metadata", "namespace") != self.namespace:
                await paths.delete(self.api, paths.of(item, self.namespace))
        for name in (KUBECONFIG, MANIFEST, SETTINGS):
            files.remove(self.folder / name)

    async def delete_namespace(self) -> None:
        """Delete the namespace and wait until it is gone."""
        base = f"/namespaces/{self.namespace}"
        # By itself the namespace's deletion looks again only after half the pods' grace period, and the garbage
        # collector knows Argo's kinds only half a minute after they were installed; so owners and pods go first.
        await paths.delete(self.api, self.rollout.path)
        for several in (f"/apis/apps/v1{base}/replicasets", f"/api/v1{base}/pods"):
            await self.api.delete(several, gracePeriodSeconds=0)
            await waiting.wait_for(f"{several} gone", partial(self.api.list, several), _none, deadline=_DELETE_SECONDS)
        path = f"/api/v1/namespaces/{self.namespace}"
        await paths.delete(self.api, path)
        await waiting.wait_for(f"{path} gone", lambda: self.api.gone(path), bool, deadline=_DELETE_SECONDS)

    def write_files(self) -> None:
        """``driver.kubeconfig``, ``golive.toml`` and the reviewed manifest."""
        self.kubeconfig.write(self.folder / KUBECONFIG)
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
        rules = rights.IN_NAMESPACE
        for edit in self._rights.values():
            rules = edit(rules)
        await paths.apply(self.api, rights.objects(self.namespace, self.user, rules), self.namespace, "golive-sandbox")


def _none(left: list[Json]) -> bool:
    return not left


Edit = TypeVar("Edit")


def _put(edits: dict[str, Edit], fault: str, edit: Edit | None) -> None:
    if edit is None:
        edits.pop(fault, None)
    else:
        edits[fault] = edit
