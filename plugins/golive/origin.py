"""What a run's outcomes speak of: all of ``golive.toml``, the reviewed files and the trusted root, as it read them.

The first entry of a run keeps their hashes. A pass of an earlier run counts only where all of it was the same: the
digest alone does not say by which limits, people or signers it was judged, nor in front of which Services.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from golive.journal import Entry, canonical
from golive.types import Json, JsonValue, mapping, text

if TYPE_CHECKING:
    from golive.given import Given

KEY = "origin"
"""Of a run's first entry: a SHA-256 in hex for each section of ``golive.toml`` and for the reviewed files, by name."""
_NOT_JUDGED: Mapping[str, bool | Mapping[str, bool | Mapping[str, bool]]] = {
    **dict.fromkeys(("criteria", "scope", "report"), True),
    "target": {"kubeconfig": True},
    "release": {"manifest": True, "templates": True},
    "registry": {"docker_config": True, "ca_file": True},
    **{name: {"ca_file": True} for name in ("github", "prometheus", "alertmanager")},
    "supply_chain": {"trust": {"file": True}},
}
"""What changes no judgement: which stages run, what reports point to, and paths, since another machine has others."""


def origin_of(given: Given) -> Json:
    """What is judged by, as this run read it, each part under the name that people know it by."""
    settings, hashes = given.settings, dict(given.hashes)
    chain, release = settings.supply_chain, settings.release
    said: Json = settings.model_dump(mode="json", exclude=_NOT_JUDGED)
    parts = {name if isinstance(value, bool) else f"[{name}]": value for name, value in said.items()}
    if chain and chain.trust.file:
        parts["supply_chain.trust.file"] = hashes.get(chain.trust.file, "")
    parts["release.manifest"] = hashes.get(release.manifest, "")
    parts["release.templates"] = [hashes.get(one, "") for one in release.templates]
    return {name: _hash(value) for name, value in parts.items()}


def _hash(value: JsonValue) -> str:
    return hashlib.sha256(canonical(value)).hexdigest()


def judged_otherwise(entries: Sequence[Entry]) -> dict[str, str]:
    """The runs whose outcomes do not count, and why; ``entries`` are run by run, the newest last.

    The newest run that says what it judges by is the one they are compared with; without one, all count.
    """
    begun = [entry.data for entry in entries if entry.kind == "run"]
    wanted = next((mapping(one, KEY) for one in reversed(begun) if mapping(one, KEY)), None)
    if wanted is None:
        return {}
    differ = {text(one, "run"): _difference(mapping(one, KEY), wanted) for one in begun}
    return {run: why for run, why in differ.items() if why}


def _difference(one: Json, wanted: Json) -> str:
    if not one:
        return "it does not tell by which golive.toml it judged"
    found = [name for name in {**one, **wanted} if one.get(name) != wanted.get(name)]
    return f"judged by another {', '.join(found)} (golive.toml)" if found else ""
