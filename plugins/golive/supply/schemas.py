"""The published JSON schemas of SPDX and CycloneDX, as they come inside ``lib4sbom``; its own checks are not used.

``fastjsonschema``, because ``jsonschema`` takes 22 s for a CycloneDX document of 2,000 components (its check of unique
items is quadratic), and this takes 0.2 s and 0.7 s once.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from importlib.resources import files

from golive.supply.errors import Code, Refused
from golive.types import Json, JsonValue

SPDX = {"SPDX-2.2": "spdx/2.2-schema.json", "SPDX-2.3": "spdx/2.3-schema.json"}
CYCLONEDX = {version: f"cyclonedx/bom-{version}.schema.json" for version in ("1.3", "1.4", "1.5", "1.6", "1.7")}
_TEXT: Json = {"type": "string"}
_LISTS: dict[str, Json] = {
    "spdx.schema.json": _TEXT,
    "cryptography-defs.schema.json": {
        "definitions": {"algorithmFamiliesEnum": _TEXT, "ellipticCurvesEnum": _TEXT},
    },
}
"""Lists of names that grow faster than libraries: a licence that is newer than ours makes no document invalid."""


def check(name: str, document: JsonValue) -> None:
    """Raises ``Refused`` (SBOM_INVALID) where the document does not meet the schema of this file name."""
    from fastjsonschema import JsonSchemaValueException

    try:
        _validator(name)(document)
    except JsonSchemaValueException as error:
        rule = f"{error.rule} {error.rule_definition!s:.80}"
        where = ".".join(str(part) for part in error.path[1:]) or "the document"
        raise Refused(Code.SBOM_INVALID, where, expected=rule, found=error.message, detail=name) from error


@cache
def _validator(name: str) -> Callable[[JsonValue], object]:
    import fastjsonschema

    # Formats are not checked: whether a text is an address or a date decides nothing here.
    made: Callable[[JsonValue], object] = fastjsonschema.compile(
        _read(name), handlers={"http": _referenced}, use_formats=False
    )
    return made


def _referenced(address: str) -> Json:
    name = address.rsplit("/", 1)[-1]
    return _LISTS[name] if name in _LISTS else _read(f"cyclonedx/{name}")


def _read(name: str) -> Json:
    found: Json = json.loads(files("lib4sbom").joinpath(f"schemas/{name}").read_text(encoding="utf-8"))
    return found
