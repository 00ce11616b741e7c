"""Everything that a Sigstore instance trusts: the authority for signers, its CT log, two Rekor logs, the timestamps."""

from __future__ import annotations

from datetime import datetime, timedelta

from cryptography.x509.oid import ExtendedKeyUsageOID

from golive_sandbox.signing import certificates, keys
from golive_sandbox.signing.certificates import Span
from golive_sandbox.signing.log import Log, TiledLog
from golive_sandbox.signing.timestamps import TimestampAuthority
from golive_sandbox.types import Json, JsonValue

TRUSTED_ROOT = "application/vnd.dev.sigstore.trustedroot+json;version=0.1"
_AGE, _LIFETIME = timedelta(days=365), timedelta(days=3650)
_HOST = "example.test"


class Authority:
    """One instance; its keys are in memory only. At ``now`` it is a year old, so that older signatures can be made."""

    def __init__(self, now: datetime, log_url: str) -> None:
        self._since = now - _AGE
        span = Span(self._since, now + _LIFETIME)
        self.root = certificates.authority("sigstore", span, 1)
        usages = [ExtendedKeyUsageOID.CODE_SIGNING]
        self.intermediate = certificates.authority("sigstore-intermediate", span, 0, by=self.root, usages=usages)
        self.ct_key = keys.p256()
        self.log = Log(f"rekor.{_HOST}")
        self.tiled_log = TiledLog(f"log2026-1.rekor.{_HOST}")
        self.log_url = log_url
        self.timestamps = TimestampAuthority(span)

    @classmethod
    def new(cls, now: datetime, *, log_url: str = f"https://rekor.{_HOST}") -> Authority:
        """With keys of its own, different at every call. ``log_url`` is where the Rekor v1 log would answer."""
        return cls(now, log_url)

    def trusted_root(
        self,
        *,
        ca_until: datetime | None = None,
        log_until: datetime | None = None,
        log_since: datetime | None = None,
        log: bool = True,
        ct_log: bool = True,
        tsa: bool = True,
    ) -> Json:
        """The trusted root document.

        ``ca_until`` and ``log_until`` retire the signers' authority and the logs' keys then, ``log_since`` lets the
        keys begin then; the switches leave out both logs, the CT log or the timestamp authority.
        """
        since = log_since or self._since
        tlogs: list[JsonValue] = [
            _log(self.log.public_key, self.log.id, self.log_url, since, log_until),
            _log(self.tiled_log.public_key, self.tiled_log.id, f"https://{self.tiled_log.name}", since, log_until),
        ]
        ctlog = _log(keys.described(self.ct_key), keys.key_id(self.ct_key), f"https://ctfe.{_HOST}", self._since, None)
        authority = certificates.described((self.intermediate, self.root), self._since, ca_until)
        return {
            "mediaType": TRUSTED_ROOT,
            "tlogs": tlogs if log else [],
            "certificateAuthorities": [{**authority, "uri": f"https://fulcio.{_HOST}"}],
            "ctlogs": [ctlog] if ct_log else [],
            "timestampAuthorities": [certificates.described(self.timestamps.chain, self._since, None)] if tsa else [],
        }


def _log(public_key: Json, log_id: bytes, url: str, start: datetime, end: datetime | None) -> Json:
    return {
        "baseUrl": url,
        "hashAlgorithm": "SHA2_256",
        "publicKey": {**public_key, "validFor": certificates.valid_for(start, end)},
        "logId": {"keyId": keys.b64(log_id)},
    }
