"""Where objects are in the API, and how to put a list of them there."""

from __future__ import annotations

from collections.abc import Sequence

from golive_sandbox.api import Api
from golive_sandbox.errors import ApiError
from golive_sandbox.types import Json, text

_CLUSTER_WIDE = ("Namespace", "ClusterRole", "ClusterRoleBinding")
_PLURALS = {"Ingress": "ingresses"}
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


def stripped(item: Json) -> Json:
    """An object that was read, as it can be created again."""
    metadata = item.get("metadata")
    kept = {"name", "namespace", "labels", "annotations"}
    clean: Json = {key: value for key, value in metadata.items() if key in kept} if isinstance(metadata, dict) else {}
    return {**{key: value for key, value in item.items() if key != "status"}, "metadata": clean}
