"""The template of a version without a snapshot: its ReplicaSet's, less what the controller put into it."""

from __future__ import annotations

import pytest

from golive.argo import HASH
from golive.templates import template_of
from golive.types import Json, JsonValue

LABELS: Json = {"app": "maestro-server"}
OWN: Json = {"labelSelector": {"matchLabels": LABELS}, "topologyKey": "kubernetes.io/hostname"}
INJECTED: Json = {
    "labelSelector": {"matchExpressions": [{"key": HASH, "operator": "NotIn", "values": ["abc"]}]},
    "topologyKey": "kubernetes.io/hostname",
}
REQUIRED, PREFERRED = (
    "requiredDuringSchedulingIgnoredDuringExecution",
    "preferredDuringSchedulingIgnoredDuringExecution",
)
CONTAINERS: list[JsonValue] = [{"name": "server", "image": "maestro:v1"}]


def replica_set(metadata: Json, anti: Json | None = None) -> Json:
    affinity: Json = {"affinity": {"nodeAffinity": {"x": 1}, "podAntiAffinity": anti}} if anti is not None else {}
    return {"spec": {"replicas": 3, "template": {"metadata": metadata, "spec": {"containers": CONTAINERS, **affinity}}}}


def test_the_hash_and_what_belongs_to_a_role_are_left_out() -> None:
    made = replica_set(
        {
            "creationTimestamp": None,
            "labels": {**LABELS, HASH: "abc", "role": "stable"},
            "annotations": {"told": "as canary"},
        }
    )
    canary: Json = {
        "stableMetadata": {"labels": {"role": "stable"}},
        "canaryMetadata": {"labels": {"role": "canary"}, "annotations": {"told": "as canary"}},
    }
    assert template_of(made, canary) == {"metadata": {"labels": LABELS}, "spec": {"containers": CONTAINERS}}


def test_what_is_the_versions_own_stays() -> None:
    metadata: Json = {"labels": {**LABELS, "role": "stable"}, "annotations": {"told": "x"}}
    anti: Json = {REQUIRED: [INJECTED]}
    template: Json = {
        "metadata": metadata,
        "spec": {"containers": CONTAINERS, "affinity": {"nodeAffinity": {"x": 1}, "podAntiAffinity": anti}},
    }
    assert template_of(replica_set(metadata, anti), {}) == template


@pytest.mark.parametrize(
    ("anti", "kept"),
    [
        ({REQUIRED: [INJECTED]}, None),
        ({PREFERRED: [{"weight": 1, "podAffinityTerm": INJECTED}]}, None),
        ({REQUIRED: [OWN, INJECTED]}, {REQUIRED: [OWN]}),
        (
            {REQUIRED: [INJECTED], PREFERRED: [{"weight": 1, "podAffinityTerm": OWN}]},
            {PREFERRED: [{"weight": 1, "podAffinityTerm": OWN}]},
        ),
    ],
)
def test_the_rule_that_argo_injects_is_taken_out(anti: Json, kept: Json | None) -> None:
    found = template_of(replica_set({"labels": LABELS}, anti), {"antiAffinity": {}})
    affinity: Json = {"nodeAffinity": {"x": 1}} if kept is None else {"nodeAffinity": {"x": 1}, "podAntiAffinity": kept}
    assert found["spec"] == {"containers": CONTAINERS, "affinity": affinity}


def test_no_affinity_is_left_where_there_was_only_argos() -> None:
    made: Json = {"spec": {"template": {"spec": {"affinity": {"podAntiAffinity": {REQUIRED: [INJECTED]}}}}}}
    assert template_of(made, {"antiAffinity": {}}) == {"metadata": {}, "spec": {}}
