"""The roots that signatures are believed by: loaded from bytes whose hash is told, and narrowed to a moment.

Never ``Verifier.production`` without a refresh: that trusts an unverified file in the user's cache folder
(``shared/supply-chain.md``, decision 6).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, TypeVar

from golive.supply.errors import Code, Refused
from golive.types import Json, items, mapping, text

if TYPE_CHECKING:
    from sigstore.models import Bundle, TrustedRoot
    from sigstore.verify import Verifier

T = TypeVar("T")
_SECONDS = "%Y-%m-%dT%H:%M:%SZ"
_AUTHORITIES, _LOGS, _CT_LOGS = "certificateAuthorities", "tlogs", "ctlogs"
_NEEDED = {_AUTHORITIES: "certificate authority", _LOGS: "signature log", _CT_LOGS: "certificate log"}
_CONFIG = "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json"
_SIGNING = {"mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json"}


@dataclass(frozen=True, slots=True)
class Trust:
    """A trusted root. ``words`` say for evidence where it came from, its hash and its age."""

    root: Json
    sha256: str
    words: str
    _verifiers: dict[tuple[str, ...], Verifier] = field(default_factory=dict, repr=False, compare=False)

    def verifier(self, moment: _Moment | None = None) -> Verifier:
        """What checks bundles with all that the root lists, or with what was in use at a moment.

        Raises ``Refused`` (TRUST_ROOT) where keys cannot be read, or none is left.
        """
        left_out = self.unused(moment) if moment else ()
        if left_out not in self._verifiers:
            self._verifiers[left_out] = _verifier_of(self.root, left_out)
        return self._verifiers[left_out]

    def unused(self, moment: _Moment) -> tuple[str, ...]:
        """The authorities and logs, such as ``tlogs[1]``, that were not in use then, and so prove nothing."""
        return tuple(
            f"{kind}[{place}]"
            for kind in _NEEDED
            for place, entry in enumerate(items(self.root, kind))
            if not _covers(_window(entry, kind, place), moment.times_for(kind))
        )


@dataclass(frozen=True, slots=True)
class _Moment:
    """When something was signed, by every clock that is believed, and when its certificate was issued."""

    signed: tuple[datetime, ...]
    issued: datetime

    def times_for(self, kind: str) -> tuple[datetime, ...]:
        return (self.issued,) if kind == _CT_LOGS else self.signed


def load(
    raw: bytes,
    *,
    source: str,
    sha256: str = "",
    pinned_on: date | None = None,
    max_age_days: int | None = None,
    today: date,
) -> Trust:
    """A trusted root from the bytes of its JSON; ``sha256`` (hex) pins it, ``pinned_on`` dates it.

    Raises ``Refused`` (TRUST_ROOT): another hash, too old, not a trusted root v0.1, or without authority or log. The
    empty lists have to be found here: the library finds them only when it verifies.
    """
    found = hashlib.sha256(raw).hexdigest()
    if sha256 and found != sha256:
        raise _refuse(f"sha256 of {source}", sha256, found)
    age = _age(source, pinned_on, max_age_days, today)
    try:
        root = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise _refuse(source, "a trusted root as JSON", "something else", str(error)) from error
    if not isinstance(root, dict):
        raise _refuse(source, "a trusted root, a JSON object", type(root).__name__)
    for kind, what in _NEEDED.items():
        if not items(root, kind):
            raise _refuse(f"{kind} of {source}", f"at least one {what}", "none")
        for place, entry in enumerate(items(root, kind)):
            _window(entry, kind, place)
    trust = Trust(root, found, f"{source}, sha256 {found[:16]}…{age}")
    trust.verifier()
    return trust


def verified(trust: Trust, bundle: Bundle, check: Callable[[Verifier], T]) -> tuple[T, datetime]:
    """What ``check`` gives with those roots that were in use when it was signed, and that moment (the earliest).

    The library does not compare the windows of authorities and logs with the time of signing: one that was retired,
    perhaps because its key was lost, would go on signing. Raises ``Refused``: TRUST_WINDOW where the bundle verifies
    with a retired one only, CERT_UNTRUSTED_OR_EXPIRED with the certificate's window and the times of signing; and what
    else ``check`` raises where it does not verify at all.
    """
    from sigstore.errors import CertValidationError

    def named(verifier: Verifier) -> T:
        try:
            return check(verifier)
        except CertValidationError as error:
            raise _certificate(bundle, times, error) from error

    whole = trust.verifier()
    # The library keeps its times to itself; which TSA times it believes cannot be told from outside (pinned version).
    times = tuple(sorted(one.time for one in whole._establish_time(bundle)))
    if not times:
        check(whole)
        raise Refused(Code.SIGNATURE_OR_LOG_INVALID, "time of signing", expected="one signed time", found="none")
    moment = _Moment(times, bundle.signing_certificate.not_valid_before_utc)
    retired = trust.unused(moment)
    if not retired:
        return named(whole), times[0]
    try:
        return named(trust.verifier(moment)), times[0]
    except Exception as error:
        named(whole)  # raises its own reason, unless what is retired is the reason
        raise Refused(
            Code.TRUST_WINDOW,
            "trusted root at the time of signing",
            expected=f"an authority and logs in use at {times[0]:{_SECONDS}}",
            found=f"it verifies only with what was not in use then, of {', '.join(retired)}",
        ) from error


def _certificate(bundle: Bundle, times: Iterable[datetime], error: Exception) -> Refused:
    cert = bundle.signing_certificate
    signed = " and ".join(f"{one:{_SECONDS}}" for one in times)
    return Refused(
        Code.CERT_UNTRUSTED_OR_EXPIRED,
        "certificate",
        expected=f"one that an authority of the trusted root issued, valid when it signed, at {signed}",
        found=f"one valid from {cert.not_valid_before_utc:{_SECONDS}} to {cert.not_valid_after_utc:{_SECONDS}}",
        detail=" ".join(str(error).split()),
    )


def _age(source: str, pinned_on: date | None, max_age_days: int | None, today: date) -> str:
    if pinned_on is None:
        return ""
    days = (today - pinned_on).days
    if days < 0:
        raise _refuse(f"age of {source}", "a day that has been", f"pinned on {pinned_on}, and today is {today}")
    if max_age_days is not None and days > max_age_days:
        raise _refuse(f"age of {source}", f"at most {max_age_days} days", f"{days} days: pinned on {pinned_on}")
    return f", pinned {days} days ago ({pinned_on})"


def _verifier_of(root: Json, left_out: Iterable[str]) -> Verifier:
    from sigstore.errors import Error
    from sigstore.models import ClientTrustConfig
    from sigstore.verify import Verifier

    gone = set(left_out)
    kept: Json = {
        kind: [entry for place, entry in enumerate(items(root, kind)) if f"{kind}[{place}]" not in gone]
        for kind in _NEEDED
    }
    config = {"mediaType": _CONFIG, "trustedRoot": {**root, **kept}, "signingConfig": _SIGNING}
    try:
        trusted: TrustedRoot = ClientTrustConfig.from_json(json.dumps(config)).trusted_root
        return Verifier(trusted_root=trusted)
    except (Error, ValueError) as error:
        raise _refuse("trusted root", "one that the library reads (v0.1)", "another", str(error)) from error


def _window(entry: Json, kind: str, place: int) -> tuple[datetime, datetime | None]:
    """From when to when something was in use, both included; ``None``: still."""
    valid = mapping(entry, "validFor") if kind == _AUTHORITIES else mapping(entry, "publicKey", "validFor")
    where = f"{kind}[{place}].validFor"
    if not text(valid, "start"):
        raise _refuse(where, "a start", "none")
    end = text(valid, "end")
    return _time(where, text(valid, "start")), _time(where, end) if end else None


def _time(where: str, written: str) -> datetime:
    try:
        found = datetime.fromisoformat(written)
    except ValueError as error:
        raise _refuse(where, "a time such as 2026-01-01T00:00:00Z", written) from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _covers(window: tuple[datetime, datetime | None], times: Iterable[datetime]) -> bool:
    start, end = window
    return all(start <= one and (end is None or one <= end) for one in times)


def _refuse(name: str, expected: str, found: str, detail: str = "") -> Refused:
    return Refused(Code.TRUST_ROOT, name, expected=expected, found=found, detail=detail)
