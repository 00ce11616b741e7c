"""The one filter in front of everything that is written: journal, verdict, terminal, HTML page, Allure.

Two ways to be redacted: a value this process knows to be secret (``Redactor.learn``), or a text with the shape of one.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from typing import overload

from golive.types import Json, JsonValue

MASK = "[redacted]"

# Names whose value is a secret whatever it looks like; matched against the last part of a key or variable.
SECRET_NAME = re.compile(
    r"(?i)(^|[^a-z])(pass(word|wd|phrase)?|secret|token|api[_-]?key|routing[_-]?key|private[_-]?key|access[_-]?key|credentials?|bearer)$"
)

_SHAPES = (
    re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.S),
    re.compile(r"\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]+"),  # JSON web token, service-account tokens too
    re.compile(r"\b(gh[pousr]_\w{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|xox[abeprs]-[\w-]{10,}|xapp-[\w-]{10,})"),
    re.compile(r"\b(AKIA|ASIA)[A-Z0-9]{16}\b"),
    re.compile(r"\bhttps://hooks\.slack\.com/services/\S+"),
)
# Shapes where only a part is secret: the named group stays, the rest is masked.
_PARTS = (
    re.compile(
        r"(?i)(?P<keep>\b(?:proxy-)?authorization[\"']?\s*[:=]\s*[\"']?(?:(?:bearer|basic|token)\s+)?)[^\s\"',;\[]{4,}"
    ),
    re.compile(r"(?i)(?P<keep>\b(?:bearer|basic)\s+)[\w.~+/=-]{12,}"),
    re.compile(r"(?P<keep>\b[a-z][a-z0-9+.-]*://[^\s:/@]*:)[^\s@/]+(?=@)"),
    re.compile(
        r"(?i)(?P<keep>(?:pass(?:word|wd|phrase)?|secret|token|api[_-]?key|routing[_-]?key|access[_-]?key|client-key-data)[\"']?\s*[:=]\s*[\"']?)"
        r"(?!\[redacted\])[^\s\"',;&}\[]{4,}"
    ),
)


def looks_secret(key: str, value: str) -> bool:
    """Whether ``value`` under ``key`` is a secret by the key's name or by its own shape."""
    named = bool(SECRET_NAME.search(key.rsplit(".", 1)[-1])) and bool(value)
    with_password = bool(re.search(r"[a-z][a-z0-9+.-]*://[^\s:/@]*:[^\s@/]+@", value))
    return named or with_password or any(shape.search(value) for shape in _SHAPES)


class Redactor:
    """Masks secrets in text and in JSON; knows values it was taught and shapes it recognises."""

    def __init__(self, known: Iterable[str] = ()) -> None:
        self._known: set[str] = set()
        for value in known:
            self.learn(value)

    @classmethod
    def from_environment(cls) -> Redactor:
        """A filter that knows every secret-named environment variable of this process."""
        return cls(value for name, value in os.environ.items() if SECRET_NAME.search(name))

    def learn(self, value: str) -> None:
        """Mask ``value`` from now on, JSON-escaped too; under 6 characters it would mask ordinary words."""
        if len(value) >= 6:
            self._known |= {value, json.dumps(value)[1:-1]}

    def text(self, value: str) -> str:
        """``value`` with every secret masked."""
        for secret in sorted(self._known, key=len, reverse=True):
            value = value.replace(secret, MASK)
        for shape in _SHAPES:
            value = shape.sub(MASK, value)
        for part in _PARTS:
            value = part.sub(lambda found: f"{found['keep']}{MASK}", value)
        return value

    @overload
    def json(self, value: Json) -> Json: ...
    @overload
    def json(self, value: JsonValue) -> JsonValue: ...
    def json(self, value: JsonValue) -> JsonValue:
        """``value`` with secrets masked in every string, and under every secret-named key."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self.json(item) for item in value]
        if isinstance(value, dict):
            return {
                self.text(key): MASK if isinstance(item, str) and item and SECRET_NAME.search(key) else self.json(item)
                for key, item in value.items()
            }
        return value
