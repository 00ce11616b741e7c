"""What lies beside the release's image, as a client finds it, and what each fault makes of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sigstore.errors import Error
from sigstore.models import Bundle, TrustedRoot
from sigstore.verify import Verifier, policy

from golive_sandbox.registry import catalogue, evidence, referrers
from golive_sandbox.scenarios import signatures
from golive_sandbox.signing import statements
from golive_sandbox.signing.bundles import BUNDLE
from golive_sandbox.signing.workflow import GITHUB_ISSUER
from golive_sandbox.types import Json, dig, items, text
from golive_sandbox.world.release import NEXT_TAG, RELEASE_TAG, STABLE_TAG
from golive_sandbox.world.settings import TRUSTED_ROOT
from selftests.registries import ask
from selftests.sandboxes import Sandbox
from selftests.traces import Place

NAME = "signed"
BASE = f"/v2/{NAME}/{catalogue.MAESTRO}"
SIGNATURE, SBOM, PROVENANCE = statements.COSIGN_SIGN, statements.SPDX, statements.SLSA_V1


class Beside:
    """Reads what is beside the image that a tag leads to, and verifies it with the world's trusted root."""

    def __init__(self, place: Place, host: str) -> None:
        self.place, self.host = place, host
        self._verifier = Verifier(trusted_root=TrustedRoot.from_file(str(place.folder / TRUSTED_ROOT)))

    def digest(self, tag: str = RELEASE_TAG) -> str:
        return ask(self.host, f"{BASE}/manifests/{tag}").digest

    def bundles(self, digest: str) -> dict[str, bytes]:
        """By predicate type, as the list of referrers announces it."""
        listed = json.loads(ask(self.host, f"{BASE}/manifests/{referrers.tag(digest)}").body)
        found = {}
        for entry in items(listed, "manifests"):
            manifest = json.loads(ask(self.host, f"{BASE}/manifests/{text(entry, 'digest')}").body)
            assert text(manifest, "subject", "digest") == digest
            assert manifest["artifactType"] == entry["artifactType"] == BUNDLE
            (layer,) = items(manifest, "layers")
            kind = text(manifest, "annotations", "dev.sigstore.bundle.predicateType")
            found[kind] = ask(self.host, f"{BASE}/blobs/{text(layer, 'digest')}").body
        return found

    def said(self, kind: str, tag: str = RELEASE_TAG) -> Json:
        """The statement of that kind, if the tag's own workflow signed it. Raises sigstore's ``Error``."""
        identity = policy.Identity(identity=evidence.workflow(tag).identity, issuer=GITHUB_ISSUER)
        bundle = Bundle.from_json(self.bundles(self.digest(tag))[kind])
        _, payload = self._verifier.verify_dsse(bundle, identity)
        statement: Json = json.loads(payload)
        assert statement["predicateType"] == kind
        return statement

    def subject(self, kind: str, tag: str = RELEASE_TAG) -> str:
        return f"sha256:{text(self.said(kind, tag), 'subject', 0, 'digest', 'sha256')}"


@pytest.fixture(scope="module")
def beside(sandbox: Sandbox) -> Iterator[Beside]:
    made = sandbox.ask("create-world", world=NAME)
    place = Place(sandbox, NAME, Path(text(made, "golive_toml")).parent)
    yield Beside(place, place.registry)
    sandbox.ask("delete-world", world=NAME)


@pytest.fixture
def broken(beside: Beside, request: pytest.FixtureRequest) -> Iterator[Beside]:
    """With the fault that the test names."""
    fault = request.param
    beside.place.sandbox.ask("break", world=NAME, fault=fault)
    yield beside
    beside.place.sandbox.ask("heal", world=NAME, fault=fault)
    assert beside.subject(SIGNATURE) == beside.digest()


def under(*names: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("broken", names, indirect=True)


@pytest.mark.parametrize("tag", [STABLE_TAG, RELEASE_TAG, NEXT_TAG])
def test_an_image_is_signed_by_its_workflow_with_sbom_and_provenance_of_its_digest(beside: Beside, tag: str) -> None:
    digest = beside.digest(tag)
    assert [beside.subject(kind, tag) for kind in (SIGNATURE, SBOM, PROVENANCE)] == [digest] * 3
    described = dig(beside.said(SBOM, tag), "predicate", "packages", 0, "checksums", 0, "checksumValue")
    assert f"sha256:{described}" == digest
    run, made = evidence.workflow(tag), beside.said(PROVENANCE, tag)["predicate"]
    assert dig(made, "runDetails", "builder", "id") == run.identity
    assert dig(made, "buildDefinition", "resolvedDependencies", 0, "digest", "gitCommit") == run.commit


def test_the_registry_has_no_referrers_api_only_the_tag(beside: Beside) -> None:
    assert ask(beside.host, f"{BASE}/referrers/{beside.digest()}").status == 404


@under("platform-missing")
def test_a_release_that_a_fault_built_otherwise_is_signed_as_well(broken: Beside) -> None:
    assert [broken.subject(kind) for kind in (SIGNATURE, SBOM, PROVENANCE)] == [broken.digest()] * 3


@under("unsigned")
def test_an_unsigned_image_has_still_its_attestations(broken: Beside) -> None:
    assert set(broken.bundles(broken.digest())) == {SBOM, PROVENANCE}


BAD = {
    "signed-by-another-repository": "actual SANs: {'https://github.com/acme/somewhere-else/",
    "signed-by-a-fork": "actual SANs: {'https://github.com/mallory/maestro/",
    "signed-from-another-branch": "release.yml@refs/heads/main'}",
    "certificate-expired": "not valid at validation time",
    "signature-tampered": "DSSE: invalid signature",
    "payload-tampered": "DSSE: invalid signature",
    "log-entry-missing": "exactly one log entry",
    signatures.MOVED: f"release.yml@refs/tags/{signatures.OLDER_TAG}'}}",
}


@pytest.mark.parametrize(("broken", "message"), BAD.items(), indirect=["broken"])
def test_a_bad_signature_does_not_verify(broken: Beside, message: str) -> None:
    with pytest.raises(Error) as told:
        broken.said(SIGNATURE)
    assert message in str(told.value)


@under("signature-of-another-image")
def test_a_signature_of_another_image_is_good_but_of_that(broken: Beside) -> None:
    assert broken.subject(SIGNATURE) == broken.digest(NEXT_TAG) != broken.digest()


@under("sbom-of-another-image")
def test_an_sbom_of_another_image_is_attested_for_this_one(broken: Beside) -> None:
    assert broken.subject(SBOM) == broken.digest()
    described = dig(broken.said(SBOM), "predicate", "packages", 0, "checksums", 0, "checksumValue")
    assert f"sha256:{described}" == broken.digest(NEXT_TAG)


@under("sbom-missing")
def test_an_image_without_an_sbom_is_signed_and_has_its_provenance(broken: Beside) -> None:
    assert set(broken.bundles(broken.digest())) == {SIGNATURE, PROVENANCE}


@under("sbom-empty")
def test_an_empty_sbom_has_the_image_only(broken: Beside) -> None:
    assert len(items(broken.said(SBOM), "predicate", "packages")) == 1


@under("provenance-of-another-builder")
def test_provenance_of_another_builder_is_signed_by_the_right_one(broken: Beside) -> None:
    builder = text(broken.said(PROVENANCE), "predicate", "runDetails", "builder", "id")
    assert builder.endswith(f"/nightly.yml@refs/tags/{RELEASE_TAG}")


def test_every_fault_of_signatures_is_tried_here() -> None:
    here = {*BAD, "unsigned", "signature-of-another-image", "sbom-of-another-image", "sbom-empty", "sbom-missing"}
    assert {fault.name for fault in signatures.FAULTS} == here | {"provenance-of-another-builder"}
