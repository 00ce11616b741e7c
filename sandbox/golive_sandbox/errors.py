"""What goes wrong in the sandbox; every message says what was expected, what was seen and what to do."""

from __future__ import annotations


class SandboxError(Exception):
    """Anything the sandbox raises on purpose; the command line prints it without a traceback and exits 1."""


class NotInTimeError(SandboxError):
    """A wait ended before its condition was seen; the message holds what was last seen."""


class ApiError(SandboxError):
    """The Kubernetes API answered, but not with what was asked for.

    ``status`` is the HTTP code (0: no answer at all), ``reason`` the API's own word (``NotFound``, ``Forbidden`` …).
    """

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status = status
        self.reason = reason
        self.message = message
