"""Who owns a Rollout in Git, and whether that tool heals: by the objects that Argo CD and Flux leave, as recorded."""

from __future__ import annotations

import pytest

from golive.cluster import Cluster
from golive.errors import ApiError
from golive.gitops import Owner, Tool, command, heals, owner_of
from golive.types import Json
from selftests.judge.recorded import Recorded

TRACKING = "argocd.argoproj.io/tracking-id"
APP, NEAR = Tool.ARGO_CD, Tool.KUSTOMIZATION


def body(*, labels: Json | None = None, annotations: Json | None = None, manager: str = "kubectl") -> Json:
    """A Rollout with these marks."""
    metadata: Json = {
        "name": "maestro-server",
        "namespace": "maestro",
        "labels": labels or {},
        "annotations": annotations or {},
        "managedFields": [{"manager": manager}],
    }
    return {"kind": "Rollout", "metadata": metadata}


OWN = "argoproj.io/Rollout:maestro/maestro-server"


@pytest.mark.parametrize(
    ("rollout", "owner"),
    [
        (body(), None),
        (body(annotations={TRACKING: f"shop:{OWN}"}), Owner(APP, "shop")),
        (body(annotations={TRACKING: f"team-a_shop:{OWN}"}), Owner(APP, "shop", "team-a")),
        (body(annotations={TRACKING: f"team-a/shop:{OWN}"}), Owner(APP, "shop", "team-a")),
        (body(annotations={TRACKING: "shop:apps/Deployment:maestro/other"}), None),
        (body(annotations={TRACKING: "nonsense"}), None),
        (body(labels={"app.kubernetes.io/instance": "shop"}), None),
        (body(labels={"app.kubernetes.io/instance": "shop"}, manager="argocd-controller"), Owner(APP, "shop")),
        (
            body(labels={"kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": "flux"}),
            Owner(NEAR, "apps", "flux"),
        ),
        (body(labels={"helm.toolkit.fluxcd.io/name": "shop"}), Owner(Tool.HELM_RELEASE, "shop", "maestro")),
    ],
)
def test_an_owner_is_known_by_its_marks(rollout: Json, owner: Owner | None) -> None:
    assert owner_of(rollout) == owner


CD = "/apis/argoproj.io/v1alpha1/namespaces/argocd/applications/shop"
KUSTOMIZATION = "/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/flux/kustomizations/apps"
RELEASE = "/apis/helm.toolkit.fluxcd.io/v2/namespaces/flux/helmreleases/shop"
FLUX, HELM = Owner(NEAR, "apps", "flux"), Owner(Tool.HELM_RELEASE, "shop", "flux")


@pytest.mark.parametrize(
    ("owner", "path", "spec", "healing"),
    [
        (Owner(APP, "shop"), CD, {}, False),
        (Owner(APP, "shop"), CD, {"syncPolicy": {"automated": None}}, False),
        (Owner(APP, "shop"), CD, {"syncPolicy": {"automated": {}}}, False),
        (Owner(APP, "shop"), CD, {"syncPolicy": {"automated": {"selfHeal": True}}}, True),
        (Owner(APP, "shop"), CD, {"syncPolicy": {"automated": {"selfHeal": True, "enabled": False}}}, False),
        (Owner(APP, "shop", "a"), CD.replace("argocd", "a"), {"syncPolicy": {"automated": {"selfHeal": True}}}, True),
        (FLUX, KUSTOMIZATION, {}, True),
        (FLUX, KUSTOMIZATION, {"suspend": True}, False),
        (HELM, RELEASE, {}, False),
        (HELM, RELEASE, {"driftDetection": {"mode": "enabled"}}, True),
        (HELM, RELEASE, {"driftDetection": {"mode": "enabled"}, "suspend": True}, False),
    ],
)
def test_whether_it_heals_is_read_from_its_own_object(owner: Owner, path: str, spec: Json, healing: bool) -> None:
    with Recorded({path: (200, {"spec": spec})}) as server:
        assert heals(server.cluster(), owner, "argocd") is healing


@pytest.mark.parametrize("status", [401, 403, 404])
def test_what_may_not_be_read_is_unknown(status: int) -> None:
    with Recorded({CD: (status, {"message": "no"})}) as server:
        assert heals(server.cluster(), Owner(APP, "shop"), "argocd") is None


def test_an_api_server_in_trouble_is_no_answer() -> None:
    with Recorded({CD: (500, {"message": "trouble"})}) as server:
        cluster: Cluster = server.cluster()
        with pytest.raises(ApiError, match="trouble"):
            heals(cluster, Owner(APP, "shop"), "argocd")


def test_the_command_names_the_object_and_what_stays_in_git() -> None:
    assert command(Owner(APP, "shop", "a")).startswith("argocd app set a/shop --sync-policy none; in the repository")
    assert command(FLUX).startswith("flux suspend kustomization apps -n flux; ")
    assert command(HELM).endswith("git revert COMMIT && git push; then: flux resume helmrelease shop -n flux")
