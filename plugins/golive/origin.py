"""What the passes of 1.4 speak of: ``[supply_chain]``, the trusted root's file, the release, the reviewed manifest.

The first entry of a run keeps their hashes. A pass of an earlier run counts only where all of it was the same: the
digest alone does not say by whose signature, nor beside which other images.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from golive.journal import Entry, canonical
from golive.types import Json, mapping, text

if TYPE_CHECKING:
    from golive.given import Given

KEY = "origin"
"""Of a run's first entry: ``{settings, manifest}``, SHA-256 in hex."""
_ABOUT = "1.4-"
_WORDS = {
    "settings": "by other settings (golive.toml: [supply_chain], its trusted root, [release])",
    "manifest": "with another reviewed manifest (release.manifest)",
}


def origin_of(given: Given) -> Json:
    """What is judged by, as this run read it; paths are left out, since another machine has others."""
    settings, hashes = given.settings, dict(given.hashes)
    chain, release = settings.supply_chain, settings.release
    rules: Json = chain.model_dump(mode="json", exclude={"trust": {"file": True}}) if chain else {}
    named = release.model_dump(mode="json", include={"image", "tag", "digest", "revision", "platforms"})
    root = hashes.get(chain.trust.file, "") if chain and chain.trust.file else ""
    by = hashlib.sha256(canonical({"supply_chain": rules, "root": root, "release": named})).hexdigest()
    return {"settings": by, "manifest": hashes.get(release.manifest, "")}


def judged_otherwise(criterion: str, entries: Sequence[Entry]) -> dict[str, str]:
    """The runs whose outcomes of ``criterion`` do not count, and why; ``entries`` are run by run, the newest last.

    The newest run that says what it judges by is the one they are compared with; without one, all count.
    """
    if not criterion.startswith(_ABOUT):
        return {}
    begun = [entry.data for entry in entries if entry.kind == "run"]
    wanted = next((mapping(one, KEY) for one in reversed(begun) if mapping(one, KEY)), None)
    if wanted is None:
        return {}
    differ = {text(one, "run"): _difference(mapping(one, KEY), wanted) for one in begun}
    return {run: why for run, why in differ.items() if why}


def _difference(one: Json, wanted: Json) -> str:
    found = [words for key, words in _WORDS.items() if one.get(key) != wanted.get(key)]
    return f"judged {' and '.join(found)}" if found else ""
