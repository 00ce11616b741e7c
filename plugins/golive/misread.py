"""What is wrong with a ``golive.toml``, a line for each: the key, what was expected, what was found."""

from __future__ import annotations

import re

from golive.redact import looks_secret

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""What moves a terminal's cursor, breaks a line or turns the direction of writing: never part of a name."""
_PLAIN = "expected one line of text without control characters"


def unprintable(data: object, key: str = "") -> list[str]:
    """A line for each text, keys too, that a screen would not show as it stands in the file."""
    if isinstance(data, dict):
        bad = [name for name in data if _CONTROL.search(name)]
        if bad:
            return [f"{key or 'the file'}: {_PLAIN} in its keys, found {name!a:.80}" for name in bad]
        return [line for name, value in data.items() for line in unprintable(value, f"{key}.{name}".lstrip("."))]
    if isinstance(data, list):
        return [line for value in data for line in unprintable(value, key)]
    if isinstance(data, str) and _CONTROL.search(data):
        return [f"{key}: {_PLAIN}, found {'(hidden)' if looks_secret(key, data) else f'{data!a:.80}'}"]
    return []


def line_of(data: object, where: tuple[int | str, ...], message: str, kind: str) -> str:
    """One of pydantic's problems."""
    key = ".".join(str(part) for part in where) or "the file"
    if kind == "extra_forbidden":
        return f"{key}: expected no such key (see golive.example.toml), found it"
    expected = message.removeprefix("Value error, ").removeprefix("Input should be ")
    expected = expected if expected.startswith("expected") else f"expected {expected}"
    if kind == "missing":
        return f"{key}: expected a value (it has no default), found none"
    if ", found " in expected:
        return f"{key}: {expected}"
    return f"{key}: {expected}, found {_shown(key, _found(data, where))}"


def _found(data: object, where: tuple[int | str, ...]) -> object:
    """What the file holds at this place."""
    for part in where:
        if isinstance(data, dict):
            data = data.get(part)
        elif isinstance(data, list) and isinstance(part, int) and part < len(data):
            data = data[part]
        else:
            return None
    return data


def _shown(key: str, found: object) -> str:
    if looks_secret(key, str(found)):
        return "(hidden)"
    return "a table" if isinstance(found, dict) else repr(found)[:80]


def written_secrets(data: object, key: str) -> list[str]:
    """Secrets written into the file, by the name of the key or by the shape of the value."""
    if isinstance(data, dict):
        shaped = any(looks_secret("", str(value)) for value in data.values())
        if set(data) in ({"env"}, {"secret", "key"}) and not shaped:
            return []  # a reference, which is how it should be
        return [line for name, value in data.items() for line in written_secrets(value, f"{key}.{name}".lstrip("."))]
    if isinstance(data, list):
        return [line for value in data for line in written_secrets(value, key)]
    if isinstance(data, str) and looks_secret(key, data):
        return [f'{key}: expected a reference such as {{env = "NAME"}}, found a secret written into the file']
    return []
