"""``[supply_chain]``: what is not exact is a configuration error that says what to write."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from golive.config import load
from golive.errors import ConfigError
from golive.given import kept_settings, read_given, settings_kept
from golive.initial import example_text, fill
from golive.supply import signers
from golive.supply.lint import decoys_of, identity_problem, ref_problem
from golive.supply_settings import SupplyChain

RUNBOOK = "https://github.com/.*/actions"
NAME = "https://github.com/acme/maestro/.github/workflows/release.yml@refs/tags/v1.5.0"
EXACT = r"^https://github\\.com/acme/maestro/\\.github/workflows/release\\.yml@refs/tags/{tag}$"
CHAIN = """\
[supply_chain]
repository = "https://github.com/acme/maestro"
workflow = ".github/workflows/release.yml"
"""
GOOD = (
    """\
armed = false
[target]
cluster = "prod"
cluster_uid = "867b47fd-96d8-4581-b3c7-c752bc94844d"
namespace = "maestro"
rollout = "maestro-server"
[release]
image = "ghcr.io/acme/maestro"
tag = "v1.5.0"
digest = "sha256:{digest}"
revision = "{revision}"
manifest = "rollout.yaml"
[services]
stable = "maestro-server"
canary = "maestro-server-canary"
""".format(digest="b" * 64, revision="d" * 40)
    + CHAIN
)
HASH = "a" * 64
LISTED = """\
[[criterion]]
id = "0.1-target"
gate = "p0"
stage = "preflight"
runbook = "0"
title = "it is"
"""


def read(folder: Path, text: str) -> SupplyChain:
    (folder / "golive.toml").write_text(text, encoding="utf-8")
    found = load(folder / "golive.toml").supply_chain
    assert found is not None
    return found


def problems(folder: Path, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        read(folder, text)
    assert all(": expected " in line and ", found " in line for line in str(caught.value).splitlines())
    return str(caught.value)


def test_three_fields_say_exactly_who_may_sign(tmp_path: Path) -> None:
    chain = read(tmp_path, GOOD)
    signer = signers.of_release(chain, "v1.5.0", "d" * 40)
    assert (signer.name, signer.commit, signer.runner) == (NAME, "d" * 40, "github-hosted")
    assert signer.issuer == "https://token.actions.githubusercontent.com"
    assert (signer.name_pattern, chain.trust.mode, chain.sbom.min_packages) == ("", "public", 1)


def test_the_section_may_be_left_out(tmp_path: Path) -> None:
    (tmp_path / "golive.toml").write_text(GOOD.replace(CHAIN, ""), encoding="utf-8")
    assert load(tmp_path / "golive.toml").supply_chain is None


def test_all_that_can_be_said_is_read_and_files_are_beside_it(tmp_path: Path) -> None:
    more = f"""\
ref = "^refs/tags/{{tag}}(-[0-9]+)?$"
runner = "any"
rekor_url = "https://rekor.example.com"
[supply_chain.trust]
mode = "pinned"
file = "trusted_root.json"
sha256 = "{HASH}"
pinned_on = 2026-11-02
[supply_chain.provenance]
builders = ["https://builder.example.com"]
[[supply_chain.images]]
image = "ghcr.io/acme/side"
signed = {{repository = "https://github.com/acme/side", workflow = ".github/workflows/r.yaml", ref = "refs/heads/main"}}
[[supply_chain.images]]
image = "ghcr.io/acme/side/deep"
trusted_digests = ["sha256:{HASH}"]
"""
    chain = read(tmp_path, GOOD + more)
    assert chain.trust.file == tmp_path / "trusted_root.json"
    signer = signers.of_release(chain, "v1.5.0", "")
    assert signer.ref == r"^refs/tags/v1\.5\.0(-[0-9]+)?$"
    assert signer.runner == ""
    signing = chain.images[0].signed
    assert signing is not None
    assert signers.of_other(chain, signing, "v9").name == (
        "https://github.com/acme/side/.github/workflows/r.yaml@refs/heads/main"
    )


def test_a_pattern_for_the_identity_may_stand_beside_exact_fields_only(tmp_path: Path) -> None:
    chain = read(tmp_path, GOOD + f'identity = "{EXACT}"\n')
    assert signers.of_release(chain, "v1.5.0", "").name_pattern.endswith(r"@refs/tags/v1\.5\.0$")
    said = problems(tmp_path, GOOD + f'ref = "^refs/tags/v.*$"\nidentity = "{EXACT}"\n')
    assert "supply_chain: expected identity or a pattern in ref, found both: leave identity out" in said


def test_the_longest_path_that_fits_decides_and_a_name_that_only_begins_alike_does_not_fit(tmp_path: Path) -> None:
    images = "".join(
        f'[[supply_chain.images]]\nimage = "{image}"\ntrusted_digests = ["sha256:{HASH}"]\n'
        for image in ("ghcr.io/acme", "ghcr.io/acme/side")
    )
    chain = read(tmp_path, GOOD + images)
    assert chain.other("ghcr.io/acme/side/deep") is chain.images[1]
    assert chain.other("ghcr.io/acme/side") is chain.images[1]
    assert chain.other("ghcr.io/acme/side-evil") is chain.images[0]
    assert chain.other("ghcr.io/acme-evil/side") is None


def test_the_runbooks_own_pattern_is_told_what_to_write(tmp_path: Path) -> None:
    said = problems(tmp_path, GOOD + f'identity = "{RUNBOOK}"\n')
    assert said == (
        "golive.toml: supply_chain: expected a pattern anchored at both ends, found 'https://github.com/.*/actions': "
        r"write '^https://github\\.com/acme/maestro/\\.github/workflows/release\\.yml@refs/tags/{tag}$'"
        " (leave identity out: repository, workflow and ref say it exactly)"
    )
    anchored = problems(tmp_path, GOOD + f'identity = "^{RUNBOOK}$"\n')
    name = NAME.replace("v1.5.0", "{tag}")
    assert f"expected a pattern that matches '{name}', found '^{RUNBOOK}$', which does not: write" in anchored
    for key in ("repository", "workflow"):
        old = next(line for line in CHAIN.splitlines() if line.startswith(key))
        said = problems(tmp_path, GOOD.replace(old, f'{key} = "{RUNBOOK}"'))
        assert f"supply_chain.{key}: expected " in said


@pytest.mark.parametrize(
    ("pattern", "whose"),
    [
        ("^https://github\\.com/acme/.*$", "a repository's whose name only begins"),
        ("^https://github\\.com/.*$", "another owner's"),
        ("^https://github\\.com/acme.*$", "a look-alike owner's"),
        ("^https://.*@refs/tags/v1\\.5\\.0$", "another owner's"),
        ("^https://github\\.com/acme/maestro.*$", "a repository's whose name only begins like ours"),
        ("^https://github\\.com/acme/maestro/.*$", "another workflow's"),
        ("^https://github\\.com/acme/maestro/\\.github/workflows/release\\.yml@.*$", "a branch's"),
        ("^https://github\\.com/acme/maestro/\\.github/workflows/release\\.yml@refs/pull/41/merge|^.*0$", "another ow"),
        ("^https://github\\.com/acme/maestro/\\.github/workflows/release\\.yml@refs/tags/v.*$", "a longer ref's"),
        ("^https://github.com/acme/maestro/\\.github/workflows/release\\.yml@refs/tags/v1\\.5\\.0$", "a host's that"),
        ("^https://github\\.com/acme/maestro/.github/workflows/release\\.yml@refs/tags/v1\\.5\\.0$", "a file's that"),
        ("^https://github\\.com/acme/maestro/\\.github/workflows/release.yml@refs/tags/v1\\.5\\.0$", "a file's whose"),
        (
            "^.*https://github\\.com/acme/maestro/\\.github/workflows/release\\.yml@refs/tags/v1\\.5\\.0$",
            "another host",
        ),
    ],
)
def test_a_pattern_that_accepts_somebody_else_says_whom(pattern: str, whose: str) -> None:
    problem = identity_problem(pattern, NAME)
    assert problem.startswith("expected a pattern that matches this workflow only, such as '^https://github")
    assert f"which would accept {whose}" in problem


def test_alternatives_beside_the_right_identity_are_refused() -> None:
    exact = EXACT.replace("\\\\", "\\").replace("{tag}", r"v1\.5\.0")
    assert "expected alternatives in parentheses" in identity_problem(f"{exact}|^https://evil\\.example$", NAME)


def test_a_pattern_that_accepts_this_workflow_only_is_taken() -> None:
    assert identity_problem(EXACT.replace("\\\\", "\\").replace("{tag}", r"v1\.5\.0"), NAME) == ""
    elsewhere = NAME.replace("github.com", "git.acme.example")
    assert elsewhere not in decoys_of(elsewhere).values()
    assert len(decoys_of(NAME)) == len(set(decoys_of(NAME).values())) == 15
    assert NAME not in decoys_of(NAME).values()


@pytest.mark.parametrize(
    ("ref", "said"),
    [
        ("refs/tags/v.*", "anchored at both ends, found 'refs/tags/v.*': write '^refs/tags/v.*$'"),
        ("refs/tags/v[0-9]+", "anchored at both ends"),
        ("refs/tags/(a|b)", "anchored at both ends"),
        ("^refs/tags/v.*", "anchored at both ends, found '^refs/tags/v.*': write '^refs/tags/v.*$'"),
        ("^refs/tags/v\\$", "anchored at both ends"),
        ("^refs/tags/(v$", "expected a regular expression"),
        ("v1.5.0", "expected a full ref of a tag or branch such as refs/tags/v1.5.0, found 'v1.5.0'"),
        ("refs/pull/7/merge", "expected a full ref of a tag or branch"),
        ("^refs/tags/(?#[)v1|refs/heads/main(?#])$", "expected a pattern without (? other than (?:, found"),
        ("^refs/tags/(?i:V)1$", "expected a pattern without (?"),
        ("^refs/tags/(?!v2)v.$", "expected a pattern without (?"),
        ("^refs/tags/v(?P<n>1)$", "expected a pattern without (?"),
        ("", "expected a full ref"),
        ("refs/tags/a b", "expected an exact ref"),
        ("^.*$", "would accept a pull request's: refs/pull/41/merge"),
        ("^refs/(tags|pull)/.*$", "would accept a pull request's"),
        ("^refs/heads/.*$", "would accept any branch's"),
        ("^refs/tags/v1|.*$", "would accept a pull request's"),
        ("^refs/.*tags/.*$", "would accept a branch's that is named like a tag"),
        ("^refs/heads/release-.*$", "expected a pattern of tags, ^refs/tags/…$, found '^refs/heads/release-.*$'"),
        ("^refs/heads/v.*$", "a branch is named exactly, without ^ and $"),
        ("^refs/heads/main$", "a branch is named exactly, without ^ and $"),
        ("^refs/tags/?.+-x$", "expected a pattern of tags"),
        ("^refs/tags/v1$|^.*evil$", "expected alternatives in parentheses, such as ^refs/tags/(v1|v2)$"),
        ("^refs/tags/(a|[)|])b|c$", "expected alternatives in parentheses"),
    ],
)
def test_a_ref_that_is_not_exact_or_is_too_wide_is_told(ref: str, said: str) -> None:
    assert said in ref_problem(ref)


@pytest.mark.parametrize(
    "ref",
    [
        "refs/tags/v1.5.0",
        "refs/heads/main",
        "^refs/tags/v1\\.[0-9]+$",
        "^refs/tags/(v1|v(2|3))[|\\]]?\\|$",
        "^refs/tags/(?:v1|v2)\\(?$",
    ],
)
def test_a_ref_that_is_exact_or_narrow_is_taken(ref: str) -> None:
    assert ref_problem(ref) == ""


@pytest.mark.parametrize(
    "ref",
    ["refs/tags/v(1", "refs/tags/*+(", "(?m)^refs/tags/v1$", "refs/tags/(?#[)v1", "^refs/tags/v\\$", "^refs/tags/v"],
)
def test_what_is_told_to_write_is_a_pattern(ref: str) -> None:
    written = ref_problem(ref).partition(": write ")[2]
    assert re.compile(ast.literal_eval(written))
    assert "regular expression" not in ref_problem(ast.literal_eval(written))
    assert "anchored" not in ref_problem(ast.literal_eval(written))


TRUST = "[supply_chain.trust]\n"
IMAGE = '[[supply_chain.images]]\nimage = "ghcr.io/acme/side"\n'


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ('ref = "refs/tags/v.*"', "supply_chain.ref: expected an exact ref, or a pattern anchored"),
        ('issuer = "token.actions"', "supply_chain.issuer: expected an https address, found"),
        ('runner = "mine"', "supply_chain.runner: expected"),
        ('rekor_url = "rekor"', "supply_chain.rekor_url"),
        (TRUST + 'mode = "tuf"', "supply_chain.trust.mode: expected"),
        (TRUST + 'mode = "file"', "supply_chain.trust: expected file with mode file, found no file"),
        (
            TRUST + 'mode = "pinned"\nfile = "x"',
            "supply_chain.trust: expected file, sha256, pinned_on with mode pinned, found no sha256, pinned_on",
        ),
        (TRUST + 'file = "x"', "supply_chain.trust: expected no file with mode public, found it"),
        (TRUST + 'mode = "file"\nfile = "x"\nsha256 = "ab"', "supply_chain.trust.sha256: expected 64 lower-case hex"),
        ("[supply_chain.sbom]\nmin_packages = 0", "supply_chain.sbom.min_packages: expected"),
        ("[supply_chain.provenance]\nbuild_types = []", "supply_chain.provenance.build_types: expected"),
        (IMAGE, "supply_chain.images.0: expected signed or trusted_digests, found neither"),
        (IMAGE + 'trusted_digests = ["latest"]', "supply_chain.images.0.trusted_digests.0: expected sha256: and 64"),
        (IMAGE.replace("side", "side:v1"), "supply_chain.images.0.image: expected a repository"),
        (IMAGE + 'signed = {repository = "acme/side", workflow = "r.yml"}', "supply_chain.images.0.signed.repository"),
    ],
)
def test_what_is_wrong_is_told_by_its_key(tmp_path: Path, more: str, said: str) -> None:
    assert said in problems(tmp_path, f"{GOOD}{more}\n")


def test_a_reusable_workflow_is_named_whole(tmp_path: Path) -> None:
    called = "https://github.com/acme/build/.github/workflows/image.yml@refs/tags/v2"
    signer = signers.of_release(read(tmp_path, GOOD.replace(".github/workflows/release.yml", called)), "v1.5.0", "")
    assert (signer.name, signer.reusable, signer.repository) == (called, True, "https://github.com/acme/maestro")
    bare = called.partition("@")[0]
    assert "supply_chain.workflow: expected" in problems(tmp_path, GOOD.replace(".github/workflows/release.yml", bare))


def test_init_leaves_who_signs_commented_out_since_no_cluster_knows_it(tmp_path: Path) -> None:
    file = tmp_path / "golive.toml"
    file.write_text(fill(example_text(), {"armed": False}), encoding="utf-8")
    assert load(file).supply_chain is None
    words = file.read_text(encoding="utf-8")
    assert "# [supply_chain]\n" in words
    assert '# repository = "https://github.com/intelgraph/maestro"\n' in words
    assert "# [supply_chain.trust]\n" in words
    assert "# # mode" not in words


def test_a_trusted_root_that_changes_under_way_is_told_and_none_of_it_is_kept_in_the_record(tmp_path: Path) -> None:
    root, file, listed = tmp_path / "root.json", tmp_path / "golive.toml", tmp_path / "criteria.toml"
    root.write_text("{}", encoding="utf-8")
    listed.write_text(LISTED, encoding="utf-8")
    trust = '[supply_chain.trust]\nmode = "file"\nfile = "root.json"\n'
    file.write_text(f'criteria = "criteria.toml"\n{GOOD}{trust}', encoding="utf-8")
    given = read_given(file, tmp_path, lambda _: True)
    assert given is not None
    assert given.changed() == []
    root.write_text("{ }", encoding="utf-8")
    assert [line.partition(" ")[0] for line in given.changed()] == [str(root)]
    assert settings_kept(kept_settings(given.settings)).supply_chain is None
