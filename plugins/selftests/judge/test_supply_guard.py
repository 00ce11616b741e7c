"""The mutation guard: with any one of our checks taken out, something bad would pass. So each has a case of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from golive.supply import provenance, sbom
from golive.supply.errors import Refused
from golive.supply.identity import Signer
from golive.supply.judged import Report
from golive.supply.statement import Kind
from golive.types import Json, items
from golive_sandbox.signing import sboms, statements
from golive_sandbox.signing.leaf import Leaf
from selftests.judge.supplied import (
    AUTHORITY,
    DIGEST,
    MALLORY,
    OTHER,
    RELEASE,
    SIGNED,
    SIGNER,
    bundle,
    judged,
    other,
    trusting,
)  # fmt: skip

BEFORE = SIGNED - timedelta(minutes=1)


def nothing(*_: object, **__: object) -> None:
    """A check that was taken out."""


@dataclass(frozen=True)
class Mutant:
    """``target`` replaced by ``by``: ``report`` then accepts what it must not."""

    target: str
    by: Callable[..., object]
    report: Callable[[], Report]


def same_but(field: str) -> Callable[..., object]:
    """The comparison of values, blind to one field."""
    from golive.supply import identity

    real = identity._same

    def check(code: object, name: str, expected: str, found: str) -> None:
        if field not in name:
            real(code, name, expected, found)  # type: ignore[arg-type]

    return check


SAME = "golive.supply.identity._same"
SBOM = statements.spdx(sboms.spdx(DIGEST, "m"), DIGEST, "m")
MUTANTS = {
    "subject": Mutant(
        "golive.supply.statement.Statement.bound_to",
        lambda *_: DIGEST,
        lambda: judged(bundle(statements.signed(OTHER))),
    ),
    "predicate type": Mutant(
        "golive.supply.statement.kind_of",
        lambda *_: Kind.SIGNATURE,
        lambda: judged(bundle(SBOM)),
    ),
    "issuer": Mutant(SAME, same_but(".1.8"), lambda: judged(bundle(like=Leaf(instead={8: "https://x.example"})))),
    "old issuer": Mutant(SAME, same_but(".1.1)"), lambda: judged(bundle(like=Leaf(instead={1: "https://x.example"})))),
    "identity": Mutant(
        "golive.supply.identity.Signer._check_name",
        nothing,
        lambda: judged(bundle(like=Leaf(san=RELEASE.identity.replace("release.yml", "test.yml")))),
    ),
    "repository": Mutant(SAME, same_but(".1.12"), lambda: judged(bundle(like=Leaf(instead={12: MALLORY})))),
    "commit": Mutant(SAME, same_but(".1.13"), lambda: judged(bundle(workflow=other(commit="ab" * 20)))),
    "runner": Mutant(SAME, same_but(".1.11"), lambda: judged(bundle(workflow=other(runner="self-hosted")))),
    "ref": Mutant(
        "golive.supply.identity.matches_ref",
        lambda *_: True,
        lambda: judged(bundle(workflow=other(ref="refs/tags/v1.4.9"))),
    ),
    "trust window": Mutant(
        "golive.supply.trust.Trust.unused",
        lambda *_: (),
        lambda: judged(bundle(), trust=trusting(AUTHORITY.trusted_root(ca_until=BEFORE))),
    ),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_only_this_check_refuses_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mutant = MUTANTS[name]
    with pytest.raises(Refused):
        mutant.report().of_kind(Kind.SIGNATURE)
    monkeypatch.setattr(mutant.target, mutant.by)
    assert mutant.report().of_kind(Kind.SIGNATURE)


PLAIN = sboms.spdx(DIGEST, "m", packages=2)
DOCUMENTS: dict[str, Json] = {
    "golive.supply.schemas.check": {**PLAIN, "colour": "red"},
    "golive.supply.sbom.same": {**PLAIN, "dataLicense": "MIT"},
    "golive.supply.sbom._known": {**PLAIN, "documentDescribes": ["SPDXRef-none"]},
    "golive.supply.sbom.unique": {**PLAIN, "packages": [*items(PLAIN, "packages"), items(PLAIN, "packages")[1]]},
}


@pytest.mark.parametrize("target", DOCUMENTS)
def test_only_this_check_of_an_sbom_refuses_it(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    accept = {DIGEST: "image"}
    with pytest.raises(Refused):
        sbom.check(DOCUMENTS[target], accept)
    monkeypatch.setattr(target, (lambda _, names: set(names)) if target.endswith("unique") else nothing)
    assert sbom.check(DOCUMENTS[target], accept)


def blind(function: str, field: str) -> Callable[..., object]:
    """A comparison of provenance, blind to one field."""
    real = getattr(provenance, function)

    def check(where: str, *values: object) -> object:
        return values[0] if field in where else real(where, *values)

    return check


ELSE = "refs/heads/x"
BUILT = {
    ("_same", "repository"): other(repository=MALLORY),
    ("_ref", "workflow.ref"): other(ref=ELSE),
    ("_same", "path"): other(file=".github/workflows/test.yml"),
    ("_same", "runner_environment"): other(runner="self-hosted"),
    ("_same", "commit in"): other(commit="ab" * 20),
}


@pytest.mark.parametrize("check", BUILT, ids=lambda one: "-".join(one))
def test_only_this_check_of_a_provenance_refuses_it(check: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """What a trusted workflow wrongly says: its own certificate is right, one field of the statement is not."""
    run = BUILT[check]
    raw = statements.provenance(run, DIGEST, "m")
    raw = raw.replace(run.identity.encode(), RELEASE.identity.encode())
    if check[0] != "_same" or check[1] != "commit in":
        raw = raw.replace(f"git+{run.repository}@{run.ref}".encode(), f"git+{RELEASE.repository}@{run.ref}".encode())
    (one,) = judged(bundle(raw)).of_kind(Kind.PROVENANCE)
    with pytest.raises(Refused):
        provenance.check(one.statement, one.identity, SIGNER)
    monkeypatch.setattr(provenance, check[0], blind(*check))
    assert provenance.check(one.statement, one.identity, SIGNER)


def test_the_guard_has_what_it_guards() -> None:
    """A signer without a field asks for less: the fields that may be empty are these."""
    bare = Signer(SIGNER.repository, SIGNER.workflow, SIGNER.ref, runner="", commit="")
    assert judged(bundle(workflow=other(runner="self-hosted", commit="ab" * 20)), signer=bare).accepted
    assert not judged(
        bundle(workflow=other(runner="self-hosted")), signer=replace(bare, runner="github-hosted")
    ).accepted
