"""Provenance: our repository, ref, commit, workflow and builder; every other value is refused by its field."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from golive.supply import provenance
from golive.supply.errors import Code, Refused
from golive.supply.identity import Identity
from golive.supply.statement import SLSA_V02, SLSA_V1, Kind, Statement, parse
from golive.types import Json, JsonValue
from golive_sandbox.signing import statements
from selftests.judge.supplied import DIGEST, GONE, MALLORY, RELEASE, SIGNER, bundle, changed, judged, other

BY = Identity(
    name=RELEASE.identity,
    issuer=RELEASE.issuer,
    issuer_old="",
    builder=RELEASE.identity,
    runner=RELEASE.runner,
    repository=RELEASE.repository,
    commit=RELEASE.commit,
    ref=RELEASE.ref,
    run=RELEASE.invocation,
)
V1, V02 = statements.provenance(RELEASE, DIGEST, "m"), statements.provenance_v02(RELEASE, DIGEST, "m")
SOURCE = f"git+{RELEASE.repository}@{RELEASE.ref}"
DEFINITION, DETAILS = "predicate.buildDefinition", "predicate.runDetails"
OUTER = f"{DEFINITION}.externalParameters"


def why(raw: bytes, path: str = "", value: JsonValue = None, *, builders: tuple[str, ...] = ()) -> Refused:
    with pytest.raises(Refused) as caught:
        provenance.check(parse(changed(raw, path, value) if path else raw), BY, SIGNER, builders=builders)
    return caught.value


@pytest.mark.parametrize(("raw", "kind"), [(V1, SLSA_V1), (V02, SLSA_V02)])
def test_what_our_workflow_built_is_accepted(raw: bytes, kind: str) -> None:
    (one,) = judged(bundle(raw)).of_kind(Kind.PROVENANCE)
    found = provenance.check(one.statement, one.identity, SIGNER)
    assert (found.predicate_type, found.builder, found.source) == (kind, RELEASE.identity, SOURCE)
    assert (found.commit, found.run) == (RELEASE.commit, RELEASE.invocation)


def test_parameters_that_are_there_but_empty_change_nothing() -> None:
    raw = changed(V1, f"{OUTER}.inputs", {})
    assert provenance.check(parse(raw), BY, SIGNER)


def material(**fields: JsonValue) -> list[JsonValue]:
    return [{"uri": SOURCE, "digest": {"gitCommit": RELEASE.commit}, **fields}]


@pytest.mark.parametrize(
    ("path", "value", "field", "found"),
    [
        (f"{DEFINITION}.buildType", "https://x.example/t", "buildDefinition.buildType", "https://x.example/t"),
        (f"{DEFINITION}.buildType", GONE, "buildDefinition.buildType", "none"),
        (f"{DETAILS}.builder.id", f"{MALLORY}/b", "runDetails.builder.id", f"{MALLORY}/b"),
        (f"{DETAILS}.builder", GONE, "runDetails.builder.id", "none"),
        (f"{OUTER}.inputs", {"version": "evil"}, "buildDefinition.externalParameters", "inputs"),
        (OUTER, GONE, "buildDefinition.externalParameters", "none"),
        (OUTER, ["x"], "buildDefinition.externalParameters", "list"),
        (f"{OUTER}.workflow", "x", "buildDefinition.externalParameters.workflow", "str"),
        (f"{OUTER}.workflow.colour", "red", "buildDefinition.externalParameters.workflow", "colour"),
        (f"{OUTER}.workflow.repository", MALLORY, "buildDefinition.externalParameters.workflow.repository", MALLORY),
        (f"{OUTER}.workflow.ref", "refs/heads/x", "buildDefinition.externalParameters.workflow.ref", "refs/heads/x"),
        (f"{OUTER}.workflow.path", "x.yml", "buildDefinition.externalParameters.workflow.path", "x.yml"),
        (
            f"{DEFINITION}.internalParameters.github.runner_environment",
            "self-hosted",
            "buildDefinition.internalParameters.github.runner_environment",
            "self-hosted",
        ),
        (f"{DEFINITION}.resolvedDependencies", [], "uri in buildDefinition.resolvedDependencies", "none"),
        (
            f"{DEFINITION}.resolvedDependencies",
            material(uri=f"git+{MALLORY}@x"),
            "uri in buildDefinition.resolvedDependencies",
            f"git+{MALLORY}@x",
        ),
        (
            f"{DEFINITION}.resolvedDependencies",
            material(digest={"gitCommit": "ab" * 20}),
            "commit in buildDefinition.resolvedDependencies",
            "ab" * 20,
        ),
        (
            f"{DEFINITION}.resolvedDependencies",
            material(digest={}),
            "commit in buildDefinition.resolvedDependencies",
            "none",
        ),
        (
            f"{DEFINITION}.resolvedDependencies",
            [*material(), *material(digest={"gitCommit": "ab" * 20})],
            "commit in buildDefinition.resolvedDependencies",
            f"{RELEASE.commit}, {'ab' * 20}",
        ),
        ("predicate", "text", "buildDefinition.buildType", "none"),
    ],
)
def test_v1_with_another_value_is_refused_by_its_field(path: str, value: JsonValue, field: str, found: str) -> None:
    refused = why(V1, path, value)
    assert (refused.code, refused.field, refused.found) == (Code.PROVENANCE_INVALID, field, found)


URI = "invocation.configSource.uri"
CONFIG = "predicate.invocation.configSource"


@pytest.mark.parametrize(
    ("path", "value", "field", "found"),
    [
        ("predicate.buildType", "https://x.example/t", "buildType", "https://x.example/t"),
        ("predicate.builder.id", f"{MALLORY}/b", "builder.id", f"{MALLORY}/b"),
        ("predicate.invocation.parameters", {"x": 1}, "invocation.parameters", "x"),
        ("predicate.invocation.parameters", ["x"], "invocation.parameters", "list"),
        (
            f"{CONFIG}.uri",
            f"git+{MALLORY}@{RELEASE.ref}",
            "repository in invocation.configSource.uri",
            f"git+{MALLORY}",
        ),
        (
            f"{CONFIG}.uri",
            f"git+{RELEASE.repository}@refs/heads/x",
            "ref in invocation.configSource.uri",
            "refs/heads/x",
        ),
        (f"{CONFIG}.uri", f"git+{RELEASE.repository}", "repository in invocation.configSource.uri", "none"),
        (f"{CONFIG}.entryPoint", "x.yml", "invocation.configSource.entryPoint", "x.yml"),
        (f"{CONFIG}.digest.sha1", "ab" * 20, "invocation.configSource.digest.sha1", "ab" * 20),
        ("predicate.materials", [], "uri in materials", "none"),
        ("predicate.materials", material(digest={"sha1": "ab" * 20}), "commit in materials", "ab" * 20),
    ],
)
def test_v02_with_another_value_is_refused_by_its_field(path: str, value: JsonValue, field: str, found: str) -> None:
    refused = why(V02, path, value)
    assert (refused.code, refused.field, refused.found) == (Code.PROVENANCE_INVALID, field, found)


def test_the_builders_that_were_named_and_no_other_may_have_built() -> None:
    named = why(V1, builders=("https://builder.example",))
    assert (named.field, named.expected, named.found) == (
        "runDetails.builder.id",
        "https://builder.example",
        RELEASE.identity,
    )
    # Of v1, the builder that was named must be the certificate's too.
    raw = changed(V1, f"{DETAILS}.builder.id", "https://builder.example")
    assert why(raw, builders=("https://builder.example",)).expected == RELEASE.identity
    v02 = changed(V02, "predicate.builder.id", "https://builder.example")
    assert provenance.check(parse(v02), BY, SIGNER, builders=("https://builder.example",))


def test_where_no_commit_is_asked_for_the_certificates_counts() -> None:
    signer = replace(SIGNER, commit="")
    assert provenance.check(parse(V1), BY, signer).commit == RELEASE.commit
    with pytest.raises(Refused, match="commit in buildDefinition"):
        provenance.check(parse(V1), replace(BY, commit="ab" * 20), signer)
    with pytest.raises(Refused, match="expected one that the certificate names too"):
        provenance.check(parse(V1), replace(BY, commit=""), signer)


def test_a_pattern_of_the_ref_is_met_by_the_certificates_own_ref_only() -> None:
    signer = replace(SIGNER, ref=r"^refs/tags/v\d+\.\d+\.\d+$")
    assert provenance.check(parse(V1), BY, signer)
    later = changed(V1, f"{OUTER}.workflow.ref", "refs/tags/v1.6.0")
    with pytest.raises(Refused, match=r"workflow\.ref: expected refs/tags/v1\.5\.0, found refs/tags/v1\.6\.0"):
        provenance.check(parse(later), BY, signer)


def test_a_reusable_workflow_builds_for_ours() -> None:
    called = "https://github.com/acme/build/.github/workflows/image.yml@refs/tags/v2"
    run = other(called=called, called_commit="ab" * 20)
    (one,) = judged(
        bundle(statements.provenance(run, DIGEST, "m"), run), signer=replace(SIGNER, workflow=called)
    ).of_kind(Kind.PROVENANCE)
    assert provenance.check(one.statement, one.identity, replace(SIGNER, workflow=called)).builder == called


def test_another_predicate_is_no_provenance() -> None:
    predicate: Json = json.loads(V1)["predicate"]
    with pytest.raises(Refused, match="PREDICATE_MISMATCH: predicateType of the statement: expected https://slsa"):
        provenance.check(Statement((DIGEST,), "https://slsa.dev/provenance/v9", predicate, ""), BY, SIGNER)
