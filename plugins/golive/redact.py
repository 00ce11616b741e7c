"""The one filter in front of everything that is written: journal, verdict, terminal, HTML page, Allure.

Two ways to be redacted: a value this process knows to be secret (``Redactor.learn``), or a text with the shape of one.
"""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Iterable
from typing import overload
from urllib.parse import quote

from golive.types import Json, JsonValue

MASK = "[redacted]"

# Names whose value is a secret whatever it looks like; matched against the last part of a key or variable.
_SECRET_NAME = re.compile(
    r"(?i)(^|[^a-z])(pass|secret|token|api[_-]?key|routing[_-]?key|private[_-]?key|access[_-]?key|credentials?|bearer)$"
    r"|pass(word|wd|phrase)$|[_-]pwd$"  # PGPASSWORD has no boundary; PWD and OLDPWD are folders
)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")

_SHAPES = (
    re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.S),
    re.compile(r"\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]+"),  # JSON web token, service-account tokens too
    re.compile(r"\b(gh[pousr]_\w{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|xox[abeprs]-[\w-]{10,}|xapp-[\w-]{10,})"),
    re.compile(r"\b(AKIA|ASIA)[A-Z0-9]{16}\b"),
    re.compile(r"\bhttps://hooks\.slack\.com/services/\S+"),
)
# A key of JSON such as ``/v1/token:refresh``: a route, or another path. Its parts are names, whatever they are called.
_PATH = re.compile(r"(?:[A-Z]+ )?/(?!.*//)[^\s\"'=?&;,]*")
# In a text, where a file's content may follow its path, only this one is: a word of letters is no token and no key.
_METHOD = r"(?<![^\s\"'(|])(?P<name>/[\w.{}*-]+/[\w./{}*-]*(?:token|key):[A-Za-z]+)(?=:?(?:[\s\"')|]|\Z))|"
# Shapes where only a part is secret: the named group stays, the rest is masked.
_PARTS = (
    re.compile(
        r"(?i)(?P<keep>\b(?:proxy-)?authorization[\"']?\s*[:=]\s*[\"']?(?!(?:(?:bearer|basic|token)\s+)?\[redacted\])"
        r"(?:(?:bearer|basic|token)\s+)?)[^\s\"',;\[]{4,}"
    ),
    # A word of lower-case letters alone is English ("basic authentication"), not a credential.
    re.compile(r"(?i)(?P<keep>\b(?:bearer|basic)\s+)(?=[\w.~+/=-]*(?-i:[0-9A-Z]))[\w.~+/=-]{12,}"),
    re.compile(r"(?P<keep>\b[a-z][a-z0-9+.-]*://[^\s:/@]*:)[^\s/\"']+(?=@)"),
    re.compile(r"(?i)(?P<keep>(?:\bpass|_pass|_pwd)[\"']?=[\"']?)(?!\[redacted\])[^\s\"',;&}\[]{4,}"),
    re.compile(
        rf"(?i){_METHOD}"
        r"(?P<keep>(?:pass(?:word|wd|phrase)|secret|token|api[_-]?key|routing[_-]?key|access[_-]?key|client-key-data)[\"']?\s*[:=]\s*[\"']?)"
        r"(?!\[redacted\]|p\d\d\.\d+ )[^\s\"',;&}\[]{4,}"  # "/oauth/token: p99.9 0.4 s" is a latency
    ),
)
_PASSWORD = re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s:/@]*:(?P<password>[^\s/\"']+)@")


def looks_secret(key: str, value: str) -> bool:
    """Whether ``value`` under ``key`` is a secret by the key's name or by its own shape."""
    named = secret_named(key.rsplit(".", 1)[-1]) and bool(value)
    return named or bool(_PASSWORD.search(value)) or any(shape.search(value) for shape in _SHAPES)


def secret_named(name: str) -> bool:
    """Whether what stands under this key or variable is a secret; camel case counts as words."""
    return bool(_SECRET_NAME.search(_CAMEL.sub("_", name)))


class Redactor:
    """Masks secrets in text and in JSON; knows values it was taught and shapes it recognises."""

    def __init__(self, known: Iterable[str] = ()) -> None:
        self._known: set[str] = set()
        for value in known:
            self.learn(value)

    @classmethod
    def from_environment(cls) -> Redactor:
        """A filter that knows every secret-named environment variable of this process, and passwords inside URLs."""
        inside = (found["password"] for value in os.environ.values() for found in _PASSWORD.finditer(value))
        return cls([*(value for name, value in os.environ.items() if secret_named(name)), *inside])

    def learn(self, value: str) -> None:
        """Mask ``value`` from now on, escaped or encoded too; under 6 characters it would mask ordinary words."""
        if len(value) >= 6:
            encoded = base64.b64encode(value.encode(errors="surrogateescape")).decode()
            self._known |= {value, json.dumps(value)[1:-1], quote(value, safe="", errors="replace"), encoded}

    def text(self, value: str) -> str:
        """``value`` with every secret masked, and as text that every report can be written in."""
        value = self._surely(value)
        for part in _PARTS:
            value = part.sub(lambda found: found.groupdict().get("name") or f"{found['keep']}{MASK}", value)
        return value

    def _surely(self, value: str) -> str:
        """Without what is known, or has a shape that only secrets have."""
        value = value.encode("utf-8", "backslashreplace").decode("utf-8")  # half a surrogate pair fits in no file
        for secret in sorted(self._known, key=len, reverse=True):
            value = value.replace(secret, MASK)
        for shape in _SHAPES:
            value = shape.sub(MASK, value)
        return value

    def _key(self, key: str) -> str:
        return self._surely(key) if _PATH.fullmatch(key) else self.text(key)

    @overload
    def json(self, value: Json) -> Json: ...
    @overload
    def json(self, value: JsonValue) -> JsonValue: ...
    def json(self, value: JsonValue) -> JsonValue:
        """``value`` with secrets masked: in strings, under secret-named keys, in ``name`` and ``value`` pairs.

        A key that is a path keeps its words: what was counted of a route is found again under its name. Where two keys
        would become one, the later one gets a number: what stands under either is not lost.
        """
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self.json(item) for item in value]
        if isinstance(value, dict):
            if isinstance(value.get("name"), str) and isinstance(value.get("value"), str):
                # An environment variable of a container: {"name": "DB_PASSWORD", "value": "..."}
                pair = self.json({str(value["name"]): value["value"]})
                value = {**value, "value": next(iter(pair.values()))}
            return self._object(value)
        return value

    def _object(self, value: Json) -> Json:
        masked: Json = {}
        for key, item in value.items():
            name = alone = self._key(key)
            number = 1
            while name in masked:
                number += 1
                name = f"{alone} ({number})"
            masked[name] = MASK if isinstance(item, str) and item and secret_named(key) else self.json(item)
        return masked
