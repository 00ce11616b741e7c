"""Is the pattern somebody wrote for an identity one that only the release's own workflow can match?

An identity as Fulcio writes it for GitHub: ``https://github.com/OWNER/REPOSITORY/.github/workflows/FILE@REF``. A
pattern is matched whole here, but other tools search for it anywhere in the text, so it is tried in both ways.
"""

from __future__ import annotations

import re

_STRANGER = "golive-stranger"
_TAGS = re.compile(r"\^refs/tags/(?![*+?{])")
_NO_BAR = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)
"""Escaped characters and character classes, whose bars and parentheses mean nothing."""
_EXTENSION = re.compile(r"\(\?(?!:)")
"""A comment, a flag, a look around: it hides what stands outside of parentheses, or matches what no trial thinks of."""
_GROUP = re.compile(r"\([^()]*\)")
_BAD_REF = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/$|\.$")
"""What git allows in no ref (git-check-ref-format): whoever writes it means a pattern."""


def ref_problem(ref: str) -> str:
    """What is wrong with the ``ref`` of ``golive.toml``, or nothing. ``{tag}`` has been filled in.

    A text that begins with ``^`` is a pattern, which is matched whole; every other is exact.
    """
    if not ref.startswith("^"):
        if _BAD_REF.search(ref) or "(" in ref or "+" in ref:
            return f"expected an exact ref, or a pattern anchored at both ends, found {ref!r}: write {_anchored(ref)!r}"
        if not re.fullmatch(r"refs/(heads|tags)/.+", ref):
            return f"expected a full ref of a tag or branch such as refs/tags/v1.5.0, found {ref!r}"
        return ""
    problem = _pattern_problem(ref)
    if problem:
        return problem
    decoys = {
        "a pull request's": "refs/pull/41/merge",
        "any branch's": f"refs/heads/{_STRANGER}",
        "a branch's that is named like a tag": f"refs/heads/refs/tags/{_STRANGER}",
    }
    wide = _accepts(ref, decoys, "a ref that only releases have, such as ^refs/tags/v[0-9]+\\.[0-9]+\\.[0-9]+$")
    if wide or (wide := _alternatives(ref)):
        return wide
    if not _TAGS.match(ref):
        return f"expected a pattern of tags, ^refs/tags/…$, found {ref!r}: a branch is named exactly, without ^ and $"
    return ""


def identity_problem(pattern: str, identity: str) -> str:
    """What is wrong with a hand-written pattern for the whole identity, or nothing.

    ``identity`` is what it must match: the workflow at an example of its ref. The runbook's own pattern
    ``https://github.com/.*/actions`` matches no identity that exists and does match a repository named ``actions``.
    """
    hint = f"^{re.escape(identity)}$"
    problem = _pattern_problem(pattern, hint)
    if problem:
        return problem
    if not re.fullmatch(pattern, identity):
        return f"expected a pattern that matches {identity!r}, found {pattern!r}, which does not: write {hint!r}"
    wide = _accepts(pattern, decoys_of(identity), f"a pattern that matches this workflow only, such as {hint!r}")
    return wide or _alternatives(pattern)


def decoys_of(identity: str) -> dict[str, str]:
    """Identities that are not this one, by what they would be: all must be refused."""
    place, _, ref = identity.partition("@")
    repository, _, file = place.partition("/.github/workflows/")
    host, owner, name = repository.rsplit("/", 2)
    workflow, tail = f"/.github/workflows/{file}", f"@{ref}"
    return {
        "another owner's": f"{host}/{_STRANGER}/{name}{workflow}{tail}",
        "a look-alike owner's": f"{host}/{owner}-{_STRANGER}/{name}{workflow}{tail}",
        "a repository's whose name only begins like ours": f"{repository}-{_STRANGER}{workflow}{tail}",
        "another repository's of the same owner": f"{host}/{owner}/{_STRANGER}{workflow}{tail}",
        "a repository's that is named actions": f"{host}/{_STRANGER}/actions{workflow}{tail}",
        "another workflow's": f"{repository}/.github/workflows/{_STRANGER}.yml{tail}",
        "a workflow's in another folder": f"{repository}/{_STRANGER}/{file}{tail}",
        "a branch's": f"{place}@refs/heads/{_STRANGER}",
        "a pull request's": f"{place}@refs/pull/41/merge",
        "a longer ref's": f"{identity}-{_STRANGER}",
        "another host's": f"https://{_STRANGER}.example/{place.removeprefix('https://')}{tail}",
        "another host's that quotes ours": f"https://{_STRANGER}.example/?{identity}",
        "a host's that differs in a dot": identity.replace(".", "x", 1),
        "a file's that differs in a dot": f"{repository}/xgithub/workflows/{file}{tail}",
        "a file's whose ending differs in a dot": f"{place[::-1].replace('.', 'x', 1)[::-1]}{tail}",
    }


def _pattern_problem(pattern: str, hint: str = "") -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        return f"expected a regular expression, found {pattern!r}: {error}"
    if _extended(pattern):
        return f"expected a pattern without (? other than (?:, found {pattern!r}"
    if not (pattern.startswith("^") and pattern.endswith("$") and not pattern.endswith("\\$")):
        write = hint or _anchored(pattern)
        return f"expected a pattern anchored at both ends, found {pattern!r}: write {write!r}"
    return ""


def _accepts(pattern: str, decoys: dict[str, str], expected: str) -> str:
    for whose, decoy in decoys.items():
        if re.fullmatch(pattern, decoy) or re.search(pattern, decoy):
            return f"expected {expected}, found {pattern!r}, which would accept {whose}: {decoy}"
    return ""


def _alternatives(pattern: str) -> str:
    """A ``|`` outside of parentheses, which no trial finds: what stands behind it has anchors of its own, or none."""
    bare = _NO_BAR.sub("", pattern)
    while bare != (inner := _GROUP.sub("", bare)):
        bare = inner
    if "|" not in bare:
        return ""
    return f"expected alternatives in parentheses, such as ^refs/tags/(v1|v2)$, found {pattern!r}"


def _extended(pattern: str) -> bool:
    return _EXTENSION.search(re.sub(r"\\.", "", pattern, flags=re.DOTALL)) is not None


def _anchored(text: str) -> str:
    """The pattern to write instead: anchored, or where that is none, for exactly this text."""
    bare = text.removeprefix("^")
    bare = bare if bare.endswith("\\$") else bare.removesuffix("$")
    try:
        re.compile(f"^{bare}$")
    except re.error:
        return f"^{re.escape(bare)}$"
    return f"^{re.escape(bare) if _extended(bare) else bare}$"
