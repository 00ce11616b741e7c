"""Who owns the Rollout in Git, and whether that tool puts its version back by itself; reads only."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from golive.errors import ApiError
from golive.types import Json, dig, items, mapping, text

if TYPE_CHECKING:
    from golive.cluster import Cluster

_TRACKING = "argocd.argoproj.io/tracking-id"
_INSTANCE = "app.kubernetes.io/instance"
_ARGO_MANAGERS = {"argocd-controller", "argocd-application-controller"}
_KUSTOMIZE, _HELM = "kustomize.toolkit.fluxcd.io", "helm.toolkit.fluxcd.io"


class Tool(StrEnum):
    """What keeps the Rollout as it is in Git; the value is how people call its object."""

    ARGO_CD = "Argo CD Application"
    KUSTOMIZATION = "Flux Kustomization"
    HELM_RELEASE = "Flux HelmRelease"


@dataclass(frozen=True, slots=True)
class Owner:
    """The object of a GitOps tool that owns the Rollout. An empty ``namespace`` is that of ``gitops.namespace``."""

    tool: Tool
    name: str
    namespace: str = ""

    def __str__(self) -> str:
        return f"{self.tool} {self.namespace}/{self.name}".replace(" /", " ")

    def to_json(self) -> Json:
        """As a snapshot keeps it."""
        return {"tool": self.tool.value, "name": self.name, "namespace": self.namespace}


def owner_of(body: Json) -> Owner | None:
    """Who owns the object, by the marks that Argo CD and Flux leave on it; ``None`` without any.

    Argo CD's own mark names the object it is on: one that was copied from another object says nothing.
    """
    marked = _tracked(body) or _labelled(body)
    if marked:
        # "NAMESPACE_APP" or "NAMESPACE/APP" where Applications live in several namespaces.
        namespace, _, name = marked.replace("/", "_", 1).rpartition("_")
        return Owner(Tool.ARGO_CD, name, namespace)
    labels = mapping(body, "metadata", "labels")
    for tool, prefix in ((Tool.KUSTOMIZATION, _KUSTOMIZE), (Tool.HELM_RELEASE, _HELM)):
        if name := text(labels, f"{prefix}/name"):
            # A hand-made label may lack the namespace: Flux itself falls back on the object's own.
            return Owner(tool, name, text(labels, f"{prefix}/namespace") or text(body, "metadata", "namespace"))
    return None


def _tracked(body: Json) -> str:
    """The application of ``APP:GROUP/KIND:NAMESPACE/NAME``, if that is this very object."""
    app, _, rest = text(body, "metadata", "annotations", _TRACKING).partition(":")
    kind, _, place = rest.partition(":")
    own_kind = text(body, "kind") or "Rollout"
    mine = kind.rpartition("/")[2] == own_kind and place.rpartition("/")[2] == text(body, "metadata", "name")
    return app if mine else ""


def _labelled(body: Json) -> str:
    """The application of the older way of tracking: a label that others use too, so its writer has to be known."""
    managers = {text(one, "manager") for one in items(body, "metadata", "managedFields")}
    return text(body, "metadata", "labels", _INSTANCE) if managers & _ARGO_MANAGERS else ""


def heals(cluster: Cluster, owner: Owner, namespace: str) -> bool | None:
    """Whether the tool puts Git's version back by itself; ``None`` when it may not be read or is not there.

    ``namespace``: ``gitops.namespace`` of golive.toml. Raises ``Unreachable`` when the API server does not answer.
    """
    try:
        found = cluster.get(_path(owner, namespace))
    except ApiError as error:
        if error.status not in (401, 403, 404):
            raise
        return None
    if owner.tool is Tool.ARGO_CD:
        automated = dig(found, "spec", "syncPolicy", "automated", default=False)
        on = isinstance(automated, dict) and automated.get("enabled") is not False
        return on and dig(automated, "selfHeal") is True
    if dig(found, "spec", "suspend") is True:
        return False
    # A HelmRelease leaves what differs in the cluster alone, unless it is told to correct it.
    return owner.tool is Tool.KUSTOMIZATION or text(found, "spec", "driftDetection", "mode") == "enabled"


def _path(owner: Owner, namespace: str) -> str:
    place = owner.namespace or namespace
    match owner.tool:
        case Tool.ARGO_CD:
            return f"/apis/argoproj.io/v1alpha1/namespaces/{place}/applications/{owner.name}"
        case Tool.KUSTOMIZATION:
            return f"/apis/{_KUSTOMIZE}/v1/namespaces/{place}/kustomizations/{owner.name}"
    return f"/apis/{_HELM}/v2/namespaces/{place}/helmreleases/{owner.name}"


def command(owner: Owner) -> str:
    """How a person reverts the source: what keeps the tool still meanwhile, and what to do in Git."""
    place = f" -n {owner.namespace}" if owner.namespace else ""
    match owner.tool:
        case Tool.ARGO_CD:
            app = f"{owner.namespace}/{owner.name}" if owner.namespace else owner.name
            still = f"argocd app set {app} --sync-policy none"
            then = f"argocd app sync {app}"
        case Tool.KUSTOMIZATION:
            still = f"flux suspend kustomization {owner.name}{place}"
            then = f"flux resume kustomization {owner.name}{place}"
        case Tool.HELM_RELEASE:
            still = f"flux suspend helmrelease {owner.name}{place}"
            then = f"flux resume helmrelease {owner.name}{place}"
    return f"{still}; in the repository it is made from: git revert COMMIT && git push; then: {then}"
