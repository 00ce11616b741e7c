"""Where objects are in the API, and how to put a list of them there."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from golive_sandbox import waiting
from golive_sandbox.api import Api
from golive_sandbox.errors import ApiError
from golive_sandbox.types import Json, text

_CLUSTER_WIDE = ("Namespace", "ClusterRole", "ClusterRoleBinding")
_PLURALS = {"Ingress": "ingresses"}
_DELETE_SECONDS = 60.0
PIPELINE = "release-pipeline"
"""The field manager under which the release's objects are applied, as a delivery pipeline would."""


def of(item: Json, namespace: str) -> str:
    """The path of an object; ``namespace`` where it names none itself."""
    version, kind = text(item, "apiVersion"), text(item, "kind")
    base = f"/apis/{version}" if "/" in version else f"/api/{version}"
    if kind not in _CLUSTER_WIDE:
        base += f"/namespaces/{text(item, 'metadata', 'namespace') or namespace}"
    return f"{base}/{_PLURALS.get(kind, kind.lower() + 's')}/{text(item, 'metadata', 'name')}"


async def apply(api: Api, objects: Sequence[Json], namespace: str, manager: str = PIPELINE) -> None:
    """Server-side apply, one after another, since later ones may need earlier ones."""
    for item in objects:
        await api.patch(of(item, namespace), item, "apply", fieldManager=manager)


async def delete(api: Api, path: str) -> None:
    """Delete; it is fine when it is not there."""
    try:
        await api.delete(path)
    except ApiError as trouble:
        if trouble.status != 404:
            raise


async def delete_namespace(api: Api, namespace: str, *owners: str) -> None:
    """Delete a namespace and wait until it is gone; ``owners`` are kinds of ``apps/v1`` that make pods in it."""
    # By itself the namespace's deletion looks again only after half the pods' grace period, and the garbage
    # collector knows Argo's kinds only half a minute after they were installed; so owners and pods go first.
    base = f"/namespaces/{namespace}"
    for several in (*(f"/apis/apps/v1{base}/{kind}" for kind in (*owners, "replicasets")), f"/api/v1{base}/pods"):
        await api.delete(several, gracePeriodSeconds=0)
        await waiting.wait_for(f"{several} gone", partial(api.list, several), _none, deadline=_DELETE_SECONDS)
    path = f"/api/v1{base}"
    await delete(api, path)
    await waiting.wait_for(f"{path} gone", lambda: api.gone(path), bool, deadline=_DELETE_SECONDS)


def _none(left: list[Json]) -> bool:
    return not left


def stripped(item: Json) -> Json:
    """An object that was read, as it can be created again."""
    metadata = item.get("metadata")
    kept = {"name", "namespace", "labels", "annotations"}
    clean: Json = {key: value for key, value in metadata.items() if key in kept} if isinstance(metadata, dict) else {}
    return {**{key: value for key, value in item.items() if key != "status"}, "metadata": clean}
