"""The kinds of trouble, which never blend (style guide, rule 7).

``ConfigError`` is the user's file (one line, exit 4), ``Unreachable`` is a probe that failed (not proven), and a claim
that turned out wrong is an ``AssertionError`` raised by the recorder in ``golive.evidence``.
"""

from __future__ import annotations


class GoliveError(Exception):
    """Anything this suite raises on purpose."""


class ConfigError(GoliveError):
    """A setting is wrong: names the key, what was expected and what was found. Exit 4."""


class JournalError(GoliveError):
    """The record cannot be written, or what it holds does not fit its hash chain."""


class Unreachable(GoliveError):  # noqa: N818  (says what it is: a finding, not our mistake)
    """Something could not be observed; whatever depends on it is not proven."""


class Tampered(GoliveError):  # noqa: N818
    """Bytes are not those their digest promises: whoever sent them cannot be believed, so nothing is proven.

    The message holds the digest that was promised and the one that was found.
    """


class NotInTime(Unreachable):
    """A wait ended before its condition was seen; the message holds what was last seen."""


class WrongCluster(GoliveError):  # noqa: N818
    """The cluster is not the one ``golive.toml`` names; nothing was written to it."""


class ApiError(Unreachable):
    """The Kubernetes API answered, but not with what was asked for.

    ``status`` is the HTTP code, ``reason`` the API's own word (``NotFound``, ``Forbidden``, ``Invalid`` …).
    """

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status = status
        self.reason = reason
        self.message = message
