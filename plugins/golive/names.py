"""Names as a person sees them: what shows nothing is not there, and what stands for nobody names nobody."""

from __future__ import annotations

import re
import unicodedata

_INVISIBLE = re.compile(
    "[\\u034f\\u115f\\u1160\\u17b4\\u17b5\\u180b-\\u180f\\u2800\\u3164\\ufe00-\\ufe0f\\uffa0\\U000e0100-\\U000e01ef]"
)
"""What shows nothing although Unicode calls it a letter, a mark or a symbol."""
_TO_COME = frozenset({"tbd", "tba", "todo", "fixme"})
"""What people write where a name is still to come, whatever follows."""
_NOBODY = _TO_COME | {"na", "nobody", "noone", "none", "null", "nil", "unknown", "anybody", "somebody", "placeholder"}
"""What names nobody; compared letter by letter, so "N/A" and "n.a." are here too."""


def shown(written: str) -> str:
    """What a person sees of it: compatible forms and case folded, without blanks and what shows nothing."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", written).casefold())
    return "".join(one for one in _INVISIBLE.sub("", folded) if unicodedata.category(one)[0] not in "CZ")


def is_somebody(name: str) -> bool:
    """Whether this names a person: it has letters to be seen, and is no word for somebody who is still to come."""
    letters = "".join(one for one in shown(name) if unicodedata.category(one)[0] == "L")
    first, *_ = re.split(r"[\W_]+", name.casefold().strip(" <[({"), maxsplit=1)
    return bool(letters) and letters not in _NOBODY and first not in _TO_COME
