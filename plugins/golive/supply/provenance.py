"""SLSA provenance v0.2 and v1: built from our commit at our ref, by our workflow, nothing unlooked at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from golive.supply.errors import Code, Refused
from golive.supply.identity import Identity, Signer, matches_ref
from golive.supply.statement import SLSA_V02, SLSA_V1, Statement
from golive.types import Json, JsonValue, dig, items, mapping, text

_WORKFLOW_V1 = "https://actions.github.io/buildtypes/workflow/v1"
BUILD_TYPES = (_WORKFLOW_V1, "https://github.com/slsa-framework/slsa-github-generator/container@v1")
"""Those whose fields are known here."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where the bytes came from, each field compared."""

    predicate_type: str
    build_type: str
    builder: str
    source: str
    """``git+REPOSITORY@REF``"""
    commit: str
    run: str
    """The run's page; empty: not told."""


def check(
    statement: Statement,
    signed_by: Identity,
    signer: Signer,
    *,
    builders: tuple[str, ...] = (),
    build_types: tuple[str, ...] = BUILD_TYPES,
) -> Provenance:
    """What a verified provenance statement says, when every field is as it should be.

    ``signed_by`` is its certificate's owner, ``signer`` who was expected; ``builders``: the builders that may be, none
    named: the workflow that signed. Raises ``Refused`` (PROVENANCE_INVALID, PREDICATE_MISMATCH).
    """
    if statement.predicate_type == SLSA_V1:
        return _v1(statement.predicate, signed_by, signer, builders, build_types)
    if statement.predicate_type == SLSA_V02:
        return _v02(statement.predicate, signed_by, signer, builders, build_types)
    expected = f"{SLSA_V1} or {SLSA_V02}"
    found = statement.predicate_type
    raise Refused(Code.PREDICATE_MISMATCH, "predicateType of the statement", expected=expected, found=found)


def _v1(
    predicate: JsonValue, signed_by: Identity, signer: Signer, builders: tuple[str, ...], build_types: tuple[str, ...]
) -> Provenance:
    build = mapping(predicate, "buildDefinition")
    _one_of("buildDefinition.buildType", build_types, text(build, "buildType"))
    builder = text(predicate, "runDetails", "builder", "id")
    _one_of("runDetails.builder.id", builders or (signed_by.builder,), builder)
    _same("runDetails.builder.id", signed_by.builder, builder)
    outer = _only("buildDefinition.externalParameters", build.get("externalParameters"), {"workflow"})
    where = "buildDefinition.externalParameters.workflow"
    workflow = _only(where, outer.get("workflow"), {"repository", "ref", "path"})
    ref = text(workflow, "ref")
    _same(f"{where}.repository", signer.repository, text(workflow, "repository"))
    _ref(f"{where}.ref", signer, signed_by, ref)
    if not signer.reusable:
        _same(f"{where}.path", signer.workflow, text(workflow, "path"))
    runner = text(build, "internalParameters", "github", "runner_environment")
    if runner and signer.runner:
        _same("buildDefinition.internalParameters.github.runner_environment", signer.runner, runner)
    source = f"git+{signer.repository}@{ref}"
    commit = _material("buildDefinition.resolvedDependencies", items(build, "resolvedDependencies"), source)
    _same("commit in buildDefinition.resolvedDependencies", _commit(signer, signed_by), commit)
    run = text(predicate, "runDetails", "metadata", "invocationId")
    return Provenance(SLSA_V1, text(build, "buildType"), builder, source, commit, run)


def _v02(
    predicate: JsonValue, signed_by: Identity, signer: Signer, builders: tuple[str, ...], build_types: tuple[str, ...]
) -> Provenance:
    _one_of("buildType", build_types, text(predicate, "buildType"))
    builder = text(predicate, "builder", "id")
    _one_of("builder.id", builders or (signed_by.builder,), builder)
    _only("invocation.parameters", dig(predicate, "invocation", "parameters", default={}), set())
    config = mapping(predicate, "invocation", "configSource")
    before, _, ref = text(config, "uri").rpartition("@")
    _same("repository in invocation.configSource.uri", f"git+{signer.repository}", before)
    _ref("ref in invocation.configSource.uri", signer, signed_by, ref)
    if not signer.reusable:
        _same("invocation.configSource.entryPoint", signer.workflow, text(config, "entryPoint"))
    wanted = _commit(signer, signed_by)
    _same("invocation.configSource.digest.sha1", wanted, text(config, "digest", "sha1"))
    source = f"git+{signer.repository}@{ref}"
    commit = _material("materials", items(predicate, "materials"), source)
    _same("commit in materials", wanted, commit)
    return Provenance(SLSA_V02, text(predicate, "buildType"), builder, source, commit, signed_by.run)


def _commit(signer: Signer, signed_by: Identity) -> str:
    """The release's commit; where it is not asked for, the one of the certificate."""
    return signer.commit or signed_by.commit


def _ref(where: str, signer: Signer, signed_by: Identity, ref: str) -> None:
    if not matches_ref(signer.ref, ref):
        raise _invalid(where, signer.ref, ref or "none")
    _same(where, signed_by.ref, ref)  # a pattern may match more than one; the certificate names one


def _material(where: str, materials: list[Json], source: str) -> str:
    """The commit of the source among all materials; it is the same wherever the source is named."""
    found = [one for one in materials if text(one, "uri") == source]
    if not found:
        raise _invalid(f"uri in {where}", source, ", ".join(_uris(materials)) or "none")
    commits = {text(one, "digest", "gitCommit") or text(one, "digest", "sha1") for one in found}
    if len(commits) > 1:
        raise _invalid(f"commit in {where}", "one", ", ".join(sorted(commits)))
    return commits.pop()


def _uris(materials: list[Json]) -> Iterator[str]:
    return (text(one, "uri") or "one without a uri" for one in materials)


def _only(where: str, found: JsonValue, known: set[str]) -> Json:
    """Parameters change what is built: an unknown one is refused, as SLSA asks; an empty one changes nothing."""
    if not isinstance(found, dict):
        raise _invalid(where, "an object", "none" if found is None else type(found).__name__)
    unknown = sorted(key for key, value in found.items() if key not in known and value not in (None, {}, [], ""))
    if unknown:
        raise _invalid(where, f"only {', '.join(sorted(known)) or 'an empty one'}", ", ".join(unknown))
    return found


def _one_of(where: str, allowed: tuple[str, ...], found: str) -> None:
    if not found or found not in allowed:
        raise _invalid(where, " or ".join(allowed), found or "none")


def _same(where: str, expected: str, found: str) -> None:
    if not expected or found != expected:
        raise _invalid(where, expected or "one that the certificate names too", found or "none")


def _invalid(where: str, expected: str, found: str) -> Refused:
    return Refused(Code.PROVENANCE_INVALID, where, expected=expected, found=found)
