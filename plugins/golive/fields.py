"""What the parts of ``golive.toml`` are made of: shapes of names, seconds, and references to secrets."""

from __future__ import annotations

import os
import re
from typing import Annotated, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

from golive.errors import ConfigError

DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
UID = re.compile(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}")
IMAGE = re.compile(r"[a-z0-9][a-z0-9.\-]*(:[0-9]+)?(/[a-z0-9._\-]+)+")
TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._\-]{0,127}")
URL = re.compile(r"https?://[^\s/]+(/\S*)?")
CONTACT = re.compile(r"(mailto:[^@\s]+@[^@\s]+\.[^@\s]+|tel:\+[0-9][0-9 ]{5,}|https://\S+|slack:[#@]\S+|pagerduty:\S+)")

_KEY = r"([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-\w.]{0,61}[A-Za-z0-9])?"
_LABEL = r"([A-Za-z0-9]([-\w.]{0,61}[A-Za-z0-9])?)"
_TERM = rf"(!?{_KEY}|{_KEY}\s*(=|==|!=)\s*{_LABEL}?|{_KEY}\s+(in|notin)\s+\(\s*{_LABEL}(\s*,\s*{_LABEL})*\s*\))"
SELECTOR = re.compile(rf"\s*{_TERM}(\s*,\s*{_TERM})*\s*", re.ASCII)


def shaped(pattern: re.Pattern[str], expected: str) -> AfterValidator:
    """A text of this shape; ``expected`` says in words which."""

    def check(value: str) -> str:
        if not pattern.fullmatch(value):
            raise ValueError(f"expected {expected}")
        return value

    return AfterValidator(check)


DnsName = Annotated[str, shaped(NAME, "a Kubernetes name such as maestro-server (lower case, digits, '-', 63 at most)")]
Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]


class Part(BaseModel):
    """One table of the file: frozen, strict, no unknown keys; what was found is never repeated by pydantic."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        extra="forbid", frozen=True, strict=True, hide_input_in_errors=True, use_attribute_docstrings=True
    )


class SecretRef(Part):
    """Where a secret is: an environment variable, or a key of a Kubernetes Secret. Never the secret itself."""

    env: str | None = None
    """Name of an environment variable."""
    secret: DnsName | None = None
    """Name of a Secret in the release's namespace."""
    key: str | None = None
    """Key inside that Secret."""

    @model_validator(mode="after")
    def _one_place(self) -> SecretRef:
        in_cluster = self.secret is not None and self.key is not None
        if (self.env is not None) == in_cluster or (self.secret is None) != (self.key is None):
            raise ValueError('expected {env = "NAME"} or {secret = "NAME", key = "KEY"}')
        return self

    def from_environment(self) -> SecretStr:
        """The value of the environment variable; raises ``ConfigError`` when it is unset or empty."""
        value = os.environ.get(self.env or "", "")
        if not value:
            raise ConfigError(f"environment: expected variable {self.env} to hold a secret, found it unset or empty")
        return SecretStr(value)
