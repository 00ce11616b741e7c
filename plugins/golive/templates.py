"""The template that a version was made from, read from its ReplicaSet (shared/argo-rollouts.md, 2)."""

from __future__ import annotations

from golive.argo import HASH
from golive.types import Json, JsonValue, items, mapping, text


def template_of(replica_set: Json, canary: Json) -> Json:
    """The template that a ReplicaSet was made from, without what the controller put into it."""
    template = mapping(replica_set, "spec", "template")
    ephemeral = _ephemeral(canary)
    metadata = {key: value for key, value in mapping(template, "metadata").items() if key != "creationTimestamp"}
    for kind in ("labels", "annotations"):
        kept = {
            key: value
            for key, value in mapping(metadata, kind).items()
            if key != HASH and key not in mapping(ephemeral, kind)
        }
        metadata.pop(kind, None)
        if kept:
            metadata[kind] = kept
    spec = dict(mapping(template, "spec"))
    if "antiAffinity" in canary:
        spec = _without_injected_affinity(spec)
    return {**template, "metadata": metadata, "spec": spec}


def _ephemeral(canary: Json) -> Json:
    """Labels and annotations that belong to a role, not to the version: ``canaryMetadata`` and ``stableMetadata``."""
    kinds = ("labels", "annotations")
    roles = [mapping(canary, role) for role in ("canaryMetadata", "stableMetadata")]
    return {kind: {key: value for role in roles for key, value in mapping(role, kind).items()} for kind in kinds}


def _without_injected_affinity(spec: Json) -> Json:
    affinity = dict(mapping(spec, "affinity"))
    anti: Json = {}
    for key, terms in mapping(affinity, "podAntiAffinity").items():
        kept: list[JsonValue] = [one for one in (terms if isinstance(terms, list) else []) if not _injected(one)]
        if kept:
            anti[key] = kept
    affinity.pop("podAntiAffinity", None)
    if anti:
        affinity["podAntiAffinity"] = anti
    rest = {key: value for key, value in spec.items() if key != "affinity"}
    return {**rest, "affinity": affinity} if affinity else rest


def _injected(term: JsonValue) -> bool:
    inner = mapping(term, "podAffinityTerm") or mapping(term)
    return any(text(one, "key") == HASH for one in items(inner, "labelSelector", "matchExpressions"))
