"""What is said about an image, as in-toto statements: that it is signed, what is in it, how it was built."""

from __future__ import annotations

from golive_sandbox.signing.bodies import canonical
from golive_sandbox.signing.workflow import Workflow
from golive_sandbox.types import Json

STATEMENT = "https://in-toto.io/Statement/v1"
COSIGN_SIGN = "https://sigstore.dev/cosign/sign/v1"
SPDX = "https://spdx.dev/Document/v2.3"
CYCLONEDX = "https://cyclonedx.org/bom"
SLSA_V1, SLSA_V02 = "https://slsa.dev/provenance/v1", "https://slsa.dev/provenance/v0.2"
_BUILD_TYPE_V1 = "https://actions.github.io/buildtypes/workflow/v1"
_BUILD_TYPE_V02 = "https://github.com/slsa-framework/slsa-github-generator/container@v1"


def statement(
    kind: str, predicate: Json, digest: str, *, name: str = "", algorithm: str = "sha256", version: str = STATEMENT
) -> bytes:
    """A statement of ``kind`` (its predicate type) about one image; ``digest`` is ``sha256:HEX``."""
    subject: Json = {"digest": {algorithm: digest.partition(":")[2]}}
    if name:
        subject["name"] = name
    return canonical({"_type": version, "subject": [subject], "predicateType": kind, "predicate": predicate})


def signed(digest: str) -> bytes:
    """What cosign v3 signs: a subject without a name, an empty predicate."""
    return statement(COSIGN_SIGN, {}, digest)


def spdx(document: Json, digest: str, name: str) -> bytes:
    """The SPDX document of an image, as ``actions/attest-sbom`` attests it."""
    return statement(SPDX, document, digest, name=name)


def cyclonedx(document: Json, digest: str, name: str) -> bytes:
    """The CycloneDX document of an image."""
    return statement(CYCLONEDX, document, digest, name=name)


def provenance(workflow: Workflow, digest: str, name: str) -> bytes:
    """SLSA provenance v1 as ``actions/attest-build-provenance`` writes it."""
    definition: Json = {
        "buildType": _BUILD_TYPE_V1,
        "externalParameters": {
            "workflow": {"repository": workflow.repository, "path": workflow.file, "ref": workflow.ref}
        },
        "internalParameters": {
            "github": {
                "event_name": workflow.trigger,
                "repository_id": workflow.repository_id,
                "repository_owner_id": workflow.owner_id,
                "runner_environment": workflow.runner,
            }
        },
        "resolvedDependencies": [{"uri": _source(workflow), "digest": {"gitCommit": workflow.commit}}],
    }
    details: Json = {"builder": {"id": workflow.identity}, "metadata": {"invocationId": workflow.invocation}}
    return statement(SLSA_V1, {"buildDefinition": definition, "runDetails": details}, digest, name=name)


def provenance_v02(workflow: Workflow, digest: str, name: str) -> bytes:
    """SLSA provenance v0.2 as slsa-github-generator writes it for a container."""
    commit: Json = {"sha1": workflow.commit}
    predicate: Json = {
        "builder": {"id": workflow.identity},
        "buildType": _BUILD_TYPE_V02,
        "invocation": {
            "configSource": {"uri": _source(workflow), "digest": commit, "entryPoint": workflow.file},
            "parameters": {},
            "environment": {"github_event_name": workflow.trigger, "github_run_id": workflow.run},
        },
        "metadata": {
            "buildInvocationID": f"{workflow.run}-1",
            "completeness": {"parameters": True, "environment": False, "materials": False},
            "reproducible": False,
        },
        "materials": [{"uri": _source(workflow), "digest": commit}],
    }
    return statement(SLSA_V02, predicate, digest, name=name, version="https://in-toto.io/Statement/v0.1")


def _source(workflow: Workflow) -> str:
    return f"git+{workflow.repository}@{workflow.ref}"
